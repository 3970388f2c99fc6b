"""Scalar float64 functions for compiled loops; the names that operator kernels may use."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_inline = njit(inline="always", error_model="numpy")


@_inline
def vexp(a):
    return math.exp(a)


@_inline
def vlog(a):
    return math.log(a)


@_inline
def vsin(a):
    return math.sin(a)


@_inline
def vcos(a):
    return math.cos(a)


@_inline
def vtan(a):
    return math.tan(a)


@_inline
def vasin(a):
    return math.asin(a)


@_inline
def vacos(a):
    return math.acos(a)


@_inline
def vatan(a):
    return math.atan(a)


@_inline
def vsinh(a):
    return math.sinh(a)


@_inline
def vcosh(a):
    return math.cosh(a)


@_inline
def vtanh(a):
    return math.tanh(a)


@_inline
def vpow(a, b):
    return a**b


@_inline
def vcbrt(a):
    return np.cbrt(a)


@_inline
def vsqrt(a):
    return math.sqrt(a)


@_inline
def vmin(a, b):
    return a if (a <= b or a != a) else b


@_inline
def vmax(a, b):
    return a if (a >= b or a != a) else b


@_inline
def vsign(a):
    return a if (a != a or a == 0.0) else math.copysign(1.0, a)
