"""No row that reaches a score lies outside of its half-space, and few others lie inside."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.search.edit import Edit
from zoo.search.half_spaces import half_space
from zoo.search.measures import score

CASES = [
    ("direction", 0.0),
    ("anchored", 0.3),
    ("anchored", 2.0),
    ("anchored", -0.7),
    ("kiros", 1.0),
    ("kiros", -3.0),
]


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def drawn(dimensions, rng):
    """Vectors on the whole sphere, some near the query and some near its opposite; the query; an edit."""
    rows = unit(rng.standard_normal((4000, dimensions)))
    query = rows[0]
    rows[1:400] = unit(query + 0.05 * rng.standard_normal((399, dimensions)))
    rows[400:800] = unit(-query + 0.05 * rng.standard_normal((400, dimensions)))
    return rows.astype(np.float32), query.astype(np.float32), Edit(rng.standard_normal(dimensions))


@pytest.mark.parametrize(("measure", "weight"), CASES)
@pytest.mark.parametrize("dimensions", [2, 3, 64])
def test_whatever_reaches_the_floor_is_inside(measure, weight, dimensions):
    rng = np.random.default_rng(dimensions)
    for _ in range(5):
        rows, query, edit = drawn(dimensions, rng)
        wide, start = unit(rows.astype(float)), unit(query.astype(float))
        keep, shift = wide @ start, wide @ edit.direction
        scores = score(measure, keep, shift, start @ edit.direction, edit.length, weight, np).score
        for floor in [*np.quantile(scores[scores > -np.inf], [0, 0.1, 0.5, 0.9, 0.999, 1]), 0.0]:
            half = half_space(measure, weight, float(floor), query, edit)
            assert half.normal.dtype == np.float32
            inside = rows @ half.normal >= half.least
            assert inside[scores >= floor].all(), floor


@pytest.mark.parametrize(("measure", "weight"), [("direction", 0.0), ("anchored", 0.3), ("kiros", 1.0)])
def test_of_unrelated_rows_few_are_inside(measure, weight):
    rng = np.random.default_rng(0)
    rows = unit(rng.standard_normal((20_000, 256))).astype(np.float32)
    query, edit = rows[0], Edit(rng.standard_normal(256))
    scores = score(
        measure, rows @ query, rows @ edit.direction, query @ edit.direction, edit.length, weight, np
    ).score
    half = half_space(measure, weight, float(np.sort(scores)[-50]), query, edit)
    assert (rows @ half.normal >= half.least).mean() < 0.06
