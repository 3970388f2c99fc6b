"""Short canonical form of random programs by local rules, in microseconds.

Constants are folded, factors and added constants move outward and join, like terms meet, operands of sums and
products are ordered, inverse functions cancel, products become powers and quotients. Values change by no more
than rounding of constants to the digits that tokens hold, and only where the program was defined.
"""

from __future__ import annotations

import numpy as np

from symnum.expressions.operators import OPERATORS
from symnum.synthesis._compile import kernel, part
from symnum.synthesis._constants import round_digits
from symnum.synthesis._evaluate import ARITY
from symnum.synthesis._nodes import REWRITE, Nodes
from symnum.synthesis._random import mix
from symnum.synthesis._rules import PRE, rule_for

_PASSES = 10
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ADD, _MUL, _DIV = (OPERATORS[n].code for n in ("add", "mul", "div"))


@part
def _leaf(pool, top, op, value):
    """Place a constant or a variable at ``top``."""
    pool.op[top], pool.value[top] = op, value
    pool.size[top] = 1
    pool.lowest[top] = -op - 1 if op < 0 else 1_000_000
    pool.key[top] = mix(np.uint64(-op) * _GOLDEN + np.uint64(np.float64(value).view(np.uint64)))


@part
def _node(pool, top, op, a, b):
    """Place an operator at ``top``; b is ignored for one operand."""
    pool.op[top], pool.left[top], pool.right[top] = op, a, b
    key = mix(pool.key[a] + np.uint64(op) * _GOLDEN)
    size = 1 + pool.size[a]
    lowest = pool.lowest[a]
    if ARITY[op] == 2:
        key = mix(key * np.uint64(3) + pool.key[b])
        size += pool.size[b]
        lowest = min(lowest, pool.lowest[b])
    pool.key[top], pool.size[top], pool.lowest[top] = key, size, lowest


@part
def _before(pool, a, b):
    """Order of the operands of sums and products: constants, then by lowest variable, size, hash."""
    if (pool.op[a] == 0) != (pool.op[b] == 0):
        return pool.op[a] == 0
    if pool.lowest[a] != pool.lowest[b]:
        return pool.lowest[a] < pool.lowest[b]
    if pool.size[a] != pool.size[b]:
        return pool.size[a] < pool.size[b]
    return pool.key[a] < pool.key[b]


@part
def _place(pool, top, rule, digits):
    """Build what a rule answered; returns the node and the new top."""
    wrap, constant, inner, x, y, pre, factor, u, v = rule
    constant = round_digits(constant, digits)
    factor = round_digits(factor, digits)
    if (
        inner < 0
        or (wrap == _MUL and (constant == 0.0 or constant != constant))
        or (wrap == _DIV and constant == 0.0)
    ):
        # A folded constant; NaN is how a quotient of equals asks for 1.
        _leaf(pool, top, 0, constant if constant == constant else 1.0)
        return top, top + 1
    # At most three nodes, innermost first: pre, inner, wrap.
    for step in range(3):
        if step == 0:
            if pre < 0:
                continue
            op, a, b, c = (pre, u, v, 0.0) if pre > 0 else (_MUL, u, u, factor)
            skip, with_constant = pre == 0 and factor == 1.0, pre == 0
        elif step == 1:
            op, a, b, c = inner, x, y, 0.0
            skip, with_constant = inner == 0, False
        else:
            op, a, b, c = wrap, x, x, constant
            skip, with_constant = wrap == 0 or (wrap == _MUL and constant == 1.0), True
        node = a
        if not skip:
            if with_constant:
                _leaf(pool, top, 0, c)
                b, a = a, top
                top += 1
            elif (op in (_ADD, _MUL)) and _before(pool, b, a):
                a, b = b, a
            _node(pool, top, op, a, b)
            node = top
            top += 1
        if step == 0:
            x, y = (node if x == PRE else x), (node if y == PRE else y)
        else:
            x = y = node
    return x, top


@part
def _write(pool, root, codes, constants, todo):
    """Postfix program of a node at the end of ``codes``; returns like `simplify`."""
    at = codes.size
    count = 0
    top = 1
    todo[0] = root
    if pool.size[root] > at:
        return -1, 0
    while top:
        top -= 1
        n = todo[top]
        at -= 1
        codes[at] = pool.op[n]
        if pool.op[n] == 0:
            # Met from the last to the first.
            constants[constants.size - 1 - count] = pool.value[n]
            count += 1
        elif pool.op[n] > 0:
            todo[top] = pool.left[n]
            top += 1
            if ARITY[pool.op[n]] == 2:
                todo[top] = pool.right[n]
                top += 1
    for k in range(count):
        constants[k] = constants[constants.size - count + k]
    return at, count


@kernel(REWRITE)
def simplify(codes, begin, constants, count, digits, op, left, right, value, key, size, lowest, todo):
    """Rewrite a program in place; returns where it begins now and its number of constants.

    A negative begin: it grew beyond the room. ``codes`` is filled up to its end; new constants are rounded to
    ``digits``; the arrays from ``op`` on are those of `make_nodes`, ``todo`` is as long as ``codes``.
    """
    pool = Nodes(op, left, right, value, key, size, lowest)
    before = np.uint64(0)
    for _ in range(_PASSES):
        top = 0
        depth = 0
        k = 0
        for i in range(begin, codes.size):
            c = codes[i]
            if c <= 0:
                _leaf(pool, top, c, constants[k] if c == 0 else 0.0)
                k += c == 0
                node = top
                top += 1
            else:
                depth -= ARITY[c]
                a = todo[depth]
                b = todo[depth + 1] if ARITY[c] == 2 else a
                node, top = _place(pool, top, rule_for(pool, c, a, b), digits)
            todo[depth] = node
            depth += 1
        root = todo[0]
        begin, count = _write(pool, root, codes, constants, todo)
        if begin < 0 or pool.key[root] == before:
            break
        before = pool.key[root]
    return begin, count
