"""ResNet-50 as torchvision builds it, for weights that were trained with PyTorch, e.g. on Places365."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

# Bottlenecks of layer1..layer4 (He et al. 2015, arXiv:1512.03385, Table 1).
_BLOCKS = (3, 4, 6, 3)
_EXPANSION = 4


def resnet50_torchvision(
    input_shape: tuple[int, int, int],
    include_top: bool = False,
    classes: int = 1000,
    weights: str | None = None,
    width: int = 64,
) -> keras.Model:
    """Builds the network with the names of torchvision's modules, a dot written as an underscore.

    It is another network than `keras.applications.ResNet50`: a bottleneck has its stride in the 3x3 convolution
    ("v1.5"), not in the first 1x1; strided convolutions and the pooling pad on all sides alike; convolutions have no
    bias; batch normalisation adds 1e-5 to the variance (torchvision/models/resnet.py of pytorch/vision).

    Args:
        input_shape: `(height, width, 3)`, both at least 32.
        include_top: Whether to add the classifier: global average pooling, Dense `fc`, softmax.
        classes: Classes of the classifier.
        weights: Must be None: Keras publishes none for it.
        width: Channels of the first convolution; 64 in the published network.

    Returns:
        Network from RGB pixels in the scaling `torch` to `[batch, h / 32, w / 32, 32 width]`, or to probabilities
        `[batch, classes]`.
    """
    if weights is not None:
        raise ValueError(f"Keras publishes no weights of torchvision's ResNet-50, got weights='{weights}'.")
    if min(input_shape[:2]) < 32:
        raise ValueError(
            f"resnet50_torchvision needs pictures of at least 32 x 32 pixels, got {input_shape[:2]}."
        )
    image = keras.Input(input_shape, name="pixels")
    x = layers.ZeroPadding2D(3, name="conv1_pad")(image)
    x = layers.Conv2D(width, 7, strides=2, use_bias=False, name="conv1")(x)
    x = layers.ReLU(name="relu")(_batch_norm(x, "bn1"))
    x = layers.ZeroPadding2D(1, name="maxpool_pad")(
        x
    )  # as good as torch's padding by -inf: nothing is below 0
    x = layers.MaxPooling2D(3, 2, name="maxpool")(x)
    for stage, blocks in enumerate(_BLOCKS):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            x = _bottleneck(x, width * 2**stage, stride, block == 0, f"layer{stage + 1}_{block}")
    if include_top:
        x = layers.GlobalAveragePooling2D(name="avgpool")(x)
        x = layers.Dense(classes, activation="softmax", name="fc")(x)
    return keras.Model(image, x, name="resnet50_torchvision")


def _bottleneck(x: Any, channels: int, stride: int, project: bool, name: str) -> Any:
    """1x1, 3x3 with the stride, 1x1 to four times the channels, beside the identity or a strided 1x1."""
    shortcut = x
    if project:
        shortcut = layers.Conv2D(
            _EXPANSION * channels, 1, strides=stride, use_bias=False, name=f"{name}_downsample_0"
        )(x)
        shortcut = _batch_norm(shortcut, f"{name}_downsample_1")
    x = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_conv1")(x)
    x = layers.ReLU(name=f"{name}_relu1")(_batch_norm(x, f"{name}_bn1"))
    x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    x = layers.Conv2D(channels, 3, strides=stride, use_bias=False, name=f"{name}_conv2")(x)
    x = layers.ReLU(name=f"{name}_relu2")(_batch_norm(x, f"{name}_bn2"))
    x = layers.Conv2D(_EXPANSION * channels, 1, use_bias=False, name=f"{name}_conv3")(x)
    x = layers.Add(name=f"{name}_add")([_batch_norm(x, f"{name}_bn3"), shortcut])
    return layers.ReLU(name=f"{name}_out")(x)


def _batch_norm(x: Any, name: str) -> Any:
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)(x)
