"""Local rules that shorten an expression, one operator at a time; applied by `symnum.synthesis._simplify`."""

from __future__ import annotations

import math

import numpy as np

from symnum.expressions.operators import OPERATORS
from symnum.synthesis._compile import part
from symnum.synthesis._evaluate import ARITY

_CODE = {name: op.code for name, op in OPERATORS.by_name.items()}
_ADD, _SUB, _MUL, _DIV = (_CODE[n] for n in ("add", "sub", "mul", "div"))
_INV, _ABS, _SQRT, _EXP, _LOG = (_CODE[n] for n in ("inv", "abs", "sqrt", "exp", "log"))
_SIN, _COS, _TAN, _ASIN, _ACOS, _ATAN = (_CODE[n] for n in ("sin", "cos", "tan", "asin", "acos", "atan"))
_SQUARE, _CUBE = _CODE["square"], _CODE["cube"]
_ODD = np.zeros(ARITY.size, np.bool_)
_ODD[[_SIN, _TAN, _ASIN, _ATAN]] = True
# Pairs of functions, outer and inner, that undo each other wherever both are defined.
_UNDO = np.zeros((ARITY.size, ARITY.size), np.bool_)
for _above, _below in (
    (_EXP, _LOG),
    (_LOG, _EXP),
    (_SQUARE, _SQRT),
    (_INV, _INV),
    (_TAN, _ATAN),
    (_SIN, _ASIN),
    (_COS, _ACOS),
):
    _UNDO[_above, _below] = True


@part
def _fold(op, a, b):
    """Value of an operator on constants; NaN where it is left alone."""
    value = np.nan
    if op == _ADD:
        value = a + b
    elif op == _SUB:
        value = a - b
    elif op == _MUL:
        value = a * b
    elif op == _DIV:
        value = a / b
    elif op == _INV:
        value = 1.0 / a
    elif op == _ABS:
        value = abs(a)
    elif op == _SQRT:
        value = math.sqrt(a) if a >= 0.0 else np.nan
    elif op == _EXP:
        value = math.exp(a) if a < 200.0 else np.nan
    elif op == _LOG:
        value = math.log(a) if a > 0.0 else np.nan
    elif op == _SIN:
        value = math.sin(a)
    elif op == _COS:
        value = math.cos(a)
    elif op == _TAN:
        value = math.tan(a)
    elif op in (_ASIN, _ACOS):
        value = (math.asin(a) if op == _ASIN else math.acos(a)) if abs(a) <= 1.0 else np.nan
    elif op == _ATAN:
        value = math.atan(a)
    elif op == _SQUARE:
        value = a * a
    elif op == _CUBE:
        value = a * a * a
    return value if abs(value) < 1e90 else np.nan


@part
def _factor(pool, a):
    """Constant factor of a node and the node without it."""
    if pool.op[a] == _MUL and pool.op[pool.left[a]] == 0:
        return pool.value[pool.left[a]], pool.right[a]
    return 1.0, a


@part
def _shift(pool, a):
    """Added constant of a node and the node without it (-1: there is none)."""
    if pool.op[a] == _ADD and pool.op[pool.left[a]] == 0:
        return pool.value[pool.left[a]], pool.right[a]
    return 0.0, -1


# What a rule answers: ``wrap(constant, inner(x, y))``, built by `_place`. ``wrap`` 0: no constant; ``inner``
# 0: x itself. x or y may be PRE, a node built first: ``pre(u, v)``, or ``factor * u`` when ``pre`` is 0.
PRE = -1


@part
def _plain(op, a, b):
    return 0, 0.0, op, a, b, -1, 0.0, 0, 0


@part
def _itself(a):
    return 0, 0.0, 0, a, a, -1, 0.0, 0, 0


@part
def _scaled(factor, a):
    return _MUL, factor, 0, a, a, -1, 0.0, 0, 0


@part
def _pair(op, constant, a):
    return op, constant, 0, a, a, -1, 0.0, 0, 0


@part
def _outer(op, constant, inner, a, b):
    return op, constant, inner, a, b, -1, 0.0, 0, 0


