"""Sentences to codes and back: the encoder-decoder module, trained before the GAN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.errors import DataError
from zoo.layers.standardize import Standardize
from zoo.losses.reduction import batch_mean, rows, share_of_replica
from zoo.models.captioning.decoding import Greedy
from zoo.models.captioning.sentence_writer import SentenceWriter, sentence_losses
from zoo.models.captioning.tokens import FIRST_WORD, PADDING

_ROWS_AT_ONCE = 1024


@keras.saving.register_keras_serializable("mizoo")
class SentenceAutoencoder(keras.Model):
    """One LSTM reads a sentence into a code s, another writes it again from s (report, encoder-decoder module).

    After LaTextGAN (Haidar et al. 2019, arXiv:1810.06640). s is linear in the last state of the reader; the writer
    starts from s, and sees it again beside every word.

    Input: `tokens`, int32 `[batch, words]`: start, words, end, then padding; 0 is padding, 1 an unknown word,
    2 start, 3 end, and the words follow from 4.

    Output of a call: logits of what follows each token, float32 `[batch, words - 1, tokens]`, with the sentence
    itself as what came before (teacher forcing). What it is for are `encode` and `decode`.

    Args:
        vocabulary: The words; the first has the id 4.
        sentence_size: Length of s.
        word_size: Length of a word's vector.
        units: Of both LSTMs.
        max_words: Of a sentence; `length` is two more, for start and end.
        noise: On s in training, in standard deviations of s over the batch; it does not depend on the sentence.
        name: Of the model.
    """

    def __init__(
        self,
        *,
        vocabulary: Sequence[str],
        sentence_size: int = 16,
        word_size: int = 64,
        units: int = 128,
        max_words: int = 1,
        noise: float = 0.0,
        name: str = "sentence_autoencoder",
    ) -> None:
        super().__init__(name=name)
        # === Layers ===
        self.reader = keras.layers.LSTM(units, name="reader")
        self.code = keras.layers.Dense(sentence_size, dtype="float32", name="code")
        self.standardize = Standardize(dtype="float32", name="standardize")
        self.writer = SentenceWriter(
            tokens=FIRST_WORD + len(vocabulary),
            condition_size=sentence_size,
            word_size=word_size,
            units=units,
            name="writer",
        )
        self.reader.build((None, None, word_size))
        self.code.build((None, units))
        self.standardize.build((None, sentence_size))
        self.built = True

        # === Config ===
        self.vocabulary = tuple(vocabulary)
        self.sentence_size, self.word_size, self.units = sentence_size, word_size, units
        self.max_words, self.noise = max_words, noise
        self.seed_generator = keras.random.SeedGenerator()
        self.reconstruction = keras.metrics.Mean(name="reconstruction")

    @property
    def length(self) -> int:
        """Tokens of a sentence: start, the words, end."""
        return self.max_words + 2

    def call(self, tokens: Any, training: bool = False) -> Any:
        """Returns logits of the next token, `[batch, words - 1, tokens]`."""
        s = self._read(tokens)
        if training and self.noise:
            deviation = ops.stop_gradient(ops.std(s, axis=0, keepdims=True))
            s = s + self.noise * deviation * keras.random.normal(ops.shape(s), seed=self.seed_generator)
        return self.writer(tokens, s, training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns the mean of -log p(sentence | s), in nats per sentence; `y` is not looked at.

        Its metric is the share of sentences whose every token is the likeliest after those before it: exactly
        those that `decode` gives back word for word.
        """
        del y, training
        after = x[:, 1:]
        counted = ops.not_equal(after, PADDING)
        losses, _ = sentence_losses(y_pred, x)
        right = ops.logical_or(
            ops.equal(ops.argmax(self.writer.log_p(y_pred), axis=-1), after), ops.logical_not(counted)
        )
        self.reconstruction.update_state(
            batch_mean(ops.cast(ops.all(right, axis=-1), "float32")), sample_weight=rows(after)
        )
        return share_of_replica(batch_mean(losses, sample_weight))

    def encode(self, tokens: Any) -> Any:
        """Returns s, float32 `[batch, sentence_size]`, standardised once `standardise` has been called."""
        return self.standardize(self._read(tokens))

    def decode(self, sentence: Any, length: int) -> tuple[Any, Any]:
        """Writes the sentence of a code, the likeliest token at each step.

        Padding, start and the unknown word are never written.

        Args:
            sentence: s, float `[batch, sentence_size]`, on the scale of `encode`.
            length: Tokens to write, start included.

        Returns:
            Tokens as they come in, int32 `[batch, length]` (start, words, end, padding; no end where there was no
            room for it), and log p(sentence | s), float32 `[batch]`, in nats.

        Raises:
            DataError: A code of another length, or no room for a word.
        """
        if len(sentence.shape) != 2 or sentence.shape[1] != self.sentence_size or length < 2:
            raise DataError(
                f"Sentence codes of shape {tuple(sentence.shape)} are to be written with {length} tokens.",
                expected=f"[batch, {self.sentence_size}], and 2 tokens or more",
                fix="pass what `encode` or the generator returned, and a length that holds start and a word",
            )
        s = ops.cast(sentence, "float32") / self.standardize.scale + self.standardize.mean
        return Greedy().write(self.writer, s, length)

    def codes(self, tokens: np.ndarray) -> np.ndarray:
        """Returns `encode` of many sentences: float32 `[rows, sentence_size]`, given int32 `[rows, words]`.

        Raises:
            DataError: The tokens are not of this vocabulary, or not in rows.
        """
        self._check_tokens(tokens)
        parts = [self.encode(tokens[i : i + _ROWS_AT_ONCE]) for i in range(0, len(tokens), _ROWS_AT_ONCE)]
        return np.concatenate([ops.convert_to_numpy(part) for part in parts])

    def standardise(self, codes: np.ndarray) -> None:
        """Gives s mean 0 and standard deviation 1 over the sentences of these codes.

        Args:
            codes: As `codes` returns them; again after a second training, it takes their present scale into account.
        """
        mean, scale = (ops.convert_to_numpy(v) for v in (self.standardize.mean, self.standardize.scale))
        self.standardize.adapt(codes / scale + mean)

    def reconstruction_rate(self, tokens: np.ndarray) -> float:
        """Returns the share of sentences, int32 `[rows, words]`, that are the same after `encode` and `decode`.

        Raises:
            DataError: The tokens are not of this vocabulary, or not in rows.
        """
        codes, same = self.codes(tokens), 0
        for i in range(0, len(tokens), _ROWS_AT_ONCE):
            again, _ = self.decode(codes[i : i + _ROWS_AT_ONCE], tokens.shape[1])
            same += int((ops.convert_to_numpy(again) == tokens[i : i + _ROWS_AT_ONCE]).all(axis=1).sum())
        return same / len(tokens)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own = ("sentence_size", "word_size", "units", "max_words", "noise", "name")
        return {"vocabulary": list(self.vocabulary)} | {key: getattr(self, key) for key in own}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> SentenceAutoencoder:
        """Builds it anew."""
        del custom_objects
        return cls(**config)

    def _read(self, tokens: Any) -> Any:
        """The code before standardisation."""
        return self.code(self.reader(self.writer.words(tokens), mask=ops.not_equal(tokens, PADDING)))

    def _check_tokens(self, tokens: np.ndarray) -> None:
        most = FIRST_WORD + len(self.vocabulary)
        if tokens.ndim != 2 or tokens.size == 0 or tokens.min() < 0 or tokens.max() >= most:
            span = f", {tokens.min()} .. {tokens.max()}" if tokens.size else ""
            raise DataError(
                f"The tokens have the shape {tokens.shape}{span}.",
                expected=f"[rows, words] with ids 0 .. {most - 1}",
                fix="number the words by the vocabulary that the autoencoder was made with",
            )
