"""Versions that can be told apart: a model that adds its own number, and ways to damage and mend it."""

from __future__ import annotations

import functools
import shutil
import tempfile
from pathlib import Path

import numpy as np

from serving.server.engine import Engine
from tests.serving.saved_models import predict_request


def put(version: Path, adds: float) -> Path:
    """Writes a SavedModel whose `y` is its `x` plus a number; returns its folder."""
    shutil.copytree(_saved(float(adds)).name, version)
    return version


def put_broken(version: Path) -> Path:
    """Writes what looks like a version and cannot be loaded; returns its folder."""
    version.mkdir(parents=True)
    (version / "saved_model.pb").write_bytes(b"\xff\xff junk")
    return version


def mend(version: Path, adds: float) -> None:
    """Writes a good version in the place of one that cannot be loaded."""
    shutil.rmtree(version)
    put(version, adds)


def ask(engine: Engine, model: str = "m", version: int | None = None, label: str = "") -> tuple[int, float]:
    """Asks a model for 0 + its number; returns the version that answered, and the number."""
    request = predict_request(model, x=np.zeros(1, np.float32))
    if version is not None:
        request.model_spec.version.value = version
    if label:
        request.model_spec.version_label = label
    reply = engine.predict(request)
    return reply.version.number, float(reply.outputs["y"][0])


@functools.cache
def _saved(adds: float) -> tempfile.TemporaryDirectory[str]:
    import tensorflow as tf

    class Adder(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def add(self, x):
            return {"y": x + adds}

    folder = tempfile.TemporaryDirectory(prefix="adder-")
    module = Adder()
    tf.saved_model.save(module, folder.name, signatures={"serving_default": module.add})
    return folder
