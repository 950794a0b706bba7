"""The two tasks of `ci.bench.fusion`: objects (Caltech-101) and actions (verbs of Flickr8k captions)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.data.captions import open_captions
from zoo.data.labelled import open_labelled
from zoo.fitting.cross_validation import stratified_folds
from zoo.fitting.linear_classifier import Targets
from zoo.metrics.ranking import mean_average_precision
from zoo.models.fusion.evaluation import measure
from zoo.recipe import DataOptions

_TRAIN_PER_CLASS = _TEST_PER_CLASS = 15
_LEAST_PICTURES = 20
_LEAST_CAPTIONS = 2
_FOLDS = 5

# What people and animals do, with the forms that captions use.
_VERBS = """run runs running|jump jumps jumping leaps leaping|sit sits sitting|stand stands standing|play plays playing|
ride rides riding|walk walks walking|swim swims swimming|climb climbs climbing|hold holds holding|look looks looking|
smile smiles smiling|throw throws throwing|catch catches catching|kick kicks kicking|dance dances dancing|
carry carries carrying|ski skis skiing|surf surfs surfing|skate skates skating skateboarding|race races racing|
chase chases chasing|pose poses posing|splash splashes splashing|sleep sleeps sleeping|eat eats eating|
drink drinks drinking|read reads reading|sing sings singing|fish fishing|hike hikes hiking|wrestle wrestling|
swing swings swinging|slide slides sliding|drive drives driving|talk talks talking|lay lays lying laying|
perform performs performing|bike biking|snowboard snowboarding snowboards|fight fighting|shake shakes shaking|
push pushes pushing|pull pulls pulling|fly flies flying|fall falls falling|dig digs digging|roll rolls rolling"""


@dataclass(frozen=True)
class Task:
    """Pictures with targets, and how they are split.

    Attributes:
        name: Of the task.
        paths: A file per row.
        targets: int `[rows]`, or 0 and 1 `[rows, classes]`.
        classes: Their names.
        metric: "accuracy" or "mean average precision", in percent.
        protocol: In words.
    """

    name: str
    paths: tuple[Path, ...]
    targets: np.ndarray
    classes: tuple[str, ...]
    metric: str
    protocol: str

    def splits(self, number: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields training and test rows: drawn anew for objects, the folds of one partition for actions."""
        if self.targets.ndim == 1:
            for seed in range(number):
                yield _drawn(self.targets, np.random.default_rng(seed))
            return
        folds = stratified_folds(Targets(self.targets), _FOLDS, seed=0)
        for fold in range(min(number, _FOLDS)):
            yield np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)

    def quality(self, scores: np.ndarray, rows: np.ndarray) -> float:
        """Returns the metric of scores `[rows, classes]`, in percent."""
        target = self.targets[rows]
        if target.ndim == 1:
            return 100 * measure(scores, target)["accuracy"]
        return 100 * mean_average_precision(target.T > 0, scores.T)


def objects(data: str) -> Task:
    """Caltech-101: 15 pictures of each class to train on, 15 to test on, drawn for each split."""
    read = open_labelled(data, DataOptions(), test_fraction=0.2, validation_fraction=0.2)
    parts = [read.train, read.validation, read.test]
    paths: list[Path] = []
    for part in parts:
        assert part is not None and isinstance(part.images, tuple)
        paths += part.images
    labels = np.concatenate([part.labels for part in parts if part is not None])
    return Task(
        read.name,
        tuple(paths),
        labels,
        read.classes,
        "accuracy",
        f"{_TRAIN_PER_CLASS} training and {_TEST_PER_CLASS} test pictures of each of {len(read.classes)} classes",
    )


def actions(data: str) -> Task:
    """Verbs that two of five captions have, of pictures that no network was trained on: those of dev and test."""
    read = open_captions(data)
    rows = [row for row, split in enumerate(read.split) if split in ("validation", "test")]
    verbs = {words.split()[0]: set(words.split()) for words in _VERBS.replace("\n", "").split("|")}
    there = np.zeros((len(rows), len(verbs)), np.int64)
    for i, row in enumerate(rows):
        captions = [set(re.findall(r"[a-z]+", text.lower())) for text in read.captions[row]]
        for k, forms in enumerate(verbs.values()):
            there[i, k] = sum(bool(forms & words) for words in captions) >= _LEAST_CAPTIONS
    kept = np.flatnonzero(there.sum(axis=0) >= _LEAST_PICTURES)
    return Task(
        f"{read.name}-actions",
        tuple(read.paths[row] for row in rows),
        there[:, kept],
        tuple(np.array(list(verbs))[kept]),
        "mean average precision",
        f"{len(kept)} verbs, {len(rows)} pictures of dev and test, {_FOLDS} folds",
    )


def _drawn(labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    train, test = [], []
    for label in np.unique(labels):
        own = rng.permutation(np.flatnonzero(labels == label))
        train += list(own[:_TRAIN_PER_CLASS])
        test += list(own[_TRAIN_PER_CLASS : _TRAIN_PER_CLASS + _TEST_PER_CLASS])
    return np.array(train), np.array(test)
