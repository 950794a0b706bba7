"""The client's behaviour, which is the same over gRPC and REST, in threads and in asyncio."""

from __future__ import annotations

import socket
import threading
import time

import numpy as np
import pytest

from serving.client import (
    DeadlineExceeded,
    InvalidInput,
    ModelNotFound,
    ServerBusy,
    ServerUnreachable,
    ServingError,
    SignatureNotFound,
)
from tests.serving.fake_models import CLIENTS, FAKES, WAYS, echo, fake_models
from tests.serving.fake_servers import signature

UNAVAILABLE = ("UNAVAILABLE", "worker restarts")


@pytest.fixture(params=WAYS, ids=lambda way: "-".join(way))
def way(request):
    return request.param


@pytest.fixture
def fake(way):
    server = FAKES[way[0]](fake_models()).start()
    yield server
    server.stop()


@pytest.fixture
def make(way, fake):
    """Makes clients of the way under test; they are closed afterwards."""
    made = []

    def make(address=None, **kwargs):
        made.append(CLIENTS[way[1]](address or fake.address, **kwargs))
        return made[-1]

    yield make
    for client in made:
        client.__exit__()


@pytest.fixture
def client(make):
    return make()


def test_files_go_as_they_are_and_pixels_to_the_signature_that_takes_them(client, tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"\xff\xd8\x00")
    answer = client.predict("pictures", image=[path, str(path), b"\xfe\xff"])
    assert answer["length"].tolist() == [3, 3, 2] and answer["length"].dtype == np.int64
    assert answer["head_bytes"].tolist() == [b"\xff\xd8", b"\xff\xd8", b"\xfe\xff"]
    assert answer["tag"].tolist() == ["犬"] * 3
    assert (answer.model, answer.signature) == ("pictures", "serving_default")
    pixels = np.full((2, 5, 3), (1, 2, 4), np.uint8)
    answer = client.predict("pictures", image=pixels, signature="tensor")
    assert answer["mean"].tolist() == [[1, 2, 4]] and answer["mean"].dtype == np.float32
    only = client.predict("pictures", image=b"abc", outputs=["length"], version=3)
    assert list(only) == ["length"] and only.version == 3


def test_version_is_what_the_server_says_and_unknown_over_rest(way, client):
    assert client.predict("pictures", image=b"x").version == {"grpc": 3, "rest": None}[way[0]]


def test_metadata_status_and_readiness(client):
    metadata = client.metadata("pictures")
    assert str(metadata).splitlines()[:3] == [
        "pictures version 3",
        "  masks",
        "    takes image uint8 [-1,-1,-1,3]",
    ]
    assert list(metadata.signatures) == ["masks", "serving_default", "tensor"]
    (row,) = client.status("pictures", version=3)
    assert (row.version, row.state, row.error) == (3, "AVAILABLE", "")
    assert client.wait_ready("pictures", 5) == 3


def test_waiting_ends_when_the_model_is_there_or_the_time_is_over(fake, client):
    fake.models["m"].state = "LOADING"
    timer = threading.Timer(0.1, lambda: setattr(fake.models["m"], "state", "AVAILABLE"))
    timer.start()
    assert client.wait_ready("m", 10) == 1
    fake.models["m"].state = "LOADING"
    with pytest.raises(DeadlineExceeded, match=r"was not ready at .* within 0.2 s: version 1 LOADING$"):
        client.wait_ready("m", 0.2)


def test_unavailable_is_retried_and_nothing_else_is(fake, make):
    fake.script = [UNAVAILABLE, UNAVAILABLE]
    assert make().predict("m", x=[1.0])["y"].tolist() == [1.0]
    assert fake.count("Predict") == 3
    for retries, script, kind in [
        (0, UNAVAILABLE, ServerUnreachable),
        (
            0,
            ("UNAVAILABLE", "The batch scheduling queue to which this task was submitted is full"),
            ServerBusy,
        ),
        (3, ("INVALID_ARGUMENT", "no"), InvalidInput),
        (3, ("RESOURCE_EXHAUSTED", "no"), ServerBusy),
        (3, ("INTERNAL", "no"), ServingError),
        (3, ("UNAUTHENTICATED", "no"), ServingError),
        (3, ("DEADLINE_EXCEEDED", "no"), DeadlineExceeded),
    ]:
        fake.script, fake.requests = [script], []
        with pytest.raises(ServingError) as caught:
            make(retries=retries).predict("m", x=[1.0])
        error = caught.value
        assert (type(error), error.code, error.server_message) == (kind, *script)
        assert fake.count("Predict") == 1


