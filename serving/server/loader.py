"""From a SavedModel to something that runs: one call per signature and set of outputs."""

from __future__ import annotations

import functools
import gc
import importlib.util
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from serving import signing
from serving.protocol import signatures
from serving.server import saved_model
from serving.server.errors import CODES, StartError, StatusError, kernel_text

log = logging.getLogger(__name__)
CALLERS_THREAD = -1  # as `inter_op`: TensorFlow runs all ops in the thread of the caller


@dataclass(frozen=True)
class LoadOptions:
    """How SavedModels are run.

    Attributes:
        intra_op: Threads within one op; 0 lets TensorFlow choose.
        inter_op: Ops that run side by side; 0 lets TensorFlow choose, -1 runs all in the thread of the caller.
        tags: Of the graph to load.
        gpu_memory_fraction: Of each GPU, taken at once; 0 grows with need.
        untrusted: Refuse graphs with ops that reach files, processes or Python.
        public_keys: Refuse versions that none of these keys (PEM files) has signed; empty: load all.
    """

    intra_op: int = 0
    inter_op: int = 0
    tags: tuple[str, ...] = (saved_model.SERVE_TAG,)
    gpu_memory_fraction: float = 0.0
    untrusted: bool = False
    public_keys: tuple[Path, ...] = ()


class Servable(ABC):
    """One loaded version of a model.

    Attributes:
        signatures: What it takes and gives, by signature name.
        signature_defs: The same as the SignatureDefs of the SavedModel, for GetModelMetadata.
    """

    def __init__(self, signature_defs: Mapping[str, Any]) -> None:
        self.signature_defs = signature_defs
        self.signatures = signatures.parse(signature_defs)

    @abstractmethod
    def run(
        self, signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """Runs one signature on checked inputs and returns the outputs asked for, by alias.

        Raises:
            StatusError: With the code and the cleaned text of the kernel that failed.
        """

    def close(self) -> None:  # noqa: B027 - not every servable holds something
        """Gives back what the version holds; nothing may run any more."""


class SessionServable(Servable):
    """Runs a session on the graph, as TF Serving does: a third faster than functions, with its error texts."""

    def __init__(self, entry: saved_model.Entry, options: LoadOptions) -> None:
        super().__init__(entry.signature_defs)
        tf = _tensorflow()
        self._tf = tf
        config = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=options.intra_op, inter_op_parallelism_threads=options.inter_op
        )
        config.gpu_options.allow_growth = not options.gpu_memory_fraction
        config.gpu_options.per_process_gpu_memory_fraction = options.gpu_memory_fraction
        self._graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=self._graph, config=config)
        with self._graph.as_default():
            tf.compat.v1.saved_model.load(self._session, list(entry.tags), str(entry.path))
        self._callables: dict[tuple[str, tuple[str, ...]], Callable[..., list[Any]]] = {}

    @staticmethod
    def available() -> bool:
        """Whether this TensorFlow has the (private) method that the speed rests on."""
        return hasattr(_tensorflow().compat.v1.Session, "_make_callable_from_options")

    def run(
        self, signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """See `Servable.run`."""
        call = self._callable(signature, tuple(outputs))
        try:
            results = call(*(inputs[alias] for alias in self.signatures[signature].inputs))
        except self._tf.errors.OpError as error:
            raise StatusError(CODES.get(error.error_code, "UNKNOWN"), kernel_text(error.message)) from error
        except (
            TypeError,
            ValueError,
            RuntimeError,
        ) as error:  # what the binding says of an array it cannot feed
            raise StatusError("INVALID_ARGUMENT", kernel_text(str(error))) from error
        return {alias: _array(value) for alias, value in zip(outputs, results, strict=True)}

    def _callable(self, signature: str, outputs: tuple[str, ...]) -> Callable[..., list[Any]]:
        key = signature, outputs
        if key not in self._callables:
            declared = self.signatures[signature]
            from tensorflow.core.protobuf import config_pb2

            options = config_pb2.CallableOptions(
                feed=[spec.tensor for spec in declared.inputs.values()],
                fetch=[declared.outputs[alias].tensor for alias in outputs],
            )
            self._callables[key] = self._session._make_callable_from_options(options)
        return self._callables[key]

    def close(self) -> None:
        """See `Servable.close`."""
        self._callables.clear()
        self._session.close()
        del self._graph, self._session
        _give_back()


class FunctionServable(Servable):
    """Runs the concrete functions that `tf.saved_model.load` restores: public API only, where sessions fail."""

    def __init__(self, entry: saved_model.Entry) -> None:
        super().__init__(entry.signature_defs)
        tf = _tensorflow()
        # The loaded object owns the variables: the functions are dead without it.
        self._loaded = tf.saved_model.load(str(entry.path), tags=list(entry.tags))
        self._functions = dict(self._loaded.signatures)
        self._constant = tf.constant
        self._kernel_error = tf.errors.OpError

    def run(
        self, signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """See `Servable.run`."""
        function = self._functions.get(signature)
        if function is None:
            raise StatusError("FAILED_PRECONDITION", f'Serving signature key "{signature}" cannot be called.')
        try:
            results = function(**{alias: self._constant(array) for alias, array in inputs.items()})
            return {alias: _array(results[alias].numpy()) for alias in outputs}
        except self._kernel_error as error:
            raise StatusError(CODES.get(error.error_code, "UNKNOWN"), kernel_text(error.message)) from error

    def close(self) -> None:
        """See `Servable.close`."""
        self._functions.clear()
        del self._loaded
        _give_back()


def load(path: Path, options: LoadOptions | None = None) -> Servable:
    """Loads the SavedModel in a version directory.

    Raises:
        StatusError: No SavedModel there, none with the tags, or one that an untrusting server refuses.
    """
    options = options or LoadOptions()
    if options.public_keys:
        _require_signature(path, options.public_keys)
    entry = saved_model.read(path, options.tags)
    if entry.dangerous_ops:
        text = f"{path} has ops that reach outside of the model: {', '.join(entry.dangerous_ops)}"
        if options.untrusted:
            raise StatusError("PERMISSION_DENIED", text)
        log.warning("%s", text)
    if SessionServable.available():
        return SessionServable(entry, options)
    log.warning("this TensorFlow has no session callables; running functions, which is slower")
    return FunctionServable(entry)


def _require_signature(path: Path, public_keys: Sequence[Path]) -> None:
    try:
        key = signing.verify(path, public_keys)
    except signing.SignatureError as error:
        raise StatusError("PERMISSION_DENIED", str(error)) from error
    log.info("%s is signed by key %s", path, key)


def require_tensorflow() -> None:
    """Raises StartError where tensorflow is not installed; does not import it.

    Without it nothing else that a start may find matters.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise StartError(
            "the server needs tensorflow, which is not installed.\nFix: pip install 'mizoo[zoo]'"
        )


def _array(value: Any) -> np.ndarray:
    """Wraps what TensorFlow unwraps: a scalar string comes as bytes, a scalar number as a numpy scalar."""
    return np.array(value, object) if isinstance(value, bytes) else np.asarray(value)


def _give_back() -> None:
    """Collects the graph's cycles and returns the freed memory to the system, which TensorFlow does not."""
    gc.collect()
    import ctypes

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc
    if trim is not None:
        trim(0)


@functools.cache
def _tensorflow() -> Any:
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    import tensorflow as tf

    # Every unload collects garbage while requests wait: without the half a million objects that stay anyway
    # it takes 10 ms instead of 300.
    gc.freeze()
    return tf
