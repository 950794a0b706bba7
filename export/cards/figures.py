"""The pictures of a card, as PNG bytes: the same bytes for the same input."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from zoo.errors import MissingExtraError
from zoo.training.curves import History, curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from export.cards.content import Rows

THUMBNAIL = 128
_MOST_PIXELS = 50_000_000


def png_curves(history: History) -> bytes:
    """Draws the learning curves.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    return _png(curves(history))


def png_bars(rows: Rows) -> bytes:
    """Draws a small bar chart per metric: the model in colour, the trivial predictors grey.

    Args:
        rows: Predictor -> metric -> value; the model is the first.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "zoo", "Drawing the metrics of a card") from error

    metrics = list(next(iter(rows.values())))
    lines = -(-len(metrics) // 2)
    figure = Figure(figsize=(7, max(0.45 + 0.26 * len(rows), 0.9) * lines), layout="constrained")
    grid = figure.subplots(lines, 2, squeeze=False)
    for axes, metric in zip(grid.flat, metrics, strict=False):
        _bars(axes, metric, {name: row[metric] for name, row in rows.items() if metric in row})
    for axes in grid.flat[len(metrics) :]:
        axes.set_axis_off()
    return _png(figure)


def png_thumbnail(picture: bytes | np.ndarray) -> bytes | None:
    """Shrinks a picture file or uint8 pixels `[height, width, 1 or 3]`; None for bytes that are no picture.

    Raises:
        MissingExtraError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("pillow", "zoo", "Showing the pictures of a card") from error

    try:
        if isinstance(picture, bytes):
            opened = Image.open(io.BytesIO(picture))
            if opened.width * opened.height > _MOST_PIXELS:
                return None
            image = opened.convert("RGB")
        else:
            image = Image.fromarray(np.repeat(picture, 4 - picture.shape[-1], -1)[..., :3])
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _bars(axes: Axes, metric: str, values: Mapping[str, float]) -> None:
    places = range(len(values))
    drawn = axes.barh(places, list(values.values()), color=["C0"] + ["0.75"] * (len(values) - 1))
    axes.set_yticks(places, labels=list(values), parse_math=False)
    axes.bar_label(drawn, fmt="%.3f", fontsize="x-small", padding=2)
    axes.invert_yaxis()
    if any(values.values()):
        axes.margins(x=0.2)
    else:
        axes.set_xlim(0, 1)
    axes.tick_params(labelsize="x-small")
    axes.xaxis.set_visible(False)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.set_title(metric, fontsize="small", loc="left", parse_math=False)


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110, metadata={"Software": None})
    return file.getvalue()
