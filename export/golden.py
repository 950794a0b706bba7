"""Golden answers: what Keras said at export, for anyone to compare a SavedModel or a server with."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from export.prediction_log import GOLDEN_FILE, Golden, record
from export.signatures import Signature
from serving.protocol import tfrecord

TOLERANCE = 1e-5
_ROWS = 3


def write_goldens(folder: Path, model: str, signatures: list[Signature]) -> int:
    """Writes a request of three rows per signature with the answer of Keras; returns how many."""
    path = folder / GOLDEN_FILE
    path.parent.mkdir(exist_ok=True)
    records = []
    for signature in signatures:
        inputs = signature.examples(_ROWS)
        records.append(record(model, signature.name, inputs, signature.answer(inputs)))
    return tfrecord.write(path, records)


def difference(golden: Golden, outputs: dict[str, np.ndarray]) -> float:
    """Returns the largest difference between golden and received outputs, in units of the largest golden value.

    Values up to 1 count as they are: probabilities are compared to 1e-5 and logits of size 20 to 2e-4, which is what
    float32 leaves of sums in another order. Integers are compared as they are, whatever their size. Strings must be
    equal, and so must names, shapes and kinds: anything else is an infinite difference.
    """
    if golden.outputs.keys() != outputs.keys():
        return float("inf")
    return max(
        (_difference(golden.outputs[alias], np.asarray(outputs[alias])) for alias in outputs), default=0.0
    )


def _difference(expected: np.ndarray, received: np.ndarray) -> float:
    if expected.shape != received.shape:
        return float("inf")
    if expected.dtype.kind in "OSU":
        texts = (np.vectorize(_text, otypes=[object])(array) for array in (expected, received))
        return 0.0 if np.array_equal(*texts) else float("inf")
    if not expected.size:
        return 0.0
    wanted = expected.astype("float64")
    unit = max(1.0, float(np.max(np.abs(wanted)))) if expected.dtype.kind == "f" else 1.0
    return float(np.max(np.abs(wanted - received.astype("float64")))) / unit


def _text(value: bytes | str) -> str:
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else value
