"""mizoo: a production model zoo for image-and-text models on Keras 3.

`import zoo` is light: keras and tensorflow are imported by the first model that is made or loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.catalog import catalogue, get_spec
from zoo.errors import ZooError
from zoo.handles import saved_model
from zoo.spec import ModelSpec

if TYPE_CHECKING:
    import keras

__all__ = ["ModelSpec", "ZooError", "create_model", "get_spec", "list_models", "load_model", "saved_model"]
__version__ = "0.1.0"


def list_models() -> list[str]:
    """Returns the names of all models in the catalogue."""
    return list(catalogue())


def create_model(name: str, *, preset: str | None = None, **config: Any) -> keras.Model:
    """Makes a compiled model that `fit` trains as it is.

    Args:
        name: A name of `list_models()`.
        preset: A named set of settings, e.g. "seed" for those of the report.
        **config: Settings of the model and what the data would have told, e.g. `tags=("dog", "cat")`.

    Returns:
        A compiled `keras.Model`. What it takes and returns is told by its class docstring.

    Raises:
        ConfigError: An unknown model, preset or setting; names the nearest one.

    Example:
        >>> model = zoo.create_model("tagging_two_head", tags=("dog", "cat"))
        >>> model.fit(images, {"mentions": mentions, "captions": captions})
    """
    return get_spec(name).load().create(config, preset)


def load_model(path: str | Path) -> keras.Model:
    """Loads a run folder or a `.keras` file of any model in the catalogue.

    A run folder gives the model that takes pictures: where the run trained on the features of a frozen
    backbone, that backbone is built again and must have the very weights that the run was trained with.
    A `.keras` file gives exactly the network that it holds.

    Raises:
        RunError: The path is neither, or the run is unfinished.
        WeightsError: The backbone's weights are missing or not those of the run.
    """
    from zoo.training.loading import load

    return load(Path(path))