def test_errors_say_what_the_model_takes(client):
    for call, kind, text in [
        (
            lambda: client.predict("ghost", x=1),
            ModelNotFound,
            r"model 'ghost' is not served at .*Latest\(ghost\)",
        ),
        (lambda: client.predict("m", x=1, version=0), ModelNotFound, r"Specific\(m, 0\)"),
        (
            lambda: client.metadata("m", label="canary"),
            InvalidInput,
            "Unrecognized servable version label: canary",
        ),
        (
            lambda: client.predict("m", x=1, signature="s"),
            SignatureNotFound,
            r"no signature 's'; it has:\nm version 1",
        ),
        (
            lambda: client.predict("m", z=1),
            InvalidInput,
            r"no signature takes: z int; the model has:\nm version 1",
        ),
        (
            lambda: client.predict("m", x=1, outputs=["q"]),
            InvalidInput,
            r"signature: q; .* gives: y float \[-1\]",
        ),
        (
            lambda: client.predict("m", x=1, outputs=["y", "y"]),
            InvalidInput,
            "duplicate output tensor alias: y",
        ),
        (
            lambda: client.predict("m", x=1, version=1, label="b"),
            InvalidInput,
            "pass version or label, not both",
        ),
    ]:
        with pytest.raises(kind, match=text):
            call()


def test_one_deadline_covers_the_call(fake, make):
    hold = threading.Event()

    def wait():
        hold.wait(30)

    fake.script = [wait]
    client = make()
    with pytest.raises(DeadlineExceeded, match=r"within 0\.3 s .*Fix: raise timeout="):
        client.predict("m", x=[1.0], timeout=0.3)
    hold.set()
    fake.script = [UNAVAILABLE] * 99
    started = time.perf_counter()
    with pytest.raises((DeadlineExceeded, ServerUnreachable)):
        make(retries=99).predict("m", x=[1.0], timeout=0.4)
    assert time.perf_counter() - started < 10


def test_nobody_at_the_address(way, make):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = ("http://" if way[0] == "rest" else "") + f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(
        ServerUnreachable, match=f"no server answers at {address}: .*is it running?"
    ) as caught:
        make(address, retries=1).predict("m", x=1)
    assert caught.value.code == "UNAVAILABLE"


def test_a_model_that_changed_its_inputs_is_asked_anew(fake, client):
    client.predict("m", x=[1.0])
    fake.models["m"].signatures = [
        signature("serving_default", {"z": ("float", (-1,))}, {"y": ("float", (-1,))})
    ]
    fake.models["m"].version, fake.models["m"].run = 2, lambda _, inputs: {"y": inputs["z"]}
    assert client.predict("m", z=[2.0])["y"].tolist() == [2.0]  # the known signature has no z
    assert fake.count("GetModelMetadata") == 2
    fake.models["m"].signatures = [
        signature("serving_default", {"w": ("float", (-1,))}, {"y": ("float", (-1,))})
    ]
    with pytest.raises(InvalidInput, match=r"takes: w float .-1.; got: z list of 1 float"):
        client.predict(
            "m", z=[1.0], signature="serving_default"
        )  # refused by the server, then by the fresh one


def test_metadata_are_asked_once(fake, client):
    for _ in range(3):
        client.predict("m", x=[1.0])
    assert fake.count("GetModelMetadata") == 1


