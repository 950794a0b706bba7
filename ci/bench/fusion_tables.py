"""What `ci.bench.fusion` prints: the report's tables, and what holds of its claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from ci.bench.fusion_cells import COLUMNS, CONCAT_ROWS, MPN_CBP_ROWS
from ci.bench.fusion_tasks import Task

_TABLES = {"concat": ("Table 1: pooled layers", CONCAT_ROWS), "mpn_cbp": ("Table 2: MPN-CBP", MPN_CBP_ROWS)}


def print_tables(task: Task, rows: Sequence[Mapping[str, Any]], times: Mapping[str, float]) -> None:
    """Prints the tables in the report's form, I / P / I+P; what features weigh, and what those of I+P take."""
    known = {(row["table"], row["row"], row["column"]): row for row in rows}
    for table, (title, names) in _TABLES.items():
        title = f"{task.name}: {title}, {task.metric} %"
        shown = Table("", *COLUMNS, "dimensions", "kB a picture", "ms (I+P)", title=title, box=None)
        for name in names:
            cells = [known[table, name, column] for column in COLUMNS]
            best = max(cell["mean"] for cell in cells)
            marks = ("*" if cell["mean"] == best else "" for cell in cells)
            texts = [f"{c['mean']:.1f} ± {c['deviation']:.1f}{m}" for c, m in zip(cells, marks, strict=True)]
            sizes = [cell["dimensions"] for cell in cells]
            kilobytes = [f"{4 * size / 1024:.1f}" for size in sizes]
            shown.add_row(
                name,
                *texts,
                " / ".join(map(str, sizes)),
                " / ".join(kilobytes),
                f"{times[cells[-1]['cell']]:.0f}",
            )
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
