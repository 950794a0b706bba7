"""The checks before TensorFlow runs: inputs against the signature, and sizes against the caps.

TensorFlow ends the process (SIGABRT in oneDNN) when a convolution meets a tensor of the wrong rank, and a
request of a few bytes can declare a tensor of any size. So nothing is decoded before type, shape and size
were compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.protocol import dtypes, signatures, tensors
from serving.server import images
from serving.server.errors import invalid

MAX_REQUEST_BYTES = 256 * 1024 * 1024
MAX_STRINGS = 1_000_000
ABORTING_RANK = 3  # from this declared rank on, kernels were seen to end the process on another one


@dataclass(frozen=True)
class Limits:
    """What a server takes.

    Attributes:
        request_bytes: The most memory that the decoded inputs of a request may take together; 0: no cap.
        pixels: Of one picture; 0: no cap.
        shape_check: "strict" compares rank and fixed dimensions, "rank" the rank where a wrong one can end the
            process, "tfs" nothing, as TF Serving; None is strict for models of this zoo and rank for others.
    """

    request_bytes: int = MAX_REQUEST_BYTES
    pixels: int = images.MAX_PIXELS
    shape_check: str | None = None


def check_inputs(
    signature: signatures.Signature,
    inputs: Mapping[str, Any],
    limits: Limits = Limits(),
    shape_check: str = "strict",
) -> dict[str, np.ndarray]:
    """Returns the decoded inputs of a request, the signature's defaults filled in.

    Args:
        signature: What the model declares.
        inputs: TensorProtos by alias, as received; arrays from REST.
        limits: What the server takes.
        shape_check: As in `Limits`.

    Raises:
        StatusError: INVALID_ARGUMENT, naming the alias, what was expected and what came.
    """
    _check_names(signature, inputs)
    given = {**signature.defaults, **inputs}
    total = 0
    for alias, spec in signature.inputs.items():
        total += _check_tensor(spec, given[alias], shape_check)
        if limits.request_bytes and total > limits.request_bytes:
            raise invalid(
                f"input '{alias}' brings the decoded request to {total} bytes; "
                f"this server takes {limits.request_bytes}"
            )
    arrays = {alias: _decoded(alias, given[alias]) for alias in signature.inputs}
    for alias, array in arrays.items():
        if array.dtype == object and limits.pixels:
            images.check_headers(alias, array.ravel().tolist(), max_pixels=limits.pixels)
    return arrays


def check_outputs(signature: signatures.Signature, output_filter: Iterable[str]) -> list[str]:
    """Returns the output aliases to fetch: those of the filter, or all, always in the signature's order.

    Every order would have a callable and a batch queue of its own, which a caller could make without end.

    Raises:
        StatusError: An alias is unknown or asked for twice.
    """
    wanted: set[str] = set()
    for alias in output_filter:
        if alias not in signature.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {alias} "
                f"Outputs expected to be in the set {{{_joined(signature.outputs)}}}."
            )
        if alias in wanted:
            raise invalid(f"duplicate output tensor alias: {alias}")
        wanted.add(alias)
    return [alias for alias in signature.outputs if not wanted or alias in wanted]


def _check_names(signature: signatures.Signature, inputs: Mapping[str, Any]) -> None:
    declared, defaults = signature.inputs, signature.defaults
    if len(inputs) > len(declared) or (len(inputs) < len(declared) and not defaults):
        raise invalid(
            f"input size does not match signature: {len(inputs)}!={len(declared)} "
            f"len({{{_joined(inputs)}}}) != len({{{_joined(declared)}}}). "
            f"Sent extra: {{{_joined(set(inputs) - set(declared))}}}. "
            f"Missing but required: {{{_joined(set(declared) - set(inputs))}}}."
        )
    for alias, spec in declared.items():
        if alias not in inputs and alias not in defaults:
            raise invalid(
                f"Signature input alias: {alias}(feed name: {spec.tensor}) not found in request and no "
                f"default value provided. Inputs expected to be in the request {{{_joined(inputs)}}}, "
                f"or default input alias set: {_joined(defaults)}"
            )
    if not set(inputs) <= set(declared):
        used = _joined(set(inputs) & set(declared))
        raise invalid(
            f"Inputs contains invalid name. Used request inputs: {used}, request input: {_joined(inputs)}"
        )


def _decoded(alias: str, given: Any) -> np.ndarray:
    if isinstance(given, np.ndarray):
        return given
    try:
        return tensors.decode(given)
    except tensors.TensorError as error:
        raise invalid(f"tensor parsing error: {alias} ({error})") from error


def _measured(alias: str, given: Any) -> tuple[int, tuple[int, ...], int]:
    """Returns type number, shape and decoded bytes of a TensorProto or an array."""
    if isinstance(given, np.ndarray):
        row = dtypes.from_numpy(given.dtype)
        assert row is not None, given.dtype
        texts = sum(map(len, given.ravel().tolist())) if row.number == dtypes.STRING else 0
        return row.number, given.shape, given.nbytes + texts
    try:
        shape = tensors.shape_of(given)
        return given.dtype, shape, tensors.decoded_bytes(given, shape)
    except tensors.TensorError as error:
        raise invalid(f"tensor parsing error: {alias} ({error})") from error


def _check_tensor(spec: signatures.TensorSpec, given: Any, shape_check: str) -> int:
    """Compares one tensor with its declaration and returns the bytes it will take."""
    dtype, shape, size = _measured(spec.alias, given)
    if dtype != spec.dtype:
        raise invalid(
            f"Type mismatch: actual {dtypes.name_of(dtype)} vs. expect {dtypes.name_of(spec.dtype)} "
            f"(input {spec}, received {signatures.describe(dtype, shape)})"
        )
    if not _fits(spec, shape, shape_check):
        received = signatures.describe(dtype, shape)
        raise invalid(f"input '{spec.alias}' has the wrong shape: expected {spec}, received {received}")
    if dtype == dtypes.STRING and math.prod(shape) > MAX_STRINGS:
        raise invalid(f"input '{spec.alias}' has {math.prod(shape)} strings; this server takes {MAX_STRINGS}")
    if shape_check == "strict" and shape and spec.shape and spec.shape[0] == -1 and shape[0] == 0:
        received = signatures.describe(dtype, shape)
        raise invalid(f"input '{spec.alias}' has no rows: expected {spec}, received {received}")
    return size


def _fits(spec: signatures.TensorSpec, shape: tuple[int, ...], shape_check: str) -> bool:
    if shape_check == "strict":
        return spec.accepts(shape)
    declared = spec.shape
    if shape_check == "rank" and declared is not None and len(declared) >= ABORTING_RANK:
        return len(shape) == len(declared)
    return True


def _joined(names: Iterable[str]) -> str:
    return ",".join(sorted(names))
