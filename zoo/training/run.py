"""The run folder: everything that one training wrote, and the record of how."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.checks import existing
from zoo.errors import DataError, RunError
from zoo.files import save_keras, write_json
from zoo.training.options import TrainingOptions, environment

if TYPE_CHECKING:
    from zoo.data.batches import Splits
    from zoo.recipe import Recipe

SCHEMA = 1
STAGES_FILE = "stages.json"


@dataclass(frozen=True)
class Run:
    """A folder `runs/<model>/<utc time>/`.

    Files: config.json (model, settings, data, facts), environment.json, history.csv, metrics.json,
    model.keras, figures/*.png, CARD.md, stages.json of a training that has several, and checkpoint/ until the
    training has ended.
    """

    folder: Path

    @classmethod
    def create(
        cls,
        root: Path,
        recipe: Recipe,
        splits: Splits,
        options: TrainingOptions,
        data: dict[str, Any],
        preset: str | None,
    ) -> Run:
        """Makes a new run folder and writes what is known before training.

        Args:
            root: Folder of all runs.
            recipe: Its name and config are recorded.
            splits: Facts and sizes are recorded.
            options: Recorded in environment.json.
            data: Where the data came from, e.g. {"data": PATH} or {"prepared": FILE}.
            preset: The preset that was asked for.
        """
        from dataclasses import asdict

        started = datetime.now(UTC)
        folder = root / recipe.name / started.strftime("%Y%m%d-%H%M%S-%f")
        folder.mkdir(parents=True)
        run = cls(folder)
        facts = {key: value for key, value in splits.facts.items() if _is_plain(value)}
        write_json(
            folder / "config.json",
            {
                "schema": SCHEMA,
                "model": recipe.name,
                "started": started.isoformat(timespec="seconds"),
                "preset": preset,
                "config": asdict(recipe.config),
                "data": {"name": splits.name, **data},
                "rows": _rows(splits),
                "facts": facts,
            },
        )
        write_json(folder / "environment.json", environment(options))
        return run

    @classmethod
    def open(cls, folder: str | Path, model: str | None = None) -> Run:
        """Opens an existing run folder.

        Raises:
            RunError: The folder is not a run, or it is the run of another model than `model`.
        """
        path = existing(folder, "The run folder")
        if not (path / "config.json").is_file():
            raise RunError(
                f"{path} is not a run folder: it has no config.json.",
                expected="a folder that `mizoo train` made, such as runs/<model>/<time>",
                fix="name such a folder; `ls runs/*` lists them",
            )
        run = cls(path)
        if run.record.get("schema") != SCHEMA:
            raise RunError(
                f"{path} was written with schema {run.record.get('schema')}.",
                expected=f"schema {SCHEMA}",
                fix="train again with this version of mizoo, or use the version that wrote the run",
            )
        if model is not None and run.record["model"] != model:
            raise RunError(
                f"{path} is a run of '{run.record['model']}', not of '{model}'.",
                expected=f"a run of {model}",
                fix=f"name a folder under runs/{model}/, or use the model '{run.record['model']}'",
            )
        return run

    @property
    def record(self) -> dict[str, Any]:
        """The content of config.json."""
        content: dict[str, Any] = json.loads((self.folder / "config.json").read_text())
        return content

    @property
    def environment(self) -> dict[str, Any]:
        """The content of environment.json."""
        content: dict[str, Any] = json.loads((self.folder / "environment.json").read_text())
        return content

    @property
    def options(self) -> TrainingOptions:
        """The options that the run was started with."""
        return TrainingOptions(**{key: self.environment[key] for key in ("seed", "precision", "devices")})

    @property
    def id(self) -> str:
        """`<model>/<utc time>`."""
        return f"{self.record['model']}/{self.folder.name}"

    @property
    def model_file(self) -> Path:
        """Where the trained network is."""
        return self.folder / "model.keras"

    @property
    def checkpoint(self) -> Path:
        """Folder of the state of an unfinished training."""
        return self.folder / "checkpoint"

    @property
    def finished(self) -> bool:
        """Whether training has ended, with everything written: the card is the last file."""
        return (self.folder / "CARD.md").is_file()

    def metrics(self, split: str) -> dict[str, dict[str, float]]:
        """Returns predictor -> metric -> value of a split that was evaluated on the run's own data."""
        file = self.folder / "metrics.json"
        known: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
        if split not in known:
            raise RunError(
                f"The run {self.folder} was not evaluated on its {split} split.",
                fix=f"mizoo evaluate {self.folder} --split {split}",
            )
        rows: dict[str, dict[str, float]] = known[split]
        return rows

    @property
    def stages(self) -> dict[str, dict[str, float]]:
        """Stage -> what was noted after it, see `note`; empty for a training of one stage."""
        file = self.folder / STAGES_FILE
        noted: dict[str, dict[str, float]] = json.loads(file.read_text()) if file.is_file() else {}
        return noted

    def note(self, stage: str, found: Mapping[str, float]) -> None:
        """Records what was measured after a stage of a training that has several, in stages.json."""
        own = {name: float(value) for name, value in found.items()}
        write_json(self.folder / STAGES_FILE, self.stages | {stage: own})

    def check_rows(self, splits: Splits) -> None:
        """Raises DataError unless the run's data, opened again, have as many rows as when it was started."""
        if (found := _rows(splits)) != self.record["rows"]:
            raise DataError(
                f"The data of the run {self.folder} have changed: {found} pictures.",
                expected=f"{self.record['rows']}, as when the run was started",
                fix="bring the data back to what they were, or train a new run",
            )

    def require_finished(self) -> None:
        """Raises RunError while the training has not ended."""
        if not self.finished:
            raise RunError(
                f"The run {self.folder} has no CARD.md: its training has not ended.",
                fix=f"mizoo train {self.record['model']} --resume {self.folder}",
            )

    def discard_unstarted(self) -> None:
        """Removes the folder if no epoch of it has been trained: a network that cannot be built leaves nothing."""
        if not self.checkpoint.exists():
            shutil.rmtree(self.folder)

    def save_model(self, model: Any) -> None:
        """Writes model.keras through a temporary sibling."""
        save_keras(model, self.model_file)


def _rows(splits: Splits) -> dict[str, int]:
    return {name: len(splits[name]) for name in ("train", "validation", "test")}


def _is_plain(value: Any) -> bool:
    """Arrays go into the model's weights; config.json holds what a person can read."""
    return value is None or isinstance(value, str | int | float | bool | list | tuple | dict)
