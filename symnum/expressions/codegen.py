"""Writes ``_kernels.py``, the compiled form of the operator table.

Run ``python -m symnum.expressions.codegen`` after changing the operator table or `_fastmath`.
"""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

from symnum.expressions.operators import OPERATORS, Operator

TARGET = Path(__file__).with_name("_kernels.py")
_PARTS = ("_lanes.py", "_fastmath.py", "_dispatch.py")

_TEXT = '''"""Compiled form of the operator table and the interpreter of programs.

Written by ``python -m symnum.expressions.codegen``; do not edit.
"""

from __future__ import annotations

import numpy as np
from numba import cfunc, njit, types

from symnum.expressions import _fastmath as f
from symnum.expressions._dispatch import broadcast, make_apply, make_multiply, make_partial
from symnum.expressions._lanes import WIDTH, where

# numba's cache on disk looks at this file alone; the digest changes it when the code below it changes.
DIGEST = "{digest}"

ARITY = np.array({arity})
TABLE = {{
{rows}}}

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
'''


class _Translate(ast.NodeTransformer):
    """Kernel source over scalars as an expression over `Lanes`."""

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        """A choice per lane instead of one for all."""
        parts = [self.visit(n) for n in (node.test, node.body, node.orelse)]
        return ast.Call(ast.Name("where", ast.Load()), parts, [])

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Functions other than abs come from `_fastmath`."""
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id != "abs":
            node.func = ast.Attribute(ast.Name("f", ast.Load()), node.func.id, ast.Load())
        return node


def translate(source: str) -> str:
    """Kernel source over the scalars a, b, r as a Python expression over `Lanes`."""
    return ast.unparse(_Translate().visit(ast.parse(source, mode="eval")))


def _row(op: Operator) -> str:
    formulas = [op.kernel, *op.grad]
    lines = ["None" if f == "1.0" else f"lambda a, b, r: {translate(f)}" for f in formulas]
    return f"    {op.code}: (  # {op.name}\n" + "".join(f"        {line},\n" for line in lines) + "    ),\n"


def generate() -> str:
    """Source text of ``_kernels.py``."""
    digest = hashlib.sha256(b"".join(TARGET.with_name(p).read_bytes() for p in _PARTS)).hexdigest()[:16]
    rows = "".join(_row(op) for op in sorted(OPERATORS, key=lambda op: op.code))
    arity = [
        OPERATORS.by_code[c].arity if c in OPERATORS.by_code else 0 for c in range(max(OPERATORS.by_code) + 1)
    ]
    return _TEXT.format(digest=digest, rows=rows, arity=arity)


def main() -> None:
    """Rewrite ``_kernels.py``."""
    TARGET.write_text(generate(), encoding="utf-8")


if __name__ == "__main__":
    main()
