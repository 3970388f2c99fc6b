"""The branch-free elementary functions against mpmath."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from llvmlite.binding import get_host_cpu_features
from numba import njit

from symnum.expressions import Expression, _fastmath
from symnum.expressions.compiled import evaluate_batch


def _looped(name):
    function = getattr(_fastmath, "v" + name)

    @njit(error_model="numpy")
    def loop(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    return loop


def _worst_ulp(got, want):
    return max(
        abs((mpmath.mpf(float(g)) - w) / mpmath.mpf(float(np.spacing(abs(float(w))))))
        for g, w in zip(got, want, strict=True)
    )


RANGES = {
    "exp": [(-1, 1), (-745, 709)],
    "log": [(0.5, 2), (1e-320, 1e-300), (1e-5, 1e5), (1e290, 1e300)],
    **{name: [(-4, 4), (-100, 100), (-1e6, 1e6), (1e13, 5e14)] for name in ("sin", "cos", "tan")},
    "asin": [(-1, 1), (0.9999, 1)],
    "acos": [(-1, 1), (0.9999, 1), (-1, -0.9999)],
    "atan": [(-1, 1), (-10, 10), (-1e9, 1e9)],
    "sinh": [(-2, 2), (-710, 710), (-1e-5, 1e-5)],
    "cosh": [(-2, 2), (-710, 710)],
    "tanh": [(-2, 2), (-25, 25), (-1e-5, 1e-5)],
}


LIMIT = {"exp": 1, "log": 1, "tan": 2.6, "sinh": 2.6, "cosh": 2.6, "tanh": 2.6}


@pytest.mark.parametrize("name", RANGES)
def test_functions_are_as_accurate_as_promised(name):
    rng = np.random.default_rng(len(name))
    x = np.concatenate([rng.uniform(*r, 150) for r in RANGES[name]])
    if name in ("sin", "cos", "tan"):
        x = np.concatenate([x, np.arange(1, 150) * (np.pi / 2)])  # where the reduction cancels most
    out = np.empty_like(x)
    _looped(name)(x, out)
    with mpmath.workprec(150):
        assert _worst_ulp(out, [getattr(mpmath, name)(mpmath.mpf(float(v))) for v in x]) < LIMIT.get(
            name, 1.7
        )


def test_power_is_within_one_ulp_of_mpmath():
    rng = np.random.default_rng(5)
    a = np.concatenate(
        [10.0 ** rng.uniform(-3, 3, 200), 10.0 ** rng.uniform(-300, 300, 200), rng.uniform(-5, -1, 100)]
    )
    b = np.concatenate([rng.uniform(-9, 9, 200), rng.uniform(-1, 1, 200), rng.integers(-20, 20, 100)])
    (got,) = evaluate_batch([Expression.parse("x0**x1")], np.stack([a, b]))
    with mpmath.workprec(150):
        want = [mpmath.mpf(float(x)) ** mpmath.mpf(float(y)) for x, y in zip(a, b, strict=True)]
        assert _worst_ulp(got, want) < 1


@pytest.mark.skipif(not get_host_cpu_features().get("fma"), reason="no fused multiply-add, or not x86")
@pytest.mark.parametrize("name", ["exp", "log", "sin", "cos", "tanh"])
def test_scalar_functions_vectorise_in_numba_loops(name):
    loop = _looped(name)
    loop(np.ones(4), np.ones(4))
    assert "mulpd" in loop.inspect_asm(loop.signatures[0])


def test_sine_far_out():
    x = np.array([0.5, 1e16, -1e200, np.inf])
    (got,) = evaluate_batch([Expression.parse("sin(x0)")], x[None])
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(got, np.sin(x), rtol=1e-15)
    out = np.empty(4)
    _looped("sin")(x, out)
    np.testing.assert_array_equal(np.isnan(out), [False, True, True, True])
