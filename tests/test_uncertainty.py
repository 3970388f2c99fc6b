"""Uncertainty of constants and predictions against scipy, a closed form and repeated experiments."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import curve_fit
from scipy.stats import t as student

from symnum import Expression, SymbolicRegressor
from symnum.exceptions import InvalidInput
from symnum.uncertainty import constants_uncertainty, fitted_constants, formula_deviation, named_constants


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.uniform(0, 4, (120, 2))
    w = rng.uniform(0.2, 5, 120)
    y = 2.3 * np.exp(-0.7 * X[:, 0]) + 0.4 * X[:, 1] + rng.normal(size=120) * 0.05 / np.sqrt(w)
    return X, y, w


@pytest.mark.parametrize("weighted", [False, True])
def test_covariance_is_curve_fits(data, weighted):
    X, y, w = data
    e = Expression.parse("2.3*exp(-0.7*x0) + 0.4*x1")

    def model(x, a, b, c):
        return a * np.exp(b * x[0]) + c * x[1]

    sigma = 1 / np.sqrt(w) if weighted else None
    best, covariance = curve_fit(model, X.T, y, [2.0, -1.0, 1.0], sigma=sigma, xtol=1e-14, ftol=1e-14)
    found = constants_uncertainty(e.with_constants(best), X, y, w if weighted else None)
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-5)
    assert found.freedom == 117


def test_linear_model_in_closed_form():
    rng = np.random.default_rng(1)
    x = rng.normal(size=50)
    y = 3.1 * x - 1.7 + 0.2 * rng.normal(size=50)
    A = np.column_stack([x, np.ones(50)])
    theta = np.linalg.lstsq(A, y, rcond=None)[0]
    e = Expression.parse("3.1*x0 + 1.7").with_constants(theta)
    found = constants_uncertainty(e, x[:, None], y)
    s2 = np.sum((y - A @ theta) ** 2) / 48
    np.testing.assert_allclose(found.covariance, s2 * np.linalg.inv(A.T @ A), rtol=1e-10)
    new = np.linspace(-2, 2, 7)
    lever = 1 / 50 + (new - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2)
    np.testing.assert_allclose(formula_deviation(e, found, new[:, None]), np.sqrt(s2 * lever), rtol=1e-10)


def test_rows_of_weight_zero_do_not_count(data):
    X, y, w = data
    e = Expression.parse("2.3*exp(-0.7*x0) + 0.4*x1")
    half = np.where(np.arange(120) < 60, w, 0.0)
    some, all_zero = constants_uncertainty(e, X[:60], y[:60], w[:60]), constants_uncertainty(e, X, y, half)
    np.testing.assert_allclose(some.covariance, all_zero.covariance, rtol=1e-12)
    assert some.freedom == all_zero.freedom == 57


def test_constants_that_the_data_do_not_determine_are_infinite():
    x = np.linspace(1, 2, 30)[:, None]
    y = 6 * x[:, 0] + np.random.default_rng(0).normal(size=30) * 0.1
    twice = constants_uncertainty(Expression.parse("2.0*(3.0*x0) + 1.1*x0**2"), x, y)
    assert np.isinf(twice.deviations).tolist() == [True, True, False]
    few = constants_uncertainty(Expression.parse("2.1*x0 + 3.3"), x[:2], y[:2])
    assert np.isinf(few.deviations).all()
    outside = constants_uncertainty(Expression.parse("log(0.3 - x0)*1.7"), x, y)
    assert np.isinf(outside.deviations).all()
    assert np.isinf(formula_deviation(Expression.parse("2.1*x0 + 3.3"), few, x)).all()


def test_simple_numbers_are_exact_and_measured_ones_fitted():
    e = Expression.parse("0.5*x0**1.5 + 9.8133*x1 - 3")
    assert fitted_constants(e, loss=1e-6, rows=100, scale=10.0) == (2,)
    assert fitted_constants(
        Expression.parse("0.84*x0 + 365*x1 - 4.1887902047863905*x0 + 22"), 1e-6, 100, 10.0
    ) == (0, 1)
    noisy = fitted_constants(e, loss=1.0, rows=100, scale=10.0)
    assert 2 in noisy  # as precisely as the noise allows, no number is simpler than a fitted one


def test_intervals_hold_new_measurements_as_often_as_they_say():
    """200 repeated experiments with the same law; coverage of 95 % intervals, formula fitted each time."""
    rng = np.random.default_rng(3)
    x = np.linspace(0, 3, 15)

    def law(x, a, b):
        return a * np.exp(b * x)

    e = Expression.parse("2.0*exp(-0.8*x0)")
    inside = []
    for _ in range(200):
        y = law(x, 2.0, -0.8) + 0.1 * rng.normal(size=15)
        fit = e.with_constants(curve_fit(law, x, y, [1.0, -1.0])[0])
        found = constants_uncertainty(fit, x[:, None], y)
        new = rng.uniform(0, 3, 10)
        half = student.ppf(0.975, found.freedom) * np.hypot(
            formula_deviation(fit, found, new[:, None]), found.noise
        )
        measured = law(new, 2.0, -0.8) + 0.1 * rng.normal(size=10)
        inside.append(np.abs(measured - fit.evaluate(new[:, None])) < half)
    assert 0.93 < np.mean(inside) < 0.97


# ---------------------------------------------------------------- the estimator
@pytest.fixture(scope="module")
def model(given_search):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.uniform(1, 5, (80, 2)), columns=["m", "c0"])
    y = 4.7123 * X["m"] / X["c0"] + 0.05 * rng.normal(size=80)
    search = given_search("3.1", "m", "4.7*m/c0", "c0 + 1.1")
    guess = f"{(y * X['m'] / X['c0']).sum() / ((X['m'] / X['c0']) ** 2).sum()}*m/c0"
    search.texts += (guess,)
    return SymbolicRegressor(search=search, random_state=0).fit(X, y), X, y.to_numpy()


def test_constants_of_the_selected_formula(model):
    fitted, X, y = model
    table = fitted.constants()
    assert table.columns.tolist() == ["name", "value", "deviation", "kind"]
    assert table["value"].tolist() == fitted.expression_.constants.tolist()
    assert table["kind"].tolist() == ["fitted"]
    # y = c*f + noise: the textbook's deviation of a slope through the origin
    f = (X["m"] / X["c0"]).to_numpy()
    residual = y - table["value"][0] * f
    assert table["deviation"][0] == pytest.approx(np.sqrt(residual @ residual / 79 / (f @ f)), rel=1e-6)
    assert abs(table["value"][0] - 4.7123) < 4 * table["deviation"][0]
    assert "k0" in table.attrs["formula"]  # c0 is a column


def test_prediction_with_deviation_and_interval(model):
    fitted, X, y = model
    mean, deviation = fitted.predict(X, return_std=True)
    np.testing.assert_array_equal(mean, fitted.predict(X))
    f = (X["m"] / X["c0"]).to_numpy()
    np.testing.assert_allclose(deviation, f * fitted.constants()["deviation"][0], rtol=1e-9)
    lower, upper = fitted.predict_interval(X, level=0.9)
    assert 0.8 < np.mean((lower < y) & (y < upper)) < 0.98
    wide = fitted.predict_interval(X, level=0.99)
    assert np.all(wide[0] < lower)
    assert np.all(wide[1] > upper)
    with pytest.raises(InvalidInput, match="between 0 and 1"):
        fitted.predict_interval(X, level=95)


def test_deviations_are_saved(model, tmp_path):
    fitted, X, _ = model
    fitted.save(tmp_path / "m.json")
    back = SymbolicRegressor.load(tmp_path / "m.json")
    pd.testing.assert_frame_equal(back.constants(), fitted.constants())
    for i in range(len(fitted.expressions_)):
        np.testing.assert_array_equal(back.predict_interval(X, i), fitted.predict_interval(X, i))


def test_several_outputs(model, given_search):
    _, X, y = model
    search = given_search("2.1", "4.7132*m/c0", "9.4253*m/c0")
    both = SymbolicRegressor(search=search).fit(X, np.column_stack([y, 2 * y]))
    mean, deviation = both.predict(X, return_std=True)
    assert mean.shape == deviation.shape == (80, 2)
    np.testing.assert_allclose(deviation[:, 1], 2 * deviation[:, 0], rtol=0.05)
    lower, upper = both.predict_interval(X)
    assert np.all(lower < mean)
    assert np.all(mean < upper)
    assert [len(t) for t in both.constants()] == [1, 1]


def test_other_losses_say_that_nothing_is_known(model, given_search):
    _, X, y = model
    robust = SymbolicRegressor(loss="absolute", search=given_search("m", "4.7*m/c0")).fit(X, y)
    with pytest.raises(InvalidInput, match="least-squares fit, this model was fitted with loss='absolute'"):
        robust.predict(X, return_std=True)


@pytest.mark.parametrize(
    ("text", "expected"), [("2*x0 + sin(0.5*x1)", "c0*x0 + sin(c1*x1)"), ("c0 - 1.5", "c0 - k0")]
)
def test_constants_get_names(text, expected):
    assert str(named_constants(Expression.parse(text))[0]) == expected
