"""Figures of a caption GAN over sets of labels: frequencies per code (report, Fig. 3), all codes, a traversal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.batches import PICTURE
from zoo.drawing import new_figure, save_figure
from zoo.models.captioning.baselines import LINEAR, RIGHT_ENOUGH, linear_with_code
from zoo.models.captioning.code_report import CodeRow, code_rows, write_codes
from zoo.models.captioning.code_statistics import accuracies, label_entropy, label_shares
from zoo.models.captioning.codes import measured_codes
from zoo.models.captioning.evaluation import labelled, write
from zoo.models.captioning.sheets import draw_traversal
from zoo.models.captioning.writer import CaptionWriter

if TYPE_CHECKING:
    from zoo.data.batches import Split, Splits
    from zoo.models.captioning.trio import CaptionTrio

_LEAST_RIGHT = 0.95
_MOST_NAMED = 16
_FRAME = {"color": "tab:blue", "label": "this code in every picture"}
_BESIDE = {"color": "tab:gray", "label": "random codes"}


def draw_figures(trio: CaptionTrio, splits: Splits, split: Split, folder: Path) -> list[Path]:
    """Draws frequencies.png and accuracies.png, and traversal.png where there are pictures; writes codes.csv.

    Args:
        trio: Its words are the labels.
        splits: The linear baseline is fitted on training and validation.
        split: To measure on.
        folder: To write to.

    Returns:
        The files.

    Raises:
        DataError: A split has no sets of labels, or of other labels.
        MissingExtraError: matplotlib is not installed.
    """
    writer, pictures = CaptionWriter(trio), labelled(trio, split)
    codes, words = measured_codes(trio.code_size, len(split)), trio.autoencoder.vocabulary
    fixed = write(writer, pictures.features, codes.fixed)["said"]
    random = write(writer, pictures.features, codes.random[:1])["said"][0]
    rows = code_rows(fixed, codes.fixed[:, 0], pictures.sets, words)

    fitted_on = labelled(trio, splits.train), labelled(trio, splits.validation)
    linear = linear_with_code(*fitted_on, pictures, trio.code_size)(codes.fixed)
    drawn = [
        draw_frequencies(rows, fixed, random, pictures.sets, words, folder / "frequencies.png"),
        draw_accuracies(rows, accuracies(linear, pictures.sets), folder / "accuracies.png"),
    ]
    if PICTURE in split.inputs:
        drawn.append(draw_traversal(writer, split, folder / "traversal.png"))
    return [*drawn, write_codes(rows, folder / "codes.csv")]


def draw_frequencies(
    rows: Sequence[CodeRow],
    fixed: np.ndarray,
    random: np.ndarray,
    sets: np.ndarray,
    words: Sequence[str],
    path: Path,
) -> Path:
    """Draws how often each word is said under the best, the median and the worst code, and under random ones.

    Args:
        rows: The least accurate first.
        fixed: int `[codes, pictures]`, what is said under each code, by its number.
        random: int `[pictures]`, what is said under a code drawn for each picture.
        sets: `[pictures, labels]`, 1 for each right label, else 0.
        words: Of the labels.
        path: PNG to write.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = new_figure((14, 3.4), "Drawing frequencies")
    panels = figure.subplots(1, 4, sharey=True)
    places, beside = np.arange(len(words)), label_shares(random, len(words))
    chosen = {"best": rows[-1], "median": rows[len(rows) // 2], "worst": rows[0]}
    for axes, (which, row) in zip(panels, chosen.items(), strict=False):
        axes.bar(places, label_shares(fixed[row.number], len(words)), **_FRAME)
        axes.step([-0.5, *places + 0.5], [beside[0], *beside], where="pre", linewidth=1, **_BESIDE)
        about = f"H {row.entropy:.2f}, p {row.p_value:.2g}"
        axes.set_title(f"{which}: {row.accuracy:.1%} right, {about}\n{row.name}", fontsize="small")
    panels[-1].bar(places, beside, **_BESIDE)
    about = f"{accuracies(random, sets):.1%} right, H {label_entropy(random, len(words)):.2f}"
    panels[-1].set_title(f"a code drawn for each picture:\n{about}", fontsize="small")
    for axes in panels:
        axes.set_xticks(places, words, rotation=90, fontsize="small", parse_math=False)
    panels[0].set_ylabel("share of the words said")
    panels[0].legend(fontsize="small")
    return save_figure(figure, path)


def draw_accuracies(rows: Sequence[CodeRow], linear: np.ndarray, path: Path) -> Path:
    """Draws the accuracy of every code with lines at 98 % and 95 %, and names those below.

    Args:
        rows: The least accurate first.
        linear: Accuracy of the linear baseline under each code, drawn by rank.
        path: PNG to write.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = new_figure((11, 4.2), "Drawing accuracies")
    axes, beside = figure.subplots(1, 2, width_ratios=(3, 1))
    accuracy, places = np.array([row.accuracy for row in rows]), np.arange(len(rows))
    colours = np.where(accuracy >= RIGHT_ENOUGH, "tab:green", "tab:orange")
    colours = np.where(accuracy < _LEAST_RIGHT, "tab:red", colours)
    axes.plot(places, np.sort(linear), color="tab:gray", marker=".", linewidth=0.8, label=LINEAR, zorder=1)
    axes.scatter(places, accuracy, color=list(colours), label="model", zorder=2)
    for line in (RIGHT_ENOUGH, _LEAST_RIGHT):
        axes.axhline(line, color="black", linestyle="--", linewidth=0.8)
        axes.text(len(rows) - 0.4, line, f"{line:.0%} ", ha="right", va="bottom", fontsize="small")
    axes.set_xticks(places, [f"#{row.number}" for row in rows], rotation=90, fontsize="x-small")
    axes.set(xlabel="code", ylabel="share of pictures with a right word")
    axes.legend(fontsize="small", loc="lower right")

    _list_misses(beside, [row for row in rows if row.accuracy < RIGHT_ENOUGH], len(rows))
    return save_figure(figure, path)


def _list_misses(axes: Any, misses: Sequence[CodeRow], codes: int) -> None:
    lines = [f"{RIGHT_ENOUGH:.0%} holds for {codes - len(misses)} of {codes} codes"]
    lines += ["", *(f"{row.accuracy:.1%}  {row.name}" for row in misses[:_MOST_NAMED])]
    if len(misses) > _MOST_NAMED:
        lines.append(f"and {len(misses) - _MOST_NAMED} more, see codes.csv")
    axes.axis("off")
    axes.text(0, 1, "\n".join(lines), va="top", fontsize="small", linespacing=1.5)
