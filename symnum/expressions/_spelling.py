"""Shortest spelling of a normal form (see `_nodes`) as a postfix program."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from symnum.expressions._functions import ODD, seal
from symnum.expressions._nodes import (
    FUNCTION,
    HALF,
    NUMBER,
    ONE,
    POWER,
    PRODUCT,
    SUM,
    VARIABLE,
    Node,
    Number,
    add,
    as_float,
    factors_of,
    leading_sign,
    nonnegative,
    number_power,
    rational,
    scale,
    single,
)
from symnum.expressions._products import mul
from symnum.expressions.operators import OPERATORS
from symnum.expressions.printers import number_text

Items = list[Any]  # postfix program: int codes, constants in place as 1-tuples

_CODE = {op.name: op.code for op in OPERATORS}
_ADD, _SUB, _MUL, _DIV, _POW = (_CODE[n] for n in ("add", "sub", "mul", "div", "pow"))
_NEG, _INV, _EXP = _CODE["neg"], _CODE["inv"], _CODE["exp"]
_SHORT_POWERS: dict[Number, str] = {HALF: "sqrt", 2: "square", 3: "cube", Fraction(1, 3): "cbrt"}
_MAX_EXPANDED = 24
_WRITTEN = 9  # kind of a node that is already written: (_WRITTEN, items)


class Speller:
    """Writes nodes; remembers what it wrote."""

    def __init__(self) -> None:
        self.memo: dict[Node, Items] = {}

    def spell(self, node: Node) -> Items:
        """Shortest program found for a node."""
        done = self.memo.get(node)
        if done is None:
            kind = node[0]
            if kind == NUMBER:
                done = [_leaf(node[1])]
            elif kind == VARIABLE:
                done = [-node[1] - 1]
            elif kind == FUNCTION:
                done = self._function(node)
            elif kind == POWER:
                done = [*self.spell(node[1]), *self.spell(node[2]), _POW]
            elif kind == PRODUCT:
                done = self.product(node[1], 1)
            elif kind == _WRITTEN:
                done = list(node[1])
            else:
                done = self._sum(node)
            self.memo[node] = done
        return done

    # ------------------------------------------------------------------ functions and powers
    def _function(self, node: Node) -> Items:
        name, args = node[1], node[2]
        if name == "exp":
            return self.product(((node, 1),), 1)
        items = list(self.spell(args[0]))
        for arg in args[1:]:
            items += [*self.spell(arg), _CODE[name]]
        if len(args) == 1:
            items.append(_CODE[name])
        return items

    def _power(self, base: Items, e: Number) -> Items:
        """Base to a positive constant power."""
        if e == 1:
            return base
        short = _SHORT_POWERS.get(e)
        if short:
            return [*base, _CODE[short]]
        if e == Fraction(2, 3):
            return [*base, _CODE["cbrt"], _CODE["square"]]
        return [*base, _leaf(e), _POW]

    # ------------------------------------------------------------------ products
    def product(self, factors: tuple, c: Number) -> Items:
        """Shortest program of ``c * product of b**e`` for any c != 0."""
        if c < 0:
            flipped = self._flip(factors, -c)
            if flipped is not None:
                return flipped
        pieces = _join_abs([self._piece(b, e) for b, e in factors])
        best = self._quotient(pieces, c)
        if sum(e not in (1, -1) for _, e in pieces) < 2:
            return best
        for k in (2, 3):
            # x**2 * y**4 = (x*y**2)**2; x**1.5 = sqrt(x)**3, but x is not sqrt(x)**2
            parts = [(b, e, e / Fraction(k)) for b, e in pieces]
            inside = [
                (b, q) for b, e, q in parts if q.denominator == 1 or q.denominator == e.denominator == 2
            ]
            if len(inside) > 1:
                rest = [(b, e) for b, e, q in parts if (b, q) not in inside]
                sign = 1 if any(q > 0 for _, q in inside) else -1
                base = self.product(tuple((b, q * sign) for b, q in inside), 1)
                joined = self._quotient([*rest, ((_WRITTEN, tuple(base)), k * sign)], c)
                best = joined if len(joined) < len(best) else best
        return best

    def _piece(self, base: Node, e: Number) -> tuple[Node, Number]:
        """exp(2*u) is the square of exp(u), 1/sqrt(x/y) is sqrt(y/x): for writing only."""
        if base[0] == FUNCTION and base[1] == "exp" and e == 1:
            k, u = single(base[2][0])
            if k in (2, 3, -1, -2, -3, HALF):
                return (FUNCTION, "exp", (u,)), k
        if base[0] == PRODUCT and e < 0 and e.denominator != 1:
            inside = factors_of(base)
            if any(q < 0 for _, q in inside):
                return (PRODUCT, tuple((b, -q) for b, q in inside)), -e
        return base, e

    def _base(self, base: Node) -> Items:
        """Program of a factor's base."""
        if base[0] == FUNCTION and base[1] == "exp":
            return [*self.spell(base[2][0]), _EXP]
        return self.spell(base)

    def _quotient(self, pieces: list[tuple[Node, Number]], c: Number) -> Items:
        c, pieces = self._constant_under_root(pieces, c)
        upper = [self._power(self._base(b), e) for b, e in pieces if e > 0]
        lower = [self._power(self._base(b), -e) for b, e in pieces if e < 0]
        if not upper and len(lower) == 1 and c == 1:
            b, e = pieces[0]
            if b[0] == FUNCTION and b[1] == "exp":
                return [*self.spell(scale(b[2][0], e)), _EXP]
            if e != -1 and lower[0][-1] == _POW:
                return [*self._base(b), _leaf(e), _POW]
        divisor = _divisor(c) if upper else None
        if divisor is not None:
            return [*_chain(upper), *_chain([[_leaf(divisor)], *lower]), _DIV]
        if c == -1 and upper:
            upper[0] = [*upper[0], _NEG]
        elif c != 1 or not upper:
            upper.insert(0, [_leaf(c)])
        if not lower:
            return _chain(upper)
        bottom = _chain(lower)
        return [*bottom, _INV] if upper == [[_leaf(1)]] else [*_chain(upper), *bottom, _DIV]

    def _constant_under_root(
        self, pieces: list[tuple[Node, Number]], c: Number
    ) -> tuple[Number, list[tuple[Node, Number]]]:
        """1.414...*sqrt(x) is sqrt(2*x): the constant goes where it is shorter to write."""
        if c <= 0 or c.denominator < 1000:
            return c, pieces
        value = as_float(c)
        if not 1e-150 < value < 1e150:  # its square is no number
            return c, pieces
        for i, (b, e) in enumerate(pieces):
            if abs(e) != HALF:
                continue
            inside = rational(float(f"{value * value if e > 0 else 1 / (value * value):.15g}"))
            back = math.sqrt(float(inside))
            if (back if e > 0 else 1 / back) != value or _width(inside) > 6:
                continue
            if e < 0 and not any(k > 0 for _, k in pieces):
                continue
            items = [_leaf(inside), *b[1], _MUL] if b[0] == _WRITTEN else self.spell(scale(b, inside))
            return 1, [*pieces[:i], ((_WRITTEN, tuple(items)), e), *pieces[i + 1 :]]
        return c, pieces

    def _flip(self, factors: tuple, c: Number) -> Items | None:
        """``-c * product`` with the sign hidden in a factor: y - x for -(x - y), sin(y - x), log(y/x)."""
        odd = [i for i, (_, e) in enumerate(factors) if e.denominator == 1 and e.numerator % 2]
        # Rather y - x for x - y than -x - y for x + y.
        for i in sorted(odd, key=lambda i: not _has_minus(factors[i][0])):
            b, e = factors[i]
            base = self._negated(b)
            if base is not None and len(base) <= len(self.spell(b)):
                rest = [f for j, f in enumerate(factors) if j != i]
                pieces = [self._piece(*f) for f in rest]
                pieces.insert(i, ((_WRITTEN, tuple(base)), e))
                return self._quotient(pieces, c)
        return None

    def flip(self, node: Node, c: Number) -> Items | None:
        """``-c * node`` written without a sign, when that is not longer."""
        if node[0] == SUM and single(node)[1] is node:
            return self._flip(((node, 1),), c) if _has_minus(node) else None
        return self._flip(factors_of(node), c)

    def _negated(self, b: Node) -> Items | None:
        if b[0] == SUM:
            return self.spell(scale(b, -1))
        if b[0] == FUNCTION and b[1] in ODD:
            return [*self.spell(scale(b[2][0], -1)), _CODE[b[1]]]
        if b[0] == FUNCTION and b[1] == "log" and b[2][0][0] == PRODUCT:
            return [*self.spell(mul([(b[2][0], -1)])), _CODE["log"]]
        return None

    # ------------------------------------------------------------------ sums
    def term(self, node: Node, c: Number) -> Items:
        """Shortest program of ``c * node``."""
        if node[0] == FUNCTION and node[1] == "log" and c in (2, 3, HALF):
            short = self._log_of_power(node, c)
            if short is not None:
                return short
        return self.product(factors_of(node), c)

    def _log_of_power(self, node: Node, c: Number) -> Items | None:
        """3*log(x) as log(x**3); 2*log(abs(x)) as log(x**2): same domain, one node less."""
        inner = node[2][0]
        if c == 2 and not nonnegative(inner):
            return None
        if inner[0] == FUNCTION and inner[1] == "abs" and c == 2:
            inner = inner[2][0]
        return [*self._power(self.spell(inner), c), _CODE["log"]]

    def _sum(self, node: Node) -> Items:
        if len(node[1]) == 1 and node[2] == 0:
            return self.term(*node[1][0])
        best = self._plain_sum(node)
        open_form = expanded(node)
        for other in (factored(node), open_form, open_form and factored(open_form)):
            if other is not None:
                many = other[0] == SUM and single(other)[1] is other
                items = self._plain_sum(other) if many else self.spell(other)
                best = items if len(items) < len(best) else best
        return best

    def _plain_sum(self, node: Node) -> Items:
        """Sum with terms of equal coefficients grouped: 2*x - 2*y is 2*(x - y)."""
        groups: dict[Number, list[tuple[Node, Number]]] = {}
        for t, c in node[1]:
            groups.setdefault(abs(c), []).append((t, c))
        if node[2]:
            size = abs(node[2])
            groups.setdefault(size if size in groups and size != 1 else 0, []).append((ONE, node[2]))
        parts: list[tuple[Number, Node | None]] = []  # coefficient, term (None: the constant itself)
        for size, group in groups.items():
            if len(group) == 1 or size in (0, 1):
                parts += [(c, None if t == ONE else t) for t, c in group]
                continue
            inner = add([(t, 1 if c > 0 else -1) for t, c in group])
            sign = leading_sign(inner)
            parts.append((sign * size, scale(inner, sign)))
        return self._assemble(parts)

    def _assemble(self, parts: list[tuple[Number, Node | None]]) -> Items:
        first = next((i for i, (c, _) in enumerate(parts) if c > 0), None)
        if first is None:
            # Every term is negative: one that hides its sign for nothing goes first.
            sizes = [len(self._part(c, t)) - len(self._part(-c, t)) for c, t in parts]
            first = sizes.index(min(sizes))
        items = list(self._part(*parts[first]))
        for i, (c, t) in enumerate(parts):
            if i != first:
                flipped = self.flip(t, -c) if t is not None and c < 0 else None
                items += [*(flipped or self._part(abs(c), t)), _ADD if c > 0 or flipped else _SUB]
        return items

    def _part(self, c: Number, term: Node | None) -> Items:
        if term is None:
            return [_leaf(c)]
        if term[0] == SUM:
            return self.product(((term, 1),), c)
        return self.term(term, c)


