"""Latency side by side: what a row says, that calls take turns, and that models stay as they are."""

from __future__ import annotations

import time

import keras
import numpy as np
import pytest

from zoo.errors import ConfigError
from zoo.models.distillation import latency as module
from zoo.models.distillation.classifier import Classifier
from zoo.models.distillation.latency import latency
from zoo.models.distillation.vgg import vgg


def make(convolutions):
    return vgg(convolutions, classes=3, width=0.125, head_width=8)


def test_rows_of_two_networks():
    teacher, student = make((2, 2, 3, 3, 3)), Classifier(make((1, 1, 1, 1, 1)), classes=("a", "b", "c"))
    before = teacher.get_weights()
    rows = latency({"teacher": teacher, "student": student}, batches=(1, 2), repetitions=3)
    assert [(row.name, row.batch) for row in rows] == [
        ("teacher", 1),
        ("teacher", 2),
        ("student", 1),
        ("student", 2),
    ]
    # 9 products per input and output channel at every place, channels 8 .. 64, and two dense layers.
    convolutions = 9 * (32**2 * 3 * 8 + 16**2 * 8 * 16 + 8**2 * 16 * 32 + 4**2 * 32 * 64 + 2**2 * 64 * 64)
    student_cost = convolutions + 64 * 8 + 8 * 3
    more = 9 * (
        32**2 * 8 * 8 + 16**2 * 16 * 16 + 2 * 8**2 * 32 * 32 + 2 * 4**2 * 64 * 64 + 2 * 2**2 * 64 * 64
    )
    assert [row.multiply_adds for row in rows[1:3]] == [student_cost + more, student_cost]
    assert rows[2].multiply_add_ratio == pytest.approx(1 + more / student_cost)
    assert rows[0].multiply_add_ratio == rows[0].speedup == 1
    assert rows[2].speedup == pytest.approx(rows[0].median_ms / rows[2].median_ms)
    assert rows[3].parameters == student.count_params()
    for row in rows:
        assert 0 < row.median_ms <= row.p95_ms
    for old, new in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_networks_are_folded_and_answer_as_before():
    network = make((1, 1, 1, 1, 1))
    rng = np.random.default_rng(0)
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for norm in norms:
        norm.set_weights([rng.uniform(0.5, 2, weight.shape) for weight in norm.get_weights()])
    image = rng.integers(0, 256, (2, 32, 32, 3), np.uint8)
    folded = module.fold_batch_norm(network)
    assert norms and not any(isinstance(layer, keras.layers.BatchNormalization) for layer in folded.layers)
    found = module._compiled(folded, image)()
    np.testing.assert_allclose(found, network.predict(image, verbose=0), rtol=1e-4, atol=1e-4)


def test_calls_take_turns_and_each_is_timed_by_itself():
    order = []

    def call(name, seconds):
        def run():
            order.append(name)
            time.sleep(seconds)

        return run

    calls = {("slow", 1): call("slow", 0.02), ("fast", 1): call("fast", 0)}
    taken = module._measure(calls, 6, np.random.default_rng(0))
    rounds = [tuple(order[place : place + 2]) for place in range(2 * module._WARM_UP, len(order), 2)]
    assert len(rounds) == 6
    assert set(rounds) == {("slow", "fast"), ("fast", "slow")}
    assert taken["slow", 1].shape == (6,)
    assert taken["slow", 1].min() >= 0.02 > np.median(taken["fast", 1])


@pytest.mark.parametrize(
    "wrong",
    [{"batches": ()}, {"batches": (0,)}, {"repetitions": 0}],
    ids=["no_batch", "empty_batch", "no_call"],
)
def test_nothing_to_measure(wrong):
    with pytest.raises(ConfigError, match="There is nothing to measure: models "):
        latency({"one": make((1, 1, 1, 1, 1))}, **wrong)
    with pytest.raises(ConfigError, match=r"There is nothing to measure: models \[\]"):
        latency({})
