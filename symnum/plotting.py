"""Figures of a fit: Pareto front, parity, residuals, curve, trajectory.

Every function returns a `matplotlib.figure.Figure` that belongs to nobody: no window, no pyplot state. Save
it with ``figure.savefig(path)``; notebooks show it as it is. With ``ax=`` it draws into axes of yours and
returns their figure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from symnum.exceptions import InvalidInput
from symnum.plot_parts import (
    BLUE,
    CYCLE,
    INK,
    MUTED,
    ORANGE,
    SQUARE,
    above_rounding,
    figure_and_axes,
    height_of,
    leader,
    notes,
    nothing_finite,
    pair,
    panels_for,
    scatter,
    shorten,
    spans_decades,
    spread,
    styled,
    undefined,
    whole_number_ticks,
    widen_log,
)
from symnum.plot_parts import GRID as GRID

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from symnum.expressions import Expression
    from symnum.regressor import SymbolicRegressor


class Scored(Protocol):
    """What a point of a Pareto front needs: an expression, its complexity and its loss."""

    @property
    def expression(self) -> Expression: ...  # noqa: D102
    @property
    def complexity(self) -> int: ...  # noqa: D102
    @property
    def loss(self) -> float: ...  # noqa: D102


class FrontPoint(NamedTuple):
    """One row of a fitted model's table."""

    expression: Expression
    complexity: int
    loss: float
    r2: float


def front_points(model: SymbolicRegressor) -> list[FrontPoint]:
    """Rows of ``model.equations_`` with their expressions, in the order of the table."""
    table = model.equations_
    columns = (table[name].tolist() for name in ("complexity", "loss", "r2"))
    return [FrontPoint(*row) for row in zip(model.expressions_, *columns, strict=True)]


@styled
def plot_pareto(
    front: Sequence[Scored],
    selected: int | None = None,
    label: str = "mean squared error",
    *,
    ax: Axes | None = None,
) -> Figure:
    """Loss against complexity, each point labelled with its formula.

    Parameters
    ----------
    front : sequence of objects with ``expression``, ``complexity`` and ``loss``
        Points of the front in any order.
    selected : int, optional
        Place in `front` of the point to highlight.
    label : str
        What the loss is.
    ax : matplotlib Axes, optional
        Axes to draw into; their right half is given to the formulas.

    Raises
    ------
    InvalidInput
        When no point has a finite loss.
    """
    order = sorted(
        (i for i in range(len(front)) if np.isfinite(front[i].loss)),
        key=lambda i: (front[i].complexity, -front[i].loss),
    )
    if not order:
        raise InvalidInput("the front is empty: there is nothing to plot")
    complexity = np.array([front[i].complexity for i in order])
    loss = np.array([front[i].loss for i in order])
    shown, exact = above_rounding(loss)
    figure, axes = figure_and_axes(9.5, max(4.0, 1.5 + 0.3 * len(order)), ax, layout="none")
    if ax is None:
        figure.subplots_adjust(left=0.09, right=0.53, bottom=0.13, top=0.95)
    else:
        place = axes.get_position()
        axes.set_position((place.x0, place.y0, 0.48 * place.width, place.height))
    axes.step(complexity, shown, where="post", color=BLUE, linewidth=1, alpha=0.5)
    axes.plot(complexity, shown, "o", color=BLUE, markersize=6, label="Pareto front")
    axes.set_yscale("log")
    whole_number_ticks(axes, complexity)
    widen_log(axes, shown)
    axes.set_xlabel("complexity (nodes)")
    axes.set_ylabel(label)
    heights = spread(np.array([height_of(axes, value) for value in shown]))
    for place, index in enumerate(order):
        chosen = index == selected
        if chosen:
            axes.plot(
                complexity[place], shown[place], "D", color=ORANGE, markersize=9, zorder=4, label="selected"
            )
        number = f"{complexity[place]}".rjust(3, "\u2007")  # a blank as wide as a digit
        text = shorten(front[index].expression.text(5)) + ("  (exact)" if exact[place] else "")
        axes.text(
            1.08,
            heights[place],
            f"{number}   {text}",
            transform=axes.transAxes,
            va="center",
            color=ORANGE if chosen else INK,
            fontsize=9,
            fontweight="bold" if chosen else "normal",
            parse_math=False,
        )
        leader(axes, complexity[place], shown[place], heights[place])
    if selected in order:
        axes.legend(loc="best")
    return figure


@styled
def plot_parity(y: ArrayLike, y_pred: ArrayLike, target: str = "y", *, ax: Axes | None = None) -> Figure:
    """Predicted against measured values, on logarithmic axes when the values span two decades or more.

    Parameters
    ----------
    y, y_pred : array_like of float, shape (n,)
        Measured and predicted values; rows where the prediction is not finite are left out and counted.
    target : str
        Name for the axes.
    ax : matplotlib Axes, optional
        Axes to draw into.

    Raises
    ------
    InvalidInput
        When the shapes differ.
    """
    y, y_pred = pair(y, y_pred)
    figure, axes = figure_and_axes(*SQUARE, ax)
    finite = np.isfinite(y) & np.isfinite(y_pred)
    both = np.concatenate([y[finite], y_pred[finite]])
    if both.size == 0:
        return nothing_finite(figure, axes)
    if spans_decades(y[finite], y_pred[finite]):
        axes.set_xscale("log")
        axes.set_yscale("log")
        low, high = both.min() / 1.3, both.max() * 1.3
    else:
        margin = 0.04 * (np.ptp(both) or abs(both[0]) or 1.0)
        low, high = both.min() - margin, both.max() + margin
    axes.plot([low, high], [low, high], "--", color=MUTED, linewidth=1, label="equal")
    note = scatter(axes, y[finite], y_pred[finite])
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal", adjustable="box")
    axes.set_xlabel(f"measured {target}", parse_math=False)
    axes.set_ylabel(f"predicted {target}", parse_math=False)
    notes(axes, note, undefined(finite))
    return figure


