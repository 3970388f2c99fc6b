"""The library of terms that right-hand sides are assembled from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.expression import Expression
from symnum.expressions.operators import OPERATORS

Float = NDArray[np.float64]
_MOST = 1_200
_HALVES = (0.15, 0.4, 1.0, 2.5)
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
            made += list(_times(names, Expression.apply("inv", u), double))
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


def split(e: Expression) -> list[Expression]:
    """Terms of a sum, signs included."""
    found: list[Expression] = []
    stack: list[list[tuple[Expression, bool]]] = []  # operands as signed terms
    for code, value in e.walk():
        if value is not None:
            stack.append([(Expression.constant(value, e.names), False)])
        elif code < 0:
            stack.append([(Expression.variable(-code - 1, e.names), False)])
        else:
            op = OPERATORS.by_code[code]
            args = stack[-op.arity :]
            del stack[-op.arity :]
            if op.name in ("add", "sub"):
                right = [(t, minus ^ (op.name == "sub")) for t, minus in args[1]]
                stack.append([*args[0], *right])
            elif op.name == "neg":
                stack.append([(t, not minus) for t, minus in args[0]])
            else:
                stack.append([(Expression.apply(op, *(join(a) for a in args)), False)])
    for term, minus in stack[0]:
        found.append(-term if minus else term)
    return found


def join(terms: Sequence[tuple[Expression, bool]]) -> Expression:
    """Sum of terms, those marked with a minus."""
    first, minus = terms[0]
    total = -first if minus else first
    for term, negative in terms[1:]:
        total = total - term if negative else total + term
    return total
