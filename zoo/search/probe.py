"""Pictures and texts whose vectors an index keeps, to recognise a model that does not tell its weights."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from zoo.files import write_atomically
from zoo.search.embedder import Embedder

FARTHEST = 0.01
"""Between two vectors of one model on two machines; those of two models are about 1 apart."""


@dataclass(frozen=True)
class Probe:
    """What a model answered to.

    Attributes:
        texts: Single words of its vocabulary.
        pictures: Contents of picture files.
        vectors: Of all texts, then of all pictures, float32 `[n, dimensions]`.
    """

    texts: tuple[str, ...]
    pictures: tuple[bytes, ...]
    vectors: np.ndarray = field(repr=False)

    @classmethod
    def of(cls, embedder: Embedder, texts: tuple[str, ...], pictures: tuple[bytes, ...]) -> Self:
        """Returns what a model answers to texts and pictures."""
        return cls(texts, pictures, _vectors(embedder, texts, pictures))

    def distance(self, embedder: Embedder) -> float:
        """Returns how far a model's vector is from the one that is kept, at the most.

        Raises:
            DataError: The model does not know one of the words.
        """
        found = _vectors(embedder, self.texts, self.pictures)
        return float(np.linalg.norm(found - self.vectors, axis=1).max())

    def save(self, path: Path) -> None:
        """Writes one file, *.npz."""
        pictures = {
            f"picture_{row}": np.frombuffer(content, np.uint8) for row, content in enumerate(self.pictures)
        }
        arrays: dict[str, Any] = {"texts": np.array(self.texts), "vectors": self.vectors, **pictures}
        write_atomically(path, lambda file: np.savez(file, **arrays))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Returns what `save` wrote."""
        with np.load(path) as arrays:
            rows = len(arrays.files) - 2
            pictures = tuple(arrays[f"picture_{row}"].tobytes() for row in range(rows))
            return cls(tuple(arrays["texts"].tolist()), pictures, arrays["vectors"])


def _vectors(embedder: Embedder, texts: tuple[str, ...], pictures: tuple[bytes, ...]) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"probe-{row}" for row in range(len(pictures))]
        for path, content in zip(paths, pictures, strict=True):
            path.write_bytes(content)
        return np.concatenate([embedder.texts(texts), embedder.images(paths)])
