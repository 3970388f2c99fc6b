"""To sympy and back: values agree, names stay symbols, what has no operator is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy
from expression_strategies import NAMES, ODD_NAMES, expressions, points, tame_constants
from hypothesis import assume, given

from symnum.exceptions import InvalidInput
from symnum.expressions import OPERATORS, Expression
from symnum.expressions.sympy_bridge import number_to_sympy

x, y = sympy.symbols("x0 x1", real=True)


def assert_close_where_finite(left: np.ndarray, right: np.ndarray, rtol: float = 1e-8) -> None:
    both = np.isfinite(left) & np.isfinite(right) & (np.abs(left) < 1e100)
    np.testing.assert_allclose(
        left[both], right[both], rtol=rtol, atol=1e-12 * (1 + np.abs(left[both]).max(initial=0))
    )


# ---------------------------------------------------------------- to sympy
@pytest.mark.parametrize("op", list(OPERATORS), ids=str)
def test_every_operator_means_the_same_in_sympy(op):
    rng = np.random.default_rng(0)
    X = rng.uniform(0.1, 0.9, (20, 2))
    e = Expression.apply(op, *[Expression.variable(i, ["a", "b"]) for i in range(op.arity)])
    form = e.sympy()
    a, b = sympy.Symbol("a", real=True), sympy.Symbol("b", real=True)
    expected = [float(form.subs({a: u, b: v})) for u, v in X.tolist()]
    np.testing.assert_allclose(e.evaluate(X), expected, rtol=1e-13)


@given(expressions(values=tame_constants, max_leaves=6))
def test_values_agree_with_sympy(e):
    X = points(3, rows=3)
    form = e.sympy()
    assume(not form.has(sympy.zoo, sympy.nan, sympy.oo, sympy.I))
    mine = e.evaluate(X)
    symbols = [sympy.Symbol(n, real=True) for n in NAMES]
    for row, value in zip(X.tolist(), mine, strict=True):
        if np.isfinite(value) and abs(value) < 1e15:
            theirs = complex(sympy.N(form.subs(dict(zip(symbols, row, strict=True))), 30))
            # sympy may cancel what IEEE cannot: allow the rounding of the largest part.
            assert theirs.real == pytest.approx(value, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2.0, sympy.Integer(2)),
        (0.5, sympy.Rational(1, 2)),
        (-0.0625, sympy.Rational(-1, 16)),
        (math.pi, sympy.pi),
        (-math.pi, -sympy.pi),
        (0.1, sympy.Float(0.1)),
        (1e300, sympy.Float(1e300)),
    ],
)
def test_numbers(value, expected):
    found = number_to_sympy(value)
    assert found == expected
    assert float(found) == value


@pytest.mark.parametrize(
    "name", ["N", "lambda", "x 1", "50%", "pi", "E", "I", "S", "θ", "Q", "beta", "zoo", "oo"]
)
def test_names_are_symbols(name):
    form = (2 * Expression.variable(name) + 1).sympy()
    assert form == 2 * sympy.Symbol(name, real=True) + 1
    assert Expression.from_sympy(form, [name]).evaluate({name: [3.0]})[0] == 7
    assert Expression.from_sympy(form).names == (name,)


@pytest.mark.parametrize(
    ("text", "size"),
    [("x0", 1), ("x0 + x1", 3), ("2*x0**2", 5), ("sin(x0)/x1", 6), ("exp(-x0)", 4), ("3", 1)],
)
def test_sympy_size(text, size):
    assert Expression.parse(text).sympy_size() == size


# ---------------------------------------------------------------- from sympy
@given(expressions(values=tame_constants, max_leaves=8))
def test_round_trip_keeps_the_values(e):
    X = points(3)
    form = e.sympy()
    assume(not form.has(sympy.zoo, sympy.nan, sympy.oo, sympy.I, sympy.AccumBounds))
    back = Expression.from_sympy(form, NAMES)
    assert back.names == NAMES
    assert_close_where_finite(e.evaluate(X), back.evaluate(X), rtol=1e-6)


@given(
    expressions(names=ODD_NAMES, operators=("add", "sub", "mul", "neg"), max_leaves=6, values=tame_constants)
)
def test_round_trip_with_odd_names(e):
    X = points(len(ODD_NAMES))
    assert_close_where_finite(e.evaluate(X), Expression.from_sympy(e.sympy(), ODD_NAMES).evaluate(X))


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (x**2, "x0**2"),
        (x**3, "x0**3"),
        (1 / x, "1/x0"),
        (x - y, "x0 - x1"),
        (-x, "-x0"),
        (x / y, "x0/x1"),
        (2 * x, "2*x0"),
        (-2 * x, "-2*x0"),
        (sympy.sqrt(x), "sqrt(x0)"),
        (1 / sympy.sqrt(x), "1/sqrt(x0)"),
        (sympy.exp(x), "exp(x0)"),
        (sympy.E**x, "exp(x0)"),
        (sympy.Abs(x), "abs(x0)"),
        (sympy.Rational(2, 3) * x, "2*x0/3"),
        (x / 2, "x0/2"),
        (sympy.pi * x, "pi*x0"),
        (x**-2, "1/x0**2"),
        (sympy.Min(x, y), "min(x0, x1)"),
        (sympy.Integer(7), "7"),
        (sympy.Float("0.1"), "0.1"),
    ],
)
def test_readable_forms(form, text):
    assert str(Expression.from_sympy(form, ["x0", "x1"])) == text


@pytest.mark.parametrize(
    "form",
    [
        x * y / (x + y),
        sympy.expand((x - 2 * y + 1) ** 3),
        sympy.Max(x, y, x * y, 1),
        x ** sympy.Rational(3, 2) / y ** sympy.Rational(5, 2),
        -x / 3 - y * sympy.Rational(7, 5) + sympy.Rational(1, 3),
        sympy.log(x, 10) + sympy.cosh(y),
        -sympy.exp(-(x**2) / (2 * y**2)) / sympy.sqrt(2 * sympy.pi),
        x**y**2,
        sympy.real_root(x, 3),
        (-x) ** 2 - (-y) ** 3,
        x ** (-y),
        sympy.GoldenRatio * x,
        sympy.Float(1e-300) * x + sympy.Integer(10) ** 200,
    ],
    ids=str,
)
def test_values_of_sympy_forms(form):
    rng = np.random.default_rng(0)
    X = rng.uniform(0.5, 2, (10, 2))
    back = Expression.from_sympy(form, ["x0", "x1"])
    expected = [float(form.subs({x: a, y: b})) for a, b in X.tolist()]
    np.testing.assert_allclose(back.evaluate(X), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (sympy.gamma(x), "gamma"),
        (sympy.Function("f")(x), "f"),
        (sympy.I * x, "real"),
        (sympy.zoo, "real"),
        (sympy.nan, "real"),
        (sympy.oo, "real"),
        (sympy.Integer(10) ** 400, "float64"),
        (sympy.Piecewise((x, x > 0), (y, True)), "Piecewise"),
        (sympy.Eq(x, y), "Eq"),
        (sympy.Derivative(x**2, x), "Derivative"),
        (sympy.floor(x), "floor"),
        (sympy.Symbol("q"), "q"),
        ("x0 + 1", "Expression.parse"),
        (None, "sympy expression"),
    ],
    ids=str,
)
def test_refusals(form, said):
    with pytest.raises(InvalidInput, match=said):
        Expression.from_sympy(form, ["x0", "x1"])


def test_python_numbers():
    assert Expression.from_sympy(2) == Expression.constant(2.0)
    assert Expression.from_sympy(2.5) == Expression.constant(2.5)


def test_a_text_is_never_evaluated(tmp_path):
    target = tmp_path / "made"
    text = f"__import__('pathlib').Path({str(target)!r}).touch()"
    with pytest.raises(InvalidInput):
        Expression.from_sympy(text)
    with pytest.raises(InvalidInput):
        Expression.parse(text)
    assert not target.exists()
    assert Expression.variable(text).sympy() == sympy.Symbol(text, real=True)
    assert not target.exists()
