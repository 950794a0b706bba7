"""Pictures of which each belongs to one class, in the parts that a data set has."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from zoo.checks import check_fraction, listing
from zoo.data.stratified import split_off
from zoo.errors import DataError

log = logging.getLogger(__name__)

# The largest class has so many times the pictures of the smallest: said aloud, accuracy then means little.
_UNEVEN = 10


@dataclass(frozen=True)
class LabelledPart:
    """Pictures with their classes, row by row.

    Attributes:
        images: uint8 `[rows, height, width, 3]`, RGB, 0..255; or one file per row.
        labels: int32 `[rows]`, positions in the tuple of classes.
        ids: What each row is called on disk.
    """

    images: np.ndarray | tuple[Path, ...] = field(repr=False)
    labels: np.ndarray = field(repr=False)
    ids: tuple[str, ...] = field(repr=False)

    def __post_init__(self) -> None:
        """Raises unless there are as many pictures as labels and ids."""
        if not len(self.images) == len(self.labels) == len(self.ids):
            raise DataError(
                f"{len(self.images)} pictures have {len(self.labels)} labels and {len(self.ids)} ids.",
                expected="one of each per picture",
                fix="build all three from the same list of pictures",
            )

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: np.ndarray) -> LabelledPart:
        """Returns some rows, in the order given."""
        own = self.images
        images = own[rows] if isinstance(own, np.ndarray) else tuple(own[row] for row in rows)
        return LabelledPart(images, self.labels[rows], tuple(self.ids[row] for row in rows))

    def counts(self, classes: int) -> np.ndarray:
        """Returns the number of pictures of each class: int64 `[classes]`."""
        return np.bincount(self.labels, minlength=classes)


@dataclass(frozen=True)
class LabelledImages:
    """A data set of pictures with classes.

    Attributes:
        name: Of the data set: the name of its folder, or of the set in `keras.datasets`.
        classes: What the classes are called.
        train: Pictures to learn from; every class has some.
        test: Pictures to measure on, where the data set has a test part.
        validation: Pictures to choose by, where it has a validation part.
    """

    name: str
    classes: tuple[str, ...] = field(repr=False)
    train: LabelledPart
    test: LabelledPart | None = None
    validation: LabelledPart | None = None

    def __post_init__(self) -> None:
        """Raises unless every label has a class, and every class a training picture."""
        twice = [name for name, count in Counter(self.classes).items() if count > 1]
        if twice or len(self.classes) < 2:
            raise DataError(
                f"{self.name} has {len(self.classes)} classes: {listing(twice or self.classes)}"
                f"{', named twice' if twice else ''}.",
                expected="two or more classes of different names",
                fix="correct the names of the classes",
            )
        for part in (self.train, self.test, self.validation):
            if part is not None:
                self._check_labels(part)
        counts = self.train.counts(len(self.classes))
        empty = [self.classes[label] for label in np.flatnonzero(counts == 0)]
        if empty:
            raise DataError(
                f"{self.name}: no training picture belongs to {listing(empty)}.",
                expected="pictures of every class",
                fix="add some, or remove the class",
            )
        if counts.max() >= _UNEVEN * counts.min():
            log.warning("%s: uneven classes: %s", self.name, describe_counts(self.classes, counts))

    def _check_labels(self, part: LabelledPart) -> None:
        outside = np.flatnonzero((part.labels < 0) | (part.labels >= len(self.classes)))
        if len(outside):
            raise DataError(
                f"{self.name}: {part.ids[outside[0]]} has the label {part.labels[outside[0]]}; "
                f"{len(outside)} labels are out of range.",
                expected=f"0..{len(self.classes) - 1}, for there are {len(self.classes)} classes",
                fix="correct the labels, or name all classes",
            )

    def __getitem__(self, name: str) -> LabelledPart:
        part: LabelledPart | None = getattr(self, name)
        if part is None:
            raise DataError(f"{self.name} has no {name} part.", fix="cut one with `with_all_parts`")
        return part

    def check_every_class(self, labels: np.ndarray) -> None:
        """Raises DataError unless the training pictures that could be read, by their labels, are of every class."""
        left = np.bincount(labels, minlength=len(self.classes))
        if not left.all():
            raise DataError(
                f"{self.name}: no picture of '{self.classes[left.argmin()]}' in the training part can be read.",
                expected="readable pictures of every class",
                fix="replace them, or remove the class",
            )

    def with_all_parts(
        self, *, validation_fraction: float, test_fraction: float, seed: int
    ) -> LabelledImages:
        """Cuts the parts that the data set lacks from its training pictures, each class in proportion.

        Args:
            validation_fraction: Share of the training pictures (those left by the test part) for validation.
            test_fraction: Share of the training pictures for the test.
            seed: Of the choice; (pictures, seed) give the same parts everywhere.

        Raises:
            DataError: A part gets no pictures, or a class no training picture.
        """
        cut = self
        for name, share in (("test", test_fraction), ("validation", validation_fraction)):
            if getattr(cut, name) is not None:
                continue
            check_fraction(share, f"{name}_fraction")
            rest, taken = split_off(cut.train.labels, share, seed)
            if not len(taken):
                raise DataError(
                    f"{self.name}: {name}_fraction {share} of {len(cut.train)} pictures are none.",
                    expected=f"a {name} part in the data, or a fraction that leaves it some pictures",
                    fix=f"--set {name}_fraction=0.1",
                )
            parts: dict[str, Any] = {"train": cut.train.take(rest), name: cut.train.take(taken)}
            cut = replace(cut, **parts)
        return cut


def check_even(data: LabelledImages) -> LabelledImages:
    """Returns the data set, or raises a DataError where a part has not the same number of pictures per class."""
    for name in ("train", "test"):
        counts = data[name].counts(len(data.classes))
        if counts.min() != counts.max():
            raise DataError(
                f"{data.name}: the {name} part is uneven: {describe_counts(data.classes, counts)}.",
                expected="the same number of pictures in every class, as in every data set of this layout",
                fix="restore the files; for uneven data use a folder of class folders with pictures",
            )
    return data


def describe_counts(classes: Sequence[str], counts: np.ndarray) -> str:
    """Returns `apple has 500 pictures, bear 499` for the largest and the smallest class."""
    most, least = int(counts.argmax()), int(counts.argmin())
    return f"{classes[most]} has {counts[most]} pictures, {classes[least]} {counts[least]}"
