"""Pictures found by a sentence, by a picture, or by a picture with words removed and added."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from zoo.checks import existing
from zoo.errors import ConfigError
from zoo.search.embedder import Embedder
from zoo.search.folder import IndexFolder
from zoo.search.index import Hit
from zoo.search.measures import DUPLICATE, MEASURES, check_weight

DEFAULT_MEASURES = ("direction", "kiros")


class PictureSearch:
    """An index and the model that made it; `close` it, or use it as a context manager.

    Args:
        index: Stays the caller's to close.
        embedder: Likewise.

    Raises:
        DataError: The embedder is not the model that made the index.

    Example:
        >>> with PictureSearch.open("pets") as search:
        ...     hits = search.by_edit("dog.jpg", remove=["dog"], add=["cat"])["direction"]
        ...     print(search.index.path(hits[0].id), hits[0].score)
    """

    def __init__(self, index: IndexFolder, embedder: Embedder) -> None:
        index.check_model(embedder)
        self.index, self.embedder = index, embedder
        self._cleanup = ExitStack()

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        model: str | Path | None = None,
        server: str | None = None,
        name: str | None = None,
        milvus_token: str = "",
    ) -> Self:
        """Opens an index with its model.

        Args:
            folder: Of the index.
            model: Run folder or `.keras` file; None is the one that the index was made with.
            server: Address of a server that has the model, which then is not loaded here.
            name: What that server calls it; None is the model's name in the catalogue.
            milvus_token: For a Milvus server that asks for one.

        Raises:
            ConfigError: A model and a server, or a name without a server.
            DataError: It is no index, or was made with another model.
            RunError: The run folder is no longer there.
            ServingError: The server does not answer, or has no such model.
            StoreError: The index's Milvus cannot be reached.
        """
        if server is not None and model is not None:
            raise ConfigError("A model and a server were given.", fix="give one of them")
        if server is None and name is not None:
            raise ConfigError(
                f"The name {name} was given without a server.", fix="add the server, or leave it out"
            )
        with ExitStack() as cleanup:
            index = cleanup.enter_context(IndexFolder.open(folder, milvus_token=milvus_token))
            embedder: Embedder
            if server is None:
                from zoo.search.run_embedder import RunEmbedder

                embedder = RunEmbedder(model or index.record.path)
            else:
                from serving.client import Client
                from zoo.search.served_embedder import ServedEmbedder

                client = cleanup.enter_context(Client(server))
                embedder = ServedEmbedder(client, name or index.record.model)
            search = cls(index, embedder)
            search._cleanup = cleanup.pop_all()
        return search

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes what `open` has opened."""
        self._cleanup.close()

    def by_text(self, text: str, top: int = 10) -> list[Hit]:
        """Returns the pictures nearest to a sentence, best first; the score is the cosine.

        Raises:
            DataError: The model knows no word of it, or the index is empty.
        """
        return self.index.index.nearest(self.embedder.texts([text])[0], top)

    def by_image(self, image: str | Path, top: int = 10) -> list[Hit]:
        """Returns the pictures nearest to one, best first; the score is the cosine.

        The picture itself and its copies are left out: files of the same content, and of the same vector.

        Raises:
            DataError: It cannot be read, or the index is empty.
        """
        path = existing(image, "The picture")
        vector, own = self.embedder.images([path])[0], self.index.copies(path)
        asked = top
        while True:
            hits = self.index.index.nearest(vector, asked, own)
            others = [hit for hit in hits if hit.off**2 >= DUPLICATE]
            if len(others) >= top or len(hits) < asked:
                return others[:top]
            asked *= 2

    def by_edit(
        self,
        image: str | Path,
        *,
        remove: Sequence[str] = (),
        add: Sequence[str] = (),
        measures: Sequence[str] = DEFAULT_MEASURES,
        weight: float | None = None,
        top: int = 10,
    ) -> dict[str, list[Hit]]:
        """Returns what a picture would be without some words and with others, best first, by measure.

        The picture itself and its copies are left out, as in `by_image`.

        Args:
            image: The picture, in the index or not.
            remove: Words or phrases, each a change of its own; the change is their mean.
            add: Likewise.
            measures: Of `zoo.search.measures.MEASURES`.
            weight: Of "kiros" or "anchored"; None for its default.
            top: The most hits by each measure.

        Raises:
            DataError: The picture cannot be read, the model knows no word of a phrase, nothing or the same is added
                and removed, or the index is empty.
            ConfigError: An unknown measure, or a weight for none or for several measures.
        """
        weights = _weights(measures, weight)
        path = existing(image, "The picture")
        vectors = self.embedder.texts([*add, *remove])
        added, removed = list(vectors[: len(add)]), list(vectors[len(add) :])
        self.index.index.edit(added, removed)
        query = self.embedder.images([path])[0]
        return self.index.index.compare(
            query, added, removed, weights=weights, top=top, exclude=self.index.copies(path)
        )


def _weights(measures: Sequence[str], weight: float | None) -> dict[str, float | None]:
    """The weight of each measure: a weight given belongs to the one that takes it."""
    weights: dict[str, float | None] = dict.fromkeys(measures)
    for measure in measures:
        check_weight(measure, None)
    if weight is None:
        return weights
    taking = [measure for measure in weights if measure != "direction"]
    if len(taking) != 1:
        raise ConfigError(
            f"The weight {weight} belongs to one measure; the measures are {', '.join(measures)}.",
            expected=f"one of {', '.join(m for m in MEASURES if m != 'direction')}, and beside it 'direction' at most",
            fix="ask for one of them at a time",
        )
    return {**weights, taking[0]: check_weight(taking[0], weight)}
