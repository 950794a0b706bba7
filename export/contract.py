"""assets.extra/contract.json: what clients, the model store and the card know of an exported version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from export.licence import licence_of
from serving.protocol import dtypes, signatures
from serving.server import saved_model
from zoo.catalog import get_spec
from zoo.errors import ExportError
from zoo.models.cards import limits_of
from zoo.training.curves import read_history

if TYPE_CHECKING:
    from zoo.training.run import Run

SCHEMA = 2
CONTRACT_FILE = Path("assets.extra/contract.json")


def run_contract(run: Run, *, data_licence: str | None = None, research_only: bool = False) -> dict[str, Any]:
    """Returns what the run folder alone tells; export adds digest, input contract and signatures.

    Args:
        run: Measured on its test split.
        data_licence: See `export.licence.licence_of`.
        research_only: Likewise.

    Raises:
        RunError: The run was not measured on its test split.
    """
    record, environment, spec = run.record, run.environment, get_spec(run.record["model"])
    return {
        "schema": SCHEMA,
        "name": spec.name,
        "model": spec.name,
        "run": run.id,
        "summary": spec.summary,
        "source": spec.source,
        "inputs": spec.inputs,
        "outputs": spec.outputs,
        "pixel_range": spec.pixel_range,
        "config": record["config"],
        "facts": record["facts"],
        "signatures": {},
        "data": {"name": record["data"]["name"], "rows": record["rows"]},
        "metrics": {"test": run.metrics("test")},
        "command": f"mizoo evaluate runs/{run.id}",
        "history": read_history(run.folder / "history.csv"),
        "made_with": {"started": record["started"], "preset": record["preset"], **environment},
        "limits": limits_of(spec),
        "licence": licence_of(run, data_licence=data_licence, research_only=research_only),
    }


def read_contract(version_folder: Path) -> dict[str, Any]:
    """Reads the contract of an exported version.

    Raises:
        ExportError: There is none, it is no JSON object, or it is of another schema.
    """
    path = version_folder / CONTRACT_FILE
    try:
        contract: Any = json.loads(path.read_text(encoding="utf-8"))
        schema = contract.get("schema")
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise ExportError(
            f"{path} cannot be read: {type(error).__name__}: {error}.",
            expected="the contract of a version that `mizoo export` wrote",
            fix="name such a folder, or export the run again",
        ) from error
    if schema != SCHEMA:
        raise ExportError(
            f"{path} was written with schema {schema!r}"
            + (", which has neither limits nor licence, history nor outputs." if schema == 1 else "."),
            expected=f"schema {SCHEMA}",
            fix="export the run again with this version of mizoo: mizoo export RUN --to MODELS",
        )
    found: dict[str, Any] = contract
    return found


def saved_signatures(version_folder: Path) -> dict[str, Any]:
    """Returns what the SavedModel itself declares: signature -> {"inputs", "outputs"} -> alias -> dtype, shape.

    A dimension that may vary is None, and so is a shape of unknown rank.
    """
    found = signatures.parse(saved_model.read(version_folder).signature_defs)
    return {
        name: {"inputs": _specs(signature.inputs), "outputs": _specs(signature.outputs)}
        for name, signature in sorted(found.items(), key=lambda item: item[0] != signatures.DEFAULT_SIGNATURE)
    }


def _specs(specs: Any) -> dict[str, Any]:
    return {
        alias: {
            "dtype": dtypes.python_name(spec.dtype),
            "shape": None if spec.shape is None else [None if size < 0 else size for size in spec.shape],
        }
        for alias, spec in specs.items()
    }
