"""Columns that terms of a sum are made of: powers, products, quotients, bends and waves of the variables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.expression import Expression

_QUARTILES = (0.25, 0.5, 0.75)
_MOST = 2_500


def columns(
    X: NDArray[np.float64], names: tuple[str, ...], unary: Sequence[str], binary: Sequence[str]
) -> list[Expression]:
    """Formulas of one and two variables with constants at the scale of the data, short ones first.

    Parameters
    ----------
    X : ndarray (n, d)
    names : tuple of str
    unary, binary : sequence of str
        Operators allowed.
    """
    d = X.shape[1]
    x = [Expression.variable(j, names) for j in range(d)]
    sd = X.std(axis=0)
    live = [j for j in range(d) if sd[j] > 0]
    made: list[Expression] = [x[j] for j in live]
    for j in live:
        made += _curves(x[j], X[:, j], unary, binary)
    for a, i in enumerate(live):
        for j in live[a + 1 :]:
            made += _pairs(x[i], x[j], binary)
    unique = list(dict.fromkeys(made))
    return sorted(unique, key=len)[:_MOST]


def _curves(x: Expression, values: NDArray, unary: Sequence[str], binary: Sequence[str]) -> list[Expression]:
    """Functions of one variable."""
    sd, mean = float(values.std()), float(values.mean())
    few = np.unique(values)
    if len(few) <= 2:
        return []
    made = []
    if "mul" in binary:
        made += [Expression.apply("square", x), Expression.apply("cube", x)]
    made += [Expression.apply(n, x) for n in ("inv", "sqrt", "log") if n in unary]
    rate = _round(1.0 / sd)
    for name in ("exp", "sin", "cos"):
        if name in unary:
            made += [
                Expression.apply(name, f * x) for f in (rate, -rate if name == "exp" else _round(2 / sd))
            ]
    if "tanh" in unary:
        made.append(Expression.apply("tanh", rate * (x - _round(mean))))
    if "max" in binary and len(few) > 4:
        made += [Expression.apply("max", x, _round(q)) for q in np.unique(np.quantile(values, _QUARTILES))]
    return made


def _pairs(a: Expression, b: Expression, binary: Sequence[str]) -> list[Expression]:
    made = []
    if "mul" in binary:
        made.append(a * b)
        made += [Expression.apply("square", a) * b, a * Expression.apply("square", b)]
    if "div" in binary:
        made += [a / b, b / a]
    if "max" in binary:
        made.append(Expression.apply("max", a, b))
    return made


def _round(value: float) -> float:
    return float(f"{value:.3g}")
