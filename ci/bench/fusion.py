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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from rich.console import Console
from rich.table import Table

from ci.bench.fusion_cells import (
    CELLS,
    COLUMNS,
    CONCAT_ROWS,
    MPN_CBP_ROWS,
    Bank,
    Cell,
    bank,
    measured,
    milliseconds,
    rows_model,
)
from ci.bench.fusion_claims import claims
from ci.bench.fusion_figure import draw_heat_maps
from ci.bench.fusion_tasks import Task, actions, objects
from ci.bench.fusion_trivial import trivial
from ci.bench.report import RESULTS, write_report
from zoo.backbones.digest import backbone_digest, network_digest
from zoo.files import write_json
from zoo.models.fusion.layer_names import STAGES
from zoo.preprocessing.reading import iterate_images

_TIMED = 8
_TABLES = {"concat": ("Table 1: pooled layers", CONCAT_ROWS), "mpn_cbp": ("Table 2: MPN-CBP", MPN_CBP_ROWS)}


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
        print_tables(task, found)
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
    beside = {"mean of both scores, conv5": late_fusion} | trivial(task, splits)
    rows = list(known.values())
    rows += [
        {"task": task.name, "cell": name, "table": "beside", "row": name, "column": "", "values": values}
        for name, values in beside.items()
    ]
    for row in rows:
        row |= {"mean": float(np.mean(row["values"])), "deviation": float(np.std(row["values"], ddof=1))}
    return rows


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


def print_tables(task: Task, rows: Sequence[Mapping[str, Any]]) -> None:
    """Prints the tables in the report's form: I / P / I+P."""
    known = {(row["table"], row["row"], row["column"]): row for row in rows}
    for table, (title, names) in _TABLES.items():
        title = f"{task.name}: {title}, {task.metric} %"
        shown = Table("", *COLUMNS, "dimensions", "kB a picture", title=title, box=None)
        for name in names:
            cells = [known[table, name, column] for column in COLUMNS]
            best = max(cell["mean"] for cell in cells)
            marks = ("*" if cell["mean"] == best else "" for cell in cells)
            texts = [f"{c['mean']:.1f} ± {c['deviation']:.1f}{m}" for c, m in zip(cells, marks, strict=True)]
            sizes = [cell["dimensions"] for cell in cells]
            kilobytes = [f"{4 * size / 1024:.1f}" for size in sizes]
            shown.add_row(name, *texts, " / ".join(map(str, sizes)), " / ".join(kilobytes))
        Console(width=140).print(shown)
    for row in rows:
        if row["table"] == "beside":
            print(f"{row['row']}: {row['mean']:.1f} ± {row['deviation']:.1f}")


def print_claims(found: Sequence[Mapping[str, Any]], times: Mapping[str, float]) -> None:
    """Prints which of the report's claims hold, and what the features cost."""
    table = Table("task", "claim", "difference", "splits", box=None)
    for claim in found:
        table.add_row(
            claim["task"],
            claim["claim"],
            f"{claim['difference']:+.2f}",
            f"{claim['wins']} of {claim['splits']}",
        )
    Console(width=140).print(table)
    for name, taken in times.items():
        print(f"{name}: {taken:.1f} ms a picture")
    ratio = times["mpn_cbp_svd_cam_IP"] / times["mpn_cbp_conv5_IP"]
    print(f"SVD-CAM in place of Conv5, MPN-CBP of I+P: {ratio:.2f} of the time (report: about 0.8)")


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
