"""A server with --enable_batching: what its callers see of the batches that they share.

Batches wait for a minute, so that only a full one runs: which requests share a batch is certain.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path

import grpc
import numpy as np
import pytest

from serving.protocol import messages, tensors
from serving.server import Server
from serving.server.errors import StatusError
from serving.server.flags import Flags
from tests.serving.saved_models import predict_request

SIZE, OWN_SIZE = 8, 2
PARAMETERS = """
max_batch_size {{ value: {size} }}
batch_timeout_micros {{ value: 60000000 }}
max_enqueued_batches {{ value: 1 }}
num_batch_threads {{ value: 1 }}
"""


def save(folder: Path) -> None:
    """Doubles finite numbers; of any width."""
    import tensorflow as tf

    class Double(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, name="x")])
        def call(self, x):
            return {
                "y": 2 * tf.debugging.check_numerics(x, "poison"),
                "width": tf.fill(tf.shape(x)[:1], tf.shape(x)[1]),
            }

    module = Double()
    tf.saved_model.save(module, str(folder), signatures=module.call)


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("batched")
    for name in ("plain", "own"):
        save(folder / name / "1")
    (folder / "own" / "1" / "batching_params.pbtxt").write_text(PARAMETERS.format(size=OWN_SIZE))
    parameters = folder / "batching.config"
    parameters.write_text(PARAMETERS.format(size=SIZE))
    flags = Flags(
        enable_batching=True,
        batching_parameters_file=str(parameters),
        enable_per_model_batching_parameters=True,
        enable_model_warmup=False,  # a record would wait for company too
    )
    with Server(folder, port=0, flags=flags) as running:
        yield running


class Caller:
    """Sends requests from threads of its own; `rows` are the first numbers of rows of width 2."""

    def __init__(self, server: Server) -> None:
        self._server, self._pool = server, futures.ThreadPoolExecutor(2 * SIZE)
        self._channel = grpc.insecure_channel(server.address)
        self._call = self._channel.unary_unary(f"/{messages.PREDICTION_SERVICE}/Predict")

    def ask(self, rows: list[float], model: str = "plain", width: int = 2, timeout: float = 30) -> np.ndarray:
        """Returns `y`; refusals as StatusError."""
        x = np.repeat(np.array(rows, np.float32)[:, None], width, 1)
        try:
            raw = self._call(predict_request(model, x=x).SerializeToString(), timeout=timeout)
        except grpc.RpcError as error:
            raise StatusError(error.code().name, error.details()) from error
        return tensors.decode(messages.PredictResponse.FromString(raw).outputs["y"])

    def start(self, rows: list[float], **options) -> futures.Future[np.ndarray]:
        """As `ask`, but does not wait."""
        return self._pool.submit(self.ask, rows, **options)

    def queued(self, rows: list[float], waiting: int, **options) -> futures.Future[np.ndarray]:
        """As `start`, but returns only once so many requests wait in the queue."""
        answer = self.start(rows, **options)
        until(
            lambda: (
                self._server.engine.metrics.value(":zoo:queue_depth", options.get("model", "plain"))
                == waiting
            )
        )
        return answer

    def batches(self, model: str = "plain") -> tuple[int, float]:
        """Returns how many batches ran so far, and their rows together with the padding."""
        counts, total = self._server.engine.metrics.snapshot()[":zoo:batch_size"].get((model,), ([0], 0.0))
        return sum(counts), total

    def close(self) -> None:
        """Ends threads and connection."""
        self._pool.shutdown()
        self._channel.close()


@pytest.fixture
def caller(server) -> Iterator[Caller]:
    made = Caller(server)
    yield made
    made.close()


def until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < end, "never reached"
        threading.Event().wait(0.001)


def code_and_text(answer: futures.Future) -> tuple[str, str]:
    error = answer.exception(30)
    assert isinstance(error, StatusError)
    return error.code, error.message


def test_concurrent_callers_share_a_batch_and_get_their_own_rows(caller):
    count, rows = caller.batches()
    sent = [[1.0], [2.0, 3.0], [4.0], [5.0, 6.0, 7.0], [8.0]]
    answers = [caller.start(rows) for rows in sent]
    for values, answer in zip(sent, answers, strict=True):
        np.testing.assert_array_equal(answer.result(30), [[2 * value] * 2 for value in values])
    assert caller.batches() == (count + 1, rows + SIZE)


def test_a_full_queue_refuses_and_those_that_wait_are_answered(caller):
    first = caller.queued([1.0] * 6, waiting=1)
    with pytest.raises(StatusError) as caught:
        caller.ask([2.0] * 3)
    assert (caught.value.code, caught.value.message) == (
        "UNAVAILABLE",
        "The batch scheduling queue to which this task was submitted is full; task size is 3 but scheduling "
        "capacity is only 2 (num_enqueued_batches=1, max_enqueued_batches=1, open_batch_size=6, "
        "max_execution_batch_size=8)",
    )
    np.testing.assert_array_equal(caller.ask([3.0] * 2), [[6, 6]] * 2)
    np.testing.assert_array_equal(first.result(30), [[2, 2]] * 6)


def test_a_request_above_the_largest_batch_is_the_callers_fault(caller):
    with pytest.raises(StatusError) as caught:
        caller.ask([1.0] * 9)
    assert (caught.value.code, caught.value.message) == (
        "INVALID_ARGUMENT",
        "Task size 9 is larger than maximum input batch size 8",
    )


def test_a_poisoned_request_fails_alone_and_its_row_is_named(caller):
    good = [caller.start([float(position)]) for position in range(5)]
    poisoned = caller.start([1.0, np.nan, 2.0])
    code, text = code_and_text(poisoned)
    assert code == "INVALID_ARGUMENT"
    assert text.startswith("x[1]: poison") and "x[0]" not in text and "x[2]" not in text
    for position, answer in enumerate(good):
        np.testing.assert_array_equal(answer.result(30), [[2 * position] * 2])


def test_rows_of_different_widths_fail_the_batch_with_tf_servings_text(caller):
    narrow = caller.queued([1.0] * 4, waiting=1)
    wide = caller.start([1.0] * 4, width=3)
    for answer in (narrow, wide):
        assert code_and_text(answer) == (
            "FAILED_PRECONDITION",
            "Tensors with name 'x' from different tasks have different shapes and padding is turned off. Set "
            "pad_variable_length_inputs to true, or ensure that all tensors with the same name have equal "
            "dimensions starting with the first dim.",
        )


def test_a_model_has_its_own_parameters(caller):
    count, rows = caller.batches("own")
    with pytest.raises(StatusError, match="Task size 3 is larger than maximum input batch size 2"):
        caller.ask([1.0] * 3, model="own")
    answers = [caller.start([value], model="own") for value in (1.0, 2.0)]
    assert sorted(answer.result(30)[0, 0] for answer in answers) == [2.0, 4.0]
    assert caller.batches("own") == (count + 1, rows + OWN_SIZE)


def test_a_request_whose_caller_gave_up_is_dropped(server, caller):
    dropped = server.engine.metrics.value(":zoo:deadline_dropped_total", "plain")
    count, rows = caller.batches()
    with pytest.raises(StatusError) as caught:
        caller.ask([np.nan], timeout=1.0)  # it would fail its batch
    assert caught.value.code == "DEADLINE_EXCEEDED"
    with pytest.raises(StatusError):
        caller.ask([1.0] * 9)  # on the same connection: what came before has been seen by now
    np.testing.assert_array_equal(caller.ask([5.0] * 7), [[10, 10]] * 7)
    assert server.engine.metrics.value(":zoo:deadline_dropped_total", "plain") == dropped + 1
    assert caller.batches() == (count + 1, rows + 7)


def test_requests_for_other_outputs_do_not_share_a_batch(server, caller):
    count, rows = caller.batches()
    ones = np.ones((SIZE - 1, 2), np.float32)
    filtered = predict_request("plain", x=ones)
    filtered.output_filter.append("width")
    with futures.ThreadPoolExecutor(1) as pool:
        narrow = pool.submit(server.engine.predict, filtered)
        until(lambda: server.engine.metrics.value(":zoo:queue_depth", "plain") == 1)
        np.testing.assert_array_equal(caller.ask([1.0] * SIZE), [[2, 2]] * SIZE)
        assert not narrow.done()
        both = predict_request("plain", x=np.ones((1, 2), np.float32))
        both.output_filter.append("width")
        server.engine.predict(both)
        assert narrow.result(30).outputs["width"].tolist() == [2] * (SIZE - 1)
        assert narrow.result().outputs.keys() == {"width"}
    assert caller.batches() == (count + 2, rows + 2 * SIZE)


def test_outputs_in_another_order_do_share_one(server):
    def ask(*outputs: str) -> dict[str, np.ndarray]:
        request = predict_request("plain", x=np.ones((SIZE // 2, 2), np.float32))
        request.output_filter.extend(outputs)
        return dict(server.engine.predict(request).outputs)

    with futures.ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(ask, "y", "width"), pool.submit(ask, "width", "y")]
        for answer in answers:
            assert answer.result(30)["width"].tolist() == [2] * (SIZE // 2)
            assert answer.result()["y"].tolist() == [[2, 2]] * (SIZE // 2)
