"""`python -m ci.bench.memory`: peak memory of training on the cached features of 8,000 pictures.

Trains each tagger for two epochs in a process of its own, by `mizoo train --prepared`, and reads the process's peak
resident memory from the operating system. The features are random numbers: memory does not look at their values.
The goal is less than 2 GB with 1280 features (MobileNetV2) and with 4096 (VGG16 fc7).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from ci.bench.command import measured
from ci.bench.report import write_report
from zoo.catalog import get_spec
from zoo.data.batches import Split, Splits
from zoo.data.prepared import write_prepared

PICTURES, TAGS, GOAL_GB = 8000, 116, 2.0
# A frozen backbone; no weights are read, because prepared features need none.
FROZEN = {"backbone": "mobilenet_v2", "weights": "unused.weights.h5"}


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--models", nargs="*", default=["tagging_baseline", "tagging_two_head", "tagging_binomial"]
    )
    arguments = parser.parse_args()
    rows = [
        {"model": model, "features": features, "peak_gb": peak_gb(model, features)}
        for features in (1280, 4096)
        for model in arguments.models
    ]
    print(f"{'model':24s}{'features':>10s}{'peak GB':>10s}   goal < {GOAL_GB} GB")
    for row in rows:
        print(f"{row['model']:24s}{row['features']:10d}{row['peak_gb']:10.2f}")
    write_report(
        "memory",
        command="python -m ci.bench.memory",
        data=f"random features of {PICTURES} training pictures, {TAGS} tags",
        seeds=[0],
        rows=rows,
        extra={"goal_gb": GOAL_GB},
    )


def peak_gb(model: str, features: int) -> float:
    """Trains for two epochs in a fresh process and returns its peak resident memory in GB (10^9 bytes)."""
    with tempfile.TemporaryDirectory() as work:
        recipe = get_spec(model).load().configured(None, FROZEN | {"epochs": 2})
        write_prepared(Path(work) / "arrays.npz", recipe, splits(features))
        prepared = ["--prepared", f"{work}/arrays.npz", "--runs", f"{work}/runs"]
        return measured(["train", model, *prepared])["peak_gb"]


def splits(features: int) -> Splits:
    """8,000 training pictures, and 500 for each of the other splits."""
    rng = np.random.default_rng(0)

    def split(rows: int) -> Split:
        mentions = rng.binomial(5, 0.05, (rows, TAGS)).astype("float32")
        return Split(
            inputs={"features": rng.random((rows, features), dtype="float32")},
            targets={"mentions": mentions, "captions": np.full((rows, 1), 5, "float32")},
            ids=tuple(map(str, range(rows))),
        )

    facts = {
        "tags": tuple(f"tag{i}" for i in range(TAGS)),
        "feature_size": features,
        "backbone_sha256": "none",
    }
    return Splits(split(PICTURES), split(500), split(500), facts=facts, name="random")


if __name__ == "__main__":
    main()
