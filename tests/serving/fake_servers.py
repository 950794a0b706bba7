"""Small real servers, gRPC and HTTP, that speak TF Serving's protocols for models written in numpy."""

from __future__ import annotations

import base64
import gzip
import json
import re
import socket
import threading
import time
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import numpy as np
from google.protobuf import json_format

from serving.protocol import dtypes, messages, tensors
from serving.protocol.signatures import Signature, TensorSpec

HTTP = {
    "INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404, "ABORTED": 409, "RESOURCE_EXHAUSTED": 429, "UNIMPLEMENTED": 501, "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504, "INTERNAL": 500,
}  # fmt: skip
Arrays = dict[str, np.ndarray]


class Refused(Exception):  # noqa: N818
    """What a server answers instead of a result: (code, text)."""


def signature(
    name: str, inputs: dict[str, tuple[str, Any]], outputs: dict[str, tuple[str, Any]]
) -> Signature:
    """A signature from {alias: (type name, shape)}."""
    numbers = {row.name: row.number for row in dtypes.table().values()}

    def specs(side):
        return {alias: TensorSpec(alias, numbers[kind], shape) for alias, (kind, shape) in side.items()}

    return Signature(name, specs(inputs), specs(outputs))


@dataclass
class Model:
    """Signatures and the function that answers for them."""

    signatures: list[Signature]
    run: Callable[[str, Arrays], Arrays]
    version: int = 1
    state: str = "AVAILABLE"

    def signature_defs(self):
        packed = messages.SignatureDefMap()
        for one in self.signatures:
            target = packed.signature_def[one.name]
            for infos, specs in ((target.inputs, one.inputs), (target.outputs, one.outputs)):
                for alias, spec in specs.items():
                    infos[alias].dtype = spec.dtype
                    if spec.shape is None:
                        infos[alias].tensor_shape.unknown_rank = True
                    for size in spec.shape or ():
                        infos[alias].tensor_shape.dim.add(size=size)
        return packed


@dataclass
class Fake:
    """What both servers do; `script` has a step per Predict: None to answer, or (code, text), or a function."""

    models: dict[str, Model]
    script: list[Any] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    def count(self, method: str) -> int:
        return sum(name == method for name, _ in self.requests)

    def model(self, name: str, version: int | None, label: str | None = None) -> Model:
        if label is not None:
            raise Refused("INVALID_ARGUMENT", f"Unrecognized servable version label: {label}")
        found = self.models.get(name)
        if found is None or version not in (None, found.version):
            which = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise Refused("NOT_FOUND", f"Servable not found for request: {which}")
        return found

    def predict(self, model: Model, name: str, inputs: Arrays) -> Arrays:
        with self.lock:
            step = self.script.pop(0) if self.script else None
        step = step() if callable(step) else step
        if step is not None:
            raise Refused(*step)
        known = {one.name: one for one in model.signatures}
        if name not in known:
            raise Refused("FAILED_PRECONDITION", f'Serving signature key "{name}" not found.')
        if set(inputs) != set(known[name].inputs):
            raise Refused("INVALID_ARGUMENT", "input size does not match signature")
        return model.run(name, inputs)


class FakeGrpc(Fake):
    """PredictionService and ModelService as generic handlers."""

    def start(self, credentials: Any = None) -> FakeGrpc:
        self.server = grpc.server(
            futures.ThreadPoolExecutor(16), options=[("grpc.max_receive_message_length", -1)]
        )
        services = {
            messages.PREDICTION_SERVICE: {"Predict": self._predict, "GetModelMetadata": self._metadata},
            messages.MODEL_SERVICE: {"GetModelStatus": self._status},
        }
        for service, methods in services.items():
            handlers = {
                name: grpc.unary_unary_rpc_method_handler(self._guarded(name, method))
                for name, method in methods.items()
            }
            self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        if credentials is None:
            self.port = self.server.add_insecure_port("127.0.0.1:0")
        else:
            self.port = self.server.add_secure_port("127.0.0.1:0", credentials)
        self.address = f"127.0.0.1:{self.port}"
        self.server.start()
        return self

    def stop(self) -> None:
        self.server.stop(None).wait()

    def _guarded(self, name, method):
        def handle(raw, context):
            self.requests.append((name, dict(context.invocation_metadata())))
            try:
                return method(raw).SerializeToString()
            except Refused as refused:
                code, text = refused.args
                context.abort(getattr(grpc.StatusCode, code), text)

        return handle

    def _find(self, spec) -> Model:
        version = spec.version.value if spec.HasField("version") else None
        return self.model(spec.name, version, spec.version_label or None)

    def _predict(self, raw):
        request = messages.PredictRequest.FromString(raw)
        model, name = self._find(request.model_spec), request.model_spec.signature_name
        outputs = self.predict(model, name, {k: tensors.decode(v) for k, v in request.inputs.items()})
        reply = messages.PredictResponse()
        reply.model_spec.name, reply.model_spec.signature_name = request.model_spec.name, name
        reply.model_spec.version.value = model.version
        for alias in request.output_filter or outputs:
            reply.outputs[alias].CopyFrom(tensors.from_array(outputs[alias], content=False))
        return reply

    def _metadata(self, raw):
        request = messages.GetModelMetadataRequest.FromString(raw)
        model = self._find(request.model_spec)
        reply = messages.GetModelMetadataResponse()
        reply.model_spec.name, reply.model_spec.version.value = request.model_spec.name, model.version
        reply.metadata["signature_def"].value = model.signature_defs().SerializeToString()
        return reply

    def _status(self, raw):
        return _states(self._find(messages.GetModelStatusRequest.FromString(raw).model_spec))


