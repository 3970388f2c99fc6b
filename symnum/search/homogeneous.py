"""Formulas in dimensionless groups written again in the original columns, without needless fractions.

``b*sqrt(1 + (a/b)**2)`` becomes ``sqrt(b**2 + a**2)``. A monomial that multiplies a part may stay outside, or
go inside: into each term of a sum, one factor of a product, under a power. The shortest way is found by
dynamic programming over (part, monomial).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from symnum.expressions.expression import Expression
from symnum.expressions.operators import OPERATORS
from symnum.search import forms

Exponents = tuple[Fraction, ...]
_Whole = tuple[int, ...]
UNIT = 5_040
"""Exponents are multiples of one over this number: counted in it they are whole, and add and hash fast."""
_POWERS = {"square": Fraction(2), "sqrt": Fraction(1, 2), "inv": Fraction(-1), "cube": Fraction(3)}
_MOST_WAYS = 400
"""Parts times monomials looked at; beyond it monomials stay outside."""


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """A node of the formula.

    `content` is the largest monomial that divides it: of a sum, what all terms share.
    """

    name: str
    args: tuple[_Part, ...]
    content: _Whole
    value: float | None = None
    power: Fraction | None = None


@dataclass(frozen=True, slots=True)
class _Way:
    """A spelling: its length, and how to build it. Only the shortest is built."""

    size: int
    build: Callable[[], Expression]
    is_one: bool = False


def monomial(exponents: Exponents, names: Sequence[str]) -> Expression:
    """Product of powers of the columns."""
    bases = [Expression.variable(j, names) for j, p in enumerate(exponents) if p]
    powers = [float(p) for p in exponents if p]
    return forms.product(1.0, bases, powers) if bases else Expression.constant(1.0, names)


def _length(exponents: _Whole) -> tuple[int, int]:
    """Nodes above and below the fraction line of a monomial, operators between its factors included."""
    sides = [0, 0]
    for p in exponents:
        if p:
            q = 2 * abs(p) / UNIT
            own = {1: 2, 2: 1, 3: 4, 4: 2, 6: 2}.get(q, 3)
            sides[p < 0] += own + (sides[p < 0] > 0)
    return sides[0], sides[1]


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
    return Writer(groups, names, positive).write(e, outer)


def shortened(e: Expression, positive: Sequence[bool]) -> Expression:
    """Same formula with monomials moved in and out of sums, fractions and powers until it is shortest."""
    d = len(e.names)
    columns = [tuple(Fraction(i == j) for i in range(d)) for j in range(d)]
    return Writer(columns, e.names, positive, thorough=True).write(e, (Fraction(0),) * d)


def _times(a: _Whole, b: _Whole, sign: int = 1) -> _Whole:
    return tuple(x + y if sign > 0 else x - y for x, y in zip(a, b, strict=True))


def _whole(exponents: Exponents) -> _Whole:
    return tuple(round(e * UNIT) for e in exponents)


def _scaled(p: int, power: Fraction) -> int | None:
    value, rest = divmod(p * power.numerator, power.denominator)
    return None if rest else value


def _powered(exponents: _Whole, power: Fraction) -> _Whole | None:
    """Exponents of a monomial's power; None where they are no multiples of the unit."""
    made = [_scaled(p, power) for p in exponents]
    return None if None in made else tuple(p for p in made if p is not None)


