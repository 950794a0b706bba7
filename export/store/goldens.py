"""Golden pairs in the index of a store: arrays as plain JSON that comes back exactly as it was."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np

from export.prediction_log import Golden
from serving.protocol import dtypes
from zoo.errors import StoreError

STRING = "string"
BFLOAT16 = "bfloat16"
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def golden_to_json(golden: Golden) -> dict[str, Any]:
    """Returns what the index holds of one golden pair.

    Raises:
        StoreError: TensorFlow has no type for one of the arrays.
    """
    return {
        "signature": golden.signature,
        "inputs": {alias: array_to_json(array) for alias, array in sorted(golden.inputs.items())},
        "outputs": {alias: array_to_json(array) for alias, array in sorted(golden.outputs.items())},
    }


def golden_from_json(content: Any) -> Golden:
    """Returns the golden pair that `golden_to_json` wrote.

    Raises:
        StoreError: The content is no golden pair.
    """
    try:
        return Golden(
            str(content["signature"]),
            {str(alias): array_from_json(array) for alias, array in content["inputs"].items()},
            {str(alias): array_from_json(array) for alias, array in content["outputs"].items()},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise _malformed(f"{type(error).__name__}: {error}") from error


def array_to_json(array: np.ndarray) -> dict[str, Any]:
    """Returns type, shape and flat values of an array, in row-major order.

    Strings become base64 of their bytes. Complex numbers become two values each. JSON has no number for NaN
    and infinities, so these become the strings "NaN", "Infinity" and "-Infinity".

    Raises:
        StoreError: TensorFlow has no type for the array.
    """
    row = dtypes.from_numpy(array.dtype)
    if row is None:
        raise _malformed(f"TensorFlow has no type for numpy {array.dtype}")
    flat = np.ascontiguousarray(array).reshape(-1)
    values: list[Any]
    if row.number == dtypes.STRING:
        values = [base64.b64encode(_as_bytes(value)).decode() for value in flat.tolist()]
    else:
        values = [_number(value) for value in _real(flat).tolist()]
    return {"dtype": dtypes.python_name(row.number), "shape": list(array.shape), "values": values}


def array_from_json(content: Any) -> np.ndarray:
    """Returns the array that `array_to_json` wrote; strings as an object array of bytes.

    Raises:
        StoreError: An unknown type, or values that do not fit type and shape.
    """
    try:
        name, shape, values = content["dtype"], [int(size) for size in content["shape"]], content["values"]
        known = {dtypes.python_name(number): row for number, row in dtypes.table().items()}
        if name not in known:
            raise ValueError(f"{name!r} is none of the types {', '.join(sorted(known))}")
        if name == STRING:
            flat = np.empty(len(values), object)
            flat[:] = [base64.b64decode(value, validate=True) for value in values]
        else:
            flat = _from_numbers(name, known[name].numpy, values)
        return flat.reshape(shape)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _malformed(f"{type(error).__name__}: {error}") from error


def _as_bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    raise _malformed(f"an object array holds {value!r}, which is neither bytes nor text")


def _real(flat: np.ndarray) -> np.ndarray:
    return flat.view(flat.real.dtype) if flat.dtype.kind == "c" else flat


def _number(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _from_numbers(name: str, dtype: np.dtype[Any], values: list[Any]) -> np.ndarray:
    if name == BFLOAT16:
        exact = np.array([_SPECIAL.get(v, v) for v in values], np.float32)
        # Without ml_dtypes its bits stand for a bfloat16: the upper half of the float32.
        return (exact.view(np.uint32) >> 16).astype(np.uint16).view(dtype)
    if dtype.kind in "fc":
        parts = np.array([_SPECIAL.get(v, v) for v in values], np.empty(0, dtype).real.dtype)
        return parts.view(dtype)
    wanted = bool if dtype.kind == "b" else int
    if any(type(value) is not wanted for value in values):
        raise ValueError(f"{name} needs values of the kind {wanted.__name__}")
    return np.array(values, dtype)


def _malformed(why: str) -> StoreError:
    return StoreError(
        f"A golden pair cannot be used: {why}.",
        expected='{"dtype", "shape", "values"} for each input and output, as `mizoo publish` writes it',
        fix="publish the model again as a new version",
    )
