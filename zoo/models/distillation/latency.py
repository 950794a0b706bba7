"""How long networks take to answer, measured side by side, beside what they cost in multiply-adds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from zoo.errors import ConfigError
from zoo.models.distillation.classifier import Classifier
from zoo.surgery.fold import fold_batch_norm
from zoo.surgery.macs import multiply_adds

# The first calls compile and allocate.
_WARM_UP = 3


@dataclass(frozen=True)
class LatencyRow:
    """One network at one batch size.

    Attributes:
        name: Of the network.
        batch: Pictures per call.
        median_ms: Per call, from uint8 pictures in the host's memory to logits there.
        p95_ms: The 95th percentile.
        speedup: Median of the first network / this median.
        multiply_adds: Per picture.
        multiply_add_ratio: Multiply-adds of the first network / these: the speedup that one would hope for.
        parameters: Of the network, before folding.
    """

    name: str
    batch: int
    median_ms: float
    p95_ms: float
    speedup: float
    multiply_adds: int
    multiply_add_ratio: float
    parameters: int


def latency(
    models: Mapping[str, keras.Model], batches: Sequence[int] = (1, 32), repetitions: int = 100
) -> list[LatencyRow]:
    """Measures the time of a call in inference, with batch normalisation folded, compiled by the backend.

    The calls of all networks and batch sizes take turns in one loop, and in another order every round, so that
    whatever else the machine does falls on all alike.

    Args:
        models: Name -> classifier, or network from uint8 pictures of a fixed size; the first is the one to compare
            with. They are not changed.
        batches: Pictures per call.
        repetitions: Calls of each.

    Returns:
        A row per network and batch size, in their order.

    Raises:
        ConfigError: No models, no repetitions, an empty batch, a network of open size, or the backend is neither
            TensorFlow nor JAX.
    """
    if not models or repetitions < 1 or not batches or min(batches) < 1:
        raise ConfigError(
            f"There is nothing to measure: models {list(models)}, batches {list(batches)}, repetitions {repetitions}.",
            expected="one or more of each",
            fix="e.g. latency({'teacher': teacher, 'student': student})",
        )
    networks = {
        name: model.network if isinstance(model, Classifier) else model for name, model in models.items()
    }
    costs = {name: multiply_adds(network) for name, network in networks.items()}
    rng = np.random.default_rng(0)
    calls: dict[tuple[str, int], Callable[[], Any]] = {}
    for name, network in networks.items():
        folded = fold_batch_norm(network)
        for batch in batches:
            calls[name, batch] = _compiled(
                folded, rng.integers(0, 256, (batch, *network.input_shape[1:]), np.uint8)
            )
    taken = _measure(calls, repetitions, rng)

    rows = []
    first = next(iter(models))
    for (name, batch), seconds in taken.items():
        median = float(np.median(seconds))
        rows.append(
            LatencyRow(
                name=name,
                batch=batch,
                median_ms=1000 * median,
                p95_ms=1000 * float(np.percentile(seconds, 95)),
                speedup=float(np.median(taken[first, batch])) / median,
                multiply_adds=costs[name],
                multiply_add_ratio=costs[first] / costs[name],
                parameters=networks[name].count_params(),
            )
        )
    return rows


def _measure(
    calls: Mapping[tuple[str, int], Callable[[], Any]], repetitions: int, rng: np.random.Generator
) -> dict[tuple[str, int], np.ndarray]:
    """Returns the seconds of every call: float `[repetitions]`."""
    keys = list(calls)
    taken = {key: np.empty(repetitions) for key in keys}
    for call in calls.values():
        for _ in range(_WARM_UP):
            call()
    for round_ in range(repetitions):
        for place in rng.permutation(len(keys)):
            start = time.perf_counter()
            calls[keys[place]]()
            taken[keys[place]][round_] = time.perf_counter() - start
    return taken


def _compiled(network: keras.Model, image: np.ndarray) -> Callable[[], np.ndarray]:
    """Returns a call that is over when the answer is in the host's memory."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        graph = tf.function(lambda x: network(x, training=False), autograph=False)
        run = graph.get_concrete_function(tf.TensorSpec(image.shape, tf.uint8))
        return lambda: run(tf.constant(image)).numpy()
    if backend == "jax":
        import jax

        weights = [
            [w.value for w in ws] for ws in (network.trainable_variables, network.non_trainable_variables)
        ]
        stateless = jax.jit(
            lambda trained, fixed, x: network.stateless_call(trained, fixed, x, training=False)[0]
        )
        return lambda: np.asarray(stateless(*weights, image))
    raise ConfigError(
        f"The backend is {backend}.", expected="tensorflow or jax", fix="set KERAS_BACKEND=tensorflow"
    )
