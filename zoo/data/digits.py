"""Pictures of single handwritten digits: the files of MNIST, the set of Keras, or the small one of scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from zoo.checks import existing, listing
from zoo.data.idx import read_idx_pair
from zoo.data.keras_datasets import read_keras_dataset
from zoo.data.stratified import split_off
from zoo.errors import DataError, MissingExtraError, nearest

CLASSES = 10
SIDE = 28
"""Of a picture of MNIST, in pixels."""

_NAMES = ("mnist", "digits")
_PARTS = {"train": "train", "test": "t10k"}
_KINDS = ("images-idx3-ubyte", "labels-idx1-ubyte")
_TEST_SHARE = 0.2
_SPLIT_SEED = 0
_SOURCES = (
    f"a folder with {', '.join(f'{part}-{kind}' for part in _PARTS.values() for kind in _KINDS)} (a dot before "
    "idx and a .gz at the end are known, too), 'mnist' of keras.datasets, or 'digits' of scikit-learn"
)


@dataclass(frozen=True)
class Digits:
    """Pictures of single digits, white on black, in two parts that share no picture.

    Attributes:
        train_images: uint8 `[rows, side, side]`, 0..255.
        train_labels: int32 `[rows]`, 0..9.
        test_images: uint8 `[rows, side, side]`, 0..255.
        test_labels: int32 `[rows]`, 0..9.
        name: Of the data set.
    """

    train_images: np.ndarray = field(repr=False)
    train_labels: np.ndarray = field(repr=False)
    test_images: np.ndarray = field(repr=False)
    test_labels: np.ndarray = field(repr=False)
    name: str

    def __post_init__(self) -> None:
        """Raises unless pictures are of one square size, and both parts have all ten digits and no others."""
        sizes = {self.train_images.shape[1:], self.test_images.shape[1:]}
        if len(sizes) > 1 or len(set(*sizes)) != 1:
            raise DataError(
                f"{self.name}: pictures have the sizes {listing(sorted(sizes))}.",
                expected="squares, as large in the test part as in the training part",
                fix="take both parts from the same data set",
            )
        for part, labels in (("train", self.train_labels), ("test", self.test_labels)):
            outside = labels[(labels < 0) | (labels >= CLASSES)]
            if len(outside):
                raise DataError(
                    f"{self.name}: the {part} part has the label {outside[0]}.",
                    expected="0..9",
                    fix="name a data set of ten classes",
                )
            absent = np.setdiff1d(np.arange(CLASSES), labels)
            if len(absent):
                raise DataError(
                    f"{self.name}: the {part} part has no picture of {listing(absent.tolist(), CLASSES)}.",
                    expected="pictures of all ten digits",
                    fix="name a whole data set",
                )

    @property
    def side(self) -> int:
        """Of a picture, in pixels."""
        return int(self.train_images.shape[1])


def open_digits(source: str | Path) -> Digits:
    """Opens pictures of handwritten digits.

    Args:
        source: A folder with the four files of MNIST, packed with gzip or not (where both are, the unpacked one
            is read); "mnist" for the set of `keras.datasets`, which is downloaded on first use; or "digits" for
            scikit-learn's 1,797 of 8 x 8, which needs no network. A folder that is called so comes first.

    Returns:
        The digits, 28 x 28 unless the files hold another size. MNIST keeps its test part; of "digits" a fifth,
        always the same, each class in proportion, is the test part.

    Raises:
        DataError: There is nothing of that name, files are missing or damaged, or Keras can neither find nor
            download its set.
        MissingExtraError: "digits" without scikit-learn.
    """
    if not Path(source).exists():
        if str(source) == "mnist":
            return _keras_mnist()
        if str(source) == "digits":
            return _scikit_learn_digits()
        if len(Path(source).parts) == 1:
            raise DataError(
                f"There is no folder and no set of digits '{source}'.{nearest(str(source), _NAMES)}",
                expected=_SOURCES,
                fix="check the name",
            )
    folder = existing(source, "the folder of digits")
    parts = {part: [_file(folder, f"{prefix}-{kind}") for kind in _KINDS] for part, prefix in _PARTS.items()}
    lacking = [
        f"{_PARTS[part]}-{kind}"
        for part, files in parts.items()
        for kind, file in zip(_KINDS, files, strict=True)
        if file is None
    ]
    if lacking:
        raise DataError(
            f"{folder} lacks {listing(lacking)}.",
            expected=_SOURCES,
            fix="complete the folder, or name one of the other sources",
        )
    (images, labels), (test_images, test_labels) = (
        read_idx_pair(*(file for file in files if file)) for files in parts.values()
    )
    return Digits(
        images, labels.astype(np.int32), test_images, test_labels.astype(np.int32), folder.resolve().name
    )


def _file(folder: Path, name: str) -> Path | None:
    """The first that is there of both spellings, unpacked before packed."""
    spellings = [name, name.replace("-idx", ".idx")]
    paths = [folder / f"{spelling}{ending}" for ending in ("", ".gz") for spelling in spellings]
    return next((path for path in paths if path.is_file()), None)


def _keras_mnist() -> Digits:
    try:
        mnist = read_keras_dataset("mnist")
    except DataError as error:
        raise DataError(
            error.what,
            expected=error.expected,
            fix="put mnist.npz there, name a folder with the four idx files, or take 'digits', which needs no "
            "network",
        ) from error
    # The frame and the channels that make them look like CIFAR come off again.
    images, test_images = (
        np.ascontiguousarray(np.asarray(part.images)[:, 2:-2, 2:-2, 0])
        for part in (mnist.train, mnist["test"])
    )
    return Digits(images, mnist.train.labels, test_images, mnist["test"].labels, "mnist")


def _scikit_learn_digits() -> Digits:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtraError("scikit-learn", "zoo", "The data set 'digits'") from error
    from zoo.preprocessing.image import resize_batch

    small, labels = load_digits(return_X_y=True)
    # Counts of ink, 0..16, of blocks of 4 x 4.
    grey = np.round(small.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    images = resize_batch(np.repeat(grey[..., None], 3, axis=-1), SIDE).numpy()[..., 0]
    train, test = split_off(labels, _TEST_SHARE, _SPLIT_SEED)
    labels = labels.astype(np.int32)
    return Digits(images[train], labels[train], images[test], labels[test], "digits")