@part
def _after(op, a, b, pre, u, v):
    """``op`` on nodes of which one is PRE, ``pre(u, v)``."""
    return 0, 0.0, op, a, b, pre, 0.0, u, v


@part
def _after_scaled(op, a, b, factor, u):
    """``op`` on nodes of which one is PRE, ``factor * u``."""
    return 0, 0.0, op, a, b, 0, factor, u, u


@part
def _sum(pool, a, b, sign):
    """Rule for ``a + sign * b``."""
    op = _ADD if sign > 0.0 else _SUB
    p, x = _shift(pool, a)
    q, y = _shift(pool, b)
    if pool.op[b] == 0:
        if pool.value[b] == 0.0:
            return _itself(a)
        return _pair(_ADD, p + sign * pool.value[b], x if x >= 0 else a)
    if pool.op[a] == 0:
        c = pool.value[a]
        if y >= 0:
            return _pair(op, c + sign * q, y)
        if pool.op[b] == _SUB and pool.op[pool.left[b]] == 0:
            inner = pool.value[pool.left[b]]
            return _pair(_SUB if sign > 0.0 else _ADD, c + sign * inner, pool.right[b])
        if c == 0.0:
            return _scaled(sign, b)
    if x >= 0 or y >= 0:
        return _outer(_ADD, p + sign * q, op, x if x >= 0 else a, y if y >= 0 else b)
    f, x = _factor(pool, a)
    g, y = _factor(pool, b)
    if pool.key[x] == pool.key[y]:
        return _scaled(f + sign * g, x)
    # A negative factor of the second operand becomes the sign; a sum with one negative operand a difference.
    if g < 0.0:
        return _after_scaled(_SUB if sign > 0.0 else _ADD, a, PRE, -g, y)
    if f < 0.0 and sign > 0.0:
        return _after_scaled(_SUB, b, PRE, -f, x)
    return _plain(op, a, b)


@part
def _multiply(pool, a, b):
    """Rule for ``a * b``; the constant is a, if there is one."""
    f, x = _factor(pool, a)
    g, y = _factor(pool, b)
    if pool.op[a] == 0:
        c = pool.value[a]
        if pool.op[b] == _INV:
            return _pair(_DIV, c, pool.left[b])
        if pool.op[b] == _DIV and pool.op[pool.left[b]] == 0:
            return _pair(_DIV, c * pool.value[pool.left[b]], pool.right[b])
        if pool.op[b] > 0 and _ODD[pool.op[b]]:
            # An odd function's minus sign goes outside, or inside where that saves the factor -1.
            h, z = _factor(pool, pool.left[b])
            if h < 0.0 or (c == -1.0 and h != 1.0):
                return _MUL, -c, pool.op[b], PRE, PRE, 0, -h, z, z
        return _scaled(c * g, y)
    if x != a or y != b:
        return _outer(_MUL, f * g, _MUL, x, y)
    if pool.key[a] == pool.key[b]:
        return _plain(_SQUARE, a, a)
    if pool.op[a] == _EXP and pool.op[b] == _EXP:
        return _after(_EXP, PRE, PRE, _ADD, pool.left[a], pool.left[b])
    for _ in range(2):
        if pool.op[b] == _INV:
            return _plain(_DIV, a, pool.left[b])
        if pool.op[b] == _DIV:
            return _after(_DIV, PRE, pool.right[b], _MUL, a, pool.left[b])
        if pool.op[b] == _SQUARE and pool.key[pool.left[b]] == pool.key[a]:
            return _plain(_CUBE, a, a)
        a, b = b, a
    return _plain(_MUL, a, b)


