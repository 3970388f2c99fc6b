"""Kernels of the operator table, one loop over a block of rows each.

Written by ``python -m symnum.expressions.codegen``; do not edit.
"""

from __future__ import annotations

from numba import njit

from symnum.expressions._fastmath import (
    vacos,
    vasin,
    vatan,
    vcbrt,
    vcos,
    vcosh,
    vexp,
    vlog,
    vmax,
    vmin,
    vpow,
    vsign,
    vsin,
    vsinh,
    vsqrt,
    vtan,
    vtanh,
)


@njit(nogil=True, error_model="numpy")
def apply(code, w, r, a, b, n):
    """Row ``r`` of the workspace becomes the operator's value on rows ``a`` and ``b``."""
    if code == 1:  # add
        for j in range(n):
            w[r, j] = w[a, j] + w[b, j]
    elif code == 2:  # sub
        for j in range(n):
            w[r, j] = w[a, j] - w[b, j]
    elif code == 3:  # mul
        for j in range(n):
            w[r, j] = w[a, j] * w[b, j]
    elif code == 4:  # div
        for j in range(n):
            w[r, j] = w[a, j] / w[b, j]
    elif code == 5:  # pow
        for j in range(n):
            w[r, j] = vpow(w[a, j], w[b, j])
    elif code == 6:  # min
        for j in range(n):
            w[r, j] = vmin(w[a, j], w[b, j])
    elif code == 7:  # max
        for j in range(n):
            w[r, j] = vmax(w[a, j], w[b, j])
    elif code == 8:  # neg
        for j in range(n):
            w[r, j] = -w[a, j]
    elif code == 9:  # inv
        for j in range(n):
            w[r, j] = 1.0 / w[a, j]
    elif code == 10:  # abs
        for j in range(n):
            w[r, j] = abs(w[a, j])
    elif code == 11:  # sign
        for j in range(n):
            w[r, j] = vsign(w[a, j])
    elif code == 12:  # sqrt
        for j in range(n):
            w[r, j] = vsqrt(w[a, j])
    elif code == 13:  # cbrt
        for j in range(n):
            w[r, j] = vcbrt(w[a, j])
    elif code == 14:  # exp
        for j in range(n):
            w[r, j] = vexp(w[a, j])
    elif code == 15:  # log
        for j in range(n):
            w[r, j] = vlog(w[a, j])
    elif code == 16:  # sin
        for j in range(n):
            w[r, j] = vsin(w[a, j])
    elif code == 17:  # cos
        for j in range(n):
            w[r, j] = vcos(w[a, j])
    elif code == 18:  # tan
        for j in range(n):
            w[r, j] = vtan(w[a, j])
    elif code == 19:  # asin
        for j in range(n):
            w[r, j] = vasin(w[a, j])
    elif code == 20:  # acos
        for j in range(n):
            w[r, j] = vacos(w[a, j])
    elif code == 21:  # atan
        for j in range(n):
            w[r, j] = vatan(w[a, j])
    elif code == 22:  # sinh
        for j in range(n):
            w[r, j] = vsinh(w[a, j])
    elif code == 23:  # cosh
        for j in range(n):
            w[r, j] = vcosh(w[a, j])
    elif code == 24:  # tanh
        for j in range(n):
            w[r, j] = vtanh(w[a, j])
    elif code == 25:  # square
        for j in range(n):
            w[r, j] = w[a, j] * w[a, j]
    elif code == 26:  # cube
        for j in range(n):
            w[r, j] = w[a, j] * w[a, j] * w[a, j]


