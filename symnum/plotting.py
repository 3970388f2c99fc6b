"""Figures of a fit: Pareto front, parity, residuals, curve, trajectory.

Every function returns a `matplotlib.figure.Figure` that belongs to nobody: no window, no pyplot state. Save
it with ``figure.savefig(path)``; notebooks show it as it is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from symnum.exceptions import InvalidInput

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from symnum.expressions import Expression
    from symnum.regressor import SymbolicRegressor

# Okabe and Ito's palette (2008), told apart by all common kinds of colour vision.
INK, MUTED, GRID = "#20242a", "#6b7280", "#d5d9e0"
BLUE, ORANGE, GREEN, PINK, SKY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9"
_CYCLE = (BLUE, ORANGE, GREEN, PINK, SKY)

_SQUARE = 5.2, 4.8  # inches; figures that stand side by side
_MOST_POINTS = 20_000  # more are drawn as a random sample
_MOST_VECTOR_POINTS = 2_000  # more become pixels inside vector formats, which keeps files small
_LABEL_LENGTH = 44
_ROUNDING = 1e-24  # of the largest loss: errors a trillion times smaller than the data's spread

_STYLE: dict[str, Any] = {
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.constrained_layout.h_pad": 0.1,
    "figure.constrained_layout.w_pad": 0.1,
    "mathtext.fontset": "stix",
}


_P = ParamSpec("_P")
_R = TypeVar("_R")


def styled(draw: Callable[_P, _R]) -> Callable[_P, _R]:
    """Run a drawing function in the house style, leaving the user's settings alone."""

    @functools.wraps(draw)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        import matplotlib as mpl

        with mpl.rc_context(_STYLE):  # type: ignore[arg-type]
            return draw(*args, **kwargs)

    return wrapper


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
    front: Sequence[Scored], selected: int | None = None, label: str = "mean squared error"
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
    shown, exact = _above_rounding(loss)
    figure, axes = _figure(9.5, max(4.0, 1.5 + 0.3 * len(order)), layout="none")
    figure.subplots_adjust(left=0.09, right=0.53, bottom=0.13, top=0.95)
    axes.step(complexity, shown, where="post", color=BLUE, linewidth=1, alpha=0.5)
    axes.plot(complexity, shown, "o", color=BLUE, markersize=6, label="Pareto front")
    axes.set_yscale("log")
    _whole_number_ticks(axes, complexity)
    _widen_log(axes, shown)
    axes.set_xlabel("complexity (nodes)")
    axes.set_ylabel(label)
    heights = _spread(np.array([_height(axes, value) for value in shown]))
    for place, index in enumerate(order):
        chosen = index == selected
        if chosen:
            axes.plot(
                complexity[place], shown[place], "D", color=ORANGE, markersize=9, zorder=4, label="selected"
            )
        number = f"{complexity[place]}".rjust(3, "\u2007")  # a blank as wide as a digit
        text = _shorten(front[index].expression.text(5)) + ("  (exact)" if exact[place] else "")
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
        _leader(axes, complexity[place], shown[place], heights[place])
    if selected in order:
        axes.legend(loc="best")
    return figure


@styled
def plot_parity(y: ArrayLike, y_pred: ArrayLike, target: str = "y") -> Figure:
    """Predicted against measured values, on logarithmic axes when the values span two decades or more.

    Parameters
    ----------
    y, y_pred : array_like of float, shape (n,)
        Measured and predicted values; rows where the prediction is not finite are left out and counted.
    target : str
        Name for the axes.

    Raises
    ------
    InvalidInput
        When the shapes differ.
    """
    y, y_pred = _pair(y, y_pred)
    figure, axes = _figure(*_SQUARE)
    finite = np.isfinite(y) & np.isfinite(y_pred)
    both = np.concatenate([y[finite], y_pred[finite]])
    if both.size == 0:
        return _nothing_finite(figure, axes)
    if _spans_decades(y[finite], y_pred[finite]):
        axes.set_xscale("log")
        axes.set_yscale("log")
        low, high = both.min() / 1.3, both.max() * 1.3
    else:
        margin = 0.04 * (np.ptp(both) or abs(both[0]) or 1.0)
        low, high = both.min() - margin, both.max() + margin
    axes.plot([low, high], [low, high], "--", color=MUTED, linewidth=1, label="equal")
    note = _scatter(axes, y[finite], y_pred[finite])
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal", adjustable="box")
    axes.set_xlabel(f"measured {target}", parse_math=False)
    axes.set_ylabel(f"predicted {target}", parse_math=False)
    _notes(axes, note, _undefined(finite))
    return figure


