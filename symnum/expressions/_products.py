"""Products of the normal form: like bases collected, roots, exponentials and quotients joined."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache

# Products hold functions and functions hold products: the two modules know each other.
import symnum.expressions._functions as functions
from symnum.expressions._nodes import (
    FUNCTION,
    NUMBER,
    ONE,
    POWER,
    PRODUCT,
    SUM,
    ZERO,
    Node,
    Number,
    add,
    common_factor,
    content,
    leading_sign,
    nonnegative_power,
    number_power,
    positive,
    rational,
    scale,
    single,
)

_QUOTIENTS = {"tan": ("sin", "cos"), "tanh": ("sinh", "cosh")}


class _Factors:
    """Factors of a product while they are collected."""

    def __init__(self) -> None:
        self.coefficient: Number = 1
        self.powers: dict[Node, Number] = {}
        self.exponents: list[tuple[Node, Number]] = []  # of exp
        self.general: dict[Node, list[tuple[Node, Number]]] = {}  # exponents of b**u by base

    def times(self, node: Node, e: Number) -> None:
        """Multiply by ``node**e``."""
        kind = node[0]
        whole = e.denominator == 1
        if kind == NUMBER:
            self.coefficient *= number_power(node[1], e)
        elif kind == PRODUCT:
            if whole:
                for b, k in node[1]:
                    self.factor(b, k * e)
            else:
                self.root(node[1], e)
        elif kind == SUM:
            c, term = single(node)
            if term is not node:
                self.coefficient *= number_power(c if whole else abs(c), e)
                if whole or c > 0:
                    self.times(term, e)
                else:
                    self.power((SUM, ((term, -1),), 0), e)
                return
            c = content(node) * (leading_sign(node) if whole else 1)
            self.coefficient *= number_power(c, e)
            self.power(
                node if c == 1 else functions.seal(scale(node, 1 / Fraction(c) if abs(c) != 1 else c)), e
            )
        else:
            self.factor(node, e)

    def factor(self, base: Node, e: Number) -> None:
        """Multiply by ``base**e`` with a base out of a product."""
        if base[0] == FUNCTION:
            name, args = base[1], base[2]
            if name == "exp":
                self.exponents.append((args[0], e))
                return
            if name in _QUOTIENTS and e.denominator == 1:
                upper, lower = _QUOTIENTS[name]
                self.power((FUNCTION, upper, args), e)
                self.power((FUNCTION, lower, args), -e)
                return
            if name == "abs" and e.denominator == 1 and e.numerator % 2 == 0:
                self.times(args[0], e)
                return
            if name == "cbrt" and e.denominator == 1 and e.numerator % 3 == 0:
                self.times(args[0], e.numerator // 3)
                return
        elif base[0] == POWER and (e.denominator == 1 or positive(base[1])):
            self.general.setdefault(base[1], []).append((base[2], e))
            return
        elif base[0] in (PRODUCT, SUM):
            self.times(base, e)
            return
        self.power(base, e)

    def power(self, base: Node, e: Number) -> None:
        self.powers[base] = self.powers.get(base, 0) + e

    def root(self, factors: tuple, e: Number) -> None:
        """Multiply by a product to a fractional power: what is surely positive comes out."""
        inside = [(b, k) for b, k in factors if not positive(b)]
        for b, k in factors:
            if positive(b):
                self.factor(b, k * e)
        if all(nonnegative_power(b, k) for b, k in inside):
            for b, k in inside:
                even = k.denominator == 1 and k.numerator % 2 == 0
                self.factor(functions.apply("abs", b) if even else b, k * e)
        else:
            self.joint_root(inside, e)

    def joint_root(self, inside: list[tuple[Node, Number]], e: Number) -> None:
        """Multiply by a product to a fractional power that stays in one piece."""
        if len(inside) == 1:
            self.factor(inside[0][0], inside[0][1] * e)
        elif inside:
            # (x/y)**e and (y/x)**-e are the same: the first base stands above the line.
            if inside[0][1] < 0:
                inside, e = [(b, -k) for b, k in inside], -e
            self.power((PRODUCT, tuple(inside)), e)

    # ------------------------------------------------------------------ finishing
    def finish(self) -> Node:
        for _ in range(8):
            if not (self._join_exponentials() | self._join_general() | self._normalise()):
                break
        self._quotients()
        if self._join_roots():
            return self.finish()
        if self.coefficient == 0:
            return ZERO
        items = sorted((b, e) for b, e in self.powers.items() if e)
        if not items:
            return (NUMBER, self.coefficient)
        node = items[0][0] if len(items) == 1 and items[0][1] == 1 else (PRODUCT, tuple(items))
        return scale(node, self.coefficient)

    def _join_exponentials(self) -> bool:
        if not self.exponents:
            return False
        known = [b for b in self.powers if b[0] == FUNCTION and b[1] == "exp"]
        pairs = self.exponents + [(b[2][0], self.powers.pop(b)) for b in known]
        self.exponents = []
        result = functions.apply("exp", functions.seal(add(pairs)))
        if result[0] == FUNCTION and result[1] == "exp":
            self.power(result, 1)
            return False
        for b, k in result[1] if result[0] == PRODUCT else ((result, 1),):
            if b[0] == FUNCTION and b[1] == "exp":
                self.power(b, k)
            else:
                self.times(b, k)
        return True

    def _join_general(self) -> bool:
        if not self.general:
            return False
        pending, self.general = self.general, {}
        changed = False
        for base, pairs in pending.items():
            known = [
                b for b in self.powers if b[0] == POWER and b[1] == base and self.powers[b].denominator == 1
            ]
            pairs = pairs + [(b[2], self.powers.pop(b)) for b in known]
            if base in self.powers:
                pairs.append((ONE, self.powers.pop(base)))
            result = general_power(base, functions.seal(add(pairs)))
            if result[0] == POWER:
                self.power(result, 1)
            else:
                self.times(result, 1)
                changed = True
        return changed

    def _normalise(self) -> bool:
        """Take up again what accumulation has made simpler, e.g. sqrt(x*y)**2 or sqrt(-x)**2."""
        again = [b for b, e in self.powers.items() if e and self._unfinished(b, e)]
        for b in again:
            e = self.powers.pop(b)
            if b[0] == FUNCTION and b[1] == "sign":
                self.power(b, 1 if e.numerator % 2 else 2)
            elif b[0] == FUNCTION:
                self.factor(b, e)
            else:
                self.times(b, e)
        return bool(again)

    @staticmethod
    def _unfinished(b: Node, e: Number) -> bool:
        if e.denominator != 1:
            return False
        k = e.numerator
        if b[0] == FUNCTION:
            period = {"abs": 2, "cbrt": 3}.get(b[1])
            return k % period == 0 if period else b[1] == "sign" and (k > 2 or (k < 0 and k % 2 == 1))
        return b[0] == PRODUCT or (b[0] == SUM and (leading_sign(b) < 0 or single(b)[1] is not b))

    def _quotients(self) -> None:
        """sin/cos = tan, sinh/cosh = tanh."""
        for name, (upper, lower) in _QUOTIENTS.items():
            tops = [b for b in self.powers if b[0] == FUNCTION and b[1] == upper]
            for top in tops:
                bottom = (FUNCTION, lower, top[2])
                n, d = self.powers[top], self.powers.get(bottom, 0)
                if n * d < 0:
                    k = min(abs(n), abs(d)) * (1 if n > 0 else -1)
                    self.power(top, -k)
                    self.power(bottom, k)
                    self.power((FUNCTION, name, top[2]), k)

    def _join_roots(self) -> bool:
        """a**e * b**e = (a*b)**e for fractional e, and cbrt(a)*cbrt(b) = cbrt(a*b)."""
        groups: dict[tuple, list[tuple[Node, Number]]] = {}
        for b, e in self.powers.items():
            if e.denominator != 1 and not (b[0] == FUNCTION and b[1] == "exp"):
                groups.setdefault(("root", abs(e)), []).append((b, e))
            elif b[0] == FUNCTION and b[1] == "cbrt" and e:
                groups.setdefault(("cbrt", abs(e)), []).append((b, e))
        changed = False
        for (kind, size), group in groups.items():
            if len(group) < 2:
                continue
            for b, _ in group:
                del self.powers[b]
            inside = mul([(b if kind == "root" else b[2][0], 1 if e > 0 else -1) for b, e in group])
            if kind == "cbrt":
                self.times(functions.apply("cbrt", inside), size)
            else:
                self._rejoin(inside, size)
            changed = True
        return changed

    def _rejoin(self, inside: Node, e: Number) -> None:
        """Root of a joined product; unlike `root` this keeps simple positive factors inside."""
        c, term = single(inside)
        if term[0] != PRODUCT or c < 0:
            self.times(inside, e)
            return
        self.coefficient *= number_power(c, e)
        out = [(b, k) for b, k in term[1] if positive(b) and (abs(k) != 1 or b[:2] == (FUNCTION, "exp"))]
        rest = [f for f in term[1] if f not in out]
        for b, k in out:
            self.factor(b, k * e)
        if all(nonnegative_power(b, k) for b, k in rest):
            for b, k in [f for f in rest if f[1].denominator == 1 and f[1].numerator % 2 == 0]:
                self.factor(functions.apply("abs", b), k * e)
                rest.remove((b, k))
        self.joint_root(rest, e)


@lru_cache(maxsize=4096)
def _mul(pairs: tuple[tuple[Node, Number], ...]) -> Node:
    factors = _Factors()
    for node, e in pairs:
        factors.times(node, e)
    if factors.coefficient == 0:
        return ZERO
    _cancel_common(factors)
    return factors.finish()


def mul(pairs: Iterable[tuple[Node, Number]]) -> Node:
    """Product of powers with like bases collected; the nodes must be sealed."""
    return _mul(tuple(pairs))


def _cancel_common(factors: _Factors) -> None:
    """(x*y + x*z)/x = y + z: a factor common to all terms of a sum meets its inverse outside."""
    for base in [b for b, e in factors.powers.items() if b[0] == SUM and b[2] == 0 and e.denominator == 1]:
        shared = common_factor(base[1])
        power = factors.powers.get(base, 0)
        for b, k in shared.items():
            outside = factors.powers.get(b, 0)
            if power and outside * k * power < 0:
                reduced = functions.seal(add([(mul([(t, 1), (b, -k)]), c) for t, c in base[1]]))
                del factors.powers[base]
                factors.power(b, k * power)
                factors.times(reduced, power)
                break


def general_power(base: Node, exponent: Node) -> Node:
    """``base**exponent``, the exponent possibly not constant."""
    if exponent[0] == NUMBER:
        return mul([(base, exponent[1])])
    if base == ONE:
        return ONE
    if base[0] == NUMBER and base[1] == rational(math.e):
        return functions.apply("exp", exponent)
    if base[0] == FUNCTION and base[1] == "exp":
        return functions.apply("exp", functions.seal(mul([(base[2][0], 1), (exponent, 1)])))
    return (POWER, base, exponent)
