"""The library of terms that right-hand sides are assembled from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.expression import Expression
from symnum.expressions.operators import CONSTANT, OPERATORS

Float = NDArray[np.float64]
_MOST = 1_200
_MOST_PRODUCTS = 12
_HALVES = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Half-saturation constants tried, relative to the root mean square of a state."""


def polynomials(names: Sequence[str], states: int, degree: int) -> list[Expression]:
    """Monomials of the first `states` columns up to a degree, the constant first."""
    made = [Expression.constant(1.0, names)]
    for d in range(1, degree + 1):
        made += [_product(names, group) for group in combinations_with_replacement(range(states), d)]
    return made


def functions(names: Sequence[str], X: Float) -> list[Expression]:
    """Terms beyond polynomials that suit the ranges of the columns, X (n, d).

    Periodic terms, saturating ones (Michaelis-Menten, Hill), exponentials, roots and logarithms, alone and
    times a state; their inner constants are on a coarse grid, to be refined when a term is chosen.
    """
    made: list[Expression] = []
    d = X.shape[1]
    simple = [None, *((j,) for j in range(d))]
    double = [*simple, *combinations_with_replacement(range(d), 2)]
    for i in range(d):
        u, low, high = Expression.variable(i, names), float(X[:, i].min()), float(X[:, i].max())
        size = float(np.sqrt(np.mean(X[:, i] ** 2)))
        if high <= low:
            continue
        for w in _frequencies(high - low, size):
            angle = u if w == 1 else w * u
            for name in ("sin", "cos"):
                made += list(_times(names, Expression.apply(name, angle), simple))
        for k in _HALVES:
            half = float(f"{k * size:.3g}")
            if low >= 0 or -low < half / 2:
                made += list(_times(names, Expression.apply("inv", half + u), double))
            made += list(
                _times(names, Expression.apply("inv", half**2 + Expression.apply("square", u)), double)
            )
            if low >= 0:
                upper = Expression.apply("square", Expression.apply("square", u))
                made += list(_times(names, Expression.apply("inv", half**4 + upper), simple))
        for k in (0.3, 1.0, 3.0):
            rate = float(f"{k / size:.3g}")
            made += list(_times(names, Expression.apply("exp", (-rate) * u), simple))
            if high * rate < 3:
                made += list(_times(names, Expression.apply("exp", rate * u), [None]))
            made += list(_times(names, Expression.apply("tanh", rate * u), [None]))
        made += list(_times(names, Expression.apply("abs", u), [None, (i,)]))
        if low > 0:
            made += list(_times(names, Expression.apply("log", u), simple))
            made += list(
                _times(names, Expression.apply("inv", u), [g for g in double if g is None or i not in g])
            )
            made += list(_times(names, Expression.apply("sqrt", u), simple))
        elif low >= 0:
            made += list(_times(names, Expression.apply("sqrt", u), simple))
    for i, j in combinations_with_replacement(range(d), 2):
        if i != j:
            a, b = Expression.variable(i, names), Expression.variable(j, names)
            for name in ("sin", "cos"):
                made += [Expression.apply(name, a - b), Expression.apply(name, a + b)]
                made += [Expression.apply(name, a) * Expression.apply(other, b) for other in ("sin", "cos")]
    return list(dict.fromkeys(made))[:_MOST]


def _frequencies(spread: float, size: float) -> list[float]:
    grid = [1.0, 2.0, 3.0, *(float(f"{w:.3g}") for w in np.geomspace(1.2, 14.0, 8) / spread)]
    return [w for w in dict.fromkeys(grid) if 0.7 < w * spread < 40 and w * size < 200]


def _product(names: Sequence[str], group: Sequence[int]) -> Expression:
    powers = {j: list(group).count(j) for j in dict.fromkeys(group)}
    parts = [_power(Expression.variable(j, names), p) for j, p in powers.items()]
    made = parts[0]
    for part in parts[1:]:
        made = made * part
    return made


def _power(u: Expression, p: int) -> Expression:
    return (
        u
        if p == 1
        else Expression.apply("square", u)
        if p == 2
        else Expression.apply("cube", u)
        if p == 3
        else u**p
    )


