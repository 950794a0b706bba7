"""The networks of the trio, and the image encoder that all three share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from zoo.checks import check_same_shape
from zoo.layers.fused_batch_normalization import FusedBatchNormalization
from zoo.losses.reduction import batch_mean, rows, share_of_replica

# The first letters of the names of layers, and so of the paths of weights: optimisers go by them.
GENERATOR, DISCRIMINATOR, RECOVERY = "G", "D", "Q"
_NAMES = {GENERATOR: "generator", DISCRIMINATOR: "discriminator", RECOVERY: "recovery"}


def generator(
    features: int, code: int, sentence: int, *, width: int, layers: int, residual: bool = False
) -> keras.Model:
    """Returns G: `[X, c]` -> s^, with ReLU between; there is no noise input (report, equation 5).

    Args:
        features: Length of X.
        code: Length of c.
        sentence: Length of s^.
        width: Units of each hidden layer.
        layers: How many there are; with `residual` how many blocks of two.
        residual: Blocks with a shortcut, as LaTextGAN has them.
    """
    return _network(
        GENERATOR,
        {"features": features, "code": code},
        sentence,
        width=width,
        layers=layers,
        residual=residual,
        slope=0.0,
    )


def discriminator(
    sentence: int, features: int, *, width: int, layers: int, residual: bool = False, bias: bool = True
) -> keras.Model:
    """Returns D: `[s, X]` -> logit `[batch, 1]`, with leaky ReLU between.

    Args:
        sentence: Length of s.
        features: Length of X.
        width: As in `generator`.
        layers: As in `generator`.
        residual: As in `generator`.
        bias: Of the logit; an objective that looks at differences of logits never moves it.
    """
    return _network(
        DISCRIMINATOR,
        {"sentence": sentence, "features": features},
        1,
        width=width,
        layers=layers,
        residual=residual,
        slope=0.2,
        bias=bias,
    )


def recovery(
    sentence: int, features: int, code: int, *, width: int, layers: int, residual: bool = False
) -> keras.Model:
    """Returns Q: `[s^, X]` -> the code that s^ was made from, with leaky ReLU between.

    Args:
        sentence: Length of s^.
        features: Length of X.
        code: Length of c.
        width: As in `generator`.
        layers: As in `generator`.
        residual: As in `generator`.
    """
    return _network(
        RECOVERY,
        {"sentence": sentence, "features": features},
        code,
        width=width,
        layers=layers,
        residual=residual,
        slope=0.2,
    )


def image_encoder(
    size: int,
    labels: int,
    *,
    filters: Sequence[int] = (32, 64, 128, 256),
    width: int = 256,
    dropout: float = 0.3,
) -> keras.Model:
    """Returns the network from pictures of digits to X: convolutions of stride 2, what is anywhere, dense layers.

    Where a digit stands does not matter for which digits there are: with a maximum over all places, 10,000 pictures
    are enough to learn from; with a dense layer over all places the encoder knows them by heart.

    X is how likely each label is to be there, and no wider layer: 256 features of 10,000 pictures tell much of single
    pictures, and the discriminator learns that instead of which words fit.

    Input: `image`, uint8 `[batch, size, size, 1]`, 0..255. Output: float32 `[batch, labels]`, 0..1.

    Args:
        size: Side of the picture in pixels.
        labels: How many there are.
        filters: Of each convolution; four see 31 pixels, a whole digit of MNIST.
        width: Units of the dense layer before the last.
        dropout: Before each dense layer, while the encoder is trained.
    """
    image = keras.Input((size, size, 1), dtype="uint8", name="image")
    x = keras.layers.Rescaling(1 / 255, name="scale")(image)
    for number, channels in enumerate(filters, 1):
        conv = keras.layers.Conv2D(
            channels, 3, strides=2, padding="same", use_bias=False, name=f"conv_{number}"
        )
        x = FusedBatchNormalization(momentum=0.9, name=f"norm_{number}")(conv(x))
        x = keras.layers.ReLU(name=f"relu_{number}")(x)
    x = keras.layers.GlobalMaxPooling2D(name="anywhere")(x)
    x = keras.layers.Dropout(dropout, name="dropout_1")(x)
    x = keras.layers.Dense(width, activation="relu", name="hidden")(x)
    x = keras.layers.Dropout(dropout, name="dropout_2")(x)
    x = keras.layers.Dense(labels, activation="sigmoid", dtype="float32", name="labels")(x)
    return keras.Model(image, x, name="image_encoder")


def word_encoder(pooled: int, words: int, *, width: int = 512, dropout: float = 0.3) -> keras.Model:
    """Returns the network from what a backbone makes of a picture to X: how likely its captions use each word.

    Input: `pooled`, float32 `[batch, pooled]`. Output: float32 `[batch, words]`, 0..1.

    Args:
        pooled: Length of the backbone's features.
        words: How many.
        width: Units of the hidden layer.
        dropout: Before each dense layer, while the encoder is trained.
    """
    features = keras.Input((pooled,), name="pooled")
    x = keras.layers.LayerNormalization(center=False, scale=False, name="unit_features")(features)
    x = keras.layers.Dropout(dropout, name="dropout_1")(x)
    x = keras.layers.Dense(width, activation="relu", name="hidden")(x)
    x = keras.layers.Dropout(dropout, name="dropout_2")(x)
    x = keras.layers.Dense(words, activation="sigmoid", dtype="float32", name="words")(x)
    return keras.Model(features, x, name="word_encoder")


class LabelSetClassifier(keras.Model):
    """The image encoder while it learns which labels a picture has, before the GAN.

    The report does not describe its image network; that one is shared, and trained so, is our choice.

    Target of `fit`: `labels`, float32 `[batch, labels]`, 1 for each that the picture has, else 0; or the share of its
    captions that have it.

    Args:
        encoder: What is trained.
    """

    def __init__(self, encoder: keras.Model) -> None:
        image = keras.Input(
            encoder.input_shape[1:], dtype=encoder.inputs[0].dtype, name=encoder.inputs[0].name
        )
        super().__init__(inputs=image, outputs={"labels": encoder(image)}, name="label_set_classifier")
        self.exact = keras.metrics.Mean(name="exact_sets")

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns the mean binary cross entropy; the metric is the share of sets without any mistake."""
        del x, training
        labels, likely = y["labels"], y_pred["labels"]
        check_same_shape(labels, likely, names=("labels", "their probabilities"))
        right = ops.all(ops.equal(labels > 0.5, likely > 0.5), axis=-1)
        self.exact.update_state(batch_mean(ops.cast(right, "float32")), sample_weight=rows(likely))
        loss = ops.mean(ops.binary_crossentropy(labels, likely), axis=-1)
        return share_of_replica(batch_mean(loss, sample_weight))


