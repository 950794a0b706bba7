"""The binary layout of CIFAR-10 and CIFAR-100, for these and for any 32x32 pictures stored in the same way.

A record is one label byte (10-class layout) or a coarse and a fine label byte (100-class layout, the fine one
counts), then 1,024 red, 1,024 green and 1,024 blue values, row by row. Krizhevsky, "Learning multiple layers of
features from tiny images", 2009; https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".

How many classes there are is what the file of their names says, not the layout.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from zoo.checks import listing
from zoo.data.labelled_images import LabelledImages, LabelledPart, check_even
from zoo.errors import DataError
from zoo.files import new_folder

SIDE = 32
_PIXELS = 3 * SIDE * SIDE
LayoutName = Literal["cifar-10", "cifar-100"]


@dataclass(frozen=True)
class _Layout:
    """Names of the files, and label bytes before the pixels; the last of them counts."""

    train: tuple[str, ...]
    test: str
    names: str
    label_bytes: int
    subfolder: str
    python_subfolder: str
    python_files: frozenset[str]


_LAYOUTS: dict[LayoutName, _Layout] = {
    "cifar-10": _Layout(
        tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        "test_batch.bin",
        "batches.meta.txt",
        1,
        "cifar-10-batches-bin",
        "cifar-10-batches-py",
        frozenset({"data_batch_1", "batches.meta"}),
    ),
    "cifar-100": _Layout(
        ("train.bin",),
        "test.bin",
        "fine_label_names.txt",
        2,
        "cifar-100-binary",
        "cifar-100-python",
        frozenset({"train", "test", "meta"}),
    ),
}


def find_cifar(folder: Path) -> tuple[Path, LayoutName] | None:
    """Finds the binary files in a folder, or in the sub-folder that the official archives unpack to.

    Returns:
        The folder with the files and the layout, or None where this is no such data.

    Raises:
        DataError: The folder holds two such data sets, or their Python version (pickle files).
    """
    found: list[tuple[Path, LayoutName]] = []
    for name, layout in _LAYOUTS.items():
        files = {*layout.train, layout.test}
        found += [
            (place, name)
            for place in (folder, folder / layout.subfolder)
            if any((place / file).is_file() for file in files)
        ]
    if len(found) > 1:
        raise DataError(
            f"{folder} holds several data sets in the CIFAR layout: {listing([str(p) for p, _ in found])}.",
            expected="one",
            fix=f"name one of them, e.g. {found[0][0]}",
        )
    if not found:
        _refuse_python_version(folder)
    return found[0] if found else None


def read_cifar(folder: Path, layout_name: LayoutName, name: str) -> LabelledImages:
    """Reads a folder in the CIFAR binary layout.

    Args:
        folder: With the binary files.
        layout_name: Which of the two layouts, see `find_cifar`.
        name: Of the data set.

    Returns:
        uint8 pictures `[rows, 32, 32, 3]` of a train and a test part, and the classes.

    Raises:
        DataError: Files are missing or cut off, a label has no name, or the classes are uneven.
    """
    layout = _LAYOUTS[layout_name]
    missing = [f for f in (*layout.train, layout.test, layout.names) if not (folder / f).is_file()]
    if missing:
        raise DataError(
            f"{folder} lacks {listing(missing, 7)}.",
            expected=f"{listing(layout.train)}, {layout.test} and {layout.names}",
            fix="unpack the archive of the binary version again",
        )
    classes = _read_names(folder / layout.names)
    train = _read_part([folder / file for file in layout.train], layout.label_bytes, classes, layout.names)
    test = _read_part([folder / layout.test], layout.label_bytes, classes, layout.names)
    return check_even(LabelledImages(name, classes, train, test))


def write_cifar(folder: str | Path, data: LabelledImages, layout_name: LayoutName = "cifar-100") -> Path:
    """Writes a data set in the CIFAR binary layout, whole or not at all.

    Args:
        folder: Where to write; it must not exist, or be empty.
        data: uint8 pictures `[rows, 32, 32, 3]` of a train and a test part; at most 256 classes. The coarse
            label of the 100-class layout is 0.
        layout_name: "cifar-10" (five training files) or "cifar-100".

    Returns:
        The folder.

    Raises:
        DataError: The folder holds files, or the pictures do not fit the layout.
    """
    folder, layout = Path(folder), _LAYOUTS[layout_name]
    if data.validation is not None or len(data.classes) > 256:
        raise DataError(
            f"{data.name} has {len(data.classes)} classes"
            f"{'' if data.validation is None else ' and a validation part'}.",
            expected="a train and a test part with at most 256 classes",
            fix="write it as a folder of class folders",
        )
    records = {"train": _records(data["train"], layout), "test": _records(data["test"], layout)}
    with new_folder(folder) as temporary:
        for file, some in zip(layout.train, np.array_split(records["train"], len(layout.train)), strict=True):
            (temporary / file).write_bytes(some.tobytes())
        (temporary / layout.test).write_bytes(records["test"].tobytes())
        (temporary / layout.names).write_text("\n".join(data.classes) + "\n", "utf-8", newline="\n")
    return folder


def _records(part: LabelledPart, layout: _Layout) -> np.ndarray:
    images = part.images
    if not isinstance(images, np.ndarray) or images.shape[1:] != (SIDE, SIDE, 3) or images.dtype != np.uint8:
        found = f"{images.dtype} {images.shape}" if isinstance(images, np.ndarray) else "image files"
        raise DataError(
            f"The pictures are {found}.",
            expected="a uint8 array [rows, 32, 32, 3]",
            fix="decode and resize them first",
        )
    head = np.zeros((len(part), layout.label_bytes), np.uint8)
    head[:, -1] = part.labels
    return np.hstack([head, images.transpose(0, 3, 1, 2).reshape(len(part), _PIXELS)])


def _read_names(path: Path) -> tuple[str, ...]:
    names = tuple(line.strip() for line in path.read_text("utf-8").splitlines() if line.strip())
    if len(names) < 2:
        raise DataError(
            f"{path} has {len(names)} names.", expected="one name per class and line", fix="restore the file"
        )
    return names


def _read_part(paths: list[Path], label_bytes: int, classes: tuple[str, ...], names: str) -> LabelledPart:
    records = [_read_records(path, label_bytes) for path in paths]
    images = np.empty((sum(map(len, records)), SIDE, SIDE, 3), np.uint8)
    labels = np.empty(len(images), np.int32)
    ids: list[str] = []
    for path, some in zip(paths, records, strict=True):
        rows = slice(len(ids), len(ids) + len(some))
        images[rows] = some[:, label_bytes:].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
        labels[rows] = some[:, label_bytes - 1]
        outside = np.flatnonzero(labels[rows] >= len(classes))
        if len(outside):
            raise DataError(
                f"{path}: record {outside[0]} has the label {labels[rows][outside[0]]}, but {names} has "
                f"{len(classes)} names.",
                expected=f"labels 0..{len(classes) - 1}",
                fix=f"name every class in {names}; else the file is damaged, or of the other CIFAR layout",
            )
        ids += [f"{path.stem}#{record}" for record in range(len(some))]
    return LabelledPart(images, labels, tuple(ids))


def _read_records(path: Path, label_bytes: int) -> np.ndarray:
    content = np.fromfile(path, np.uint8)
    size = label_bytes + _PIXELS
    if not len(content) or len(content) % size:
        raise DataError(
            f"{path} has {len(content):,} bytes.",
            expected=f"a multiple of {size:,}: {label_bytes} of labels and {_PIXELS:,} of pixels per record",
            fix="the file is cut off, or of the other CIFAR layout; unpack the archive again",
        )
    return content.reshape(-1, size)


def _refuse_python_version(folder: Path) -> None:
    for layout in _LAYOUTS.values():
        for place in (folder, folder / layout.python_subfolder):
            # A folder of class folders may have sub-folders called train and test.
            if all((place / file).is_file() for file in layout.python_files):
                raise DataError(
                    f"{place} is the Python version of CIFAR: pickle files, which can run code when opened.",
                    expected=f"the binary version: {listing(layout.train)}, {layout.test}, {layout.names}",
                    fix="download the binary version from https://www.cs.toronto.edu/~kriz/cifar.html",
                )
