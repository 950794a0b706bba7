"""Writes `MODELS_DIR/<name>/<version>/`: whole and verified, or not at all."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.cards.target import HTML, MARKDOWN, version_card, write_card
from export.contract import CONTRACT_FILE, saved_signatures
from export.golden import TOLERANCE, write_goldens
from export.signatures import Signature, write_saved_model
from export.warmup import write_warmup
from zoo.errors import ExportError
from zoo.files import sync, write_json

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class NewVersion:
    """What is to become a version of a served model.

    Attributes:
        name: Of the model.
        signatures: What it answers.
        contract: Facts for clients and for the model store, of `export.contract.run_contract`; written to
            assets.extra/contract.json with name and signatures, and the model card of them beside it.
        version: None is the highest there plus one.
    """

    name: str
    signatures: list[Signature]
    contract: Mapping[str, Any]
    version: int | None = None


def export_versions(versions: Sequence[NewVersion], models_dir: Path) -> list[Path]:
    """Exports models for TensorFlow Serving: all of them, or none.

    Everything is written into a staging folder beside its target (TF Serving and the embedded server do not
    look into it), verified there in a fresh process that has tensorflow but no Keras model, and renamed.

    Args:
        versions: One of each model.
        models_dir: Folder of all served models.

    Returns:
        The versions' folders.

    Raises:
        ExportError: A version exists, a name is none or named twice, or an exported model does not answer as Keras
            does.
    """
    targets = [_target(one, models_dir) for one in versions]
    if len({one.name for one in versions}) < len(versions):
        raise ExportError(
            f"Several of {', '.join(one.name for one in versions)} have the same name.",
            fix="give every model its own",
        )
    models_dir.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=models_dir))
    try:
        staged = [staging / one.name / target.name for one, target in zip(versions, targets, strict=True)]
        for one, folder in zip(versions, staged, strict=True):
            write_version(folder, one.signatures, name=one.name, contract=one.contract)
        verify_apart(staging)
        for folder in staged:
            extra = folder / "assets.extra"
            write_card(version_card(folder), extra / MARKDOWN, extra / HTML)
        for folder, target in zip(staged, targets, strict=True):
            _commit(folder, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return targets


def check_name(name: str) -> None:
    """Raises ExportError on what cannot be the name of a served model."""
    if not _NAME.fullmatch(name):
        raise ExportError(
            f"'{name}' cannot be the name of a served model.",
            expected="letters, digits, '.', '_' and '-', beginning with a letter or digit",
            fix="name it after what it does, e.g. tagging_two_head",
        )


def _target(one: NewVersion, models_dir: Path) -> Path:
    """Returns the folder that a version will be."""
    check_name(one.name)
    number = next_version(models_dir / one.name) if one.version is None else one.version
    target = models_dir / one.name / str(number)
    if target.exists():
        raise _exists(target)
    return target


def write_version(
    folder: Path,
    signatures: list[Signature],
    *,
    name: str,
    contract: Mapping[str, Any],
) -> None:
    """Writes one version, not verified and without a card: SavedModel, warm-up, goldens, contract."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    write_saved_model(str(folder), signatures)
    write_warmup(folder, name, signatures)
    write_goldens(folder, name, signatures)
    write_json(folder / CONTRACT_FILE, {**contract, "name": name, "signatures": saved_signatures(folder)})


def next_version(model_dir: Path) -> int:
    """Returns the highest version in a model's folder plus one; 1 where there is none."""
    if not model_dir.is_dir():
        return 1
    return 1 + max((int(p.name) for p in model_dir.iterdir() if p.name.isdigit()), default=0)


def verify_apart(models_dir: Path) -> list[dict[str, Any]]:
    """Runs `export.verify` over all models of a folder in a fresh process, and returns its checks.

    Raises:
        ExportError: A check fails, or the process does.
    """
    command = [sys.executable, "-P", "-m", "export.verify", str(models_dir)]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    checks = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode == 0:
        return checks
    failed = [
        f"{c['model']}, {c['signature']} by {c['way']}: off by {c['largest_difference']:.3g}"
        for c in checks
        if not c["passed"]
    ]
    raise ExportError(
        "The exported model was not kept: " + ("; ".join(failed) or done.stderr.strip()[-2000:]),
        expected=f"the answers of the Keras model within {TOLERANCE:g}",
        fix="report this with the text above; the model itself is unharmed in its run folder",
    )


def _commit(staged: Path, target: Path) -> None:
    """Makes the staged version visible in one step that survives a power cut."""
    for path in [*staged.rglob("*"), staged]:
        sync(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        staged.rename(target)
    except OSError as error:
        if target.exists():  # another export of the same version was faster
            raise _exists(target) from error
        raise


def _exists(target: Path) -> ExportError:
    return ExportError(
        f"{target} exists already, and an exported version is never overwritten.",
        fix="leave --version out to get the next one, or remove that folder first",
    )
