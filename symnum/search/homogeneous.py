"""Formulas in dimensionless groups written again in the original columns, without needless fractions.

``b*sqrt(1 + (a/b)**2)`` becomes ``sqrt(b**2 + a**2)``. A monomial that multiplies a part may stay outside, or
go inside: into each term of a sum, one factor of a product, under a power. The shortest way is found by
dynamic programming over (part, monomial).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from symnum.expressions.expression import Expression
from symnum.expressions.operators import OPERATORS
from symnum.search import forms

Exponents = tuple[Fraction, ...]
_POWERS = {"square": Fraction(2), "sqrt": Fraction(1, 2), "inv": Fraction(-1), "cube": Fraction(3)}
_MOST_WAYS = 2_000
"""Parts times monomials looked at; beyond it monomials stay outside."""


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """A node of the formula.

    `content` is the largest monomial that divides it: of a sum, what all terms share.
    """

    name: str
    args: tuple[_Part, ...]
    content: Exponents
    value: float | None = None
    power: Fraction | None = None


def monomial(exponents: Exponents, names: Sequence[str]) -> Expression:
    """Product of powers of the columns."""
    bases = [Expression.variable(j, names) for j, p in enumerate(exponents) if p]
    powers = [float(p) for p in exponents if p]
    return forms.product(1.0, bases, powers) if bases else Expression.constant(1.0, names)


def written(
    e: Expression,
    groups: Sequence[Exponents],
    outer: Exponents,
    names: Sequence[str],
    positive: Sequence[bool],
) -> Expression:
    """Shortest spelling of ``outer * e(groups)``.

    Parameters
    ----------
    e : Expression
        Over the dimensionless groups.
    groups : sequence of tuple of Fraction
        Exponents of the columns in each group.
    outer : tuple of Fraction
        Exponents of the factor in front.
    names : sequence of str
        The columns.
    positive : sequence of bool
        Columns above zero: only these pass roots.
    """
    return _Writer(groups, names, positive).write(e, outer)


def _times(a: Exponents, b: Exponents, sign: int = 1) -> Exponents:
    return tuple(x + sign * y for x, y in zip(a, b, strict=True))


class _Writer:
    def __init__(self, groups: Sequence[Exponents], names: Sequence[str], positive: Sequence[bool]) -> None:
        self.groups, self.names, self.positive = groups, tuple(names), positive
        self.one: Exponents = (Fraction(0),) * len(self.names)
        self.known: dict[tuple[_Part, Exponents], Expression] = {}

    def write(self, e: Expression, outer: Exponents) -> Expression:
        return self.best(self._read(e), outer)

    # ---------------------------------------------------------------- reading
    def _read(self, e: Expression) -> _Part:
        stack: list[_Part] = []
        for code, value in e.walk():
            if value is not None:
                stack.append(_Part("constant", (), self.one, value))
            elif code < 0:
                stack.append(_Part("variable", (), self.groups[-code - 1]))
            else:
                op = OPERATORS.by_code[code]
                args = tuple(stack[-op.arity :])
                del stack[-op.arity :]
                stack.append(self._part(op.name, args))
        return stack[0]

    def _part(self, name: str, args: tuple[_Part, ...]) -> _Part:
        first = args[0].content
        if name in ("mul", "div"):
            return _Part(name, args, _times(first, args[1].content, 1 if name == "mul" else -1))
        if name in ("add", "sub"):
            return _Part(name, args, tuple(map(min, first, args[1].content)))
        if name == "neg":
            return _Part(name, args, first)
        power = _POWERS.get(name)
        if name == "pow" and args[1].value is not None:
            near = Fraction(args[1].value).limit_denominator(12)
            power = near if abs(float(near) - args[1].value) < 1e-12 else None
        if power is None:
            return _Part(name, args, self.one)
        out = tuple(
            p * power if self.positive[j] or power.denominator == 1 else Fraction(0)
            for j, p in enumerate(first)
        )
        return _Part(name, args, out, power=power)

    # ---------------------------------------------------------------- writing
    def best(self, part: _Part, factor: Exponents) -> Expression:
        """Shortest spelling found of ``factor * part``."""
        key = (part, factor)
        if key not in self.known:
            if part.name == "variable":
                self.known[key] = monomial(_times(factor, part.content), self.names)
            elif part.value is not None:
                self.known[key] = self._number(part.value, factor)
            else:
                # The first of the shortest: a factor rather goes inside than stays out.
                self.known[key] = min(self._ways(part, factor), key=lambda e: e.complexity)
        return self.known[key]

    def _number(self, value: float, factor: Exponents) -> Expression:
        bases = [Expression.variable(j, self.names) for j, p in enumerate(factor) if p]
        if not bases or value == 0:
            return Expression.constant(value, self.names)
        powers = [float(p) for p in factor if p]
        if len(powers) > 1 and all(p % 2 == 0 for p in powers):
            halves = forms.product(1.0, bases, [p / 2 for p in powers]) ** 2
            return halves if value == 1 else value * halves
        return forms.product(value, bases, powers)

    def _outside(self, factor: Exponents, rest: Expression) -> Expression:
        if not any(factor):
            return rest
        bases = [Expression.variable(j, self.names) for j, p in enumerate(factor) if p]
        return forms.product(1.0, [*bases, rest], [*(float(p) for p in factor if p), 1.0])

    def _ways(self, part: _Part, factor: Exponents) -> Iterator[Expression]:
        name, args, one = part.name, part.args, self.one
        if name == "neg":
            yield -self.best(args[0], factor)
        elif name in ("add", "sub"):
            common = part.content
            for inside, outside in ((factor, one), (_times(one, common, -1), _times(factor, common))):
                sides = [self.best(a, inside) for a in args]
                yield self._outside(outside, Expression.apply(name, *sides))
        elif name in ("mul", "div"):
            sign = 1 if name == "mul" else -1
            for moved in self._moves(args, factor, sign):
                left, right = _times(factor, moved), _times(one, moved, -sign)
                yield Expression.apply(name, self.best(args[0], left), self.best(args[1], right))
        elif part.power is not None:
            yield from self._powers(part, part.power, factor)
        if any(factor) or name not in ("neg", "add", "sub", "mul", "div"):
            inner = Expression.apply(name, *(self.best(a, one) for a in args))
            yield self._outside(factor, inner)

    def _moves(self, args: tuple[_Part, ...], factor: Exponents, sign: int) -> list[Exponents]:
        """Monomials by which the first factor is multiplied and the second one divided (or, below, also)."""
        back = _times(self.one, factor, -1)
        first, second = args[0].content, args[1].content
        moves = [self.one, back]
        if len(self.known) < _MOST_WAYS:
            moves.append(second if sign > 0 else _times(self.one, second, -1))
            moves.append(_times(back, first, -1))
        return list(dict.fromkeys(moves))

    def _powers(self, part: _Part, power: Fraction, factor: Exponents) -> Iterator[Expression]:
        base = part.args[0]
        inside = tuple(p / power for p in factor)
        if any(factor) and self._passes(inside, power):
            yield self._raised(part, self.best(base, inside))
        content = base.content
        if any(content) and len(self.known) < _MOST_WAYS and self._passes(content, power):
            out = _times(factor, tuple(p * power for p in content))
            yield self._outside(out, self._raised(part, self.best(base, _times(self.one, content, -1))))

    def _passes(self, exponents: Exponents, power: Fraction) -> bool:
        """Whether ``(monomial * rest)**power`` is ``monomial**power * rest**power`` on the data."""
        return all(
            not p or self.positive[j] or (p.denominator == 1 and power.denominator == 1)
            for j, p in enumerate(exponents)
        ) and all(p.denominator <= 2 for p in exponents)

    def _raised(self, part: _Part, base: Expression) -> Expression:
        if part.name == "pow" and part.power is not None:
            return base ** float(part.power)
        return Expression.apply(part.name, base)
