"""Random expressions for property tests."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from symnum.expressions import OPERATORS, Expression

NAMES = ("x0", "x1", "x2")
ODD_NAMES = (
    "N",
    "lambda",
    "x 1",
    "50%",
    "pi",
    "E",
    "I",
    "S",
    "θ",
    "sin",
    "x²",
    "a`b",
    "1/2",
    "_",
    "Ünit [m/s]",
)

constants = st.one_of(
    st.integers(-20, 20).map(float),
    st.floats(-100, 100, allow_nan=False),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([math.pi, -math.pi, math.e, 1e22, -1e-300, 0.1, -0.0, 1 / 3]),
)
"""Finite float64 values, ordinary ones more often."""

tame_constants = st.one_of(st.integers(-9, 9).map(float), st.integers(-999, 999).map(lambda i: i / 100))
"""Values with at most 3 digits."""


def expressions(
    names: Sequence[str] = NAMES,
    operators: Sequence[str] | None = None,
    values: st.SearchStrategy[float] = constants,
    max_leaves: int = 12,
) -> st.SearchStrategy[Expression]:
    """Expressions over all (or the given) operators; every one a legal, normalised Expression."""
    pool = [op for op in OPERATORS if operators is None or op.name in operators]
    leaves = st.one_of(
        st.integers(0, len(names) - 1).map(lambda i: Expression.variable(i, names)),
        values.map(lambda v: Expression.constant(v, names)),
    )

    def grow(children: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
        return st.sampled_from(pool).flatmap(
            lambda op: st.tuples(*[children] * op.arity).map(lambda args: Expression.apply(op, *args))
        )

    return st.recursive(leaves, grow, max_leaves=max_leaves)


def points(columns: int, rows: int = 50, seed: int = 0) -> np.ndarray:
    """Rows with positive, negative and small values, shape (rows, columns)."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0.1, 3, (rows, columns)) * rng.choice([-1, 1], (rows, columns))
