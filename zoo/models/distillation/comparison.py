"""What `mizoo distill` does: one student by several strategies at equal compute, measured, drawn and exported."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.catalog import get_spec
from zoo.checks import existing
from zoo.config import make_config
from zoo.errors import ConfigError, RunError
from zoo.files import save_keras, write_json
from zoo.models.distillation.compute import PictureCost, Plan, picture_cost, plan
from zoo.training.run import Run

if TYPE_CHECKING:
    from zoo.data.batches import Splits
    from zoo.models.distillation.classifier import Classifier
    from zoo.models.distillation.recipe import ClassifierRecipe
    from zoo.training.options import TrainingOptions

log = logging.getLogger(__name__)

_REQUEST = "distill.json"
_SCHEMA = 1


@dataclass(frozen=True)
class Request:
    """What was asked for; written to distill.json, so that an interrupted comparison goes on.

    Attributes:
        model: Recipe of the student: `distilled`, or one of the VGGs.
        preset: Of its settings.
        settings: Beside the preset; `teacher` among them, without the epochs and the strategy.
        strategies: Each is trained.
        epochs: Of the student alone; every strategy gets the compute of them.
        seeds: 0 .. seeds - 1.
        data: Whatever `read_splits` takes.
        precision: See `TrainingOptions`.
    """

    model: str
    preset: str | None
    settings: Mapping[str, Any]
    strategies: tuple[str, ...]
    epochs: int
    seeds: int
    data: str
    precision: str = "float32"

    def __post_init__(self) -> None:
        """Raises ConfigError on strategies or settings that there are not."""
        if not self.strategies:
            raise ConfigError("No strategy was named.", expected="one or more", fix="--strategies blockwise")
        for strategy in self.strategies:
            self.recipe(strategy=strategy)

    def recipe(self, **changes: Any) -> ClassifierRecipe:
        """Returns the recipe of the student, with some settings changed."""
        spec: type[ClassifierRecipe] = get_spec(self.model).load()  # type: ignore[assignment]
        config = make_config(spec.Config, spec.presets, self.preset, {**self.settings, **changes})
        return spec(config)

    def write(self, folder: Path) -> None:
        """Records the request."""
        write_json(folder / _REQUEST, {"schema": _SCHEMA, **asdict(self)})

    @classmethod
    def read(cls, folder: Path) -> Request:
        """Reads the request of an interrupted comparison.

        Raises:
            RunError: The folder is none of a comparison.
        """
        existing(folder, "The folder")
        file = folder / _REQUEST
        known = json.loads(file.read_text()) if file.is_file() else {}
        if known.pop("schema", None) != _SCHEMA:
            raise RunError(
                f"{folder} is no comparison: it has no {_REQUEST} of schema {_SCHEMA}.",
                expected="a folder that `mizoo distill` made",
                fix="name such a folder, e.g. runs/distill/<time>",
            )
        return cls(**{**known, "strategies": tuple(known["strategies"])})


@dataclass(frozen=True)
class Comparison:
    """The trainings of a request, each a run folder under `<folder>/<strategy>/seed<n>`."""

    folder: Path
    request: Request
    splits: Splits

    @cached_property
    def teacher(self) -> Classifier:
        """The teacher as a classifier, cut as the students are."""
        from zoo.models.distillation.classifier import Classifier
        from zoo.models.distillation.teacher import load_teacher
        from zoo.surgery.partition import partition

        facts = self.splits.facts
        network, cuts = load_teacher(
            self.request.recipe().config, classes=facts["classes"], image_size=facts["image_size"]
        )
        return Classifier(
            network, classes=facts["classes"], cuts=partition(network, cuts or None).cuts, name="teacher"
        )

    @cached_property
    def cost(self) -> PictureCost:
        """What a picture costs in each stage."""
        from zoo.surgery.partition import partition

        student: Any = self.request.recipe().network(**self.splits.facts)
        return picture_cost(*(partition(m.network, m.cuts).parts for m in (self.teacher, student)))

    @cached_property
    def plan(self) -> Plan:
        """Epochs of every strategy at equal compute."""
        return plan(self.cost, self.request.epochs)

    def train(self, options: TrainingOptions) -> dict[str, list[Run]]:
        """Trains what is missing; strategy -> its finished runs, a seed each."""
        runs: dict[str, list[Run]] = {}
        for seed in range(self.request.seeds):
            for strategy in self.request.strategies:
                log.info("%s, seed %d: %s", strategy, seed, self.plan.settings(strategy))
                own = replace(options, seed=seed, precision=self.request.precision)
                runs.setdefault(strategy, []).append(self._run(strategy, own))
        return runs

    def _run(self, strategy: str, options: TrainingOptions) -> Run:
        from zoo.training.session import train

        recipe = self.request.recipe(strategy=strategy, **self.plan.settings(strategy))
        root = self.folder / strategy / f"seed{options.seed}"
        known = sorted(root.glob("*/*/config.json"))
        if known:
            run = Run.open(known[-1].parent)
        else:
            source = {"data": self.request.data}
            run = Run.create(root, recipe, self.splits, options, source, self.request.preset)
        if not run.finished:
            train(recipe, self.splits, run, options)
        return run

    def save_teacher(self) -> Path:
        """Writes the teacher beside its students, as a classifier that `zoo.load_model` reads."""
        file = self.folder / "teacher.keras"
        return file if file.is_file() else save_keras(self.teacher, file)

    def teacher_run(self) -> Path | None:
        """The run that the teacher comes from, if it is one."""
        path = Path(str(self.request.recipe().config.teacher))
        return path if path.is_dir() else None


def best_run(runs: Mapping[str, Sequence[Run]]) -> tuple[str, Run]:
    """Returns the strategy with the best accuracy on validation, mean over seeds, and its best run."""
    from zoo.training.curves import read_history

    def reached(run: Run) -> float:
        return read_history(run.folder / "history.csv")["val_accuracy"][-1]

    strategy = max(runs, key=lambda name: sum(map(reached, runs[name])) / len(runs[name]))
    return strategy, max(runs[strategy], key=reached)
