"""What the figures share: colours and style, axes, labels that keep apart."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from symnum.exceptions import InvalidInput

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette (2008), told apart by all common kinds of colour vision.
INK, MUTED, GRID = "#20242a", "#6b7280", "#d5d9e0"
BLUE, ORANGE, GREEN, PINK, SKY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9"
CYCLE = (BLUE, ORANGE, GREEN, PINK, SKY)

SQUARE = 5.2, 4.8  # inches; figures that stand side by side
_MOST_POINTS = 20_000  # more are drawn as a random sample
_MOST_VECTOR_POINTS = 2_000  # more become pixels inside vector formats, which keeps files small
_LABEL_LENGTH = 44
_ROUNDING = 1e-24  # of the largest loss: errors a trillion times smaller than the data's spread

AXES_STYLE: dict[str, Any] = {
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
}
"""Text, lines and grid of every figure, those of the benchmark's report too."""

_STYLE = AXES_STYLE | {
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


def figure_and_axes(
    width: float, height: float, ax: Axes | None = None, layout: str = "constrained"
) -> tuple[Figure, Axes]:
    """A figure of that size in inches with one panel; or the given axes and their figure."""
    from matplotlib.figure import Figure

    if ax is not None:
        return ax.get_figure(root=True), ax  # type: ignore[return-value]
    figure = Figure(figsize=(width, height), layout=layout)  # type: ignore[arg-type]
    return figure, figure.subplots()


def panels_for(count: int, ax: Sequence[Axes] | None = None) -> tuple[Figure, list[Axes]]:
    """Panels one below the other over one abscissa; or the given axes, which must be as many.

    Raises
    ------
    InvalidInput
        When other than `count` axes are given.
    """
    from matplotlib.figure import Figure

    if ax is not None:
        given = list(np.ravel(np.asarray(ax, dtype=object)))
        if len(given) != count:
            raise InvalidInput(f"ax must be a sequence of {count} axes, got {len(given)}")
        return given[0].get_figure(root=True), given
    figure = Figure(figsize=(8.0, 1.2 + 2.0 * count), layout="constrained")
    return figure, list(figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0])


def pair(a: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two arrays of one shape (n,), or an error."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape or a.size == 0:
        raise InvalidInput(f"two arrays of the same shape (n,) expected, got {a.shape} and {b.shape}")
    return a, b


def above_rounding(loss: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Losses for a logarithmic axis, and which of them are nothing but rounding, drawn at the level of it."""
    floor = max(_ROUNDING * loss.max(), 1e-300)
    return np.maximum(loss, floor), loss <= floor


def widen_log(axes: Axes, values: NDArray[np.float64]) -> None:
    """Limits with room above and below on a logarithmic axis."""
    margin = max((values.max() / values.min()) ** 0.06, 1.5)
    axes.set_ylim(values.min() / margin, values.max() * margin)


def whole_number_ticks(axes: Axes, values: NDArray[np.int64]) -> None:
    """Ticks at whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(values.min() - 0.8, values.max() + 0.8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def height_of(axes: Axes, value: float) -> float:
    """Ordinate in axes coordinates."""
    return float(axes.transAxes.inverted().transform(axes.transData.transform((1.0, value)))[1])


def leader(axes: Axes, x: float, y: float, height: float) -> None:
    """Thin line from a point straight to the right edge and from there to its label; leaders never cross."""
    axes.plot([x, axes.get_xlim()[1]], [y, y], color=GRID, linewidth=0.9, zorder=1)
    margin = {"transform": axes.transAxes, "clip_on": False}
    axes.plot([1.0, 1.06], [height_of(axes, y), height], color=GRID, linewidth=0.9, **margin)


def spread(heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Label heights in [0, 1] in the given, descending order: closest to the wanted ones, apart by a line."""
    from scipy.optimize import isotonic_regression

    count = len(heights)
    gap = 1.0 / max(count - 1, 14)
    # With z_i = h_i + i*gap the distances become a plain order, which isotonic regression keeps.
    steps = gap * np.arange(count)
    wanted = np.clip(heights + steps, steps[-1], 1.0)
    return isotonic_regression(wanted, increasing=False).x - steps


def shorten(text: str) -> str:
    """Text cut at the length of a label."""
    return text if len(text) <= _LABEL_LENGTH else text[: _LABEL_LENGTH - 1] + "…"


def spans_decades(*arrays: NDArray[np.float64], factor: float = 100) -> bool:
    """Whether positive values spread over so large a factor."""
    return all(a.size > 2 and a.min() > 0 and a.max() >= factor * a.min() for a in arrays)


def scatter(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], label: str = "rows") -> str:
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


def undefined(finite: NDArray[np.bool_]) -> str:
    """Note on rows without a finite prediction."""
    count = int((~finite).sum())
    return f"{count:,} rows without a finite prediction left out" if count else ""


def notes(axes: Axes, *notes: str) -> None:
    """Notes as a small title."""
    text = "\n".join(n for n in notes if n)
    if text:
        axes.set_title(text, fontsize=9, color=MUTED, loc="left")


def nothing_finite(figure: Figure, axes: Axes) -> Figure:
    """Axes that say that there is nothing to draw."""
    text = "the formula is undefined on every row"
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)
    axes.set_axis_off()
    return figure
