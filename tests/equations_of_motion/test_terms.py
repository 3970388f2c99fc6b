"""Terms of sums, and signs that read well; the values never change."""

from __future__ import annotations

import numpy as np
import pytest

from symnum.equations_of_motion.terms import split, with_few_signs, without_factor
from symnum.expressions import Expression

X = np.random.default_rng(0).uniform(0.5, 2.0, size=(40, 2))


@pytest.mark.parametrize(
    ("text", "readable"),
    [
        ("x0*(1.5 - x0/4 + x1/(-1 - x0))", "x0*(1.5 - x0/4 - x1/(1 + x0))"),
        ("x1*(0.4 + 0.7/(-1 - x0))", "x1*(0.4 - 0.7/(1 + x0))"),
        ("-0.2*x1 - 4*sin(x0)", "-0.2*x1 - 4*sin(x0)"),
        ("-1*x0*x1 + x1", "x1 - x0*x1"),
        ("1*cos(2*x0)", "cos(2*x0)"),
        ("-x0", "-x0"),
        ("exp(-x0)/(-2)", "-exp(-x0)/2"),
    ],
)
def test_signs_read_well(text, readable):
    e = Expression.parse(text, ("x0", "x1"))
    made = with_few_signs(e)
    assert np.allclose(made.evaluate(X), e.evaluate(X), rtol=1e-13)
    assert str(made) == readable


@pytest.mark.parametrize("text", ["x0*(1 - 2*x1) - (x0 - 3)/x1", "-(x0 + x1)*(x0 - x1)", "sin(x0 - x1) + 2"])
def test_terms_add_up_to_the_sum(text):
    e = Expression.parse(text, ("x0", "x1"))
    terms = split(e)
    assert np.allclose(sum(t.evaluate(X) for t in terms), e.evaluate(X), rtol=1e-12)
    assert len(terms) >= 2


def test_a_constant_factor_is_taken_off():
    assert str(without_factor(Expression.parse("-2.5*(x0*x1)"))) == "x0*x1"
    assert str(without_factor(Expression.parse("x0/(1.5 + x1)"))) == "x0/(1.5 + x1)"
