"""Expressions made again from their leaves up, with changes on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symnum.expressions.expression import Expression
from symnum.expressions.operators import OPERATORS, Operator


def rebuild(e: Expression, make: Callable[[Operator, Sequence[Expression]], Expression]) -> Expression:
    """The expression with every operator's node replaced by what `make` gives for it.

    Parameters
    ----------
    e : Expression
    make : callable
        Takes an operator and its arguments, which are made already; ``Expression.apply(op, *args)`` changes
        nothing.
    """
    stack: list[Expression] = []
    for code, value in e.walk():
        if value is not None:
            stack.append(Expression.constant(value, e.names))
        elif code < 0:
            stack.append(Expression.variable(-code - 1, e.names))
        else:
            op = OPERATORS.by_code[code]
            args = stack[-op.arity :]
            del stack[-op.arity :]
            stack.append(make(op, args))
    return stack[0]
