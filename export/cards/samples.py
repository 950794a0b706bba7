"""The golden requests and answers as tables: pictures small, strings as they are, tensors summed up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from export.cards.figures import png_thumbnail
from export.cards.text import code, table
from export.prediction_log import Golden

Figures = dict[str, Callable[[], bytes | None]]
_KINDS = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"GIF8": "GIF", b"BM": "BMP"}
_MOST, _LONGEST = 5, 80


def samples(golden: Golden, place: int) -> tuple[str, Figures]:
    """Returns a table of a golden request, a line per row, and the pictures that it refers to.

    Args:
        golden: The request with its answer.
        place: Of the request among all, for the names of the pictures.
    """
    rows = max((len(array) for array in golden.inputs.values() if array.ndim), default=1)
    # A protobuf map has no order of its own.
    inputs, outputs = (sorted(tensors.items()) for tensors in (golden.inputs, golden.outputs))
    columns = [*inputs, *outputs]
    header = [f"{code(alias)} →" for alias, _ in inputs] + [code(alias) for alias, _ in outputs]
    figures: Figures = {}
    lines = [
        [
            _cell(_row(array, row, rows), f"sample-{place}-{column}-{row}", figures)
            for column, (_, array) in enumerate(columns)
        ]
        for row in range(rows)
    ]
    return table(header, lines), figures


def _row(array: np.ndarray, row: int, rows: int) -> Any:
    return array[row] if array.ndim and len(array) == rows else array


def _cell(value: Any, name: str, figures: Figures) -> str:
    if isinstance(value, bytes) and (kind := _kind(value)):
        figures[name] = partial(png_thumbnail, value)
        return f"![{kind}, {len(value) / 1000:.1f} kB](figure:{name})"
    if isinstance(value, bytes | str):
        return _string(value)
    array = np.asarray(value)
    if _is_picture(array):
        figures[name] = partial(png_thumbnail, array)
        return f"![{_shape(array)}](figure:{name})"
    return _array(array)


def _array(array: np.ndarray) -> str:
    if array.dtype.kind in "OSU":
        return _listed([_string(text) for text in array.ravel()[:_MOST]], array.size)
    if array.ndim <= 1 or array.size <= _MOST:
        return _listed([_number(x) for x in array.ravel()[:_MOST]], array.size)
    least, mean, most = array.min(), array.astype(np.float64).mean(), array.max()
    return f"{_shape(array)}, {_number(least)} .. {_number(most)}, mean {_number(mean)}"


def _listed(items: Sequence[str], count: int) -> str:
    return ", ".join(items) + (f", … ({count})" if count > len(items) else "")


def _string(value: bytes | str) -> str:
    try:
        text = value.decode() if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError:
        return f"{len(value)} bytes"
    return code(text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…")


def _number(value: Any) -> str:
    return f"{value:.4g}" if np.asarray(value).dtype.kind == "f" else str(value)


def _shape(array: np.ndarray) -> str:
    return f"{array.dtype} {list(array.shape)}".replace("[", "(").replace("]", ")")


def _is_picture(array: np.ndarray) -> bool:
    return array.dtype == np.uint8 and array.ndim == 3 and array.shape[-1] in (1, 3) and array.size > 0


def _kind(content: bytes) -> str | None:
    return next((kind for start, kind in _KINDS.items() if content.startswith(start)), None)
