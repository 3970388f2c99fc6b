"""Figures of a report, as SVG that follows the page's light or dark colours."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symnum.evaluation.aggregate import (
    PROFILE_GRID,
    Group,
    Interval,
    Ranks,
    leading,
    over_time,
    profile,
)
from symnum.evaluation.published import Published
from symnum.plot_parts import AXES_STYLE, GRID, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (
    ("#0072b2", "#56b4e9"), ("#d55e00", "#f0883e"), ("#009e73", "#34c79a"), ("#b0588f", "#e29ac6"),
    ("#8a6d00", "#e6c229"), ("#5b4fb0", "#a59bf0"), ("#7a4a2b", "#c99a78"), ("#3d7a8a", "#7fc4d6"),
    ("#a3323b", "#f08a92"), ("#4f6b1f", "#a9c96b"),
)  # fmt: skip
"""Colours of methods, for a light and for a dark page; the first four are Okabe and Ito's or near them."""
_MARKERS = "osD^vP*XhX"
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.5, 1.5, 1.5)))

_STYLE = AXES_STYLE | {
    "font.family": "sans-serif",
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "svg.fonttype": "none",
    "svg.hashsalt": "symnum",
}


class Look:
    """Colour, marker and dashes of each method, the same on the whole page."""

    def __init__(self, methods: Sequence[str]) -> None:
        self.methods = tuple(methods)

    def colour(self, method: str) -> str:
        """Hexadecimal colour on a light page; `as_svg` makes it follow the page."""
        return COLOURS[self.methods.index(method) % len(COLOURS)][0]

    def marker(self, method: str) -> str:
        """Marker of points."""
        return _MARKERS[self.methods.index(method) % len(_MARKERS)]

    def line(self, method: str) -> dict[str, Any]:
        """Arguments of a line."""
        place = self.methods.index(method)
        return {"color": self.colour(method), "linestyle": _DASHES[place % len(_DASHES)], "linewidth": 1.8}