@styled
def plot_residuals(y: ArrayLike, y_pred: ArrayLike, target: str = "y", *, ax: Axes | None = None) -> Figure:
    """Measured minus predicted against predicted values.

    Parameters
    ----------
    y, y_pred : array_like of float, shape (n,)
        Measured and predicted values; rows where the prediction is not finite are left out and counted.
    target : str
        Name for the axes.
    ax : matplotlib Axes, optional
        Axes to draw into.

    Raises
    ------
    InvalidInput
        When the shapes differ.
    """
    y, y_pred = pair(y, y_pred)
    figure, axes = figure_and_axes(*SQUARE, ax)
    finite = np.isfinite(y) & np.isfinite(y_pred)
    if not finite.any():
        return nothing_finite(figure, axes)
    axes.axhline(0.0, color=MUTED, linewidth=1, linestyle="--")
    note = scatter(axes, y_pred[finite], (y - y_pred)[finite])
    if spans_decades(y[finite], y_pred[finite]):
        axes.set_xscale("log")
    axes.set_xlabel(f"predicted {target}", parse_math=False)
    axes.set_ylabel("measured - predicted")
    notes(axes, note, undefined(finite))
    return figure


@styled
def plot_fit_1d(
    x: ArrayLike,
    y: ArrayLike,
    predict: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    feature: str = "x",
    target: str = "y",
    *,
    ax: Axes | None = None,
) -> Figure:
    """Data and the curve of a formula of one variable.

    Parameters
    ----------
    x, y : array_like of float, shape (n,)
        Data.
    predict : callable
        Maps values of the variable, shape (m,), to the formula's values, shape (m,).
    feature, target : str
        Names for the axes.
    ax : matplotlib Axes, optional
        Axes to draw into.

    Raises
    ------
    InvalidInput
        When the shapes differ.
    """
    x, y = pair(x, y)
    figure, axes = figure_and_axes(*SQUARE, ax)
    wide_y = spans_decades(y)
    wide_x = spans_decades(x, factor=10 if wide_y else 100)
    space = np.geomspace if wide_x else np.linspace
    grid = space(x.min(), x.max(), 600)
    curve = np.array(predict(grid), dtype=np.float64)
    jumps = np.flatnonzero(np.abs(np.diff(curve)) > 2 * np.ptp(y))
    curve[jumps] = np.nan  # no line across a pole
    note = scatter(axes, x, y, label="data")
    axes.plot(grid, curve, color=ORANGE, linewidth=1.8, label="formula", zorder=3)
    if wide_x:
        axes.set_xscale("log")
    if wide_y:
        axes.set_yscale("log")
    else:
        # A pole between two rows must not squeeze the data into a line.
        margin = 0.5 * (np.ptp(y) or abs(y[0]) or 1.0)
        bottom, top = axes.get_ylim()
        axes.set_ylim(max(bottom, y.min() - margin), min(top, y.max() + margin))
    axes.set_xlabel(feature, parse_math=False)
    axes.set_ylabel(target, parse_math=False)
    axes.legend(loc="best")
    notes(axes, note)
    return figure


@styled
def plot_trajectory(
    t: ArrayLike,
    U: ArrayLike,
    U_model: ArrayLike,
    names: Sequence[str],
    *,
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """Recorded states over time and those of a model, one panel a state.

    Parameters
    ----------
    t : array_like of float, shape (n,)
        Times; where they do not increase, another trajectory begins.
    U, U_model : array_like of float, shape (n, d)
        Recorded states and those of the model at the same times.
    names : sequence of str, length d
        Names of the states.
    ax : sequence of matplotlib Axes, optional
        Axes to draw into, one a state.

    Raises
    ------
    InvalidInput
        When the shapes differ.
    """
    t, U, U_model = (np.asarray(a, dtype=np.float64) for a in (t, U, U_model))
    if U.ndim != 2 or U.shape != U_model.shape or t.shape != (len(U),) or U.shape[1] != len(names):
        raise InvalidInput(
            "t (n,), U and U_model (n, d) and d names expected, got shapes "
            f"{t.shape}, {U.shape}, {U_model.shape} and {len(names)} names"
        )
    figure, panels = panels_for(len(names), ax)
    runs = np.split(np.arange(len(t)), np.flatnonzero(np.diff(t) <= 0) + 1)
    for column, (axes, name) in enumerate(zip(panels, names, strict=True)):
        for number, run in enumerate(runs):
            colour = CYCLE[number % len(CYCLE)]
            axes.plot(t[run], U[run, column], "o", color=colour, markersize=3.2, fillstyle="none")
            axes.plot(t[run], U_model[run, column], "-", color=colour, linewidth=1.3)
        axes.set_ylabel(name, parse_math=False)
        axes.margins(x=0.02)
    panels[-1].set_xlabel("t")
    panels[0].plot([], [], "o", color=INK, markersize=3.2, fillstyle="none", label="data")
    panels[0].plot([], [], "-", color=INK, linewidth=1.3, label="model")
    panels[0].legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
    return figure
