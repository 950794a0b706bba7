"""Classify, Regress and MultiInference through the official stubs, and their replies over REST."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest

from serving.server import Server
from serving.server.flags import Flags
from serving.server.inference import EXAMPLE_COUNT_TOTAL
from tests.serving.example_models import CLASSIFY, LABELS, REGRESS, example, save_examples, score, value


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("examples")
    save_examples(root / "examples" / "4")
    return root


@pytest.fixture(scope="module")
def running(folder) -> Iterator[Server]:
    with Server(folder, port=0, rest_port=0) as server:
        yield server


@pytest.fixture(scope="module")
def stub(running):
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    with grpc.insecure_channel(running.address) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def ask(stub):
    """Sends Examples to a signature with the call that its name begins with."""

    def call(signature: str, *examples: Any, context: Any = None, model: str = "examples") -> Any:
        from tensorflow_serving.apis import classification_pb2, regression_pb2

        regress = signature.startswith("regress")
        request = (
            regression_pb2.RegressionRequest() if regress else classification_pb2.ClassificationRequest()
        )
        request.model_spec.name, request.model_spec.signature_name = model, signature
        fill(request.input, examples, context)
        return (stub.Regress if regress else stub.Classify)(request, timeout=30)

    return call


def fill(target: Any, examples: Any, context: Any = None) -> None:
    if context is None:
        target.example_list.examples.extend(examples)
        return
    target.example_list_with_context.context.CopyFrom(context)
    target.example_list_with_context.examples.extend(examples)


def refused(call, *arguments, **keywords) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **keywords)
    return caught.value.code().name, caught.value.details()


def scored(reply: Any) -> list[list[tuple[str, float]]]:
    return [[(one.label, one.score) for one in row.classes] for row in reply.result.classifications]


def test_classify_gives_labels_with_scores_and_the_whole_model_spec(ask):
    reply = ask("", example(x=0.25), example(x=0.75, bonus=2))
    expected = [score(0.25), score(0.75, 2)]
    assert scored(reply) == [list(zip(LABELS, row, strict=True)) for row in expected]
    assert reply.model_spec.name == "examples" and reply.model_spec.version.value == 4
    assert reply.model_spec.signature_name == "serving_default"


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        ("classes", [[("low", 0.0), ("high", 0.0)]]),
        ("scores", [[("", 0.75), ("", 0.25)]]),
        ("scores_and_more", [[("", 0.75), ("", 0.25)]]),
        ("as_tf2", [[("", 0.75), ("", 0.25)]]),
    ],
)
def test_classes_or_scores_alone_are_enough(ask, signature, expected):
    assert scored(ask(signature, example(x=0.25))) == expected


@pytest.mark.parametrize("signature", ["regress", "regress_column", "regress_as_tf2"])
def test_regress_takes_a_vector_or_a_column(ask, signature):
    reply = ask(signature, example(x=0.5), example(x=1, bonus=0.25), example())
    assert [row.value for row in reply.result.regressions] == [value(0.5), value(1, 0.25), 0.0]
    assert (reply.model_spec.version.value, reply.model_spec.signature_name) == (4, signature)


def test_a_context_stands_in_every_example_which_overrides_it(ask):
    reply = ask("regress", example(x=1), example(bonus=5), example(), context=example(bonus=3, x=0.5))
    assert [row.value for row in reply.result.regressions] == [value(1, 3), value(0.5, 5), value(0.5, 3)]


def test_an_example_of_another_type_is_named_by_its_position(ask):
    import tensorflow as tf

    wrong = tf.train.Example()
    wrong.features.feature["x"].bytes_list.value.append(b"no number")
    code, text = refused(ask, "regress", example(x=1), wrong)
    assert code == "INVALID_ARGUMENT" and text.startswith("inputs[1]: ") and "inputs[0]" not in text


@pytest.mark.parametrize("with_context", [False, True])
@pytest.mark.parametrize("signature", ["scores", "regress"])
def test_no_examples_are_refused(ask, signature, with_context):
    context = example(x=1) if with_context else None
    assert refused(ask, signature, context=context) == ("INVALID_ARGUMENT", "Input is empty.")


FOUND = "Signature was: probabilities float [-1,2]"


@pytest.mark.parametrize(
    ("signature", "text"),
    [
        ("two_inputs", "Expected one input Tensor."),
        ("three_outputs", "Expected one or two output Tensors, found 3"),
        ("wrong_key", "No classification inputs found in SignatureDef: examples string [-1]"),
        ("regress_wrong_key", "No regression inputs found in SignatureDef: examples string [-1]"),
        (
            "neither",
            'Expected classification signature outputs to contain at least one of "classes" or "scores". '
            + FOUND,
        ),
        ("missing", "No signature was found with the name: missing"),
        ("regress_missing", "No signature was found with the name: regress_missing"),
        (
            "numbers",
            "Type mismatch: actual string vs. expect float (input inputs float [-1], received string [2])",
        ),
        ("flat", "Expected Tensor shape: [batch_size num_classes] but got [2]"),
        ("doubles", "Expected scores Tensor of DT_FLOAT. Got: DT_DOUBLE"),
        ("numbered", "Expected classes Tensor of DT_STRING. Got: DT_INT64"),
        ("one_row", "Expected scores output batch size of 2. Got: 1"),
        ("widths", "Tensors class and score should match in dim_size(1). Got 1 vs. 2"),
        ("no_text", "classes[0,0] is no UTF-8, and a Classification has no other labels"),
        (
            "regress_pairs",
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [2,2]",
        ),
        (
            "regress_scalar",
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got []",
        ),
        ("regress_one_row", "Input batch size did not match output batch size: 2 vs. 1"),
        ("regress_doubles", "Expected output Tensor of DT_FLOAT.  Got: DT_DOUBLE"),
        ("regress_two", "Expected one output Tensor."),
        ("regress_value", "No regression outputs found in SignatureDef: value float [-1]"),
    ],
)
def test_signatures_that_are_none_of_the_kind_have_tf_servings_texts(ask, signature, text):
    assert refused(ask, signature, example(), example()) == ("INVALID_ARGUMENT", text)


def test_model_specs_that_mean_nothing(ask, stub):
    from tensorflow_serving.apis import classification_pb2, regression_pb2

    missing = "INVALID_ARGUMENT", "Missing ModelSpec"
    assert refused(stub.Classify, classification_pb2.ClassificationRequest()) == missing
    assert refused(stub.Regress, regression_pb2.RegressionRequest()) == missing
    unknown = "NOT_FOUND", "Servable not found for request: Latest(nobody)"
    assert refused(ask, "scores", example(), model="nobody") == unknown


def tasks(*wanted: tuple[str, str, str], examples: Any = None) -> Any:
    """A MultiInferenceRequest of (model, signature, method) tasks."""
    from tensorflow_serving.apis import inference_pb2

    request = inference_pb2.MultiInferenceRequest()
    for model, signature, method in wanted:
        task = request.tasks.add(method_name=method)
        task.model_spec.name, task.model_spec.signature_name = model, signature
    fill(request.input, [example(x=0.5), example(x=1)] if examples is None else examples)
    return request


def test_multi_inference_answers_every_task_in_order(stub):
    request = tasks(("examples", "regress", REGRESS), ("examples", "", CLASSIFY))
    regressed, classified = stub.MultiInference(request, timeout=30).results
    assert [row.value for row in regressed.regression_result.regressions] == [value(0.5), value(1)]
    rows = classified.classification_result.classifications
    assert [[one.score for one in row.classes] for row in rows] == [score(0.5), score(1)]
    assert [one.label for one in rows[0].classes] == LABELS
    assert (regressed.model_spec.signature_name, classified.model_spec.signature_name) == (
        "regress",
        "serving_default",
    )
    assert classified.model_spec.version.value == 4


@pytest.mark.parametrize(
    ("wanted", "code", "text"),
    [
        ([], "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        ([("", "", CLASSIFY)], "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        (
            [("examples", "", CLASSIFY), ("", "regress", REGRESS)],
            "INVALID_ARGUMENT",
            "Found ModelSpec with an empty model name.",
        ),
        (
            [("examples", "", CLASSIFY), ("another", "regress", REGRESS)],
            "INVALID_ARGUMENT",
            "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
        ),
        (
            [("examples", "", CLASSIFY), ("examples", "serving_default", CLASSIFY)],
            "INVALID_ARGUMENT",
            "Duplicate evaluation of signature: serving_default",
        ),
        (
            [("examples", "none", CLASSIFY)],
            "INVALID_ARGUMENT",
            "Requested signature not found in model graph: none",
        ),
        (
            [("examples", "", "tensorflow/serving/predict")],
            "UNIMPLEMENTED",
            "Unsupported signature method_name: tensorflow/serving/predict",
        ),
        (
            [("examples", "", CLASSIFY), ("examples", "regress_two", REGRESS)],
            "INVALID_ARGUMENT",
            "Expected one output Tensor.",
        ),
        ([("nobody", "", CLASSIFY)], "NOT_FOUND", "Servable not found for request: Latest(nobody)"),
    ],
    ids=[
        "no task",
        "empty name",
        "empty name later",
        "two models",
        "twice",
        "no signature",
        "predict",
        "ill-formed",
        "no model",
    ],
)
def test_multi_inference_refusals(stub, wanted, code, text):
    assert refused(stub.MultiInference, tasks(*wanted)) == (code, text)


def test_multi_inference_without_examples(stub):
    request = tasks(("examples", "", CLASSIFY), examples=[])
    assert refused(stub.MultiInference, request) == ("INVALID_ARGUMENT", "Input is empty.")


def test_the_method_name_counts_only_with_the_flag(folder):
    from tensorflow_serving.apis import classification_pb2, prediction_service_pb2_grpc, regression_pb2

    flags = Flags(enable_signature_method_name_check=True)
    with Server(folder, port=0, flags=flags) as server, grpc.insecure_channel(server.address) as channel:
        checked = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        classify, regress = classification_pb2.ClassificationRequest(), regression_pb2.RegressionRequest()
        for request in (classify, regress):
            request.model_spec.name = "examples"
            fill(request.input, [example(x=1)])
        assert scored(checked.Classify(classify)) == [list(zip(LABELS, score(1), strict=True))]
        classify.model_spec.signature_name = "as_tf2"
        assert refused(checked.Classify, classify) == (
            "INVALID_ARGUMENT",
            "Expected classification signature method_name to be tensorflow/serving/classify. "
            "Was: tensorflow/serving/predict",
        )
        regress.model_spec.signature_name = "scores"
        assert refused(checked.Regress, regress) == (
            "INVALID_ARGUMENT",
            "Expected regression signature method_name to be tensorflow/serving/regress. "
            "Was: tensorflow/serving/classify",
        )


@pytest.fixture(scope="module")
def post(running):
    def send(method: str, **body: Any) -> httpx.Response:
        url = f"{running.rest_address}/v1/models/examples/versions/4:{method}"
        return httpx.post(url, content=json.dumps(body), timeout=30)

    return send


def test_rest_classify_and_regress_give_results(post):
    both = [{"x": 0.25}, {"x": 0.75, "bonus": 2.5}]
    reply = post("classify", examples=both)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
    assert reply.json() == {"results": [[["low", 0.75], ["high", 0.25]], [["low", 0.25], ["high", 3.25]]]}
    assert post("classify", signature_name="classes", examples=[{}]).json() == {
        "results": [[["low", 0.0], ["high", 0.0]]]
    }
    assert post("regress", signature_name="regress_column", examples=both).json() == {"results": [0.5, 4.0]}
    answered = post("regress", signature_name="regress", context={"bonus": 0.5}, examples=[{"x": 1.0}, {}])
    assert answered.json() == {"results": [2.5, 0.5]}


@pytest.mark.parametrize(
    ("method", "signature", "examples", "text"),
    [
        (
            "classify",
            "neither",
            [{}],
            'Expected classification signature outputs to contain at least one of "cl',
        ),
        ("classify", "missing", [{}], "No signature was found with the name: missing"),
        ("regress", "regress_two", [{}], "Expected one output Tensor."),
        ("regress", "regress", [{"x": "text"}], "inputs[0]: "),
    ],
    ids=["neither", "missing", "two outputs", "text for a number"],
)
def test_rest_refusals_are_400_with_the_same_texts(post, method, signature, examples, text):
    reply = post(method, signature_name=signature, examples=examples)
    assert reply.status_code == 400 and reply.json()["error"].startswith(text)


def test_run_times_and_examples_are_counted(running, ask):
    metrics = running.engine.metrics
    latency = ":tensorflow:serving:runtime_latency", "examples", "Classify", "TF1"
    counts = ":tensorflow:serving:request_example_counts", "examples"
    before = metrics.value(*latency), metrics.value(*counts), metrics.total(EXAMPLE_COUNT_TOTAL)
    ask("classes", example(x=0.25), example(x=0.5), example(x=1))
    after = metrics.value(*latency), metrics.value(*counts), metrics.total(EXAMPLE_COUNT_TOTAL)
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 3]
