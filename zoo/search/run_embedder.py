"""A trained embedding in this process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import ConfigError
from zoo.preprocessing.reading import BadImage, iterate_images
from zoo.search.embedder import Embedder

_FREQUENT = 1000
_TEXTS_AT_ONCE = 256


class RunEmbedder(Embedder):
    """A `vse_lstm` or `vse_bow` from a run folder or a `.keras` file.

    Args:
        path: Of the run folder or file; see `zoo.load_model`.
        batch_size: Pictures per step.

    Raises:
        ConfigError: It is another kind of model, or one that takes features of pictures.
        RunError: It is no model.
    """

    def __init__(self, path: str | Path, *, batch_size: int = 32) -> None:
        import zoo
        from zoo.models.visual_semantic.model import VisualSemantic
        from zoo.models.visual_semantic.words import WordTable

        self.path = Path(path).resolve()
        model = zoo.load_model(path)
        if not isinstance(model, VisualSemantic):
            raise ConfigError(
                f"{path} is a model of another kind: {model.name}.",
                expected="an embedding of pictures and texts",
                fix="train one: mizoo train vse_bow --data PATH",
            )
        if "image" not in model.input:
            raise ConfigError(
                f"{path} takes features of pictures, not pictures.",
                fix="name the run folder that it lies in, which knows the backbone",
            )
        self.name = f"{model.name} {self.path.name}"
        self.model_name = str(model.name)
        self.digest = self.sha256 = model_digest(model)
        self.dimensions = int(model.image_encoder.output_shape[-1])
        self.max_words = model.max_words
        self.vocabulary: tuple[str, ...] = model.vocabulary
        self._model, self._batch_size = model, batch_size
        self._words = WordTable(model.vocabulary, model.max_words)

    def stream(self, paths: Sequence[Path]) -> Iterator[np.ndarray | BadImage]:
        """Yields vectors as `Embedder.stream` does, decoding the next pictures meanwhile."""
        if not paths:
            return
        size = self._model.image_encoder.input_shape[1]
        images = iterate_images(list(paths), size)
        # A compiled step pays off only when it is used again.
        compiled = len(paths) > self._batch_size
        while part := list(islice(images, self._batch_size)):
            good = [image for image in part if not isinstance(image, BadImage)]
            vectors = iter(self._embed_images(good, compiled))
            for image in part:
                yield image if isinstance(image, BadImage) else next(vectors)

    def _embed_images(self, images: list[np.ndarray], compiled: bool) -> np.ndarray:
        if not images:
            return np.empty((0, self.dimensions), np.float32)
        encoder, batch = self._model.image_encoder, np.stack(images)
        if not compiled:
            return _numpy(encoder(batch, training=False))
        # Always the full size, so that it is compiled once.
        full = np.zeros((self._batch_size, *batch.shape[1:]), batch.dtype)
        full[: len(batch)] = batch
        return np.asarray(encoder.predict_on_batch(full), np.float32)[: len(batch)]

    def mean_text(self) -> np.ndarray:
        """Returns the mean vector of the 1000 most frequent words, float32 `[dimensions]`.

        It stands for "some text" in an edit that only adds or only removes. Such edits are words, so the middle of
        the words is what they are to be compared with; rarer words have hardly been trained.
        """
        return (
            self._embed_texts(self.vocabulary[:_FREQUENT])[0]
            .mean(axis=0, dtype=np.float64)
            .astype(np.float32)
        )

    def _embed_texts(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        ids, unknown = (np.asarray(part) for part in self._words.ids(list(texts)))
        encoder = self._model.text_encoder
        parts = [ids[start : start + _TEXTS_AT_ONCE] for start in range(0, len(ids), _TEXTS_AT_ONCE)]
        vectors = [_numpy(encoder(part, training=False)) for part in parts]
        return np.concatenate([np.empty((0, self.dimensions), np.float32), *vectors]), unknown

    def _unknown(self, words: Sequence[str]) -> set[str]:
        return set(words) - set(self.vocabulary)


def model_digest(model: Any) -> str:
    """Returns the SHA-256 of weights, vocabulary and preprocessing: with another of these, vectors are others."""
    from zoo.backbones.digest import backbone_digest
    from zoo.preprocessing.image import INPUT_CONTRACT

    parts = {
        "image_encoder": backbone_digest(model.image_encoder),
        "image_size": model.image_encoder.input_shape[1],
        "preprocessing": INPUT_CONTRACT,
        "text_encoder": backbone_digest(model.text_encoder),
        "vocabulary": model.vocabulary,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _numpy(tensor: Any) -> np.ndarray:
    import keras

    return np.asarray(keras.ops.convert_to_numpy(tensor), np.float32)
