"""Terms that bind a trained model: those of its code, of the weights it started from, and of its data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.backbones.table import get_backbone_spec, is_foreign
from zoo.catalog import get_spec
from zoo.data.licences import data_terms
from zoo.handles import STORE, split_version

if TYPE_CHECKING:
    from zoo.training.run import Run

_TERMS = {"weights", "data", "research_only"}


def licence_of(run: Run, *, data_licence: str | None = None, research_only: bool = False) -> dict[str, Any]:
    """Returns the `licence` of a contract: `code`, `weights`, `data`, `research_only`.

    Args:
        run: The run folder.
        data_licence: What the user states of the data; the terms of a known data set stay beside it.
        research_only: Marks the model; one whose weights or data are known to be for research stays marked.
    """
    spec = get_spec(run.record["model"])
    weights, weights_research = _weights(run)
    data, data_research = _data(run.record["data"]["name"], data_licence)
    return {
        "code": spec.code_licence,
        "weights": weights,
        "data": data,
        "research_only": research_only or spec.research_only or weights_research or data_research,
    }


def _data(name: str, stated: str | None) -> tuple[str, bool]:
    terms = data_terms(name)
    if terms is None:
        return f"{name}: {stated or 'not stated; the user’s own'}", False
    return f"{name}: {terms}" + (f"; stated at export: {stated}" if stated else ""), terms.research_only


def _weights(run: Run) -> tuple[str, bool]:
    """Terms of the pretrained weights that the run started from, if any, and whether they are for research only."""
    config, facts = run.record["config"], run.record["facts"]
    if "backbone" not in config:
        return get_spec(run.record["model"]).weights_licence, False
    found = [_network(config["backbone"], config.get("weights"), facts.get("backbone_sha256"))]
    if second := config.get("second_backbone"):
        found.append(_network(second, config.get("second_weights"), None))
    if vectors := config.get("word_vectors"):
        found.append((f"word vectors of {Path(vectors).name}: as their publisher states", False))
    texts, research = zip(*found, strict=True)
    return "; ".join(texts), any(research)


def _network(backbone: str, weights: str | None, digest: str | None) -> tuple[str, bool]:
    """Terms of one network's weights."""
    if backbone.startswith(STORE) and (terms := _fetched(backbone)):
        return f"{backbone}: {terms['weights']}; trained on {terms['data']}", terms["research_only"]
    if is_foreign(backbone):
        return f"{backbone}: as its publisher states; not judged here", False
    if weights is None:
        return "backbone and head trained from random weights", False
    spec = get_backbone_spec(backbone)
    whose = f" (sha256 of the weights {digest})" if digest else ""
    return f"{backbone} from {Path(weights).name}{whose}: {spec.weights_licence}", spec.research_only


def _fetched(handle: str) -> dict[str, Any] | None:
    """The terms of a model of a store, which was fetched when the run began; None where it is not one of ours."""
    from export.contract import CONTRACT_FILE
    from export.store.fetch import fetch

    file = fetch(*split_version(handle.removeprefix(STORE)), offline=True) / CONTRACT_FILE
    terms = json.loads(file.read_text(encoding="utf-8")).get("licence") if file.is_file() else None
    known: dict[str, Any] | None = terms if isinstance(terms, dict) and terms.keys() >= _TERMS else None
    return known
