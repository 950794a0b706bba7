"""The gRPC methods: from the bytes of a request to the bytes of its reply, refusals as status codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from serving.protocol import messages
from serving.server import model_info
from serving.server.engine import Engine
from serving.server.errors import StatusError, invalid, unforeseen
from serving.server.http2.call import Call
from serving.server.http2.pace import Answer as Answers
from serving.server.reload import Reload
from serving.server.version import Expired

PREDICTION, MODEL = messages.PREDICTION_SERVICE, messages.MODEL_SERVICE
# They look after the server, and are answered under any load.
QUICK = frozenset(
    {f"/{PREDICTION}/GetModelMetadata", f"/{MODEL}/GetModelStatus", f"/{MODEL}/HandleReloadConfigRequest"}
)
Answer = Callable[[Any, Expired], Any]  # the request and its deadline -> the response message, or its bytes


@dataclass(frozen=True)
class Method:
    """One call of TF Serving's API, whatever carries it.

    Attributes:
        service: Full name of its service.
        name: Of the method.
        request_type: Its message class.
        answer: From the message to the response.
        model: From the message to the name of the model, for the metrics.
    """

    service: str
    name: str
    request_type: Any
    answer: Answer
    model: Callable[[Any], str]

    def run(self, engine: Engine, raw: bytes, expired: Expired) -> bytes:
        """Answers the bytes of a request with those of the response; counted.

        Raises:
            StatusError: Every refusal; the unforeseen is INTERNAL, and in the log.
        """
        cap = engine.flags.zoo_max_request_bytes
        try:
            with engine.counted(self.name, "GRPC") as counted:
                if cap and len(raw) > cap:
                    raise invalid(f"the request has {len(raw)} bytes; this server takes {cap}")
                try:
                    request = self.request_type.FromString(raw)
                except DecodeError as error:
                    raise invalid(f"the bytes are no {self.request_type.DESCRIPTOR.full_name}") from error
                counted.model = self.model(request)
                response = self.answer(request, expired)
                return response if isinstance(response, bytes) else bytes(response.SerializeToString())
        except StatusError:
            raise
        except Exception as error:
            raise unforeseen() from error


def prediction_methods(engine: Engine) -> list[Method]:
    """Returns the methods of PredictionService."""
    calls, core = engine.inference, engine.core
    content = engine.flags.enable_serialization_as_tensor_content

    def predict(request: Any, expired: Expired) -> bytes:
        return engine.predict(request, expired).encode(content)

    def metadata(request: Any, _: Expired) -> Any:
        return model_info.metadata(core, request)

    def first_model(request: Any) -> str:
        return _model(request.tasks[0]) if request.tasks else ""

    return [
        Method(PREDICTION, "Predict", messages.PredictRequest, predict, _model),
        Method(PREDICTION, "Classify", messages.ClassificationRequest, calls.classify, _model),
        Method(PREDICTION, "Regress", messages.RegressionRequest, calls.regress, _model),
        Method(
            PREDICTION, "MultiInference", messages.MultiInferenceRequest, calls.multi_inference, first_model
        ),
        Method(PREDICTION, "GetModelMetadata", messages.GetModelMetadataRequest, metadata, _model),
    ]


def answers(engine: Engine, reload: Reload) -> dict[str, Answers]:
    """Returns, for each method by its full name, the function from request bytes to reply bytes."""

    def status(request: Any, _: Expired) -> Any:
        return model_info.status(engine.core, request)

    def reconfigure(raw: bytes, call: Call) -> bytes:
        def answer(request: Any, _: Expired) -> Any:
            return reload.answer(request, call)

        name, kind = "HandleReloadConfigRequest", messages.ReloadConfigRequest
        return Method(MODEL, name, kind, answer, lambda _: "").run(engine, raw, call.expired)

    def over_grpc(method: Method) -> Answers:
        return lambda raw, call: method.run(engine, raw, call.expired)

    methods = [
        *prediction_methods(engine),
        Method(MODEL, "GetModelStatus", messages.GetModelStatusRequest, status, _model),
    ]
    found = {f"/{method.service}/{method.name}": over_grpc(method) for method in methods}
    return found | {f"/{MODEL}/HandleReloadConfigRequest": reconfigure}


def _model(request: Any) -> str:
    name: str = request.model_spec.name
    return name
