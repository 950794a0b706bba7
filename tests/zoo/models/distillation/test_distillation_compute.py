"""What a training costs, by hand, and that no plan costs more than its budget."""

from __future__ import annotations

import itertools

import keras
import pytest

from zoo.errors import ConfigError
from zoo.models.distillation.compute import PictureCost, picture_cost, plan


def dense(inputs, outputs):
    """A part of inputs x outputs multiply-adds."""
    x = keras.Input((inputs,))
    return keras.Model(x, keras.layers.Dense(outputs)(x))


def test_cost_of_a_picture_by_hand():
    teacher = [dense(10, 10), dense(10, 20), dense(20, 5)]  # blocks of 100 and 200, a head of 100
    student = [dense(10, 10), dense(10, 4), dense(4, 5)]  # of 100 and 40, a head of 20
    assert picture_cost(teacher, student) == PictureCost(
        scratch=3 * 160,
        whole=3 * 160 + 400,
        # Student blocks, teacher, and its head on the imitation, forwards and back.
        blocks=3 * 140 + 400 + 2 * 100,
        # After student block 1 the teacher's block 2 and head, forwards and back.
        stepping_stones=3 * 160 + 400 + 2 * 300,
    )


def test_a_plan_by_hand():
    found = plan(PictureCost(scratch=30, whole=50, blocks=40, stepping_stones=90), epochs=20)
    # 600 in all; 10 for the re-calibration leaves 590: 7 epochs of blocks (280), or 8 (320), which leaves 270 and
    # so 20 unused instead of 10.
    assert found.budget == 600
    assert (found.scratch, found.whole, found.stepping_stones) == (20, 12, 6)
    assert (found.block_epochs, found.fine_tune_epochs) == (7, 6)
    assert found.settings("blockwise") == {"block_epochs": 7, "epochs": 6}
    assert found.settings("scratch") == {"epochs": 20}
    assert found.settings("stepping_stones") == {"epochs": 6}


GRID = list(itertools.product((5, 15, 60, 240), (0.2, 0.5, 0.8), ((1, 3), (1, 1), (2, 3)), (0, 7)))


@pytest.mark.parametrize(("epochs", "share", "sizes", "head"), GRID)
def test_no_strategy_costs_more_than_scratch(epochs, share, sizes, head):
    student, teacher = (100 * size for size in sizes)
    scratch = 3 * (student + head)
    cost = PictureCost(
        scratch=scratch,
        whole=scratch + teacher + head,
        blocks=3 * student + teacher + 3 * head,
        stepping_stones=scratch + 3 * teacher,
    )
    found = plan(cost, epochs, share)
    if min(found.block_epochs, found.fine_tune_epochs) < 1:
        # Not one epoch of both stages can be had, however they are shared out.
        assert epochs * scratch < cost.blocks + cost.whole + scratch // 3
        return
    recalibration = scratch // 3
    spent = {
        "whole": found.whole * cost.whole,
        "blockwise": found.block_epochs * cost.blocks + found.fine_tune_epochs * cost.whole + recalibration,
        "stepping_stones": found.stepping_stones * cost.stepping_stones,
    }
    for name, one in spent.items():
        assert one <= found.budget == epochs * scratch, name
        # Rounded down by less than an epoch.
        assert found.budget - one < max(cost.whole, cost.stepping_stones), name
    wanted = share * found.budget
    assert abs(found.block_epochs * cost.blocks - wanted) <= max(cost.blocks, recalibration) + cost.blocks


def test_too_little_for_a_strategy():
    found = plan(PictureCost(scratch=30, whole=50, blocks=40, stepping_stones=90), epochs=2)
    assert found.settings("whole") == {"epochs": 1}
    with pytest.raises(ConfigError) as raised:
        found.settings("stepping_stones")
    assert str(raised.value) == (
        "What 2 epochs of the student alone cost is too little for stepping_stones: {'epochs': 0}.\n"
        "Expected: an epoch or more of every stage\n"
        "Fix: ask for more epochs, or leave the strategy out"
    )
    with pytest.raises(ConfigError, match="is too little for blockwise"):
        found.settings("blockwise")
