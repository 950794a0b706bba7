"""The codes that every trio is measured under: the same ones for each model, seed and split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammainc, gammaincinv

from zoo.errors import ConfigError

NEAR, FAR = (0.0, 2.0), (2.0, 3.0)
FIXED_CODES, RANDOM_CODES = 32, 100
_SEED = 7


@dataclass(frozen=True)
class MeasuredCodes:
    """Codes as `[codes, pictures, code_size]` in float32, or `[codes, 1, code_size]` for one in all pictures.

    Attributes:
        fixed: 32 of |c| <= 2, each in all pictures (report, "same").
        far: 32 of 2 <= |c| <= 3, each in all pictures.
        random: 100 for each picture, drawn anew (report, "different").
    """

    fixed: np.ndarray
    far: np.ndarray
    random: np.ndarray


def measured_codes(code_size: int, pictures: int) -> MeasuredCodes:
    """Returns the codes that a split is measured under.

    Args:
        code_size: Length of c.
        pictures: How many random codes are needed at a time; the fixed ones do not depend on it.
    """
    near, far = (codes_between(lengths, FIXED_CODES, code_size) for lengths in (NEAR, FAR))
    size = (RANDOM_CODES, pictures, code_size)
    random = np.random.default_rng(_SEED).standard_normal(size, dtype=np.float32)
    return MeasuredCodes(near[:, None], far[:, None], random)


def codes_between(lengths: tuple[float, float], count: int, code_size: int, seed: int = _SEED) -> np.ndarray:
    """Draws c from a standard normal distribution restricted to a range of |c|.

    |c|^2 has a chi-squared distribution, whose inverse is taken within the range: drawing until one falls into it
    would take for ever where c is long.

    Args:
        lengths: The least and the greatest |c|.
        count: How many.
        code_size: Length of c.
        seed: Of the draws.

    Returns:
        float32 `[count, code_size]`.

    Raises:
        ConfigError: The range is empty, or a code as good as never falls into it.
    """
    half = code_size / 2
    low, high = (float(gammainc(half, length**2 / 2)) for length in lengths)
    if not 0 <= lengths[0] < lengths[1] or high - low < 1e-300:
        raise ConfigError(
            f"Codes of {code_size} numbers are to have lengths from {lengths[0]:g} to {lengths[1]:g}.",
            expected="a range, from 0 on, that a standard normal distribution reaches",
            fix=f"name lengths around {code_size**0.5:.3g}",
        )
    rng = np.random.default_rng(seed)
    direction = rng.standard_normal((count, code_size))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    length = np.sqrt(2 * gammaincinv(half, rng.uniform(low, high, (count, 1))))
    return (direction * length).astype(np.float32)
