"""Span-collision joins: all pairs of bank columns that explain a target exactly, in O(N log N).

Whether ``t = background + p*a + q*s`` holds for some coefficients is asked in the quotient space that forgets
the background *and* the target: there ``a`` and ``s`` must be parallel, so pairs are collisions of direction
signatures, found by one sort instead of N^2 fits. The same join finds, with all coefficients free,

* sums (dictionary = columns, background = 1 and the variables),
* products of powers (dictionary and target in logarithms, background = 1 and log|x|),
* quotients ``T = (b1 + p*a)/(b2 + q*s)``, rewritten as ``T*(b2 + q*s) - p*a = b1`` (dictionary = columns and
  T times columns, background = 1, x, T, T*x).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

KEY_TOLERANCE = 2e-9
CHECK_TOLERANCE = 2e-8
MIN_QUALITY = 3e-7
"""Smallest share of a column that must lie outside the span, else rounding decides its direction."""
SPARE = 5
"""Rows beyond the background's size: the dimension in which directions are compared."""


@dataclass(frozen=True, slots=True)
class Dictionary:
    """Columns on a few rows with what they stand for.

    Attributes
    ----------
    columns : ndarray (n, m)
    element : ndarray (n,) of int32
        Bank index of each column.
    kind : ndarray (n,) of int8
        How the column was made from the element (see `symnum.search.readouts`).
    cost : ndarray (n,) of int16
    """

    columns: NDArray[np.float64]
    element: NDArray[np.int32]
    kind: NDArray[np.int8]
    cost: NDArray[np.int16]

    def take(self, keep: NDArray) -> Dictionary:
        """Subset in the given order."""
        return Dictionary(self.columns[keep], self.element[keep], self.kind[keep], self.cost[keep])

    @staticmethod
    def join(*parts: Dictionary) -> Dictionary:
        """All columns of several dictionaries."""
        return Dictionary(
            np.concatenate([p.columns for p in parts]),
            np.concatenate([p.element for p in parts]),
            np.concatenate([p.kind for p in parts]),
            np.concatenate([p.cost for p in parts]),
        )


def null_projection(background: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Orthonormal rows (k, m) that annihilate the columns of `background` (m, b); None if m is too small."""
    scaled = background / np.maximum(np.linalg.norm(background, axis=0), 1e-300)
    left, singular, _ = np.linalg.svd(scaled, full_matrices=True)
    rank = int(np.sum(singular > 1e-10 * singular[0]))
    if len(background) - rank < SPARE:
        return None
    return np.ascontiguousarray(left[:, rank : rank + SPARE].T)


def directions(columns: NDArray, projection: NDArray) -> tuple[NDArray, NDArray]:
    """Unit directions outside the span (n, k), signs fixed, and each column's share outside it."""
    norms = np.sqrt(np.einsum("ij,ij->i", columns, columns))
    outside = columns @ projection.T
    length = np.sqrt(np.einsum("ij,ij->i", outside, outside))
    with np.errstate(all="ignore"):
        share = length / norms
        # The sign rule uses an oblique functional: a coordinate of its own would be near zero too often.
        sign = np.sign(outside @ np.array([1.0, 0.618, -0.414, 0.732, -0.236]))
        unit = outside * (sign / length)[:, None]
    share[~np.isfinite(share)] = 0.0
    return unit, share


def distinct(dictionary: Dictionary, projection: NDArray) -> Dictionary:
    """One column, the cheapest, of each class that is equal up to a factor and the background."""
    unit, share = directions(dictionary.columns, projection)
    good = np.flatnonzero(share > MIN_QUALITY)
    good = good[np.argsort(dictionary.cost[good], kind="stable")]
    keys = np.rint(unit[good] / (4 * CHECK_TOLERANCE)).astype(np.int64)
    mixed = keys @ np.array([1, 1_000_003, 998_244_353, 7_919_317, 104_395_303], dtype=np.int64)
    _, first = np.unique(mixed, return_index=True)
    return dictionary.take(good[np.sort(first)])


def collisions(
    dictionary: Dictionary, projection: NDArray, most: int = 400
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Members and pairs whose directions vanish or coincide outside the span.

    Returns
    -------
    singles : ndarray (s,)
        Columns inside the span (with background and target): one column explains the target.
    pairs : ndarray (p, 2)
        Parallel columns, cheapest pairs first, at most `most`.
    """
    unit, share = directions(dictionary.columns, projection)
    singles = np.flatnonzero(share < 1e-8)
    singles = singles[np.argsort(dictionary.cost[singles], kind="stable")][:most]
    good = np.flatnonzero(share > MIN_QUALITY)
    order = good[np.argsort(unit[good, 0])]
    key = unit[order, 0]
    found: list[NDArray] = []
    for lag in (1, 2, 3):
        if len(order) <= lag:
            break
        near = np.flatnonzero(key[lag:] - key[:-lag] < KEY_TOLERANCE)
        i, j = order[near], order[near + lag]
        same = np.all(np.abs(unit[i, 1:] - unit[j, 1:]) < CHECK_TOLERANCE, axis=1)
        found.append(np.stack([i[same], j[same]], axis=1))
    pairs = np.concatenate(found) if found else np.empty((0, 2), np.int64)
    total = dictionary.cost[pairs].sum(axis=1)
    # Cheapest first; ties by the elements themselves, so that the order never depends on the sort.
    rank = np.lexsort((dictionary.element[pairs].max(axis=1), dictionary.element[pairs].min(axis=1), total))
    return singles, pairs[rank[:most]]
