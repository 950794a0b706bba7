"""A model that answers when it is told to, behind a real gRPC server."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from serving.protocol import messages
from serving.server.engine import Engine
from serving.server.flags import Flags
from serving.server.grpc_app import GrpcApp, GrpcOptions
from serving.server.loader import Servable
from serving.server.models import OneModel
from serving.server.reload import Reload
from serving.server.version import State, Version


class Gate(Servable):
    """Waits in `run` until `open` is set; `entered` tells that a request has come so far."""

    def __init__(self) -> None:
        super().__init__({"serving_default": messages.SignatureDef()})
        self.entered, self.open = threading.Event(), threading.Event()

    def run(self, signature, inputs, outputs):
        self.entered.set()
        assert self.open.wait(30)
        return {"y": np.ones(1, np.float32)}


def gated(threads: int = 8, **flags) -> tuple[Gate, Engine, GrpcApp]:
    """Starts a server on a free port with the model `gate`, version 1."""
    gate, engine = Gate(), Engine(Flags(**flags), OneModel("gate", "/nowhere"))
    version = Version("gate", 1, Path("/nowhere"))
    version.publish(gate, None)
    version.state = State.AVAILABLE
    engine.core.add(version)
    reload = Reload(engine.flags, tuple, lambda configs: None, engine.metrics)
    app = GrpcApp(engine, reload, GrpcOptions("127.0.0.1:0", threads=threads))
    app.start()
    return gate, engine, app
