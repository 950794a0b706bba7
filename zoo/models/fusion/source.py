"""Where a classifier comes from that is to be converted: a `.keras` file, a run, or a backbone."""

from __future__ import annotations

from pathlib import Path

import keras

from zoo.backbones import BACKBONES, build_backbone
from zoo.errors import ConfigError, nearest
from zoo.training.loading import load as load_run
from zoo.training.loading import load_uncompiled, register_all


def open_classifier(
    model: str, weights: str | None, scaling: str | None = None
) -> tuple[keras.Model, tuple[str, ...]]:
    """Returns a classifier, and the names of its classes where they are known.

    Args:
        model: A `.keras` file, a run folder, or the name of a backbone.
        weights: Of the backbone.
        scaling: That was asked for: only a `.keras` file needs one.

    Raises:
        ConfigError: It is none of the three, or an option does not go with it.
    """
    path = Path(model)
    if path.exists():
        if weights is not None:
            raise ConfigError(
                f"--weights was given with {path}.", fix="leave it out: the model has its weights"
            )
        if path.is_dir() and scaling is not None:
            raise ConfigError(
                f"--scaling was given with the run {path}.", fix="leave it out: a run scales itself"
            )
        opened = load_run(path) if path.is_dir() else _from_file(path)
        return opened, tuple(getattr(opened, "classes", getattr(opened, "tags", ())))
    if model not in BACKBONES:
        raise ConfigError(
            f"'{model}' is no file, no folder and no backbone.{nearest(model, BACKBONES)}",
            expected=f"a .keras file, a run folder, or one of {', '.join(BACKBONES)}",
            fix="check the path",
        )
    if weights is None:
        raise ConfigError(
            f"The backbone '{model}' was named without weights: its class vectors would be random.",
            expected="weights with the classifier (include_top=True)",
            fix="--weights FILE, or --weights imagenet to download them",
        )
    if scaling is not None:
        raise ConfigError(
            "--scaling was given with a backbone.", fix="leave it out: a backbone scales itself"
        )
    return build_backbone(model, layer="predictions", weights=weights, pool=None), ()


def _from_file(path: Path) -> keras.Model:
    register_all()
    return load_uncompiled(path)
