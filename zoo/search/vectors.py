"""What every store and every query demands of vectors: numbers, of the right size, of length 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.errors import DataError

UNIT_TOLERANCE = 1e-3
"""By how much the length of a vector may differ from 1: float16 embeddings pass, vectors nobody normalised do not."""
ROUNDING = 1e-6
"""By how much rounding alone moves the length of a float32 vector, at most."""


def check_matrix(vectors: Any, dimensions: int, what: str = "vectors") -> np.ndarray:
    """Returns vectors as float32 `[n, dimensions]`, C-contiguous.

    Args:
        vectors: Anything that numpy takes for a matrix.
        dimensions: The numbers that each row has.
        what: Of what error texts speak.

    Raises:
        DataError: On another shape, and on NaN or infinity.
    """
    matrix = _shaped(vectors, dimensions, what)
    _check_finite(vector_lengths(matrix), what)
    return matrix


def check_unit(vectors: Any, dimensions: int, what: str = "vectors") -> np.ndarray:
    """Returns vectors as float32 `[n, dimensions]`, C-contiguous, of length 1 as exactly as float32 tells it.

    Lengths within `UNIT_TOLERANCE` of 1 are made 1: in |X - q|^2 = 2 - 2 X q an error of the length counts twice.

    Raises:
        DataError: As `check_matrix`, and on a vector of another length.
    """
    matrix = _shaped(vectors, dimensions, what)
    lengths = vector_lengths(matrix)
    check_lengths(lengths, UNIT_TOLERANCE, what)
    rough = np.flatnonzero(np.abs(lengths - 1.0) > ROUNDING)
    if len(rough):
        matrix = matrix.copy()
        matrix[rough] /= lengths[rough, None].astype(np.float32)
    return matrix


def vector_lengths(matrix: np.ndarray) -> np.ndarray:
    """Returns the lengths of rows, float64 `[n]`."""
    return np.sqrt(np.einsum("nd,nd->n", matrix, matrix, dtype=np.float64))


def check_lengths(lengths: np.ndarray, tolerance: float, what: str = "vectors") -> None:
    """Raises an error unless each length is 1 within the tolerance.

    Raises:
        DataError: Naming the first row that is not, or that holds NaN or infinity.
    """
    _check_finite(lengths, what)
    wrong = np.abs(lengths - 1.0) > tolerance
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{what}: row {row} has length {lengths[row]:.6g}",
            expected=f"length 1 within {tolerance:g}",
            fix="divide each vector by its length",
        )


def check_rows(ids: Sequence[str], vectors: Any, dimensions: int) -> tuple[list[str], np.ndarray]:
    """Returns ids and their vectors for a store to add; see `check_unit`.

    Raises:
        DataError: As `check_unit`; on another number of ids than vectors; on an id that is given twice, or empty.
    """
    names = list(ids)
    matrix = check_unit(vectors, dimensions)
    if len(names) != len(matrix):
        raise DataError(f"{len(names)} ids for {len(matrix)} vectors", fix="give one id for each vector")
    seen: set[str] = set()
    for name in names:
        if not isinstance(name, str) or not name or name in seen:
            raise DataError(
                f"id {name!r} is {'given twice' if name in seen else 'no id'}",
                expected="different texts that are not empty",
                fix="name every vector once",
            )
        seen.add(name)
    return names, matrix


def _shaped(vectors: Any, dimensions: int, what: str) -> np.ndarray:
    matrix = np.asarray(vectors)
    if matrix.ndim != 2 or matrix.shape[1] != dimensions or matrix.dtype.kind not in "fiu":
        raise DataError(
            f"{what}: shape {list(matrix.shape)} of {matrix.dtype}",
            expected=f"numbers of shape [n, {dimensions}]",
            fix="embed with the model that made the index",
        )
    return np.ascontiguousarray(matrix, dtype=np.float32)


def _check_finite(lengths: np.ndarray, what: str) -> None:
    # A length is finite where all numbers of a row are: float64 holds the squares of any float32.
    finite = np.isfinite(lengths)
    if not finite.all():
        raise DataError(
            f"{what}: row {int(np.argmin(finite))} holds NaN or infinity",
            expected="finite numbers",
            fix="leave the row out, or embed it again",
        )
