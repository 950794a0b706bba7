"""Features whose second moment is a power of what it was, with a gradient that no degenerate map breaks."""

from __future__ import annotations

from typing import Any

from keras import ops

# Below it the slopes of negative powers overflow float32: features of some 1e-10 count as 0.
_LEAST_EIGENVALUE = 1e-20


def powered_features(features: Any, power: float, epsilon: float) -> Any:
    """Returns Z = U S^power Vᵀ for X = U S Vᵀ: features with Zᵀ Z = (Xᵀ X)^power.

    Only the smaller of X Xᵀ `[P, P]` and Xᵀ X `[C, C]` is decomposed, X Xᵀ where P is unknown: an eigendecomposition of
    49 × 49 numbers for a map of 7 × 7 with any number of channels.

    Args:
        features: X, `[batch, P, C]`.
        power: Above 0.
        epsilon: Directions in which X has up to this share of its largest eigenvalue count as null space: they become
            0, and no gradient passes along them.

    Returns:
        Z, `[batch, P, C]`; zeros for zeros.
    """
    positions, channels = features.shape[1:]
    if positions is None or positions <= channels:
        return _powered_rows(features, (power - 1) / 2, epsilon)
    return _transpose(_powered_rows(_transpose(features), (power - 1) / 2, epsilon))


def _powered_rows(rows: Any, power: float, epsilon: float) -> Any:
    """(R Rᵀ)^power R of R `[batch, n, m]`.

    The gradient is that of Daletskii and Krein: for the power of G = V Λ Vᵀ, V (K ∘ Vᵀ D V) Vᵀ with
    K_ij = (λ_i^p − λ_j^p) / (λ_i − λ_j), and its limit p λ^(p−1) for equal eigenvalues. The gradients of the backends'
    own `eigh` and `svd` divide by λ_i − λ_j alone: nan or noise where positions of a map repeat.
    """

    @ops.custom_gradient
    def powered(rows: Any) -> Any:
        vectors = ops.eigh(ops.matmul(rows, _transpose(rows)))[1]
        # Turned before they are scaled, so that rounding is not blown up by the small eigenvalues; and these are read
        # off the turned rows, since those of the Gram matrix hold no more than rounding below 1e-7 of the largest.
        turned = ops.matmul(_transpose(vectors), rows)
        values = ops.sum(ops.square(turned), axis=-1)
        kept = values > ops.maximum(epsilon * ops.max(values, axis=-1, keepdims=True), _LEAST_EIGENVALUE)
        safe = ops.where(kept, values, 1.0)
        powers = ops.where(kept, safe**power, 0.0)[:, :, None]

        def gradient(*args: Any, upstream: Any = None) -> Any:
            (upstream,) = args if upstream is None else (upstream,)
            arrived = ops.matmul(_transpose(vectors), upstream)
            inner = ops.matmul(arrived, _transpose(turned))
            inner = (inner + _transpose(inner)) * _slopes(safe, kept, power)
            return ops.matmul(vectors, powers * arrived + ops.matmul(inner, turned))

        return ops.matmul(vectors, powers * turned), gradient

    return powered(rows)


def _slopes(values: Any, kept: Any, power: float) -> Any:
    """K `[batch, n, n]`, in a form in which nothing cancels."""
    logs = ops.log(values)
    ratio = logs[:, :, None] - logs[:, None, :]
    equal = ratio == 0
    safe = ops.where(equal, 1.0, ratio)
    quotient = ops.where(equal, power, ops.expm1(power * safe) / ops.expm1(safe))
    single = ops.where(kept, values ** (power - 1), 0.0)
    both = ops.logical_and(kept[:, :, None], kept[:, None, :])
    # Of λ_i > 0 and 0: λ_i^p / λ_i. Of 0 and 0: nothing.
    return ops.where(both, single[:, None, :] * quotient, single[:, :, None] + single[:, None, :])


def _transpose(matrices: Any) -> Any:
    return ops.transpose(matrices, (0, 2, 1))
