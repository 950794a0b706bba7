"""The linear systems of support vector machines that share a Gram matrix."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve

_MOST_STEPS = 500


class SupportSystems:
    """Solves `(K + ridge I) β = y` on the support rows of each class, and puts 0 elsewhere.

    A class with few support rows gets a Cholesky factor of its own. The others, all together, get conjugate
    gradients, which need few steps just where support rows are many: at a small C, that is a large ridge.

    Args:
        kernel: K, `[rows, rows]`, symmetric, positive semidefinite.
        ridge: Positive.
    """

    def __init__(self, kernel: np.ndarray, ridge: float) -> None:
        self.kernel, self.ridge = kernel, ridge
        self.steps = 10  # that conjugate gradients need, as far as we have seen

    def solve(self, support: np.ndarray, y: np.ndarray, near: np.ndarray, allowed: np.ndarray) -> np.ndarray:
        """Returns β, `[rows, classes]`.

        Args:
            support: bool `[rows, classes]`.
            y: `[rows, classes]`.
            near: Start of the conjugate gradients, `[rows, classes]`.
            allowed: Their squared residuals at the end, `[classes]`.
        """
        solution = np.zeros_like(y)
        few = support.sum(axis=0) ** 3 / 3 <= self.steps * 2 * len(self.kernel) ** 2  # operations
        for column in np.flatnonzero(few):
            rows = np.flatnonzero(support[:, column])
            factor = regularized_factor(self.kernel[np.ix_(rows, rows)], self.ridge)
            solution[rows, column] = cho_solve(factor, y[rows, column], check_finite=False)
        many = ~few
        if many.any():
            mask = support[:, many].astype(np.float64)
            solution[:, many] = self._conjugate_gradients(mask, y[:, many], near[:, many], allowed[many])
        return solution

    def _conjugate_gradients(
        self, mask: np.ndarray, y: np.ndarray, near: np.ndarray, allowed: np.ndarray
    ) -> np.ndarray:
        solution = mask * near
        residual = mask * (y - self.kernel @ solution) - self.ridge * solution
        squared = (residual**2).sum(axis=0)
        left = np.flatnonzero(squared > allowed)
        direction = residual[:, left]
        step = 0
        while len(left) and step < _MOST_STEPS:
            image = mask[:, left] * (self.kernel @ direction) + self.ridge * direction
            length = squared[left] / (direction * image).sum(axis=0)
            solution[:, left] += length * direction
            residual[:, left] -= length * image
            before, after = squared[left], (residual[:, left] ** 2).sum(axis=0)
            squared[left] = after
            direction = residual[:, left] + after / before * direction
            unfinished = after > allowed[left]
            left, direction = left[unfinished], direction[:, unfinished]
            step += 1
        self.steps = max(step, 1)
        return solution


def regularized_factor(matrix: np.ndarray, ridge: float) -> tuple[np.ndarray, bool]:
    """Returns the Cholesky factor of `matrix + ridge I` for `scipy.linalg.cho_solve`; overwrites `matrix`."""
    matrix[np.diag_indices(len(matrix))] += ridge
    # The transpose is the same matrix in the order of LAPACK, which spares a copy.
    return cho_factor(matrix.T, lower=True, overwrite_a=True, check_finite=False)
