"""The embedded server, asked through the official tensorflow-serving-api stubs."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent import futures
from pathlib import Path

import grpc
import numpy as np
import pytest

from serving.client import Client
from serving.protocol import messages
from serving.server import Server, StartError, errors
from tests.serving.gate import gated
from tests.serving.saved_models import SIDE, jpeg_bytes, predict_request

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def official(server):
    from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

    with grpc.insecure_channel(server.address) as channel:
        yield (
            prediction_service_pb2_grpc.PredictionServiceStub(channel),
            model_service_pb2_grpc.ModelServiceStub(channel),
        )


def official_request(model, signature="", version=None, **inputs):
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    for alias, value in inputs.items():
        request.inputs[alias].CopyFrom(tf.make_tensor_proto(value))
    return request


def refused(call, request) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(request)
    return caught.value.code().name, caught.value.details()


def test_official_stub_gets_typed_fields_and_the_whole_model_spec(official, jpeg):
    import tensorflow as tf

    reply = official[0].Predict(official_request("pictures", image_bytes=[jpeg, jpeg]))
    spec = reply.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("pictures", 12, "serving_default")
    mean = reply.outputs["mean"]
    assert len(mean.float_val) == 6 and not mean.tensor_content
    np.testing.assert_allclose(tf.make_ndarray(mean), [[200, 50, 50]] * 2, atol=1.5)
    assert sorted(reply.outputs) == ["features", "mean"]


def test_official_stub_gets_what_the_saved_model_itself_returns(official, models_dir):
    import tensorflow as tf

    image = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)
    reply = official[0].Predict(official_request("pictures", "tensor", image=image))
    direct = tf.saved_model.load(str(models_dir / "pictures" / "0000012")).signatures["tensor"]
    for alias, expected in direct(image=tf.constant(image)).items():
        np.testing.assert_array_equal(tf.make_ndarray(reply.outputs[alias]), expected.numpy())


def test_output_filter_strings_and_scalars(official):
    import tensorflow as tf

    request = official_request("pair", a=np.ones((1, 2), np.float32), b=np.ones((1, 2), np.float32))
    request.output_filter.extend(["total", "raw", "count"])
    reply = official[0].Predict(request)
    assert sorted(reply.outputs) == ["count", "raw", "total"]
    assert tf.make_ndarray(reply.outputs["total"]).tolist() == 4.0
    assert list(reply.outputs["raw"].string_val) == [b"\xff\xfe"]
    assert list(reply.outputs["count"].int_val) == [1, 2]


def test_metadata_and_status_through_the_official_stubs(official):
    from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "pictures"
    reply = official[0].GetModelMetadata(request)
    assert (reply.model_spec.version.value, reply.model_spec.signature_name) == (12, "")
    signature_map = get_model_metadata_pb2.SignatureDefMap()
    assert reply.metadata["signature_def"].Unpack(signature_map)
    tensor = signature_map.signature_def["tensor"]
    assert [d.size for d in tensor.inputs["image"].tensor_shape.dim] == [-1, SIDE, SIDE, 3]
    assert tensor.method_name == "tensorflow/serving/predict"

    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = "pictures"
    (row,) = official[1].GetModelStatus(status).model_version_status
    assert (row.version, row.state, row.status.error_code, row.status.error_message) == (12, 30, 0, "")


def test_health_covers_the_server_and_both_services(server):
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(server.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", "ModelService", "PredictionService", "tensorflow.serving.PredictionService"):
            assert health.Check(health_pb2.HealthCheckRequest(service=name)).status == 1
        with pytest.raises(grpc.RpcError) as caught:
            health.Check(health_pb2.HealthCheckRequest(service="other"))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def without_spec(_):
    from tensorflow_serving.apis import predict_pb2

    return predict_pb2.PredictRequest()


def with_label(model):
    request = official_request(model)
    request.model_spec.version_label = "canary"
    return request


def with_filter(*aliases):
    def make(model):
        request = official_request(model, a=np.ones((1, 2), np.float32), b=np.ones((1, 2), np.float32))
        request.output_filter.extend(aliases)
        return request

    return make


A, B = np.ones((1, 2), np.float32), np.ones((1, 2), np.float32)


@pytest.mark.parametrize(
    ("make", "code", "text"),
    [
        (without_spec, "INVALID_ARGUMENT", "Missing ModelSpec"),
        (lambda m: official_request(""), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        (lambda m: official_request("x"), "NOT_FOUND", "Servable not found for request: Latest(x)"),
        (
            lambda m: official_request(m, version=0),
            "NOT_FOUND",
            "Servable not found for request: Specific(pair, 0)",
        ),
        (with_label, "INVALID_ARGUMENT", "Unrecognized servable version label: canary"),
        (lambda m: official_request(m, "s"), "FAILED_PRECONDITION", 'Serving signature key "s" not found.'),
        (
            lambda m: official_request(m, a=A),
            "INVALID_ARGUMENT",
            "input size does not match signature: 1!=2 len({a}) != len({a,b}). "
            "Sent extra: {}. Missing but required: {b}.",
        ),
        (
            lambda m: official_request(m, a=A, c=B),
            "INVALID_ARGUMENT",
            "Signature input alias: b(feed name: serving_default_b:0) not found in request and no default "
            "value provided. Inputs expected to be in the request {a,c}, or default input alias set: ",
        ),
        (
            lambda m: official_request(m, a=A, b=B.astype(np.float64)),
            "INVALID_ARGUMENT",
            "Type mismatch: actual double vs. expect float (input b float [-1,2], received double [1,2])",
        ),
        (
            lambda m: official_request(m, a=A, b=B[0]),
            "INVALID_ARGUMENT",
            "input 'b' has the wrong shape: expected b float [-1,2], received float [2]",
        ),
        (
            lambda m: official_request(m, a=A[:0], b=B[:0]),
            "INVALID_ARGUMENT",
            "input 'a' has no rows: expected a float [-1,2], received float [0,2]",
        ),
        (
            with_filter("sum", "sun"),
            "INVALID_ARGUMENT",
            "output tensor alias not found in signature: sun "
            "Outputs expected to be in the set {count,raw,sum,total}.",
        ),
        (with_filter("sum", "sum"), "INVALID_ARGUMENT", "duplicate output tensor alias: sum"),
    ],
)
def test_predict_refusals_have_tf_servings_codes_and_texts(official, make, code, text):
    assert refused(official[0].Predict, make("pair")) == (code, text)


def test_metadata_and_status_refusals(official):
    from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

    metadata = get_model_metadata_pb2.GetModelMetadataRequest
    status = get_model_status_pb2.GetModelStatusRequest
    spec = {"name": "pair"}
    for call, request, expected in [
        (
            official[0].GetModelMetadata,
            metadata(model_spec=spec),
            ("INVALID_ARGUMENT", "GetModelMetadataRequest must specify at least one metadata_field"),
        ),
        (
            official[0].GetModelMetadata,
            metadata(model_spec=spec, metadata_field=["x"]),
            ("INVALID_ARGUMENT", "Metadata field x is not supported"),
        ),
        (official[0].GetModelMetadata, metadata(), ("INVALID_ARGUMENT", "Missing ModelSpec")),
        (
            official[1].GetModelStatus,
            status(model_spec={"name": "x"}),
            ("NOT_FOUND", "Could not find any versions of model x"),
        ),
        (
            official[1].GetModelStatus,
            status(model_spec={"name": "pair", "version": {"value": 4}}),
            ("NOT_FOUND", "Could not find version 4 of model pair"),
        ),
    ]:
        assert refused(call, request) == expected


def test_long_texts_are_cut_as_tf_serving_cuts_them(official):
    code, text = refused(official[0].Predict, official_request("m" * 3000))
    assert code == "NOT_FOUND"
    assert text == f"Servable not found for request: Latest({'m' * 3000}"[:1024] + "...TRUNCATED"


def test_kernel_texts_lose_stacks_decoration_and_paths():
    raw = (
        "Graph execution error:\n\nDetected at node 'map/Decode' defined at (most recent call last):\n"
        "  File \"/home/me/model.py\", line 3, in f\n    x = decode(y)\nNode: 'map/Decode'\n"
        "{{function_node __inference_f_12}} cannot read /srv/models/a/1/assets/x.txt in map/while/Decode\n"
        "\t [[{{node map/Decode}}]] [Op:__inference_signature_wrapper_9]"
    )
    assert errors.kernel_text(raw) == "cannot read <path> in map/while/Decode"
    two = "2 root error(s) found.\n  (0) INTERNAL:  first\n\t [[{{node a}}]]\n  (1) INTERNAL:  second\n"
    assert errors.kernel_text(two) == "first"


def test_a_taken_port_is_an_error_and_not_a_second_server(server, models_dir):
    port = int(server.address.rpartition(":")[2])
    with pytest.raises(StartError, match="Address already in use"):
        Server(models_dir, port=port).start()


def test_stopping_drains_the_running_request_and_refuses_new_ones():
    gate, _, app = gated()
    raw = predict_request("gate").SerializeToString()
    with grpc.insecure_channel(f"127.0.0.1:{app.port}") as channel, futures.ThreadPoolExecutor(1) as pool:
        call = channel.unary_unary(f"/{messages.PREDICTION_SERVICE}/Predict")
        running = call.future(raw)
        assert gate.entered.wait(30)
        stopping = pool.submit(app.stop, 30.0)
        try:
            # Until the stop has begun a call is accepted and times out; one that meets it is cancelled.
            while (code := refused(lambda request: call(request, timeout=0.2), raw)[0]) != "UNAVAILABLE":
                assert code in ("DEADLINE_EXCEEDED", "CANCELLED")
            assert not stopping.done() and not running.done()
        finally:
            gate.open.set()
        reply = messages.PredictResponse.FromString(running.result(timeout=30))
        assert list(reply.outputs["y"].float_val) == [1.0]
        stopping.result(timeout=30)


def test_the_unforeseen_is_internal_with_a_log_entry_and_no_details(caplog):
    gate, _, app = gated()
    gate.run = lambda *_: 1 / 0
    with grpc.insecure_channel(f"127.0.0.1:{app.port}") as channel:
        call = channel.unary_unary(f"/{messages.PREDICTION_SERVICE}/Predict")
        code, text = refused(call, predict_request("gate").SerializeToString())
    app.stop(0)
    assert code == "INTERNAL" and text.startswith("internal error; the server's log has it as request ")
    assert text.rpartition(" ")[2] in caplog.text and "ZeroDivisionError" in caplog.text


def test_command_survives_hostile_input_and_ends_on_sigterm_with_0(models_dir):
    command = [sys.executable, "-m", "serving.server", str(models_dir), "--port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        log = []
        for line in process.stderr:
            log.append(line)
            if "Running gRPC ModelServer at " in line:
                break
        assert process.poll() is None and log and "Running gRPC" in log[-1], "".join(log)
        address = log[-1].partition("ModelServer at ")[2].partition(": ")[0]
        with grpc.insecure_channel(address) as channel:
            call = channel.unary_unary(f"/{messages.PREDICTION_SERVICE}/Predict")
            image = np.zeros((SIDE, SIDE, 3), np.uint8)  # this rank aborts TensorFlow in the convolution
            code, text = refused(call, predict_request("pictures", "tensor", image=image).SerializeToString())
        assert code == "INVALID_ARGUMENT" and "received uint8 [8,8,3]" in text
        with Client(address) as client:
            assert client.predict("pictures", image=jpeg_bytes())["mean"].shape == (1, 3)
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=60)
        assert process.returncode == 0, rest
        assert "SIGTERM: draining" in rest
    finally:
        process.kill()
        process.communicate()


def test_command_that_cannot_start_says_so_and_exits_1(tmp_path):
    command = [sys.executable, "-m", "serving.server", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("Failed to start server. Error: No versions of any model found")
    assert "Traceback" not in done.stderr
