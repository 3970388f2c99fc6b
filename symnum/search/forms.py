"""Building expressions from coefficients, exponents and parts."""

from __future__ import annotations

from collections.abc import Sequence

from symnum.expressions.expression import Expression


def power(base: Expression, exponent: float) -> Expression:
    """Base to a positive real exponent, in its shortest spelling."""
    if exponent == 1:
        return base
    if exponent == 0.5:
        return Expression.apply("sqrt", base)
    if exponent == 1.5:
        return base * Expression.apply("sqrt", base)
    return base**exponent


def product(coefficient: float, bases: Sequence[Expression], exponents: Sequence[float]) -> Expression:
    """``coefficient * prod(base**exponent)`` written as one fraction; a zero exponent drops its base."""
    upper = [power(b, e) for b, e in zip(bases, exponents, strict=True) if e > 0]
    lower = [power(b, -e) for b, e in zip(bases, exponents, strict=True) if e < 0]
    names = bases[0].names if bases else ()
    sign, size = (-1.0, -coefficient) if coefficient < 0 else (1.0, coefficient)
    if 0 < size < 1 and (1 / size).is_integer():
        lower.insert(0, Expression.constant(round(1 / size), names))
    elif size != 1:
        upper.insert(0, Expression.constant(size, names))
    if not upper:
        upper = [Expression.constant(1.0, names)]
    result = _chain(upper)
    if lower:
        result = result / _chain(lower)
    return result if sign > 0 else -result


def _chain(parts: Sequence[Expression]) -> Expression:
    result = parts[0]
    for part in parts[1:]:
        result = result * part
    return result


def combination(coefficients: Sequence[float], terms: Sequence[Expression | None]) -> Expression:
    """``sum(c * term)`` with signs written as plus and minus; a None term is the constant 1."""
    parts: list[tuple[bool, Expression]] = []
    names = next((t.names for t in terms if t is not None), ())
    for c, term in zip(coefficients, terms, strict=True):
        if c == 0:
            continue
        size = abs(float(c))
        if term is None:
            parts.append((c < 0, Expression.constant(size, names)))
        else:
            parts.append((c < 0, product(size, [term], [1.0])))
    if not parts:
        return Expression.constant(0.0, names)
    parts.sort(key=lambda p: p[0])
    negative, result = parts[0]
    result = -result if negative else result
    for negative, part in parts[1:]:
        result = result - part if negative else result + part
    return result
