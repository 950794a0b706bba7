"""What needs no network, for `ci.bench.fusion`: chance, colours, pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ci.bench.fusion_cells import measured
from ci.bench.fusion_tasks import Task
from zoo.fitting.gram import gram
from zoo.preprocessing.reading import iterate_images

_COLOURS, _SIDE = 8, 32


def trivial(task: Task, splits: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict[str, list[float]]:
    """Returns the metric of each split: random scores, a histogram of 512 colours, 32 x 32 pixels; C as for cells."""
    pictures = np.stack([np.asarray(image) for image in iterate_images(list(task.paths), _SIDE)])
    pixels = pictures.reshape(len(pictures), -1) / 255.0
    bins = (pictures.astype(int) * _COLOURS // 256).reshape(len(pictures), -1, 3) @ [_COLOURS**2, _COLOURS, 1]
    colours = np.stack([np.bincount(row, minlength=_COLOURS**3) for row in bins]) ** 0.5
    found = {"chance": [_chance(task, test) for _, test in splits]}
    for name, features in (("colour histogram", colours), ("raw pixels", pixels - pixels.mean(0))):
        unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
        kernel = gram(unit)
        found[name] = measured(task, kernel, splits)["values"]
    return found


def _chance(task: Task, test: np.ndarray) -> float:
    rng = np.random.default_rng(0)
    return float(np.mean([task.quality(rng.random((len(test), len(task.classes))), test) for _ in range(20)]))