class Writer:
    """Writes formulas of one set of groups; see `written`."""

    def __init__(
        self,
        groups: Sequence[Exponents],
        names: Sequence[str],
        positive: Sequence[bool],
        thorough: bool = False,  # monomials move in parts, too
    ) -> None:
        self.thorough = thorough
        self.groups, self.names, self.positive = [_whole(g) for g in groups], tuple(names), positive
        self.one: _Whole = (0,) * len(self.names)
        self.known: dict[tuple[_Part, _Whole], _Way] = {}

    def write(self, e: Expression, outer: Exponents) -> Expression:
        """Shortest spelling of ``outer * e(groups)``."""
        self.known = {}
        return self.best(self._read(e), _whole(outer)).build()

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
            near = Fraction(args[1].value).limit_denominator(10)
            power = near if near and abs(float(near) - args[1].value) < 1e-12 else None
        if power is None:
            return _Part(name, args, self.one)
        out = tuple(
            _scaled(p, power) or 0 if self.positive[j] or power.denominator == 1 else 0
            for j, p in enumerate(first)
        )
        return _Part(name, args, out, power=power)

    # ---------------------------------------------------------------- writing
    def best(self, part: _Part, factor: _Whole) -> _Way:
        """Shortest spelling found of ``factor * part``."""
        key = (part, factor)
        if key not in self.known:
            if part.name == "variable":
                self.known[key] = self._monomial(_times(factor, part.content))
            elif part.value is not None:
                self.known[key] = self._number(part.value, factor)
            else:
                # The first of the shortest: a factor rather goes inside than stays out.
                self.known[key] = min(self._ways(part, factor), key=lambda way: way.size)
        return self.known[key]

    def _monomial(self, exponents: _Whole) -> _Way:
        up, down = _length(exponents)
        size = max(up, 1) + (down + 1 if down else 0)
        return _Way(size, lambda: self._product(exponents, 1.0), not any(exponents))

    def _product(self, exponents: _Whole, value: float, *rest: Expression) -> Expression:
        bases = [Expression.variable(j, self.names) for j, p in enumerate(exponents) if p]
        powers = [p / UNIT for p in exponents if p]
        if not bases:
            return Expression.constant(value, self.names)
        return forms.product(value, [*bases, *rest], [*powers, *(1.0 for _ in rest)])

    def _number(self, value: float, factor: _Whole) -> _Way:
        if value == 0 or not any(factor):
            return _Way(1, lambda: Expression.constant(value, self.names), value == 1)
        if all(p % (2 * UNIT) == 0 for p in factor) and sum(map(bool, factor)) > 1:
            root = self._monomial(tuple(p // 2 for p in factor))
            if value == 1:
                return _Way(root.size + 1, lambda: root.build() ** 2)
            return _Way(root.size + 3, lambda: value * root.build() ** 2)
        return _Way(
            self._monomial(factor).size + (0 if value == 1 else 2), lambda: self._product(factor, value)
        )

    def _outside(self, factor: _Whole, rest: _Way) -> _Way:
        if not any(factor):
            return rest
        up, down = _length(factor)

        return _Way(
            rest.size + (up + 1 if up else 0) + (down + 1 if down else 0),
            lambda: self._product(factor, 1.0, rest.build()),
        )

    @staticmethod
    def _applied(name: str, *ways: _Way) -> _Way:
        return _Way(1 + sum(w.size for w in ways), lambda: Expression.apply(name, *(w.build() for w in ways)))

    def _ways(self, part: _Part, factor: _Whole) -> Iterator[_Way]:
        name, args, one = part.name, part.args, self.one
        if name in ("neg", "add", "sub"):
            yield self._applied(name, *(self.best(a, factor) for a in args))
            common = part.content
            if name != "neg" and any(common):
                inside = _times(one, common, -1)
                sum_ = self._applied(name, *(self.best(a, inside) for a in args))
                yield self._outside(_times(factor, common), sum_)
        elif name in ("mul", "div"):
            sign = 1 if name == "mul" else -1
            for moved in self._moves(args, factor, sign):
                left, right = _times(factor, moved), _times(one, moved, -sign)
                first, second = self.best(args[0], left), self.best(args[1], right)
                if second.is_one or (first.is_one and name == "mul"):
                    yield first if second.is_one else second
                else:
                    yield self._applied(name, first, second)
        elif part.power is not None:
            yield from self._powers(part, part.power, factor)
        if any(factor) or name not in ("neg", "add", "sub", "mul", "div"):
            yield self._outside(factor, self._applied(name, *(self.best(a, one) for a in args)))

    def _moves(self, args: tuple[_Part, ...], factor: _Whole, sign: int) -> list[_Whole]:
        """Monomials by which the first factor is multiplied and the second one divided (or, below, also)."""
        back = _times(self.one, factor, -1)
        moves = [self.one, back]
        if len(self.known) < _MOST_WAYS:
            second = _times(self.one, args[1].content, sign)
            moves.append(second)
            if self.thorough and sum(map(bool, second)) > 1:
                moves += [
                    tuple(p if j == k else 0 for k, p in enumerate(second)) for j, p in enumerate(second) if p
                ]
            moves.append(_times(back, args[0].content, -1))
        return list(dict.fromkeys(moves))

    def _powers(self, part: _Part, power: Fraction, factor: _Whole) -> Iterator[_Way]:
        base = part.args[0]
        inside = _powered(factor, 1 / power)
        if any(factor) and inside is not None and self._passes(inside, power):
            yield self._raised(part, self.best(base, inside))
        content, passed = base.content, _powered(base.content, power)
        if passed and any(content) and len(self.known) < _MOST_WAYS and self._passes(content, power):
            out = _times(factor, passed)
            yield self._outside(out, self._raised(part, self.best(base, _times(self.one, content, -1))))

    def _passes(self, exponents: _Whole, power: Fraction) -> bool:
        """Whether ``(monomial * rest)**power`` is ``monomial**power * rest**power`` on the data."""
        return all(
            not p or self.positive[j] or (p % UNIT == 0 and power.denominator == 1)
            for j, p in enumerate(exponents)
        ) and all(2 * p % UNIT == 0 for p in exponents)

    def _raised(self, part: _Part, base: _Way) -> _Way:
        power = part.power
        if part.name == "pow" and power is not None:
            return _Way(base.size + 2, lambda: base.build() ** float(power))
        return self._applied(part.name, base)
