"""TensorFlow's data types: the number on the wire, TensorFlow's own name, the numpy type, the typed field."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np


class DType(NamedTuple):
    """One row of TensorFlow's type table.

    `field` is the repeated field of TensorProto that carries values of this type when `tensor_content` does
    not.
    """

    number: int
    name: str
    numpy: np.dtype[Any]
    field: str


def _bfloat16() -> np.dtype[Any]:
    try:
        import ml_dtypes
    except ImportError:
        return np.dtype(np.uint16)  # the bits, for readers without the library
    return np.dtype(ml_dtypes.bfloat16)


STRING = 7
BFLOAT16 = 14
_PYTHON_NAMES = {"float": "float32", "double": "float64", "half": "float16"}
# name, number (types.proto), numpy type, field (tensor.proto); bfloat16 is added by `table`
_ROWS = [
    ("float", 1, "float32", "float_val"),
    ("double", 2, "float64", "double_val"),
    ("int32", 3, "int32", "int_val"),
    ("uint8", 4, "uint8", "int_val"),
    ("int16", 5, "int16", "int_val"),
    ("int8", 6, "int8", "int_val"),
    ("string", STRING, "object", "string_val"),
    ("complex64", 8, "complex64", "scomplex_val"),
    ("int64", 9, "int64", "int64_val"),
    ("bool", 10, "bool", "bool_val"),
    ("uint16", 17, "uint16", "int_val"),
    ("complex128", 18, "complex128", "dcomplex_val"),
    ("half", 19, "float16", "half_val"),
    ("uint32", 22, "uint32", "uint32_val"),
    ("uint64", 23, "uint64", "uint64_val"),
]


@functools.cache
def table() -> dict[int, DType]:
    """Returns the types that can be sent, by number: no resource, variant, quantised, ref."""
    rows = [DType(number, name, np.dtype(kind), field) for name, number, kind, field in _ROWS]
    rows.append(DType(BFLOAT16, "bfloat16", _bfloat16(), "half_val"))
    return {row.number: row for row in rows}


@functools.cache
def name_of(number: int) -> str:
    """Returns TensorFlow's name of a type number, as its error texts write it."""
    known = table().get(number)
    return known.name if known else f"DataType {number}"


def python_name(number: int) -> str:
    """Returns the name of a type number as `tf.as_dtype` takes it, e.g. "float32" where the error texts say "float"."""
    name = name_of(number)
    return _PYTHON_NAMES.get(name, name)


@functools.cache
def _by_numpy() -> dict[np.dtype[Any], DType]:
    return {row.numpy: row for row in reversed(table().values())}


def from_numpy(dtype: np.dtype[Any]) -> DType | None:
    """Returns the row of a numpy type, or None; byte and str arrays of any length are `string`."""
    if dtype.kind in "SUO":
        return table()[STRING]
    return _by_numpy().get(dtype.newbyteorder("="))
