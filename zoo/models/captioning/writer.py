"""From a picture and a code to words, and what the recovery network reads back from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from zoo.models.captioning.checks import LOOKED_AT, fits
from zoo.models.captioning.tokens import FIRST_WORD

if TYPE_CHECKING:
    from zoo.data.batches import Split
    from zoo.models.captioning.trio import CaptionTrio

_ROWS_AT_ONCE = 1000


class CaptionWriter(keras.Model):
    """Writes the caption of features X under a code c, and recovers c both ways.

    That c is recovered from the vector says nothing: G may hide it in offsets that no word shows. Recovered from
    the decoded words, encoded anew, it has been said.

    Input: `features` float32 `[batch, F]` and `code` float32 `[batch, code_size]`.

    Outputs: `tokens` int32 `[batch, T]`, `log_prob` float32 `[batch]`, `from_vector` and `from_words` float32
    `[batch, code_size]`: Q(s^, X) and Q(encode(decode(s^)), X).

    Args:
        trio: Trained; its weights are shared, not copied.
    """

    def __init__(self, trio: CaptionTrio) -> None:
        super().__init__(name="caption_writer")
        self.trio = trio

    def call(self, inputs: Any, training: bool = False) -> dict[str, Any]:
        """Returns the four outputs."""
        trio, features = self.trio, inputs["features"]
        s = trio.generator([features, inputs["code"]], training=training)
        tokens, log_prob = trio.autoencoder.decode(s, trio.autoencoder.length)
        return {
            "tokens": tokens,
            "log_prob": log_prob,
            "from_vector": trio.recovery([s, features], training=training),
            "from_words": trio.recovery([trio.autoencoder.encode(tokens), features], training=training),
        }

    def write(self, features: np.ndarray, codes: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the outputs of many rows.

        Args:
            features: float32 `[rows, F]`.
            codes: float32 `[rows, code_size]`, or `[code_size]` for the same code in every row.
        """
        every = np.broadcast_to(codes, (len(features), np.shape(codes)[-1])).astype(np.float32)
        inputs = {"features": features, "code": every}
        written: dict[str, np.ndarray] = self.predict(inputs, batch_size=_ROWS_AT_ONCE, verbose=0)
        return written


def features_of(trio: CaptionTrio, split: Split) -> np.ndarray:
    """Returns X of every row of a split, float32 `[rows, F]`, see `CaptionTrio.condition`."""
    x = next(value for key, value in split.arrays().items() if key in LOOKED_AT)
    for network in trio.encoders:
        if fits(x.shape, network.input_shape):
            x = network.predict(x, batch_size=_ROWS_AT_ONCE, verbose=0)
    return x


def single_words(tokens: np.ndarray) -> np.ndarray:
    """Returns which word each caption is: int64 `[rows]`, 0 for the first of the vocabulary; -1 for none or several.

    Args:
        tokens: int32 `[rows, T]`, start first, as `SentenceAutoencoder.decode` writes them.
    """
    words = tokens[:, 1:]
    said = words >= FIRST_WORD
    return np.where((said.sum(axis=1) == 1) & said[:, 0], words[:, 0].astype(np.int64) - FIRST_WORD, -1)
