"""Nodes of the normal form: exact numbers, what is known about signs, sums of like terms (no sympy).

Nodes are plain tuples that hash and sort: ``(NUMBER, q)``, ``(VARIABLE, index)``, ``(FUNCTION, name, args)``,
``(POWER, base, exponent)`` with a non-constant exponent, ``(PRODUCT, ((base, q), ...))`` and
``(SUM, ((term, q), ...), q0)``. Products carry no coefficient: ``c*t`` is the sum of the single term ``t``.
Products are built in `_products`, functions and finished sums in `_functions`.

Domain policy: a formula is *defined* at a point when every step of it gives a finite real number. A rule may
extend the set of these points, it never changes a value on it: ``sqrt(x)**2`` is x, but ``sqrt(x**2)`` is
``abs(x)``; ``log(a) + log(b)`` joins to ``log(a*b)`` and is never split.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from typing import Any

NUMBER, VARIABLE, FUNCTION, POWER, PRODUCT, SUM = range(6)

Number = int | Fraction
Node = tuple[Any, ...]
ZERO: Node = (NUMBER, 0)
ONE: Node = (NUMBER, 1)
HALF = Fraction(1, 2)
NOISE = 4e-16
"""A sum of coefficients below this share of its parts is rounding error."""

_LARGEST_DENOMINATOR = 1000
_LARGEST_BITS = 20_000


class Undefined(Exception):
    """A constant part of the formula is no finite real number: leave the formula alone."""


@lru_cache(maxsize=8192)
def rational(value: float) -> Number:
    """Number that a float64 stands for: the simplest fraction that rounds to it, else its shortest decimal.

    So 0.1 + 0.2 - 0.3 is 0 and sums do not depend on their order; ``float`` gives the value back.
    """
    if not math.isfinite(value):
        raise Undefined
    if value == int(value) and abs(value) < 2**53:
        return int(value)
    n, d = value.as_integer_ratio()
    p0, q0, p1, q1 = 0, 1, 1, 0
    while d:
        a, r = divmod(n, d)
        if q0 + a * q1 > _LARGEST_DENOMINATOR:
            break
        p0, q0, p1, q1 = p1, q1, p0 + a * p1, q0 + a * q1
        n, d = d, r
    return Fraction(p1, q1) if q1 and p1 / q1 == value else Fraction(repr(value))


def as_float(value: Number) -> float:
    """Nearest float64, or `Undefined` when that is infinite or a vanishing non-zero number."""
    try:
        result = float(value)
    except OverflowError:
        raise Undefined from None
    if value and abs(result) < 1e-300:
        raise Undefined
    return result


def number_power(base: Number, exponent: Number) -> Number:
    """Constant to a constant power, exact where that is cheap."""
    if base == 1 or exponent == 1:
        return base
    if base == 0:
        if exponent < 0:
            raise Undefined
        return 0 if exponent else 1
    if exponent.denominator == 1:
        k = exponent.numerator
        if abs(k) <= 8:
            if (abs(base.numerator) | base.denominator).bit_length() > _LARGEST_BITS:
                raise Undefined  # powers of powers grow beyond all memory
            return base**k if k >= 0 else 1 / Fraction(base) ** -k
    elif base < 0:
        raise Undefined
    try:
        return rational(as_float(base) ** as_float(exponent))
    except OverflowError:
        raise Undefined from None


# ------------------------------------------------------------------------------------------ what is known
def positive(node: Node) -> bool:
    """Whether a node is > 0 wherever it is defined."""
    kind = node[0]
    if kind == NUMBER:
        return node[1] > 0
    if kind == FUNCTION:
        return node[1] in ("exp", "cosh")
    if kind == POWER:
        return positive(node[1])
    if kind == PRODUCT:
        return all(positive(b) or (e < 0 and nonnegative_power(b, e)) for b, e in node[1])
    if kind == SUM:
        return (node[2] > 0 or any(positive(t) for t, _ in node[1])) and nonnegative(node)
    return False


def nonnegative_power(base: Node, exponent: Number) -> bool:
    """Whether a power is >= 0 wherever it is defined."""
    return exponent.denominator != 1 or exponent.numerator % 2 == 0 or nonnegative(base)


def nonnegative(node: Node) -> bool:
    """Whether a node is >= 0 wherever it is defined."""
    kind = node[0]
    if kind == FUNCTION:
        return node[1] in ("exp", "cosh", "abs", "acos")
    if kind == PRODUCT:
        return all(nonnegative_power(b, e) for b, e in node[1])
    if kind == SUM:
        return node[2] >= 0 and all(c > 0 and nonnegative(t) for t, c in node[1])
    return positive(node)


# ------------------------------------------------------------------------------------------ sums
def _plus(a: Number, b: Number) -> Number:
    total = a + b
    if total and total.denominator != 1:
        try:
            return 0 if abs(total) <= NOISE * abs(b) else total
        except OverflowError:  # beyond float64: there is no such formula
            raise Undefined from None
    return total


def make_sum(terms: dict[Node, Number], constant: Number) -> Node:
    """Sum node of collected terms; collapses to a number or a bare term where it can."""
    items = sorted((t, c) for t, c in terms.items() if c)
    if not items:
        return (NUMBER, constant)
    if constant == 0 and len(items) == 1 and items[0][1] == 1:
        return items[0][0]
    return (SUM, tuple(items), constant)


def add(pairs: Iterable[tuple[Node, Number]]) -> Node:
    """Linear combination of nodes with like terms collected."""
    terms: dict[Node, Number] = {}
    constant: Number = 0
    for node, c in pairs:
        if node[0] == NUMBER:
            constant = _plus(constant, node[1] * c)
        elif node[0] == SUM:
            for t, k in node[1]:
                terms[t] = _plus(terms[t], k * c) if t in terms else k * c
            constant = _plus(constant, node[2] * c)
        else:
            terms[node] = _plus(terms[node], c) if node in terms else c
    return make_sum(terms, constant)


def scale(node: Node, c: Number) -> Node:
    """Constant multiple of a node."""
    return node if c == 1 else add([(node, c)])


def single(node: Node) -> tuple[Number, Node]:
    """Coefficient and term of ``c*t``; ``(1, node)`` for everything else."""
    if node[0] == SUM and len(node[1]) == 1 and node[2] == 0:
        return node[1][0][1], node[1][0][0]
    return 1, node


def leading_sign(node: Node) -> int:
    """Sign of a sum's first coefficient, 1 for other nodes: decides which of u and -u is written."""
    if node[0] == SUM:
        return -1 if node[1][0][1] < 0 else 1
    return -1 if node[0] == NUMBER and node[1] < 0 else 1