def _join_abs(pieces: list[tuple[Node, Number]]) -> list[tuple[Node, Number]]:
    """abs(x)*abs(y) is abs(x*y)."""
    bases = [(b, e) for b, e in pieces if b[0] == FUNCTION and b[1] == "abs"]
    if len(bases) < 2:
        return pieces
    size = abs(bases[0][1])
    group = [(b, e) for b, e in bases if abs(e) == size]
    if len(group) < 2:
        return pieces
    sign = 1 if any(e > 0 for _, e in group) else -1
    inside = mul([(b[2][0], 1 if e * sign > 0 else -1) for b, e in group])
    return [(b, e) for b, e in pieces if (b, e) not in group] + [((FUNCTION, "abs", (inside,)), sign * size)]


def _has_minus(node: Node) -> bool:
    if node[0] == FUNCTION:
        return _has_minus(node[2][0])
    return node[0] == SUM and (node[2] < 0 or any(c < 0 for _, c in node[1]))


def _chain(parts: list[Items]) -> Items:
    items = list(parts[0])
    for part in parts[1:]:
        items += [*part, _MUL]
    return items


def _width(value: Number) -> int:
    return len(number_text(as_float(value)))


def _leaf(value: Number) -> tuple[float]:
    return (as_float(value),)


def _divisor(c: Number) -> Number | None:
    """Constant to divide by when that is shorter to write than multiplying: x/3, not 0.333...*x."""
    if c <= 0 or c == 1:
        return None
    inverse = rational(as_float(1 / Fraction(c)))
    if number_power(inverse, -1) == c and _width(inverse) < _width(c):
        return inverse
    return None


