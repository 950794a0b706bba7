"""The codec between numpy arrays and TensorProto, by the rules of TensorFlow's `Tensor::FromProto`."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from serving.protocol import dtypes, messages, wire

MAX_RANK = 254  # TensorShape::MaxDimensions
_STRING_OVERHEAD = 24  # sizeof(tstring): what each element costs before its bytes
# Wire numbers of the packed fields whose bytes are the little-endian array itself.
_RAW_FIELDS = {
    "float_val": (5, "<f4"),
    "double_val": (6, "<f8"),
    "scomplex_val": (9, "<c8"),
    "dcomplex_val": (12, "<c16"),
    "bool_val": (11, "?"),
}


class TensorError(ValueError):
    """A TensorProto that contradicts itself, or an array that no TensorProto can carry."""


def shape_of(proto: Any) -> tuple[int, ...]:
    """Returns the shape a TensorProto declares.

    Raises:
        TensorError: Unknown rank, a negative dimension, or more than 254 dimensions.
    """
    shape = proto.tensor_shape
    if shape.unknown_rank:
        raise TensorError("a tensor's rank must be known")
    if len(shape.dim) > MAX_RANK:
        raise TensorError(f"rank {len(shape.dim)} is above the maximum of {MAX_RANK}")
    sizes = tuple(dim.size for dim in shape.dim)
    if any(size < 0 for size in sizes):
        raise TensorError(f"shape {list(sizes)} has a negative dimension")
    return sizes


def decoded_bytes(proto: Any, shape: tuple[int, ...] | None = None) -> int:
    """Returns how much memory `decode` would need, from shape and type alone: nothing is allocated.

    A short typed field stands for its last value repeated, so a few bytes can declare a tensor of any size.

    Args:
        proto: A TensorProto.
        shape: Its shape, where that is known already.
    """
    count = math.prod(shape_of(proto) if shape is None else shape)
    if proto.dtype != dtypes.STRING:
        return count * _row(proto.dtype).numpy.itemsize
    if proto.tensor_content:
        return count * _STRING_OVERHEAD + len(proto.tensor_content)
    given = proto.string_val
    repeats = max(0, count - len(given))
    last = len(given[-1]) if given else 0
    return count * _STRING_OVERHEAD + sum(map(len, given)) + repeats * last


def decode(proto: Any) -> np.ndarray:
    """Returns the array of a TensorProto; strings as an object array of bytes.

    `tensor_content` wins; else the typed field, where a short one repeats its last value and an empty one
    means zeros. The array of `tensor_content` is a read-only view. Callers who do not trust the sender check
    `decoded_bytes` first.

    Raises:
        TensorError: The type cannot be sent, or the content's length does not fit the shape.
    """
    shape, row = shape_of(proto), _row(proto.dtype)
    count = math.prod(shape)
    if count == 0:
        return _shaped(np.empty(0, row.numpy), shape)
    content = proto.tensor_content
    if row.number == dtypes.STRING:
        values = _split_strings(content, count) if content else proto.string_val[:count]
        flat = np.empty(count, object)
        flat[: len(values)] = values
        flat[len(values) :] = values[-1] if values else b""
        return _shaped(flat, shape)
    if content:
        needed = count * row.numpy.itemsize
        if len(content) != needed:
            raise TensorError(
                f"tensor_content has {len(content)} bytes; {row.name} {list(shape)} needs {needed}"
            )
        return _shaped(np.frombuffer(content, row.numpy.newbyteorder("<")), shape)
    return _shaped(_typed_values(getattr(proto, row.field), row, count), shape)


def encode(array: np.ndarray, *, dtype: int | None = None, content: bool = True) -> list[wire.Buffer]:
    """Returns the wire bytes of a TensorProto in chunks, without copying a contiguous array.

    Args:
        array: Any array whose type TensorFlow can send; `bytes`, `str` and object arrays become strings
            (UTF-8).
        dtype: TensorFlow's type number, where numpy cannot tell (bfloat16 bits held in uint16).
        content: Numbers as `tensor_content` (requests), else in the typed field (what TF Serving replies
            with).

    Raises:
        TensorError: No TensorFlow type for this array, or an object array that holds neither bytes nor str.
    """
    row = dtypes.table()[dtype] if dtype is not None else dtypes.from_numpy(array.dtype)
    if row is None:
        raise TensorError(f"TensorFlow has no type for numpy {array.dtype}")
    head = _head(row.number, array.shape)
    if row.number == dtypes.STRING:
        strings = messages.TensorProto(string_val=map(_as_bytes, array.ravel().tolist()))
        return [head, strings.SerializeToString()]
    if array.size == 0:
        return [head]
    if content or row.field in _RAW_FIELDS:
        number, kind = (4, array.dtype.newbyteorder("<")) if content else _RAW_FIELDS[row.field]
        body = np.ascontiguousarray(array, kind)
        return [head, *wire.delimited(number, [body.reshape(-1).view(np.uint8).data])]
    bits = array.view(np.uint16) if row.field == "half_val" else array
    number = messages.TensorProto.DESCRIPTOR.fields_by_name[row.field].number
    return [head, *wire.delimited(number, [wire.packed_varints(bits)])]


def from_array(array: np.ndarray, *, dtype: int | None = None, content: bool = True) -> Any:
    """Returns the TensorProto message of an array; arguments as `encode`."""
    return messages.TensorProto.FromString(b"".join(encode(array, dtype=dtype, content=content)))


@functools.lru_cache(maxsize=1024)
def _head(dtype: int, shape: tuple[int, ...]) -> bytes:
    """The wire bytes of type and shape: those of a model's outputs are nearly always the same."""
    proto = messages.TensorProto(dtype=dtype)
    proto.tensor_shape.SetInParent()  # a scalar's shape is present and empty
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    return bytes(proto.SerializeToString())


