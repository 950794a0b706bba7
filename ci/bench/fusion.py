"""Which layers of two networks, and put together how? The report's Tables 1 and 2 and its Fig. 1, on other data.

    python -m ci.bench.fusion --objects DIR/caltech101 --captions DIR/flickr8k --first mobilenet_v2=FILE \\
        --second mobilenet_075=RUN/backbone.weights.h5 --splits 5

I is the first network (objects, ImageNet), P the second (in place of one trained on Places: `scene_network`). Prints
both tables for each task, mean and standard deviation over the splits; what of the report's claims holds; dimensions
and time of each row; and writes ci/bench/results/fusion.json with a heat map of layer by layer.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from ci.bench.fusion_cells import (
    CELLS,
    Bank,
    Cell,
    bank,
    measured,
    milliseconds,
    rows_model,
)
from ci.bench.fusion_claims import claims
from ci.bench.fusion_figure import draw_heat_maps
from ci.bench.fusion_tables import print_claims, print_tables
from ci.bench.fusion_tasks import Task, actions, objects
from ci.bench.fusion_trivial import trivial
from ci.bench.report import RESULTS, write_report
from zoo.backbones.digest import backbone_digest, network_digest
from zoo.files import write_json
from zoo.fitting.gram import gram
from zoo.models.fusion.layer_names import STAGES
from zoo.preprocessing.reading import iterate_images

_TIMED = 8


def main() -> None:
    """Measures every cell that is missing, prints the tables, writes the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--objects", required=True, help="folder of class folders, 30 pictures of each")
    parser.add_argument(
        "--captions", help="captioned data set with a validation and a test split; none = objects"
    )
    parser.add_argument("--first", required=True, help="BACKBONE=WEIGHTS")
    parser.add_argument("--second", required=True, help="BACKBONE=WEIGHTS")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--second-image-size", type=int, default=128, help="what the second was trained on")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--cells", type=Path, default=Path("runs/bench-fusion"), help="where cells are kept")
    given = parser.parse_args()

    networks = _networks(given.first, given.second, given.image_size, given.second_image_size)
    model = rows_model(networks)
    tasks = [objects(given.objects), *([actions(given.captions)] if given.captions else [])]
    some = list(tasks[0].paths[:_TIMED])
    pictures = np.stack([np.asarray(one) for one in iterate_images(some, given.image_size)])
    times = milliseconds(model, [cell for cell in CELLS if cell.column == "I+P"], pictures)
    # Cells of other networks or splits are other cells.
    kind = f"{backbone_digest(model)[:8]}-{network_digest(model)[:8]}-{given.splits}"
    rows: list[dict[str, Any]] = []
    extra: dict[str, Any] = {"claims": [], "heat_maps": {}, "protocols": {}}
    for task in tasks:
        own = bank(task, model, None)
        found = task_rows(
            task, own, list(task.splits(given.splits)), given.cells / f"{task.name}-{kind}.json"
        )
        rows += [row | {"milliseconds": times.get(row["cell"])} for row in found]
        extra["claims"] += [{"task": task.name} | claim for claim in claims(found)]
        c = next(row["c"] for row in found if row["cell"] == "concat_conv5_IP")
        extra["heat_maps"][task.name] = heat_map(task, own, given.splits, c)
        extra["protocols"][task.name] = task.protocol
        print_tables(task, found, times)
        # After each task: a bench that is killed leaves what it has.
        draw_heat_maps(extra["heat_maps"], RESULTS / "fusion_layers.png")
        path = write_report(
            "fusion",
            command="python -m ci.bench.fusion --objects DIR/caltech101 --captions DIR/flickr8k "
            "--first mobilenet_v2=FILE --second mobilenet_075=FILE "
            f"--image-size {given.image_size} --second-image-size {given.second_image_size} --splits {given.splits}",
            data=list(extra["protocols"].values()),
            seeds=list(range(given.splits)),
            rows=rows,
            extra=extra,
        )
    print_claims(extra["claims"], times)
    print(f"wrote {path.name}")


def task_rows(
    task: Task, own: Bank, splits: Sequence[tuple[np.ndarray, np.ndarray]], file: Path
) -> list[dict[str, Any]]:
    """Measures every cell of a task that `file` lacks, and what needs no network or no fusion beside them."""
    known: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    scores: dict[str, list[np.ndarray]] = {}
    for cell in CELLS:
        late = cell.table == "concat" and cell.row == "conv5" and cell.column != "I+P"
        if cell.name in known and not late:
            continue
        found = measured(task, own.gram(cell), splits)
        if late:
            scores[cell.column] = found["scores"]
        known[cell.name] = {
            "task": task.name,
            "cell": cell.name,
            "table": cell.table,
            "row": cell.row,
            "column": cell.column,
            "dimensions": own.features(cell).shape[1],
            "values": found["values"],
            "c": found["c"],
        }
        write_json(file, known)
        print(f"{task.name}: {cell.name} {np.mean(found['values']):.2f} (C = {found['c']:g})", flush=True)
    late_fusion = [
        task.quality(sum(parts), test)
        for *parts, (_, test) in zip(scores["I"], scores["P"], splits, strict=True)
    ]
    beside = {
        "mean of both scores, conv5": late_fusion,
        "random projections of conv5, as long as svd_fc": random_projections(task, own, splits),
    } | trivial(task, splits)
    rows = list(known.values())
    rows += [
        {"task": task.name, "cell": name, "table": "beside", "row": name, "column": "", "values": values}
        for name, values in beside.items()
    ]
    for row in rows:
        row |= {"mean": float(np.mean(row["values"])), "deviation": float(np.std(row["values"], ddof=1))}
    return rows


def random_projections(task: Task, own: Bank, splits: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[float]:
    """The metric of each split where svd_fc's class vectors are replaced by directions that know nothing."""
    rng, parts = np.random.default_rng(0), []
    for part in Cell("concat", "conv5", "I+P").parts:
        seen = own.features(part)
        width = own.features(replace(part, row="svd_fc")).shape[1]
        projected = seen @ rng.standard_normal((seen.shape[1], width))
        parts.append(projected / np.linalg.norm(projected, axis=1, keepdims=True))
    return list(measured(task, gram(np.concatenate(parts, axis=1)), splits)["values"])


def heat_map(task: Task, own: Bank, number: int, c: float) -> list[list[float]]:
    """The metric of a stage of the first network beside a stage of the second (report, Fig. 1): `[first][second]`.

    All pairs have the same C, that of the last stages side by side.
    """
    splits = list(task.splits(number))
    kernels = {
        (row, column): own.gram(Cell("concat", row, column)) for row in STAGES for column in ("I", "P")
    }
    return [
        [
            float(np.mean(measured(task, kernels[first, "I"] + kernels[second, "P"], splits, c)["values"]))
            for second in STAGES
        ]
        for first in STAGES
    ]


def _networks(first: str, second: str, size: int, second_size: int) -> dict[str, Any]:
    (backbone, _, weights), (second_backbone, _, second_weights) = first.partition("="), second.partition("=")
    return {
        "backbone": backbone,
        "weights": weights,
        "second_backbone": second_backbone,
        "second_weights": second_weights,
        "image_size": size,
        "second_image_size": second_size,
    }


if __name__ == "__main__":
    main()