# ------------------------------------------------------------------------------------------ other forms
def factored(node: Node) -> Node | None:
    """Sum with the best common factor taken out of its terms, again and again; None without one."""
    changed = False
    while node[0] == SUM and len(node[1]) > 1:
        choice = _best_factor(node)
        if choice is None:
            break
        base, e, chosen = choice
        inside = seal(add([(mul([(t, 1), (base, -e)]), c) for t, c in node[1] if t in chosen]))
        outer = mul([(base, e), (inside, 1)])
        node = seal(add([*((t, c) for t, c in node[1] if t not in chosen), (outer, 1), (ONE, node[2])]))
        changed = True
    return node if changed else None


def _best_factor(node: Node) -> tuple[Node, Number, set[Node]] | None:
    found: dict[tuple[Node, bool], list[tuple[Node, Number, Number]]] = {}
    for t, c in node[1]:
        for b, e in factors_of(t):
            found.setdefault((b, e > 0), []).append((t, e, c))
    best, choice = 0, None
    for (base, above), uses in found.items():
        if len(uses) < 2:
            continue
        e = min(u[1] for u in uses) if above else max(u[1] for u in uses)
        size = _size(base) + (0 if abs(e) == 1 else 1 if abs(e) in (2, 3, HALF) else 2) + 1
        saved = -size
        for t, k, c in uses:
            if k != e:
                # Taking x out of x**2 saves a node at most, and a polynomial reads better as it is.
                continue
            if len(factors_of(t)) > 1:
                saved += size
            else:
                saved += size - 2 + (2 if abs(c) != 1 else 0)
        if saved > best:
            best, choice = saved, (base, e, {u[0] for u in uses})
    return choice


