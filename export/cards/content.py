"""What a card says: one content for Markdown and HTML, made of a contract and golden requests alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from export.cards.calls import client_call
from export.cards.figures import png_bars, png_curves
from export.cards.samples import Figures, samples
from export.cards.text import block, bullets, code, number, plain, table
from export.prediction_log import Golden
from zoo.models.cards import SECTIONS

Rows = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Card:
    """A card before it is written.

    Attributes:
        name: Of the model.
        markdown: The whole text; `![what it shows](figure:NAME)` stands for a figure.
        figures: NAME -> draws it as PNG; None where it cannot be shown.
    """

    name: str
    markdown: str
    figures: Figures


def make_card(contract: Mapping[str, Any], goldens: Sequence[Golden]) -> Card:
    """Returns the card of a run or of an exported version.

    Args:
        contract: See `export.contract`.
        goldens: The golden requests of an exported version; empty for a run.
    """
    figures: Figures = {}
    texts = {
        "What it is": f"{plain(contract['summary'])}.\n\nSource: {plain(contract['source'])}.",
        "Input and output": _input_and_output(contract, goldens),
        "Measured": _measured(contract, figures),
        "Examples": _examples(goldens, figures),
        "Made with": _made_with(contract),
        "Limits": contract["limits"] or "The authors of this model state none.",
        "Licence": _licence(contract["licence"]),
    }
    parts = [f"# {plain(contract['name'])}", *(f"## {title}\n\n{texts[title]}" for title in SECTIONS)]
    return Card(contract["name"], "\n\n".join(parts) + "\n", figures)


def _input_and_output(contract: Mapping[str, Any], goldens: Sequence[Golden]) -> str:
    facts = {"input": contract["inputs"], "output": contract["outputs"], "pixels": contract["pixel_range"]}
    facts |= contract.get("input_contract", {})
    lines = (f"{plain(key.replace('_', ' ').capitalize())}: {plain(_listed(facts[key]))}" for key in facts)
    parts = [bullets(*lines)]
    found = contract["signatures"]
    if not found:
        return f"{parts[0]}\n\nSignatures and client calls are written by `mizoo export`."
    rows = [
        [code(name), _tensors(signature["inputs"]), _tensors(signature["outputs"])]
        for name, signature in found.items()
    ]
    parts.append(table(["signature", "input", "output"], rows))
    parts.append("N is the number of rows of a request, ? a size that may vary. `mizoo serve`, then:")
    examples = {golden.signature: golden.inputs for golden in goldens}
    for name, signature in found.items():
        call = client_call(contract["name"], name, signature["inputs"], examples.get(name, {}))
        parts.append(f"{code(name)}:\n\n" + block(call, "python"))
    return "\n\n".join(parts)


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _tensors(specs: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{code(alias)} {plain(spec['dtype'])} {_shape(spec['shape'])}" for alias, spec in specs.items()
    )


def _shape(shape: Sequence[int | None] | None) -> str:
    if shape is None:
        return "of any rank"
    sizes = [
        "N" if size is None and not axis else "?" if size is None else str(size)
        for axis, size in enumerate(shape)
    ]
    return rf"\[{', '.join(sizes)}\]"


def _measured(contract: Mapping[str, Any], figures: Figures) -> str:
    data, seed = contract["data"], contract["made_with"]["seed"]
    parts = []
    for split, rows in contract["metrics"].items():
        counts = f"{data['rows'].get(split, '?')} rows of the {plain(split)} split, {data['rows']['train']} trained on"
        parts += [
            f"Data set {code(data['name'])}: {counts}; seed {seed}. "
            "The other columns are references that `model` must beat.",
            block(contract["command"], "sh"),
            metrics_table(rows),
            f"![The {plain(split)} metrics of the model beside those of the trivial predictors](figure:{split})",
        ]
        figures[split] = partial(png_bars, rows)
    if history := contract["history"]:
        parts += [_history(history), "![Learning curves](figure:curves)"]
        figures["curves"] = partial(png_curves, history)
    else:
        parts.append("There are no learning curves: nothing was trained in epochs.")
    return "\n\n".join(parts)


def metrics_table(rows: Rows) -> str:
    """Formats predictor -> metric -> value as a Markdown table, a row per metric."""
    metrics = list(next(iter(rows.values())))
    lines = [
        [plain(metric), *(number(row[metric]) if metric in row else "" for row in rows.values())]
        for metric in metrics
    ]
    return table(["metric", *map(plain, rows)], lines)


def _history(history: Mapping[str, Sequence[float]]) -> str:
    """First, best and last epoch: what the curves show, for those who cannot see them."""
    last = len(history["epoch"]) - 1
    judged = history.get("val_loss", history.get("loss", history["epoch"]))
    best = min(range(last + 1), key=lambda epoch: judged[epoch])
    names = [name for name in history if name != "epoch"]
    rows = [
        [f"{said}, {history['epoch'][place]:g}", *(number(history[name][place]) for name in names)]
        for said, place in (("first", 0), ("best", best), ("last", last))
    ]
    return table(["epoch", *map(plain, names)], rows)


def _examples(goldens: Sequence[Golden], figures: Figures) -> str:
    if not goldens:
        return "Example inputs and outputs are written by `mizoo export`."
    parts = [
        "Inputs (→) and what the model answered in Keras when it was exported; every serving path was compared with it."
    ]
    for place, golden in enumerate(goldens):
        shown, pictures = samples(golden, place)
        figures.update(pictures)
        parts.append(f"{code(golden.signature)}:\n\n{shown}")
    return "\n\n".join(parts)


def _made_with(contract: Mapping[str, Any]) -> str:
    made = contract["made_with"]
    settings = ", ".join(f"{key}={value}" for key, value in contract["config"].items() if value is not None)
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    weights = contract.get("weights_sha256")
    return bullets(
        f"Run {code(contract['run'])} of {code(contract['model'])}, started {plain(made['started'])}",
        f"Python {plain(made['python'])}, {plain(versions)}; backend {plain(made['backend'])}",
        f"{plain(made['system'])}, {plain(made['device'])}, {made['cores']} cores, {plain(made['precision'])}, "
        f"{made['devices']} device(s)",
        *([f"Preset {code(made['preset'])}"] if made["preset"] else []),
        f"Settings: {code(settings)}",
        *([f"SHA-256 of the weights: {code(weights)}"] if weights else []),
    )


def _licence(licence: Mapping[str, Any]) -> str:
    parts = [
        bullets(
            f"Code: {plain(licence['code'])}",
            f"Weights: {plain(licence['weights'])}",
            f"Data: {plain(licence['data'])}; their terms bind the trained weights too",
        )
    ]
    if licence["research_only"]:
        parts.insert(
            0, "**Research only**: the weights or the data that this model was made from forbid other use."
        )
    return "\n\n".join(parts)
