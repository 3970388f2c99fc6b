"""Rules: which formulas are allowed, judged against sympy's own view of the tree where there is one."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from symnum import Expression
from symnum.exceptions import InvalidInput
from symnum.search.bank import DEFAULT_BINARY, DEFAULT_UNARY, Bank
from symnum.search.rules import Rules, make_rules


def rules(operators=None, costs=None, nesting=None, sizes=None, depth=None) -> Rules:
    return make_rules(operators, costs, nesting, sizes, depth)


def allows(made: Rules, text: str) -> bool:
    return made.allows(Expression.parse(text))


@pytest.mark.parametrize(
    ("operators", "good", "bad"),
    [
        (["+", "*"], ["x0**2 + x1", "x0 - x1", "-x0", "x0**5*x1", "x0/3", "3"], ["x0/x1", "1/x0", "x0**-1"]),
        (["+", "*"], [], ["x0**0.5", "sqrt(x0)", "x0**x1", "x0**1.5", "exp(x0)", "abs(x0)"]),
        (["add", "sub"], ["x0 - x1", "-x0", "x0 + 2"], ["2*x0", "x0**2"]),
        (["*", "/"], ["x0/x1", "1/x0**2", "x0**3/2"], ["x0 + x1"]),
        (["*", "sqrt"], ["x0**1.5", "abs(x0)", "sqrt(x0)"], ["x0**-0.5"]),
        (["pow"], ["x0**x1", "sqrt(x0)", "1/x0", "x0**2"], ["x0*x1"]),
        (["/"], ["2*x0", "x0/2", "x0*3"], ["sin(2*x0)", "exp(x0/2)", "sin(x0*3)"]),
        (["+", "*"], ["2*x0 + x1**2"], ["sin(2*x0)", "sin(x0**2)", "sin(x0/3)", "sin(3)*x0 + cos(x1)"]),
        (["sin", "+"], ["sin(x0 + 1)", "sin(sin(x0))"], ["cos(x0)", "tan(x0)"]),
    ],
)
def test_operators(operators, good, bad):
    made = rules(operators)
    assert all(allows(made, text) for text in good)
    assert not any(allows(made, text) for text in bad)


def test_all_is_allowed_without_rules():
    assert rules().free
    assert allows(rules(), "sin(sin(exp(x0**x1)))")


def test_nested_constraints_count_levels_as_pysr_does():
    made = rules(nesting={"sin": {"cos": 0}, "cos": {"cos": 2}})
    assert allows(made, "sin(sin(x0)) + cos(sin(x0))")
    assert not allows(made, "sin(x0 + exp(cos(x1)))")
    assert allows(made, "cos(cos(cos(x0) + cos(x1)))")
    assert not allows(made, "cos(cos(cos(cos(x0))))")


def test_sizes_of_arguments():
    made = rules(sizes={"sin": 3, "pow": (-1, 1)})
    assert allows(made, "sin(x0 + x1)")
    assert not allows(made, "sin(x0 + 2*x1)")
    assert allows(made, "(x0 + x1*sin(x0))**x1")
    assert not allows(made, "x0**(x1 + 1.5)")


def test_depth_is_that_of_the_tree():
    text = "exp(sin(x0*x1))"

    def depth(node: sympy.Basic) -> int:
        return 1 + max(map(depth, node.args)) if node.args else 0

    deep = depth(Expression.parse(text).sympy())
    assert allows(rules(depth=deep), text)
    assert not allows(rules(depth=deep - 1), text)


def test_costs_change_complexity_and_sizes():
    made = rules(costs={"exp": 4, "+": 2}, sizes={"sin": 5})
    assert made.complexity(Expression.parse("exp(x0) + x1")) == 4 + 2 + 2
    assert not allows(made, "sin(exp(x0) + 1)")
    assert allows(made, "sin(exp(x0))")
    assert rules(costs={"exp": 5}, sizes={"sin": 5}).allows(Expression.parse("sin(exp(x0))")) is False


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"operators": ["sine"]}, "sine"),
        ({"operators": []}, "empty"),
        ({"costs": {"exp": 0}}, "complexity_of_operators of exp"),
        ({"costs": [1]}, "operator: ..."),
        ({"nesting": {"sin": {"cos": -1}}}, "nested_constraints of sin"),
        ({"sizes": {"pow": (1, 2, 3)}}, "constraints of pow"),
        ({"sizes": {"pow": (1,)}}, "constraints of pow"),
        ({"sizes": {"sin": -2}}, "constraints of sin"),
        ({"depth": 1.5}, "max_depth"),
    ],
)
def test_bad_rules_are_named(change, word):
    with pytest.raises(InvalidInput, match=word):
        rules(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"sizes": {"sin": 2, "mul": (-1, 1)}},
        {"nesting": {"square": {"sin": 0}, "add": {"add": 1}}},
        {"depth": 3},
        {"costs": {"exp": 3}, "sizes": {"add": 4, "sqrt": 1}},
    ],
)
def test_a_bank_forms_nothing_that_breaks_the_rules(change):
    made = rules(**change)
    X = np.random.default_rng(0).uniform(1, 2, (24, 2))
    given = (np.ascontiguousarray(X), ("x0", "x1"), DEFAULT_UNARY, DEFAULT_BINARY, 1_500)
    free, bound = Bank.start(*given), Bank.start(*given, rules=made)
    for bank in (free, bound):
        bank.grow(1_500, lambda: False)
    # The bank's own spelling is judged, before any algebra.
    broken = [i for i in range(free.size) if not made.allows(free.expression(i))]
    assert broken
    assert all(made.allows(bound.expression(i)) for i in range(bound.size))


def test_powers_up_to_twelve_are_products():
    rules = make_rules(["mul"], None, None, None, None)
    assert rules.allows(Expression.parse("x0**12"))
    assert not rules.allows(Expression.parse("x0**13"))
    assert not rules.allows(Expression.parse("x0**-2"))
    assert make_rules(["mul", "div"], None, None, None, None).allows(Expression.parse("x0**-12"))
