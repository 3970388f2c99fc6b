"""Rewriting that is allowed by signs seen in the data: sqrt(a^2 b) is a sqrt(b) where a is never negative."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.canonical import canonical
from symnum.expressions.expression import Expression
from symnum.expressions.operators import OPERATORS, Operator
from symnum.expressions.rebuild import rebuild

_ABS, _SQRT, _SQUARE, _MUL, _DIV, _INV = (
    OPERATORS[n].code for n in ("abs", "sqrt", "square", "mul", "div", "inv")
)
Factors = tuple[list[Expression], list[Expression]]


def with_signs_of(e: Expression, X: NDArray[np.float64]) -> Expression:
    """Formula with the same values on X, without ``abs`` and roots of squares that signs make needless.

    Both forms fit the data; the shorter is the better guess outside of it. Returns `e` itself when nothing
    gets shorter.
    """
    codes = e.codes
    if not (_ABS in codes or (_SQRT in codes and _SQUARE in codes)):
        return e

    def shortened(op: Operator, args: Sequence[Expression]) -> Expression:
        if op.code == _ABS:
            return _absolute(args[0], X)
        return _root(args[0], X) if op.code == _SQRT else Expression.apply(op, *args)

    new = canonical(rebuild(e, shortened))
    return new if new.complexity < e.complexity else e


def _sign(e: Expression, X: NDArray) -> int:
    with np.errstate(all="ignore"):
        values = e.evaluate(X)
    return 1 if np.all(values >= 0) else -1 if np.all(values <= 0) else 0


def _absolute(e: Expression, X: NDArray) -> Expression:
    sign = _sign(e, X)
    return e if sign > 0 else -e if sign < 0 else Expression.apply("abs", e)


def _root(e: Expression, X: NDArray) -> Expression:
    """Square root with the squares among the factors taken out."""
    upper, lower = _factors(e)
    out: Factors = ([], [])
    kept: Factors = ([], [])
    for side, parts in enumerate((upper, lower)):
        for part in parts:
            if part.codes[-1] == _SQUARE:
                out[side].append(_absolute(_argument(part), X))
            else:
                kept[side].append(part)
    if not (out[0] or out[1]):
        return Expression.apply("sqrt", e)
    names = e.names
    rest = _quotient(kept, names)
    if kept[0] or kept[1]:
        # What stays inside must not be negative where the whole was not.
        out[0].append(Expression.apply("sqrt", rest))
    return _quotient(out, names)


def _factors(e: Expression) -> Factors:
    """Numerator and denominator factors of a product tree."""
    if e.codes[-1] in (_MUL, _DIV):
        left, right = _operands(e)
        a, b = _factors(left), _factors(right)
        return (a[0] + b[0], a[1] + b[1]) if e.codes[-1] == _MUL else (a[0] + b[1], a[1] + b[0])
    if e.codes[-1] == _INV:
        a = _factors(_argument(e))
        return a[1], a[0]
    return [e], []


def _operands(e: Expression) -> tuple[Expression, Expression]:
    """Both operands of the root of a binary tree."""
    codes = e.codes.tolist()
    need, at = 1, len(codes) - 1
    while need:
        at -= 1
        need += (OPERATORS.by_code[codes[at]].arity if codes[at] > 0 else 0) - 1
    first = int(np.sum(e.codes[:at] == 0))
    return (
        Expression(codes[:at], e.constants[:first], e.names),
        Expression(codes[at:-1], e.constants[first:], e.names),
    )


def _argument(e: Expression) -> Expression:
    return Expression(e.codes[:-1], e.constants, e.names)


def _quotient(factors: Factors, names: tuple[str, ...]) -> Expression:
    sides = []
    for parts in factors:
        whole = None
        for part in parts:
            whole = part if whole is None else whole * part
        sides.append(whole)
    upper, lower = sides
    if lower is None:
        return upper if upper is not None else Expression.constant(1.0, names)
    return (upper if upper is not None else 1.0) / lower
