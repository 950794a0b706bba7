"""An embedding behind TensorFlow Serving: this side needs numpy and the client alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from serving.client import Client, InvalidInput
from serving.client.result import Prediction
from zoo.errors import DataError
from zoo.preprocessing.reading import BadImage
from zoo.search.embedder import Embedder

_AT_ONCE = 64


class ServedEmbedder(Embedder):
    """A served `vse_lstm` or `vse_bow`.

    It stays with the version that it found: the vectors of the next one have nothing in common with these.
    A served model does not tell its weights: an index recognises it by its vectors (`zoo.search.probe`). Nor does
    it name the words that it does not know, only count them; where there are any, each word is asked about alone.

    Args:
        client: Of the server; stays the caller's to close.
        model: What the server calls it.

    Raises:
        DataError: The model is no embedding.
        ServingError: The server does not answer, or has no such model.
    """

    def __init__(self, client: Client, model: str) -> None:
        metadata = client.metadata(model)
        served = metadata.signatures
        if not {"embed_image", "embed_text"} <= served.keys():
            raise DataError(
                f"The served model {model} is no embedding: it has the signatures {', '.join(served)}.",
                expected="embed_image and embed_text",
                fix="name a model that was exported from vse_lstm or vse_bow",
            )
        self.name = f"{model} version {metadata.version} on the server"
        self.digest = None
        self.dimensions = (served["embed_text"].outputs["embedding"].shape or (-1,))[-1]
        self._client, self._model, self._version = client, model, metadata.version

    def stream(self, paths: Sequence[Path]) -> Iterator[np.ndarray | BadImage]:
        """Yields vectors as `Embedder.stream` does: a request for each file, several at a time."""
        for start in range(0, len(paths), _AT_ONCE):
            part = paths[start : start + _AT_ONCE]
            try:
                answers = self._client.predict_many(
                    self._model,
                    [{"image": path} for path in part],
                    signature="embed_image",
                    version=self._version,
                )
            except InvalidInput:
                # One of them cannot be read: asking for each alone tells which.
                yield from chain.from_iterable(map(self._single, part))
            else:
                yield from (answer["embedding"][0] for answer in answers)

    def _single(self, path: Path) -> Iterator[np.ndarray | BadImage]:
        try:
            answer = self._client.predict(
                self._model, image=path, signature="embed_image", version=self._version
            )
        except InvalidInput as error:
            yield BadImage(path, error.server_message or str(error))
        else:
            yield answer["embedding"][0]

    def _embed_texts(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        answer = self._ask(texts)
        return answer["embedding"], answer["unknown_words"]

    def _unknown(self, words: Sequence[str]) -> set[str]:
        counts = self._ask(words)["unknown_words"]
        return {word for word, count in zip(words, counts.tolist(), strict=True) if count}

    def _ask(self, texts: Sequence[str]) -> Prediction:
        return self._client.predict(
            self._model, text=list(texts), signature="embed_text", version=self._version
        )
