"""Canonical form: values against 50-digit arithmetic, and its promises on random formulas."""

from __future__ import annotations

import math
import time
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symnum.expressions import OPERATORS, Expression
from symnum.expressions._nodes import (
    NUMBER,
    PRODUCT,
    SUM,
    VARIABLE,
    common_factor,
    content,
    leading_sign,
    rational,
)
from symnum.expressions.canonical import canonical

NAMES = ("x", "y", "z")
UNARY = [op.name for op in OPERATORS if op.arity == 1]
BINARY = [op.name for op in OPERATORS if op.arity == 2]
COMMUTATIVE = {op.name for op in OPERATORS if op.commutative}
CONSTANTS = [0.0, 1.0, -1.0, 2.0, 3.0, 4.0, 0.5, -0.25, 1.5, 1 / 3, 3.7, -0.123456789]


class NotDefinedError(Exception):
    """Some step of the formula is no finite real number."""


def _power(a, b):
    if a == 0 and b >= 0:
        return mpmath.mpf(0 if b else 1)
    if a == 0 or (a < 0 and b != int(b)):
        raise NotDefinedError
    return mpmath.power(abs(a), b) * (-1 if a < 0 and int(b) % 2 else 1)


def _within(function, low, high=mpmath.inf):
    def wrapped(a):
        if not low <= a <= high:
            raise NotDefinedError
        return function(a)

    return wrapped


def _log(a):
    if a <= 0:
        raise NotDefinedError
    return mpmath.log(a)


MATH = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b, "pow": _power, "min": min, "max": max, "neg": lambda a: -a,
    "inv": lambda a: 1 / a, "abs": abs,
    "sign": mpmath.sign, "sqrt": _within(mpmath.sqrt, 0), "log": _log,
    "cbrt": lambda a: mpmath.sign(a) * mpmath.cbrt(abs(a)), "exp": mpmath.exp,
    "sin": mpmath.sin, "cos": mpmath.cos, "tan": mpmath.tan, "asin": _within(mpmath.asin, -1, 1),
    "acos": _within(mpmath.acos, -1, 1), "atan": mpmath.atan, "sinh": mpmath.sinh,
    "cosh": mpmath.cosh, "tanh": mpmath.tanh, "square": lambda a: a * a,
    "cube": lambda a: a * a * a,
}  # fmt: skip


def exact(e: Expression, point: list[float], error: float = 0.0, limit: float = 200.0):
    """Value in 50 digits; with `error` every step is off by that much, which shows the conditioning.

    Steps beyond exp(limit) count as undefined.
    """
    stack = []
    with mpmath.workdps(50):
        for code, value in e.walk():
            if value is not None:
                stack.append(mpmath.mpf(value) * (1 + mpmath.mpf(error)))
            elif code < 0:
                stack.append(mpmath.mpf(point[-code - 1]))
            else:
                op = OPERATORS.by_code[code]
                args = stack[-op.arity :]
                del stack[-op.arity :]
                if op.name in ("exp", "sinh", "cosh") and abs(args[0]) > limit:
                    raise NotDefinedError
                if op.name == "pow" and args[0] != 0 and abs(args[1] * mpmath.log(abs(args[0]))) > limit:
                    raise NotDefinedError
                try:
                    result = MATH[op.name](*args)
                except ZeroDivisionError:
                    raise NotDefinedError from None
                if abs(result) > mpmath.exp(2 * limit) or (op.name == "tan" and abs(result) > 1e12):
                    raise NotDefinedError
                stack.append(result * (1 + mpmath.mpf(error)))
    return stack[0]


leaves = st.sampled_from(NAMES) | st.sampled_from(CONSTANTS)
trees = st.recursive(
    leaves.map(lambda leaf: [leaf]),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(UNARY), inner).map(lambda t: [t[0], *t[1]]),
        st.tuples(st.sampled_from([*BINARY, "add", "mul", "sub", "div"]), inner, inner).map(
            lambda t: [t[0], *t[1], *t[2]]
        ),
    ),
    max_leaves=9,
)
formulas = trees.map(lambda t: Expression.from_prefix(t, NAMES))
points = st.lists(
    st.one_of(st.sampled_from([-2.0, -1.0, 0.0, 1.0, 2.0]), st.floats(-3, 3).map(lambda v: round(v, 6))),
    min_size=3,
    max_size=3,
)


@settings(max_examples=400)
@given(formulas, points)
def test_values_are_kept_where_the_formula_is_defined(e, point):
    try:
        wanted = exact(e, point)
        spread = abs(exact(e, point, 1e-15) - wanted)
    except NotDefinedError:
        return
    # This raises where the canonical form is undefined: the domain may not shrink.
    found = exact(canonical(e), point, limit=1e5)
    assert abs(found - wanted) <= 1e-9 * max(abs(wanted), mpmath.mpf(1e-6)) + 20 * spread


