"""Frequencies by scanning: a sine of an unknown multiple of a bank element is out of reach of descent.

The loss of ``a*(p*cos(w*u) + q*sin(w*u) + r)`` has a minimum about every period of w; a fit from a few starts
seldom meets the right one. For each u the amplitudes are linear, so all w of a grid are solved at once
(a Lomb-Scargle periodogram with weights; Scargle 1982), for several amplitudes a together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.expression import Expression
from symnum.search import constants, forms
from symnum.search.approximate import bank_on
from symnum.search.bank import Bank
from symnum.search.view import View

ROWS = 256
_ARGUMENTS, _AMPLITUDES = 160, 14
_PERIODS = 24.0
_KEPT = 12


def oscillations(view: View, bank: Bank, stop: Callable[[], bool], n_jobs: int) -> Iterator[Expression]:
    """Formulas ``a*(p*sin(w*u + s) + r)`` with a and u from a bank, the best of a scan over w fitted.

    Parameters
    ----------
    view : View
    bank : Bank
        Its first elements are the arguments u and the amplitudes a.
    stop : callable
        Asked between arguments.
    n_jobs : int
        Threads of the fits.
    """
    rows = view.rows(ROWS)
    y = view.y[rows]
    values = bank_on(bank, view.X[rows], _ARGUMENTS)
    finite = np.flatnonzero(np.all(np.isfinite(values), axis=1) & (np.max(np.abs(values), axis=1) < 1e6))
    spread = np.ptp(values[finite], axis=1)
    arguments = finite[spread > 1e-6 * np.max(np.abs(values[finite]), axis=1)]
    steady = [k for k in finite if np.min(np.abs(values[k])) > 1e-3 * np.max(np.abs(values[k]))][:_AMPLITUDES]
    if len(y) < 30 or np.ptp(y) == 0:
        return
    found: list[tuple[float, int, int, float]] = []
    for u in arguments:
        if stop():
            return
        found += _scan(values[u], int(u), values[steady], steady, y)
    found.sort(key=lambda f: -f[0])
    made = []
    for _, u, a, w in found[:_KEPT]:
        e = _formula(bank, values, u, a, w, y)
        if e is not None:
            made.append(e)
    fit = view.rows(400)
    yield from constants.refit(made, view.X[fit], view.y[fit], None, n_jobs)


def _scan(u: NDArray, index: int, amplitudes: NDArray, members: Sequence[int], y: NDArray) -> list[tuple]:
    """(explained share, u, a, w) of the best frequency of each amplitude."""
    step = 0.7 / float(np.ptp(u))
    w = step * np.arange(1, int(2 * np.pi * _PERIODS / 0.7))
    angle = w[:, None] * u
    c, s = np.cos(angle), np.sin(angle)
    square, timed = (amplitudes**2).T, (amplitudes * y).T
    total = float(np.sum((y - y.mean()) ** 2))
    # Normal equations of [cos, sin, 1] with row weights a^2, one 3 x 3 system for each (w, a).
    gram = np.empty((len(w), len(members), 3, 3))
    gram[..., 0, 0], gram[..., 1, 1] = (c * c) @ square, (s * s) @ square
    gram[..., 0, 1] = gram[..., 1, 0] = (c * s) @ square
    gram[..., 0, 2] = gram[..., 2, 0] = c @ square
    gram[..., 1, 2] = gram[..., 2, 1] = s @ square
    gram[..., 2, 2] = square.sum(axis=0)
    right = np.stack(
        [c @ timed, s @ timed, np.broadcast_to(timed.sum(axis=0), (len(w), len(members)))], axis=-1
    )
    gram += 1e-9 * np.trace(gram, axis1=2, axis2=3)[..., None, None] * np.eye(3)
    solution = np.linalg.solve(gram, right[..., None])[..., 0]
    residual = float(y @ y) - np.einsum("wak,wak->wa", solution, right)
    best = np.argmin(residual, axis=0)
    return [
        (1 - residual[k, j] / total, index, int(members[j]), float(w[k]))
        for j, k in enumerate(best) if np.isfinite(residual[k, j])
    ]  # fmt: skip


def _formula(bank: Bank, values: NDArray, u: int, a: int, w: float, y: NDArray) -> Expression | None:
    amplitude = values[a]
    # The grid is coarse: look closely around its best place before the fit.
    fine = w + (0.7 / np.ptp(values[u])) * np.linspace(-0.6, 0.6, 13)
    best = None
    for v in fine:
        design = amplitude[:, None] * np.column_stack(
            [np.cos(v * values[u]), np.sin(v * values[u]), np.ones(len(y))]
        )
        solution, *_ = np.linalg.lstsq(design, y, rcond=1e-10)
        error = float(np.sum((design @ solution - y) ** 2))
        if np.isfinite(error) and (best is None or error < best[0]):
            best = error, float(v), solution
    if best is None:
        return None
    _, v, (p, q, r) = best
    argument = v * bank.expression(u)
    shift = float(np.arctan2(q, p))
    if abs(q) < 0.02 * abs(p):
        wave = float(p) * Expression.apply("cos", argument)
    elif abs(p) < 0.02 * abs(q):
        wave = float(q) * Expression.apply("sin", argument)
    else:
        wave = float(np.hypot(p, q)) * Expression.apply("cos", argument - shift)
    size = float(np.hypot(p, q))
    body = wave + float(r) if abs(r) > 1e-3 * size else wave
    return forms.product(
        1.0, [body] if a == 0 else [bank.expression(a), body], [1.0] if a == 0 else [1.0, 1.0]
    )
