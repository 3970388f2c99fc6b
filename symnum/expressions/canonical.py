"""Canonical form: one short spelling for the formulas that simple algebra shows to be equal."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symnum.expressions._functions import apply, seal
from symnum.expressions._nodes import (
    HALF,
    NUMBER,
    VARIABLE,
    Node,
    Number,
    Undefined,
    add,
    number_power,
    rational,
    scale,
)
from symnum.expressions._products import general_power, mul
from symnum.expressions._spelling import Speller
from symnum.expressions.expression import Expression
from symnum.expressions.operators import OPERATORS

Items = list[
    Any
]  # postfix program: int codes, constants in place as 1-tuples (so that no constant equals a code)

_MAX_NODES = 2000
_MAX_ROUNDS = 8
_POWERS: dict[str, Number] = {"inv": -1, "square": 2, "cube": 3, "sqrt": HALF}
_OPERATORS = {op.code: (op.name, op.arity) for op in OPERATORS}


def canonical(e: Expression) -> Expression:
    """Shortest spelling under rule-based algebra, without sympy.

    Collects like terms and powers, folds constants, cancels, joins roots, exponentials and logarithms, takes
    out common factors and finds perfect squares.

    Parameters
    ----------
    e : Expression
        Any formula.

    Returns
    -------
    Expression
        Over the same names; never of larger complexity; ``canonical(canonical(e)) == canonical(e)``; does not
        depend on the order of the operands of commutative operators.

    Notes
    -----
    A formula is defined at a point when every step of it is finite there. The result is defined wherever `e`
    is, with the same values up to rounding; it may be defined at more points: ``x/x`` is 1, ``sqrt(x)**2`` is
    x, ``log(x) + log(y)`` is ``log(x*y)`` (never the other way round), but ``sqrt(x**2)`` is ``abs(x)``.
    A constant stands for the simplest fraction with a denominator up to 1000 that rounds to it, else for its
    shortest decimal, so ``0.1*x + 0.2*x - 0.3*x`` is 0. A formula with an everywhere undefined part, such as
    ``log(-1)``, keeps its form apart from the order of operands.

    Examples
    --------
    >>> str(canonical(Expression.parse("x0*x1 + x0*x2 - (x1 - x1)")))
    'x0*(x1 + x2)'
    >>> str(canonical(Expression.parse("sqrt(4*x0**2)")))
    '2*abs(x0)'
    """
    items = _items(e)
    best = _canonical(items)
    if best == items:
        return e
    return _expression(best, e)


def _canonical(items: Items) -> Items:
    best = _rewritten(items)
    if best is None:
        return _sorted(items)
    # The spelling of a result is read again until nothing changes, so that the result is a fixed point.
    seen = [best]
    for _ in range(_MAX_ROUNDS):
        again = _rewritten(best)
        if again is None:
            return _sorted(best)
        if again == best:
            return best
        if again in seen:
            cycle = seen[seen.index(again) :]
            return min(cycle, key=_order)
        best = again
        seen.append(best)
    return best


def _rewritten(items: Items) -> Items | None:
    """One pass of algebra; None when it does not apply or makes the formula longer."""
    if len(items) > _MAX_NODES:
        return None
    try:
        new = Speller().spell(_read(items))
    except (Undefined, RecursionError):
        return None
    return new if len(new) <= len(items) else None


def _order(items: Items) -> tuple:
    return len(items), [(1, i[0]) if type(i) is tuple else (0, i) for i in items]


def _items(e: Expression) -> Items:
    if not e.constants.size:
        return e.codes.tolist()
    values = iter(e.constants.tolist())
    return [(next(values),) if c == 0 else c for c in e.codes.tolist()]


def _expression(items: Items, like: Expression) -> Expression:
    codes = [0 if type(i) is tuple else i for i in items]
    return Expression(codes, [i[0] for i in items if type(i) is tuple], like.names)


def _sorted(items: Items) -> Items:
    """Only fold constants and order the operands of commutative operators."""
    stack: list[Items] = []
    for item in items:
        if type(item) is tuple or item < 0:
            stack.append([item])
            continue
        op = OPERATORS.by_code[item]
        args = stack[-op.arity :]
        del stack[-op.arity :]
        if op.commutative:
            args.sort(key=_order)
        if all(len(a) == 1 and type(a[0]) is tuple for a in args):
            with np.errstate(all="ignore"):
                value = float(op.numpy(*(np.float64(a[0][0]) for a in args)))
            if math.isfinite(value):
                stack.append([(value,)])
                continue
        stack.append([*(i for a in args for i in a), item])
    return stack[0]


def _read(items: Items) -> Node:
    """Normal form of a postfix program whose constants are 1-tuples in place."""
    stack: list[Node] = []
    for item in items:
        if type(item) is tuple:
            stack.append((NUMBER, rational(item[0])))
            continue
        if item < 0:
            stack.append((VARIABLE, -item - 1))
            continue
        name, arity = _OPERATORS[item]
        if arity == 2:
            b = stack.pop()
            a = stack.pop()
            if name == "add":
                node = add([(a, 1), (b, 1)])
            elif name == "sub":
                node = add([(a, 1), (b, -1)])
            elif name in ("mul", "div"):
                node = _times(a, b, 1 if name == "mul" else -1)
            elif name == "pow":
                node = general_power(seal(a), seal(b))
            else:
                node = apply(name, seal(a), seal(b))
        else:
            a = stack.pop()
            if name == "neg":
                node = scale(a, -1)
            elif name in _POWERS:
                node = mul([(seal(a), _POWERS[name])])
            else:
                node = apply(name, seal(a))
        stack.append(node)
    return seal(stack[0])


def _times(a: Node, b: Node, e: int) -> Node:
    # A constant factor leaves a sum open, so that the order in which terms are added does not matter.
    if b[0] == NUMBER:
        return scale(a, number_power(b[1], e))
    if a[0] == NUMBER and e == 1:
        return scale(b, a[1])
    return mul([(seal(a), 1), (seal(b), e)])
