"""The compiled evaluator against numpy, sympy, mpmath and scipy."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from symnum.exceptions import InvalidInput
from symnum.expressions import Expression, _fastmath, codegen
from symnum.expressions._kernels import DIGEST
from symnum.expressions.compiled import (
    BLOCK,
    Packed,
    evaluate_batch,
    evaluate_with_jacobian,
    fit_constants,
    pack,
)
from symnum.expressions.operators import OPERATORS

NAMES = ("x0", "x1")
SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, 1.5, -1.5, np.pi / 2, 22.0, -40.0, 709.0, 710.2, 745.0, -746.0]
    + [np.inf, -np.inf, np.nan, 5e-324, -1e-310, 1e-300, 1e-20, 1e5, -1e14, 1e15, 2.0**53, 1e200, -1e308]
)  # fmt: skip


def spread(rng: np.random.Generator, n: int) -> np.ndarray:
    """Numbers of every size and both signs."""
    return rng.choice([-1.0, 1.0], n) * 10.0 ** rng.uniform(-12, 12, n)


def assert_same(got: np.ndarray, want: np.ndarray, ulps: float) -> None:
    """Same NaN, same infinities, finite values within some units in the last place."""
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite & ~np.isnan(want)], want[~finite & ~np.isnan(want)])
    assert np.all(np.abs(got[finite] - want[finite]) <= ulps * np.spacing(np.abs(want[finite])))


def test_generated_kernels_are_up_to_date():
    assert codegen.TARGET.read_text(encoding="utf-8") == codegen.generate()
    assert DIGEST in codegen.generate()


@pytest.mark.parametrize("op", list(OPERATORS), ids=str)
def test_operator_equals_numpy(op):
    rng = np.random.default_rng(op.code)
    values = np.concatenate([SPECIAL, spread(rng, 60), rng.uniform(-3, 3, 60)])
    a, b = (v.ravel() for v in np.meshgrid(values, values if op.arity == 2 else values[:1]))
    program = [-1, -2, op.code][-1 - op.arity :] if op.arity == 2 else [-1, op.code]
    with np.errstate(all="ignore"):
        want = op.numpy(a, b) if op.arity == 2 else op.numpy(a)
    (got,) = evaluate_batch([Expression(program, (), NAMES)], np.stack([a, b]))
    # numpy itself is up to 4 ulp away from the truth in some functions
    exact = op.name in (
        "add",
        "sub",
        "mul",
        "div",
        "min",
        "max",
        "neg",
        "inv",
        "abs",
        "sign",
        "sqrt",
        "square",
        "cube",
    )
    assert_same(got, want, 0 if exact else 4)