class FakeRest(Fake):
    """TF Serving's routes and JSON on http.server."""

    def start(self, context: Any = None) -> FakeRest:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet, or Nagle's algorithm waits 40 ms

            def log_message(self, *_: object) -> None:
                """Says nothing."""

            def do_GET(self) -> None:
                fake._handle(self)

            do_POST = do_GET  # noqa: N815

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        scheme = "http"
        if context is not None:
            scheme = "https"
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.server.handle_error = lambda *_: None  # refused handshakes are meant
        self.port = self.server.server_address[1]
        self.address = f"{scheme}://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def _handle(self, http: Any) -> None:
        body = http.rfile.read(int(http.headers.get("Content-Length", 0)))
        headers = {key.lower(): value for key, value in http.headers.items()}
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        try:
            status, reply = 200, json.dumps(self._route(http.command, http.path, headers, body), indent=4)
        except Refused as refused:
            code, text = refused.args
            status, reply = HTTP[code], json.dumps({"error": text}, indent=4)
        raw = reply.encode("utf-8", "surrogateescape")
        http.send_response(status)
        http.send_header("Content-Type", "application/json")
        if headers.get("accept-encoding") == "gzip":
            raw = gzip.compress(raw)
            http.send_header("Content-Encoding", "gzip")
        http.send_header("Content-Length", str(len(raw)))
        http.end_headers()
        http.wfile.write(raw)

    def _route(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Any:
        match = re.fullmatch(
            r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?(:predict|/metadata)?", path
        )
        if match is None or (method == "POST") != (match[4] == ":predict"):
            raise Refused("INVALID_ARGUMENT", f"Malformed request: {method} {path}")
        kind = {":predict": "Predict", "/metadata": "GetModelMetadata"}.get(match[4], "GetModelStatus")
        self.requests.append((kind, headers))
        model = self.model(match[1], int(match[2]) if match[2] else None, match[3])
        if kind == "GetModelStatus":
            return _as_json(_states(model))
        if kind == "GetModelMetadata":
            spec = {"name": match[1], "signature_name": "", "version": str(model.version)}
            return {"model_spec": spec, "metadata": {"signature_def": _as_json(model.signature_defs())}}
        request = json.loads(body)
        name = request.get("signature_name", "serving_default")
        specs = {one.name: one for one in model.signatures}
        types = specs[name].inputs if name in specs else {}
        inputs = {k: _array(types[k].dtype, v) for k, v in request["inputs"].items() if k in types}
        outputs = {k: _json(k, v) for k, v in self.predict(model, name, inputs).items()}
        return {"outputs": next(iter(outputs.values())) if len(outputs) == 1 else outputs}


class Relay:
    """A TCP relay that counts the bytes of clients; `delay` are the seconds that it keeps what either side sends."""

    def __init__(self, port: int, delay: float = 0.0) -> None:
        self.sent, self._target, self._delay = 0, port, delay
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target))
            threading.Thread(target=self._pump, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near, False), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, count: bool) -> None:
        try:
            while data := source.recv(65536):
                self.sent += len(data) * count
                time.sleep(self._delay)
                sink.sendall(data)
        except OSError:
            pass
        finally:
            sink.close()

    def close(self) -> None:
        self._listener.close()


def _states(model: Model):
    reply = messages.GetModelStatusResponse()
    state = messages.ModelVersionStatus.State.Value(model.state)
    reply.model_version_status.add(version=model.version, state=state)
    return reply


def _as_json(message) -> Any:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _array(dtype: int, value: Any) -> np.ndarray:
    if dtype != dtypes.STRING:
        return np.array(value, dtypes.table()[dtype].numpy)
    array = np.array(value, object)
    flat = [base64.b64decode(item["b64"], validate=True) for item in array.ravel()]
    out = np.empty(len(flat), object)
    out[:] = flat
    return out.reshape(array.shape)


def _json(alias: str, array: np.ndarray) -> Any:
    if array.dtype != object:
        return array.tolist()
    if alias.endswith("_bytes"):
        array = np.vectorize(lambda item: {"b64": base64.b64encode(item).decode()}, otypes=[object])(array)
        return array.tolist()
    return np.vectorize(lambda item: item.decode(), otypes=[object])(array).tolist()
