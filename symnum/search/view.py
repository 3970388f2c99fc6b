"""A problem as one stage sees it: some rows, perhaps fewer variables, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.expression import Expression


@dataclass(slots=True)
class View:
    """Data of a (reduced) problem and how its formulas become formulas of the original one.

    Attributes
    ----------
    X : ndarray (n, d)
    y : ndarray (n,)
    names : tuple of str
    restore : callable
        Formula for this view's y to formula for the original y.
    path : tuple of str
        The reductions that led here, in words.
    scale : ndarray (n,), optional
        By how much an error of this view's y counts in the original target, ``|dy_original/dy|``; all ones
        when left out.
    dims : tuple of ndarray (d, b) and (b,), optional
        Exponents of the units of columns and target as whole numbers (`Dimensions.scaled`); searches then
        keep to what is consistent in them, with constants that are pure numbers.
    """

    X: NDArray[np.float64]
    y: NDArray[np.float64]
    names: tuple[str, ...]
    restore: Callable[[Expression], Expression]
    path: tuple[str, ...] = field(default=())
    scale: NDArray[np.float64] | None = None
    dims: tuple[NDArray[np.int16], NDArray[np.int16]] | None = None

    @property
    def variables(self) -> list[Expression]:
        """One expression per column."""
        return [Expression.variable(i, self.names) for i in range(len(self.names))]

    def rows(self, count: int) -> NDArray[np.int64]:
        """Evenly spread row indices in the order of a fixed shuffle: a prefix is a fair sample."""
        order = np.random.default_rng(len(self.y)).permutation(len(self.y))
        return order[:count]


def original(X: NDArray[np.float64], y: NDArray[np.float64], names: tuple[str, ...]) -> View:
    """The problem itself."""
    return View(X, y, names, lambda e: e)


def errors_through(view: View, factor: NDArray[np.float64]) -> NDArray[np.float64]:
    """`View.scale` of a view whose target is that of `view` divided by `factor`."""
    return factor if view.scale is None else factor * view.scale
