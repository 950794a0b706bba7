"""Pictures with what is said of them, right and wrong words told apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.batches import PICTURE, Split, take_rows
from zoo.drawing import new_figure, save_figure
from zoo.errors import DataError
from zoo.models.captioning.code_report import spelled
from zoo.models.captioning.code_statistics import right
from zoo.models.captioning.evaluation import labelled, write

if TYPE_CHECKING:
    from zoo.models.captioning.writer import CaptionWriter

RIGHT, WRONG = "tab:green", "tab:red"
_NO_WORD = "–"
_TRAVERSED = np.linspace(-2, 2, 7)


def draw_samples(
    writer: CaptionWriter, split: Split, codes: np.ndarray, path: Path, pictures: int = 8
) -> Path:
    """Draws the first pictures of a split with the word that is said under each code.

    Args:
        writer: Of the trio.
        split: Input `image`; target `labels`.
        codes: `[codes, code_size]`.
        path: PNG to write.
        pictures: How many.

    Raises:
        DataError: The split has no pictures, or no sets of labels.
        MissingExtraError: matplotlib is not installed.
    """
    shown = _first(split, pictures)
    figure = new_figure((1.5 + 1.5 * len(codes), 0.6 + 0.7 * len(shown)), "Drawing samples")
    titles = [spelled(code).replace(", ", ",\n") for code in codes]
    _draw_words(figure.subplots(), writer, shown, codes, titles)
    return save_figure(figure, path)


def draw_traversal(writer: CaptionWriter, split: Split, path: Path, pictures: int = 10) -> Path:
    """Draws what is said as one number of c goes from -2 to 2 and the others stay 0, for each of its numbers.

    Arguments and errors as of `draw_samples`.
    """
    size, shown = writer.trio.code_size, _first(split, pictures)
    figure = new_figure((5.6 * size, 0.8 + 0.6 * len(shown)), "Drawing a traversal")
    for dimension, axes in enumerate(figure.subplots(1, size, squeeze=False)[0]):
        codes = np.zeros((len(_TRAVERSED), size), np.float32)
        codes[:, dimension] = _TRAVERSED
        _draw_words(axes, writer, shown, codes, [f"{value:+.1f}" for value in _TRAVERSED])
        axes.set_title(f"c{dimension + 1}, the others 0", fontsize="medium", pad=20)
    return save_figure(figure, path)


def _draw_words(
    axes: Any, writer: CaptionWriter, shown: Split, codes: np.ndarray, titles: Sequence[str]
) -> None:
    """A row for each picture: itself, then its word under each code."""
    pictures = labelled(writer.trio, shown)
    said = write(writer, pictures.features, codes[:, None])["said"]
    is_right, words = right(said, pictures.sets), writer.trio.autoencoder.vocabulary
    for row, image in enumerate(np.asarray(shown.arrays()[PICTURE])):
        single = image.shape[-1] == 1
        place = (0.05, 0.95, row + 0.95, row + 0.05)
        axes.imshow(image[..., 0] if single else image, extent=place, cmap="gray", vmin=0, vmax=255)
        for column, word in enumerate(said[:, row]):
            good = is_right[column, row]
            # Wrong ones are bold too: red and green are not told apart by everyone.
            style = {"color": RIGHT if good else WRONG, "fontweight": "normal" if good else "bold"}
            text = words[word] if word >= 0 else _NO_WORD
            axes.text(column + 1.5, row + 0.5, text, ha="center", va="center", parse_math=False, **style)
    for column, title in enumerate(titles):
        axes.text(column + 1.5, -0.1, title, ha="center", va="bottom", fontsize="small")
    axes.set(xlim=(0, 1 + len(codes)), ylim=(len(shown), 0), aspect="auto")
    axes.axis("off")


def _first(split: Split, pictures: int) -> Split:
    if PICTURE not in split.inputs:
        raise DataError(
            f"The split has {', '.join(split.inputs)}.",
            expected=f"the input `{PICTURE}`",
            fix="draw from the split with the pictures, not from their features",
        )
    rows = np.arange(min(pictures, len(split)))
    return Split(
        {key: take_rows(value, rows) for key, value in split.inputs.items()},
        {key: value[rows] for key, value in split.targets.items()},
        split.ids[: len(rows)],
    )
