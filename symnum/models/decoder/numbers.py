"""Values of constants as classes: a sign and an eighth of a decade."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DECADES = (-3, 3)
PER_DECADE = 8
COUNT = 2 * PER_DECADE * (DECADES[1] - DECADES[0])
"""Classes: positive numbers by size, then negative ones."""


def classes(values: NDArray[np.floating]) -> NDArray[np.int64]:
    """Class of each value; sizes beyond the decades count as the outermost, zero as the smallest."""
    half = COUNT // 2
    size = np.log10(np.maximum(np.abs(values.astype(np.float64)), 1e-30))
    place = np.floor((size - DECADES[0]) * PER_DECADE + 0.5).astype(np.int64)
    return np.clip(place, 0, half - 1) + half * (values < 0)


def centres() -> NDArray[np.float64]:
    """Value (COUNT,) in the middle of each class; powers of ten and nearly 2, 3 and 5 are among them."""
    size = 10.0 ** (DECADES[0] + np.arange(COUNT // 2) / PER_DECADE)
    return np.concatenate([size, -size])
