"""From a run folder or an exported version to its card, and from the card to its files."""

from __future__ import annotations

from pathlib import Path

from google.protobuf.message import DecodeError

from export.cards.content import Card, make_card
from export.cards.html import to_html
from export.cards.markdown import to_markdown
from export.contract import read_contract, run_contract
from export.prediction_log import GOLDEN_FILE, read_goldens
from zoo.checks import existing
from zoo.errors import ExportError, ZooError
from zoo.files import write_text
from zoo.training.run import Run

MARKDOWN, HTML = "CARD.md", "card.html"
_SAVED_MODEL = "saved_model.pb"


def run_card(run: Run) -> Card:
    """Returns the card of a trained model, before any export.

    Raises:
        RunError: The run was not measured on its test split.
    """
    return make_card(run_contract(run), [])


def version_card(folder: Path) -> Card:
    """Returns the card of an exported version; the run is not needed.

    Raises:
        ExportError: Its contract is missing, of another schema, or incomplete.
    """
    contract = read_contract(folder)
    try:
        goldens = list(read_goldens(folder)) if (folder / GOLDEN_FILE).is_file() else []
        return make_card(contract, goldens)
    except ZooError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, StopIteration, DecodeError) as error:
        raise ExportError(
            f"No card can be made of {folder}: {type(error).__name__}: {error}.",
            expected="contract.json and golden_predictions as `mizoo export` wrote them",
            fix="fetch or export the version again",
        ) from error


def find(target: Path) -> Run | Path:
    """Returns the finished run or the version's folder that a path names; of a model's folder the highest version.

    Raises:
        DataError: There is no such path.
        RunError: The run has not ended.
        ExportError: The path is neither.
    """
    existing(target, "The run or exported version")
    if (target / "config.json").is_file():
        run = Run.open(target)
        run.require_finished()
        return run
    if (target / _SAVED_MODEL).is_file():
        return target
    versions = [p for p in target.iterdir() if p.name.isdigit()] if target.is_dir() else []
    if complete := [p for p in versions if (p / _SAVED_MODEL).is_file()]:
        return max(complete, key=lambda path: int(path.name))
    raise ExportError(
        f"{target} has no model card: it is neither a run nor an exported model.",
        expected="runs/NAME/TIME, models/NAME or models/NAME/VERSION",
        fix="name such a folder; `mizoo train` and `mizoo export` make them",
    )


def write_card(card: Card, markdown: Path, html: Path) -> None:
    """Writes both forms, the Markdown last: a run counts as finished when it is there.

    Raises:
        MissingExtraError: matplotlib or Pillow is not installed; nothing was written.
    """
    write_text(html, to_html(card))
    write_text(markdown, to_markdown(card))
