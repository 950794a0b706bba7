"""How much of a classifier's class vectors half the dimensions hold, for every head that is given.

    python -m ci.bench.spectrum --backbone mobilenet_v2=FILE --backbone mobilenet_075=FILE

For each head: the cumulative contribution of its singular values at half the dimensions, by both readings of the
word (sum of the values, sum of their squares), without bias, with all classes, and beside it that of a matrix of
independent normal numbers of the same shape: what a head would show that has learned nothing. The report (KAKENHI
17K20008) states 80 % or more for every model that it examined, without saying by which reading. `--drop-background`
leaves out class 0. A `.keras` file works like a backbone: `--model NAME=FILE.keras`. No picture is read; about ten
seconds a network on two cores, most of it building the network.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from ci.bench.report import RESULTS, write_report
from zoo.fitting.class_vectors import (
    CumulativeContribution,
    cumulative_contribution,
    orthonormal_class_vectors,
)
from zoo.models.fusion.head import Head, find_head
from zoo.models.fusion.source import open_classifier
from zoo.models.fusion.spectrum import CLAIM, draw_spectrum

SEED = 0
COLUMNS = {
    "head": "head",
    "channels": "C",
    "classes": "K",
    "rank": "rank",
    "half": "half the dimensions",
    "sum_at_half": "sum s, %",
    "random_sum_at_half": "random, %",
    "squares_at_half": "sum s^2, %",
    "random_squares_at_half": "random, %",
    "dimensions_for_80_sum": "80 % of sum s at",
    "dimensions_for_80_squares": "80 % of sum s^2 at",
    "isometry": "isometry",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", type=_pair, action="append", default=[], metavar="NAME=WEIGHTS")
    parser.add_argument("--model", type=_pair, action="append", default=[], metavar="NAME=FILE.keras")
    parser.add_argument("--drop-background", action="store_true", help="leave out class 0 of every head")
    options = parser.parse_args()
    if not options.backbone + options.model:
        parser.error("give at least one --backbone NAME=WEIGHTS or --model NAME=FILE.keras")
    names = [name for name, _ in options.backbone + options.model]
    if len(set(names)) < len(names):
        parser.error("every head needs a name of its own")
    heads = {name: find_head(open_classifier(name, weights)[0]) for name, weights in options.backbone}
    heads |= {name: find_head(open_classifier(file, None)[0]) for name, file in options.model}
    dropped = (0,) if options.drop_background else ()
    rows, spectra = [], {}
    for name, head in heads.items():
        row, spectra[name] = measure(name, head, dropped)
        rows.append(row)
    figure = draw_spectrum(spectra, RESULTS / "spectrum.png")
    path = write_report(
        "spectrum",
        command=" ".join(
            [
                "python -m ci.bench.spectrum",
                *(f"--backbone {name}=FILE" for name, _ in options.backbone),
                *(f"--model {name}=FILE.keras" for name, _ in options.model),
                *(["--drop-background"] if options.drop_background else []),
            ]
        ),
        data="none: the weights of trained classifiers alone",
        seeds=[SEED],
        rows=rows,
        extra={"claim_at_half": CLAIM, "dropped_classes": list(dropped), "figure": figure.name},
    )
    show(rows)
    print(f"{path}\n{figure}")


def _pair(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not (name and found and value):
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=FILE")
    return name, value


def measure(name: str, head: Head, dropped: tuple[int, ...]) -> tuple[dict[str, Any], CumulativeContribution]:
    """The row of a head, and its contribution."""
    vectors = orthonormal_class_vectors(head.kernel, drop_classes=dropped)
    held = cumulative_contribution(vectors.singular_values)
    noise = np.random.default_rng(SEED).normal(size=(vectors.channels, len(vectors.classes)))
    random = cumulative_contribution(np.linalg.svd(noise, compute_uv=False))
    row = {
        "head": name,
        "channels": vectors.channels,
        "classes": len(vectors.classes),
        "rank": vectors.rank,
        "half": held.half,
        "sum_at_half": round(100 * held.half_of_sums, 1),
        "random_sum_at_half": round(100 * random.half_of_sums, 1),
        "squares_at_half": round(100 * held.half_of_squares, 1),
        "random_squares_at_half": round(100 * random.half_of_squares, 1),
        "dimensions_for_80_sum": _reached(held.sums),
        "dimensions_for_80_squares": _reached(held.squares),
        "isometry": vectors.isometry,
    }
    return row, held


def _reached(shares: np.ndarray) -> int:
    """How many dimensions hold the claimed share."""
    return int(np.searchsorted(shares, CLAIM)) + 1


def show(rows: list[dict[str, Any]]) -> None:
    table = Table(*COLUMNS.values(), title="Cumulative contribution of singular values", box=None)
    for row in rows:
        table.add_row(*(str(row[column]) for column in COLUMNS))
    Console(width=170).print(table)


if __name__ == "__main__":
    main()
