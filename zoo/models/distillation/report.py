"""The table of a comparison: accuracy, multiply-adds, parameters, latency and size of teacher, students, variants."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from export.archive import NewVersion, export_versions
from export.contract import run_contract
from zoo.backbones import backbone_digest
from zoo.errors import ExportError, MissingExtraError
from zoo.files import write_json, write_text
from zoo.models.distillation.comparison import Comparison, best_run
from zoo.models.distillation.evaluation import evaluate
from zoo.models.distillation.figures import draw_learning_curves
from zoo.models.distillation.formats import write_onnx, write_tflite
from zoo.models.distillation.latency import latency
from zoo.models.distillation.progress_curves import baseline_curve, strategy_curve
from zoo.models.distillation.variants import VARIANTS, lowered, make_variant
from zoo.training.loading import load_trained, recipe_of
from zoo.training.run import Run

log = logging.getLogger(__name__)

BATCHES = (1, 32)
COLUMNS = {
    "model": "",
    "accuracy": "top 1, %",
    "spread": "±",
    "top5_accuracy": "top 5, %",
    "agreement": "agrees with the teacher, %",
    "million_multiply_adds": "M multiply-adds",
    "million_parameters": "M parameters",
    **{f"ms_{batch}": f"ms, batch {batch}" for batch in BATCHES},
    "saved_model_mib": "SavedModel, MiB",
}


def write_report(
    comparison: Comparison, runs: Mapping[str, Sequence[Run]], name: str
) -> list[dict[str, Any]]:
    """Draws the curves, exports teacher, best student and its variants, and writes report.json and REPORT.md.

    Args:
        comparison: Trained.
        runs: What `Comparison.train` returned.
        name: What the served student is called; `<name>_teacher`, `<name>_float16` and `<name>_int8` stand beside it.

    Returns:
        The rows of the table, see COLUMNS.
    """
    folder, splits = comparison.folder, comparison.splits
    teacher = comparison.teacher
    on_validation = evaluate(teacher, splits, splits.validation)["model"]["accuracy"]
    curves = [baseline_curve(on_validation, comparison.teacher_run())]
    for strategy, own in runs.items():
        folders = [run.folder for run in own]
        curves.append(strategy_curve(strategy, strategy, folders, comparison.cost, len(splits.train)))
    draw_learning_curves(curves, folder / "curves.png")

    chosen, run = best_run(runs)
    student: Any = load_trained(run)
    measured = evaluate(student, splits, splits.test, teacher)
    rows = [_row("teacher", teacher, [measured["teacher"]])]
    rows += [
        _row(strategy, student, [one.metrics("test")["model"] for one in own])
        for strategy, own in runs.items()
    ]
    rows.append({"model": "majority class", **_percent([measured["majority class"]])})
    models = {"teacher": teacher, chosen: student}
    served = [
        _teacher_version(comparison, run, measured["teacher"], f"{name}_teacher"),
        _version(run, student, run_contract(run), name),
    ]
    for kind in VARIANTS:
        try:
            variant = make_variant(student, kind)
        except ExportError as error:
            rows.append({"model": f"{chosen}, {kind}", "missing": error.what})
            continue
        label = f"{chosen}, {kind}"
        models[label] = variant
        found = evaluate(variant, splits, splits.test, teacher)["model"]
        rows.append(_row(label, variant, [found]) | {"lowered_share": lowered(variant.network).share})
        contract = run_contract(run)
        metrics = {**contract["metrics"]["test"], "model": found}
        served.append(_version(run, variant, contract | {"metrics": {"test": metrics}}, f"{name}_{kind}"))
    exported = dict(zip(models, export_versions(served, folder / "models"), strict=True))
    _add_latency(rows, models)
    for row in rows:
        if row["model"] in exported:
            row["saved_model_mib"] = _mebibytes(exported[row["model"]])
    _write_other_formats(student, folder / "files", name)
    facts = {"data": splits.name, "chosen": chosen, "run": str(run.folder.relative_to(folder))}
    write_json(folder / "report.json", {"schema": 1, **facts, "plan": vars(comparison.plan), "rows": rows})
    write_text(folder / "REPORT.md", to_markdown(rows, splits.name, chosen, comparison))
    return rows


def to_markdown(rows: Sequence[Mapping[str, Any]], data: str, chosen: str, comparison: Comparison) -> str:
    """Formats the table as Markdown."""
    request = comparison.request
    epochs = [f"{one} {comparison.plan.settings(one)}" for one in request.strategies]
    lines = [
        f"# Distillation on {data}",
        "",
        f"Teacher: {request.settings['teacher']}. Seeds: {request.seeds}. Every strategy had the compute of "
        f"{request.epochs} epochs of the student alone, {comparison.plan.budget / 1e6:.0f} M multiply-adds per "
        f"training picture, passes of the teacher counted: {', '.join(epochs)}.",
        "",
        f"Test split; the student with the best accuracy on validation, `{chosen}`, is the one that was exported.",
        "",
        "| " + " | ".join(COLUMNS.values()) + " |",
        "|" + "---|" * len(COLUMNS),
        *("| " + " | ".join(shown(row.get(column)) for column in COLUMNS) + " |" for row in rows),
        *(f"\n{row['model']}: {row['missing']}" for row in rows if "missing" in row),
        "",
        "![Accuracy over epochs and over compute](curves.png)",
    ]
    return "\n".join(lines) + "\n"


def shown(value: Any) -> str:
    """Formats a cell: text as it is, numbers with three digits or more, nothing where nothing was measured."""
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def _row(name: str, model: Any, measured: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    from zoo.surgery.macs import multiply_adds

    cost = {
        "million_multiply_adds": multiply_adds(model.network) / 1e6,
        "million_parameters": model.network.count_params() / 1e6,
    }
    return {"model": name, **_percent(measured), **cost}


def _percent(measured: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    found: dict[str, Any] = {
        metric: 100 * statistics.mean(one[metric] for one in measured)
        for metric in ("accuracy", "top5_accuracy", "agreement")
        if metric in measured[0]
    }
    if len(measured) > 1:
        found["spread"] = 100 * statistics.stdev(one["accuracy"] for one in measured)
    return found


def _add_latency(rows: Sequence[dict[str, Any]], models: Mapping[str, Any]) -> None:
    by_name = {row["model"]: row for row in rows}
    for found in latency(models, BATCHES):
        by_name[found.name][f"ms_{found.batch}"] = found.median_ms
        by_name[found.name][f"p95_ms_{found.batch}"] = found.p95_ms


def _teacher_version(
    comparison: Comparison, run: Run, measured: Mapping[str, float], name: str
) -> NewVersion:
    """The teacher with the signatures of its student, and the contract of its run where it has one."""
    source = comparison.teacher_run()
    contract = run_contract(Run.open(source) if source else run)
    if source is None:
        contract |= {
            "summary": "Teacher of a distillation",
            "config": {"teacher": comparison.request.settings["teacher"]},
            "history": {},
            "metrics": {"test": {"model": dict(measured)}},
        }
    return _version(run, comparison.teacher, contract, name)


def _version(run: Run, model: Any, contract: dict[str, Any], name: str) -> NewVersion:
    recipe = recipe_of(run)
    own = {"weights_sha256": backbone_digest(model), "input_contract": recipe.input_contract(model)}
    return NewVersion(name, recipe.signatures(model), contract | own)


def _write_other_formats(student: Any, folder: Path, name: str) -> None:
    for write, suffix in ((write_tflite, "tflite"), (write_onnx, "onnx")):
        try:
            write(student, folder / f"{name}.{suffix}")
        except (MissingExtraError, ExportError) as error:
            log.warning("no %s file: %s", suffix, error.what)


def _mebibytes(version: Path) -> float:
    """Size of graph and weights; goldens and warm-up do not count."""
    files = [version / "saved_model.pb", *(version / "variables").iterdir()]
    return sum(file.stat().st_size for file in files) / 2**20