@styled
def plot_residuals(y: ArrayLike, y_pred: ArrayLike, target: str = "y") -> Figure:
    """Measured minus predicted against predicted values.

    Parameters
    ----------
    y, y_pred : array_like of float, shape (n,)
        Measured and predicted values; rows where the prediction is not finite are left out and counted.
    target : str
        Name for the axes.

    Raises
    ------
    InvalidInput
        When the shapes differ.
    """
    y, y_pred = _pair(y, y_pred)
    figure, axes = _figure(*_SQUARE)
    finite = np.isfinite(y) & np.isfinite(y_pred)
    if not finite.any():
        return _nothing_finite(figure, axes)
    axes.axhline(0.0, color=MUTED, linewidth=1, linestyle="--")
    note = _scatter(axes, y_pred[finite], (y - y_pred)[finite])
    if _spans_decades(y[finite], y_pred[finite]):
        axes.set_xscale("log")
    axes.set_xlabel(f"predicted {target}", parse_math=False)
    axes.set_ylabel("measured - predicted")
    _notes(axes, note, _undefined(finite))
    return figure


@styled
def plot_fit_1d(
    x: ArrayLike,
    y: ArrayLike,
    predict: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    feature: str = "x",
    target: str = "y",
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

    Raises
    ------
    InvalidInput
        When the shapes differ.
    """
    x, y = _pair(x, y)
    figure, axes = _figure(*_SQUARE)
    wide_y = _spans_decades(y)
    wide_x = _spans_decades(x, factor=10 if wide_y else 100)
    space = np.geomspace if wide_x else np.linspace
    grid = space(x.min(), x.max(), 600)
    curve = np.array(predict(grid), dtype=np.float64)
    jumps = np.flatnonzero(np.abs(np.diff(curve)) > 2 * np.ptp(y))
    curve[jumps] = np.nan  # no line across a pole
    note = _scatter(axes, x, y, label="data")
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
    _notes(axes, note)
    return figure


@styled
def plot_trajectory(t: ArrayLike, U: ArrayLike, U_model: ArrayLike, names: Sequence[str]) -> Figure:
    """Recorded states over time and those of a model, one panel a state.

    Parameters
    ----------
    t : array_like of float, shape (n,)
        Times; where they do not increase, another trajectory begins.
    U, U_model : array_like of float, shape (n, d)
        Recorded states and those of the model at the same times.
    names : sequence of str, length d
        Names of the states.

    Raises
    ------
    InvalidInput
        When the shapes differ.
    """
    from matplotlib.figure import Figure

    t, U, U_model = (np.asarray(a, dtype=np.float64) for a in (t, U, U_model))
    if U.ndim != 2 or U.shape != U_model.shape or t.shape != (len(U),) or U.shape[1] != len(names):
        raise InvalidInput(
            "t (n,), U and U_model (n, d) and d names expected, got shapes "
            f"{t.shape}, {U.shape}, {U_model.shape} and {len(names)} names"
        )
    figure = Figure(figsize=(8.0, 1.2 + 2.0 * len(names)), layout="constrained")
    panels = list(figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0])
    runs = np.split(np.arange(len(t)), np.flatnonzero(np.diff(t) <= 0) + 1)
    for column, (axes, name) in enumerate(zip(panels, names, strict=True)):
        for number, run in enumerate(runs):
            colour = _CYCLE[number % len(_CYCLE)]
            axes.plot(t[run], U[run, column], "o", color=colour, markersize=3.2, fillstyle="none")
            axes.plot(t[run], U_model[run, column], "-", color=colour, linewidth=1.3)
        axes.set_ylabel(name, parse_math=False)
        axes.margins(x=0.02)
    panels[-1].set_xlabel("t")
    panels[0].plot([], [], "o", color=INK, markersize=3.2, fillstyle="none", label="data")
    panels[0].plot([], [], "-", color=INK, linewidth=1.3, label="model")
    panels[0].legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
    return figure


# -------------------------------------------------------------------------------------------- parts
def _figure(width: float, height: float, layout: str = "constrained") -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=layout)  # type: ignore[arg-type]
    return figure, figure.subplots()


def _pair(a: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape or a.size == 0:
        raise InvalidInput(f"two arrays of the same shape (n,) expected, got {a.shape} and {b.shape}")
    return a, b


def _above_rounding(loss: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Losses for a logarithmic axis, and which of them are nothing but rounding, drawn at the level of it."""
    floor = max(_ROUNDING * loss.max(), 1e-300)
    return np.maximum(loss, floor), loss <= floor


def _widen_log(axes: Axes, values: NDArray[np.float64]) -> None:
    margin = max((values.max() / values.min()) ** 0.06, 1.5)
    axes.set_ylim(values.min() / margin, values.max() * margin)


def _whole_number_ticks(axes: Axes, values: NDArray[np.int64]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(values.min() - 0.8, values.max() + 0.8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _height(axes: Axes, value: float) -> float:
    """Ordinate in axes coordinates."""
    return float(axes.transAxes.inverted().transform(axes.transData.transform((1.0, value)))[1])


def _leader(axes: Axes, x: float, y: float, height: float) -> None:
    """Thin line from a point straight to the right edge and from there to its label; leaders never cross."""
    axes.plot([x, axes.get_xlim()[1]], [y, y], color=GRID, linewidth=0.9, zorder=1)
    margin = {"transform": axes.transAxes, "clip_on": False}
    axes.plot([1.0, 1.06], [_height(axes, y), height], color=GRID, linewidth=0.9, **margin)


def _spread(heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Label heights in [0, 1] in the given, descending order: closest to the wanted ones, apart by a line."""
    from scipy.optimize import isotonic_regression

    count = len(heights)
    gap = 1.0 / max(count - 1, 14)
    # With z_i = h_i + i*gap the distances become a plain order, which isotonic regression keeps.
    steps = gap * np.arange(count)
    wanted = np.clip(heights + steps, steps[-1], 1.0)
    return isotonic_regression(wanted, increasing=False).x - steps


def _shorten(text: str) -> str:
    return text if len(text) <= _LABEL_LENGTH else text[: _LABEL_LENGTH - 1] + "…"


def _spans_decades(*arrays: NDArray[np.float64], factor: float = 100) -> bool:
    return all(a.size > 2 and a.min() > 0 and a.max() >= factor * a.min() for a in arrays)


def _scatter(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], label: str = "rows") -> str:
    """Draw points, many as a sample; say so in the returned note."""
    count = len(x)
    if count > _MOST_POINTS:
        kept = np.random.default_rng(0).choice(count, _MOST_POINTS, replace=False)
        x, y = x[kept], y[kept]
    few = count <= 200
    axes.plot(
        x, y, "o", color=BLUE, markersize=5 if few else 3, alpha=0.75 if few else 0.35, markeredgewidth=0,
        label=label, rasterized=len(x) > _MOST_VECTOR_POINTS,
    )  # fmt: skip
    return f"{_MOST_POINTS:,} of {count:,} rows drawn" if count > _MOST_POINTS else ""


def _undefined(finite: NDArray[np.bool_]) -> str:
    count = int((~finite).sum())
    return f"{count:,} rows without a finite prediction left out" if count else ""


def _notes(axes: Axes, *notes: str) -> None:
    text = "\n".join(n for n in notes if n)
    if text:
        axes.set_title(text, fontsize=9, color=MUTED, loc="left")


def _nothing_finite(figure: Figure, axes: Axes) -> Figure:
    text = "the formula is undefined on every row"
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)
    axes.set_axis_off()
    return figure
