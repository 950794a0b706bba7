"""Pictures and texts as vectors of one space: what an index needs of a model."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from zoo.checks import listing
from zoo.errors import DataError
from zoo.preprocessing.reading import BadImage
from zoo.preprocessing.text import tokenize

_log = logging.getLogger(__name__)


class Embedder(ABC):
    """Makes vectors of length 1, close to each other where a picture and a text belong together.

    Attributes:
        name: What messages call the model.
        digest: SHA-256 of all that its vectors depend on; None where the model cannot tell, as on a server.
        dimensions: The numbers that each vector has.
        max_words: Words of a text that it reads; None where it cannot tell.
    """

    name: str
    digest: str | None
    dimensions: int
    max_words: int | None = None

    @abstractmethod
    def stream(self, paths: Sequence[Path]) -> Iterator[np.ndarray | BadImage]:
        """Yields for each picture file its vector, float32 `[dimensions]`, or what is wrong with the file."""

    def images(self, paths: Sequence[str | Path]) -> np.ndarray:
        """Returns vectors of picture files, float32 `[n, dimensions]`.

        Raises:
            DataError: Naming the first file that cannot be read.
        """
        rows = np.empty((len(paths), self.dimensions), np.float32)
        for row, vector in enumerate(self.stream([Path(path) for path in paths])):
            if isinstance(vector, BadImage):
                raise DataError(
                    f"The picture {vector.path} cannot be read: {vector.reason}",
                    expected="a whole JPEG, PNG, GIF or BMP file",
                    fix="give another picture",
                )
            rows[row] = vector
        return rows

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Returns vectors of texts, float32 `[n, dimensions]`; logs the words that the model does not know.

        Raises:
            DataError: A text has no word at all, or none that the model knows; names the words.
        """
        words = [list(dict.fromkeys(tokenize(text))) for text in texts]
        for text, own in zip(texts, words, strict=True):
            if not own:
                raise DataError(
                    f"The text {text!r} has no word.", expected="words of the letters a to z", fix="write one"
                )
            if self.max_words is not None and (count := len(tokenize(text))) > self.max_words:
                _log.warning(
                    "%s reads the first %d of the %d words of a text.", self.name, self.max_words, count
                )
        vectors, unknown_words = self._embed_texts(texts)
        if unknown_words.any():
            unknown = self._unknown([word for own in words for word in own])
            for text, own in zip(texts, words, strict=True):
                self._report(text, own, [word for word in own if word in unknown])
        return vectors

    def _report(self, text: str, words: list[str], unknown: list[str]) -> None:
        if unknown and len(unknown) == len(words):
            raise DataError(
                f"{self.name} knows no word of {text!r}: {listing(unknown)}",
                expected="words that occur in the captions that it was trained with",
                fix="say it in other words",
            )
        if unknown:
            _log.warning("%s does not know these words of %r: %s", self.name, text, listing(unknown))

    @abstractmethod
    def _embed_texts(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Returns vectors, float32 `[n, dimensions]`, and how many words of each are unknown, `[n]`."""

    @abstractmethod
    def _unknown(self, words: Sequence[str]) -> set[str]:
        """Returns the words that the model does not know."""
