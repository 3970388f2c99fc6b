"""Losses: values and slopes, constants refined for them, and rows that are left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime, least_squares, minimize
from sklearn.linear_model import QuantileRegressor

from symnum import Expression
from symnum.exceptions import InvalidInput
from symnum.search.losses import SQUARED, left_out, make_loss, noise, refine, row_weights

RNG = np.random.default_rng(0)
X = RNG.uniform(0, 3, (120, 1))
Y = 2 + 1.5 * X[:, 0] + RNG.standard_t(2, 120)
LINE = Expression.parse("1.0*x0 + 1.0")
NAMES = ["squared", "absolute", "huber(0.7)", "logcosh", "quantile(0.8)", "relative"]


def never() -> bool:
    return False


@pytest.mark.parametrize("name", NAMES)
@given(y=st.floats(0.5, 9), gap=st.floats(-5, 5).filter(lambda g: abs(abs(g) - 0.7) > 1e-3 and abs(g) > 1e-3))
def test_slope_is_the_derivative_of_the_value(name, y, gap):
    loss = make_loss(name, X, Y)
    at = np.array([y])
    expected = approx_fprime(np.array([y + gap]), lambda p: loss.value(at, p)[0], 1e-7)
    np.testing.assert_allclose(loss.slope(at, at + gap), expected, rtol=1e-4, atol=1e-5)
    assert loss.value(at, at)[0] == 0
    assert loss.value(at, at + gap)[0] > 0


def fitted(loss) -> np.ndarray:
    return refine(LINE, loss, X, Y, None, never).constants


def test_quantiles_are_those_of_linear_programming():
    for q in (0.2, 0.5, 0.8):
        known = QuantileRegressor(quantile=q, alpha=0, solver="highs").fit(X, Y)
        loss = make_loss(f"quantile({q})", X, Y)
        best = loss.mean(Y, known.predict(X))
        assert loss.mean(Y, Expression.evaluate(refine(LINE, loss, X, Y, None, never), X)) < best * 1.002


def test_huber_is_that_of_scipy():
    d, start = 0.7, [1.0, 1.0]
    known = least_squares(
        lambda c: c[0] * X[:, 0] + c[1] - Y, start, loss="huber", f_scale=d, ftol=1e-14, xtol=1e-14
    )
    np.testing.assert_allclose(fitted(make_loss(f"huber({d})", X, Y)), known.x, rtol=1e-4)


def test_a_loss_of_ones_own_is_minimised():
    def own(y, prediction):
        return np.log1p((y - prediction) ** 2)  # Cauchy

    known = minimize(lambda c: np.mean(own(Y, c[0] * X[:, 0] + c[1])), [1.5, 2.0], tol=1e-10)
    np.testing.assert_allclose(fitted(make_loss(own, X, Y)), known.x, rtol=1e-3)
    assert make_loss(lambda y, p: np.abs(y - p), X, Y).power == 1
    assert make_loss(own, X, Y).power == 2


def test_relative_errors_weigh_by_the_target():
    y = np.exp(2 * X[:, 0]) * (1 + 0.1 * RNG.normal(size=120))
    line = Expression.parse("exp(1.0*x0) + 1.0")
    known = least_squares(lambda c: (np.exp(c[0] * X[:, 0]) + c[1] - y) / y, [1.9, 0.1], xtol=1e-12)
    found = refine(line.with_constants([1.9, 0.1]), make_loss("relative", X, y), X, y, None, never)
    np.testing.assert_allclose(found.constants, known.x, rtol=1e-3, atol=1e-4)


def test_weights_count_and_rows_of_weight_zero_do_not():
    weights = np.where(np.arange(120) < 60, 1.0, 0.0)
    loss = make_loss("absolute", X, Y)
    spoiled = np.where(weights > 0, Y, 1e6)
    first = refine(LINE, loss, X, spoiled, weights, never).constants
    second = refine(LINE, loss, X[:60], Y[:60], None, never).constants
    np.testing.assert_allclose(first, second, rtol=2e-2)


def test_outliers_get_no_weight_before_any_formula_is_known():
    y = np.sin(2 * X[:, 0]) + 0.01 * RNG.normal(size=120)
    spoiled = y.copy()
    spoiled[:15] += 5
    residual = left_out(X, spoiled)
    assert np.median(np.abs(residual)) < 0.05
    weights = row_weights(make_loss("absolute", X, spoiled), spoiled, residual)
    assert np.all(weights[:15] == 0)
    assert np.mean(weights[15:] > 0) > 0.85
    np.testing.assert_allclose(row_weights(SQUARED, spoiled, residual), 1)


def test_noise_is_estimated_despite_outliers():
    y = np.sin(2 * X[:, 0]) + 0.1 * RNG.normal(size=120)
    y[:10] += 20
    assert noise(X, y) == pytest.approx(0.1, rel=0.5)


@pytest.mark.parametrize(
    ("loss", "word"),
    [
        ("cubic", "squared, absolute"),
        ("quantile(1.5)", "between 0 and 1"),
        ("huber(-1)", "positive"),
        ("absolute(2)", "unknown"),
        (3, "unknown"),
        (lambda y, p: 1.0, "one value a row"),
        (lambda y, p: np.log(y - p), "not finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_bad_losses_are_named(loss, word):
    with pytest.raises(InvalidInput, match=word):
        make_loss(loss, X, Y)


def test_relative_loss_needs_a_target_without_zeros():
    with pytest.raises(InvalidInput, match="1 rows"):
        make_loss("relative", X, np.where(np.arange(120) == 3, 0.0, Y))
