"""The serving benchmark works from end to end, and our server has not become many times slower than the model."""

from __future__ import annotations

import pytest

from ci.bench.serving import SMOKE, run
from ci.bench.serving_load import Load, summary
from ci.bench.serving_rows import Sample, goals, rows

LOOSE = 0.05  # a tenth of what a quiet machine gives; a ratio, so that slow and crowded machines pass


def test_a_smoke_run_keeps_a_part_of_the_in_process_rate():
    table = rows(run(SMOKE).samples)
    assert {row["server"] for row in table} == {"grpcio, no model", "ours, no model", "ours, 1 worker"}
    assert [row["errors"] for row in table] == [0] * len(table)
    alone = next(row for row in table if row["server"] == "ours, 1 worker" and row["concurrency"] == 1)
    assert alone["ratio"] >= LOOSE
    assert alone["p50 ms"] <= alone["p99 ms"]


def test_figures_of_a_measurement():
    assert summary([0.010, 0.030, 0.020], 0.5, 2) == Load(6.0, 20.0, pytest.approx(29.8), 2)


def test_a_row_holds_medians_and_extremes_of_the_paired_ratios():
    samples = [sample(50, 100), sample(60, 80), sample(10, 100)]
    (row,) = rows(samples)
    assert (row["requests/s"], row["requests/s min"], row["requests/s max"]) == (50.0, 10.0, 60.0)
    assert (row["ratio"], row["ratio min"], row["ratio max"]) == (0.5, 0.1, 0.75)


@pytest.mark.parametrize(
    ("possible", "wanted", "reached"), [(150, 0.95, True), (170, 1.5, False)], ids=["no gain", "a gain"]
)
def test_batching_must_gain_where_the_model_itself_gains(possible, wanted, reached):
    samples = [sample(100, 100), sample(120, possible, "ours, batching", batched=True)]
    (goal,) = [goal for goal in goals(samples, []) if "batching" in goal["goal"]]
    assert (goal["wanted"], goal["found"], goal["reached"]) == (wanted, 1.2, reached)


def test_a_peer_is_compared_with_our_best_mode():
    samples = [sample(90, 100), sample(120, 100, "ours, 2 workers"), sample(30, 100, "BentoML")]
    (goal,) = [goal for goal in goals(samples, ["BentoML"]) if "BentoML" in goal["goal"]]
    assert (goal["found"], goal["reached"]) == (4.0, False)


def sample(rate: float, limit: float, server: str = "ours, 1 worker", batched: bool = False) -> Sample:
    return Sample("net", server, batched, 8, Load(rate, 1.0, 2.0, 0), Load(limit, 1.0, 2.0, 0))
