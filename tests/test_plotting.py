"""Figures hold the numbers they were given, their labels can be read, and pyplot is left alone."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg

from symnum import Expression, SymbolicRegressor, plot_parts
from symnum.exceptions import InvalidInput
from symnum.plotting import (
    FrontPoint,
    front_points,
    plot_fit_1d,
    plot_pareto,
    plot_parity,
    plot_residuals,
    plot_trajectory,
)


@pytest.fixture(scope="module")
def model(given_search):
    rng = np.random.default_rng(0)
    X = rng.uniform(1, 5, size=(40, 3))
    y = X[:, 0] * X[:, 1] / 2 + rng.normal(scale=0.01, size=40)
    search = given_search("4.4", "1.3*x0", "x0 + x1", "0.5*x0*x1", "0.49998*x0*x1 + 0.001*x2")
    return SymbolicRegressor(search=search).fit(X, y)


def points(*rows: tuple[str, float]) -> list[FrontPoint]:
    parsed = [(Expression.parse(text), loss) for text, loss in rows]
    return [FrontPoint(e, e.complexity, loss, 1 - loss) for e, loss in parsed]


def line(axes, marker: str):
    return next(drawn for drawn in axes.lines if drawn.get_marker() == marker)


def label_texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_front_points_are_the_estimators_table(model):
    got = front_points(model)
    table = model.equations_
    assert len(got) == len(table) > 2
    assert [str(p.expression) for p in got] == table["equation"].tolist()
    assert [p.loss for p in got] == table["loss"].tolist()
    assert [(p.complexity, p.r2) for p in got] == list(zip(table["complexity"], table["r2"], strict=True))


def test_pareto_shows_every_formula_and_marks_the_selected(model):
    front = front_points(model)
    figure = plot_pareto(front, model.best_index_)
    (axes,) = figure.axes
    drawn = line(axes, "o")
    np.testing.assert_array_equal(drawn.get_xdata(), [p.complexity for p in front])
    np.testing.assert_allclose(drawn.get_ydata(), [p.loss for p in front])
    chosen = line(axes, "D")
    np.testing.assert_allclose(chosen.get_ydata(), [front[model.best_index_].loss])
    assert axes.get_yscale() == "log"
    assert "complexity" in axes.get_xlabel()
    for text, point in zip(label_texts(axes), front, strict=True):
        number, formula = text.split(maxsplit=1)
        assert int(number) == point.complexity
        assert point.expression.text(5).startswith(formula.rstrip("…"))
    assert [t.get_fontweight() for t in axes.texts].count("bold") == 1


def test_pareto_labels_do_not_overlap():
    front = points(*((" + ".join(["sin(x0)"] * n), 1.0 - n / 1000) for n in range(1, 15)))
    figure = plot_pareto(front, 3)
    FigureCanvasAgg(figure).draw()
    boxes = sorted((t.get_window_extent() for t in figure.axes[0].texts), key=lambda box: box.y0)
    assert len(boxes) == 14
    assert all(lower.y1 <= upper.y0 for lower, upper in itertools.pairwise(boxes))
    assert all(box.x1 <= figure.bbox.x1 for box in boxes)
    assert min(box.x0 for box in boxes) >= figure.axes[0].get_window_extent().x1


def test_pareto_order_does_not_matter_and_infinite_losses_are_left_out():
    front = points(("x0 + 1", 0.1), ("x0", 1.0), ("x0 + x1 + 1", np.inf))
    drawn = line(plot_pareto(front, 0).axes[0], "o")
    np.testing.assert_array_equal(drawn.get_xdata(), [1, 3])
    np.testing.assert_array_equal(drawn.get_ydata(), [1.0, 0.1])


def test_pareto_calls_rounding_exact():
    axes = plot_pareto(points(("x0", 1.0), ("x0 + 1", 1e-6), ("x0 + x1 + 1", 0.0)), 2).axes[0]
    assert [t.endswith("(exact)") for t in label_texts(axes)] == [False, False, True]
    assert np.all(line(axes, "o").get_ydata() > 0)
    assert label_texts(plot_pareto(points(("x0", 0.0))).axes[0]) == ["\u2007\u20071   x0  (exact)"]


def test_pareto_without_points_is_refused():
    with pytest.raises(InvalidInput, match="nothing to plot"):
        plot_pareto(points(("x0", np.nan)))


@given(st.lists(st.floats(-0.5, 1.5), min_size=1, max_size=30))
def test_label_heights_keep_order_distance_and_bounds(heights):
    wanted = np.sort(heights)[::-1]
    got = plot_parts.spread(wanted)
    gap = 1.0 / max(len(wanted) - 1, 14)
    assert np.all(-np.diff(got) >= gap - 1e-9)
    assert got[0] <= 1 + 1e-9
    assert got[-1] >= -1e-9
    inside = np.clip(wanted, 0, 1)
    if np.all(-np.diff(inside) >= gap):
        np.testing.assert_allclose(got, np.clip(inside, gap * np.arange(len(got))[::-1], None), atol=1e-9)


def test_parity_and_residuals_hold_the_rows():
    y, predicted = np.array([-1.0, 0.0, 2.0]), np.array([-1.1, 0.0, 2.5])
    axes = plot_parity(y, predicted, "T [K] costs $x$").axes[0]
    np.testing.assert_array_equal(line(axes, "o").get_xydata(), np.column_stack([y, predicted]))
    assert axes.get_xlabel() == "measured T [K] costs $x$"
    assert axes.get_xlim() == axes.get_ylim()
    axes = plot_residuals(y, predicted, "T").axes[0]
    np.testing.assert_allclose(line(axes, "o").get_xydata(), np.column_stack([predicted, y - predicted]))
    assert axes.get_xlabel() == "predicted T"


def test_wide_positive_values_get_logarithmic_axes():
    y = np.array([1.0, 20.0, 3_000.0])
    assert plot_parity(y, y).axes[0].get_xscale() == "log"
    assert plot_parity(y, -y).axes[0].get_xscale() == "linear"
    assert plot_residuals(y, y).axes[0].get_xscale() == "log"
    assert plot_fit_1d(y, y**2, np.square).axes[0].get_yscale() == "log"
    assert plot_parity(y + 3_000, y + 3_000).axes[0].get_xscale() == "linear"


def test_undefined_predictions_are_counted_in_the_picture():
    for plot in (plot_parity, plot_residuals):
        axes = plot([1.0, 2.0, 3.0], [1.0, np.nan, np.inf]).axes[0]
        assert len(line(axes, "o").get_xdata()) == 1
        assert axes.get_title(loc="left") == "2 rows without a finite prediction left out"
        assert "undefined on every row" in label_texts(plot([1.0, 2.0], [np.nan, np.nan]).axes[0])[0]


def test_many_rows_are_sampled_and_said():
    y = np.random.default_rng(0).normal(size=50_000)
    axes = plot_parity(y, y).axes[0]
    drawn = line(axes, "o")
    assert len(drawn.get_xdata()) == 20_000
    assert drawn.get_rasterized()
    assert axes.get_title(loc="left") == "20,000 of 50,000 rows drawn"
    np.testing.assert_array_equal(drawn.get_xdata(), line(plot_parity(y, y).axes[0], "o").get_xdata())


def test_curve_is_the_formula_and_breaks_at_poles():
    x = np.linspace(-2, 2, 41)
    axes = plot_fit_1d(x, np.sin(x), np.sin, "angle", "height").axes[0]
    curve = axes.lines[1].get_xydata()
    np.testing.assert_allclose(curve[:, 1], np.sin(curve[:, 0]))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("angle", "height")
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["data", "formula"]
    poles = plot_fit_1d(x, 1 / (x - 0.01), lambda v: 1 / (v - 0.01)).axes[0].lines[1].get_ydata()
    assert np.isnan(poles).any()
    across = np.flatnonzero(np.diff(np.sign(poles)) > 0)
    assert across.size == 0  # no segment from minus to plus infinity


def test_trajectories_are_split_where_time_starts_again():
    t = np.tile(np.arange(5.0), 3)
    U = np.column_stack([np.arange(15.0), -np.arange(15.0)])
    figure = plot_trajectory(t, U, U + 0.5, ["x", "speed of y"])
    assert [a.get_ylabel() for a in figure.axes] == ["x", "speed of y"]
    for column, axes in enumerate(figure.axes):
        drawn = [d.get_xydata() for d in axes.lines if len(d.get_xdata())]
        assert len(drawn) == 6
        np.testing.assert_array_equal(np.concatenate(drawn[0::2])[:, 1], U[:, column])
        np.testing.assert_array_equal(np.concatenate(drawn[1::2])[:, 1], U[:, column] + 0.5)
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["data", "model"]


@pytest.mark.parametrize(
    ("t", "U", "U_model", "names"),
    [
        (np.zeros(3), np.zeros((3, 2)), np.zeros((3, 1)), ["x", "y"]),
        (np.zeros(2), np.zeros((3, 1)), np.zeros((3, 1)), ["x"]),
        (np.zeros(3), np.zeros((3, 2)), np.zeros((3, 2)), ["x"]),
        (np.zeros(3), np.zeros(3), np.zeros(3), ["x"]),
    ],
)
def test_trajectory_shapes_must_fit(t, U, U_model, names):
    with pytest.raises(InvalidInput, match="got shapes"):
        plot_trajectory(t, U, U_model, names)


@pytest.mark.parametrize("plot", [plot_parity, plot_residuals])
def test_row_counts_must_fit(plot):
    with pytest.raises(InvalidInput, match=r"got \(2,\) and \(3,\)"):
        plot([1.0, 2.0], [1.0, 2.0, 3.0])


def test_no_pyplot_and_no_change_of_settings(tmp_path):
    code = (
        "import matplotlib, sys, numpy as np; before = matplotlib.rcParams.copy()\n"
        "from symnum.plotting import plot_parity\n"
        "plot_parity(np.arange(3.0), np.arange(3.0)).savefig(sys.argv[1])\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert all(matplotlib.rcParams[k] == before[k] for k in before if k != 'backend')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "figure.png")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
