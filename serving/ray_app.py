"""PredictionService on Ray Serve: the same models, checks and answers as the embedded server, on many machines.

For scale-out; on one machine the embedded server is several times faster. Needs the extra `scale`.

    serve run serving/deploy/ray.yaml

Ray binds the gRPC port on all interfaces and has no option for another host, TLS or authentication: firewall it.
Keep this the only application of the cluster's Serve: with several, Ray demands the request metadata `application`,
which no TF Serving client sends. ModelService and REST are not there, and Ray answers health in its own way.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import grpc

from serving.protocol import messages
from serving.server import flags as command_line
from serving.server.engine import Engine
from serving.server.errors import StatusError, truncated
from serving.server.grpc_methods import prediction_methods
from serving.server.models import models_of
from serving.server.predict import never

try:
    from ray import serve
    from ray.serve.grpc_util import RayServegRPCContext
except ImportError as error:
    raise ImportError("Ray Serve is not installed.\nFix: pip install 'mizoo[zoo,scale]'") from error

log = logging.getLogger(__name__)
METHODS = ("Predict", "Classify", "Regress", "MultiInference", "GetModelMetadata")


class Encoded(NamedTuple):
    """A message that is bytes already; Ray asks a message for nothing but this."""

    content: bytes

    def SerializeToString(self) -> bytes:  # noqa: N802
        """Returns the bytes."""
        return self.content


class Answers:
    """The five methods, as Ray calls them: threads of a replica.

    Args:
        models: Folder that holds `<name>/<version>/`, at the same path on every node; None: the flags name the models.
        flags: Of `mizoo-model-server`, e.g. "--enable_batching"; ports, hosts, TLS and workers are Ray's business.

    Raises:
        StartError: A wrong flag, or a model that did not become available.
    """

    def __init__(self, models: str | None = None, flags: Sequence[str] = ()) -> None:
        parsed = command_line.parse(flags, {})
        command_line.validate(parsed, has_models=models is not None)
        self._engine = Engine(parsed, models_of(parsed, Path(models) if models else None))
        self._methods = {method.name: method for method in prediction_methods(self._engine)}
        self._engine.start()

    def __del__(self) -> None:
        """Ray's hook: the replica has drained."""
        if hasattr(self, "_engine"):
            self._engine.stop()

    def check_health(self) -> None:
        """Ray's hook: raises when a model has no available version."""
        if not self._engine.lifecycle.ready():
            raise RuntimeError("a model has no available version")

    def Predict(self, request: bytes, grpc_context: RayServegRPCContext) -> Encoded:  # noqa: N802
        """Runs one signature."""
        return self._answer("Predict", request, grpc_context)

    def Classify(self, request: bytes, grpc_context: RayServegRPCContext) -> Encoded:  # noqa: N802
        """Runs a classify signature on tf.Examples."""
        return self._answer("Classify", request, grpc_context)

    def Regress(self, request: bytes, grpc_context: RayServegRPCContext) -> Encoded:  # noqa: N802
        """Runs a regress signature on tf.Examples."""
        return self._answer("Regress", request, grpc_context)

    def MultiInference(self, request: bytes, grpc_context: RayServegRPCContext) -> Encoded:  # noqa: N802
        """Runs several signatures of one model on the same tf.Examples."""
        return self._answer("MultiInference", request, grpc_context)

    def GetModelMetadata(self, request: bytes, grpc_context: RayServegRPCContext) -> Encoded:  # noqa: N802
        """Returns the signatures of a model."""
        return self._answer("GetModelMetadata", request, grpc_context)

    def _answer(self, name: str, raw: bytes, context: RayServegRPCContext) -> Encoded:
        """Runs a method; a refusal is a status code and an empty message."""
        try:
            return Encoded(self._methods[name].run(self._engine, raw, never))
        except StatusError as error:
            # An exception would cross the cluster with its traceback; a code with an empty message does not.
            context.set_code(getattr(grpc.StatusCode, error.code))
            context.set_details(truncated(error.message))
            return Encoded(b"")


def application(args: dict[str, Any]) -> serve.Application:
    """Builds the application: `import_path: serving.ray_app:application`.

    Args:
        args: The arguments of `Answers` by name: `models` and `flags`.
    """
    return serve.deployment(Answers, name="PredictionService").bind(**args)


def add_prediction_service(_: object, server: grpc.Server) -> None:
    """Registers the methods at Ray's gRPC ingress, which passes their bytes on: a `grpc_servicer_functions` entry.

    Args:
        _: A servicer; Ray replaces what the methods do.
        server: Of Ray.
    """

    def replaced(*_: object) -> bytes:
        raise NotImplementedError("Ray routes the method to a replica")

    methods = {name: grpc.unary_unary_rpc_method_handler(replaced) for name in METHODS}
    handler = grpc.method_handlers_generic_handler(messages.PREDICTION_SERVICE, methods)
    server.add_generic_rpc_handlers((handler,))
