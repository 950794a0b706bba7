"""What a version folder says of itself: everything in an index entry that is not about its archive."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from export.contract import CONTRACT_FILE, saved_signatures
from export.golden import TOLERANCE
from export.prediction_log import GOLDEN_FILE, read_goldens
from export.store.entry import Licence
from export.store.goldens import golden_to_json
from export.store.names import check_name, check_version
from serving.protocol import messages, tensors, tfrecord
from serving.server.errors import StatusError
from serving.server.saved_model import SERVE_TAG
from serving.server.source import SAVED_MODEL, versions
from zoo.errors import StoreError

# An index is read as a whole by everybody, and kept for ever in the history.
MAX_GOLDEN_BYTES = 2**18


@dataclass(frozen=True)
class LicenceTexts:
    """What a publisher says of the terms; None is what the contract of the model says."""

    code: str | None = None
    weights: str | None = None
    data: str | None = None


@dataclass(frozen=True)
class Description:
    """What becomes part of an `Entry`; the attributes are named and meant as there."""

    name: str
    version: int
    licence: Licence
    signatures: Mapping[str, Any]
    input_contract: Mapping[str, Any]
    golden: Mapping[str, Any]
    requires: Mapping[str, str]
    metrics: Mapping[str, Any]
    command: str


def version_folder(model_dir: Path) -> Path:
    """Returns the folder of a version: the given one, or the highest of the given model.

    Args:
        model_dir: `.../NAME/VERSION` or `.../NAME`.

    Raises:
        StoreError: Neither; says what is there.
    """
    model_dir = model_dir.absolute()
    if not model_dir.is_dir():
        raise _no_model(f"There is no folder {model_dir}")
    if (model_dir / SAVED_MODEL).is_file():
        if not (model_dir.name.isascii() and model_dir.name.isdigit()):
            raise _no_model(f"{model_dir} holds a SavedModel, and its name is no version")
        return model_dir
    found = versions(model_dir)
    if not found:
        raise _no_model(f"{model_dir} holds neither {SAVED_MODEL} nor a folder of a version")
    highest = found[max(found)]
    if not (highest / SAVED_MODEL).is_file():
        raise _no_model(f"{highest}, the highest version of {model_dir.name}, holds no {SAVED_MODEL}")
    return highest


def describe(folder: Path, texts: LicenceTexts) -> Description:
    """Reads a version folder, without tensorflow.

    Args:
        folder: As `version_folder` returns it.
        texts: Terms that override or supply those of the model's contract.

    Raises:
        StoreError: It is no SavedModel, its contract or goldens cannot be read, or terms are not known.
    """
    contract = _contract(folder / CONTRACT_FILE)
    graph, signatures = _graph(folder)
    return Description(
        name=check_name(folder.parent.name),
        version=check_version(int(folder.name)),
        licence=_licence(folder, contract.get("licence"), texts),
        signatures=signatures,
        input_contract=_mapping(contract, "input_contract"),
        golden=_goldens(folder),
        requires=_requires(graph),
        metrics=_mapping(contract, "metrics"),
        command=str(contract.get("command", "")),
    )


def _contract(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        # NaN in the index would break every JSON parser but Python's.
        content = json.loads(path.read_bytes(), parse_constant=str)
    except ValueError as error:
        raise _bad_contract(f"{type(error).__name__}: {error}") from error
    if not isinstance(content, dict):
        raise _bad_contract(f"it holds {type(content).__name__}, not an object")
    return content


def _mapping(contract: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = contract.get(key, {})
    if not isinstance(value, dict):
        raise _bad_contract(f"{key} is {value!r}, not an object")
    return value


def _licence(folder: Path, said: object, texts: LicenceTexts) -> Licence:
    known = {} if said is None else said
    if not isinstance(known, dict):
        raise _bad_contract(f"licence is {known!r}, not an object")
    research_only = known.get("research_only", False)
    if not isinstance(research_only, bool):
        raise _bad_contract(f"licence.research_only is {research_only!r}, not true or false")
    terms = {key: getattr(texts, key) or known.get(key) or "" for key in ("code", "weights", "data")}
    if missing := [key for key, text in terms.items() if not str(text).strip()]:
        raise StoreError(
            f"{folder} does not say on which terms its {' and '.join(missing)} may be used.",
            expected=f"licence in {CONTRACT_FILE}, as mizoo exports it, or the terms as options",
            fix="publish with " + " ".join(f"--{key}-licence TEXT" for key in missing),
        )
    return Licence(str(terms["code"]), str(terms["weights"]), str(terms["data"]), research_only)


def _graph(folder: Path) -> tuple[Any, dict[str, Any]]:
    try:
        signatures = saved_signatures(folder)
        content = messages.SavedModel.FromString((folder / SAVED_MODEL).read_bytes())
    except (StatusError, DecodeError) as error:
        raise _no_model(f"{folder / SAVED_MODEL} cannot be read: {error}") from error
    return next(g for g in content.meta_graphs if set(g.meta_info_def.tags) == {SERVE_TAG}), signatures


def _requires(graph: Any) -> dict[str, str]:
    import zoo

    used = {node.op for node in graph.graph_def.node}
    for function in graph.graph_def.library.function:
        used.update(node.op for node in function.node_def)
    return {
        "tensorflow": graph.meta_info_def.tensorflow_version,
        "mizoo": zoo.__version__,
        "ops_sha256": hashlib.sha256("\n".join(sorted(used)).encode()).hexdigest(),
    }


def _goldens(folder: Path) -> dict[str, Any]:
    pairs: list[dict[str, Any]] = []
    archive_only: list[str] = []
    if (folder / GOLDEN_FILE).is_file():
        try:
            encoded = [golden_to_json(golden) for golden in read_goldens(folder)]
        except (tfrecord.RecordError, tensors.TensorError, DecodeError) as error:
            raise _no_model(f"{folder / GOLDEN_FILE} cannot be read: {error}") from error
        for pair in encoded:
            if len(json.dumps(pair)) <= MAX_GOLDEN_BYTES:
                pairs.append(pair)
            else:
                archive_only.append(pair["signature"])
    return {"tolerance": TOLERANCE, "pairs": pairs, "archive_only": archive_only}


def _no_model(what: str) -> StoreError:
    return StoreError(
        f"{what}.",
        expected=f"MODELS_DIR/NAME/VERSION/{SAVED_MODEL}, VERSION being a whole number from 1 on",
        fix="name the folder that `mizoo export` wrote: .../NAME/VERSION, or .../NAME for its highest version",
    )


def _bad_contract(why: str) -> StoreError:
    return StoreError(
        f"{CONTRACT_FILE} cannot be used: {why}.",
        expected="the facts that `mizoo export` writes",
        fix="export the model again, or remove that file and name the terms by --code-licence, "
        "--weights-licence and --data-licence",
    )