def _row(number: int) -> dtypes.DType:
    row = dtypes.table().get(number)
    if row is None:
        raise TensorError(f"tensors of {dtypes.name_of(number)} cannot be sent")
    return row


def _shaped(flat: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    try:
        return flat.reshape(shape)
    except ValueError as error:  # numpy allows fewer dimensions than TensorFlow, and none of 2**62 beside a 0
        raise TensorError(f"rank {len(shape)} or a dimension of it is beyond numpy: {error}") from error


def _typed_values(field: Any, row: dtypes.DType, count: int) -> np.ndarray:
    wanted = 2 * count if row.numpy.kind == "c" else count
    if len(field) == 0:
        return np.zeros(count, row.numpy)
    given = np.array(field[:wanted] if len(field) > wanted else field)
    if row.field == "half_val":
        given = given.astype(np.uint16).view(row.numpy)
    elif row.numpy.kind == "c":
        pairs = given[: len(given) // 2 * 2]
        if len(pairs) == 0:
            raise TensorError(f"{row.field} needs a real and an imaginary part")
        given = pairs.astype(pairs.dtype.newbyteorder("=")).view(row.numpy)
    given = given.astype(row.numpy, copy=False)  # wraps like the C++ cast
    if len(given) == count:
        return given
    values = np.empty(count, row.numpy)
    values[: len(given)] = given
    values[len(given) :] = given[-1]
    return values


def _split_strings(content: bytes, count: int) -> list[bytes]:
    """Splits `tensor_content` of strings: `count` varint lengths, then all bytes (DecodeStringList)."""
    lengths, position = [], 0
    for _ in range(count):
        value = shift = 0
        while True:
            if position >= len(content) or shift > 28:
                raise TensorError("tensor_content of strings ends inside its lengths")
            byte = content[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        lengths.append(value)
    if position + sum(lengths) != len(content):
        raise TensorError("tensor_content of strings does not have the length that its parts declare")
    values = []
    for length in lengths:
        values.append(content[position : position + length])
        position += length
    return values


def _as_bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    raise TensorError(f"a string tensor holds bytes or str, not {type(value).__name__} ({value!r:.60})")
