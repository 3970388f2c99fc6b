"""Operators of one's own: read, computed, enumerated and written out."""

from __future__ import annotations

import numpy as np
import pytest

from symnum import Expression
from symnum.exceptions import InvalidInput
from symnum.expressions.operators import OPERATORS, Operator
from symnum.expressions.parser import parse
from symnum.search.approximate import bank_on
from symnum.search.bank import Bank
from symnum.search.macros import enumerated, functions, listed, make_macros

X = np.random.default_rng(0).uniform(-2, 2, (40, 2))
OWN = make_macros({"relu": "max(x, 0)", "gap(b, a)": "abs(b - 2*a)", "soft": "log(1 + exp(t))"})


def test_text_with_macros_is_written_out():
    e = parse("gap(x0, relu(x1 - 1)) + soft(x0)", ("x0", "x1"), functions(OWN))
    expected = np.abs(X[:, 0] - 2 * np.maximum(X[:, 1] - 1, 0)) + np.logaddexp(0, X[:, 0])
    np.testing.assert_allclose(e.evaluate(X), expected)
    assert Expression.parse(str(e)) == e


def test_names_of_arguments_may_be_columns():
    made = functions(make_macros({"tilt(x1, x0)": "x1 - 3*x0"}))
    e = parse("tilt(x0, x1)", ("x0", "x1"), made)
    np.testing.assert_allclose(e.evaluate(X), X[:, 0] - 3 * X[:, 1])


def test_macros_may_use_those_before_them():
    made = functions(make_macros({"relu": "max(x, 0)", "hinge": "relu(1 - x)"}))
    assert str(parse("hinge(x0)", None, made)) == "max(1 - x0, 0)"


def test_bank_columns_are_the_values_of_its_expressions():
    unary, binary = enumerated(None, OWN, ["square", "inv"], ["add", "mul", "div"])
    bank = Bank.start(np.ascontiguousarray(X), ("x0", "x1"), unary, binary, 600)
    bank.grow(600, lambda: False)
    assert {m.code for m in OWN} <= set(bank.op[: bank.size].tolist())
    values = bank_on(bank, X, bank.size)
    for i in range(bank.size):
        np.testing.assert_allclose(bank.expression(i).evaluate(X), bank.values[i], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(values[i], bank.values[i], rtol=1e-12, atol=1e-12)
    assert any("max" in str(bank.expression(i)) for i in range(bank.size))


def test_enumerated_operators_follow_the_list():
    unary, binary = enumerated(["add", "mul", "sinh"], (), ["square", "sin", "inv"], ["add", "sub", "div"])
    assert (unary, binary) == (["square", "sinh"], ["add", "sub"])
    assert enumerated(["max", "pow"], (), ["square"], ["add"]) == (["square"], ["pow", "max"])


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (["relu"], "mapping"),
        ({"sin": "x + 1"}, "no free name"),
        ({"two words": "x"}, "no free name"),
        ({"three": "x + y + z"}, "one or two arguments"),
        ({"none": "3"}, "one or two arguments"),
        ({"bad(a)": "a + b"}, "unknown variable 'b'"),
        ({"bad": "x +"}, "expected"),
        ({"own": "own(x)"}, "unknown function"),
        ({"import": "__import__('os')"}, "unexpected character"),
    ],
)
def test_bad_macros_are_named(given, word):
    with pytest.raises(InvalidInput, match=word):
        make_macros(given)


def test_wrong_number_of_arguments_shows_the_place():
    with pytest.raises(InvalidInput, match=r"(?s)relu takes 1 argument.*\^"):
        parse("2 + relu(x0, x1)", ("x0", "x1"), functions(OWN))


def test_operator_objects_must_be_those_of_the_table():
    assert listed([OPERATORS["max"], "+", "relu"], OWN) == ["max", "add"]
    foreign = Operator("sinc", 99, 1, np.sinc, "", (), lambda S, a: a, "", "", "")
    with pytest.raises(InvalidInput, match="extra_operators"):
        listed([foreign], ())
