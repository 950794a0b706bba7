"""The checks that every model of the catalogue must pass, once.

A model's conformance is a row of `CASES`; what pins its method stands in `tests/zoo/models/<family>`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.catalog import get_spec
from zoo.data.batches import Split, Splits
from zoo.recipe import DataOptions, Recipe
from zoo.training.options import TrainingOptions
from zoo.training.run import Run
from zoo.training.session import train

# Settings of each entry that train in a few seconds; "WORD_VECTORS" stands for a file that the tests write.
_TINY_TAGGER = {"image_size": 32, "hidden": 32, "epochs": 3, "batch_size": 16, "learning_rate": 3e-3}
CASES: dict[str, dict[str, Any]] = {
    "tagging_baseline": _TINY_TAGGER,
    "tagging_two_head": _TINY_TAGGER,
    "tagging_word_vectors": _TINY_TAGGER | {"word_vectors": "WORD_VECTORS", "mix_steps": 8},
    "tagging_binomial": _TINY_TAGGER,
}

_TINY_EMBEDDING = {
    "image_size": 32,
    "dimensions": 32,
    "word_dimensions": 16,
    "min_count": 1,
    "max_words": 12,
    "epochs": 3,
    "batch_size": 32,
    "learning_rate": 3e-3,
}
CASES |= {
    "vse_lstm": _TINY_EMBEDDING,
    "vse_bow": _TINY_EMBEDDING | {"negatives": "hardest", "warmup_epochs": 1},
}

# What TensorFlow Serving must answer for each entry.
SIGNATURES: dict[str, set[str]] = {
    "tagging_baseline": {"serving_default", "dense", "tensor", "describe"},
    "tagging_two_head": {"serving_default", "dense", "tensor", "describe"},
    "tagging_word_vectors": {"serving_default", "dense", "tensor", "describe"},
    "tagging_binomial": {"serving_default", "dense", "tensor", "describe", "distribution"},
    "vse_lstm": {"serving_default", "embed_image", "tensor", "embed_text"},
    "vse_bow": {"serving_default", "embed_image", "tensor", "embed_text"},
}


@dataclass(frozen=True)
class Trained:
    """A recipe that was trained on the drawn data set."""

    recipe: Recipe
    splits: Splits
    model: Any
    run: Run


def case_recipe(name: str, word_vectors: Path) -> Recipe:
    """Returns the recipe of a case."""
    settings = {
        key: str(word_vectors) if value == "WORD_VECTORS" else value for key, value in CASES[name].items()
    }
    return get_spec(name).load().configured(None, settings)


def train_case(name: str, shapes: Path, word_vectors: Path, root: Path) -> Trained:
    """Trains a case from image files on disk to a finished run folder."""
    recipe = case_recipe(name, word_vectors)
    splits = recipe.splits(shapes, DataOptions())
    options = TrainingOptions(seed=3)
    run = Run.create(root, recipe, splits, options, {"data": str(shapes)}, None)
    return Trained(recipe, splits, train(recipe, splits, run, options), run)


def inputs_of(split: Split) -> Any:
    """Returns the inputs of a split as `predict` takes them: one array as it is, several by name."""
    arrays = split.arrays()
    return next(iter(arrays.values())) if len(arrays) == 1 else arrays


def largest_difference(left: Any, right: Any) -> float:
    """Returns the largest absolute difference between two dictionaries of arrays with the same names."""
    assert left.keys() == right.keys()
    return max(float(np.max(np.abs(np.asarray(left[key]) - np.asarray(right[key])))) for key in left)
