"""How long a step of block-wise distillation takes, whether its input starves it, and what the students save.

    python -m ci.bench.distillation_speed --data DIR/cifar10

Every comparison takes turns in one loop, so that whatever else the machine does falls on all alike; medians. Writes
ci/bench/results/distillation_speed.json.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras

from ci.bench.distillation_cells import STUDENTS, TEACHER
from ci.bench.report import write_report
from ci.bench.timing import show, turns
from zoo.catalog import get_spec
from zoo.data.augmentation import PadCropFlip
from zoo.data.batches import Splits
from zoo.layers.fused_batch_normalization import FusedBatchNormalization
from zoo.models.distillation.classifier import Classifier
from zoo.models.distillation.distillers import BlockDistiller
from zoo.models.distillation.latency import latency
from zoo.models.distillation.teacher import frozen
from zoo.recipe import DataOptions
from zoo.surgery.features import with_feature
from zoo.surgery.partition import partition
from zoo.training.options import PRECISIONS

BATCH = 64
COMMAND = "python -m ci.bench.distillation_speed --data DIR/{data} --repetitions {repetitions}"


def main() -> None:
    """Measures, prints, writes the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="shapes", help="whatever `mizoo train vgg15 --data` takes")
    parser.add_argument("--repetitions", type=int, default=30, help="steps of each kind")
    given = parser.parse_args()
    splits = get_spec(TEACHER).load().configured("cpu", {}).splits(given.data, DataOptions(progress=True))
    rows = [
        step_row(student, width, splits, given.repetitions) for student in STUDENTS for width in (0.25, 1.0)
    ]
    show("one block-wise step, 64 pictures, ms", rows)
    policies = [row for width in (0.25, 1.0) for row in precision_rows(width, splits, given.repetitions)]
    show("one step of the teacher, ms", policies)
    models = {name: network(name, 1.0, splits) for name in (TEACHER, *STUDENTS)}
    calls = [vars(row) for row in latency(models, repetitions=given.repetitions)]
    show("latency at full width, ms; 32x32 pictures", calls)
    write_report(
        "distillation_speed",
        command=COMMAND.format(data=splits.name, repetitions=given.repetitions),
        data=f"{splits.name}, {len(splits.train)} pictures of 32x32",
        seeds=[],
        rows=rows,
        extra={"precision": policies, "latency": calls},
    )


def step_row(student: str, width: float, splits: Splits, repetitions: int) -> dict[str, Any]:
    """A block-wise step against its parts measured apart, and against the same step fed by the pipeline."""
    batch = next(iter(splits.train.epochs(BATCH, seed=0)))
    fed = iter(splits.train.epochs(BATCH, seed=0, augmentation=PadCropFlip()))
    teacher, learner = network(TEACHER, width, splits), network(student, width, splits)
    alone = network(student, width, splits)
    cut, own = partition(teacher.network, teacher.cuts), partition(learner.network, learner.cuts)
    with frozen(teacher.network):
        blocks = BlockDistiller(
            [with_feature(block, "pre_relu") for block in cut.blocks],
            [with_feature(block, "pre_relu") for block in own.blocks],
            head=cut.head,
        )
        blocks.compile(optimizer=keras.optimizers.Adam(1e-4))
        teacher.compile()
        alone.compile(optimizer=keras.optimizers.Adam(1e-4))
        taken = turns(
            {
                "blockwise": lambda: blocks.train_on_batch(*batch),
                "teacher forward": lambda: teacher.predict_on_batch(batch[0]),
                "student step": lambda: alone.train_on_batch(*batch),
                "blockwise, fed": lambda: blocks.train_on_batch(*next(fed)),
            },
            repetitions,
        )
    parts = taken["teacher forward"] + taken["student step"]
    return {
        "student": student,
        "width": width,
        **{f"{name}_ms": 1000 * seconds for name, seconds in taken.items()},
        "of the parts": taken["blockwise"] / parts,
        "fed / not fed": taken["blockwise, fed"] / taken["blockwise"],
    }


def precision_rows(width: float, splits: Splits, repetitions: int) -> list[dict[str, Any]]:
    """A step of the teacher in either precision, with our batch normalisation and with that of Keras."""
    batch = next(iter(splits.train.epochs(BATCH, seed=0)))
    steps: dict[str, Callable[[], Any]] = {}
    for policy in PRECISIONS:
        keras.config.set_dtype_policy(policy)
        model = network(TEACHER, width, splits)
        for norm, own in (("fused", model), ("Keras", with_norms_of_keras(model))):
            own.compile(optimizer=keras.optimizers.SGD(1e-4))
            steps[f"{policy}, {norm}"] = lambda own=own: own.train_on_batch(*batch)  # type: ignore[misc]
    keras.config.set_dtype_policy("float32")
    taken = turns(steps, repetitions)
    return [
        {
            "width": width,
            "batch normalisation": norm,
            **{f"{policy}_ms": 1000 * taken[f"{policy}, {norm}"] for policy in PRECISIONS},
            "gain of bfloat16": taken[f"float32, {norm}"] / taken[f"mixed_bfloat16, {norm}"],
        }
        for norm in ("Keras", "fused")
    ]


def with_norms_of_keras(model: Any) -> Any:
    """A fresh network like that of a classifier, with `keras.layers.BatchNormalization`."""

    def clone(layer: Any) -> Any:
        fused = isinstance(layer, FusedBatchNormalization)
        kind = keras.layers.BatchNormalization if fused else type(layer)
        return kind.from_config(layer.get_config())

    plain = keras.models.clone_model(model.network, clone_function=clone)
    return Classifier(plain, classes=model.classes, cuts=model.cuts)


def network(name: str, width: float, splits: Splits) -> Any:
    """A fresh network of the catalogue."""
    recipe = get_spec(name).load().configured("cpu", {"width": width, "head_width": round(512 * width)})
    return recipe.network(**splits.facts)


if __name__ == "__main__":
    main()
