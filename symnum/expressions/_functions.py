"""Functions of the normal form, and the rules that finish a sum."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import numpy as np

import symnum.expressions._products as products
from symnum.expressions._nodes import (
    FUNCTION,
    HALF,
    NOISE,
    NUMBER,
    ONE,
    PRODUCT,
    SUM,
    Node,
    Number,
    add,
    as_float,
    content,
    factors_of,
    leading_sign,
    nonnegative,
    nonnegative_power,
    number_power,
    positive,
    rational,
    scale,
    single,
    without,
)
from symnum.expressions.operators import OPERATORS

ODD = frozenset(["sin", "tan", "asin", "atan", "sinh", "tanh", "cbrt", "sign"])
EVEN = frozenset(["cos", "cosh", "abs"])
_INVERSE = {"sin": "asin", "cos": "acos", "tan": "atan"}
_SAME = Fraction(1, 10**14)  # relative; a fraction, for coefficients may be larger than any float


# ------------------------------------------------------------------------------------------ sums
@lru_cache(maxsize=4096)
def seal(node: Node) -> Node:
    """Finish a sum: trigonometric squares, sums of logarithms, perfect squares."""
    if node[0] != SUM:
        return node
    for rule in (_pythagoras, _join_logs, _perfect_square):
        while node[0] == SUM and len(node[1]) + (node[2] != 0) > 1:
            shorter = rule(node)
            if shorter is None:
                break
            node = shorter
    return node


def _pythagoras(node: Node) -> Node | None:
    """R*sin(u)**2 + R*cos(u)**2 = R, 1 - sin(u)**2 = cos(u)**2 and the same for cosh**2 - sinh**2."""
    squares: dict[tuple, tuple[Node, Number]] = {}
    for t, c in node[1]:
        if t[0] != PRODUCT:
            continue
        for b, e in t[1]:
            if e == 2 and b[0] == FUNCTION and b[1] in ("sin", "cos", "sinh", "cosh"):
                squares[b[1], b[2], without(t[1], b)] = (t, c)
    for (name, args, rest), (t, c) in squares.items():
        if name in ("cos", "cosh"):
            other = squares.get(("sin" if name == "cos" else "sinh", args, rest))
            if other is not None and other[1] == (c if name == "cos" else -c):
                return add([(node, 1), (t, -c), (other[0], -other[1]), (rest, c)])
        if rest == ONE and name in ("sin", "cos", "cosh", "sinh") and node[2]:
            partner = {"sin": "cos", "cos": "sin", "cosh": "sinh", "sinh": "cosh"}[name]
            wanted = c if name == "sinh" else -c
            if node[2] == wanted:
                square = products.mul([((FUNCTION, partner, args), 2)])
                return add(
                    [(node, 1), (t, -c), (square, c if name in ("cosh", "sinh") else -c), (ONE, -node[2])]
                )
    return None


def _join_logs(node: Node) -> Node | None:
    logs: dict[Number, list[tuple[Node, Number]]] = {}
    for t, c in node[1]:
        if t[0] == FUNCTION and t[1] == "log":
            logs.setdefault(abs(c), []).append((t, c))
    for size, group in logs.items():
        if len(group) > 1:
            sign = 1 if group[0][1] > 0 else -1
            inside = products.mul([(t[2][0], 1 if c * sign > 0 else -1) for t, c in group])
            joined = apply("log", inside)
            return add([(node, 1), (joined, sign * size), *((t, -c) for t, c in group)])
    return None


def _root(term: Node) -> Node | None:
    if term[0] != PRODUCT or any(e.denominator != 1 or e.numerator % 2 for _, e in term[1]):
        return None
    return products.mul([(b, e // 2) for b, e in term[1]])


def _perfect_square(node: Node) -> Node | None:
    """p*a**2 + 2*p*r*a*b + p*r**2*b**2 = p*(a + r*b)**2."""
    terms = dict(node[1])
    if len(terms) + (node[2] != 0) < 3:
        return None
    roots = [(r, c, t) for t, c in node[1] if (r := _root(t)) is not None]
    if node[2] and roots:
        roots.append((ONE, node[2], ONE))
    for i, (a, p, ta) in enumerate(roots):
        for b, q, tb in roots[i + 1 :]:
            if p * q < 0:
                continue
            cross = products.mul([(a, 1), (b, 1)])
            k = terms.get(cross)
            if k is None:
                continue
            ratio = number_power(Fraction(q) / p, HALF)
            if abs(abs(k) - 2 * abs(p) * ratio) > _SAME * abs(k):
                continue
            square = products.mul([(add([(a, 1), (b, ratio if k * p > 0 else -ratio)]), 2)])
            return add([(node, 1), (ta, -p), (tb, -q), (cross, -k), (square, p)])
    return None


# ------------------------------------------------------------------------------------------ functions
@lru_cache(maxsize=4096)
def apply(name: str, *args: Node) -> Node:
    """Function of sealed nodes."""
    if all(a[0] == NUMBER for a in args):
        return (NUMBER, _fold(name, [as_float(a[1]) for a in args]))
    if name in ("min", "max"):
        return _extremum(name, args)
    arg = args[0]
    if name in ODD or name in EVEN:
        if leading_sign(arg) < 0:
            result = apply(name, scale(arg, -1))
            return scale(result, -1) if name in ODD else result
        if arg[0] == FUNCTION and _INVERSE.get(name) == arg[1]:
            return arg[2][0]
    special = {"exp": _exp, "log": _log, "abs": _abs, "sign": _sign, "cbrt": _cbrt}.get(name)
    return special(arg) if special else (FUNCTION, name, (arg,))


def _fold(name: str, args: list[float]) -> Number:
    with np.errstate(all="ignore"):
        value = float(OPERATORS[name].numpy(*args))
    if name in ("sin", "cos", "tan") and abs(value) <= NOISE * max(1.0, abs(args[0])):
        return 0  # sin(pi)
    return rational(value)


def _extremum(name: str, args: tuple[Node, ...]) -> Node:
    flat: set[Node] = set()
    for a in args:
        flat |= set(a[2]) if a[0] == FUNCTION and a[1] == name else {a}
    numbers = [a[1] for a in flat if a[0] == NUMBER]
    items = sorted(a for a in flat if a[0] != NUMBER)
    if numbers:
        items.append((NUMBER, min(numbers) if name == "min" else max(numbers)))
    return items[0] if len(items) == 1 else (FUNCTION, name, tuple(items))


def _exp(arg: Node) -> Node:
    """exp(u + c*log(a)) = a**c * exp(u)."""
    pairs = arg[1] if arg[0] == SUM else ((arg, 1),)
    for t, c in pairs:
        for b, e in factors_of(t):
            if e == 1 and b[0] == FUNCTION and b[1] == "log":
                rest = scale(without(factors_of(t), b), c)
                u = seal(add([(arg, 1), (t, -c)]))
                return products.mul([(products.general_power(b[2][0], rest), 1), (apply("exp", u), 1)])
    return (FUNCTION, "exp", (arg,))


def _log(arg: Node) -> Node:
    c, term = single(arg)
    factors = factors_of(term)
    if c > 0:
        outside = [(b[2][0], e) for b, e in factors if b[0] == FUNCTION and b[1] == "exp"]
        if outside:
            inside = products.mul([(b, e) for b, e in factors if not (b[0] == FUNCTION and b[1] == "exp")])
            return seal(add([*outside, (apply("log", scale(inside, c)), 1)]))
    if c == 1 and len(factors) == 1 and term[0] == PRODUCT:
        base, e = factors[0]
        even = e.denominator == 1 and e.numerator % 2 == 0
        return scale(apply("log", apply("abs", base) if even else base), e)
    # log(x/y) and -log(y/x) are the same: the first base stands above the line.
    if c == 1 and term[0] == PRODUCT and factors[0][1] < 0:
        return scale((FUNCTION, "log", (products.mul([(arg, -1)]),)), -1)
    return (FUNCTION, "log", (arg,))


def _abs(arg: Node) -> Node:
    c, term = single(arg)
    if c != 1:
        return scale(apply("abs", term), abs(c))
    if nonnegative(arg):
        return arg
    if arg[0] == PRODUCT:
        return products.mul([(b, e) if nonnegative_power(b, e) else (apply("abs", b), e) for b, e in arg[1]])
    if arg[0] == SUM:
        c = content(arg)
        if c != 1:
            return scale((FUNCTION, "abs", (scale(arg, 1 / Fraction(c)),)), c)
    return (FUNCTION, "abs", (arg,))


def _sign(arg: Node) -> Node:
    c, term = single(arg)
    if c != 1:
        return scale(apply("sign", term), 1 if c > 0 else -1)
    if positive(arg):
        return ONE
    if arg[0] == FUNCTION and arg[1] == "sign":
        return arg
    if arg[0] == PRODUCT:
        kept = [(b, e) for b, e in arg[1] if not positive(b)]
        if len(kept) < len(arg[1]):
            return apply("sign", products.mul(kept))
        if len(kept) == 1 and kept[0][1].denominator == 1 and kept[0][1].numerator % 2:
            return apply("sign", kept[0][0])
    return (FUNCTION, "sign", (arg,))


def _cbrt(arg: Node) -> Node:
    c, term = single(arg)
    cubes = [(b, e) for b, e in factors_of(term) if e % 3 == 0]
    if not cubes:
        return (FUNCTION, "cbrt", (arg,))
    inside = products.mul([(b, e) for b, e in factors_of(term) if e % 3])
    return products.mul([*((b, e // 3) for b, e in cubes), (apply("cbrt", scale(inside, c)), 1)])
