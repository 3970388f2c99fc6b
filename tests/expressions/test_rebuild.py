"""Expressions made again from their leaves, against substitution by sympy."""

from __future__ import annotations

import numpy as np
import sympy

from symnum import Expression
from symnum.expressions.rebuild import rebuild


def test_without_a_change_it_is_the_same_expression():
    for text in ("x0", "2.5", "sin(x0)*x1 - exp(-x0)/3", "(x0 + 1)**2"):
        e = Expression.parse(text, names=("x0", "x1"))
        assert rebuild(e, lambda op, args: Expression.apply(op, *args)) == e


def test_nodes_are_replaced_from_the_leaves_up():
    e = Expression.parse("sin(sin(x0) + x1)", names=("x0", "x1"))
    made = rebuild(e, lambda op, args: Expression.apply("cos" if op.name == "sin" else op, *args))
    x, y = sympy.symbols("x0 x1")
    X = np.random.default_rng(0).normal(size=(20, 2))
    wanted = sympy.lambdify((x, y), sympy.cos(sympy.cos(x) + y))(X[:, 0], X[:, 1])
    np.testing.assert_allclose(made.evaluate(X), wanted, rtol=1e-12)
