"""A problem as the decoder may read it: bags of rows, few enough columns, numbers of a size it knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions.expression import Expression
from symnum.problem import Problem
from symnum.search.features import ranked_columns
from symnum.search.folding import folded
from symnum.search.view import View

KINDS = ("raw", "scaled", "standardised")
"""Units that a table is shown in."""
_KNOWN_X = (1e-2, 1e3)  # sizes of columns in the training data
_KNOWN_Y = (1e-6, 1e8)


@dataclass(frozen=True)
class Reading:
    """Rows and columns as shown to the network, and the way back.

    Attributes
    ----------
    table : float64 array, shape (n, d + 1)
        ``(x - shift) / scale`` of the columns, and ``y / y_scale`` last.
    columns : tuple of int
        Columns of the problem.
    shift, scale : float64 arrays, shape (d,)
    y_scale : float
    names : tuple of str
        All columns of the problem.
    kind : str
        "raw", "scaled" or "standardised".
    view : View, optional
        Whose columns and target these are; those of the problem when left out.
    """

    table: NDArray[np.float64]
    columns: tuple[int, ...]
    shift: NDArray[np.float64]
    scale: NDArray[np.float64]
    y_scale: float
    names: tuple[str, ...]
    kind: str = "raw"
    view: View | None = None

    def restore(self, e: Expression) -> Expression | None:
        """Formula over the columns of the problem with the scales put back; None where it is no number."""
        values: dict[str, Expression | float] = {}
        for k, name in enumerate(e.names):
            if k >= len(self.columns):
                continue
            x = Expression.variable(self.columns[k], self.names)
            x = x if self.shift[k] == 0 else x - float(self.shift[k])
            values[name] = x if self.scale[k] == 1 else x / float(self.scale[k])
        made = e.substitute(values) if e.variables else e
        try:
            made = made if self.y_scale == 1 else self.y_scale * made
            made = made.with_names(self.names)
            return folded(made if self.view is None else self.view.restore(made))
        except InvalidInput:  # a part became infinite
            return None


def choose_columns(problem: Problem | View, most: int) -> list[tuple[int, ...]]:
    """Sets of columns to read: all where they are few, else the ones that matter most, and others after."""
    d = problem.X.shape[1]
    if d <= most:
        return [tuple(range(d))]
    order = ranked_columns(Problem(problem.X, problem.y, problem.names))
    first = tuple(sorted(order[:most]))
    # A second look at the strongest half together with the next ones.
    kept, rest = order[: most // 2], order[most:]
    second = tuple(sorted([*kept, *rest[: most - len(kept)]]))
    return [first] if second == first or len(second) < 1 else [first, second]


def bags(rows: NDArray[np.int64], size: int, most: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """All rows where they are few enough, else disjoint bags of `size` of them in random order."""
    if len(rows) <= size:
        return [rows]
    order = rng.permutation(rows)
    return [order[k * size : (k + 1) * size] for k in range(min(most, len(rows) // size))]


def readings(
    problem: Problem | View,
    columns: Sequence[tuple[int, ...]],
    bags_of_rows: Sequence[NDArray[np.int64]],
    kinds: Sequence[str] = KINDS,
) -> list[Reading]:
    """Every bag with the first set of columns, the first bag with the others, in all units that suit.

    Numbers are shown as they are where their sizes occur in the training data, also divided by the root mean
    square of each column, and standardised; the scales are put back symbolically (`Reading.restore`).
    """
    view = problem if isinstance(problem, View) else None
    made = []
    for j, chosen in enumerate(columns):
        for rows in bags_of_rows if j == 0 else bags_of_rows[:1]:
            X, y = problem.X[rows][:, list(chosen)], problem.y[rows]
            for kind in kinds:
                reading = _reading(X, y, chosen, tuple(problem.names), kind, view)
                if reading is not None:
                    made.append(reading)
    return made


def _reading(
    X: NDArray, y: NDArray, columns: tuple[int, ...], names: tuple[str, ...], kind: str, view: View | None
) -> Reading | None:
    shift = X.mean(axis=0) if kind == "standardised" else np.zeros(X.shape[1])
    scale = np.ones(X.shape[1]) if kind == "raw" else np.sqrt(np.mean((X - shift) ** 2, axis=0))
    y_scale = 1.0 if kind == "raw" else float(np.sqrt(np.mean(y**2)))
    usable = np.all(np.isfinite(scale)) and np.all(scale > 0) and np.isfinite(y_scale) and y_scale > 0
    if kind == "raw":
        size, height = np.sqrt(np.mean(X**2, axis=0)), np.sqrt(np.mean(y**2))
        usable = bool(np.all((size >= _KNOWN_X[0]) & (size <= _KNOWN_X[1])))
        usable &= bool(_KNOWN_Y[0] <= height <= _KNOWN_Y[1])
    if not usable:
        return None
    table = np.column_stack([(X - shift) / scale, y / y_scale])
    return Reading(table, columns, shift, scale, y_scale, names, kind, view)
