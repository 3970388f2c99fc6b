"""Figures of fitted systems hold the data and the solution."""

from __future__ import annotations

import numpy as np
import pytest

from symnum import DynamicsRegressor
from symnum.dynamics_plots import plot_forecast, plot_phase_portrait, plot_right_hand_sides
from symnum.exceptions import InvalidInput


@pytest.fixture(scope="module")
def turning():
    t = np.linspace(0, 6, 50)
    U = np.column_stack([np.cos(t), -np.sin(t)])
    return DynamicsRegressor(max_time=4, random_state=0).fit(t, U, names=["x", "v"]), t, U


def test_forecast_goes_beyond_the_data(turning):
    model, _, U = turning
    figure = plot_forecast(model, until=12.0)
    assert len(figure.axes) == 2
    curve, data = figure.axes[0].lines[:2]
    assert np.allclose(data.get_ydata(), U[:, 0])
    assert np.allclose(curve.get_ydata(), np.cos(curve.get_xdata()), atol=1e-2)
    assert curve.get_xdata()[-1] == 12.0


def test_right_hand_sides_follow_the_smoothed_derivative(turning):
    model, t, _ = turning
    axes = plot_right_hand_sides(model).axes[0]
    curve = next(line for line in axes.lines if line.get_label() == "equation")
    assert np.allclose(curve.get_ydata(), -np.sin(t), atol=1e-2)


def test_phase_portrait_of_two_states_and_of_one(turning):
    model, _, _ = turning
    axes = plot_phase_portrait(model).axes[0]
    circle = next(line for line in axes.lines if line.get_label() == "equations")
    assert np.allclose(np.hypot(circle.get_xdata(), circle.get_ydata()), 1.0, atol=1e-2)
    with pytest.raises(InvalidInput, match="different states"):
        plot_phase_portrait(model, (0, 2))
    t = np.linspace(0, 4, 30)
    single = DynamicsRegressor(max_time=3, random_state=0).fit(t, 2 * np.exp(-t))
    line = next(x for x in plot_phase_portrait(single).axes[0].lines if x.get_label() == "equation")
    assert np.allclose(line.get_ydata(), -line.get_xdata(), atol=1e-3)
