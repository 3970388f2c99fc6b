"""Reductions must be found where they hold, and lead back to the original variables."""

from __future__ import annotations

import numpy as np
import pytest

from symnum.expressions import Expression
from symnum.search.reduction import propose
from symnum.search.view import original

NAMES = ("a", "b", "c", "d")


def view_of(text: str, n: int = 600):
    X = np.random.default_rng(7).uniform(1, 3, (n, len(NAMES)))
    return original(X, Expression.parse(text, NAMES).evaluate(X), NAMES)


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("exp(sin(a - b)*c)*d**2", "d^2"),
        ("sqrt(4 + c*sin(2*a/b))*d", "ratio a, b"),
        ("exp(-(a - b)**2)*(c + 2*d)", "difference a, b"),
        ("sin(a*b) + c*d", "product a, b"),
        ("tanh((a**2 + b**2)/9)*exp(c/d)", "squares a, b"),
    ],
)
def test_true_reductions_are_among_the_proposals(text, step):
    steps = [p.view.path[-1] for p in propose(view_of(text), most=6)]
    assert any(s.startswith(step) for s in steps), steps


def test_no_reduction_is_invented():
    text = "sin(a + 2*b*c) + cos(b*d + a*a) + a*b/(c + d*d)"
    assert propose(view_of(text), most=3) == []


def test_the_reduced_problem_leads_back():
    view = view_of("exp(sin(a/b)*c)*d**2")
    for proposal in propose(view, most=6):
        reduced = proposal.view
        j = len(reduced.names) - 1
        restored = reduced.restore(Expression.variable(j, reduced.names))
        # y_reduced -> y: the restored formula of a column times y/y_reduced must be that column scaled back.
        ratio = view.y / reduced.y
        np.testing.assert_allclose(restored.evaluate(view.X), reduced.X[:, j] * ratio, rtol=1e-9)
        assert len(reduced.names) == len(view.names) - 1


def test_few_rows_or_one_variable_propose_nothing():
    X = np.random.default_rng(0).uniform(1, 2, (30, 2))
    assert propose(original(X, X[:, 0] * X[:, 1], ("a", "b"))) == []
    X = np.random.default_rng(0).uniform(1, 2, (300, 1))
    assert propose(original(X, X[:, 0] ** 2, ("a",))) == []


def test_nothing_more_is_tried_after_the_end():
    """Ten thousand rows of eleven columns took four seconds beyond the limit in the decoder's search."""
    assert propose(view_of("sin(a*b) + c*d"), stop=lambda: True) == []
