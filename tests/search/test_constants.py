"""Inner constants: skeletons, fits and pruning."""

from __future__ import annotations

import numpy as np
import pytest

from symnum.expressions import Expression
from symnum.search import constants
from symnum.search.bank import DEFAULT_BINARY, DEFAULT_UNARY, Bank
from symnum.search.view import original


@pytest.mark.parametrize(
    "truth", ["2.5*sin(1.3*x + 0.4) + 0.7", "3.1*exp(-0.37*x) + 2", "1.7*x/(x + 0.83)", "0.9*log(x + 2.6)"]
)
def test_one_variable_with_inner_constants(truth):
    X = np.linspace(0.1, 6, 200)[:, None]
    e = Expression.parse(truth, ("x",))
    view = original(X, e.evaluate(X), ("x",))
    bank = Bank.start(X[::9], ("x",), DEFAULT_UNARY, DEFAULT_BINARY, 300)
    bank.grow(300, lambda: False)
    found = list(
        constants.search(view, bank, 300, np.random.default_rng(0), lambda: False, 1, lambda n: None)
    )
    best = min(found, key=lambda f: np.mean((f.evaluate(X) - view.y) ** 2))
    new = np.linspace(0.5, 9, 50)[:, None]
    np.testing.assert_allclose(best.evaluate(new), e.evaluate(new), rtol=1e-6)


def test_a_skeleton_needs_a_place_for_a_constant():
    assert constants.skeleton(Expression.parse("a*b"), []) is None
    s = constants.skeleton(Expression.parse("exp(a)"), [])
    assert len(s.constants) == 3


def test_refit_is_least_squares():
    rng = np.random.default_rng(1)
    X = rng.uniform(1, 3, (100, 1))
    y = 2 * X[:, 0] + 1 + 0.1 * rng.normal(size=100)
    (found,) = constants.refit([Expression.parse("1.5*x0 + 2")], X, y, None, 1)
    slope, offset = np.polyfit(X[:, 0], y, 1)
    np.testing.assert_allclose(found.constants, [slope, offset], rtol=1e-6)


def test_negligible_constants_are_dropped():
    X = np.linspace(0, 3, 100)[:, None]
    e = Expression.parse("2.00000001*sin(x0) + 1e-12")
    view = original(X, 2 * np.sin(X[:, 0]), ("x0",))
    kept = list(constants.variants(e, view, np.arange(100)))
    assert 2.0 in kept[-1].constants
