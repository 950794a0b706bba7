"""What training in mixed_bfloat16 does to the accuracy of the students: the cells of `ci.bench.distillation` twice.

    python -m ci.bench.distillation_precision --data DIR/cifar10

The teachers and the float32 cells are those of `ci.bench.distillation`, where that has been run with the same --runs.
How much faster a step is says `ci.bench.distillation_speed`. Writes ci/bench/results/distillation_precision.json.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from ci.bench.distillation import RUNS, say
from ci.bench.distillation_cells import (
    PRESET,
    STRATEGIES,
    STUDENTS,
    TEACHER,
    Cell,
    student_cell,
    teacher_cell,
)
from ci.bench.report import write_report
from ci.bench.timing import show
from zoo.catalog import get_spec
from zoo.recipe import DataOptions
from zoo.training.options import PRECISIONS

COMMAND = (
    "python -m ci.bench.distillation_precision --data DIR/{data} --seeds {seeds} --students {students} "
    "--strategies {strategies}"
)


def main() -> None:
    """Trains the cells that are missing, prints the table, writes the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder in the CIFAR binary layout")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--teacher-epochs", type=int, default=15)
    parser.add_argument("--students", nargs="+", choices=STUDENTS, default=STUDENTS)
    parser.add_argument("--strategies", nargs="+", choices=STRATEGIES, default=list(STRATEGIES))
    parser.add_argument("--runs", type=Path, default=RUNS)
    given = parser.parse_args()
    splits = get_spec(TEACHER).load().configured(PRESET, {}).splits(given.data, DataOptions(progress=True))
    runs = given.runs / splits.name
    teachers = [
        teacher_cell(seed, {"epochs": given.teacher_epochs}, splits, runs) for seed in range(given.seeds)
    ]
    rows = []
    for student in given.students:
        for label in given.strategies:
            cells: dict[str, list[Cell]] = {precision: [] for precision in PRECISIONS}
            for teacher in teachers:
                for precision, own in cells.items():
                    own.append(student_cell(student, label, teacher, {}, splits, runs, precision))
                    print(precision, end=", ")
                    say(own[-1])
            rows.append(row(student, label, cells["float32"], cells["mixed_bfloat16"]))
    show(f"{splits.name}, test split, top 1, %", rows)
    write_report(
        "distillation_precision",
        command=COMMAND.format(
            data=splits.name,
            seeds=given.seeds,
            students=" ".join(given.students),
            strategies=" ".join(given.strategies),
        ),
        data=f"{splits.name}, {len(splits.train)}/{len(splits.validation)}/{len(splits.test)} pictures of 32x32",
        seeds=range(given.seeds),
        rows=rows,
    )


def row(student: str, strategy: str, single: Sequence[Cell], mixed: Sequence[Cell]) -> dict[str, Any]:
    """Means, and the mean of the seeds' differences with its standard error; a tie is one below two of these."""
    one, two = ([100 * cell.result["accuracy"] for cell in cells] for cells in (single, mixed))
    gains = [b - a for a, b in zip(one, two, strict=True)]
    gain = statistics.mean(gains)
    error = statistics.stdev(gains) / math.sqrt(len(gains)) if len(gains) > 1 else None
    return {
        "student": student,
        "strategy": strategy,
        "seeds": len(gains),
        "float32": statistics.mean(one),
        "mixed_bfloat16": statistics.mean(two),
        "difference": gain,
        "standard error": error,
        "verdict": "one seed" if error is None else "tie" if abs(gain) < 2 * error else "differs",
    }


if __name__ == "__main__":
    main()
