"""Slices hold the formula and its bands; the picture of the search holds its history."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from symnum import SymbolicRegressor
from symnum.exceptions import InvalidInput
from symnum.fit_plots import plot_progress, plot_slices
from symnum.plotting import (
    front_points,
    plot_fit_1d,
    plot_pareto,
    plot_parity,
    plot_residuals,
    plot_trajectory,
)

FORMULAS = "12.1", "7.3*v", "m*v", "0.6*m*v**2", "0.53712*m*v**2", "0.54*m*v**2 + 0.001*decoy"


@pytest.fixture(scope="module")
def fitted(given_search):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.uniform(1, 5, (60, 3)), columns=["m", "v", "decoy"])
    y = (0.537 * X["m"] * X["v"] ** 2 + 0.5 * rng.normal(size=60)).to_numpy()
    return SymbolicRegressor(search=given_search(*FORMULAS), random_state=0).fit(X, y), X, y


def test_slices_are_the_formula_with_the_others_at_their_medians(fitted):
    model, X, y = fitted
    figure = plot_slices(model, X, y, target="E")
    used = [model.expression_.names[i] for i in model.expression_.variables]
    assert [a.get_xlabel() for a in figure.axes] == used == ["m", "v"]
    assert figure.axes[0].get_ylabel() == "E"
    for axes, name in zip(figure.axes, used, strict=True):
        curve, points = (line.get_xydata() for line in axes.lines)
        rows = pd.DataFrame({c: np.full(300, X[c].median()) for c in X})
        rows[name] = curve[:, 0]
        np.testing.assert_allclose(curve[:, 1], model.predict(rows))
        at = pd.DataFrame({c: np.full(60, X[c].median()) for c in X})
        at[name] = X[name]
        np.testing.assert_allclose(points[:, 1] - model.predict(at), y - model.predict(X), atol=1e-12)
        band = axes.collections[1].get_paths()[0].vertices
        _, deviation = model.predict(rows, return_std=True)
        np.testing.assert_allclose(band[:, 1].max(), (curve[:, 1] + 2 * deviation).max())


def test_slices_without_uncertainty_or_data(fitted):
    model, X, _ = fitted
    known, model.uncertainties_ = model.uncertainties_, []
    try:
        figure = plot_slices(model, X.to_numpy(), index=1)
    finally:
        model.uncertainties_ = known
    assert all(not a.collections and len(a.lines) == 1 for a in figure.axes)
    with pytest.raises(InvalidInput, match=r"y of shape \(60,\) expected"):
        plot_slices(model, X, [1.0])
    with pytest.raises(InvalidInput, match=r"X of shape \(rows, 3\) expected"):
        plot_slices(model, X.to_numpy()[:, :2])
    with pytest.raises(InvalidInput, match="constant"):
        plot_slices(model, X, index=0)


def test_progress_is_the_history(fitted):
    model, _, _ = fitted
    upper, lower = plot_progress(model).axes
    error = upper.lines[0].get_xydata()
    assert error[-1, 0] == pytest.approx(model.seconds_)
    assert error[-1, 1] == pytest.approx(1 - model.history_["r2"].max())
    bits = lower.lines[0].get_ydata()
    assert np.all(np.diff(bits) <= 0)
    assert bits[-1] == model.history_["bits"].min()
    shortest = model.history_["equation"][model.history_["bits"].idxmin()]
    assert lower.texts[-1].get_text().splitlines()[-1].split("  ")[1] in shortest
    del model.history_
    with pytest.raises(InvalidInput, match="keeps no history"):
        plot_progress(model)


def test_every_figure_draws_into_given_axes(fitted):
    model, X, y = fitted
    figure = Figure(figsize=(12, 9))
    grid = figure.subplots(3, 3)
    made = [
        plot_pareto(front_points(model), model.best_index_, ax=grid[0, 0]),
        plot_parity(y, model.predict(X), ax=grid[0, 1]),
        plot_residuals(y, model.predict(X), ax=grid[0, 2]),
        plot_fit_1d(X["m"], y, np.square, ax=grid[1, 0]),
        plot_trajectory(np.arange(5.0), np.ones((5, 2)), np.zeros((5, 2)), ["a", "b"], ax=grid[1, 1:]),
        plot_slices(model, X, y, ax=grid[2, :2]),
    ]
    assert all(f is figure for f in made)
    assert all(a.lines for a in grid.ravel()[:8])
    assert not grid[2, 2].lines
    with pytest.raises(InvalidInput, match="sequence of 2 axes, got 1"):
        plot_slices(model, X, y, ax=[grid[2, 2]])
