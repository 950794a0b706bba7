"""What `mizoo distill` does: one student by several strategies at equal compute, measured, drawn and exported."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.files import save_keras
from zoo.models.distillation.compute import PictureCost, Plan, picture_cost, plan
from zoo.models.distillation.request import Request
from zoo.training.run import Run

if TYPE_CHECKING:
    from zoo.data.batches import Splits
    from zoo.models.distillation.classifier import Classifier
    from zoo.models.distillation.recipe import ClassifierRecipe
    from zoo.training.options import TrainingOptions

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Comparison:
    """The trainings of a request, each a run folder under `<folder>/<strategy>/seed<n>`.

    The first of them has the teacher written to `<folder>/teacher.keras`, and a student of one's own to
    `<folder>/student.keras`. All trainings use these: what was asked for may be moved or trained anew before a resume.
    """

    folder: Path
    request: Request
    splits: Splits

    @property
    def _teacher_file(self) -> Path:
        return self.folder / "teacher.keras"

    @property
    def _student_file(self) -> Path:
        return self.folder / "student.keras"

    def recipe(self, **changes: Any) -> ClassifierRecipe:
        """Returns the recipe of the student, with some settings changed and with the networks in the folder."""
        recipe = self.request.recipe(**changes)
        if not self._teacher_file.is_file():
            return recipe
        # Both are classifiers, which know their cuts and scale pixels themselves.
        own: dict[str, Any] = {"teacher": str(self._teacher_file), "at": (), "scaling": "none"}
        if self._student_file.is_file():
            from zoo.training.loading import load_uncompiled

            recipe.register()
            student: Any = load_uncompiled(self._student_file)
            own |= {"student": str(self._student_file), "student_at": student.cuts}
        return self.request.recipe(**changes, **own)

    @cached_property
    def teacher(self) -> Classifier:
        """The teacher as a classifier, cut as the students are."""
        from zoo.models.distillation.classifier import Classifier
        from zoo.models.distillation.teacher import load_teacher
        from zoo.surgery.partition import partition

        facts = self.splits.facts
        network, cuts = load_teacher(
            self.recipe().config, classes=facts["classes"], image_size=facts["image_size"]
        )
        return Classifier(
            network, classes=facts["classes"], cuts=partition(network, cuts or None).cuts, name="teacher"
        )

    @cached_property
    def student(self) -> Classifier:
        """The student, not trained."""
        student: Any = self.recipe().network(**self.splits.facts)
        return student

    @cached_property
    def cost(self) -> PictureCost:
        """What a picture costs in each stage."""
        from zoo.surgery.partition import partition

        return picture_cost(*(partition(m.network, m.cuts).parts for m in (self.teacher, self.student)))

    @cached_property
    def plan(self) -> Plan:
        """Epochs of every strategy at equal compute."""
        return plan(self.cost, self.request.epochs)

    def train(self, options: TrainingOptions) -> dict[str, list[Run]]:
        """Trains what is missing; strategy -> its finished runs, a seed each.

        Raises:
            DataError: The data are no longer those that the runs were started with.
        """
        self._save_networks()
        runs: dict[str, list[Run]] = {}
        for seed in range(self.request.seeds):
            for strategy in self.request.strategies:
                log.info("%s, seed %d: %s", strategy, seed, self.plan.settings(strategy))
                own = replace(options, seed=seed, precision=self.request.precision)
                runs.setdefault(strategy, []).append(self._run(strategy, own))
        return runs

    def _run(self, strategy: str, options: TrainingOptions) -> Run:
        from zoo.training.session import train

        recipe = self.recipe(strategy=strategy, **self.plan.settings(strategy))
        root = self.folder / strategy / f"seed{options.seed}"
        known = sorted(root.glob("*/*/config.json"))
        if known:
            run = Run.open(known[-1].parent)
            recipe.check_facts(run.record["facts"], self.splits.facts)
            run.check_rows(self.splits)
        else:
            source = {"data": self.request.data, "skip_bad_images": self.request.skip_bad_images}
            run = Run.create(root, recipe, self.splits, options, source, self.request.preset)
        if not run.finished:
            train(recipe, self.splits, run, options)
        return run

    def _save_networks(self) -> None:
        """Writes teacher and given student as classifiers, which `zoo.load_model` reads."""
        if self._teacher_file.is_file():
            return
        if getattr(self.request.recipe().config, "student", None) is not None:
            save_keras(self.student, self._student_file)
        # The last: from now on the networks in the folder count.
        save_keras(self.teacher, self._teacher_file)

    def teacher_run(self) -> Path | None:
        """The run that the teacher comes from, if it is one."""
        path = Path(str(self.request.recipe().config.teacher))
        return path if path.is_dir() else None


def best_run(runs: Mapping[str, Sequence[Run]]) -> tuple[str, Run]:
    """Returns the strategy with the best accuracy on validation, mean over seeds, and its best run.

    The accuracy of a run is that of the epoch whose weights it kept: with `patience` the one of the least loss on
    validation, else the last.
    """
    from zoo.training.curves import read_history

    def reached(run: Run) -> float:
        history = read_history(run.folder / "history.csv")
        losses = history["val_loss"]
        kept = losses.index(min(losses)) if run.record["config"]["patience"] else -1
        return history["val_accuracy"][kept]

    strategy = max(runs, key=lambda name: sum(map(reached, runs[name])) / len(runs[name]))
    return strategy, max(runs[strategy], key=reached)
