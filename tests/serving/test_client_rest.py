"""What is REST's own: TF Serving's JSON, HTTP codes, and replies of servers that are something else."""

from __future__ import annotations

import json
import socket
import threading

import numpy as np
import pytest

from serving.client import Client, InvalidInput, ModelNotFound, ServerBusy, ServingError, SignatureNotFound
from serving.client.calls import MetadataCall, PredictCall, StatusCall, Target
from serving.client.errors import from_status
from serving.client.rest_wire import decode, encode, failure
from tests.serving.fake_servers import signature

BOTH = signature(
    "s",
    {"image_bytes": ("string", (-1,)), "x": ("float", (-1, 2))},
    {"a": ("int64", (-1,)), "b": ("float", (-1, 2)), "c_bytes": ("string", (-1,)), "d": ("string", (-1,))},
)
# As tensorflow_model_server prints it: the key is doubled, numbers are strings, defaults are there.
METADATA = """{
"model_spec":{
 "name": "resnet",
 "signature_name": "",
 "version": "123"
}
,
"metadata": {"signature_def": {
 "signature_def": {
  "serving_default": {
   "inputs": {
    "image": {"dtype": "DT_UINT8", "tensor_shape": {"dim": [{"size": "-1", "name": ""}, {"size": "8", "name": ""}],
      "unknown_rank": false}, "name": "serving_default_image:0"}
   },
   "outputs": {
    "y": {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [], "unknown_rank": true}, "name": "y:0"}
   },
   "method_name": "tensorflow/serving/predict",
   "defaults": {}
  },
  "__saved_model_init_op": {"inputs": {}, "outputs": {}, "method_name": "", "defaults": {}}
 }
}
}
}
"""
STATUS = b"""{
 "model_version_status": [
  {"version": "1", "state": "END", "status": {"error_code": "NOT_FOUND", "error_message": "gone"}},
  {"version": "2", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
 ]
}
"""


def predict_call(**kwargs) -> PredictCall:
    arrays = {"image_bytes": np.array([b"\xff\xfe"], object), "x": np.array([[0.5, np.nan]], "f4")}
    return PredictCall(Target("a b", **kwargs), BOTH, arrays)


def test_requests():
    method, path, body = encode(predict_call(version=0))
    assert (method, path) == ("POST", "/v1/models/a%20b/versions/0:predict")
    assert body == (
        b'{"signature_name":"s","inputs":{"image_bytes":[{"b64":"//4="}],"x":[[0.5,NaN]]}}'
    )  # standard alphabet with padding; bare NaN is what TF Serving reads
    assert encode(predict_call(label="a/b"))[1] == "/v1/models/a%20b/labels/a%2Fb:predict"
    assert encode(MetadataCall(Target("m", 4))) == ("GET", "/v1/models/m/versions/4/metadata", None)
    assert encode(StatusCall(Target("m"))) == ("GET", "/v1/models/m", None)


def test_replies_have_the_types_of_the_metadata():
    body = (
        b'{"outputs": {"a": [9007199254740993], "b": [[1.0, Infinity]], '
        b'"c_bytes": [{"b64": "//4="}], "d": ["\xe7\x8a\xac"]}}'
    )
    answer = decode(predict_call(), body)
    assert answer["a"].dtype == np.int64 and answer["a"].tolist() == [9007199254740993]
    assert answer["b"].dtype == np.float32 and answer["b"].tolist() == [[1.0, np.inf]]
    assert answer["c_bytes"].tolist() == [b"\xff\xfe"] and answer["d"].tolist() == ["犬"]
    assert (answer.model, answer.version, answer.signature) == ("a b", None, "s")
    answer = decode(predict_call(), b'{"outputs": {"a": [], "b": [], "c_bytes": [], "d": ["\xff"]}}')
    assert answer["b"].shape == (0, 2) and answer["a"].shape == (0,)
    assert answer["d"].tolist() == [b"\xff"]  # no UTF-8, so it stays bytes


def test_a_single_output_has_no_name_in_json():
    one = signature("s", {}, {"y": ("bool", (-1,))})
    answer = decode(PredictCall(Target("m"), one, {}), b'{"outputs": [true, false]}')
    assert answer["y"].tolist() == [True, False] and answer["y"].dtype == bool


