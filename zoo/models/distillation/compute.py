"""What a training costs, counted in multiply-adds, so that strategies are compared at equal compute.

One picture through a network forwards is its multiply-adds; backwards counts twice that: once for the gradient of
the maps, once for that of the weights. Passes of the teacher count like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras

from zoo.errors import ConfigError
from zoo.surgery.macs import multiply_adds

FORWARD, BACKWARD = 1, 2


@dataclass(frozen=True)
class PictureCost:
    """Multiply-adds of one picture in each stage of training.

    Attributes:
        scratch: Student forward and backward.
        whole: That, and the teacher forward; also what fine-tuning costs after `blocks`.
        blocks: The same, without the student's head.
        stepping_stones: `whole`, and the teacher's blocks i+1..n forward and backward to their inputs for every i < n.
    """

    scratch: int
    whole: int
    blocks: int
    stepping_stones: int

    @property
    def recalibration(self) -> int:
        """Of the student forwards."""
        return self.scratch * FORWARD // (FORWARD + BACKWARD)


def picture_cost(teacher: Sequence[keras.Model], student: Sequence[keras.Model]) -> PictureCost:
    """Returns the cost of one picture.

    Args:
        teacher: Blocks, then the head.
        student: Likewise.
    """
    taught, learned = ([multiply_adds(part) for part in parts] for parts in (teacher, student))
    training = FORWARD + BACKWARD
    scratch, answer = training * sum(learned), FORWARD * sum(taught)
    # The teacher's weights get no gradient: backwards it costs as much as forwards.
    stones = sum(2 * sum(taught[i:]) for i in range(1, len(taught) - 1))
    return PictureCost(
        scratch=scratch,
        whole=scratch + answer,
        # The teacher's head is passed by the imitation too, forwards and back to its input.
        blocks=training * sum(learned[:-1]) + answer + 2 * taught[-1],
        stepping_stones=scratch + answer + stones,
    )


@dataclass(frozen=True)
class Plan:
    """Epochs of every strategy for the same compute.

    Attributes:
        budget: Multiply-adds per training picture over the whole training.
        scratch: Epochs.
        whole: Epochs.
        block_epochs: Of `blockwise`, before joining.
        fine_tune_epochs: Of `blockwise`, after joining.
        stepping_stones: Epochs.
    """

    budget: int
    scratch: int
    whole: int
    block_epochs: int
    fine_tune_epochs: int
    stepping_stones: int

    def settings(self, strategy: str) -> dict[str, int]:
        """Returns the settings of a recipe for a strategy.

        Raises:
            ConfigError: The budget is less than an epoch of each of its stages.
        """
        found = (
            {"block_epochs": self.block_epochs, "epochs": self.fine_tune_epochs}
            if strategy == "blockwise"
            else {"epochs": int(getattr(self, strategy))}
        )
        if min(found.values()) < 1:
            raise ConfigError(
                f"What {self.scratch} epochs of the student alone cost is too little for {strategy}: {found}.",
                expected="an epoch or more of every stage",
                fix="ask for more epochs, or leave the strategy out",
            )
        return found


def plan(cost: PictureCost, epochs: int, block_share: float = 0.5) -> Plan:
    """Returns how many epochs each strategy gets for what `epochs` epochs of the student alone cost.

    Rounded down, so that none gets more than `scratch`; re-calibration (one pass forwards) counts.

    Args:
        cost: Of one picture.
        epochs: Of `scratch`.
        block_share: Share of the compute of `blockwise` that is spent before the blocks are joined.
    """
    budget = epochs * cost.scratch
    for_stages = budget - cost.recalibration
    share = max(1, int(block_share * for_stages / cost.blocks))
    # Of the two whole numbers beside the share, the one that leaves less of the compute unused.
    block_epochs = min((share, share + 1), key=lambda n: (for_stages - n * cost.blocks) % cost.whole)
    return Plan(
        budget=budget,
        scratch=epochs,
        whole=budget // cost.whole,
        block_epochs=block_epochs,
        fine_tune_epochs=max(0, (for_stages - block_epochs * cost.blocks) // cost.whole),
        stepping_stones=budget // cost.stepping_stones,
    )
