"""Values of a program on a block of rows, given up as soon as a step is not sound."""

from __future__ import annotations

import numpy as np

from symnum.expressions._kernels import apply
from symnum.expressions._lanes import WIDTH
from symnum.expressions.operators import OPERATORS
from symnum.synthesis._compile import kernel, part

SCREEN = 16
"""Rows on which a formula is tried first."""

ARITY = np.zeros(max(OPERATORS.by_code) + 1, np.int64)
ARITY[list(OPERATORS.by_code)] = [op.arity for op in OPERATORS]
_SHRINKS = np.zeros(ARITY.size, np.bool_)
_SHRINKS[[OPERATORS[n].code for n in ("mul", "div", "pow", "inv", "exp", "square", "cube")]] = True
_TURNS = np.zeros(ARITY.size, np.bool_)
_TURNS[[OPERATORS[n].code for n in ("sin", "cos", "tan")]] = True
_EXP = OPERATORS["exp"].code
_MOST, _LEAST = np.finfo(np.float64).max, np.finfo(np.float64).tiny

UNDEFINED, UNDERFLOW = -1, -2


@part
def _check(w, r, code, a, b, n, angle):
    wild = 0
    small = 0
    for j in range(n):
        size = abs(w[r, j])
        wild += not (size <= _MOST)
        small += size < _LEAST
    if _TURNS[code] and a >= 0:
        for j in range(n):
            wild += abs(w[a, j]) > angle
    if wild:
        return UNDEFINED
    if small and _SHRINKS[code]:
        for j in range(n):
            if abs(w[r, j]) < _LEAST:
                left = w[a, j] if a >= 0 else w[~a, 0]
                right = w[b, j] if b >= 0 else w[~b, 0]
                if code == _EXP or (left != 0.0 and right != 0.0):
                    return UNDERFLOW
    return 0


_I, _F = "int64[::1]", "float64[::1]"


@kernel(f"int64({_I}, int64, {_F}, float64[:, ::1], int64, int64, int64, {_I}, boolean, float64)")
def evaluate(codes, begin, constants, w, columns, levels, n, stack, strict, angle):
    """Workspace row with the values on n rows (a multiple of the vector width), or why there is none.

    When ``strict``, every step must be sound on every row and no angle larger than ``angle``. Not sound is a
    step that is infinite, undefined or too small for a normal number: the reference runs with
    ``numpy.seterr(all="raise")``. The first ``2 * levels`` rows of ``w`` hold results, two for each stack
    level; the next ``levels`` hold constants.
    """
    sp = 0
    k = 0
    for i in range(begin, codes.size):
        c = codes[i]
        if c < 0:
            stack[sp] = columns - c - 1
            sp += 1
        elif c == 0:
            row = 2 * levels + sp
            for j in range(WIDTH):
                w[row, j] = constants[k]
            stack[sp] = ~row
            k += 1
            sp += 1
        else:
            sp -= ARITY[c]
            a = stack[sp]
            b = stack[sp + ARITY[c] - 1]
            # The operands stay, to tell a product with zero from an underflow.
            r = sp if a != sp else levels + sp
            apply(w, c, r, a, b, n)
            if strict:
                found = _check(w, r, c, a, b, n, angle)
                if found < 0:
                    return found
            stack[sp] = r
            sp += 1
    return stack[0]
