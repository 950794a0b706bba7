"""The checks that every model of the catalogue must pass, once.

A model's conformance is a row of `CASES`; what pins its method stands in `tests/zoo/models/<family>`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zoo.catalog import get_spec
from zoo.data.batches import Split, Splits
from zoo.recipe import DataOptions, Recipe
from zoo.training.options import TrainingOptions
from zoo.training.run import Run
from zoo.training.session import train

# Settings of each entry that train in a few seconds. A batch divides the training rows of the drawn data (72 pictures
# with 360 captions, 108 with a class), since XLA compiles a step for every shape, and that takes the time.
# "WORD_VECTORS", "WEIGHTS" and "HEADED" are files that the tests write, "RUN_OF name" another case's run folder.
_TINY_TAGGER = {"image_size": 32, "hidden": 32, "epochs": 3, "batch_size": 18, "learning_rate": 3e-3}
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
    "batch_size": 36,
    "learning_rate": 3e-3,
}
CASES |= {
    "vse_lstm": _TINY_EMBEDDING,
    "vse_bow": _TINY_EMBEDDING | {"negatives": "hardest", "warmup_epochs": 1},
}

# Weight decay moves every weight, also one that the loss does not reach: here it is off. At a rate of 0.02 the loss of
# such short trainings goes up as often as down.
_TINY_CLASSIFIER = {"epochs": 3, "batch_size": 18, "learning_rate": 0.005, "weight_decay": 0.0}
_TINY_VGG = _TINY_CLASSIFIER | {"width": 0.125, "head_width": 16}
CASES |= {
    "vgg15": _TINY_VGG,
    "vgg15_minus_one": _TINY_VGG
    | {"strategy": "blockwise", "teacher": "RUN_OF vgg15", "block_epochs": 2, "fine_tune_rate": 1.0},
    "vgg15_one_per_block": _TINY_VGG | {"strategy": "whole", "teacher": "RUN_OF vgg15"},
    "distilled": _TINY_CLASSIFIER | {"strategy": "stepping_stones", "teacher": "RUN_OF vgg15"},
}
_TINY_TRIO = {
    "word_size": 8,
    "sentence_units": 16,
    "sentence_size": 6,
    "autoencoder_epochs": 2,
    "encoder_width": 16,
    "encoder_epochs": 2,
    "least_reconstruction": 0.0,
    "recovery_learning_rate": 0.02,
    "width": 16,
    "layers": 1,
    "epochs": 3,
    "batch_size": 64,
}
CASES |= {
    "caption_gan_digits": _TINY_TRIO
    | {
        "train_images": 192,
        "test_images": 24,
        "filters": (4,),
        "sheet_every": 2,
    },
    "caption_gan": _TINY_TRIO
    | {
        "image_size": 32,
        "weights": "WEIGHTS",
        "min_count": 1,
        "max_words": 12,
        "scene_words": 10,
        "batch_size": 58,  # of 348 captions that are not too long
    },
}

# Networks with class vectors on a map of 1 x 1; the second sees another size.
_TINY_FUSION = {
    "backbone": "mobilenet_025",
    "weights": "HEADED",
    "image_size": 64,
    "second_backbone": "mobilenet_025",
    "second_weights": "HEADED",
    "second_image_size": 32,
    "folds": 2,
}
CASES |= {
    "layer_concat_svm": _TINY_FUSION | {"layers": ("first:conv4", "svd_fc")},
    "mpn_cbp": _TINY_FUSION | {"layers": ("svd_cam",), "dimensions": 64, "align_maps": True},
    "scene_network": {
        "backbone": "mobilenet_025",
        "weights": "HEADED",
        "image_size": 32,
        "vocabulary": None,
        "min_pictures": 1,
        "head_epochs": 1,
        "epochs": 3,
        "batch_size": 36,
        "tuned_from_stride": 1,
        "learning_rate": 1e-3,
    },
}

CLASSIFIERS = {"vgg15", "vgg15_minus_one", "vgg15_one_per_block", "distilled"}
FUSED = {"layer_concat_svm", "mpn_cbp"}

# What must fall while an entry trains, where it is not the loss: the losses of players against each other need not.
PROGRESS: dict[str, str] = {
    "caption_gan_digits": "recovery_error",
    "caption_gan": "recovery_error",
}

# What TensorFlow Serving must answer for each entry.
SIGNATURES: dict[str, set[str]] = {
    "tagging_baseline": {"serving_default", "dense", "tensor", "describe"},
    "tagging_two_head": {"serving_default", "dense", "tensor", "describe"},
    "tagging_word_vectors": {"serving_default", "dense", "tensor", "describe"},
    "tagging_binomial": {"serving_default", "dense", "tensor", "describe", "distribution"},
    "vse_lstm": {"serving_default", "embed_image", "tensor", "embed_text"},
    "vse_bow": {"serving_default", "embed_image", "tensor", "embed_text"},
    "caption_gan_digits": {"serving_default", "tensor", "sample", "infer_code"},
    "caption_gan": {"serving_default", "tensor", "sample", "infer_code"},
    "layer_concat_svm": {"serving_default", "tensor", "embed", "layers", "maps"},
    "mpn_cbp": {"serving_default", "tensor", "embed", "layers", "maps"},
    "scene_network": {"serving_default", "tensor"},
} | {name: {"serving_default", "tensor", "features", "logits", "block_features"} for name in CLASSIFIERS}


@dataclass(frozen=True)
class Trained:
    """A recipe that was trained on a drawn data set."""

    recipe: Recipe
    splits: Splits
    model: Any
    run: Run


@dataclass(frozen=True)
class Workshop:
    """Trains the cases, each once.

    Attributes:
        captioned: Folder of the drawn scenes with captions.
        labelled: Folder of the drawn pictures with classes.
        word_vectors: A file with a vector for every tag.
        weights: A file with weights of `tiny_cnn`.
        headed: A file with weights of `mobilenet_025` and its classifier.
        runs: Where the run folders are.
        done: What is trained already.
    """

    captioned: Path
    labelled: Path
    word_vectors: Path
    weights: Path
    headed: Path
    runs: Path
    done: dict[str, Trained] = field(default_factory=dict)

    def recipe(self, name: str) -> Recipe:
        """Returns the recipe of a case; a case that it needs as teacher is trained first."""
        settings = {key: self._value(value) for key, value in CASES[name].items()}
        return get_spec(name).load().configured(None, settings)

    def splits(self, name: str) -> Splits:
        """Reads the data of a case."""
        return self.recipe(name).splits(self._data(name), DataOptions())

    def trained(self, name: str) -> Trained:
        """Trains a case from files on disk to a finished run folder."""
        if name not in self.done:
            recipe, splits, options = self.recipe(name), self.splits(name), TrainingOptions(seed=3)
            run = Run.create(self.runs, recipe, splits, options, {"data": str(self._data(name))}, None)
            self.done[name] = Trained(recipe, splits, train(recipe, splits, run, options), run)
        return self.done[name]

    def _data(self, name: str) -> Path | str:
        if name == "caption_gan_digits":
            return "digits"
        labelled = CLASSIFIERS | FUSED
        return self.labelled if name in labelled else self.captioned

    def _value(self, value: Any) -> Any:
        if value == "WORD_VECTORS":
            return str(self.word_vectors)
        if value == "WEIGHTS":
            return str(self.weights)
        if value == "HEADED":
            return str(self.headed)
        if isinstance(value, str) and value.startswith("RUN_OF "):
            return str(self.trained(value.removeprefix("RUN_OF ")).run.folder)
        return value


def inputs_of(split: Split) -> Any:
    """Returns the inputs of a split as `predict` takes them: one array as it is, several by name."""
    arrays = split.arrays()
    return next(iter(arrays.values())) if len(arrays) == 1 else arrays


def pictures_of(done: Trained, model: Any) -> np.ndarray:
    """Returns the test pictures of the labelled data set of a case as a model of pictures takes them."""
    from zoo.data.labelled import open_labelled
    from zoo.preprocessing.image import resize_batch

    part = open_labelled(done.run.record["data"]["data"], DataOptions()).test
    return np.asarray(resize_batch(part.images, model.input_shape[1]))


def largest_difference(left: Any, right: Any) -> float:
    """Returns the largest absolute difference between two dictionaries of arrays with the same names.

    In units of the largest value where that is more than 1: float32 rounds large logits more than probabilities.
    """
    assert left.keys() == right.keys()
    return max(_difference(np.asarray(left[key]), np.asarray(right[key])) for key in left)


def _difference(left: np.ndarray, right: np.ndarray) -> float:
    return float(np.max(np.abs(left - right)) / max(1.0, np.max(np.abs(left))))
