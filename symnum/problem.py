"""Problem: the data that a formula is sought for, validated once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions.expression import Expression, default_names


@dataclass(frozen=True, slots=True)
class Problem:
    """A table, its names, and what is known about it.

    Parameters
    ----------
    X : array_like (n, d)
        Finite numbers.
    y : array_like (n,)
        Finite numbers.
    names : sequence of str, optional
        One per column, all different; x0, x1, ... when left out.
    units : sequence of Unit, optional
        One per column and, last, the target's.
    weights : array_like (n,), optional
        Non-negative weights of the squared errors.
    truth : Expression, optional
        The formula behind the data, where it is known. No search looks at it.

    Raises
    ------
    InvalidInput
        When shapes, names, values or weights cannot be used.
    """

    X: NDArray[np.float64]
    y: NDArray[np.float64]
    names: tuple[str, ...] = ()
    units: tuple[Any, ...] | None = None
    weights: NDArray[np.float64] | None = None
    truth: Expression | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        X = np.ascontiguousarray(self.X, dtype=np.float64)
        y = np.ascontiguousarray(self.y, dtype=np.float64).reshape(-1)
        if X.ndim != 2:
            raise InvalidInput(f"X must be 2-D (rows, columns), got shape {X.shape}")
        if len(X) != len(y):
            raise InvalidInput(f"X has {len(X)} rows but y has {len(y)}")
        if len(y) == 0 or X.shape[1] == 0:
            raise InvalidInput(f"a problem needs rows and columns, got X of shape {X.shape}")
        names = tuple(str(n) for n in self.names) or default_names(X.shape[1])
        if len(names) != X.shape[1]:
            raise InvalidInput(f"{len(names)} names were given for {X.shape[1]} columns")
        if len(set(names)) != len(names):
            twice = sorted({n for n in names if names.count(n) > 1})
            raise InvalidInput(f"column names must differ, these occur twice: {twice}")
        for label, values in (("X", X), ("y", y)):
            if not np.all(np.isfinite(values)):
                raise InvalidInput(f"{label} holds NaN or infinity; drop or fill those rows first")
        if self.units is not None and len(self.units) != X.shape[1] + 1:
            raise InvalidInput(
                f"{X.shape[1] + 1} units expected (columns, then target), got {len(self.units)}"
            )
        object.__setattr__(self, "X", X)
        object.__setattr__(self, "y", y)
        object.__setattr__(self, "names", names)
        if self.weights is not None:
            weights = np.ascontiguousarray(self.weights, dtype=np.float64).reshape(-1)
            if weights.shape != y.shape or np.any(weights < 0) or not np.all(np.isfinite(weights)):
                raise InvalidInput("weights must be finite, non-negative, and as many as rows")
            if not np.any(weights > 0):
                raise InvalidInput("all weights are zero; at least one row must count")
            object.__setattr__(self, "weights", weights)