@settings(max_examples=400)
@given(formulas)
def test_fixed_point_never_longer_and_readable(e):
    c = canonical(e)
    assert canonical(c) == c
    assert c.complexity <= e.complexity
    assert c.names == e.names
    assert Expression.parse(str(c), NAMES) == c


@settings(max_examples=300)
@given(trees, st.randoms(use_true_random=False))
def test_order_of_commutative_operands_does_not_matter(tree, random):
    def shuffled(at: int) -> tuple[list, int]:
        token = tree[at]
        if token not in OPERATORS if isinstance(token, str) else True:
            return [token], at + 1
        parts, end = [], at + 1
        for _ in range(OPERATORS[token].arity):
            part, end = shuffled(end)
            parts.append(part)
        if token in COMMUTATIVE and random.random() < 0.5:
            parts.reverse()
        return [token, *(t for p in parts for t in p)], end

    other = Expression.from_prefix(shuffled(0)[0], NAMES)
    assert canonical(other) == canonical(Expression.from_prefix(tree, NAMES))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x - x", "0"),
        ("x/x", "1"),
        ("sqrt(x)**2", "x"),
        ("sqrt(x**2)", "abs(x)"),
        ("(x**2)**0.5", "abs(x)"),
        ("log(exp(x))", "x"),
        ("exp(log(x))", "x"),
        ("exp(y*log(x))", "x**y"),
        ("exp(x)*exp(y)", "exp(x + y)"),
        ("log(x) + log(y)", "log(x*y)"),
        ("log(x*y)", "log(x*y)"),
        ("log(x**2)", "log(x**2)"),
        ("sin(-x)", "-sin(x)"),
        ("-sin(x - y)", "sin(y - x)"),
        ("cos(-x)", "cos(x)"),
        ("sin(x)/cos(x)", "tan(x)"),
        ("tan(x)*cos(x)", "sin(x)"),
        ("abs(-x)", "abs(x)"),
        ("1/(1/x)", "x"),
        ("sqrt(4*x)", "2*sqrt(x)"),
        ("sqrt(2*x*y)", "sqrt(2*x*y)"),
        ("sqrt(x)/sqrt(y)", "sqrt(x/y)"),
        ("sqrt(x**2*y)", "sqrt(x**2*y)"),
        ("cbrt(x**3)", "x"),
        ("x**(1/3)", "cbrt(x)"),
        ("x*x*x", "x**3"),
        ("x*sqrt(x)", "x**1.5"),
        ("x**2*y**2", "(x*y)**2"),
        ("x*y + x*z", "x*(y + z)"),
        ("x*y + x*z + 2*y + 2*z", "(x + 2)*(y + z)"),
        ("x**2 - 2*x*y + y**2", "(x - y)**2"),
        ("2*x**2 + 4*x*y + 2*y**2", "2*(x + y)**2"),
        ("sqrt(x**2 + 2*x + 1)", "abs(x + 1)"),
        ("x*(y + z) - x*y", "x*z"),
        ("(x*y + x*z)/x", "y + z"),
        ("(x - y)/(y - x)", "-1"),
        ("2*x + 2*y", "2*(x + y)"),
        ("sin(x)**2*z + cos(x)**2*z", "z"),
        ("1 - sin(x)**2", "cos(x)**2"),
        ("cosh(x)**2 - sinh(x)**2", "1"),
        ("0.1*x + 0.2*x - 0.3*x", "0"),
        ("x/3 + 2*x/3", "x"),
        ("sin(pi)*x + y", "y"),
        ("2*pi*x", "6.283185307179586*x"),
        ("0.5 + x", "x + 0.5"),
        ("y*(1 - x)", "y*(1 - x)"),
        ("1 - x/(x/3 - 1)", "1 + x/(1 - x/3)"),
        ("1/x**4", "x**-4"),
        ("min(x, min(y, x))", "min(x, y)"),
        ("sign(2*x**3)", "sign(x)"),
        ("x + log(-1)", "x + log(-1)"),
        ("1/(x - x)", "1/(x - x)"),
        ("1.2345678901e-200/sqrt(x)", "1.2345678901e-200/sqrt(x)"),  # the square of the constant is 0
        ("1.2345678901e200*sqrt(x)", "1.2345678901e+200*sqrt(x)"),
    ],
)
def test_rules(text, expected):
    assert str(canonical(Expression.parse(text, NAMES))) == expected


