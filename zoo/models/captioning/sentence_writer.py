"""The half of a captioner that writes: p(sentence | what is to be said), word by word."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.models.captioning.tokens import PADDING, START, UNKNOWN

_NEVER_SAID = (PADDING, UNKNOWN, START)


@keras.saving.register_keras_serializable("mizoo")
class SentenceWriter(keras.layers.Layer):
    """An LSTM that starts from a vector, sees it again beside every word, and says what comes next.

    Inputs of a call: `tokens`, int32 `[batch, words]`, the sentence itself as what came before (teacher forcing), and
    `condition`, float `[batch, condition_size]`. Output: logits of what follows each token but the last, float32
    `[batch, words - 1, tokens]`.

    Args:
        tokens: How many there are, the four that are no words included.
        condition_size: Length of the vector.
        word_size: Length of a word's vector.
        units: Of the LSTM.
        dropout: Of what goes into the LSTM and comes out of it, not of its state (Zaremba et al. 2014,
            arXiv:1409.2329).
        **kwargs: `name` and `dtype` of the layer.
    """

    def __init__(
        self,
        *,
        tokens: int,
        condition_size: int,
        word_size: int = 64,
        units: int = 128,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        policy = self.dtype_policy
        # Keras starts words at 0.03, from where an LSTM takes a hundred steps to tell them apart.
        far_apart = keras.initializers.RandomNormal(stddev=1.0)
        self.words = keras.layers.Embedding(
            tokens, word_size, embeddings_initializer=far_apart, dtype=policy, name="words"
        )
        self.first_state = keras.layers.Dense(2 * units, activation="tanh", dtype=policy, name="first_state")
        self.lstm = keras.layers.LSTM(units, return_sequences=True, dtype=policy, name="lstm")
        self.next_word = keras.layers.Dense(tokens, dtype="float32", name="next_word")
        self.drop = keras.layers.Dropout(dropout, dtype=policy, name="drop")
        self.words.build((None, None))
        self.first_state.build((None, condition_size))
        self.lstm.build((None, None, word_size + condition_size))
        self.next_word.build((None, None, units))
        self.built = True

        self.tokens, self.condition_size, self.word_size = tokens, condition_size, word_size
        self.units, self.dropout = units, dropout

    def call(self, tokens: Any, condition: Any, training: bool = False) -> Any:
        """Returns logits of the next token."""
        before = tokens[:, :-1]
        beside = ops.repeat(condition[:, None, :], before.shape[1], axis=1)
        seen = self.drop(self._seen(before, beside), training=training)
        states = self.lstm(seen, initial_state=self.first_states(condition), training=training)
        return self.next_word(self.drop(states, training=training))

    def first_states(self, condition: Any) -> list[Any]:
        """Returns the two states before the first word, `[batch, units]` each."""
        return list(ops.split(self.first_state(condition), 2, axis=-1))

    def step(self, token: Any, condition: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        """Returns what may be written next.

        Args:
            token: int32 `[batch]`, the last that was written.
            condition: float `[batch, condition_size]`.
            states: As `first_states` or the step before returned them.

        Returns:
            log p of each token, float32 `[batch, tokens]`, in nats, -inf for those that are never written (padding,
            start, the unknown word; their share is not given to the others); and the states after it.
        """
        output, states = self.lstm.cell(self._seen(token, condition), states)
        return self.log_p(self.next_word(output)), states

    def log_p(self, logits: Any) -> Any:
        """Returns log p of each token, `[..., tokens]`, -inf for those that are never written."""
        allowed = np.ones(self.tokens, bool)
        allowed[list(_NEVER_SAID)] = False
        return ops.where(allowed, ops.log_softmax(logits, axis=-1), -np.inf)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own = ("tokens", "condition_size", "word_size", "units", "dropout")
        return {**super().get_config(), **{key: getattr(self, key) for key in own}}

    def _seen(self, tokens: Any, condition: Any) -> Any:
        return ops.concatenate([ops.cast(self.words(tokens), condition.dtype), condition], axis=-1)


def drawn_captions(captions: Any, seed_generator: keras.random.SeedGenerator) -> Any:
    """Returns one caption of each picture, `[batch, ...]`, each as likely, given `[batch, captions, ...]`."""
    size = (ops.shape(captions)[0], 1, 1)
    which = keras.random.randint(size, 0, captions.shape[1], seed=seed_generator)
    return ops.take_along_axis(captions, which, axis=1)[:, 0]


def sentence_losses(logits: Any, tokens: Any) -> tuple[Any, Any]:
    """Returns -log p of each sentence, in nats, and how many tokens it is of: float32 `[batch]` both.

    Args:
        logits: As `SentenceWriter` returns them for these tokens.
        tokens: int32 `[batch, words]`; padding is not counted.
    """
    after = tokens[:, 1:]
    counted = ops.not_equal(after, PADDING)
    losses = ops.sparse_categorical_crossentropy(after, logits, from_logits=True)
    return ops.sum(ops.where(counted, losses, 0.0), axis=-1), ops.sum(ops.cast(counted, "float32"), axis=-1)
