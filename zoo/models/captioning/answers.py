"""What a served caption GAN said, as Python values; numpy only, for programs without tensorflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from zoo.errors import ConfigError, DataError

Code = tuple[float, ...]


class Caption(NamedTuple):
    """What is said of a picture under one code.

    Attributes:
        text: Words with a blank between.
        log_prob: Of the text given its sentence vector, in nats; 0 is certain.
        code: That it was drawn with, given back by `sample`; None for the other signatures, which are told it.
    """

    text: str
    log_prob: float
    code: Code | None = None


def captions_of(prediction: Mapping[str, np.ndarray]) -> list[Caption]:
    """Returns the caption of each picture.

    Args:
        prediction: What `serving.client.Client.predict` returned for `serving_default`, `tensor` or `sample`.

    Raises:
        ConfigError: The answer is not that of a caption GAN.
        DataError: The code of a row was not finite.

    Example:
        >>> answer = {"caption": np.array(["a dog runs"]), "log_prob": np.array([-0.25])}
        >>> captions_of(answer)
        [Caption(text='a dog runs', log_prob=-0.25, code=None)]
        >>> captions_of(answer | {"code": np.array([[0.5, -1.0, 0.0]])})[0].code
        (0.5, -1.0, 0.0)
    """
    _require(prediction, ("caption", "log_prob"), "`serving_default`, `tensor` or `sample`")
    texts, log_probs = (prediction[name] for name in ("caption", "log_prob"))
    if rows := np.flatnonzero(~np.isfinite(log_probs)).tolist():
        raise DataError(
            f"The captions of rows {rows} have no probability: their codes were not finite.",
            expected="codes of finite numbers, as a standard normal distribution gives them",
            fix="look for NaN and infinity in `code`",
        )
    codes = _tuples(prediction["code"]) if "code" in prediction else [None] * len(texts)
    rows_of = zip(texts, log_probs, codes, strict=True)
    return [Caption(str(text), float(log_prob), code) for text, log_prob, code in rows_of]


def codes_of(prediction: Mapping[str, np.ndarray]) -> list[Code]:
    """Returns the code that each caption was recognised to be said with.

    It is strict: whoever accepts captions with words that were not read takes `prediction["code"]` and looks at the
    counts beside it.

    Args:
        prediction: What `serving.client.Client.predict` returned for `infer_code`.

    Raises:
        ConfigError: The answer is not that of `infer_code`.
        DataError: A caption has no word, or words that the model does not know or did not read.

    Example:
        >>> counts = {"known_words": np.array([3]), "unknown_words": np.array([0]), "cut_words": np.array([0])}
        >>> codes_of({"code": np.array([[0.5, -1.0, 0.0]]), **counts})
        [(0.5, -1.0, 0.0)]
    """
    counts = ("known_words", "unknown_words", "cut_words")
    _require(prediction, ("code", *counts), "`infer_code`")
    for row, (known, unknown, cut) in enumerate(zip(*(prediction[name] for name in counts), strict=True)):
        if unknown:
            raise DataError(
                f"The caption of row {row} has {known} known and {unknown} unknown words: its code says little.",
                expected="only words of the captions that the model was trained on",
                fix='use more common words, or take prediction["code"] as it is',
            )
        if cut:
            raise DataError(
                f"The caption of row {row} is too long: its last {cut} words were not read.",
                expected=f"{known} words or fewer",
                fix='shorten it, or take prediction["code"] as it is',
            )
        if not known:
            raise DataError(
                f"The caption of row {row} has no words.",
                expected="words of letters; digits and punctuation separate words and are dropped",
                fix='write numbers out: "five" and not "5"',
            )
    return _tuples(prediction["code"])


def _require(prediction: Mapping[str, np.ndarray], wanted: Sequence[str], signatures: str) -> None:
    if missing := [name for name in wanted if name not in prediction]:
        raise ConfigError(
            f"The answer has {', '.join(prediction)}, without {', '.join(missing)}.",
            expected=f"the answer of a caption GAN's {signatures} signature",
            fix="name such a model and signature; other ones are asked by serving.client.Client",
        )


def _tuples(codes: np.ndarray) -> list[Code]:
    return [tuple(map(float, code)) for code in codes]
