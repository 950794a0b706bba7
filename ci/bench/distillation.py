"""Is block-wise distillation better than distilling the whole, and than training from scratch, at equal compute?

The report's two students, each strategy and seed, on one data set; block-wise fine-tuned at the full rate, and at a
tenth of it. A student's compute is that of so many epochs of training it alone (preset `cpu`: 15, of 10,000 pictures);
passes of the teacher count, see `zoo.models.distillation.compute`. Every cell is a run folder under --runs: a bench
that was killed goes on.

    python -m ci.bench.distillation --data DIR/cifar10
    python -m ci.bench.distillation --data DIR/cifar10 --teacher-epochs 60
    python -m ci.bench.distillation --data DIR/tiny-imagenet-100-32 --teacher-epochs 60 --others 1

writes ci/bench/results/distillation_<data set>_teacher_<its epochs>.json and a figure of accuracy over compute per
student.
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

from rich.console import Console
from rich.table import Table

from ci.bench.distillation_cells import (
    OTHERS,
    PRESET,
    STRATEGIES,
    STUDENTS,
    TEACHER,
    TENTH,
    Cell,
    cost_of,
    planned,
    student_cell,
    teacher_cell,
)
from ci.bench.report import RESULTS, write_report
from zoo.catalog import get_spec
from zoo.data.batches import Splits
from zoo.models.distillation.figures import BASELINE, Curve, draw_learning_curves
from zoo.models.distillation.progress_curves import strategy_curve
from zoo.recipe import DataOptions

COMMAND = (
    "python -m ci.bench.distillation --data DIR/{data} --teacher-epochs {teacher_epochs} --seeds {seeds} "
    "--others {others}{more}"
)
RUNS = Path("runs/bench-distillation")
METRICS = ("accuracy", "top5_accuracy", "agreement")


def main() -> None:
    """Trains every cell that is missing, prints the table, writes the report and its figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder in the CIFAR binary layout")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--students", nargs="+", choices=STUDENTS, default=list(STUDENTS))
    parser.add_argument("--others", type=int, default=0, help="seeds of what else was tried")
    parser.add_argument(
        "--others-of", nargs="+", choices=STUDENTS, default=list(STUDENTS), help="with these students"
    )
    parser.add_argument(
        "--teacher-epochs",
        type=int,
        default=15,
        help="a teacher of many classes needs more; not counted as compute",
    )
    parser.add_argument("--runs", type=Path, default=RUNS)
    parser.add_argument("--set", action="append", default=[], help="key=value of every training")
    given = parser.parse_args()

    from zoo.config import parse_overrides

    common: dict[str, Any] = dict(parse_overrides(given.set))
    recipe = get_spec(TEACHER).load().configured(PRESET, common)
    splits = recipe.splits(given.data, DataOptions(progress=True))
    runs = given.runs / splits.name
    wanted = [
        (s, label, student) for s in range(given.seeds) for label in STRATEGIES for student in given.students
    ]
    wanted += [
        (s, label, student) for s in range(given.others) for label in OTHERS for student in given.others_of
    ]
    taught = common | {"epochs": given.teacher_epochs}
    teachers = {seed: teacher_cell(seed, taught, splits, runs) for seed in range(given.seeds)}
    cells = list(teachers.values())
    for seed, label, student in wanted:
        cells.append(student_cell(student, label, teachers[seed], common, splits, runs))
        say(cells[-1])
    rows = [row(student, label, own) for (student, label), own in grouped(cells).items()]
    rows += [majority(splits)]
    print_table(rows, splits.name)
    verdicts = [verdict(student, label, rows) for student in given.students for label in ("blockwise", TENTH)]
    print("\n".join(verdicts))
    report = f"distillation_{splits.name}_teacher_{given.teacher_epochs}"
    for student in given.students:
        draw_learning_curves(
            curves(student, cells, common, splits),
            RESULTS / f"{report}_{student}.png",
        )
    more = "".join(
        f" --{option} {' '.join(chosen)}"
        for option, chosen in (("students", given.students), ("others-of", given.others_of))
        if chosen != list(STUDENTS)
    )
    more += "".join(f" --set {each}" for each in given.set)
    path = write_report(
        report,
        command=COMMAND.format(
            data=splits.name,
            teacher_epochs=given.teacher_epochs,
            seeds=given.seeds,
            others=given.others,
            more=more,
        ),
        data=f"{splits.name}, {len(splits.facts['classes'])} classes, "
        f"{len(splits.train)}/{len(splits.validation)}/{len(splits.test)} pictures of 32x32",
        seeds=list(range(given.seeds)),
        rows=rows,
        extra={
            "verdicts": verdicts,
            "settings": {key: str(value) for key, value in vars(recipe.config).items()},
            "plans": {student: vars(planned(student, common, splits)) for student in given.students},
        },
    )
    print(f"wrote {path.name}")


