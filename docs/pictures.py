"""Draw the pictures of the explanation pages: ``python docs/pictures.py`` writes them beside the pages."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from symnum.expressions import Expression
from symnum.plot_parts import BLUE, GREEN, INK, MUTED, ORANGE, styled
from symnum.search.mdl import description_length

FOLDER = Path(__file__).parent / "explanation" / "pictures"
STAGES = (
    ("readouts over a tiny bank", "a first front in a tenth of a second"),
    ("joins over 20,000 columns", "all exact pairs, by one sort"),
    ("reductions", "fewer variables, smaller problems"),
    ("readouts over 10,000 columns", "best combinations under noise"),
    ("joins over 200,000 columns, exact sums", "only while the residual can be predicted"),
    ("growth, inner constants, frequencies", "what the residual still holds"),
    ("populations", "until the time is up"),
)


@styled
def stages() -> Figure:
    """The stages of a fit."""
    figure = Figure(figsize=(7.6, 5.0))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, 10)
    axes.set_ylim(-0.7, len(STAGES))
    axes.set_axis_off()
    for place, (name, said) in enumerate(STAGES):
        y = len(STAGES) - 1 - place
        box = FancyBboxPatch(
            (0.3, y + 0.16),
            4.6,
            0.62,
            boxstyle="round,pad=0.04",
            facecolor="white",
            edgecolor=BLUE,
            linewidth=1.4,
        )
        axes.add_patch(box)
        axes.text(2.6, y + 0.47, name, ha="center", va="center", fontsize=10, color=INK)
        axes.text(5.2, y + 0.47, said, va="center", fontsize=9, color=MUTED)
        if place:
            arrow = {"arrowstyle": "-|>", "color": BLUE, "linewidth": 1.2}
            axes.annotate("", (2.6, y + 0.83), (2.6, y + 1.1), arrowprops=arrow)
    axes.text(
        0.3, -0.3,
        "From every stage: exact on all rows, then a last lap for a shorter spelling, and out;\n"
        "nothing left that held-out rows would predict, then \"noise floor reached\", and out.",
        fontsize=9, color=ORANGE, va="center",
    )  # fmt: skip
    return figure


@styled
def join() -> Figure:
    """Partners of a join lie side by side after sorting by key."""
    rng = np.random.default_rng(3)
    keys = np.sort(rng.uniform(0, 1, 26))
    keys[[9, 18]] = keys[[8, 17]]
    order = rng.permutation(26)
    figure = Figure(figsize=(7.6, 2.9))
    left, right = figure.subplots(1, 2)
    for axes, values, title in (
        (left, keys[order], "keys of the columns, as enumerated"),
        (right, keys, "sorted: partners are neighbours"),
    ):
        equal = np.isin(values, keys[[8, 17]])
        colours = [ORANGE if e else BLUE for e in equal]
        axes.bar(range(26), values, color=colours, width=0.75)
        axes.set_title(title, fontsize=10, loc="left")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.grid(visible=False)
        axes.set_xlabel("columns of the bank")
    left.set_ylabel("key")
    for at, text in ((8.5, "f, g"), (17.5, "h, k")):
        top = keys[int(at + 0.5)]
        right.annotate(
            text, (at, top + 0.02), (at - 2.5, top + 0.22), fontsize=9, color=INK,
            arrowprops={"arrowstyle": "-", "color": MUTED},
        )  # fmt: skip
    figure.subplots_adjust(left=0.05, right=0.98, bottom=0.12, top=0.88)
    return figure


@styled
def description() -> Figure:
    """Bits of formulas and of their residuals, for polynomials fitted to a noisy parabola."""
    rng = np.random.default_rng(5)
    x = rng.uniform(-2, 2, 60)
    y = 0.73 * x**2 - 1.31 * x + 0.4 + 0.15 * rng.normal(size=60)
    whole, formula = [], []
    degrees = np.arange(8)
    for degree in degrees:
        c = np.polynomial.polynomial.polyfit(x, y, degree)
        loss = float(np.mean((y - np.polynomial.polynomial.polyval(x, c)) ** 2))
        terms = [f"{c[0]!r}", *(f"{v!r}*x0**{k}" for k, v in enumerate(c.tolist()) if k)]
        e = Expression.parse(" + ".join(terms).replace("np.float64", ""), ("x0",))
        total = description_length(e, loss, len(y), float(np.sqrt(np.mean(y**2))))
        residual = len(y) * float(np.log2(np.sqrt(loss)))
        whole.append(total)
        formula.append(total - residual)
    whole, formula = np.array(whole), np.array(formula)
    residuals = whole - formula
    figure = Figure(figsize=(7.6, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.plot(degrees, formula, "o-", color=GREEN, label="formula")
    axes.plot(degrees, residuals - residuals.min(), "o-", color=BLUE, label="residuals (from their least)")
    axes.plot(degrees, whole - residuals.min(), "o-", color=ORANGE, linewidth=2, label="both")
    best = int(np.argmin(whole))
    axes.plot(best, whole[best] - residuals.min(), "D", color=ORANGE, markersize=10, zorder=5)
    axes.annotate(
        "selected", (best, whole[best] - residuals.min()), xytext=(8, 10), textcoords="offset points"
    )
    axes.set_xlabel("degree of the polynomial")
    axes.set_ylabel("bits")
    axes.legend()
    return figure


def main() -> None:
    """Write all pictures as SVG files that are the same bytes again."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "symnum", "svg.fonttype": "path"}):
        for draw in (stages, join, description):
            figure = draw()
            figure.savefig(FOLDER / f"{draw.__name__}.svg", metadata={"Date": None}, facecolor="white")


if __name__ == "__main__":
    main()