def _times(
    names: Sequence[str], e: Expression, groups: Sequence[Sequence[int] | None]
) -> Iterator[Expression]:
    for group in groups:
        if group is None:
            yield e
        else:
            yield _product(names, group) * e


Signed = list[tuple[Expression, bool]]
"""A sum: its terms, each with whether it is subtracted."""


def split(e: Expression) -> list[Expression]:
    """Terms of a sum, signs included; products of sums are multiplied out."""
    return [-term if minus else term for term, minus in _signed(e, expand=True)]


def with_few_signs(e: Expression) -> Expression:
    """Same formula with signs where they read best: ``a - b/(1 + x)`` for ``a + b/(-1 - x)``."""
    return join(_signed(e, expand=False))


def join(terms: Signed) -> Expression:
    """Sum of terms, one that is added first where there is one."""
    terms = sorted(terms[:1] if len(terms) == 1 else terms, key=lambda t: t[1])
    first, minus = terms[0]
    total = _negative(first) if minus else first
    for term, negative in terms[1:]:
        total = total - term if negative else total + term
    return total


def _signed(e: Expression, expand: bool) -> Signed:
    stack: list[Signed] = []
    for code, value in e.walk():
        if value is not None:
            # A factor -1 is a sign, and so is that of any other constant.
            stack.append([(Expression.constant(abs(value), e.names), value < 0)])
            continue
        if code < 0:
            stack.append([(Expression.variable(-code - 1, e.names), False)])
            continue
        op = OPERATORS.by_code[code]
        args = stack[-op.arity :]
        del stack[-op.arity :]
        if op.name in ("add", "sub"):
            stack.append([*args[0], *((t, minus ^ (op.name == "sub")) for t, minus in args[1])])
        elif op.name == "neg":
            stack.append([(t, not minus) for t, minus in args[0]])
        elif op.name == "mul" and expand and len(args[0]) * len(args[1]) <= _MOST_PRODUCTS:
            stack.append([(_multiply(a, b), x ^ y) for a, x in args[0] for b, y in args[1]])
        elif op.name == "div" and expand and len(args[1]) == 1:
            below, less = args[1][0]
            stack.append([(a / below, minus ^ less) for a, minus in args[0]])
        elif op.name in ("mul", "div", "inv"):
            parts = [_sign_outside(a) for a in args]
            factors = [p for p, _ in parts]
            made = _multiply(*factors) if op.name == "mul" else Expression.apply(op, *factors)
            stack.append([(made, sum(minus for _, minus in parts) % 2 == 1)])
        else:
            stack.append([(Expression.apply(op, *(join(a) for a in args)), False)])
    return stack[0]


def _multiply(a: Expression, b: Expression) -> Expression:
    """Product without a factor 1."""
    for one, other in ((a, b), (b, a)):
        if len(one) == 1 and len(one.constants) and one.constants[0] == 1:
            return other
    return a * b


def _sign_outside(terms: Signed) -> tuple[Expression, bool]:
    """Sum and whether its sign was turned, so that something in it is added."""
    if all(minus for _, minus in terms):
        return join([(t, False) for t, _ in terms]), True
    return join(terms), False


def _negative(e: Expression) -> Expression:
    """Minus a term, the sign at its first factor."""
    prefix = e.to_prefix()
    k = next(i for i, token in enumerate(prefix) if token not in ("mul", "div"))
    first = prefix[k]
    changed = [-first] if isinstance(first, float) else ["neg", first]
    return Expression.from_prefix([*prefix[:k], *changed, *prefix[k + 1 :]], e.names)


def without_factor(term: Expression) -> Expression:
    """A term without its constant factor."""
    while len(term) > 2:
        prefix = term.to_prefix()
        head, first = prefix[0], prefix[1]
        if head == "neg":
            term = Expression.from_prefix(prefix[1:], term.names)
        elif head == "mul" and isinstance(first, float):
            term = Expression.from_prefix(prefix[2:], term.names)
        elif head == "mul" and isinstance(prefix[-1], float) and term.codes[-2] == CONSTANT:
            term = Expression.from_prefix(prefix[1:-1], term.names)
        else:
            return term
    return term