def test_pictures_of_differing_size_are_split_and_joined_in_order(fake, client):
    images = [np.full((1 + i % 2, 4, 3), i, np.uint8) for i in range(5)]
    answer = client.predict("pictures", image=images, signature="tensor")
    assert answer["mean"].tolist() == [[i] * 3 for i in range(5)] and answer.version == 3
    assert fake.count("Predict") == 2
    with pytest.raises(
        InvalidInput, match=r"'mask' differs in shape .*: \[3, 1, 4\], \[2, 2, 4\]. Fix: predict_many"
    ):
        client.predict("pictures", image=images, signature="masks")
    assert [p["mask"].shape for p in client.predict_many("pictures", images, signature="masks")] == [
        (1, 1 + i % 2, 4) for i in range(5)
    ]


def test_the_parts_of_one_answer_come_from_one_version(fake, client):
    client.metadata("pictures")
    fake.script = [lambda: setattr(fake.models["pictures"], "version", 4)]  # a swap after the first part
    images = [np.zeros((size, 1, 3), np.uint8) for size in (1, 2)]
    assert client.predict("pictures", image=images, signature="tensor").version == 4
    assert fake.count("Predict") == 4  # the second part of v3 was refused, so both were asked of v4


def test_many_keeps_the_order_and_reads_ahead_no_further_than_needed(fake, client):
    taken = []

    def items():
        for i in range(20):
            taken.append(i)
            yield {"x": [float(i)]}

    def check():
        assert len(taken) - fake.count("Predict") <= 3

    fake.script = [check] * 20
    answers = client.predict_many("m", items(), concurrency=3)
    assert [answer["y"].tolist() for answer in answers] == [[float(i)] for i in range(20)]
    assert fake.count("GetModelMetadata") == 1
    assert client.predict_many("m", []) == []


def test_many_requests_are_under_way_at_once(fake, client):
    barrier = threading.Barrier(4, timeout=10)  # no request is answered before four have come

    def meet():
        barrier.wait()

    fake.script = [meet] * 8
    assert len(client.predict_many("m", [{"x": 1}] * 8, concurrency=4)) == 8


def test_many_stops_at_the_first_error_and_names_its_position(fake, client):
    fake.script = [None, None, ("INTERNAL", "boom")]
    with pytest.raises(ServingError, match=r"^item 2: boom \[INTERNAL from") as caught:
        client.predict_many("m", [{"x": [1.0]}] * 50, concurrency=1)
    assert type(caught.value) is ServingError and caught.value.server_message == "boom"
    assert fake.count("Predict") == 3
    with pytest.raises(InvalidInput, match=r"^item 1: .*cannot read no/such.jpg"):
        client.predict_many("pictures", [b"x", "no/such.jpg", b"y"])
    with pytest.raises(ZeroDivisionError):
        client.predict_many("m", ({"x": [1 / i]} for i in (1, 0)))
    with pytest.raises(InvalidInput, match="takes a sequence of items"):
        client.predict_many("m", "cat.jpg")
    with pytest.raises(InvalidInput, match="concurrency=0"):
        client.predict_many("m", [], concurrency=0)


def test_many_draws_a_bar_on_standard_error(client, capsys):
    client.predict_many("m", [{"x": [1.0]}] * 3, progress=True)
    captured = capsys.readouterr()
    assert "3/3" in captured.err and captured.out == ""


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 1, 2)])
@pytest.mark.parametrize("kind", ["float", "double", "int8", "uint32", "int64", "uint64", "bool", "string"])
def test_types_come_back_as_they_went(fake, client, kind, shape):
    fake.models["echo"] = echo(kind)
    if kind == "string":
        array = np.full(shape, b"a\x00\xff", object)
    else:
        name = {"float": "float32", "double": "float64"}.get(kind, kind)
        array = np.random.default_rng(1).integers(0, 2, shape).astype(name)
        if array.dtype.kind == "f" and array.size > 1:
            array.flat[:2] = 0.1, np.nan
        if kind == "uint64":
            array[...] = 2**64 - 1
    out = client.predict("echo", x=array)["y_bytes"]
    assert out.shape == shape and out.dtype == array.dtype
    np.testing.assert_array_equal(out, array)


def test_a_closed_client_says_so(client):
    client.predict("m", x=[1.0])
    client.close()
    with pytest.raises(ServingError, match="this client is closed"):
        client.predict("m", x=[1.0])
