"""What kind of work a layer does, as far as cutting and shortening a network must know."""

from __future__ import annotations

from typing import Any

from keras import layers

from zoo.surgery.graph import Segment

CONVOLUTIONS = (
    layers.Conv2D,
    layers.DepthwiseConv2D,
    layers.SeparableConv2D,
    layers.Conv2DTranspose,
)
POOLING = (layers.MaxPooling2D, layers.AveragePooling2D)
GLOBAL_POOLING = (layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D)
NORMALIZATIONS = (
    layers.BatchNormalization,
    layers.LayerNormalization,
    layers.GroupNormalization,
    layers.UnitNormalization,
)
DROPOUTS = (
    layers.Dropout,
    layers.SpatialDropout2D,
    layers.AlphaDropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
)
ACTIVATIONS = (layers.Activation, layers.ReLU, layers.LeakyReLU, layers.PReLU, layers.ELU)
# keras.ops.relu(x) in a functional model is no layer but an operation of such a class.
ACTIVATION_OPERATIONS = frozenset(
    {
        "Relu",
        "Relu6",
        "LeakyRelu",
        "Elu",
        "Selu",
        "Celu",
        "Gelu",
        "Silu",
        "Mish",
        "HardSilu",
        "Tanh",
        "Softplus",
    }
)


def is_activation(layer: Any) -> bool:
    """Whether a layer or operation applies a nonlinearity to each value and does nothing else."""
    return isinstance(layer, ACTIVATIONS) or type(layer).__name__ in ACTIVATION_OPERATIONS


def is_gate(segment: Segment) -> bool:
    """Whether a segment multiplies its input by something made from it: squeeze-and-excitation, x * sigmoid(x)."""
    return segment.branches and type(segment.calls[-1].layer).__name__ == "Multiply"


def has_convolution(segment: Segment) -> bool:
    """Whether any layer between the two cut points is a convolution."""
    return any(isinstance(layer, CONVOLUTIONS) for layer in segment.layers)


def lowers_resolution(segment: Segment) -> bool:
    """Whether a strided convolution or a pooling layer makes the feature map `[N, H, W, C]` smaller.

    Where the model leaves height and width open, a stride above 1 says so.
    """
    if len(segment.input.shape) != 4 or len(segment.output.shape) != 4:
        return False
    strided = [
        layer
        for layer in segment.layers
        if isinstance(layer, CONVOLUTIONS + POOLING)
        and not isinstance(layer, layers.Conv2DTranspose)
        and max(_pair(layer.strides)) > 1
    ]
    if not strided:
        return False
    first = 2 if strided[0].data_format == "channels_first" else 1
    before, after = segment.input.shape[first : first + 2], segment.output.shape[first : first + 2]
    return any(a is None or b is None or a < b for a, b in zip(after, before, strict=True))


def _pair(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value, value)