def grouped(cells: Sequence[Cell]) -> dict[tuple[str, str], list[Cell]]:
    """(student, label) -> its seeds."""
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.student, cell.label), []).append(cell)
    return groups


def row(student: str, label: str, cells: Sequence[Cell]) -> dict[str, Any]:
    """Mean, standard deviation and range over the seeds."""
    found: dict[str, Any] = {"student": student, "strategy": label, "seeds": len(cells)}
    for metric in METRICS:
        values = [100 * cell.result[metric] for cell in cells if metric in cell.result]
        if values:
            found[metric] = statistics.mean(values)
            found[f"{metric}_deviation"] = statistics.stdev(values) if len(values) > 1 else None
            found[f"{metric}_range"] = [min(values), max(values)]
    for name in ("joined", "recalibrated"):
        values = [100 * cell.stages[name]["accuracy"] for cell in cells if name in cell.stages]
        found[f"{name}_accuracy"] = statistics.mean(values) if values else None
    found |= {key: cells[0].result[key] for key in ("multiply_adds", "parameters")}
    for name in ("seconds", "cpu_seconds"):
        timed = [cell.result[name] for cell in cells if cell.result[name] is not None]
        found[name] = statistics.mean(timed) if timed else None
    return found


def curves(student: str, cells: Sequence[Cell], common: dict[str, Any], splits: Splits) -> list[Curve]:
    """The teacher's curve and those of the strategies."""
    groups = grouped(cells)
    cost, pictures = cost_of(student, common, splits), len(splits.train)

    def curve(name: str, strategy: str, own: Sequence[Cell]) -> Curve:
        return strategy_curve(name, strategy, [cell.run for cell in own], cost, pictures)

    return [
        curve(BASELINE, "scratch", groups[TEACHER, "teacher"]),
        *(curve(label, how["strategy"], groups[student, label]) for label, how in STRATEGIES.items()),
    ]


def majority(splits: Splits) -> dict[str, Any]:
    """What saying the commonest class gets."""
    import numpy as np

    common = np.bincount(splits.train.targets["label"]).argmax()
    right = float((np.asarray(splits.test.targets["label"]) == common).mean())
    return {"student": "-", "strategy": "majority class", "seeds": 0, "accuracy": 100 * right}


def verdict(student: str, label: str, rows: Sequence[dict[str, Any]]) -> str:
    """Whether a block-wise strategy wins; below two standard errors it is a tie, one seed is not judged."""
    own = {row["strategy"]: row for row in rows if row["student"] == student}
    block, told = own[label], []
    for other in ("whole", "scratch"):
        gain = block["accuracy"] - own[other]["accuracy"]
        if block["seeds"] < 2:
            told.append(f"is {gain:+.2f} points from {other} (one seed)")
            continue
        error = math.sqrt(sum(row["accuracy_deviation"] ** 2 for row in (block, own[other])) / block["seeds"])
        word = "ties with" if abs(gain) < 2 * error else "beats" if gain > 0 else "loses to"
        told.append(f"{word} {other} ({gain:+.2f} points, standard error {error:.2f})")
    return f"{student}: at equal compute {label} " + " and ".join(told)


def say(cell: Cell) -> None:
    """Says what one training has reached."""
    time = "" if cell.result["seconds"] is None else f", {cell.result['seconds']:.0f} s"
    print(
        f"seed {cell.seed}, {cell.student}, {cell.label}: accuracy {100 * cell.result['accuracy']:.2f}{time}",
        flush=True,
    )


def print_table(rows: Sequence[dict[str, Any]], data: str) -> None:
    """Prints what was measured on the test split, in percent."""
    columns = (
        "student",
        "strategy",
        "seeds",
        "top 1",
        "top 5",
        "agrees",
        "joined",
        "re-calibrated",
        "M MACs",
        "s",
    )
    table = Table(*columns, title=f"{data}, test split, %", box=None, header_style="bold")
    for found in rows:
        table.add_row(
            found["student"],
            found["strategy"],
            str(found["seeds"]),
            _with_spread(found, "accuracy"),
            _with_spread(found, "top5_accuracy"),
            _with_spread(found, "agreement"),
            *(_number(found.get(f"{name}_accuracy")) for name in ("joined", "recalibrated")),
            _number(found.get("multiply_adds", 0) / 1e6),
            _number(found.get("seconds"), 0),
        )
    Console(width=160).print(table)


def _with_spread(found: dict[str, Any], metric: str) -> str:
    spread = found.get(f"{metric}_deviation")
    return _number(found.get(metric)) + (f" ± {spread:.1f}" if spread is not None else "")


def _number(value: float | None, digits: int = 1) -> str:
    return "" if value is None else f"{value:.{digits}f}"


if __name__ == "__main__":
    main()