def test_rules_that_would_change_values_are_not_applied():
    for text in ("sqrt(x**2)", "log(x**2)", "(x**2)**0.25", "sqrt(tan(x))*cos(x)", "x**-y"):
        e = Expression.parse(text, NAMES)
        X = np.random.default_rng(0).uniform(-3, 3, (200, 3))
        before, after = e.evaluate(X), canonical(e).evaluate(X)
        defined = np.isfinite(before)
        assert defined.any()
        np.testing.assert_allclose(after[defined], before[defined], rtol=1e-12)


def test_names_beyond_the_used_ones_are_kept():
    e = Expression.parse("b + b", ["a", "b", "c"])
    assert canonical(e).names == ("a", "b", "c")
    assert str(canonical(e)) == "2*b"


def test_constants_are_exact_to_the_last_bit():
    value = 0.1234567890123456
    c = canonical(Expression.parse(f"x*{value!r} + y", NAMES))
    assert c.constants.tolist() == [value]


def test_huge_and_deep_formulas_come_back():
    long = Expression.parse(" + ".join(f"x*sin({k}*y)" for k in range(1, 300)), NAMES)
    assert canonical(long).complexity <= long.complexity
    deep = Expression.parse("x", NAMES)
    for _ in range(2000):
        deep = Expression.apply("sin", deep)
    assert canonical(deep).complexity == deep.complexity


@pytest.mark.slow
def test_speed():
    e = Expression.parse("q1*q2*(x - y)/(4*pi*z*((x - y)**2 + q1**2)**1.5) + exp(-q2/x)")
    times = []
    for k in range(50):
        changed = e.with_constants(e.constants + k)
        start = time.perf_counter()
        canonical(changed)
        times.append(time.perf_counter() - start)
    assert np.median(times) < 1e-3


def test_coefficients_too_large_for_a_float_are_no_error():
    e = Expression.parse("1e200*(1e200*x*y) + x**2 + y**2", NAMES)
    point = np.array([[1e-150, 3e-140, 0.0]])
    np.testing.assert_allclose(canonical(e).evaluate(point), e.evaluate(point), rtol=1e-12)


# ------------------------------------------------------------------------------------------ its parts
@pytest.mark.parametrize("fraction", [Fraction(1, 3), Fraction(-2, 7), Fraction(1, 10), Fraction(999, 1000)])
def test_a_float_stands_for_the_simplest_fraction_that_rounds_to_it(fraction):
    assert rational(float(fraction)) == fraction


@pytest.mark.parametrize("value", [math.pi, 1e-12, 0.1234567890123, 1.0000000000000002, 5e-324])
def test_other_floats_stand_for_their_shortest_decimal(value):
    assert rational(value) == Fraction(repr(value))
    assert float(rational(value)) == value


A, B, C, D = ((VARIABLE, i) for i in range(4))


def test_signs_and_contents_of_nodes():
    assert [leading_sign((NUMBER, v)) for v in (-2, 0, 3)] == [-1, 1, 1]
    assert [leading_sign((SUM, ((A, c), (B, 1)), 0)) for c in (-2, 2)] == [-1, 1]
    half = Fraction(1, 2)
    assert content((SUM, ((A, half), (B, -half)), 0)) == half
    assert content((SUM, ((A, half), (B, half)), half)) == half
    assert content((SUM, ((A, half), (B, half)), 3)) == 1
    assert content((SUM, ((A, 2), (B, 4)), 6)) == 2
    assert content((SUM, ((A, 4), (B, 6)), 0)) == 1  # 2*(2*a + 3*b) is longer


def test_a_common_factor_divides_every_term():
    ab, ac, bd = ((PRODUCT, ((p, 1), (q, 2))) for p, q in ((A, B), (A, C), (B, D)))
    assert common_factor(((ab, 1), (ac, 1))) == {A: 1}
    assert common_factor(((ab, 1), (ac, 1), (bd, 1))) == {}
    assert common_factor(((ab, 1), (bd, 3))) == {B: 1}
    root = (PRODUCT, ((A, Fraction(1, 2)), (C, 1)))
    assert common_factor(((root, 1), (ab, 1))) == {A: Fraction(1, 2)}
    assert common_factor(((root, 1), ((PRODUCT, ((A, -1), (D, 1))), 1))) == {}
    assert common_factor(((ab, 1), ((PRODUCT, ((A, -1), (B, 3))), 1))) == {B: 2}


def test_a_formula_with_an_undefined_part_keeps_its_form():
    e = Expression.parse("exp(x1*sqrt(2.0)) + log(-1)*x0 + 2*(3 + x1)")
    assert str(canonical(e)) == "2*(x1 + 3) + (exp(x1*1.4142135623730951) + x0*log(-1))"
