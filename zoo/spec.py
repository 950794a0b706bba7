"""What the catalogue knows of a model before any of its code is imported."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.errors import ConfigError

if TYPE_CHECKING:
    from zoo.recipe import Recipe


@dataclass(frozen=True)
class Result:
    """One measured number, with the command that prints it.

    Attributes:
        metric: Name as `mizoo evaluate` prints it.
        value: The number, e.g. "0.0452 ± 0.0003".
        data: Data set and split, by its own name.
        command: What to run to see the number again.
        trivial: The best trivial predictor on the same data.
    """

    metric: str
    value: str
    data: str
    command: str
    trivial: str


@dataclass(frozen=True)
class ModelSpec:
    """One row of the catalogue.

    Attributes:
        name: What `create_model` and the server call it.
        recipe: Import path of its recipe, `module:Class`; imported on first use only.
        summary: One line for `mizoo list`.
        source: Report or paper, with its section.
        inputs: What the served model takes.
        outputs: What it answers.
        pixel_range: Range of the picture that the network sees.
        code_licence: SPDX id of the code.
        weights_licence: Terms of the weights that the defaults use.
        data_licence: Terms of the data that it was measured on.
        research_only: Those of the weights that the defaults use allow research only.
        results: Measured numbers.
    """

    name: str
    recipe: str
    summary: str
    source: str
    inputs: str
    outputs: str
    pixel_range: str = "uint8 RGB, 0..255"
    code_licence: str = "Apache-2.0"
    weights_licence: str = "none shipped: trained by the user"
    data_licence: str = "the user's own"
    research_only: bool = False
    results: tuple[Result, ...] = ()

    @property
    def family(self) -> str:
        """Folder of the model under `zoo/models`, or the third party's module."""
        parts = self.recipe.split(":")[0].split(".")
        return parts[2] if parts[:2] == ["zoo", "models"] else parts[0]

    def load(self) -> type[Recipe]:
        """Imports and returns the recipe class.

        Raises:
            ConfigError: The import path is not `module:Class`, or there is no such class.
        """
        module, _, attribute = self.recipe.partition(":")
        try:
            recipe: type[Recipe] = getattr(importlib.import_module(module), attribute)
        except (AttributeError, ValueError) as error:
            raise ConfigError(
                f"Model '{self.name}' names the recipe '{self.recipe}', which cannot be found: {error}.",
                expected="an import path module:Class",
                fix="correct the catalogue entry of this model",
            ) from error
        return recipe
