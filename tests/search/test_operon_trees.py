"""Operon's trees and Expressions: round trips, judged by both engines' numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symnum.exceptions import InvalidInput
from symnum.expressions import Expression
from symnum.expressions.operators import OPERATORS
from symnum.search.operon_trees import from_operon, to_operon

pyoperon = pytest.importorskip("pyoperon")

X = np.random.default_rng(0).uniform(0.2, 1.8, (40, 3))
NAMES = ("a", "b", "c")
DATA = pyoperon.Dataset(np.asfortranarray(X))
HASHES = [v.Hash for v in sorted(DATA.Variables, key=lambda v: v.Index)]
PLACES = {h: i for i, h in enumerate(HASHES)}


def operon_values(tree):
    return np.asarray(
        pyoperon.Evaluate(pyoperon.DispatchTable(), tree, DATA, pyoperon.Range(0, len(X)))
    ).ravel()


def trees():
    leaves = st.one_of(
        st.integers(0, 2).map(lambda i: Expression.variable(i, NAMES)),
        st.floats(0.25, 4).map(lambda c: Expression.constant(c, NAMES)),
    )
    one = st.sampled_from([op.name for op in OPERATORS if op.arity == 1 and op.name != "sign"])
    two = st.sampled_from([op.name for op in OPERATORS if op.arity == 2])
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(Expression.apply, one, inner), st.builds(Expression.apply, two, inner, inner)
        ),
        max_leaves=6,
    )


@settings(max_examples=150)
@given(trees())
def test_round_trip_by_the_numbers_of_both_engines(e):
    with np.errstate(all="ignore"):
        wanted = e.evaluate(X)
    tree = to_operon(e, HASHES)
    back = from_operon(tree.Nodes, PLACES, NAMES)
    with np.errstate(all="ignore"):
        again = back.evaluate(X)
    found = operon_values(tree)
    # Single precision is left out where it overflows, or where rounding of an argument is magnified.
    moved = e.with_constants(e.constants * (1 + 1e-6)).evaluate(X * (1 + 1e-6))
    tame = np.isfinite(wanted) & (np.abs(wanted) < 1e6) & (np.abs(wanted) > 1e-6)
    with np.errstate(invalid="ignore"):  # inf - inf, of rows that are left out already
        tame &= np.abs(moved - wanted) < 1e-4 * np.abs(wanted)
    np.testing.assert_allclose(again[tame], wanted[tame], rtol=2e-4)
    np.testing.assert_allclose(found[tame], wanted[tame], rtol=1e-3)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("Aq", "a/sqrt(1 + b**2)"),
        ("Powabs", "abs(a - 1)**b"),
        ("Log1p", "log(1 + a)"),
        ("Logabs", "log(abs(a))"),
        ("Sqrtabs", "sqrt(abs(a))"),
    ],
)
def test_operators_only_operon_has(kind, text):
    N, kinds = pyoperon.Node, pyoperon.NodeType
    a, b = (N(kinds.Variable, h) for h in HASHES[:2])
    last = N(getattr(kinds, kind))
    first = [N.Constant(1.0), a, N(kinds.Sub)] if kind == "Powabs" else [a]
    nodes = [*([b] if last.Arity == 2 else []), *first, last]
    tree = pyoperon.Tree(nodes).UpdateNodes()
    e = from_operon(tree.Nodes, PLACES, NAMES)
    np.testing.assert_allclose(e.evaluate(X), Expression.parse(text, NAMES).evaluate(X), rtol=1e-12)
    np.testing.assert_allclose(operon_values(tree), e.evaluate(X), rtol=1e-4, atol=1e-6)


def test_weights_of_any_node_are_kept():
    N, kinds = pyoperon.Node, pyoperon.NodeType
    leaf, root = N(kinds.Variable, HASHES[0]), N(kinds.Sqrt)
    leaf.Value, root.Value = 0.5, 2.0
    tree = pyoperon.Tree([leaf, root]).UpdateNodes()
    e = from_operon(tree.Nodes, PLACES, NAMES)
    np.testing.assert_allclose(e.evaluate(X), 2 * np.sqrt(0.5 * X[:, 0]))
    np.testing.assert_allclose(operon_values(tree), e.evaluate(X), rtol=1e-5)


def test_chains_of_more_than_two_arguments():
    N, kinds = pyoperon.Node, pyoperon.NodeType
    minus = N(kinds.Sub)
    minus.Arity = 3
    tree = pyoperon.Tree([N(kinds.Variable, h) for h in HASHES] + [minus]).UpdateNodes()
    e = from_operon(tree.Nodes, PLACES, NAMES)
    np.testing.assert_allclose(operon_values(tree), e.evaluate(X), rtol=1e-4, atol=1e-6)


def test_what_has_no_counterpart_is_said():
    with pytest.raises(InvalidInput, match="sign"):
        to_operon(Expression.parse("sign(a)", NAMES), HASHES)
    node = pyoperon.Node(pyoperon.NodeType.Floor)
    leaf = pyoperon.Node(pyoperon.NodeType.Variable, HASHES[0])
    with pytest.raises(InvalidInput, match="floor"):
        from_operon([leaf, node], PLACES, NAMES)
    leaf = pyoperon.Node.Constant(float("nan"))
    with pytest.raises(InvalidInput):
        from_operon([leaf], PLACES, NAMES)
