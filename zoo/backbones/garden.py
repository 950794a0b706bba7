"""Backbones of the TensorFlow Model Garden, through a SavedModel.

The Garden is written in Keras 2 (tf_keras), whose layers are no Keras 3 layers. Its network is therefore
built and restored once, written as a SavedModel below the cache folder, and used from there as any `hub:`
backbone: training, export and a later `load_model` need no Garden any more.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

from zoo.backbones.hub import HubFeatures
from zoo.cache import cache_folder
from zoo.errors import ConfigError, MissingExtraError, WeightsError, nearest

_MODEL_IDS = {"resnet50": 50, "resnet101": 101}
# Keys under which the Garden's ResNet returns its stages, "5" being the deepest.
_LAYERS = {f"stage{stage}": str(stage) for stage in range(2, 6)}


def garden_trunk(handle: str, layer: str | None, image_size: int) -> HubFeatures:
    """Returns a Model Garden ResNet as a frozen layer.

    Args:
        handle: `resnet50` (random weights, for tests) or `resnet50:CHECKPOINT`, the prefix of a TensorFlow
            checkpoint with the backbone under `backbone`, as the Garden's image classification writes it.
        layer: stage2 .. stage5; None takes stage5.
        image_size: Side of the pictures in pixels.

    Raises:
        ConfigError: Unknown network or layer.
        WeightsError: The checkpoint is missing or does not fit.
        MissingExtraError: tf-models-official is not installed and the SavedModel is not in the cache.
    """
    network, _, checkpoint = handle.partition(":")
    layer = layer or "stage5"
    for name, known, what in ((network, _MODEL_IDS, "Model Garden backbone"), (layer, _LAYERS, "layer")):
        if name not in known:
            raise ConfigError(
                f"Unknown {what} '{name}'.{nearest(name, known)}",
                expected=f"one of {', '.join(known)}",
                fix="garden:resnet50[:checkpoint]",
            )
    identity = f"{network}-{image_size}-{_fingerprint(checkpoint)}"
    folder = cache_folder() / "garden" / identity
    if not folder.exists():
        _write(folder, network, checkpoint, image_size)
    return HubFeatures(str(folder), image_size, _LAYERS[layer], name=network)


def _fingerprint(checkpoint: str) -> str:
    """Names the weights by their content; the random ones by a word."""
    if not checkpoint:
        return "random"
    index = Path(f"{checkpoint}.index")
    if not index.exists():
        raise WeightsError(
            f"The checkpoint {index} does not exist.",
            expected="the prefix of a TensorFlow checkpoint, with its .index and .data files",
            fix="garden:resnet50:FOLDER/ckpt-123",
        )
    digest = hashlib.sha256()
    for path in sorted(index.parent.glob(f"{index.stem}.*")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _write(folder: Path, network: str, checkpoint: str, image_size: int) -> None:
    try:
        from official.vision.modeling.backbones import resnet
    except ImportError as error:
        raise MissingExtraError("tf-models-official", "garden", f"Backbone 'garden:{network}'") from error
    import tensorflow as tf

    keras2 = resnet.tf_keras
    keras2.utils.set_random_seed(0)
    shape = [None, image_size, image_size, 3]
    backbone = resnet.ResNet(_MODEL_IDS[network], input_specs=keras2.layers.InputSpec(shape=shape))
    if checkpoint:
        _restore(backbone, checkpoint)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name="pixels")])
    def features(pixels: Any) -> dict[str, Any]:
        return backbone(pixels, training=False)

    module = tf.Module()
    module.backbone, module.features = backbone, features
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".", dir=folder.parent))
    try:
        tf.saved_model.save(module, str(temporary), signatures=features)
        temporary.replace(folder)
    except OSError:
        # Another process may have been faster; a folder that is there is whole.
        if not folder.exists():
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _restore(backbone: Any, checkpoint: str) -> None:
    import tensorflow as tf

    try:
        status = tf.train.Checkpoint(backbone=backbone).read(checkpoint)
        status.expect_partial().assert_existing_objects_matched()
    except (AssertionError, ValueError, tf.errors.OpError) as error:
        raise WeightsError(
            f"The checkpoint {checkpoint} does not fit the Model Garden backbone: {error}",
            expected="a TensorFlow checkpoint with the weights under `backbone`",
            fix="write it with tf.train.Checkpoint(backbone=model.backbone).write(PATH)",
        ) from error