def _network(
    prefix: str,
    sizes: dict[str, int],
    outputs: int,
    *,
    width: int,
    layers: int,
    residual: bool,
    slope: float,
    bias: bool = True,
) -> keras.Model:
    """Inputs of the given sizes, side by side -> hidden layers -> `outputs` numbers."""
    inputs = [keras.Input((size,), name=name) for name, size in sizes.items()]

    def activate(x: Any, name: str) -> Any:
        return keras.layers.LeakyReLU(negative_slope=slope, name=f"{prefix}_{name}")(x)

    # Features of any encoder come to the scale of codes; without weights, so that X reaches all three alike.
    unit = keras.layers.LayerNormalization(center=False, scale=False, name=f"{prefix}_unit_features")
    parts = [unit(x) if x.name == "features" else x for x in inputs]
    x = keras.layers.Concatenate(name=f"{prefix}_inputs")(parts)
    if residual:
        x = keras.layers.Dense(width, name=f"{prefix}_width")(x)
        for number in range(1, layers + 1):
            inner = keras.layers.Dense(width, name=f"{prefix}_block_{number}_in")(
                activate(x, f"block_{number}_relu_in")
            )
            inner = keras.layers.Dense(width, name=f"{prefix}_block_{number}_out")(
                activate(inner, f"block_{number}_relu_out")
            )
            x = keras.layers.Add(name=f"{prefix}_block_{number}")([x, inner])
        x = activate(x, "relu")
    else:
        for number in range(1, layers + 1):
            x = activate(keras.layers.Dense(width, name=f"{prefix}_hidden_{number}")(x), f"relu_{number}")
    x = keras.layers.Dense(outputs, use_bias=bias, dtype="float32", name=f"{prefix}_output")(x)
    return keras.Model(inputs, x, name=_NAMES[prefix])
