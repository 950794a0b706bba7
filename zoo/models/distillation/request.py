"""What `mizoo distill` is asked for, and what of a preset the data have too few pictures for."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.catalog import get_spec
from zoo.checks import existing
from zoo.config import make_config
from zoo.errors import ConfigError, RunError
from zoo.files import write_json

if TYPE_CHECKING:
    from zoo.models.distillation.recipe import ClassifierRecipe
    from zoo.recipe import DataOptions

log = logging.getLogger(__name__)

_REQUEST = "distill.json"
_SCHEMA = 1
# What a comparison plans by itself, and the option that it plans it from.
_PLANNED = {"strategy": "--strategies", "epochs": "--epochs", "block_epochs": "--epochs"}


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
        skip_bad_images: See `DataOptions`.
    """

    model: str
    preset: str | None
    settings: Mapping[str, Any]
    strategies: tuple[str, ...]
    epochs: int
    seeds: int
    data: str
    precision: str = "float32"
    skip_bad_images: bool = False

    def __post_init__(self) -> None:
        """Raises ConfigError on strategies or settings that there are not, or that would not be looked at."""
        if not self.strategies:
            raise ConfigError("No strategy was named.", expected="one or more", fix="--strategies blockwise")
        if twice := [one for one, times in Counter(self.strategies).items() if times > 1]:
            raise ConfigError(
                f"The strategy {', '.join(twice)} is named twice.",
                expected="every strategy once",
                fix=f"--strategies {','.join(dict.fromkeys(self.strategies))}; --seeds 2 trains each twice",
            )
        if planned := [key for key in _PLANNED if key in self.settings]:
            raise ConfigError(
                f"{', '.join(planned)} cannot be set: the comparison plans it for every strategy, at equal compute.",
                fix=f"leave it out, and say it with {' and '.join(dict.fromkeys(_PLANNED[k] for k in planned))}",
            )
        for strategy in self.strategies:
            self.recipe(strategy=strategy)

    def recipe(self, **changes: Any) -> ClassifierRecipe:
        """Returns the recipe of the student, with some settings changed."""
        spec: type[ClassifierRecipe] = get_spec(self.model).load()  # type: ignore[assignment]
        config = make_config(spec.Config, spec.presets, self.preset, {**self.settings, **changes})
        return spec(config)

    def fitted(self, options: DataOptions) -> Request:
        """Returns the request as the data can fulfil it, see `fitting_subset`."""
        fitting = fitting_subset(self.recipe(), self.settings, self.data, options)
        return replace(self, settings={**self.settings, **fitting})

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


def fitting_subset(
    recipe: ClassifierRecipe, settings: Mapping[str, Any], data: str | Path, options: DataOptions
) -> dict[str, Any]:
    """Returns `{"subset": None}`, all pictures, where a preset asks for more than the data have; else nothing.

    The subset of a preset is a cap for large data; one that is among the settings is taken at its word.

    Args:
        recipe: Configured by preset and settings.
        settings: What was set beside the preset.
        data: Whatever `read_splits` takes.
        options: How files are read.
    """
    from zoo.data.labelled import open_parts

    config = recipe.config
    if config.subset is None or "subset" in settings:
        return {}
    labelled = open_parts(data, config, options)
    if config.subset <= len(labelled.train):
        return {}
    log.info(
        "%s has %d training pictures: all are used, the preset would take %d",
        labelled.name,
        len(labelled.train),
        config.subset,
    )
    return {"subset": None}
