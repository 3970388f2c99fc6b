"""DynamicsRegressor against closed forms and scipy's integrator."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from symnum import DynamicsRegressor
from symnum.exceptions import InvalidInput


def lotka(_, u):
    return [1.5 * u[0] - u[0] * u[1], 0.5 * u[0] * u[1] - 0.8 * u[1]]


def trajectory(f, start, t):
    return solve_ivp(f, (t[0], t[-1]), start, t_eval=t, rtol=1e-10, atol=1e-12).y.T


@pytest.fixture(scope="module")
def predators():
    t = np.linspace(0, 12, 120)
    U = trajectory(lotka, [1.0, 1.5], t)
    noisy = U + 0.01 * U.std(axis=0) * np.random.default_rng(0).normal(size=U.shape)
    model = DynamicsRegressor(max_time=8, random_state=0)
    return model.fit(t, noisy, names=["prey", "predators"]), t, U


def test_lotka_volterra_from_noisy_data(predators):
    model, _, U = predators
    truth = np.array([lotka(0, u) for u in U])
    assert np.allclose(model.predict(U), truth, atol=0.02 * np.abs(truth).max())
    assert [e.complexity for e in model.expressions_] == [5, 7]
    later = np.linspace(12, 24, 50)
    ahead = trajectory(lotka, [1.0, 1.5], np.concatenate([[0.0], later]))[1:]
    mean, deviation = model.forecast(later, return_std=True)
    assert np.abs(mean - ahead).max() < 0.05 * np.abs(ahead).max()
    assert np.all(deviation > 0)
    assert np.all(deviation < 0.1 * np.abs(ahead).max())


def test_simulation_is_scipys(predators):
    model, t, _ = predators
    made = model.simulate([0.7, 1.1], t)
    assert np.allclose(made, trajectory(lambda _, u: model.predict([u])[0], [0.7, 1.1], t), atol=1e-5)


def test_model_file_brings_everything_back(predators, tmp_path):
    model, t, U = predators
    model.save(tmp_path / "model.json")
    again = DynamicsRegressor.load(tmp_path / "model.json")
    assert again.equations() == model.equations()
    assert np.array_equal(again.predict(U), model.predict(U))
    for a, b in zip(
        again.forecast(t + 5, return_std=True), model.forecast(t + 5, return_std=True), strict=True
    ):
        assert np.array_equal(a, b)
    assert again.equations_.equals(model.equations_)


def test_logistic_growth_closed_form():
    t = np.linspace(0, 8, 40)
    U = 7 / (1 + 13 * np.exp(-0.9 * t))
    model = DynamicsRegressor(max_time=5, random_state=0).fit(t, U)
    grid = np.linspace(0.5, 7, 20)
    assert np.allclose(model.predict(grid)[:, 0], 0.9 * grid * (1 - grid / 7), rtol=1e-3, atol=1e-3)
    assert np.allclose(model.forecast([20.0])[:, 0], 7.0, atol=1e-3)


def test_harmonic_oscillator_second_order_at_irregular_times_with_gaps():
    rng = np.random.default_rng(1)
    t = np.sort(rng.uniform(0, 9, 70))
    x = np.cos(2 * t + 0.3)
    x[[10, 11, 30]] = np.nan
    model = DynamicsRegressor(max_time=5, random_state=0, order=2)
    with pytest.warns(UserWarning, match="3 missing values"):
        model.fit(t, x, names=["x"])
    assert np.allclose(model.predict([[1.0, 0.0], [0.3, 2.0]])[:, 0], [-4.0, -1.2], atol=1e-3)
    assert np.allclose(model.simulate([1.0, 0.0], [0.0, 1.0])[1], [np.cos(2), -2 * np.sin(2)], atol=1e-3)


@pytest.mark.parametrize(
    ("t", "U", "message"),
    [
        ([0, 2, 1, 3, 4, 5, 6], np.arange(7.0), "decrease at row 2"),
        ([0, 1, 1, 3, 4, 5, 6], np.arange(7.0), "repeat at row 2"),
        ([0.0], [1.0], "1 points"),
        (np.arange(20.0), np.full((20, 2), 3.0), "no state changes"),
        (np.arange(20.0), np.random.default_rng(0).normal(size=(20, 50)), "50 states"),
        (np.arange(20.0), np.arange(19.0), "shapes"),
        (np.arange(20.0), ["a"] * 20, "must be numbers"),
        (np.arange(20.0), np.full(20, np.inf), "infinity at row 0"),
    ],
)
def test_bad_trajectories_are_refused_with_the_place(t, U, message):
    with pytest.raises(InvalidInput, match=message):
        DynamicsRegressor(max_time=1).fit(t, U)


def test_blow_up_is_nan_with_a_warning():
    t = np.linspace(0, 0.8, 40)
    model = DynamicsRegressor(max_time=3, random_state=0).fit(t, 1 / (1 - t))  # du/dt = u**2
    with pytest.warns(UserWarning, match="beyond all bounds"):
        made = model.simulate([1.0], np.linspace(0, 2, 21))
    assert np.allclose(made[:9, 0], 1 / (1 - np.linspace(0, 0.8, 9)), rtol=1e-3)
    assert np.all(np.isnan(made[12:]))


def test_interruption_keeps_the_best_system(predators):
    _, t, U = predators

    def interrupt(event):
        raise KeyboardInterrupt

    model = DynamicsRegressor(max_time=20, random_state=0, callbacks=[interrupt])
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(t, U)
    assert model.stop_reason_ == "interrupted"
    assert model.score() > 0.99


def test_units_exclude_what_contradicts_them():
    t = np.linspace(0, 8, 40)
    x = np.exp(-0.5 * t)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = DynamicsRegressor(max_time=3, random_state=0).fit(
            t, x, names=["x"], units={"x": "m", "t": "s"}
        )
    assert np.allclose(model.predict([[2.0]]), -1.0, atol=1e-3)
    with pytest.raises(InvalidInput, match="unit of the time"):
        DynamicsRegressor(max_time=3).fit(t, x, names=["x"], units={"x": "m"})
    with pytest.raises(InvalidInput, match="furlongs"):
        DynamicsRegressor(max_time=3).fit(t, x, names=["x"], units={"x": "furlongs", "t": "s"})
