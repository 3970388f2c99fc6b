"""To and from sympy, with every name a symbol (never ``sympify`` on text)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from symnum.exceptions import InvalidInput
from symnum.expressions.expression import Expression, infer_names
from symnum.expressions.operators import OPERATORS

if TYPE_CHECKING:
    import sympy

_FUNCTIONS = {
    "exp": "exp", "log": "log", "sin": "sin", "cos": "cos", "tan": "tan", "asin": "asin", "acos": "acos",
    "atan": "atan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "Abs": "abs", "sign": "sign",
    "Min": "min", "Max": "max",
}  # fmt: skip
_MAX_EXACT_EXPONENT = 64


def number_to_sympy(value: float) -> sympy.Expr:
    """Exact sympy number where a person would write one (integers, halves, pi), else a Float."""
    import sympy

    if abs(value) == math.pi:
        return sympy.pi if value > 0 else -sympy.pi
    if value == int(value) and abs(value) < 2**53:
        return sympy.Integer(int(value))
    if value * 16 == int(value * 16) and abs(value) < 1e6:
        return sympy.Rational(int(value * 16), 16)
    return sympy.Float(value)


def to_sympy(expression: Expression) -> sympy.Expr:
    """Sympy form; undefined constant parts become zoo or nan as sympy has them."""
    import sympy

    symbols = [sympy.Symbol(n, real=True) for n in expression.names]
    stack: list[sympy.Expr] = []
    for code, value in expression.walk():
        if value is not None:
            stack.append(number_to_sympy(value))
        elif code < 0:
            stack.append(symbols[-code - 1])
        else:
            op = OPERATORS.by_code[code]
            args = stack[-op.arity :]
            del stack[-op.arity :]
            huge = op.name == "pow" and _is_huge(*args)
            stack.append(_huge_power(*args) if huge else op.sympy(sympy, *args))
    return stack[0]


def _is_huge(base: sympy.Expr, exponent: sympy.Expr) -> bool:
    return bool(base.is_Number and exponent.is_Number and abs(exponent) > _MAX_EXACT_EXPONENT)


def _huge_power(base: sympy.Expr, exponent: sympy.Expr) -> sympy.Expr:
    """Power of constants in float64: sympy would write out all digits of 9**9**9."""
    import sympy

    try:
        value = float(base) ** float(exponent)
    except (OverflowError, ZeroDivisionError):
        return sympy.oo
    return sympy.Float(value) if isinstance(value, float) else sympy.nan


def sympy_size(expression: Expression) -> int:
    """Nodes of the sympy tree in preorder, as SRBench 2025 counts model size."""
    import sympy

    return sum(1 for _ in sympy.preorder_traversal(to_sympy(expression)))


def from_sympy(value: sympy.Basic | float, names: Sequence[str] | None = None) -> Expression:
    """Expression of a sympy tree.

    Raises
    ------
    InvalidInput
        When the tree holds a function that the operator table does not have, or a non-real number.
    """
    import sympy

    if isinstance(value, int | float):
        return Expression.constant(value, names or ())
    if not isinstance(value, sympy.Basic):
        raise InvalidInput(
            f"expected a sympy expression, got {type(value).__name__}; use Expression.parse for text"
        )
    if names is None:
        names = infer_names([str(s) for s in value.free_symbols])
    return _convert(value, tuple(names))


def _convert(value: Any, names: tuple[str, ...]) -> Expression:
    import sympy

    if isinstance(value, sympy.Symbol):
        return Expression.variable(value.name, names)
    if value.is_Number or value.is_NumberSymbol:
        if value.is_Rational and not value.is_Integer and value.q < 1000 and abs(value.p) < 1000:
            return Expression.apply("div", float(value.p), float(value.q)).with_names(names)
        if value.is_real and value.is_finite:
            number = float(value)
            if not math.isfinite(number):
                raise InvalidInput(
                    f"a number of about 1e{int(sympy.log(abs(value), 10))} is too large for a float64"
                )
            return Expression.constant(number, names)
    if value.is_Atom:
        raise InvalidInput(f"{value} is no finite real number")
    if isinstance(value, sympy.Add):
        return _sum([_convert(a, names) for a in value.args])
    if isinstance(value, sympy.Mul):
        return _product(value, names)
    if isinstance(value, sympy.Pow):
        return _power(value, names)
    head = type(value).__name__
    if head in _FUNCTIONS:
        args = [_convert(a, names) for a in value.args]
        result = args[0]
        if OPERATORS[_FUNCTIONS[head]].arity == 1:
            return Expression.apply(_FUNCTIONS[head], result)
        for arg in args[1:]:
            result = Expression.apply(_FUNCTIONS[head], result, arg)
        return result
    known = ", ".join(_FUNCTIONS)
    raise InvalidInput(f"cannot convert sympy's {head}; known functions: {known}")


def _sum(parts: list[Expression]) -> Expression:
    """Left-nested sum that subtracts what begins with a negative constant."""
    parts = sorted(parts, key=lambda p: p.constants.size > 0 and p.constants[0] < 0)
    result = parts[0]
    for part in parts[1:]:
        prefix = part.to_prefix()
        if isinstance(prefix[0], float) and prefix[0] < 0:
            result = result - (-prefix[0])
        elif prefix[0] == "neg":
            result = result - Expression.from_prefix(prefix[1:], part.names)
        elif prefix[0] == "mul" and isinstance(prefix[1], float) and prefix[1] < 0:
            rest = Expression.from_prefix(prefix[2:], part.names)
            result = result - (
                rest if prefix[1] == -1.0 else Expression.constant(-prefix[1], part.names) * rest
            )
        else:
            result = result + part
    return result


def _product(value: Any, names: tuple[str, ...]) -> Expression:
    import sympy

    coefficient, rest = value.as_coeff_Mul()
    upper: list[Expression] = []
    lower: list[Expression] = []
    negative = coefficient.is_negative
    coefficient = -coefficient if negative else coefficient
    if coefficient.is_Rational and not coefficient.is_Integer and coefficient.q < 1000:
        upper += [] if coefficient.p == 1 else [Expression.constant(float(coefficient.p), names)]
        lower.append(Expression.constant(float(coefficient.q), names))
    elif coefficient != 1:
        upper.append(Expression.constant(float(coefficient), names))
    for factor in sympy.Mul.make_args(rest):
        if isinstance(factor, sympy.Pow) and factor.exp.is_number and factor.exp.is_negative:
            lower.append(_convert(sympy.Pow(factor.base, -factor.exp), names))
        elif factor != 1:
            upper.append(_convert(factor, names))
    if negative and upper and upper[0].codes.size == 1 and upper[0].constants.size == 1:
        upper[0] = -upper[0]
        negative = False
    result = _chain(upper) if upper else Expression.constant(-1.0 if negative else 1.0, names)
    negative = negative and bool(upper)
    result = result / _chain(lower) if lower else result
    return -result if negative else result


def _chain(parts: list[Expression]) -> Expression:
    result = parts[0]
    for part in parts[1:]:
        result = result * part
    return result


def _power(value: Any, names: tuple[str, ...]) -> Expression:
    import sympy

    base, exponent = value.base, value.exp
    if base is sympy.E:
        return Expression.apply("exp", _convert(exponent, names))
    if exponent.is_Rational and exponent.q == 2 and exponent.p in (1, -1):
        root = Expression.apply("sqrt", _convert(base, names))
        return root if exponent.p > 0 else 1.0 / root
    if exponent.is_Integer and exponent == -1:
        return 1.0 / _convert(base, names)
    if exponent.is_number and exponent.is_negative:
        return 1.0 / _convert(sympy.Pow(base, -exponent), names)
    return _convert(base, names) ** _convert(exponent, names)