@njit(nogil=True, error_model="numpy")
def partials(code, w, r, a, b, pa, pb, need_a, need_b, n):
    """Rows ``pa`` and ``pb`` become the partial derivatives that are needed; bits of the result: written."""
    done = 0
    if code == 2:  # sub
        if need_b:
            for j in range(n):
                w[pb, j] = -1.0
            done |= 2
    elif code == 3:  # mul
        if need_a:
            for j in range(n):
                w[pa, j] = w[b, j]
            done |= 1
        if need_b:
            for j in range(n):
                w[pb, j] = w[a, j]
            done |= 2
    elif code == 4:  # div
        if need_a:
            for j in range(n):
                w[pa, j] = 1.0 / w[b, j]
            done |= 1
        if need_b:
            for j in range(n):
                w[pb, j] = -w[r, j] / w[b, j]
            done |= 2
    elif code == 5:  # pow
        if need_a:
            for j in range(n):
                w[pa, j] = w[b, j] * vpow(w[a, j], w[b, j] - 1.0)
            done |= 1
        if need_b:
            for j in range(n):
                w[pb, j] = w[r, j] * vlog(w[a, j]) if w[a, j] != 0.0 else 0.0
            done |= 2
    elif code == 6:  # min
        if need_a:
            for j in range(n):
                w[pa, j] = 1.0 if w[a, j] <= w[b, j] else 0.0
            done |= 1
        if need_b:
            for j in range(n):
                w[pb, j] = 0.0 if w[a, j] <= w[b, j] else 1.0
            done |= 2
    elif code == 7:  # max
        if need_a:
            for j in range(n):
                w[pa, j] = 1.0 if w[a, j] >= w[b, j] else 0.0
            done |= 1
        if need_b:
            for j in range(n):
                w[pb, j] = 0.0 if w[a, j] >= w[b, j] else 1.0
            done |= 2
    elif code == 8:  # neg
        if need_a:
            for j in range(n):
                w[pa, j] = -1.0
            done |= 1
    elif code == 9:  # inv
        if need_a:
            for j in range(n):
                w[pa, j] = -w[r, j] * w[r, j]
            done |= 1
    elif code == 10:  # abs
        if need_a:
            for j in range(n):
                w[pa, j] = 1.0 if w[a, j] > 0.0 else (-1.0 if w[a, j] < 0.0 else 0.0)
            done |= 1
    elif code == 11:  # sign
        if need_a:
            for j in range(n):
                w[pa, j] = 0.0
            done |= 1
    elif code == 12:  # sqrt
        if need_a:
            for j in range(n):
                w[pa, j] = 0.5 / w[r, j]
            done |= 1
    elif code == 13:  # cbrt
        if need_a:
            for j in range(n):
                w[pa, j] = 1.0 / (3.0 * w[r, j] * w[r, j])
            done |= 1
    elif code == 14:  # exp
        if need_a:
            for j in range(n):
                w[pa, j] = w[r, j]
            done |= 1
    elif code == 15:  # log
        if need_a:
            for j in range(n):
                w[pa, j] = 1.0 / w[a, j]
            done |= 1
    elif code == 16:  # sin
        if need_a:
            for j in range(n):
                w[pa, j] = vcos(w[a, j])
            done |= 1
    elif code == 17:  # cos
        if need_a:
            for j in range(n):
                w[pa, j] = -vsin(w[a, j])
            done |= 1
    elif code == 18:  # tan
        if need_a:
            for j in range(n):
                w[pa, j] = 1.0 + w[r, j] * w[r, j]
            done |= 1
    elif code == 19:  # asin
        if need_a:
            for j in range(n):
                w[pa, j] = 1.0 / vsqrt(1.0 - w[a, j] * w[a, j])
            done |= 1
    elif code == 20:  # acos
        if need_a:
            for j in range(n):
                w[pa, j] = -1.0 / vsqrt(1.0 - w[a, j] * w[a, j])
            done |= 1
    elif code == 21:  # atan
        if need_a:
            for j in range(n):
                w[pa, j] = 1.0 / (1.0 + w[a, j] * w[a, j])
            done |= 1
    elif code == 22:  # sinh
        if need_a:
            for j in range(n):
                w[pa, j] = vcosh(w[a, j])
            done |= 1
    elif code == 23:  # cosh
        if need_a:
            for j in range(n):
                w[pa, j] = vsinh(w[a, j])
            done |= 1
    elif code == 24:  # tanh
        if need_a:
            for j in range(n):
                w[pa, j] = 1.0 - w[r, j] * w[r, j]
            done |= 1
    elif code == 25:  # square
        if need_a:
            for j in range(n):
                w[pa, j] = 2.0 * w[a, j]
            done |= 1
    elif code == 26:  # cube
        if need_a:
            for j in range(n):
                w[pa, j] = 3.0 * w[a, j] * w[a, j]
            done |= 1
    return done