def test_metadata_and_status_as_the_real_server_prints_them():
    metadata = decode(MetadataCall(Target("resnet")), METADATA.encode())
    assert str(metadata).splitlines() == [
        "resnet version 123",
        "  serving_default",
        "    takes image uint8 [-1,8]",
        "    gives y float <unknown rank>",
    ]
    newest, oldest = decode(StatusCall(Target("resnet")), STATUS)
    assert (newest.version, newest.state, newest.error) == (2, "AVAILABLE", "")
    assert (oldest.version, oldest.state, oldest.error) == (1, "END", "gone")


@pytest.mark.parametrize("kind", ["half", "bfloat16", "complex64", "uint16"])
def test_types_that_json_cannot_carry_are_refused(kind):
    one = signature("s", {"x": (kind, (-1,))}, {})
    array = np.zeros(1, {"half": "f2", "bfloat16": "u2", "complex64": "c8", "uint16": "u2"}[kind])
    with pytest.raises(
        InvalidInput, match=f"TF Serving's REST takes no {kind} .'x'.. Fix: use the gRPC port"
    ):
        encode(PredictCall(Target("m"), one, {"x": array}))


def test_a_large_array_is_warned_of_once(recwarn):
    one = signature("s", {"x": ("uint8", (-1,))}, {})
    for size in (100_000, 100_001, 150_528):
        encode(PredictCall(Target("large"), one, {"x": np.zeros(size, np.uint8)}))
    (warning,) = recwarn
    assert "'x' of 100,001 bytes goes to model 'large' as JSON text" in str(warning.message)
    strings = signature("s", {"x": ("string", (-1,))}, {})
    encode(PredictCall(Target("files"), strings, {"x": np.array([b"a" * 200_000], object)}))
    assert len(recwarn) == 1


@pytest.mark.parametrize(
    ("status", "text", "kind", "code"),
    [
        (400, "bad", InvalidInput, "INVALID_ARGUMENT"),
        (
            400,
            'Serving signature name: "s" not found in signature def',
            SignatureNotFound,
            "FAILED_PRECONDITION",
        ),
        (403, "no", ServingError, "PERMISSION_DENIED"),
        (404, "Servable not found for request: Latest(m)", ModelNotFound, "NOT_FOUND"),
        (429, "slow down", ServerBusy, "RESOURCE_EXHAUSTED"),
        (503, "The batch scheduling queue is full", ServerBusy, "UNAVAILABLE"),
        (500, "boom", ServingError, "INTERNAL"),
        (418, "teapot", ServingError, "UNKNOWN"),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
def test_http_codes(status, text, kind, code):
    got = failure(status, json.dumps({"error": text}).encode())
    assert got == (code, text)
    assert type(from_status(*got, address="a", seconds=1)) is kind


def test_a_server_that_is_not_tf_serving_is_told_apart():
    code, message = failure(404, b"<html>nginx</html>")
    assert (code, message) == ("UNIMPLEMENTED", "HTTP 404, not TF Serving's JSON: <html>nginx</html>")
    for body in (b"hello", b"[]", b"{}", b'{"outputs": {"a": ["x"], "b": [], "c_bytes": [], "d": []}}'):
        with pytest.raises(ServingError, match="the reply is not TF Serving's JSON"):
            decode(predict_call(), body)
    with pytest.raises(InvalidInput, match="signature 's' gave outputs other than its metadata: q"):
        decode(predict_call(), b'{"outputs": {"q": []}}')


def test_a_connection_that_breaks_is_not_tried_again():
    accepted = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up():
            while True:
                try:
                    near, _ = listener.accept()
                except OSError:
                    return
                accepted.append(near.recv(10))
                near.close()

        threading.Thread(target=hang_up, daemon=True).start()
        with (
            Client(f"http://127.0.0.1:{listener.getsockname()[1]}") as client,
            pytest.raises(ServingError) as caught,
        ):
            client.status("m")
        assert (type(caught.value), caught.value.code, len(accepted)) == (ServingError, "UNKNOWN", 1)
        listener.shutdown(socket.SHUT_RDWR)


def test_a_reply_that_trickles_ends_at_the_deadline():
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def trickle():
            near, _ = listener.accept()
            with near:
                near.recv(65536)
                near.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not stop.wait(0.02):  # each read is quick, the whole never ends
                    near.sendall(b" ")

        thread = threading.Thread(target=trickle, daemon=True)
        thread.start()
        with (
            Client(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=1.0) as client,
            pytest.raises(ServingError, match=r"within 1 s \(the reply is still arriving\)"),
        ):
            client.status("m")
        stop.set()
        thread.join(5)