def as_svg(draw: Callable[[Figure], None], width: float, height: float, prefix: str) -> str:
    """Let `draw` fill a figure of so many inches and return it as an SVG element for HTML."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    buffer = io.StringIO()
    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(width, height))
        draw(figure)
        none = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=none)
    svg = buffer.getvalue()
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(
        r'\sxmlns(:\w+)?="[^"]*"', "", svg
    )  # known inside HTML, and no address shall stand on the page
    svg = re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{prefix}", svg)
    svg = re.sub(r"font: ([^;\"]*?)(?:'[^;\"]*|sans-serif)([;\"])", r"font: \1system-ui, sans-serif\2", svg)
    for colour, name in colour_names().items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg.strip()


def colour_names() -> dict[str, str]:
    """Hexadecimal colour -> name of the CSS variable that replaces it."""
    return {INK: "ink", MUTED: "muted", GRID: "grid"} | {
        light: f"m{place}" for place, (light, _) in enumerate(COLOURS)
    }


# ---------------------------------------------------------------------------------------------- figures
def overview(
    groups: Sequence[Group], scores: Mapping[int, Mapping[str, Mapping[str, Interval]]], look: Look
) -> str:
    """Leading measure of every method in every group, with its interval."""
    rows = [(i, group) for i, group in enumerate(groups) if group.subset == "all"]
    methods = [m for m in look.methods if any(m in scores[i] for i, _ in rows)]
    step = 1.0 / (len(methods) + 1.5)

    def draw(figure: Figure) -> None:
        axes = _axes(figure, len(rows), row_inches(rows, methods))
        for place, (index, group) in enumerate(rows):
            lead = leading(group).name
            for offset, method in enumerate(methods):
                if method not in scores[index]:
                    continue
                value, low, high = scores[index][method][lead]
                y = place + (offset - (len(methods) - 1) / 2) * step
                axes.plot([low, high], [y, y], color=look.colour(method), linewidth=1.5, alpha=0.6)
                label = method if place == 0 else None
                axes.plot(
                    value, y, look.marker(method), color=look.colour(method), markersize=5.5, label=label
                )
        axes.set_yticks(range(len(rows)), [_row_label(group) for _, group in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(-0.02, 1.02)
        axes.grid(axis="y", visible=False)
        for edge in range(1, len(rows)):
            axes.axhline(edge - 0.5, color=GRID, linewidth=0.6)
        axes.set_xlabel("share recovered, or median R²; lines: 95 % intervals")
        _legend_above(figure, axes)

    return as_svg(draw, 9.5, row_inches(rows, methods), "ov-")


def row_inches(rows: Sequence[Any], methods: Sequence[str]) -> float:
    """Height of the overview."""
    return 1.2 + len(rows) * max(0.45, 0.16 * (len(methods) + 1))


def recovery_over_time(panels: Sequence[Group], look: Look, prefix: str) -> str:
    """Share of runs recovered within a time, one panel for each noise."""

    def fill(axes: Axes, group: Group) -> None:
        first = group.max_time / 1000
        curves = {method: over_time(runs) for method, runs in _by_method(group, look)}
        end = max([1.1 * group.max_time, *(seconds.max() for seconds, _ in curves.values() if len(seconds))])
        for method, (seconds, share) in curves.items():
            x = np.concatenate([[first], np.maximum(seconds, first), [end]])
            y = np.concatenate([[0.0], share, share[-1:] if len(share) else [0.0]])
            axes.plot(x, y, drawstyle="steps-post", label=method, **look.line(method))
        axes.axvline(group.max_time, color=MUTED, linewidth=0.8, linestyle=":")
        axes.set_xscale("log")
        _plain_ticks(axes)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel("seconds")

    return _panels(panels, fill, "share of runs recovered", prefix)


def profiles(panels: Sequence[Group], look: Look, prefix: str, column: str) -> str:
    """Share of runs with at least a given R2, one panel for each noise."""

    def fill(axes: Axes, group: Group) -> None:
        for method, runs in _by_method(group, look):
            if runs[column].notna().any():
                axes.plot(PROFILE_GRID, profile(runs, column), label=method, **look.line(method))
        axes.set_xlim(0, 1)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel("R² inside the domain" if column == "r2_zero_test" else "R² outside the domain")

    return _panels(panels, fill, "share of runs with at least that", prefix)


def pareto(
    group: Group,
    scores: Mapping[str, Mapping[str, Interval]],
    others: Sequence[Published],
    look: Look,
    prefix: str,
) -> str:
    """Leading measure against size and against time; published methods as hollow points."""
    lead = leading(group)

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, 2, sharey=True)
        figure.subplots_adjust(left=0.075, right=0.99, bottom=0.15, top=0.86, wspace=0.08)
        for axes, column in zip(panels, ("sympy_size", "fit_seconds"), strict=True):
            points = [(e.value(column), e.value(lead.name), e.method) for e in others]
            _hollow(axes, [p for p in points if np.isfinite(p[0]) and np.isfinite(p[1])])
            for method in look.methods:
                if method in scores and np.isfinite(scores[method][column].value):
                    x, y = scores[method][column], scores[method][lead.name]
                    thin = {"color": look.colour(method), "linewidth": 1.2, "alpha": 0.5}
                    axes.plot([x.low, x.high], [y.value] * 2, **thin)
                    axes.plot([x.value] * 2, [y.low, y.high], **thin)
                    axes.plot(
                        x.value,
                        y.value,
                        look.marker(method),
                        color=look.colour(method),
                        markersize=7,
                        label=method,
                    )
            axes.set_xscale("log")
            axes.set_ylim(-0.04, 1.04)
            _plain_ticks(axes)
        panels[0].set_xlabel("size: sympy nodes, median")
        panels[1].set_xlabel("seconds of a fit, median")
        panels[0].set_ylabel("share recovered" if lead.unit == "%" else f"{lead.title}, median")
        _legend_above(figure, panels[0])

    return as_svg(draw, 9.5, 4.0, prefix)


def _hollow(axes: Axes, points: Sequence[tuple[float, float, str]]) -> None:
    """Published points, named where no other is both further left and higher."""
    for x, y, name in points:
        axes.plot(x, y, "o", mfc="none", mec=MUTED, markersize=4.5)
        if not any(a <= x and b >= y and (a, b) != (x, y) for a, b, _ in points):
            axes.annotate(
                name, (x, y), xytext=(-4, 4), textcoords="offset points", ha="right", fontsize=8, color=MUTED
            )


def _plain_ticks(axes: Axes) -> None:
    """Numbers instead of powers of ten, also between them where an axis covers little."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axes.get_xlim()
    short = high / max(low, 1e-12) < 100
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if short else (1.0,), numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def critical_difference(result: Ranks, look: Look, prefix: str) -> str:
    """Mean ranks on a line; bars join methods that Wilcoxon's test with Holm's correction does not part."""
    k = len(result.methods)
    bars = _cliques(result)
    sides = [(place, place < (k + 1) // 2) for place in range(k)]
    levels = (k + 1) // 2
    height = 1.0 + 0.16 * len(bars) + 0.26 * levels

    def draw(figure: Figure) -> None:
        axes = figure.add_axes((0.2, 0.0, 0.6, 1.0))
        axes.set_axis_off()
        axes.set_xlim(1, max(k, 2))
        axes.set_ylim(height, 0)
        line = 0.62
        axes.plot([1, k], [line, line], color=INK, linewidth=1)
        for rank in range(1, k + 1):
            axes.plot([rank, rank], [line - 0.06, line], color=INK, linewidth=1)
            axes.text(rank, line - 0.1, str(rank), ha="center", va="bottom", fontsize=9)
        shown = min(result.critical_difference, k - 1)
        axes.plot([1, 1 + shown], [0.2, 0.2], color=MUTED, linewidth=2)
        axes.text(
            1 + shown, 0.2, f"  Nemenyi's critical difference {result.critical_difference:.2f}", va="center",
            fontsize=8, color=MUTED,
        )  # fmt: skip
        for place, left in sides:
            rank, method = result.mean_ranks[place], result.methods[place]
            level = place if left else k - 1 - place
            y = line + 0.25 + 0.16 * len(bars) + 0.26 * level
            edge = 1 - 0.02 * (k - 1) if left else k + 0.02 * (k - 1)
            axes.plot([rank, rank, edge], [line, y, y], color=look.colour(method), linewidth=1, clip_on=False)
            text = f"{method}  {rank:.2f}" if left else f"{rank:.2f}  {method}"
            axes.text(edge, y, f" {text} ", ha="right" if left else "left", va="center", fontsize=9)
        for level, (first, last) in enumerate(bars):
            y = line + 0.14 + 0.16 * level
            ends = result.mean_ranks[[first, last]] + np.array([-0.02, 0.02]) * (k - 1)
            axes.plot(ends, [y, y], color=INK, linewidth=3.5, solid_capstyle="round", alpha=0.75)

    return as_svg(draw, 8.0, height, prefix)


# ---------------------------------------------------------------------------------------------- parts
def _by_method(group: Group, look: Look) -> list[tuple[str, Any]]:
    parts = dict(list(group.runs.groupby("method")))
    return [(method, parts[method]) for method in look.methods if method in parts]


def _row_label(group: Group) -> str:
    measure = "recovered" if group.has_truth else "median R²"
    noise = f", noise {group.noise:g}" if group.has_truth else ""
    return f"{group.suite}{noise}\n{measure}, {group.max_time:g} s"


def _axes(figure: Figure, rows: int, height: float) -> Axes:
    axes = figure.add_subplot()
    figure.subplots_adjust(left=0.19, right=0.98, bottom=0.55 / height, top=1 - 0.45 / height)
    return axes


def _panels(panels: Sequence[Group], fill: Callable[[Axes, Group], None], ylabel: str, prefix: str) -> str:
    def draw(figure: Figure) -> None:
        all_axes = np.atleast_1d(figure.subplots(1, len(panels), sharey=True))
        figure.subplots_adjust(left=0.75 / width, right=1 - 0.1 / width, bottom=0.15, top=0.82, wspace=0.08)
        for axes, group in zip(all_axes, panels, strict=True):
            fill(axes, group)
            if group.has_truth:
                axes.set_title(f"noise {group.noise:g}")
        all_axes[0].set_ylabel(ylabel)
        _legend_above(figure, all_axes[0])

    width = 5.5 if len(panels) == 1 else 9.5
    return as_svg(draw, width, 3.6, prefix)


def _legend_above(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(
            handles, labels, loc="upper left", ncols=min(len(labels), 6), fontsize=9, columnspacing=1.4,
            handlelength=1.8, borderpad=0.1,
        )  # fmt: skip


def _cliques(result: Ranks) -> list[tuple[int, int]]:
    """Longest runs of methods, neighbours in rank, none of which differs from another."""
    k = len(result.methods)
    found: list[tuple[int, int]] = []
    for first in range(k):
        last = first
        while last + 1 < k and not any(
            result.differ(result.methods[i], result.methods[last + 1]) for i in range(first, last + 1)
        ):
            last += 1
        if last > first and not any(a <= first and last <= b for a, b in found):
            found.append((first, last))
    return found
