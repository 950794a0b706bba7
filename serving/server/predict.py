"""Predict: from named inputs, however they came, to named outputs."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.protocol import messages, signatures, tensors, wire
from serving.server import guard
from serving.server.core import Core
from serving.server.errors import StatusError, invalid
from serving.server.metrics import Metrics
from serving.server.version import Expired, Version

MAX_SINGLE_RUNS = 64
RUNTIME_LATENCY, RUNTIME = ":tensorflow:serving:runtime_latency", "TF1"  # sessions, as TF Serving calls them


def never() -> bool:
    """The deadline of a request that has none."""
    return False


@dataclass(frozen=True)
class Reply:
    """The outputs of one call, and who gave them."""

    version: Version
    signature: str
    outputs: Mapping[str, np.ndarray]

    def model_spec(self) -> Any:
        """Returns the ModelSpec of the reply: name, version and signature name, always all three."""
        return _model_spec(self.version.model, self.version.number, self.signature)

    def encode(self, tensor_content: bool = False) -> bytes:
        """Returns the wire bytes of the PredictResponse, numbers in their typed fields as TF Serving sends them."""
        reply = messages.PredictResponse
        spec = _encoded_spec(self.version.model, self.version.number, self.signature)
        chunks = wire.delimited(reply.MODEL_SPEC_FIELD_NUMBER, [spec])
        for alias, array in self.outputs.items():
            tensor = tensors.encode(array, content=tensor_content)
            chunks += wire.map_entry(reply.OUTPUTS_FIELD_NUMBER, alias, tensor)
        return b"".join(chunks)


def _model_spec(model: str, version: int, signature: str) -> Any:
    spec = messages.ModelSpec(name=model, signature_name=signature)
    spec.version.value = version
    return spec


@functools.lru_cache(maxsize=256)
def _encoded_spec(model: str, version: int, signature: str) -> bytes:
    return bytes(_model_spec(model, version, signature).SerializeToString())


class Predictor:
    """Answers Predict requests.

    Args:
        core: The model table.
        limits: What the server takes.
        metrics: Told how long models run.
    """

    def __init__(self, core: Core, limits: guard.Limits, metrics: Metrics) -> None:
        self.core, self.limits, self.metrics = core, limits, metrics

    def predict(self, request: Any, expired: Expired = never) -> Reply:
        """Answers a PredictRequest.

        Args:
            request: The parsed message.
            expired: Tells whether the caller has stopped waiting; asked before each run.

        Raises:
            StatusError: With TF Serving's codes and texts.
        """
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        with self.core.use(request.model_spec) as version:
            return self.answer(version, request, expired)

    def answer(self, version: Version, request: Any, expired: Expired = never) -> Reply:
        """Answers a PredictRequest with one version, whatever version it names; for warm-up too."""
        name = request.model_spec.signature_name
        return self.run(version, name, request.inputs, request.output_filter, expired)

    def run(
        self,
        version: Version,
        signature_name: str,
        inputs: Mapping[str, Any],
        output_filter: Iterable[str] = (),
        expired: Expired = never,
        api: str = "Predict",
    ) -> Reply:
        """Checks inputs (TensorProtos or arrays by alias) and runs one signature on them, timed under `api`.

        Raises:
            StatusError: With TF Serving's codes and texts.
        """
        name = signature_name or signatures.DEFAULT_SIGNATURE
        signature = version.servable.signatures.get(name)
        if signature is None:
            raise StatusError("FAILED_PRECONDITION", f'Serving signature key "{name}" not found.')
        arrays = guard.check_inputs(signature, inputs, self.limits, self.shape_check(version))
        wanted = guard.check_outputs(signature, output_filter)
        started = time.perf_counter()
        try:
            outputs = version.run(name, arrays, wanted, expired)
            micros = (time.perf_counter() - started) * 1e6
            self.metrics.observe(RUNTIME_LATENCY, version.model, api, RUNTIME, value=micros)
            return Reply(version, name, outputs)
        except StatusError as error:

            def once(rows: Mapping[str, np.ndarray]) -> object:
                return version.run_alone(name, rows, wanted, expired)

            raise located(error, arrays, once) from error

    def shape_check(self, version: Version) -> str:
        """Returns how shapes are compared for a version; see `Limits`."""
        return self.limits.shape_check or ("strict" if version.ours else "rank")


def located(
    error: StatusError, inputs: Mapping[str, np.ndarray], once: Callable[[Mapping[str, np.ndarray]], object]
) -> StatusError:
    """Names the rows of a request that fail, by running each alone; at most `MAX_SINGLE_RUNS` of them."""
    rows = {array.shape[0] if array.ndim else 0 for array in inputs.values()}
    if error.code != "INVALID_ARGUMENT" or len(rows) != 1 or not 0 < (count := rows.pop()) <= MAX_SINGLE_RUNS:
        return error
    label = ",".join(inputs)
    if count == 1:
        return invalid(f"{label}[0]: {error.message}")
    found = []
    for row in range(count):
        try:
            once({alias: array[row : row + 1] for alias, array in inputs.items()})
        except StatusError as single:
            if single.code == "DEADLINE_EXCEEDED":
                return single
            found.append(f"{label}[{row}]: {single.message}")
    return invalid("; ".join(found)) if found else error
