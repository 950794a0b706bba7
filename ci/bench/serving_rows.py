"""From measurements to the table of `ci.bench.serving`, and to what was aimed at."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ci.bench.serving_load import Load

CONCURRENCIES = (1, 8, 32)
GOALS = {1: 0.75, 8: 0.75, 32: 0.70}  # of the in-process limit, for the tiny network
PEER_GOAL, BATCHING_FLOOR, BATCHING_GOAL, BATCHING_MATTERS = 5.0, 0.95, 1.5, 1.6


@dataclass(frozen=True)
class Sample:
    """A server's measurement, and the in-process limit measured just before it."""

    model: str
    server: str
    batched: bool
    concurrency: int
    load: Load
    limit: Load

    @property
    def ratio(self) -> float:
        """What the server keeps of the in-process rate."""
        return self.load.rate / self.limit.rate


def rows(samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Returns a row per model, server and concurrency: medians over the repetitions, with the extremes."""
    groups: dict[tuple[str, str, int], list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.model, sample.server, sample.concurrency].append(sample)
    return [_row(key, group) for key, group in groups.items()]


def _row(key: tuple[str, str, int], group: Sequence[Sample]) -> dict[str, Any]:
    rates = [sample.load.rate for sample in group]
    ratios = [sample.ratio for sample in group]

    def median(value: Callable[[Sample], float], digits: int = 1) -> float:
        return round(statistics.median(map(value, group)), digits)

    return {
        "model": key[0],
        "server": key[1],
        "concurrency": key[2],
        "requests/s": median(lambda sample: sample.load.rate),
        "requests/s min": round(min(rates), 1),
        "requests/s max": round(max(rates), 1),
        "p50 ms": median(lambda sample: sample.load.p50, 2),
        "p99 ms": median(lambda sample: sample.load.p99, 2),
        "errors": sum(sample.load.errors for sample in group),
        "limit": "batches" if group[0].batched else "threads",
        "limit/s": median(lambda sample: sample.limit.rate),
        "limit p99 ms": median(lambda sample: sample.limit.p99, 2),
        "ratio": round(statistics.median(ratios), 3),
        "ratio min": round(min(ratios), 3),
        "ratio max": round(max(ratios), 3),
    }


def goals(samples: Sequence[Sample], peers: Sequence[str]) -> list[dict[str, Any]]:
    """Returns what was aimed at, what was found, and whether that is enough."""
    found = []
    for concurrency, goal in GOALS.items():
        ratios = [s.ratio for s in samples if _is(s, "tiny_cnn", "ours, 2 workers", concurrency)]
        if ratios:
            text = f"tiny_cnn, 2 workers, of the in-process rate at {concurrency}"
            found.append(_goal(text, statistics.median(ratios), goal))
    models = dict.fromkeys(sample.model for sample in samples)
    for model in models:
        for concurrency in CONCURRENCIES:
            found += _batching_goals(samples, model, concurrency)
            for peer in peers:
                theirs = [s.load.rate for s in samples if _is(s, model, peer, concurrency)]
                ours = _best(samples, model, concurrency)
                if theirs and ours:
                    text = f"{model}, our best mode against {peer} at {concurrency}"
                    found.append(_goal(text, ours / max(statistics.median(theirs), 1e-9), PEER_GOAL))
    return found


def _batching_goals(samples: Sequence[Sample], model: str, concurrency: int) -> list[dict[str, Any]]:
    """Batching against none of the same repetition: never slower, and faster where the model itself gains."""
    alone = [s for s in samples if _is(s, model, "ours, 1 worker", concurrency)]
    batched = [s for s in samples if _is(s, model, "ours, batching", concurrency)]
    if not alone or not batched:
        return []
    pairs = list(zip(batched, alone, strict=True))
    gain = statistics.median(first.load.rate / second.load.rate for first, second in pairs)
    possible = statistics.median(first.limit.rate / second.limit.rate for first, second in pairs)
    matters = possible >= BATCHING_MATTERS
    text = f"{model}, batching against 1 worker without at {concurrency} (in process: {possible:.2f})"
    return [_goal(text, gain, BATCHING_GOAL if matters else BATCHING_FLOOR)]


def _best(samples: Sequence[Sample], model: str, concurrency: int) -> float:
    rates = defaultdict(list)
    for sample in samples:
        ours = sample.server.startswith("ours") and not sample.server.endswith("no model")
        if ours and _is(sample, model, sample.server, concurrency):
            rates[sample.server].append(sample.load.rate)
    return max(map(statistics.median, rates.values()), default=0.0)


def _is(sample: Sample, model: str, server: str, concurrency: int) -> bool:
    return (sample.model, sample.server, sample.concurrency) == (model, server, concurrency)


def _goal(text: str, value: float, goal: float) -> dict[str, Any]:
    return {"goal": text, "wanted": goal, "found": round(value, 3), "reached": value >= goal}
