"""The teacher that a config names: a run, a `.keras` file, or an exported model."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import keras

from zoo.checks import existing, listing
from zoo.errors import ConfigError, DataError
from zoo.handles import STORE
from zoo.models.distillation.served_teacher import open_served, other_classes

if TYPE_CHECKING:
    from zoo.data.batches import Splits
    from zoo.models.distillation.classifier import Classifier
    from zoo.models.distillation.config import ClassifierConfig

log = logging.getLogger(__name__)


def load_teacher(
    config: ClassifierConfig, *, classes: Sequence[str], image_size: int
) -> tuple[keras.Model, tuple[str, ...]]:
    """Returns the network of the teacher, flat from pictures 0..255 to logits, and the layers at which to cut it.

    Args:
        config: `teacher`, `at`, `scaling`.
        classes: Of the data.
        image_size: Of the data.

    Raises:
        RunError: It is no run of a classifier, or an unfinished one.
        DataError: It tells other classes apart than the data have, or takes pictures of another size.
        ConfigError: It is an exported model, which has no layers.
    """
    path = existing(str(config.teacher), "The teacher")
    if path.is_dir() and (path / "saved_model.pb").is_file():
        raise ConfigError(
            f"The teacher {path} is a SavedModel: a graph without layers, which cannot be cut.",
            expected="a run folder or a .keras file; strategy=whole alone takes a SavedModel, without hints or "
            "start=teacher",
            fix="set teacher=RUN, the run folder that it was exported from",
        )
    network, cuts, known = (
        _from_run(path) if path.is_dir() else _from_file(path, config.scaling, image_size=image_size)
    )
    check_teacher(path, network, known, classes, image_size)
    if known is not None and config.scaling != "none" and getattr(config, "student", None) is None:
        raise ConfigError(
            f"scaling is {config.scaling}, but {path} is a classifier of ours, which scales its pixels itself.",
            expected="scaling=none, the default",
            fix="leave scaling out; it is for a .keras file of anybody else's",
        )
    return network, tuple(config.at) or cuts


def load_answering_teacher(
    config: ClassifierConfig, *, classes: Sequence[str], image_size: int
) -> keras.Layer:
    """Returns a teacher that is only asked for its logits: also a SavedModel, by a folder, a URL or `store:`."""
    handle = str(config.teacher)
    if _is_local(handle) and not (Path(handle) / "saved_model.pb").is_file():
        return load_teacher(config, classes=classes, image_size=image_size)[0]
    from zoo.handles import saved_model_folder

    return open_served(saved_model_folder(handle), classes=classes, image_size=image_size)


def answering_classifier(config: ClassifierConfig, splits: Splits) -> Classifier | None:
    """Returns the teacher as a classifier of the data's classes.

    None where a student has none, and, with a warning, where its teacher has gone since: it is measured without.
    """
    from zoo.models.distillation.classifier import Classifier

    if config.teacher is None:
        return None
    if _is_local(config.teacher) and not Path(config.teacher).exists():
        log.warning("the teacher %s is no longer there: nothing is compared with it", config.teacher)
        return None
    facts = splits.facts
    teacher = load_answering_teacher(config, classes=facts["classes"], image_size=facts["image_size"])
    if not isinstance(teacher, keras.Model):
        side = facts["image_size"]
        image = keras.Input((side, side, 3), name="image", dtype="uint8")
        teacher = keras.Model(image, teacher(image), name="served_teacher")
    return Classifier(teacher, classes=facts["classes"], name="teacher")


def _is_local(handle: str) -> bool:
    return "://" not in handle and not handle.startswith(STORE)


@contextmanager
def frozen(*parts: keras.Layer) -> Iterator[None]:
    """Takes the weights of the teacher out of training, and puts every layer's flag back."""
    layers = [layer for part in parts for layer in _all_layers(part)]
    before = [(layer, layer.trainable) for layer in layers]
    for layer in layers:
        layer.trainable = False
    try:
        yield
    finally:
        for layer, trainable in before:
            layer.trainable = trainable


def _all_layers(part: keras.Layer) -> list[keras.Layer]:
    inside = getattr(part, "layers", ())
    return [part, *(layer for child in inside for layer in _all_layers(child))]


def _from_run(folder: Path) -> tuple[keras.Model, tuple[str, ...], Sequence[str]]:
    from zoo.errors import RunError
    from zoo.models.distillation.classifier import Classifier
    from zoo.training.loading import load_trained
    from zoo.training.run import Run

    run = Run.open(folder)
    model = load_trained(run)
    if not isinstance(model, Classifier):
        raise RunError(
            f"{folder} is a run of '{run.record['model']}', which is no classifier.",
            expected="a run of vgg15 or of another classifier",
            fix="mizoo train vgg15 --data DIR",
        )
    return model.network, model.cuts, model.classes


def _from_file(
    path: Path, scaling: str, image_size: int | None = None
) -> tuple[keras.Model, tuple[str, ...], Sequence[str] | None]:
    from zoo.catalog import get_spec
    from zoo.models.distillation.classifier import Classifier
    from zoo.models.distillation.foreign import from_pixels
    from zoo.training.loading import load_uncompiled

    get_spec("vgg15").load().register()
    model = load_uncompiled(path, (".keras", ".h5"))
    if isinstance(model, Classifier):
        return model.network, model.cuts, model.classes
    return from_pixels(model, scaling, image_size=image_size), (), None


def read_network(path: Path, scaling: str, image_size: int | None = None) -> keras.Model:
    """Returns the network of a `.keras` file, flat from pictures 0..255 to logits.

    Args:
        path: A classifier of ours, or any functional Keras model.
        scaling: What any other model expects of its pixels.
        image_size: In pixels, for a model that leaves it open.
    """
    return _from_file(path, scaling, image_size)[0]


def check_teacher(
    path: Path, network: keras.Model, known: Sequence[str] | None, classes: Sequence[str], image_size: int
) -> None:
    """Raises DataError unless the teacher tells apart what the data do, on pictures of their size."""
    if network.output_shape[-1] != len(classes):
        raise other_classes(path, network.output_shape[-1], classes)
    if known is not None and tuple(known) != tuple(classes):
        differing = [f"'{a}' / '{b}'" for a, b in zip(known, classes, strict=True) if a != b]
        raise DataError(
            f"The teacher {path} has other classes than the data, or in another order: {listing(differing)}.",
            expected="the same names in the same order",
            fix="use the data that the teacher was trained on",
        )
    *side, channels = network.input_shape[1:]
    if channels != 3:
        raise DataError(
            f"The teacher {path} takes pictures with {channels} channel(s); the data have 3: red, green and blue.",
            expected="a teacher of colour pictures",
            fix="put the conversion before it: keras.Model(image, network(keras.ops.image.rgb_to_grayscale(image)))",
        )
    if side != [image_size, image_size]:
        raise DataError(
            f"The teacher {path} takes pictures of {side[0]} x {side[1]}; the data are read at {image_size} pixels.",
            fix=f"set image_size={side[0]}",
        )
