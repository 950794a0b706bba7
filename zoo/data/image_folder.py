"""A folder of class folders with pictures: `<class>/<picture>`, or `train/<class>/<picture>` and so on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo.checks import listing
from zoo.data.labelled_images import LabelledImages, LabelledPart
from zoo.errors import DataError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".bmp"})
_PARTS = {"train": ("train",), "validation": ("validation", "val"), "test": ("test",)}


def find_classes(folder: Path) -> tuple[str, ...]:
    """Returns the names of the class folders, sorted; those of `train/` where there is one; () for other data."""
    return _class_folders(_part_folders(folder)["train"])


def read_image_folder(folder: Path, name: str) -> LabelledImages:
    """Lists the pictures of a folder of class folders; none is opened yet.

    Args:
        folder: Holds a folder per class, or `train/` and perhaps `validation/` (or `val/`) and `test/` that do.
        name: Of the data set.

    Returns:
        Files and labels; labels are positions in the sorted names of the classes. Parts that have no folder are
        None.

    Raises:
        DataError: A class folder holds no picture, or a part has a class that the training pictures lack.
    """
    folders = _part_folders(folder)
    classes = _class_folders(folders["train"])
    parts = {part: _read_part(folder, place, classes) for part, place in folders.items()}
    return LabelledImages(name, classes, **parts)


def _part_folders(folder: Path) -> dict[str, Path]:
    """Part -> its folder; the whole folder is "train" where it has no sub-folder of that name."""
    if not _class_folders(folder / "train"):
        return {"train": folder}
    found = {}
    for part, names in _PARTS.items():
        there = [folder / name for name in names if (folder / name).is_dir()]
        if len(there) > 1:
            raise DataError(
                f"{folder} has {listing([place.name for place in there])}.",
                expected=f"one {part} folder",
                fix="remove or rename one of them",
            )
        if there:
            found[part] = there[0]
    return found


def _class_folders(folder: Path) -> tuple[str, ...]:
    """Sub-folders, sorted, if any of them holds a picture."""
    if not folder.is_dir():
        return ()
    there = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    return tuple(p.name for p in there) if any(_pictures(p) for p in there) else ()


def _pictures(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))


def _read_part(root: Path, folder: Path, classes: tuple[str, ...]) -> LabelledPart:
    unknown = sorted(set(_class_folders(folder)) - set(classes))
    if unknown:
        raise DataError(
            f"{folder} has classes without training pictures: {listing(unknown)}.",
            expected=f"the classes of the training pictures: {listing(classes)}",
            fix="use the same names of class folders in every part",
        )
    files = [_pictures(folder / name) if (folder / name).is_dir() else [] for name in classes]
    paths = tuple(path for some in files for path in some)
    labels = np.repeat(np.arange(len(classes), dtype=np.int32), [len(some) for some in files])
    return LabelledPart(paths, labels, tuple(path.relative_to(root).as_posix() for path in paths))
