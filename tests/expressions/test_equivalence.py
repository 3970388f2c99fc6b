"""Verdicts on pairs of formulas whose relation is known."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from symnum.exceptions import InvalidInput
from symnum.expressions import OPERATORS, Expression
from symnum.expressions.equivalence import Equivalence, _inside, _outside, compare, is_recovery
from symnum.expressions.tree_distance import tree_distance

NAMES = ("x", "y", "z")
BOX = ([1.0, 1.0, 1.0], [5.0, 5.0, 5.0])
LAWS = [
    "x*y*sin(z)",
    "x/sqrt(1 - (y/10)**2/z**2)",
    "exp(-((x - y)/z)**2/2)/(sqrt(2*pi)*z)",
    "x*y/(4*pi*z**2)",
    "x*(y + z) + y*z",
    "1/(exp(x*y/z) - 1)",
    "sqrt(x**2 + y**2 - 2*x*y*cos(z))",
    "log(x/y)*z**1.5",
]


def verdict(found: str, truth: str, bounds=BOX, **options) -> Equivalence:
    return compare(Expression.parse(found, NAMES), Expression.parse(truth, NAMES), bounds, **options)


@pytest.mark.parametrize("law", LAWS)
def test_identical_and_expanded_forms(law):
    truth = Expression.parse(law, NAMES)
    same = compare(truth, truth, BOX)
    assert same.recovered
    assert same == Equivalence(True, same.numeric_out, "equal", True, same.affine, 0.0)
    assert same.affine == pytest.approx((1.0, 0.0))
    expanded = Expression.from_sympy(sympy.expand(truth.sympy()), NAMES)
    other = compare(expanded, truth, BOX, tolerance=1e-8, refit=False)
    assert other.recovered
    assert other.symbolic == "equal"


@pytest.mark.parametrize("law", LAWS)
def test_near_misses_are_told_apart(law):
    truth = Expression.parse(law, NAMES)
    x = Expression.variable("x", NAMES)
    wiggle = Expression.apply("sin", x)
    for wrong in (truth * (1 + 0.001 * wiggle), truth + 1e-4 * x**3, truth**1.01):
        result = compare(wrong, truth, BOX, refit=False)
        assert result.numeric_in is False
        assert result.symbolic == "different"
        assert result.affine is None
        assert not result.recovered


def test_imperfect_constants():
    result = verdict("1.000001*x*exp(-0.4999999*y)", "x*exp(-0.5*y)", tolerance=1e-8)
    assert (result.numeric_in, result.numeric_out, result.refitted) == (False, False, True)
    assert result.symbolic == "different"
    assert verdict("1.0000000001*x*exp(-0.5*y)", "x*exp(-0.5*y)").recovered


def test_refit_separates_form_from_constants():
    assert verdict("1.3*sin(2.2*x) + 0.7", "1.5*sin(2.25*x) + 0.5").refitted is True
    assert verdict("1.3*cosh(0.2*x) + 0.7", "1.5*sin(2.25*x) + 0.5").refitted is False
    assert verdict("x*y", "x*y*z").refitted is False
    assert verdict("x*y", "x*y", refit=False).refitted is None


def test_constants_folded_to_floats_are_recognised():
    result = verdict("0.3989422804014327*exp(-0.5*x**2)", "exp(-x**2/2)/sqrt(2*pi)")
    assert result.symbolic == "equal"
    assert verdict("sin(6.283185307179586*x/y)", "sin(2*pi*x/y)").symbolic == "equal"
    assert verdict("x**2.2345", "x*x**1.2345").symbolic == "equal"


@pytest.mark.parametrize(
    ("found", "affine"),
    [
        ("x*y + 3", (1.0, -3.0)),
        ("-x*y", (-1.0, 0.0)),
        ("2*x*y - 1", (0.5, 0.5)),
        ("x*y*z", None),
        ("5 + 0*x", None),
    ],
)
def test_affine_images_are_reported_but_not_recovered(found, affine):
    result = verdict(found, "x*y")
    assert not result.recovered
    assert result.numeric_in is False
    assert result.affine == (None if affine is None else pytest.approx(affine, abs=1e-12))


def test_same_in_the_box_only():
    result = verdict("abs(x)*y", "x*y")
    assert (result.numeric_in, result.numeric_out, result.recovered) == (True, False, False)
    assert result.symbolic == "equal"  # on the box, where x > 0
    # Where the truth is undefined nothing is asked for.
    assert verdict("x", "sqrt(x)**2").recovered
    # The found formula may not be undefined where the truth is not.
    assert verdict("sqrt(x)**2", "x").numeric_out is False


def test_undefined_points():
    box = ([-1.0, 1.0, 1.0], [1.0, 5.0, 5.0])
    assert verdict("sqrt(x)", "sqrt(x)", box).recovered
    assert verdict("sqrt(abs(x))", "sqrt(x)", box).numeric_in is False
    assert verdict("asin(x) + y", "y + asin(x)", ([-1, 1, 1], [1, 1, 1])).recovered
    nowhere = verdict("log(-x)", "log(-x)")
    assert nowhere.numeric_in is None
    assert not nowhere.recovered


def test_steps_that_overflow_in_float64_do_not_decide():
    box = ([-500.0, 1, 1], [2000.0, 5, 5])
    assert verdict("exp(x)/(exp(x) - 1)", "1/(1 - exp(-x))", box).recovered


def test_columns_are_matched_by_name():
    found = Expression.parse("b/a", ["b", "a"])
    truth = Expression.parse("b/a", ["unused", "a", "b"])
    assert compare(found, truth, ([0, 1, 1], [1, 2, 2])).recovered
    assert not compare(found.rename(["a", "b"]), truth, ([0, 1, 1], [1, 2, 2])).recovered
    with pytest.raises(InvalidInput, match="other"):
        compare(Expression.parse("other"), truth, (0, 1))


@pytest.mark.parametrize("bounds", [([1, 2], [3, 4]), (1, float("inf")), (2, 1), ("a", "b"), 3])
def test_bad_bounds(bounds):
    with pytest.raises(InvalidInput, match="bounds"):
        verdict("x", "x", bounds)


@pytest.mark.parametrize("factor", [-1, 2, 3])
def test_whole_multiples_are_told_apart(factor):
    """The error is then a whole multiple of the truth itself."""
    found = verdict(f"{factor}*x*y", "x*y")
    assert (found.numeric_in, found.numeric_out, found.recovered) == (False, False, False)


def test_points_of_a_range_over_orders_of_magnitude():
    """Uniform points alone would leave all but the largest decade untested."""
    low, high = np.array([1e-4, 1.0]), np.array([1e4, 5.0])
    inside = _inside(np.random.default_rng(0), low, high, 4_000)
    assert np.all((inside >= low) & (inside <= high))
    assert 0.2 < np.mean(inside[:, 0] < 1) < 0.3
    outside = _outside(np.random.default_rng(0), low, high, 4_000)
    beyond = (outside < low) | (outside > high)
    assert len(outside) == 4_000
    assert np.all(np.any(beyond, axis=1))
    assert np.all((outside[:, 1] >= -1) & (outside[:, 1] <= 7))
    # Half of the points are drawn over 16 decades, of which a quarter lie below the box.
    assert 0.05 < np.mean((outside[:, 0] > 0) & (outside[:, 0] < 1e-4)) < 0.3
    assert np.mean(outside[:, 1] < 1) > 0.1
    assert np.mean(np.all(outside <= high, axis=1)) > 0.1
    assert _outside(np.random.default_rng(0), high, high, 10).shape == (0, 2)


def test_busy_sympy_gives_unknown():
    base = "(x + y + z + 1 + sin(x) + cos(y) + exp(z))"
    far = verdict(f"{base}**21", f"{base}**21 + 1e-9*x", symbolic_timeout=0.3, refit=False)
    assert far.numeric_in is True
    assert far.symbolic == "unknown"


def test_recovery_needs_a_short_form():
    truth = Expression.parse("x*y + x*z", NAMES)
    short = is_recovery(Expression.parse("x*(y + z)", NAMES), truth, BOX)
    assert short["recovered"]
    assert short["same_function"]
    bloated = is_recovery(Expression.parse("x*y + x*z + (x + 1)**2 - x**2 - 2*x - 1", NAMES), truth, BOX)
    assert bloated["sympy_size"] > 1.5 * bloated["truth_sympy_size"]
    assert bloated["same_function"]
    assert not bloated["short"]
    assert not bloated["recovered"]
    wrong = is_recovery(Expression.parse("x*y", NAMES), truth, BOX)
    assert wrong["short"]
    assert not wrong["recovered"]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("text", "recovered"), [("x + 9**9**9", False), ("x + 1/9**9**9", True), ("x + 0*9.5**9**9", False)]
)
def test_astronomic_constants_do_not_hang(text, recovered):
    # Written out, 9**9**9 has 370 million digits.
    found, truth = Expression.parse(text, NAMES), Expression.parse("x", NAMES)
    result = is_recovery(found, truth, BOX)
    assert result["same_function"] is recovered
    assert compare(found, truth, BOX, symbolic_timeout=1).symbolic in ("unknown", "equal")


def test_same_seed_same_verdict():
    first, second = (verdict("x*y + 1e-7*z", "x*y", seed=3) for _ in range(2))
    assert first == second


# ---------------------------------------------------------------------------------------------- distance
def _nested(e: Expression) -> tuple:
    stack: list[tuple] = []
    for code, value in e.walk():
        arity = OPERATORS.by_code[code].arity if code > 0 else 0
        children = tuple(stack[len(stack) - arity :])
        del stack[len(stack) - arity :]
        stack.append(("c" if value is not None else code, children))
    return stack[0]


@cache
def _forest_distance(a: tuple, b: tuple) -> int:
    """Edit distance of ordered forests straight from its recursive definition."""
    if not a or not b:
        return sum(1 + _forest_distance(t[1], ()) for t in a) + sum(1 + _forest_distance((), t[1]) for t in b)
    (la, ca), (lb, cb) = a[-1], b[-1]
    return min(
        _forest_distance(a[:-1] + ca, b) + 1,
        _forest_distance(a, b[:-1] + cb) + 1,
        _forest_distance(a[:-1], b[:-1]) + _forest_distance(ca, cb) + (la != lb),
    )


trees = st.recursive(
    st.sampled_from(["x", "y", 1.5]).map(lambda t: [t]),
    lambda t: st.one_of(
        st.tuples(st.sampled_from(["sin", "exp"]), t).map(lambda p: [p[0], *p[1]]),
        st.tuples(st.sampled_from(["add", "mul"]), t, t).map(lambda p: [p[0], *p[1], *p[2]]),
    ),
    max_leaves=5,
)


@settings(max_examples=150)
@given(trees, trees)
def test_tree_distance_follows_its_definition(left, right):
    a, b = (Expression.from_prefix(t, ["x", "y"]) for t in (left, right))
    expected = _forest_distance((_nested(a),), (_nested(b),))
    assert tree_distance(a, b) == pytest.approx(min(1.0, expected / len(b)))


def test_tree_distance_of_the_paper():
    # f(d(a, c(b)), e) and f(c(d(a, b)), e) of Zhang and Shasha, figure 4: distance 2.
    a, b = Expression.parse("x*sin(y) + z", NAMES), Expression.parse("sin(x*y) + z", NAMES)
    assert tree_distance(a, b) == pytest.approx(2 / 6)
    assert tree_distance(a, a.with_constants(a.constants)) == 0.0
    assert tree_distance(Expression.parse("2*x"), Expression.parse("3*x")) == 0.0


def test_distance_is_of_canonical_forms():
    assert verdict("y*x + z*x", "x*(z + y)", symbolic=False, refit=False).distance == 0.0
    far = verdict("exp(x)", "sin(x)*y + z", symbolic=False, refit=False)  # rename exp, add four nodes
    assert far.distance == pytest.approx(5 / 6)
    middle = verdict("x*y + cos(z)", "x*y + sin(z)", symbolic=False, refit=False).distance
    assert 0 < middle < 0.3


def test_extended_precision_agrees_with_float64():
    e = Expression.parse("sqrt(x)*atan(y) + cbrt(z) - min(x, y)/tanh(z)", NAMES)
    from symnum.expressions.equivalence import _evaluate

    X = np.random.default_rng(0).uniform(1, 5, (50, 3))
    np.testing.assert_allclose(
        _evaluate(e, X).astype(float), e.evaluate(X), rtol=1e-14, atol=1e-14
    )  # sums of parts near 1
