"""The cells of both tables of `ci.bench.fusion`: features of every row and column in one pass, and their fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ci.bench.fusion_tasks import Task
from ci.bench.timing import turns
from zoo.data.feature_cache import extract_features
from zoo.fitting.gram import gram
from zoo.fitting.linear_svm import fit_linear_svm_on_gram
from zoo.models.fusion.config import ConcatConfig, FusionConfig, MpnCbpConfig
from zoo.models.fusion.eye import build_rows
from zoo.models.fusion.layer_names import MAPS, STAGES, VECTORS

COLUMNS = {"I": ("first",), "P": ("second",), "I+P": ("first", "second")}
CONCAT_ROWS = (*STAGES, *VECTORS)
MPN_CBP_ROWS = (*STAGES, *MAPS, *VECTORS)


@dataclass(frozen=True)
class Cell:
    """A row and a column of a table.

    Attributes:
        table: "concat" (Table 1) or "mpn_cbp" (Table 2).
        row: Layer.
        column: "I", "P" or "I+P".
    """

    table: str
    row: str
    column: str

    @property
    def name(self) -> str:
        """Of its features."""
        return f"{self.table}_{self.row}_{self.column}".replace("+", "")

    @property
    def parts(self) -> list[Cell]:
        """Whose features stand side by side: of a concatenation those of each network."""
        if self.table == "mpn_cbp":
            return [self]
        return [replace(self, column=column) for column in self.column.split("+")]


CELLS = [
    Cell(table, row, column)
    for table, rows in (("concat", CONCAT_ROWS), ("mpn_cbp", MPN_CBP_ROWS))
    for row in rows
    for column in COLUMNS
]


def config_of(cell: Cell, networks: Mapping[str, Any]) -> FusionConfig:
    """The config of a cell, which is a preset of the recipe."""
    layers = tuple(f"{one}:{cell.row}" for one in COLUMNS[cell.column])
    if cell.table == "mpn_cbp":
        return MpnCbpConfig(layers=layers, align_maps=True, **networks)
    return ConcatConfig(layers=layers, **networks)


def rows_model(networks: Mapping[str, Any]) -> keras.Model:
    """One graph with the features of all cells that are no sum of others."""
    made = [cell for cell in CELLS if cell.parts == [cell]]
    return build_rows({cell.name: config_of(cell, networks) for cell in made})


@dataclass(frozen=True)
class Bank:
    """Features of all pictures of a task.

    Attributes:
        array: float32 `[rows, all dimensions]`.
        places: Cell's name -> its columns.
    """

    array: np.ndarray = field(repr=False)
    places: Mapping[str, slice]

    def features(self, cell: Cell) -> np.ndarray:
        """Features of a cell: float32 `[rows, D]`."""
        return np.concatenate([self.array[:, self.places[part.name]] for part in cell.parts], axis=1)

    def gram(self, cell: Cell) -> np.ndarray:
        """Inner products of all pictures: float64 `[rows, rows]`."""
        return np.sum([gram(self.array[:, self.places[part.name]]) for part in cell.parts], axis=0)


def bank(task: Task, model: keras.Model, cache: Path | None) -> Bank:
    """Extracts the features of every cell, or reads them from the cache."""
    names = list(model.output)
    places, start = {}, 0
    for name in names:
        places[name] = slice(start, start + model.output[name].shape[-1])
        start = places[name].stop
    whole = keras.Model(model.input, keras.layers.Concatenate()([model.output[name] for name in names]))
    size = int(model.input_shape[1])
    found = extract_features(
        task.paths,
        whole,
        key={"bench": "fusion"},
        image_size=size,
        cache_dir=cache,
        batch_size=8,
        progress=True,
    )
    return Bank(found.array, places)


def measured(
    task: Task, kernel: np.ndarray, splits: Sequence[tuple[np.ndarray, np.ndarray]], c: float | None = None
) -> dict[str, Any]:
    """Fits and tests on every split.

    Args:
        task: Its targets.
        kernel: Gram matrix of all its pictures.
        splits: Training and test rows.
        c: None chooses it once, by cross-validation in the first split's training rows.

    Returns:
        `values`, the metric of each split; `c`; `scores` of each split's test rows.
    """
    values, scores = [], []
    choices: dict[str, Any] = {} if c is None else {"c": (c,)}
    for train, test in splits:
        fitted = fit_linear_svm_on_gram(kernel[np.ix_(train, train)], task.targets[train], **choices)
        choices = {"c": (fitted.c,)}
        scores.append(fitted.scores(kernel[np.ix_(test, train)]))
        values.append(task.quality(scores[-1], test))
    return {"values": values, "c": choices["c"][0], "scores": scores}


def milliseconds(
    model: keras.Model, cells: Sequence[Cell], pictures: np.ndarray, repetitions: int = 7
) -> dict[str, float]:
    """Returns the median time per picture of each cell's features, all cells in turn in every round."""
    alone = {
        cell.name: keras.Model(model.input, [model.output[part.name] for part in cell.parts])
        for cell in cells
    }
    calls = {name: partial(one.predict_on_batch, pictures) for name, one in alone.items()}
    return {name: 1000 * seconds / len(pictures) for name, seconds in turns(calls, repetitions).items()}
