"""What a served classifier said, as Python values; numpy only, for programs without tensorflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from zoo.errors import ConfigError

_OUTPUTS = ("labels", "scores")


class Label(NamedTuple):
    """One class that a picture may show.

    Attributes:
        name: Of the class.
        probability: 0..1; those of all classes sum to 1.
    """

    name: str
    probability: float


def labels_of(prediction: Mapping[str, np.ndarray], most: int | None = None) -> list[list[Label]]:
    """Returns the likeliest classes of each picture, best first.

    Args:
        prediction: What `serving.client.Client.predict` returned for `serving_default` or `tensor`.
        most: Classes per picture; None is all that the server sent, five or fewer.

    Raises:
        ConfigError: The answer is not that of a classifier.

    Example:
        >>> one = {"labels": [["horse", "deer"]], "scores": [[0.75, 0.25]]}
        >>> labels_of({name: np.array(value) for name, value in one.items()})
        [[Label(name='horse', probability=0.75), Label(name='deer', probability=0.25)]]
    """
    if missing := [name for name in _OUTPUTS if name not in prediction]:
        raise ConfigError(
            f"The answer has {', '.join(prediction)}, without {', '.join(missing)}: it names no classes.",
            expected="the answer of a classifier's `serving_default` or `tensor` signature",
            fix="name a classifier; other models are asked by serving.client.Client",
        )
    rows = zip(*(prediction[name] for name in _OUTPUTS), strict=True)
    return [
        [Label(str(name), float(score)) for name, score in list(zip(names, scores, strict=True))[:most]]
        for names, scores in rows
    ]
