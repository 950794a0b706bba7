"""Every code on its own, the worst first: an average over codes hides the bad ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.files import csv_text, write_text
from zoo.models.captioning.code_statistics import accuracies, label_entropy, label_shares, shuffled_codes
from zoo.models.captioning.codes import measured_codes
from zoo.models.captioning.evaluation import labelled, write
from zoo.models.captioning.writer import CaptionWriter

if TYPE_CHECKING:
    from zoo.data.batches import Split
    from zoo.models.captioning.trio import CaptionTrio

_MOST_SAID = 3


@dataclass(frozen=True)
class CodeRow:
    """What is said under one code in all pictures.

    Attributes:
        number: Of the code among those measured, from 0.
        code: c.
        accuracy: Share of pictures with a right label.
        entropy: Of the label frequencies, in nats.
        skew: Total variation distance from the frequencies under all codes.
        p_value: Of the skew, against shuffled codes.
        most_said: The three most frequent words with their shares, the most frequent first.
    """

    number: int
    code: tuple[float, ...]
    accuracy: float
    entropy: float
    skew: float
    p_value: float
    most_said: tuple[tuple[str, float], ...]

    @property
    def length(self) -> float:
        """|c|."""
        return float(np.linalg.norm(self.code))

    @property
    def name(self) -> str:
        """Number and code, e.g. "#3 (+0.5, -1.2, +0.0)"."""
        return f"#{self.number} {spelled(self.code)}"


def code_report(trio: CaptionTrio, split: Split, *, far: bool = False) -> list[CodeRow]:
    """Returns a row for each of the 32 fixed codes of `evaluate`, the least accurate first.

    Args:
        trio: Its words are the labels.
        split: Target `labels`, `[rows, words]`.
        far: Those of 2 <= |c| <= 3 instead of |c| <= 2.

    Raises:
        DataError: The split has no sets of labels, or of other labels.
    """
    pictures, codes = labelled(trio, split), measured_codes(trio.code_size, 1)
    chosen = codes.far if far else codes.fixed
    said = write(CaptionWriter(trio), pictures.features, chosen)["said"]
    return code_rows(said, chosen[:, 0], pictures.sets, trio.autoencoder.vocabulary)


def code_rows(said: np.ndarray, codes: np.ndarray, sets: np.ndarray, words: Sequence[str]) -> list[CodeRow]:
    """Returns a row for each code, the least accurate first.

    Args:
        said: int `[codes, pictures]`.
        codes: c of each, `[codes, code_size]`.
        sets: `[pictures, labels]`, 1 for each right label, else 0.
        words: Of the labels.
    """
    skew, shares = shuffled_codes(said, len(words)), label_shares(said, len(words))
    accuracy, entropy = accuracies(said, sets), label_entropy(said, len(words))
    most = np.argsort(-shares, axis=1, kind="stable")[:, :_MOST_SAID]
    return [
        CodeRow(
            number=int(i),
            code=tuple(float(value) for value in codes[i]),
            accuracy=float(accuracy[i]),
            entropy=float(entropy[i]),
            skew=float(skew.distance[i]),
            p_value=float(skew.p_value[i]),
            most_said=tuple((words[label], float(shares[i, label])) for label in most[i]),
        )
        for i in np.argsort(accuracy, kind="stable")
    ]


def leading_pairs(rows: Sequence[CodeRow]) -> dict[tuple[str, ...], float]:
    """Returns in which share of the codes two words are the two most frequent, in either order; the commonest first.

    A code under which one word alone is said counts for that word. The report's codes say 3 and 8, and 1 and 7, which
    look alike. By chance each of 45 pairs of digits has 2.2 %.
    """
    pairs = Counter(tuple(sorted(word for word, share in row.most_said[:2] if share > 0)) for row in rows)
    return {pair: count / len(rows) for pair, count in pairs.most_common()}


def write_codes(rows: Sequence[CodeRow], path: Path) -> Path:
    """Writes rows as CSV: number, c, |c|, accuracy, entropy, skew, p_value, words and their shares."""
    codes = [f"c{i + 1}" for i in range(len(rows[0].code))]
    words = [f"{part}_{i + 1}" for i in range(len(rows[0].most_said)) for part in ("word", "share")]
    table = [["number", *codes, "length", "accuracy", "entropy", "skew", "p_value", *words]]
    for row in rows:
        numbers = (*row.code, row.length, row.accuracy, row.entropy, row.skew, row.p_value)
        said = [part for word, share in row.most_said for part in (word, f"{share:.6g}")]
        table.append([str(row.number), *(f"{value:.6g}" for value in numbers), *said])
    write_text(path, csv_text(table))
    return path


def spelled(code: Sequence[float]) -> str:
    """Returns a code in a few letters, e.g. "(+0.5, -1.2, +0.0)"."""
    # Rounded first, and 0 added: there is no -0.0 to read.
    return f"({', '.join(f'{round(float(value), 1) + 0.0:+.1f}' for value in code)})"
