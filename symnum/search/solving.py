"""Hits of the joins solved on all fit rows: which columns stay, with which coefficients, as an Expression."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.expression import Expression
from symnum.search import forms
from symnum.search.snapping import snap, snap_exponent
from symnum.search.transforms import Transform

EXACT = 1e-9
"""Relative residual below which a relation in the data counts as exact (before the final check on y)."""
Column = tuple[NDArray[np.float64], Expression | None]


def solve_sum(target: NDArray, columns: Sequence[Column]) -> Expression | None:
    """``target = sum(c * column)`` with as few columns as exactness allows; None when it does not hold."""
    kept = [c for c in columns if np.all(np.isfinite(c[0]))]
    scale = np.array([np.linalg.norm(c[0]) for c in kept])
    kept = [c for c, s in zip(kept, scale, strict=True) if s > 0]
    norm = np.linalg.norm(target)
    if not kept or norm == 0:
        return None
    coefficients, error = _least_squares(target, kept)
    if not error <= EXACT * norm:
        return None
    # Least contribution first: a column goes when the rest still explains the target.
    while len(kept) > 1:
        share = [abs(c) * np.linalg.norm(k[0]) for c, k in zip(coefficients, kept, strict=True)]
        weakest = int(np.argmin(share))
        if share[weakest] > 1e-3 * norm:
            break
        fewer = kept[:weakest] + kept[weakest + 1 :]
        again, error_again = _least_squares(target, fewer)
        if error_again > max(EXACT * 1e-2 * norm, 10 * error):
            break
        kept, coefficients = fewer, again
    values = [snap(float(c)) for c in coefficients]
    exact = sum(v * k[0] for v, k in zip(values, kept, strict=True))
    if np.linalg.norm(exact - target) > max(1e-11 * norm, 10 * error):
        values = [float(c) for c in coefficients]
    return forms.combination(values, [k[1] for k in kept])


def _least_squares(target: NDArray, columns: Sequence[Column]) -> tuple[NDArray, float]:
    matrix = np.stack([c[0] for c in columns], axis=1)
    scale = np.linalg.norm(matrix, axis=0)
    scale[scale == 0] = 1.0
    solution = np.linalg.lstsq(matrix / scale, target, rcond=1e-13)[0]
    return solution / scale, float(np.linalg.norm(matrix @ (solution / scale) - target))


def solve_quotient(target: NDArray, upper: Sequence[Column], lower: Sequence[Column]) -> Expression | None:
    """``target = sum(c*upper) / sum(d*lower)`` exactly, sparse; None when it does not hold."""
    columns = [*upper, *((-target * v, e) for v, e in lower)]
    if not all(np.all(np.isfinite(c[0])) for c in columns):
        return None
    scale = np.array([np.linalg.norm(c[0]) for c in columns])
    if not np.all(scale > 0):  # a column that is zero on all rows says nothing
        return None
    triangle = np.linalg.qr(np.stack([c[0] for c in columns], axis=1) / scale, mode="r")
    null = _sparse_null(triangle)
    if null is None:
        return None
    indices, vector = null
    raw = vector / scale[indices]
    top = [(raw[k], columns[i][1]) for k, i in enumerate(indices) if i < len(upper)]
    bottom = [(raw[k], columns[i][1]) for k, i in enumerate(indices) if i >= len(upper)]
    if not top or not bottom:
        return None
    return min(_scalings(top, bottom), key=lambda e: e[0])[1]


def _sparse_null(triangle: NDArray) -> tuple[NDArray, NDArray] | None:
    """Null vector of a triangular factor on the smallest set of columns found by backward elimination."""

    def smallest(columns: list[int]) -> tuple[float, NDArray]:
        _, singular, right = np.linalg.svd(triangle[:, columns])
        return float(singular[-1]), right[-1]

    kept = list(range(triangle.shape[1]))
    error, vector = smallest(kept)
    if error > EXACT:
        return None
    changed = True
    while changed and len(kept) > 2:
        changed = False
        for place in np.argsort(np.abs(vector)):
            fewer = kept[:place] + kept[place + 1 :]
            error_fewer, vector_fewer = smallest(fewer)
            if error_fewer < max(1e-11, 30 * error):
                kept, vector, changed = fewer, vector_fewer, True
                break
    if np.min(np.abs(vector)) < 1e-9:
        return None
    return np.array(kept), vector


def _scalings(top: list, bottom: list) -> list[tuple[float, Expression]]:
    """The quotient with each coefficient in turn set to one, rated by the numbers left to write."""
    made = []
    for pivot in [c for c, _ in (*bottom, *top)]:
        high = [(snap(float(c / pivot)), e) for c, e in top]
        low = [(snap(float(c / pivot)), e) for c, e in bottom]
        numerator = forms.combination([c for c, _ in high], [e for _, e in high])
        if len(low) == 1 and low[0][1] is None:
            expression = numerator if low[0][0] == 1 else numerator / low[0][0]
        else:
            expression = numerator / forms.combination([c for c, _ in low], [e for _, e in low])
        digits = sum(len(repr(abs(float(c)))) for c, _ in (*high, *low) if abs(c) != 1)
        made.append((expression.complexity + 0.02 * digits, expression))
    return made


def solve_product(
    target: NDArray, bases: Sequence[Column], exponentials: Sequence[Column]
) -> Expression | None:
    """``target = c * prod(base**p) * exp(sum(q * g))`` exactly; None when it does not hold."""
    n = len(target)
    with np.errstate(all="ignore"):
        log_target = np.log(np.abs(target))
        logs = [np.log(np.abs(v)) for v, _ in bases]
    columns: list[Column] = [
        (np.ones(n), None),
        *((v, b[1]) for v, b in zip(logs, bases, strict=True)),
        *exponentials,
    ]
    if not np.all(np.isfinite(log_target)) or not all(np.all(np.isfinite(c[0])) for c in columns):
        return None
    coefficients, error = _least_squares(log_target, columns)
    size = max(1.0, float(np.linalg.norm(log_target)))
    if not error <= EXACT * size:
        return None
    powers = [snap_exponent(float(c)) for c in coefficients[1 : 1 + len(bases)]]
    rates = [snap(float(c), 1e-7) if abs(c) * np.ptp(e[0]) > 1e-7 else 0.0
             for c, e in zip(coefficients[1 + len(bases) :], exponentials, strict=True)]  # fmt: skip
    factors = [(v, e, p) for (v, e), p in zip(bases, powers, strict=True) if p != 0]
    exponent = sum((r * v for r, (v, _) in zip(rates, exponentials, strict=True)), np.zeros(n))
    with np.errstate(all="ignore"):
        whole = np.exp(exponent)
        for v, _, p in factors:
            whole = whole * (np.abs(v) ** p if p != int(p) else v ** int(p))
        ratio = target / whole
    if not np.all(np.isfinite(ratio)):
        return None
    constant = float(np.median(ratio))
    if constant == 0:  # beyond the smallest numbers, as the product is beyond the largest
        return None
    if np.max(np.abs(ratio - constant)) > 1e-7 * abs(constant):
        return None
    parts = [e if p == int(p) or np.all(v >= 0) else Expression.apply("abs", e) for v, e, p in factors]
    exponents = [p for _, _, p in factors]
    inner = forms.combination(rates, [e for _, e in exponentials]) if any(rates) else None
    if inner is not None:
        parts.append(Expression.apply("exp", inner))
        exponents.append(1.0)
    if not parts:
        return None
    return forms.product(snap(constant, 1e-8), parts, exponents)


def through(transform: Transform, solve: Callable[[], Expression | None]) -> Expression | None:
    """Solve for T(y) and return the formula for y."""
    expression = solve()
    return None if expression is None else transform.inverse(expression)