def _size(node: Node) -> int:
    kind = node[0]
    if kind in (NUMBER, VARIABLE):
        return 1
    if kind == FUNCTION:
        return len(node[2]) + sum(_size(a) for a in node[2]) - (len(node[2]) > 1)
    if kind == POWER:
        return 1 + _size(node[1]) + _size(node[2])
    if kind == PRODUCT:
        return sum(
            _size(b) + (1 if abs(e) == 1 else 2 if abs(e) in (2, 3, HALF) else 3) for b, e in node[1]
        ) - (node[1][0][1] > 0)
    return sum(_size(t) + (1 if abs(c) == 1 else 3) for t, c in node[1]) - 1 + 2 * (node[2] != 0)


def expanded(node: Node) -> Node | None:
    """Sum with its products of sums multiplied out, when terms cancel or join by that; None otherwise."""
    pieces: list[tuple[Node, Number]] = []
    touched = False
    for t, c in node[1]:
        parts = _expand(t)
        touched |= parts is not None
        pieces += [(t, c)] if parts is None else [(p, k * c) for p, k in parts]
        if len(pieces) > _MAX_EXPANDED:
            return None
    if not touched:
        return None
    result = add([*pieces, (ONE, node[2])])
    count = len(result[1]) + (result[2] != 0) if result[0] == SUM else 1
    return seal(result) if count < len(pieces) + (node[2] != 0) else None


def _expand(term: Node) -> list[tuple[Node, Number]] | None:
    sums = [(b, e) for b, e in factors_of(term) if b[0] == SUM and e.denominator == 1 and 1 <= e <= 3]
    if not sums:
        return None
    rest = mul([f for f in factors_of(term) if f not in sums])
    parts: list[tuple[Node, Number]] = [(rest, 1)]
    for b, e in sums:
        members = [*b[1], *([(ONE, b[2])] if b[2] else [])]
        for _ in range(int(e)):
            parts = [(mul([(p, 1), (t, 1)]), k * c) for p, k in parts for t, c in members]
            if len(parts) > _MAX_EXPANDED:
                return None
    return parts
