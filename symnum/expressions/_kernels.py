"""Compiled form of the operator table and the interpreter of one program.

Written by ``python -m symnum.expressions.codegen``; do not edit.
"""

from __future__ import annotations

from numba import cfunc, types

from symnum.expressions import _fastmath as f
from symnum.expressions._dispatch import make_apply, make_multiply, make_partial
from symnum.expressions._lanes import WIDTH, where

# numba's cache on disk looks at this file alone; the digest changes it when the code below it changes.
DIGEST = "e39eb2d04a30be7a"

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


_INT = types.int64
RUN = _INT(
    types.int16[::1], _INT, _INT, types.float64[::1], _INT, types.float64[:, ::1], _INT, _INT, _INT, _INT,
    types.int64[::1], types.int64[::1],
)  # fmt: skip


@cfunc(RUN, error_model="numpy", cache=True)
def run(codes, lo, hi, constants, k0, w, columns, levels, derive, n, arity, stack):
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
                for j in range(WIDTH):
                    w[row, j] = constants[k0 + k]
                if derive:
                    for j in range(n):
                        w[grads + k, j] = 1.0
                k += 1
            sp += 1
            continue
        sp -= arity[c]
        a = stack[sp]
        b = stack[sp + arity[c] - 1]
        r = sp
        if derive and a == sp:
            r += levels
        apply(w, c, r, a, b, n)
        if derive:
            left = stack[levels + sp]
            right = stack[levels + sp + 1] if arity[c] == 2 else k
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
