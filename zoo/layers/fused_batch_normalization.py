"""Batch normalisation whose training step is one operation under tensorflow, and not some ten."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

# What the operation takes beside float32 statistics.
_DTYPES = ("float32", "bfloat16", "float16")


@keras.saving.register_keras_serializable("mizoo")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` with its weights and its results, to rounding; faster to train on a CPU.

    Keras 3 puts mean, variance and scaling together from single operations, each a pass over the maps. On a GPU XLA
    makes one of them; on a CPU Keras does without XLA, and they are a good part of a step of a narrow VGG
    (`python -m ci.bench.distillation_speed`). tensorflow's own FusedBatchNorm reads the maps twice.

    It is used for maps `[batch, height, width, channels]` normalised over channels in training under tensorflow;
    everything else is Keras' own: inference, other backends, renorm, masks, statistics synchronised over devices.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Returns the normalised maps, in the shape of the inputs; in training the moving statistics are updated."""
        if not (training and self.trainable and mask is None and self._fuses(inputs)):
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance = self._fused(inputs)
        self.moving_mean.assign(self.moving_mean * self.momentum + mean * (1.0 - self.momentum))
        self.moving_variance.assign(self.moving_variance * self.momentum + variance * (1.0 - self.momentum))
        return ops.cast(outputs, self.compute_dtype)

    def _fuses(self, inputs: Any) -> bool:
        return (
            keras.backend.backend() == "tensorflow"
            and len(inputs.shape) == 4
            and self.axis in (3, -1)
            and keras.backend.standardize_dtype(inputs.dtype) in _DTYPES
            and self.variable_dtype == "float32"
            and not (self.renorm or self.synchronized)
        )

    def _fused(self, inputs: Any) -> tuple[Any, Any, Any]:
        """Returns outputs, mean and variance over a batch."""
        import tensorflow as tf

        channels = inputs.shape[-1]
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=ops.convert_to_tensor(self.gamma) if self.scale else tf.ones(channels),
            offset=ops.convert_to_tensor(self.beta) if self.center else tf.zeros(channels),
            mean=tf.zeros(0),
            variance=tf.zeros(0),
            epsilon=self.epsilon,
            is_training=True,
        )
        # The operation divides by n - 1, Keras and its other backends by n.
        values = tf.cast(tf.size(inputs) / channels, "float32")
        return outputs, mean, variance * (tf.maximum(values - 1.0, 1.0) / values)
