"""Compiled form of the operator table and the interpreter of programs.

Written by ``python -m symnum.expressions.codegen``; do not edit.
"""

from __future__ import annotations

import numpy as np
from numba import cfunc, njit, types

from symnum.expressions import _fastmath as f
from symnum.expressions._dispatch import broadcast, make_apply, make_multiply, make_partial
from symnum.expressions._lanes import WIDTH, where

# numba's cache on disk looks at this file alone; the digest changes it when the code below it changes.
DIGEST = "554e31a1a400b23c"

ARITY = np.array([0, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1])
TABLE = {
    1: (  # add
        lambda a, b, r: a + b,
        None,
        None,
    ),
    2: (  # sub
        lambda a, b, r: a - b,
        None,
        lambda a, b, r: -1.0,
    ),
    3: (  # mul
        lambda a, b, r: a * b,
        lambda a, b, r: b,
        lambda a, b, r: a,
    ),
    4: (  # div
        lambda a, b, r: a / b,
        lambda a, b, r: 1.0 / b,
        lambda a, b, r: -r / b,
    ),
    5: (  # pow
        lambda a, b, r: f.power(a, b),
        lambda a, b, r: b * f.power(a, b - 1.0),
        lambda a, b, r: where(a != 0.0, r * f.log(a), 0.0),
    ),
    6: (  # min
        lambda a, b, r: f.minimum(a, b),
        lambda a, b, r: where(a <= b, 1.0, 0.0),
        lambda a, b, r: where(a <= b, 0.0, 1.0),
    ),
    7: (  # max
        lambda a, b, r: f.maximum(a, b),
        lambda a, b, r: where(a >= b, 1.0, 0.0),
        lambda a, b, r: where(a >= b, 0.0, 1.0),
    ),
    8: (  # neg
        lambda a, b, r: -a,
        lambda a, b, r: -1.0,
    ),
    9: (  # inv
        lambda a, b, r: 1.0 / a,
        lambda a, b, r: -r * r,
    ),
    10: (  # abs
        lambda a, b, r: abs(a),
        lambda a, b, r: where(a > 0.0, 1.0, where(a < 0.0, -1.0, 0.0)),
    ),
    11: (  # sign
        lambda a, b, r: f.sign(a),
        lambda a, b, r: 0.0,
    ),
    12: (  # sqrt
        lambda a, b, r: f.sqrt(a),
        lambda a, b, r: 0.5 / r,
    ),
    13: (  # cbrt
        lambda a, b, r: f.cbrt(a),
        lambda a, b, r: 1.0 / (3.0 * r * r),
    ),
    14: (  # exp
        lambda a, b, r: f.exp(a),
        lambda a, b, r: r,
    ),
    15: (  # log
        lambda a, b, r: f.log(a),
        lambda a, b, r: 1.0 / a,
    ),
    16: (  # sin
        lambda a, b, r: f.sin(a),
        lambda a, b, r: f.cos(a),
    ),
    17: (  # cos
        lambda a, b, r: f.cos(a),
        lambda a, b, r: -f.sin(a),
    ),
    18: (  # tan
        lambda a, b, r: f.tan(a),
        lambda a, b, r: 1.0 + r * r,
    ),
    19: (  # asin
        lambda a, b, r: f.asin(a),
        lambda a, b, r: 1.0 / f.sqrt(1.0 - a * a),
    ),
    20: (  # acos
        lambda a, b, r: f.acos(a),
        lambda a, b, r: -1.0 / f.sqrt(1.0 - a * a),
    ),
    21: (  # atan
        lambda a, b, r: f.atan(a),
        lambda a, b, r: 1.0 / (1.0 + a * a),
    ),
    22: (  # sinh
        lambda a, b, r: f.sinh(a),
        lambda a, b, r: f.cosh(a),
    ),
    23: (  # cosh
        lambda a, b, r: f.cosh(a),
        lambda a, b, r: f.sinh(a),
    ),
    24: (  # tanh
        lambda a, b, r: f.tanh(a),
        lambda a, b, r: 1.0 - r * r,
    ),
    25: (  # square
        lambda a, b, r: a * a,
        lambda a, b, r: 2.0 * a,
    ),
    26: (  # cube
        lambda a, b, r: a * a * a,
        lambda a, b, r: 3.0 * a * a,
    ),
}

