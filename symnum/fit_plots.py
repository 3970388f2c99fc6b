"""Figures of a fitted `SymbolicRegressor`: one variable at a time, and how the search went.

Like those of `symnum.plotting`, every figure belongs to nobody; with ``ax=`` they draw into axes of yours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from symnum.exceptions import InvalidInput
from symnum.plot_parts import BLUE, INK, ORANGE, panels_for, scatter, shorten, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from symnum.regressor import SymbolicRegressor

_GRID = 300
_ACROSS = 3
_LEAST = 1e-16  # 1 - R2 of a fit that is nothing but rounding
_NAMED = 5  # formulas written into the picture of the search


@styled
def plot_slices(
    model: SymbolicRegressor,
    X: Any,
    y: ArrayLike | None = None,
    index: int | None = None,
    target: str = "y",
    *,
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """The formula over one variable at a time, the others at their medians, with bands of uncertainty.

    Parameters
    ----------
    model : SymbolicRegressor
        Fitted, with one output.
    X : array_like or DataFrame (n, d)
        Rows that give the ranges and the medians.
    y : array_like (n,), optional
        Measured values; each is drawn as far from the curve as it is from the formula on its own row, so
        that a pattern in the points is something the formula misses in that variable.
    index : int, optional
        Row of the front; the selected one when left out.
    target : str
        Name for the ordinate.
    ax : sequence of matplotlib Axes, optional
        Axes to draw into, one for each variable in the formula.

    Raises
    ------
    InvalidInput
        When the formula is a constant, or the shapes differ.
    """
    e = model.expression_ if index is None else model._expression(index)
    if not e.variables:
        raise InvalidInput("the formula is a constant: there is no variable to draw it over")
    rows = _rows(X, e.names)
    figure, panels = _grid_of_panels(len(e.variables), ax)
    known = model._known_uncertainty(index) is not None
    residual = None
    if y is not None:
        y = np.asarray(y, dtype=np.float64)
        if y.shape != (len(rows),):
            raise InvalidInput(f"y of shape ({len(rows)},) expected, got {y.shape}")
        residual = y - e.evaluate(rows)
    for axes, column in zip(panels, e.variables, strict=True):
        _slice(axes, model, index, rows, column, residual, known)
        axes.set_xlabel(e.names[column], parse_math=False)
    panels[0].set_ylabel(target, parse_math=False)
    panels[0].legend(loc="best", fontsize=8)
    return figure


def _slice(
    axes: Axes,
    model: SymbolicRegressor,
    index: int | None,
    rows: NDArray[np.float64],
    column: int,
    residual: NDArray[np.float64] | None,
    known: bool,
) -> None:
    e = model._expression(index)
    values = rows[:, column]
    grid = np.tile(np.median(rows, axis=0), (_GRID, 1))
    grid[:, column] = np.linspace(values.min(), values.max(), _GRID)
    curve = e.evaluate(grid)
    x = grid[:, column]
    if known:
        found = model._uncertainty(index)
        deviation = model._deviation(grid, index)
        if np.all(np.isfinite(deviation)):
            axes.fill_between(
                x, curve - 2 * np.hypot(deviation, found.noise), curve + 2 * np.hypot(deviation, found.noise),
                color=BLUE, alpha=0.12, linewidth=0, label="measurements, 2 deviations",
            )  # fmt: skip
            axes.fill_between(
                x, curve - 2 * deviation, curve + 2 * deviation, color=ORANGE, alpha=0.4, linewidth=0,
                label="formula, 2 deviations",
            )  # fmt: skip
    axes.plot(x, curve, color=ORANGE, linewidth=1.6, label="formula", zorder=3)
    if residual is not None:
        at = np.tile(np.median(rows, axis=0), (len(rows), 1))
        at[:, column] = values
        moved = e.evaluate(at) + residual
        finite = np.isfinite(moved)
        scatter(axes, values[finite], moved[finite], label="rows, moved along the formula")
    axes.margins(x=0.02)


@styled
def plot_progress(model: SymbolicRegressor, *, ax: Sequence[Axes] | None = None) -> Figure:
    """How the search went: error of the most exact formula and shortest description over time.

    Parameters
    ----------
    model : SymbolicRegressor
        Fitted, with one output.
    ax : sequence of 2 matplotlib Axes, optional
        Axes to draw into.

    Raises
    ------
    InvalidInput
        When the model keeps no history (saved by an earlier version).
    """
    history = getattr(model, "history_", None)
    if history is None or not len(history):
        raise InvalidInput("this model keeps no history of its search; fit it again")
    figure, (upper, lower) = panels_for(2, ax)
    seconds = np.maximum(history["seconds"].to_numpy(), 1e-3)
    error = np.minimum.accumulate(np.maximum(1 - history["r2"].to_numpy(), _LEAST))
    bits = np.minimum.accumulate(history["bits"].to_numpy())
    end = max(float(model.seconds_ or 0.0), seconds[-1])
    for axes, values in ((upper, error), (lower, bits)):
        axes.step([*seconds, end], [*values, values[-1]], where="post", color=BLUE, linewidth=1.6)
        axes.set_xscale("log")
    upper.set_yscale("log")
    upper.set_ylabel("1 - R² of the most exact")
    lower.set_ylabel("shortest description (bits)")
    lower.set_xlabel("seconds")
    _name_improvements(lower, history, seconds, bits)
    return figure


def _name_improvements(axes: Axes, history: Any, seconds: NDArray, bits: NDArray) -> None:
    """Numbers at the largest steps down and at the last one, and their formulas in the empty corner."""
    steps = -np.diff(bits, prepend=bits[0])
    down = np.flatnonzero(steps > 0)
    largest = down[np.argsort(-steps[down], kind="stable")][: _NAMED - 1].tolist()
    named = sorted({0, *largest, *down[-1:].tolist()})
    for number, i in enumerate(named, start=1):
        axes.plot(seconds[i], bits[i], "o", color=ORANGE, markersize=5, zorder=4)
        axes.annotate(
            str(number), (seconds[i], bits[i]), xytext=(-4, -4), textcoords="offset points", fontsize=8,
            color=INK, ha="right", va="top",
        )  # fmt: skip
    lines = [f"{n}  {shorten(str(history['equation'].iloc[i]))}" for n, i in enumerate(named, start=1)]
    axes.text(
        0.99, 0.97, "\n".join(lines), transform=axes.transAxes, ha="right", va="top", fontsize=8,
        multialignment="left",
        color=INK, parse_math=False,
    )  # fmt: skip
    axes.margins(y=0.15)


def _grid_of_panels(count: int, ax: Sequence[Axes] | None) -> tuple[Figure, list[Axes]]:
    """Panels three in a row; or the given axes."""
    if ax is not None:
        return panels_for(count, ax)
    from matplotlib.figure import Figure

    across = min(count, _ACROSS)
    down = -(-count // across)
    figure = Figure(figsize=(3.4 * across + 0.6, 3.0 * down), layout="constrained")
    panels = list(figure.subplots(down, across, squeeze=False, sharey="row").ravel())
    for unused in panels[count:]:
        unused.set_axis_off()
    return figure, panels[:count]


def _rows(X: Any, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Rows as an array with the columns in the order of the names."""
    columns = getattr(X, "columns", None)
    if columns is not None and set(names) <= set(columns):
        X = X[list(names)]
    rows = np.asarray(X, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != len(names) or not len(rows):
        raise InvalidInput(f"X of shape (rows, {len(names)}) expected, got {rows.shape}")
    return rows
