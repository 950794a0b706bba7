"""Pictures with classes, from any layout on disk that is known here or by the name of a public data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from zoo.checks import existing, listing
from zoo.data.cifar import find_cifar, read_cifar
from zoo.data.examples import cached_labelled_shapes
from zoo.data.image_folder import find_classes, read_image_folder
from zoo.data.keras_datasets import KERAS_DATASETS, read_keras_dataset
from zoo.data.labelled_images import LabelledImages, LabelledPart
from zoo.errors import DataError, nearest

if TYPE_CHECKING:
    from zoo.recipe import DataOptions

__all__ = ["LabelledImages", "LabelledPart", "open_labelled", "open_parts"]

_LAYOUTS = (
    "a folder in the CIFAR binary layout (data_batch_1.bin .. data_batch_5.bin, test_batch.bin, batches.meta.txt; "
    "or train.bin, test.bin, fine_label_names.txt); a folder of class folders with pictures, or of train/, "
    "validation/ and test/ that hold class folders; the name of a set of keras.datasets "
    f"({', '.join(KERAS_DATASETS)}); or 'shapes', which is drawn"
)


def open_labelled(
    data: str | Path,
    options: DataOptions,
    *,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> LabelledImages:
    """Opens pictures with classes; the layout is recognised from the files.

    Official parts are kept. Those that the data lack are cut from the training pictures, each class in
    proportion.

    Args:
        data: A folder in the CIFAR binary layout; a folder of class folders with pictures; the name of a set of
            `keras.datasets`, unless a folder is called so; or "shapes" for the drawn set.
        options: Where the drawn set is kept, and whether progress is shown.
        validation_fraction: Share of the training pictures for validation where the data have no such part.
        test_fraction: Share of the training pictures for the test where the data have no such part.
        seed: Of the cut.

    Returns:
        The data set with all three parts; pictures as uint8 arrays, or as files where each is one.

    Raises:
        DataError: The layout is unknown, files are missing or damaged, labels are out of range, a class is
            empty, or classes are uneven in a layout in which they never are.
    """
    return _read(data, options).with_all_parts(
        validation_fraction=validation_fraction, test_fraction=test_fraction, seed=seed
    )


class PartsConfig(Protocol):
    """Settings of a recipe that say which parts are cut."""

    @property
    def validation_fraction(self) -> float: ...
    @property
    def test_fraction(self) -> float: ...
    @property
    def split_seed(self) -> int: ...


def open_parts(data: str | Path, config: PartsConfig, options: DataOptions) -> LabelledImages:
    """Opens pictures with classes, cut as a config has it; see `open_labelled`."""
    return open_labelled(
        data,
        options,
        validation_fraction=config.validation_fraction,
        test_fraction=config.test_fraction,
        seed=config.split_seed,
    )


def _read(data: str | Path, options: DataOptions) -> LabelledImages:
    if str(data) == "shapes":
        data = cached_labelled_shapes(options.cache, progress=options.progress)
    elif str(data) in KERAS_DATASETS and not Path(data).exists():
        return read_keras_dataset(str(data))
    elif not Path(data).exists() and len(Path(data).parts) == 1:
        raise DataError(
            f"There is no folder and no data set '{data}'.{nearest(str(data), (*KERAS_DATASETS, 'shapes'))}",
            expected=_LAYOUTS,
            fix="check the name",
        )
    folder = existing(data, "the data")
    name = folder.resolve().name
    if folder.is_dir():
        cifar = find_cifar(folder)
        if cifar is not None:
            return read_cifar(*cifar, name)
        if find_classes(folder):
            return read_image_folder(folder, name)
    found = listing(sorted(p.name for p in folder.iterdir()), 8) if folder.is_dir() else "one file"
    raise DataError(
        f"{folder} is no set of labelled pictures that is known here; it holds {found or 'nothing'}.",
        expected=_LAYOUTS,
        fix="point to one of these; unpack archives first",
    )
