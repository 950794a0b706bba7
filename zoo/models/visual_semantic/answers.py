"""What a served embedding that carries an index said, as Python values; numpy only, for programs without tensorflow."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zoo.errors import ConfigError, DataError
from zoo.search.index import Hit

_NUMBERS = ("scores", "along", "off", "keep")


def hits_of(prediction: Mapping[str, np.ndarray]) -> list[list[Hit]]:
    """Returns the pictures found for each row of an `analogy_...` answer, best first.

    Args:
        prediction: What `serving.client.Client.predict` returned.

    Raises:
        ConfigError: The answer is not that of a search.
        DataError: A row asked for nothing: all of its words are unknown, or the same is added and removed.

    Example:
        >>> row = {"ids": [["b.jpg"]], "scores": [[0.5]], "along": [[0.25]], "off": [[0.5]], "keep": [[0.75]]}
        >>> hits_of({name: np.array(value) for name, value in row.items()} | {"unknown_words": np.array([0])})
        [[Hit(id='b.jpg', score=0.5, along=0.25, off=0.5, keep=0.75)]]
    """
    wanted = ("ids", *_NUMBERS, "unknown_words")
    if missing := [name for name in wanted if name not in prediction]:
        raise ConfigError(
            f"The answer has {', '.join(prediction)}, without {', '.join(missing)}: it is not that of a search.",
            expected="the answer of analogy_kiros, analogy_direction or analogy_anchored",
            fix="export an embedding with --index, and ask one of these signatures",
        )
    found = []
    for row, (ids, unknown) in enumerate(zip(prediction["ids"], prediction["unknown_words"], strict=True)):
        numbers = zip(*(prediction[name][row] for name in _NUMBERS), strict=True)
        hits = [Hit(str(name), *map(float, of)) for name, of in zip(ids, numbers, strict=True) if name]
        if not hits:
            raise DataError(
                f"Row {row} asks for nothing: {int(unknown)} of its words are unknown.",
                expected="words of the vocabulary to add or to remove, not the same ones for both",
                fix="use more common words; `embed_text` counts the unknown words of a text",
            )
        found.append(hits)
    return found
