"""Closed-form solutions against formulas that are known."""

from __future__ import annotations

import numpy as np
import pytest

from symnum.expressions import Expression
from symnum.search.bank import Bank
from symnum.search.exact import ExactSearch, bank_rows
from symnum.search.forms import combination, product
from symnum.search.snapping import snap, snap_exponent
from symnum.search.solving import solve_product, solve_quotient, solve_sum
from symnum.search.transforms import IDENTITY, TRANSFORMS
from symnum.search.view import original

RNG = np.random.default_rng(0)
X = RNG.uniform(0.5, 3, (300, 3))
NAMES = ("a", "b", "c")
V = [(X[:, j], Expression.variable(j, NAMES)) for j in range(3)]
ONE = (np.ones(300), None)


def column(text: str):
    e = Expression.parse(text, NAMES)
    return e.evaluate(X), e


def agrees(found: Expression | None, truth: str, rtol: float = 1e-10) -> bool:
    new = np.random.default_rng(5).uniform(0.5, 3, (200, 3))
    assert found is not None
    return np.allclose(found.evaluate(new), Expression.parse(truth, NAMES).evaluate(new), rtol=rtol)


def test_products_with_numbers_beyond_float64():
    """A column to a power that overflows left a factor of 0, and dividing by it ended the fit."""
    large = X[:, 0] * 1e40
    assert solve_product(X[:, 0] ** 9, [(large, Expression.variable(0, NAMES))], []) is None
    assert product(0.0, [V[0][1]], [2.0]).evaluate(X).tolist() == [0.0] * 300
    assert product(5e-324, [V[0][1]], [1.0]).evaluate(np.full((1, 3), 2.0)) == [1e-323]


def test_sparse_sum():
    truth = "2*a*b - c/3 + 1"
    columns = [ONE, *V, column("a*b"), column("a*c"), column("b*c"), column("a**2"), column("sin(a)")]
    found = solve_sum(Expression.parse(truth, NAMES).evaluate(X), columns)
    assert agrees(found, truth)
    assert found.complexity <= 13


def test_sum_refuses_what_does_not_hold():
    assert solve_sum(np.exp(X[:, 0]), [ONE, *V]) is None


@pytest.mark.parametrize("truth", ["(2*a + b)/(1 + 3*c)", "a*b/(c + 0.5)", "(a - b)/(a + b)", "1/(a + 2*b)"])
def test_quotient(truth):
    part = [ONE, *V, column("a*b")]
    found = solve_quotient(Expression.parse(truth, NAMES).evaluate(X), part, part)
    assert agrees(found, truth, 1e-8)


@pytest.mark.parametrize("truth", ["3*a**2/sqrt(b)", "-2*c**1.5/(a*b)", "a*exp(-2*b)/c", "0.25*(a + b)**3*c"])
def test_product(truth):
    target = Expression.parse(truth, NAMES).evaluate(X)
    found = solve_product(target, [*V, column("a + b")], [column("b")])
    assert agrees(found, truth)


def test_product_keeps_signs():
    shifted = X - 1.5
    base = [(shifted[:, j], Expression.variable(j, NAMES)) for j in range(3)]
    found = solve_product(-2 * shifted[:, 0] * shifted[:, 1] ** 2, base, [])
    np.testing.assert_allclose(found.evaluate(shifted), -2 * shifted[:, 0] * shifted[:, 1] ** 2)


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda t: t.name)
def test_inverse_transforms_undo(transform):
    y = np.linspace(0.05, 0.95, 50)
    t = transform.apply(y)
    back = transform.inverse(Expression.variable(0, ("t",))).evaluate(t[:, None])
    np.testing.assert_allclose(back, y, rtol=1e-12)
    step = 1e-6
    slope = np.abs(transform.forward(y + step) - transform.forward(y - step)) / (2 * step)
    np.testing.assert_allclose(transform.slope(y), slope, rtol=1e-6)


