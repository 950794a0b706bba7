"""Figures of an embedding: recall beside what it has to beat, and contact sheets of edited queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.batches import ImageFiles
from zoo.drawing import new_figure, save_figure
from zoo.metrics.retrieval import RECALLS
from zoo.models.visual_semantic.data import pictures_of
from zoo.models.visual_semantic.edit_evaluation import queries_of
from zoo.models.visual_semantic.edits import EditQueries
from zoo.models.visual_semantic.evaluation import Embedded, embed, retrieval, word_vectors
from zoo.models.visual_semantic.trivial import trivial_spaces
from zoo.search.exact import ExactStore
from zoo.search.index import AnalogyIndex
from zoo.search.measures import MEASURES
from zoo.search.sheet import Found, SheetRow, contact_sheet

if TYPE_CHECKING:
    from zoo.data.batches import Split, Splits

DIRECTIONS = {"i2t": "picture to sentence", "t2i": "sentence to picture"}
_SHEET_QUERIES, _SHEET_HITS = 3, 6
_SHADES = ("tab:blue", "cornflowerblue", "lightsteelblue")


def draw_figures(model: Any, splits: Splits, split: Split, folder: Path) -> list[Path]:
    """Draws recall.png; and edits.png where the split holds picture files and its captions give edited queries.

    Args:
        model: Trained.
        splits: Its data; what it has to beat is fitted on the training split.
        split: To measure on.
        folder: To write to.

    Returns:
        The files.
    """
    embedded = embed(model, split)
    rows = {"model": retrieval(embedded)}
    for name, space in trivial_spaces(splits.train, split, len(model.vocabulary)).items():
        rows[name] = retrieval(Embedded(space.pictures, space.sentences, embedded.picture, space.embed_text))
    figure = new_figure((9, 1.4 + 0.5 * len(rows)), "Drawing recall")
    for axes, way in zip(figure.subplots(1, 2, sharey=True), DIRECTIONS, strict=True):
        draw_recall(axes, way, rows)
    drawn = [save_figure(figure, folder / "recall.png")]

    pictures, queries = pictures_of(split), queries_of(split, model.vocabulary)
    files = pictures.inputs.get("image")
    if isinstance(files, ImageFiles) and len(queries):
        drawn.append(folder / "edits.png")
        chosen = np.linspace(0, len(queries) - 1, _SHEET_QUERIES).astype(int)
        vectors = word_vectors(embedded, queries, model.vocabulary, model.max_words)
        draw_edits(queries, chosen, embedded.pictures, vectors, files.paths, drawn[-1])
    return drawn


def draw_recall(
    axes: Any,
    way: str,
    rows: Mapping[str, Mapping[str, float]],
    spread: Mapping[str, Mapping[str, tuple[float, float]]] | None = None,
) -> None:
    """Draws R@1, R@5 and R@10 of several predictors as bars, the first at the top.

    Args:
        axes: Of matplotlib.
        way: "i2t" or "t2i".
        rows: Predictor -> metric -> percent, as `retrieval` returns.
        spread: Predictor -> metric -> the least and the greatest over seeds, drawn as a line where it is known.
    """
    places = np.arange(len(rows))
    for k, shade in reversed(list(zip(RECALLS, _SHADES, strict=True))):
        metric = f"{way} R@{k}"
        values = [row.get(metric, np.nan) for row in rows.values()]
        axes.barh(places, values, color=shade, label=f"R@{k}")
        for place, name in enumerate(rows):
            if (extremes := (spread or {}).get(name, {}).get(metric)) is not None:
                axes.plot(extremes, [place, place], color="black", linewidth=1.2)
    axes.set(title=DIRECTIONS[way], xlabel="recall, %", yticks=places, yticklabels=list(rows))
    axes.invert_yaxis()
    axes.legend(fontsize="small", reverse=True)


def draw_edits(
    queries: EditQueries,
    chosen: Sequence[int] | np.ndarray,
    pictures: np.ndarray,
    words: Mapping[str, np.ndarray],
    paths: Sequence[Path],
    path: Path,
) -> None:
    """Draws some edited queries with the first pictures by every measure (report, Figs. 5 and 6).

    Args:
        queries: Of the split.
        chosen: Which of them.
        pictures: float32 `[pictures, d]`, of length 1.
        words: Vector of each word of the queries.
        paths: The picture files, in the order of `pictures`.
        path: PNG to write.
    """
    index = AnalogyIndex(ExactStore.of([str(row) for row in range(len(pictures))], pictures))
    rows = []
    for query in chosen:
        asked, add, remove = int(queries.picture[query]), queries.add[query], queries.remove[query]
        fulfils = queries.attribute[query] & queries.context[query]
        found = index.compare(
            pictures[asked], [words[add]], [words[remove]], top=_SHEET_HITS, exclude=[str(asked)]
        )
        for measure in MEASURES:
            hits = [
                Found(
                    paths[int(hit.id)],
                    "as asked"
                    if fulfils[int(hit.id)]
                    else "has it"
                    if queries.attribute[query, int(hit.id)]
                    else "",
                    hit.score,
                )
                for hit in found[measure]
            ]
            rows.append(SheetRow(measure, paths[asked], hits, [remove], [add]))
    contact_sheet(rows, path)
