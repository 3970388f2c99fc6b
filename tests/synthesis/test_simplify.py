"""Rewriting of random programs: same function, never longer, stable, and the spellings it promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from symnum import Expression
from symnum.synthesis import PRESETS, EquationGenerator
from symnum.synthesis._nodes import make_nodes
from symnum.synthesis._simplify import simplify


def short(expression: Expression, digits: int = 15) -> Expression:
    room = 4 * len(expression) + 20
    codes, constants = np.zeros(room, np.int64), np.zeros(room)
    begin = room - len(expression)
    codes[begin:] = expression.codes
    constants[: expression.constants.size] = expression.constants
    begin, count = simplify(
        codes,
        begin,
        constants,
        expression.constants.size,
        digits,
        *make_nodes(room),
        np.zeros(room, np.int64),
    )
    return Expression(codes[begin:], constants[:count], expression.names)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2*(3*x0)", "6*x0"),
        ("x0 + 1 + 2", "3 + x0"),
        ("(x0 + 1) + (x1 + 2)", "3 + (x0 + x1)"),
        ("x1 + x0", "x0 + x1"),
        ("2*x0 + 3*x0", "5*x0"),
        ("x0 - 3*x0", "-2*x0"),
        ("x0 + -2*x1", "x0 - 2*x1"),
        ("-2*x1 + x0", "x0 - 2*x1"),
        ("x0 - -2*x1", "x0 + 2*x1"),
        ("5 - (3 - x0)", "2 + x0"),
        ("x0*x0", "x0**2"),
        ("x0*x0*x0", "x0**3"),
        ("x0*inv(x1)", "x0/x1"),
        ("3*inv(x1)", "3/x1"),
        ("(2*x0)/(4*x1)", "0.5*(x0/x1)"),
        ("x0/(x1/x0)", "x0**2/x1"),
        ("x0/x0**2", "inv(x0)"),
        ("x0/x0**3", "inv(x0**2)"),
        ("x0*x1/x1", "x0"),
        ("sqrt(4*x0)", "2*sqrt(x0)"),
        ("(3*x0)**2", "9*x0**2"),
        ("sqrt(x0**2)", "abs(x0)"),
        ("abs(-3*x0)", "3*abs(x0)"),
        ("exp(log(x0) )", "x0"),
        ("exp(2*x0)*exp(x1)", "exp(2*x0 + x1)"),
        ("cos(-2*x0)", "cos(2*x0)"),
        ("3*sin(-2*x0)", "-3*sin(2*x0)"),
        ("-1*sin(2*x0)", "sin(-2*x0)"),
        ("inv(inv(x0))", "x0"),
        ("sqrt(4) + x0", "2 + x0"),
        ("(x0 - x0)*x1 + x1", "x1"),
        ("sin(x0 + 0)", "sin(x0)"),
    ],
)
def test_spellings(text: str, expected: str):
    # Both sides go through the parser, which has one text per expression.
    assert short(Expression.parse(text)) == Expression.parse(expected, Expression.parse(text).names)


def test_random_formulas_keep_their_values():
    law = replace(PRESETS["improved"], simplify=False, exclude_benchmarks=False)
    changed = unsteady = 0
    for preset in (law, replace(PRESETS["snip"], exclude_benchmarks=False)):
        for sample in EquationGenerator(preset, seed=4).batch(0, 400):
            before = sample.expression
            after = short(before)
            assert len(after) <= len(before)
            assert short(after) == after
            with np.errstate(all="ignore"):
                values, again = before.evaluate(sample.X), after.evaluate(sample.X)
            assert np.all(np.isfinite(again))
            # Reordered sums cancel differently: compare with the size of the largest value, leaving out rows
            # on which the formula itself magnifies rounding (a sine of 1e40).
            with np.errstate(all="ignore"):
                nearby = before.evaluate(sample.X * (1 + 1e-14))
            size = 1e-8 * np.abs(values).max()
            steady = np.isclose(values, nearby, rtol=1e-6, atol=size)
            assert np.allclose(values[steady], again[steady], rtol=1e-5, atol=size)
            unsteady += not steady.all()
            changed += after != before
    assert changed > 400
    assert unsteady < 20


def test_constants_get_the_digits_that_tokens_hold():
    formula = short(Expression.parse("1.234*(5.678*x0)"), digits=4)
    assert formula == Expression.parse("7.007*x0")
