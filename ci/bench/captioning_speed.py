"""How long a step of the trio takes beside its three players trained apart, and beside a step fed by the pipeline.

    python -m ci.bench.captioning_speed

Random features and sentences: a step's time does not depend on them. Every comparison takes turns in one loop; medians.
Writes ci/bench/results/captioning_speed.json.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import ops

from ci.bench.report import write_report
from ci.bench.timing import show, turns
from zoo.catalog import get_spec
from zoo.data.batches import Split
from zoo.losses.adversarial import discriminator_loss, generator_loss
from zoo.losses.objectives import OBJECTIVES
from zoo.models.captioning.data import WORDS
from zoo.models.captioning.trio import CaptionTrio

COMMAND = "python -m ci.bench.captioning_speed --batch {batch} --repetitions {repetitions}"


class Player(keras.Model):
    """One player of a trio alone, with an optimiser of its own; what the others would give it is given."""

    def __init__(self, trio: CaptionTrio, name: str) -> None:
        super().__init__(name=name)
        self.own = getattr(trio, name)
        self.trio = lambda: trio  # Keras takes no other player for a layer of this one
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Not used: everything is in the loss."""
        del training
        return inputs["features"]

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns this player's loss."""
        del y_pred, sample_weight, training
        trio, features = self.trio(), x["features"]
        if self.name == "recovery":
            read = self.own([trio._noisy(x["fake"], trio.code_noise), features])
            return ops.mean(ops.sum(ops.square(x["code"] - read), axis=-1))
        if self.name == "discriminator":
            logits, penalty = trio._judged(trio._noisy(y["sentences"], trio.real_noise), x["fake"], features)
            return ops.mean(
                discriminator_loss(trio.objective, *ops.split(logits, 2)) + trio.penalty * penalty
            )
        fake = self.own([features, x["code"]])
        judged = trio.discriminator([fake, features])
        return ops.mean(generator_loss(trio.objective, ops.zeros_like(judged), judged))


def main() -> None:
    """Measures, prints, writes the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--repetitions", type=int, default=50, help="steps of each kind")
    given = parser.parse_args()
    rows = [step_row(objective, given.batch, given.repetitions) for objective in OBJECTIVES]
    show(f"one step, {given.batch} pictures, ms", rows)
    write_report(
        "captioning_speed",
        command=COMMAND.format(batch=given.batch, repetitions=given.repetitions),
        data="random features and sentences",
        seeds=[],
        rows=rows,
    )


def step_row(objective: str, batch: int, repetitions: int) -> dict[str, Any]:
    """A step of the trio against those of its players, each forward, backward and with its Adam."""
    recipe = get_spec("caption_gan_digits").load().configured(None, {"objective": objective})
    trio: Any = recipe.network(words=WORDS)
    recipe.compile(trio)
    rng, size = np.random.default_rng(0), trio.autoencoder.sentence_size
    draw = {"features": len(WORDS), "code": trio.code_size, "fake": size}
    inputs = {key: rng.normal(size=(batch, n)).astype("float32") for key, n in draw.items()}
    targets = {"sentences": rng.normal(size=(batch, size)).astype("float32")}
    players = {}
    for name in ("generator", "discriminator", "recovery"):
        players[name] = Player(trio, name)
        players[name].compile(optimizer=keras.optimizers.Adam(1e-4))
    several = Split(
        {"features": np.tile(inputs["features"], (40, 1))},
        {"sentences": np.tile(targets["sentences"], (40, 1))},
        tuple(map(str, range(40 * batch))),
    )
    fed = iter(several.epochs(batch, seed=0))
    whole = {"features": inputs["features"]}
    taken = turns(
        {
            "trio": lambda: trio.train_on_batch(whole, targets),
            **{
                name: lambda player=player: player.train_on_batch(inputs, targets)
                for name, player in players.items()
            },
            "trio, fed": lambda: trio.train_on_batch(*next(fed)),
        },
        repetitions,
    )
    return {
        "objective": objective,
        **{f"{name}_ms": 1000 * seconds for name, seconds in taken.items()},
        "of the parts": taken["trio"] / sum(taken[name] for name in players),
        "fed / not fed": taken["trio, fed"] / taken["trio"],
    }


if __name__ == "__main__":
    main()
