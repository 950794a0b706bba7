"""The pairwise ranking loss of visual-semantic embeddings."""

from __future__ import annotations

from typing import Any

from keras import ops

from zoo.checks import check_same_shape


def pairwise_ranking(scores: Any, same: Any, margin: float, hardest: Any) -> Any:
    """Returns how far each pair is from outranking the wrong pairs of its batch by a margin.

    For a picture x_i with its sentence t_i, s the similarity (Kiros et al. 2014, "Unifying visual-semantic
    embeddings with multimodal neural language models", section 2.4):

        sum_k max(0, margin - s(x_i, t_i) + s(x_i, t_k)) + sum_k max(0, margin - s(x_i, t_i) + s(x_k, t_i))

    VSE++ (Faghri et al. 2018, equation 6) takes the maximum over k in place of each sum.

    Args:
        scores: float `[batch, batch]`, s(x_i, t_k) in row i and column k.
        same: bool `[batch, batch]`, true where t_k describes x_i; these pairs are no negatives. The diagonal is true.
        margin: By how much the right pair should win.
        hardest: Scalar in 0..1: 0 sums over the negatives, 1 takes the hardest.

    Returns:
        float `[batch]`.
    """
    check_same_shape(same, scores, names=("same", "scores"))
    right = ops.diagonal(scores)
    sentences = _violations(margin - right[:, None] + scores, same)
    pictures = _violations(margin - right[None, :] + scores, same)
    summed = ops.sum(sentences, axis=1) + ops.sum(pictures, axis=0)
    # With a start, so that a replica without rows of a small last batch costs nothing.
    maximum = ops.max(sentences, axis=1, initial=0.0) + ops.max(pictures, axis=0, initial=0.0)
    return (1.0 - hardest) * summed + hardest * maximum


def _violations(costs: Any, same: Any) -> Any:
    return ops.where(same, 0.0, ops.relu(costs))