def content(node: Node) -> Number:
    """Positive constant that may leave a sum without making it longer."""
    sizes = [abs(c) for _, c in node[1]]
    if node[2]:
        sizes.append(abs(node[2]))
    first = sizes[0]
    if all(s == first for s in sizes):
        return first
    if all(s.denominator == 1 for s in sizes):
        g = math.gcd(*(int(s) for s in sizes))
        if g > 1 and any(abs(c) == g for _, c in node[1]):
            return g
    return 1


def factors_of(term: Node) -> tuple:
    """Factors (base, exponent) of a term."""
    return term[1] if term[0] == PRODUCT else ((term, 1),)


def common_factor(terms: tuple) -> dict[Node, Number]:
    """Powers that divide every term of a sum."""
    shared = dict(factors_of(terms[0][0]))
    for t, _ in terms[1:]:
        here = dict(factors_of(t))
        shared = {
            b: (min if e > 0 else max)(e, here[b]) for b, e in shared.items() if b in here and here[b] * e > 0
        }
        if not shared:
            break
    return shared


def without(factors: tuple, base: Node) -> Node:
    """Product of all factors but one base."""
    rest = tuple(f for f in factors if f[0] != base)
    return ONE if not rest else rest[0][0] if len(rest) == 1 and rest[0][1] == 1 else (PRODUCT, rest)
