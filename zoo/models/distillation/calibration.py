"""Batch-norm statistics taken anew, where a network sees other maps than those it was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras


def recalibrate(network: keras.Model, batches: Iterable[Any]) -> int:
    """Sets the moving mean and variance of every batch normalisation to their mean over some batches.

    Forward passes in training mode; no weight is updated. Joined student blocks need it: each was trained on the
    teacher's maps and now sees those of the student's block before it.

    Args:
        network: Picture -> logits.
        batches: Pictures `[batch, ...]`, as in training.

    Returns:
        How many batches were seen; 0 for a network without batch normalisation, which is left alone.
    """
    norms = [layer for layer in _layers(network) if isinstance(layer, keras.layers.BatchNormalization)]
    if not norms:
        return 0
    seen = 0
    with _momentum_kept(norms):
        for image in batches:
            # A moving average whose momentum is k / (k + 1) is the mean of all batches so far.
            for norm in norms:
                norm.momentum = seen / (seen + 1)
            network(image, training=True)
            seen += 1
    return seen


@contextmanager
def _momentum_kept(norms: list[keras.layers.BatchNormalization]) -> Iterator[None]:
    before = [norm.momentum for norm in norms]
    try:
        yield
    finally:
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum


def _layers(network: keras.Model) -> Iterator[keras.Layer]:
    for layer in network.layers:
        yield from _layers(layer) if isinstance(layer, keras.Model) else (layer,)
