"""Interval arithmetic against values at points of the box."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symnum.expressions.expression import Expression
from symnum.expressions.operators import OPERATORS
from symnum.search.intervals import Box, bounds, box_of

LEAVES = st.one_of(
    st.sampled_from([Expression.variable(i, ("a", "b")) for i in range(2)]),
    st.floats(-3, 3).map(lambda v: Expression.constant(v, ("a", "b"))),
)


def _grow(children: st.SearchStrategy) -> st.SearchStrategy:
    one = st.sampled_from([o for o in OPERATORS if o.arity == 1])
    two = st.sampled_from([o for o in OPERATORS if o.arity == 2])
    return st.one_of(
        st.builds(lambda o, a: Expression.apply(o, a), one, children),
        st.builds(lambda o, a, b: Expression.apply(o, a, b), two, children, children),
    )


@given(st.recursive(LEAVES, _grow, max_leaves=6), st.integers(0, 2**32))
def test_values_lie_within_their_bounds(e: Expression, seed: int):
    rng = np.random.default_rng(seed)
    low = rng.uniform(-3, 3, 2)
    box = Box(low, low + rng.uniform(0, 3, 2))
    interval = bounds(e, box)
    if interval is None:
        return
    with np.errstate(all="ignore"):
        values = e.evaluate(rng.uniform(box.low, box.high, (200, 2)))
    slack = 1e-9 * (1 + abs(interval[0]) + abs(interval[1]))
    assert np.all(np.isfinite(values))
    assert interval[0] - slack <= values.min()
    assert values.max() <= interval[1] + slack


@pytest.mark.parametrize(
    "text", ["1/(a - b)", "log(a - 1)", "sqrt(a - b)", "a**0.5", "tan(2*a)", "exp(1000*a)"]
)
def test_what_may_be_undefined_is_refused(text: str):
    box = Box(np.array([-1.0, -1.0]), np.array([1.0, 1.0]))
    assert bounds(Expression.parse(text, ("a", "b")), box) is None


def image(name: str, *args: tuple[float, float] | float) -> tuple[float, float] | None:
    """Interval of one operator over intervals and numbers."""
    names = tuple("ab"[: len(args)])
    ranges = [a if isinstance(a, tuple) else (a, a) for a in args]
    inner = [
        Expression.variable(i, names) if isinstance(a, tuple) else Expression.constant(a, names)
        for i, a in enumerate(args)
    ]
    box = Box(np.array([r[0] for r in ranges]), np.array([r[1] for r in ranges]))
    return bounds(Expression.apply(name, *inner), box)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (("div", (1, 2), (2, 4)), (0.25, 1)),
        (("div", (1, 2), (-1, 0)), None),
        (("div", (1, 2), (0, 1)), None),
        (("pow", (-1, 2), 4.0), (0, 16)),
        (("pow", (-2, -1), 4.0), (1, 16)),
        (("pow", (-1, 2), 3.0), (-1, 8)),
        (("pow", (1, 2), 1.7), (1, 2**1.7)),
        (("pow", (1, 2), -2.0), (0.25, 1)),
        (("pow", (0, 1), 1.7), None),
        (("pow", (0, 1), -2.0), None),
        (("pow", (2, 3), (1, 2)), (2, 9)),
        (("log", (1, np.e)), (0, 1)),
        (("log", (0, 1)), None),
        (("sqrt", (0, 4)), (0, 2)),
        (("sqrt", (-1e-9, 4)), None),
        (("inv", (-4, -2)), (-0.5, -0.25)),
        (("inv", (0, 2)), None),
        (("square", (-1, 3)), (0, 9)),
        (("abs", (-3, -1)), (1, 3)),
        (("asin", (-1, 1)), (-np.pi / 2, np.pi / 2)),
        (("acos", (-1, 1)), (0, np.pi)),
        (("acos", (-1, 1.01)), None),
        (("cosh", (-1, 2)), (1, np.cosh(2))),
        (("cosh", (-2, -1)), (np.cosh(1), np.cosh(2))),
        (("tan", (2, 4)), (np.tan(2), np.tan(4))),
        (("tan", (1, 2)), None),
        (("min", (0, 3), (1, 2)), (0, 2)),
        (("max", (0, 3), (1, 2)), (1, 3)),
        (("sub", (0, 3), (1, 2)), (-2, 2)),
    ],
)
def test_images_of_single_operators_are_tight(call, expected):
    """Formulas refused without need would be lost: by monotonicity each image is known exactly."""
    found = image(*call)
    assert (found is None) == (expected is None)
    if expected is not None:
        assert found == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_the_box_is_wider_than_the_data_but_keeps_signs():
    X = np.array([[-1.0, 0.01, 0.0, -3.0, 5.0, -10.0, -2.0], [1.0, 10.0, 5.0, -0.1, 10.0, -5.0, 0.0]])
    box = box_of(X)
    assert box.low == pytest.approx([-1.2, 0.005, 0.0, -3.29, 4.5, -10.5, -2.2])
    assert box.high == pytest.approx([1.2, 10.999, 5.5, -0.05, 10.5, -4.5, 0.0])
