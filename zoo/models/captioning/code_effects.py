"""What each dimension of the code does to captions, with the chance that it does nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from zoo.errors import DataError


@dataclass(frozen=True)
class CodeEffect:
    """What one dimension of c does to one trait of captions.

    Attributes:
        trait: E.g. "length".
        dimension: Of c, from 0.
        correlation: -1..1, within pictures; nan where the trait or the code is the same in all captions of a picture.
        slope: Of the trait by c, least squares within pictures: e.g. words per unit of c; nan where c is the same.
        p_value: Two-sided, by permutation of codes; 1 where nothing changes. Each trait and dimension is tested by
            itself: of twelve, one is expected below 0.08 by chance.
    """

    trait: str
    dimension: int
    correlation: float
    slope: float
    p_value: float


def code_effects(
    traits: Mapping[str, np.ndarray],
    codes: np.ndarray,
    *,
    ranks: bool = True,
    permutations: int = 999,
    seed: int = 0,
) -> list[CodeEffect]:
    """Returns how each dimension of c goes with each trait, given the picture.

    Traits and codes are taken less their mean in each picture, so that what a picture shows does not count. Permuted
    are the codes of a picture, and where all pictures share their codes, in all of them alike: captions under one code
    are not independent of each other, and were they permuted apart, one code's chance preference for long captions
    would pass for a certain effect. With shared codes p is as good as there are many codes, not many captions.

    Args:
        traits: Name -> `[pictures, codes]`, as `zoo.models.captioning.caption_traits.count_traits` returns them.
        codes: `[codes, dimensions]`, shared by all pictures, or `[pictures, codes, dimensions]`.
        ranks: Correlate ranks within each picture (Spearman's, ties at their mean rank), else values (Pearson's).
        permutations: How many are drawn; p is at least 1 / (permutations + 1) (Phipson and Smyth 2010).
        seed: Of the permutations.

    Returns:
        Trait by trait, one for each dimension.

    Raises:
        DataError: Shapes do not belong together, or there are fewer than three codes.
    """
    values = np.stack([np.asarray(trait, np.float64) for trait in traits.values()], axis=-1)
    codes = np.asarray(codes, np.float64)
    _check_codes(values.shape[:2], codes.shape)
    shared = codes.ndim == 2
    codes = np.broadcast_to(codes, (*values.shape[:2], codes.shape[-1]))
    x, y = _centred(codes), _centred(values)
    with np.errstate(invalid="ignore"):
        slopes = _products(x, y) / np.square(x).sum(axis=(0, 1))[:, None]
        if ranks:
            x, y = _centred(_ranked(codes)), _centred(_ranked(values))
        found = _products(x, y)
        correlations = found / np.sqrt(np.outer(*(np.square(z).sum(axis=(0, 1)) for z in (x, y))))
    if shared:
        # The sum over pictures is all of y that meets a code, and one permutation is for all pictures.
        x, y = x[:1], y.sum(axis=0, keepdims=True)
    rng = np.random.default_rng(seed)
    order = np.tile(np.arange(x.shape[1]), (len(x), 1))
    beyond = np.zeros(found.shape)
    for _ in range(permutations):
        permuted = np.take_along_axis(x, rng.permuted(order, axis=1)[..., None], axis=1)
        # Sums in another order differ by rounding.
        beyond += np.abs(_products(permuted, y)) >= np.abs(found) * (1 - 1e-9)
    p_values = (1 + beyond) / (1 + permutations)
    return [
        CodeEffect(name, k, float(correlations[k, t]), float(slopes[k, t]), float(p_values[k, t]))
        for t, name in enumerate(traits)
        for k in range(codes.shape[-1])
    ]


def _centred(values: np.ndarray) -> np.ndarray:
    """Less the mean over codes; 0 exactly where all are the same."""
    changes = np.ptp(values, axis=1, keepdims=True) > 0
    return np.where(changes, values - values.mean(axis=1, keepdims=True), 0.0)


def _ranked(values: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    ranked: np.ndarray = rankdata(values, axis=1)
    return ranked


def _products(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Sums over pictures and codes: `[dimensions, traits]`."""
    return np.tensordot(x, y, axes=((0, 1), (0, 1)))


def _check_codes(grid: tuple[int, ...], codes: tuple[int, ...]) -> None:
    if codes[:-1] not in (grid, grid[1:]) or len(codes) < 2 or grid[1] < 3:
        raise DataError(
            f"The codes have the shape {codes}, for {grid[0]} pictures with {grid[1]} captions each.",
            expected="[codes, dimensions] or [pictures, codes, dimensions], three codes or more",
            fix="pass the codes that the captions were written under, in their order",
        )
