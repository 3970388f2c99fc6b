"""Constants of 0 and 1 folded away in one pass: what `canonical` does too, a hundred times slower."""

from __future__ import annotations

import numpy as np

from symnum.expressions.expression import Expression
from symnum.expressions.operators import CONSTANT, OPERATORS, Operator

Part = tuple[list[int], list[float]]
_NEG = OPERATORS["neg"].code


def folded(e: Expression) -> Expression:
    """The same function without what its constants of 0 and 1 make superfluous.

    Raises
    ------
    InvalidInput
        When a part that is a number is not finite.
    """
    stack: list[Part] = []
    for code, value in e.walk():
        if value is not None:
            stack.append(([CONSTANT], [value]))
        elif code < 0:
            stack.append(([code], []))
        else:
            op = OPERATORS.by_code[code]
            args = stack[-op.arity :]
            del stack[-op.arity :]
            stack.append(_joined(op, args))
    codes, values = stack[0]
    return Expression(codes, values, e.names)


def _joined(op: Operator, args: list[Part]) -> Part:
    numbers = [values[0] if codes == [CONSTANT] else None for codes, values in args]
    if None not in numbers:
        with np.errstate(all="ignore"):
            return [CONSTANT], [float(op.numpy(*(np.float64(n) for n in numbers)))]
    if op.arity == 2 and (short := _short(op.name, args, *numbers)) is not None:
        return short
    codes = [code for part, _ in args for code in part]
    return [*codes, op.code], [value for _, values in args for value in values]


def _short(name: str, args: list[Part], a: float | None, b: float | None) -> Part | None:
    """A binary operator with a 0 or a 1 on one side; None where that changes nothing."""
    left, right = args
    if (name == "mul" and 0.0 in (a, b)) or (name == "div" and a == 0.0):
        return [CONSTANT], [0.0]
    if (name in ("add", "sub") and b == 0.0) or (name in ("mul", "div", "pow") and b == 1.0):
        return left
    if (name == "add" and a == 0.0) or (name == "mul" and a == 1.0):
        return right
    if name == "sub" and a == 0.0:
        return [*right[0], _NEG], right[1]
    return ([CONSTANT], [1.0]) if name == "pow" and b == 0.0 else None