apply = make_apply(TABLE)
partial_a = make_partial(TABLE, 0)
partial_b = make_partial(TABLE, 1)
multiply = make_multiply()


_INT, _INTS = types.int64, types.int64[::1]
_CODES, _FLOATS, _ROWS = types.int16[::1], types.float64[::1], types.float64[:, ::1]
RUN = _INT(_CODES, _INT, _INT, _FLOATS, _INT, _ROWS, _INT, _INT, _INT, _INT, _INTS)
VALUES = types.void(_CODES, _INTS, _FLOATS, _INTS, _INT, _INT, _ROWS, _INT, _INT, _INT, _ROWS)


def _run(codes, lo, hi, constants, k0, w, columns, levels, derive, n, stack):
    """Row of the workspace that holds one program's values on a block of rows.

    The workspace ``w`` holds ``2 * levels`` rows for results (two per stack level, so that derivatives see
    the operands), ``levels`` for constants, two of scratch and, with ``derive``, one for the derivative
    by each constant; the block's variables begin at row ``columns``. The constants below a node are
    consecutive in postfix order, so the chain rule is an in-place product over the rows of the
    constants of either operand. ``stack`` (2 * levels) keeps operands and, per operand, the number of
    constants before it.
    """
    sp = 0
    k = 0
    scratch = 3 * levels
    grads = scratch + 2
    for i in range(lo, hi):
        c = codes[i]
        if c <= 0:
            stack[levels + sp] = k
            if c < 0:
                stack[sp] = columns - c - 1
            else:
                row = 2 * levels + sp
                stack[sp] = ~row
                broadcast(w, row, constants[k0 + k])
                if derive:
                    for j in range(n):
                        w[grads + k, j] = 1.0
                k += 1
            sp += 1
            continue
        sp -= ARITY[c]
        a = stack[sp]
        b = stack[sp + ARITY[c] - 1]
        r = sp
        if derive and a == sp:
            r += levels
        apply(w, c, r, a, b, n)
        if derive:
            left = stack[levels + sp]
            right = stack[levels + sp + 1] if ARITY[c] == 2 else k
            if right > left and partial_a(w, c, scratch, a, b, r, n):
                for m in range(left, right):
                    multiply(w, grads + m, scratch, n)
            if k > right and partial_b(w, c, scratch, a, b, r, n):
                for m in range(right, k):
                    multiply(w, grads + m, scratch, n)
        stack[sp] = r
        sp += 1
    if stack[0] < 0:
        for j in range(n):
            w[0, j] = constants[k0]
        return 0
    return stack[0]


run = cfunc(RUN, error_model="numpy", cache=True)(_run)
_run_inside = njit(error_model="numpy", nogil=True)(_run)


@njit(VALUES, error_model="numpy", nogil=True, cache=True)
def values(codes, offsets, constants, const_offsets, first, last, w, levels, base, d, out):
    """Values of programs ``first`` to ``last``, into rows of ``out`` (m, n).

    The ``d`` columns of X stand in the workspace from row ``base`` on, block by block.
    """
    n, block = out.shape[1], w.shape[1]
    stack = np.empty(2 * levels, np.int64)
    for p in range(first, last):
        at = base
        for start in range(0, n, block):
            size = min(block, n - start)
            rows = (size + WIDTH - 1) // WIDTH * WIDTH
            r = _run_inside(
                codes, offsets[p], offsets[p + 1], constants, const_offsets[p], w, at, levels, 0, rows, stack
            )
            at += d
            place = np.uint64(start)  # unsigned, so that no index may count from the end
            for j in range(np.uint64(size)):
                out[p, place + j] = w[r, j]
