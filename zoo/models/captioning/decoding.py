"""Ways to write a sentence from p(sentence | condition): greedily, by chance, or by beam search."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from zoo.errors import ConfigError, DataError
from zoo.models.captioning.sentence_writer import SentenceWriter
from zoo.models.captioning.tokens import END, PADDING, START


class Decoding(ABC):
    """How a sentence is chosen."""

    @abstractmethod
    def write(self, writer: SentenceWriter, condition: Any, length: int) -> tuple[Any, Any]:
        """Writes a sentence for each row.

        Args:
            writer: Which says what may come next.
            condition: float `[batch, condition_size]`.
            length: Tokens to write, start included.

        Returns:
            Tokens, int32 `[batch, length]`: start, words, end, padding, and no end where there was no room for it. And
            log p(sentence | condition), float32 `[batch]`, in nats, by the writer as it is.
        """

    def of_rows(self, rows: slice, among: int) -> Decoding:
        """Returns the same way for some among so many rows."""
        del rows, among
        return self


@dataclass(frozen=True)
class Greedy(Decoding):
    """The likeliest token at each step."""

    def write(self, writer: SentenceWriter, condition: Any, length: int) -> tuple[Any, Any]:
        """Writes; see `Decoding.write`."""
        return _written(writer, condition, length, lambda log_p, _: ops.argmax(log_p, axis=-1))


@dataclass(frozen=True, eq=False)
class Sampled(Decoding):
    """Tokens drawn by their probabilities, in each row by a stream of random numbers of its own.

    What is drawn depends on the row's own seed, and not on what else is in the batch.

    Args:
        seeds: One for each row, 0 or more.
        temperature: The logits are divided by it: below 1 likely words become likelier.
    """

    seeds: Sequence[int] | np.ndarray
    temperature: float = 1.0

    def __post_init__(self) -> None:
        """Raises ConfigError unless the temperature is above 0, DataError unless seeds are."""
        if not self.temperature > 0:
            raise ConfigError(
                f"temperature is {self.temperature}.",
                expected="a number above 0",
                fix="take `Greedy()` for the likeliest words",
            )
        seeds = np.asarray(self.seeds)
        if seeds.ndim != 1 or not np.issubdtype(seeds.dtype, np.integer) or (seeds < 0).any():
            raise DataError(
                f"The seeds have the shape {seeds.shape} and the type {seeds.dtype}"
                + (f", from {seeds.min()}." if seeds.size else "."),
                expected="[rows], whole numbers from 0",
                fix="pass e.g. range(rows)",
            )

    def write(self, writer: SentenceWriter, condition: Any, length: int) -> tuple[Any, Any]:
        """Writes; see `Decoding.write`.

        Raises:
            DataError: There are more or fewer seeds than rows.
        """
        self._check_rows(condition.shape[0])
        # float32 stays below 1, where float64 would be rounded up to it.
        drawn = np.array([np.random.default_rng(seed).random(length - 1, np.float32) for seed in self.seeds])

        def pick(log_p: Any, step: int) -> Any:
            below = ops.cumsum(ops.softmax(log_p / self.temperature, axis=-1), axis=-1)
            # The last entry is 1 exactly, so that a token of no probability is never met.
            reached = below / below[:, -1:] <= drawn[:, step : step + 1]
            return ops.sum(ops.cast(reached, "int32"), axis=-1)

        return _written(writer, condition, length, pick)

    def of_rows(self, rows: slice, among: int) -> Sampled:
        """Returns the same temperature with the seeds of some among so many rows.

        Raises:
            DataError: There are more or fewer seeds than rows.
        """
        self._check_rows(among)
        return Sampled(self.seeds[rows], self.temperature)

    def _check_rows(self, rows: int) -> None:
        if len(self.seeds) != rows:
            raise DataError(
                f"There are {len(self.seeds)} seeds for {rows} rows.",
                expected="one for each",
                fix="pass e.g. range(rows)",
            )


@dataclass(frozen=True)
class Beam(Decoding):
    """The likeliest sentence that beam search finds; no reward for length (Vinyals et al. 2015, section 4.2).

    Args:
        width: Sentences that are kept at each step; 1 is greedy.
    """

    width: int = 5

    def __post_init__(self) -> None:
        """Raises ConfigError unless something is kept."""
        if self.width < 1:
            raise ConfigError(f"width is {self.width}.", expected="1 or more", fix="set width to e.g. 5")

    def write(self, writer: SentenceWriter, condition: Any, length: int) -> tuple[Any, Any]:
        """Writes; see `Decoding.write`."""
        width, tokens = self.width, writer.tokens
        # All beams of a picture start alike: only the first may go on, or they would stay alike.
        alone = np.where(np.arange(width) == 0, 0.0, -np.inf).astype("float32")
        score = ops.zeros_like(condition[:, :1], dtype="float32") + alone
        repeated = ops.repeat(condition, width, axis=0)
        states = writer.first_states(repeated)
        last = ops.zeros_like(score, dtype="int32") + START
        only_padding = np.where(np.arange(tokens) == PADDING, 0.0, -np.inf).astype("float32")
        steps: list[tuple[Any, Any]] = []
        for _ in range(length - 1):
            log_p, states = writer.step(ops.reshape(last, (-1,)), repeated, states)
            log_p = ops.where(_ended(last)[:, :, None], only_padding, ops.reshape(log_p, (-1, width, tokens)))
            score, chosen = ops.top_k(ops.reshape(score[:, :, None] + log_p, (-1, width * tokens)), width)
            chosen = ops.cast(chosen, "int32")
            parent, last = chosen // tokens, chosen % tokens
            steps.append((parent, last))
            states = [_of_parents(state, parent) for state in states]
        return _traced_back(steps), score[:, 0]


def _of_parents(state: Any, parent: Any) -> Any:
    """States `[batch * width, units]` of the sentences that go on, `parent` `[batch, width]`."""
    units = state.shape[-1]
    every = ops.reshape(state, (-1, parent.shape[1], units))
    return ops.reshape(ops.take_along_axis(every, parent[:, :, None], axis=1), (-1, units))


def _traced_back(steps: list[tuple[Any, Any]]) -> Any:
    """The first sentence of each beam, from its last token to its start."""
    beam = ops.zeros_like(steps[-1][0][:, :1])
    written: list[Any] = []
    for parent, token in reversed(steps):
        written.append(ops.take_along_axis(token, beam, axis=1))
        beam = ops.take_along_axis(parent, beam, axis=1)
    start = ops.zeros_like(beam) + START
    return ops.concatenate([start, *reversed(written)], axis=1)


def _ended(token: Any) -> Any:
    return ops.logical_or(ops.equal(token, END), ops.equal(token, PADDING))


def _written(
    writer: SentenceWriter, condition: Any, length: int, pick: Callable[[Any, int], Any]
) -> tuple[Any, Any]:
    """One token after the other, as `pick` chooses it from log p at each step."""
    log_prob = ops.zeros_like(condition[:, 0], dtype="float32")
    token = ops.cast(log_prob, "int32") + START
    written, states = [token], writer.first_states(condition)
    for step in range(length - 1):
        log_p, states = writer.step(token, condition, states)
        ended = _ended(token)
        token = ops.where(ended, PADDING, ops.cast(pick(log_p, step), "int32"))
        said = ops.take_along_axis(log_p, token[:, None], axis=-1)[:, 0]
        log_prob = log_prob + ops.where(ended, 0.0, said)
        written.append(token)
    return ops.stack(written, axis=1), log_prob