@part
def _divide(pool, a, b):
    """Rule for ``a / b``."""
    if pool.op[b] == 0:
        return _scaled(1.0 / pool.value[b], a)
    if pool.key[a] == pool.key[b]:
        return _scaled(np.nan, a)  # 1
    f, x = _factor(pool, a)
    g, y = _factor(pool, b)
    if pool.op[a] == 0:
        return _plain(_INV, b, b) if pool.value[a] == 1.0 else _pair(_DIV, pool.value[a] / g, y)
    if x != a or y != b:
        return _outer(_MUL, f / g, _DIV, x, y)
    if pool.op[b] == _INV:
        return _plain(_MUL, a, pool.left[b])
    if pool.op[b] == _DIV:
        return _after(_DIV, PRE, pool.left[b], _MUL, a, pool.right[b])
    if pool.op[a] == _DIV:
        return _after(_DIV, pool.left[a], PRE, _MUL, pool.right[a], b)
    if pool.op[a] == _INV:
        return _after(_INV, PRE, PRE, _MUL, pool.left[a], b)
    powers = _power_of(pool, a, b)
    if powers > 0:
        return _itself(b) if powers == 2 else _plain(_SQUARE, b, b)
    powers = _power_of(pool, b, a)
    if powers > 0:
        return _plain(_INV, a, a) if powers == 2 else _after(_INV, PRE, PRE, _SQUARE, a, a)
    if pool.op[a] == _MUL:
        if pool.key[pool.left[a]] == pool.key[b]:
            return _itself(pool.right[a])
        if pool.key[pool.right[a]] == pool.key[b]:
            return _itself(pool.left[a])
    return _plain(_DIV, a, b)


@part
def _power_of(pool, a, b):
    """2 or 3 when a is the square or cube of b, else 0."""
    if (pool.op[a] == _SQUARE or pool.op[a] == _CUBE) and pool.key[pool.left[a]] == pool.key[b]:
        return 2 if pool.op[a] == _SQUARE else 3
    return 0


@part
def _unary(pool, op, a):
    """Rule for ``op(a)``."""
    inner = pool.op[a]
    if inner > 0 and _UNDO[op, inner]:
        return _itself(pool.left[a])
    if op == _ABS and (inner in (_ABS, _SQUARE, _SQRT, _EXP)):
        return _itself(a)
    if op == _SQRT and inner == _SQUARE:
        return _plain(_ABS, pool.left[a], a)
    if op == _SQUARE and inner == _ABS:
        return _plain(_SQUARE, pool.left[a], a)
    if (op in (_SQUARE, _CUBE, _ABS)) and inner == _INV:
        return _after(_INV, PRE, PRE, op, pool.left[a], a)
    if op == _INV and inner == _DIV:
        return _plain(_DIV, pool.right[a], pool.left[a])
    f, x = _factor(pool, a)
    if x != a:
        if op == _INV:
            return _pair(_DIV, 1.0 / f, x)
        if op in (_ABS, _SQUARE, _CUBE) or (op == _SQRT and f > 0.0):
            return _outer(_MUL, _fold(op, f, f), op, x, x)
        if op == _LOG and f > 0.0:
            return _outer(_ADD, math.log(f), _LOG, x, x)
        if f < 0.0 and op == _COS:
            return _after_scaled(_COS, PRE, PRE, -f, x)
    p, y = _shift(pool, a)
    if op == _EXP and y >= 0 and abs(p) < 200.0:
        return _outer(_MUL, math.exp(p), _EXP, y, y)
    return _plain(op, a, a)


@part
def rule_for(pool, op, a, b):
    """What ``op(a, b)`` becomes."""
    if pool.op[a] == 0 and (ARITY[op] == 1 or pool.op[b] == 0):
        value = _fold(op, pool.value[a], pool.value[b])
        # 0 + value * 1 is built as the constant alone.
        return _plain(op, a, b) if value != value else (0, value, -1, a, a, -1, 0.0, 0, 0)
    if op in (_ADD, _SUB):
        return _sum(pool, a, b, 1.0 if op == _ADD else -1.0)
    if op == _MUL:
        return _multiply(pool, b if pool.op[b] == 0 else a, a if pool.op[b] == 0 else b)
    if op == _DIV:
        return _divide(pool, a, b)
    if ARITY[op] == 1:
        return _unary(pool, op, a)
    return _plain(op, a, b)
