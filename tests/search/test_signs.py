"""Sign-aware rewriting keeps the values on the data and never lengthens."""

from __future__ import annotations

import numpy as np
import pytest

from symnum.expressions import Expression
from symnum.expressions.canonical import canonical
from symnum.search.signs import with_signs_of

NAMES = ("a", "b", "c")
POSITIVE = np.random.default_rng(0).uniform(1, 3, (100, 3))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abs(a)*b", "a*b"),
        ("sqrt(a**2/(b + c))", "a/sqrt(b + c)"),
        ("sqrt(a**2*(b - 5)**2*c)", "a*(5 - b)*sqrt(c)"),
        ("sin(abs(a - 9))", "sin(9 - a)"),
    ],
)
def test_shorter_form_with_the_same_values(text, expected):
    e = Expression.parse(text, NAMES)
    new = with_signs_of(e, POSITIVE)
    shortest = canonical(Expression.parse(expected, NAMES))
    assert new.complexity == shortest.complexity < e.complexity
    np.testing.assert_allclose(new.evaluate(POSITIVE), e.evaluate(POSITIVE), rtol=1e-12)
    np.testing.assert_allclose(
        new.evaluate(POSITIVE), Expression.parse(expected, NAMES).evaluate(POSITIVE), rtol=1e-12
    )


def test_mixed_signs_are_left_alone():
    e = Expression.parse("abs(a)*b + sqrt(c**2*b)", NAMES)
    mixed = np.random.default_rng(0).normal(size=(100, 3))
    assert with_signs_of(e, mixed) == e


@pytest.mark.parametrize("text", ["a + b", "abs(a - b)*c", "sqrt(a - 0.5)*a**2"])
def test_what_gets_no_shorter_is_the_same_object(text):
    e = Expression.parse(text, NAMES)
    assert with_signs_of(e, POSITIVE) is e
