"""The public data sets that Keras downloads, as pictures of 32 x 32 in three channels."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from zoo.data.labelled_images import LabelledImages, LabelledPart
from zoo.errors import DataError

# In the order of the labels.
_CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck"
# The fine names of `meta` / `fine_label_names.txt`, which Keras leaves out.
_CIFAR100 = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate
poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider
squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm
"""
_FASHION = "t-shirt/top trouser pullover dress coat sandal shirt sneaker bag ankle_boot"

_CLASSES = {
    "cifar10": tuple(_CIFAR10.split()),
    "cifar100": tuple(_CIFAR100.split()),
    "mnist": tuple("0123456789"),
    "fashion_mnist": tuple(_FASHION.split()),
}
KERAS_DATASETS = tuple(_CLASSES)
# Where Keras looks before it downloads.
_FILES = {
    "cifar10": "cifar-10-python.tar.gz as cifar-10-batches-py-target_archive",
    "cifar100": "cifar-100-python.tar.gz as cifar-100-python-target_archive",
    "mnist": "mnist.npz",
    "fashion_mnist": "the four *-ubyte.gz files into fashion-mnist",
}


def read_keras_dataset(name: str) -> LabelledImages:
    """Reads a set of `keras.datasets`, which downloads it on first use.

    Grey pictures of 28 x 28 get a frame of two black pixels and their one channel three times.

    Args:
        name: One of `KERAS_DATASETS`.

    Returns:
        uint8 pictures `[rows, 32, 32, 3]` of a train and a test part.

    Raises:
        DataError: The set is unknown, or is neither on disk nor can be downloaded.
    """
    if name not in _CLASSES:
        raise DataError(
            f"keras.datasets has no labelled pictures called '{name}' that are known here.",
            expected=f"one of {', '.join(KERAS_DATASETS)}",
            fix="name one of these",
        )
    import keras

    try:
        # A download that fails is a bare Exception, a damaged file any of several.
        (train, train_labels), (test, test_labels) = getattr(keras.datasets, name).load_data()
    except Exception as error:
        home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
        raise DataError(
            f"Keras can neither find nor download {name}: {error!s:.300}",
            expected=f"the files in {home / 'datasets'}, or a connection to download them",
            fix=f"put {_FILES[name]} there, or name a folder in the CIFAR binary layout or of class folders",
        ) from error
    parts = {"train": _part(train, train_labels, "train"), "test": _part(test, test_labels, "test")}
    return LabelledImages(name, _CLASSES[name], **parts)


def _part(images: np.ndarray, labels: np.ndarray, part: str) -> LabelledPart:
    if images.ndim == 3:
        grey = np.pad(images, ((0, 0), (2, 2), (2, 2)))
        images = np.repeat(grey[..., None], 3, axis=-1)
    ids = tuple(f"{part}#{row}" for row in range(len(images)))
    return LabelledPart(np.ascontiguousarray(images), labels.reshape(-1).astype(np.int32), ids)
