"""The way of a user: pictures on disk, two networks, features, SVM, export. How long, and how much memory?

    python -m ci.bench.fusion_whole --objects DIR/caltech101 --first mobilenet_v2=FILE --second mobilenet_075=FILE

Each step is a `mizoo` command in a process of its own, with an empty cache at first; then the same training again, with
the features in the cache. Peak memory is the process's own as the operating system counted it. Writes
ci/bench/results/fusion_whole.json.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ci.bench.command import measured
from ci.bench.report import write_report
from ci.bench.timing import show

GOAL_GB = 3.0


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--objects", required=True, help="folder of class folders")
    parser.add_argument("--first", required=True, help="BACKBONE=WEIGHTS")
    parser.add_argument("--second", required=True, help="BACKBONE=WEIGHTS")
    parser.add_argument("--second-image-size", type=int, default=128)
    given = parser.parse_args()
    pictures = sum(1 for path in Path(given.objects).glob("*/*") if path.is_file())
    rows = [
        {"model": model} | row
        for model, more in (("layer_concat_svm", []), ("mpn_cbp", ["align_maps=true"]))
        for row in steps(model, [*networks(given), *more], given.objects)
    ]
    show(f"{pictures} pictures; goal: less than {GOAL_GB} GB", rows)
    write_report(
        "fusion_whole",
        command="python -m ci.bench.fusion_whole --objects DIR/caltech101 --first mobilenet_v2=FILE "
        f"--second mobilenet_075=FILE --second-image-size {given.second_image_size}",
        data=f"{pictures} pictures of {Path(given.objects).name}",
        seeds=[0],
        rows=rows,
        extra={"goal_gb": GOAL_GB},
    )


def networks(given: argparse.Namespace) -> list[str]:
    """The settings that name both networks."""
    (first, _, weights), (second, _, second_weights) = given.first.partition("="), given.second.partition("=")
    return [
        f"backbone={first}",
        f"weights={Path(weights).absolute()}",
        f"second_backbone={second}",
        f"second_weights={Path(second_weights).absolute()}",
        f"second_image_size={given.second_image_size}",
    ]


def steps(model: str, settings: Sequence[str], data: str) -> list[dict[str, Any]]:
    """Trains, trains again and exports; a row for each."""
    with tempfile.TemporaryDirectory() as work:
        environment = os.environ | {"MIZOO_CACHE": f"{work}/cache"}
        train = ["train", model, "--data", data, "--preset", "seed", "--seed", "0"]
        train += [part for setting in settings for part in ("--set", setting)]
        rows = [
            {"step": step} | measured([*train, "--runs", f"{work}/{runs}"], environment)
            for step, runs in (("features and fit", "runs"), ("again, from the cache", "again"))
        ]
        (run,) = Path(work, "runs").glob("*/*/config.json")
        export = ["export", str(run.parent), "--to", f"{work}/models"]
        return [*rows, {"step": "export"} | measured(export, environment)]


if __name__ == "__main__":
    main()
