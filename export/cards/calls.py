"""A client call per signature, to copy and paste."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from serving.client.values import BYTES_SUFFIX
from serving.protocol.signatures import DEFAULT_SIGNATURE

_MOST_NUMBERS = 12
_PICTURE, _ANY_SIZE = "cat.jpg", 64


def client_call(
    model: str, signature: str, inputs: Mapping[str, Any], example: Mapping[str, np.ndarray]
) -> str:
    """Returns a Python program that calls a served model.

    Args:
        model: What the server calls it.
        signature: Name of the signature.
        inputs: Alias -> `dtype`, `shape`.
        example: Alias -> a golden input; empty where there is none.
    """
    if signature == DEFAULT_SIGNATURE and list(inputs) == ["image_bytes"]:
        call = f"{_text(model)}, image={_text(_PICTURE)}"
    else:
        values = {alias: _value(alias, spec, example.get(alias)) for alias, spec in inputs.items()}
        given = ", ".join(f"{_text(alias)}: {value}" for alias, value in values.items())
        call = f"{_text(model)}, {{{given}}}, signature={_text(signature)}"
    numpy = "import numpy as np\n\n" if "np." in call else ""
    return (
        f"{numpy}from serving.client import Client\n\n"
        'with Client("localhost:8500") as client:\n'
        f"    answer = client.predict({call})\n"
        "for name, rows in answer.items():\n"
        "    print(name, rows.dtype, rows.shape, rows[0])"
    )


def _value(alias: str, spec: Mapping[str, Any], example: np.ndarray | None) -> str:
    if spec["dtype"] == "string":
        if alias.endswith(BYTES_SUFFIX):
            return _text(_PICTURE)
        return "[" + ", ".join(map(_text, _texts(example))) + "]"
    if example is not None and example.size <= _MOST_NUMBERS and np.isfinite(example).all():
        return f"np.array({example.tolist()}, {_text(spec['dtype'])})"
    return f"np.zeros({_shape(spec['shape'], example)}, {_text(spec['dtype'])})"


def _texts(example: np.ndarray | None) -> list[str]:
    found = [] if example is None else [str(_decoded(value)) for value in example.ravel()[:3]]
    return found or ["a text"]


def _shape(shape: list[int | None] | None, example: np.ndarray | None) -> tuple[int, ...]:
    """One row of the golden input's size, or of any where there is none."""
    if example is not None:
        return (1, *example.shape[1:])
    sizes = shape or [None]
    return (1, *(_ANY_SIZE if size is None else size for size in sizes[1:]))


def _decoded(value: Any) -> Any:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _text(value: str) -> str:
    """A Python literal in double quotes, without line breaks."""
    return json.dumps(value, ensure_ascii=False)
