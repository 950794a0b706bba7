"""Linear support vector machines of all classes at once, on one Gram matrix."""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve
from threadpoolctl import threadpool_limits

from zoo.fitting.support_systems import SupportSystems, regularized_factor

_LOG = logging.getLogger(__name__)
# Classes that one thread takes together: a constant, so that the result does not depend on the number of cores.
_BLOCK = 32
_MOST_STEPS = 30


@dataclass(frozen=True)
class DualSolution:
    """Minimum over β of `1/2 β^T K β + C sum max(0, 1 - y Kβ)^2`, for each class.

    Attributes:
        coefficients: β = y α, float64 `[rows, K]`; α >= 0 are the multipliers of the dual.
        gap: Largest of the classes' duality gaps, relative to the primal value.
        iterations: Newton steps of the slowest class.
    """

    coefficients: np.ndarray
    gap: float
    iterations: int


def minimize_squared_hinge(
    kernel: np.ndarray,
    signs: np.ndarray,
    c: float,
    *,
    start: np.ndarray | None = None,
    tolerance: float = 1e-6,
    most_iterations: int = 100,
) -> DualSolution:
    """Fits one support vector machine with squared hinge loss a class.

    At the optimum a row either has α = 0, or it is a support row, inside the margin, and `(K + I/2C) β = y` holds
    there. Each Newton step solves that system for the present support rows of every class, and goes along the
    result to the minimum (Keerthi and DeCoste 2005, JMLR 6, the modified finite Newton method, carried over from
    weights to dual coefficients). The steps are finitely many; here mostly five to ten.

    Args:
        kernel: K, `[rows, rows]`, symmetric and positive semidefinite; includes the intercept.
        signs: y, -1 and 1, `[rows, classes]`.
        c: Weight of the losses, C > 0.
        start: β of another C, `[rows, classes]`; None starts from kernel ridge regression on y.
        tolerance: Relative duality gap at which a class is finished.
        most_iterations: Newton steps after which the fit ends, with a warning.
    """
    # Threads of BLAS wait for each other longer than these small products take; on busy cores, many times longer.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
        if (
            start is None
        ):  # the Newton step from 0, where every row is a support row: one factor for all classes
            start = cho_solve(regularized_factor(kernel.copy(), 1 / (2 * c)), signs, check_finite=False)
        blocks = [slice(first, first + _BLOCK) for first in range(0, signs.shape[1], _BLOCK)]
        jobs = [
            pool.submit(_minimize, kernel, signs[:, block], c, start[:, block], tolerance, most_iterations)
            for block in blocks
        ]
        parts = [job.result() for job in jobs]
    gap = max(part.gap for part in parts)
    if gap > tolerance:
        _LOG.warning("The SVM with C=%g stopped at a relative duality gap of %.1e.", c, gap)
    coefficients = np.concatenate([part.coefficients for part in parts], axis=1)
    return DualSolution(coefficients, gap, max(part.iterations for part in parts))


def _minimize(
    kernel: np.ndarray, signs: np.ndarray, c: float, start: np.ndarray, tolerance: float, most_iterations: int
) -> DualSolution:
    ridge = 1 / (2 * c)
    systems = SupportSystems(kernel, ridge)
    norm = np.abs(kernel).sum(axis=0).max()  # not below the largest eigenvalue
    beta, scores = start.copy(), kernel @ start
    lower, gaps = np.full(signs.shape[1], -np.inf), np.full(signs.shape[1], np.inf)
    left = np.arange(signs.shape[1])
    for iteration in range(most_iterations + 1):
        y, b, f = signs[:, left], beta[:, left], scores[:, left]
        violation = np.maximum(0, 1 - y * f)
        value = 0.5 * (b * f).sum(axis=0) + c * (violation**2).sum(axis=0)
        gaps[left] = 1 - lower[left] / value
        unfinished = gaps[left] > tolerance
        if not unfinished.any() or iteration == most_iterations:
            break
        left, y, b, f, violation, value = (a[..., unfinished] for a in (left, y, b, f, violation, value))
        # A residual r leaves the step at most C |r|^2 above its minimum, and rows that it moves across the margin
        # cost the dual up to 1 + 2 C |K| times that. Neither matters while the support rows still change.
        accuracy = 0.1 * max(tolerance / (1 + 2 * c * norm), 0.01 ** (iteration + 1))
        target = systems.solve(violation > 0, y, b, accuracy * value / c)
        lower[left] = np.maximum(lower[left], _dual_value(kernel, np.maximum(0, y * target), y, ridge))
        step = target - b
        change = kernel @ step
        length = _line_search(b, step, f, change, y, c)
        beta[:, left] = b + length * step
        scores[:, left] = f + length * change
    return DualSolution(beta, float(gaps.max()), iteration)


def _dual_value(kernel: np.ndarray, alpha: np.ndarray, y: np.ndarray, ridge: float) -> np.ndarray:
    beta = alpha * y
    return alpha.sum(axis=0) - 0.5 * ((beta * (kernel @ beta)).sum(axis=0) + ridge * (alpha**2).sum(axis=0))


def _line_search(
    b: np.ndarray, step: np.ndarray, f: np.ndarray, change: np.ndarray, y: np.ndarray, c: float
) -> np.ndarray:
    """Returns the t of each class at which `b + t step` has the least primal value.

    The derivative in t is piecewise linear and rises: Newton's method, kept inside a bracket. The full step t = 1
    comes first, because it is exact once the support rows are the right ones.
    """
    margin, rise = 1 - y * f, y * change
    linear, quadratic = (f * step).sum(axis=0), (step * change).sum(axis=0)

    def slope(t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        inside = np.maximum(0, margin - t * rise)
        first = linear + t * quadratic - 2 * c * (rise * inside).sum(axis=0)
        return first, quadratic + 2 * c * (rise**2 * (inside > 0)).sum(axis=0)

    low, high, t = np.zeros(b.shape[1]), np.full(b.shape[1], np.inf), np.ones(b.shape[1])
    enough = 1e-3 * np.abs(slope(low)[0])
    for _ in range(_MOST_STEPS):
        first, second = slope(t)
        moving = np.abs(first) > enough
        if not moving.any():
            break
        low, high = np.where(first < 0, t, low), np.where(first > 0, t, high)
        guess = t - first / np.where(second > 0, second, 1)
        middle = np.where(np.isinf(high), 2 * t, (low + np.where(np.isinf(high), t, high)) / 2)
        t = np.where(moving, np.where((guess > low) & (guess < high), guess, middle), t)
    return t