def test_transforms_refuse_other_branches():
    for transform in TRANSFORMS:
        if transform.name in ("log", "square", "sqrt", "cos"):
            assert transform.apply(np.array([-1.0, 2.0])) is None
        if transform.name in ("asin", "atanh"):
            assert transform.apply(np.array([0.5, 1.5])) is None


@pytest.mark.parametrize(
    ("value", "simple"),
    [(2 / 3, 2 / 3), (np.pi / 4, np.pi / 4), (1 / (4 * np.pi), 1 / (4 * np.pi)),
     (np.sqrt(2) / 3, np.sqrt(2) / 3),
     (7.0, 7.0), (0.05, 0.05), (1 / np.sqrt(2 * np.pi), 1 / np.sqrt(2 * np.pi))],
)  # fmt: skip
def test_snapping_finds_simple_numbers(value, simple):
    assert snap(value * (1 + 3e-11)) == pytest.approx(simple, rel=1e-15)


@pytest.mark.parametrize("factor", ["pi", "pi**2", "sqrt(2)", "sqrt(3)", "sqrt(pi)", "sqrt(2*pi)"])
def test_snapping_knows_named_factors_and_their_inverses(factor):
    named = float(Expression.parse(factor).evaluate(np.zeros((1, 0)))[0])
    for value in (3 * named / 7, 5 * named, 3 / named):
        if factor not in ("sqrt(2)", "sqrt(3)") or value > 1:
            assert snap(value * (1 + 3e-11)) == pytest.approx(value, rel=1e-15)


def test_snapping_leaves_other_numbers():
    values = np.random.default_rng(1).uniform(0.1, 10, 200)
    assert sum(snap(float(v)) != v for v in values) == 0
    assert snap(0.0) == 0.0
    assert snap(np.inf) == np.inf


def test_snapping_is_relative_to_the_size():
    assert snap(0.02 * (1 + 2e-8)) != 0.02
    assert snap(0.02 * (1 + 2e-10)) == 0.02
    assert snap(1e6 * (1 + 5e-10)) == 1e6


@pytest.mark.parametrize(
    ("value", "expected"), [(1.5 + 1e-8, 1.5), (-2 / 3, -2 / 3), (0.4, 0.4), (1.2345, 1.2345)]
)
def test_exponents(value, expected):
    assert snap_exponent(value) == pytest.approx(expected, abs=1e-12)


def test_forms_are_written_short():
    a, b = Expression.variable("a", NAMES), Expression.variable("b", NAMES)
    assert str(product(0.5, [a, b], [2, -1])) == "a**2/(2*b)"
    assert str(product(-1, [a], [1])) == "-a"
    assert str(product(0.25, [a, b], [-1, 0])) == "1/(4*a)"
    assert str(product(0.5, [a], [0])) == "1/2"
    assert str(combination([1.0, -2.0, 3.0], [a, b, None])) == "a + 3 - 2*b"
    assert str(combination([0.0], [a])) == "0"


def test_a_polynomial_of_high_degree_from_twenty_rows():
    x = np.random.default_rng(0).uniform(-1, 1, (20, 1))
    truth = sum(x[:, 0] ** k for k in (1, 4, 7, 9))
    view = original(x, truth, ("x",))
    rows = bank_rows(view)
    bank = Bank.start(x[rows], ("x",), ("inv",), ("add", "mul"), 20)
    bank.grow(20, lambda: False)
    found = next(ExactSearch(view, bank, rows, None).polynomials(IDENTITY))
    new = np.linspace(-2, 2, 41)[:, None]
    np.testing.assert_allclose(
        found.evaluate(new), sum(new[:, 0] ** k for k in (1, 4, 7, 9)), rtol=1e-9, atol=1e-9
    )
    noise = original(x, np.random.default_rng(1).normal(size=20), ("x",))
    assert next(ExactSearch(noise, bank, rows, None).polynomials(IDENTITY), None) is None
