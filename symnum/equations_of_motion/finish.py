"""The last touches on a system: needless terms dropped, simple numbers, and how sure the constants are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from symnum.equations_of_motion.choice import Fitted, Judge, better, key_of
from symnum.equations_of_motion.fitting import tidy
from symnum.equations_of_motion.flow import Flow
from symnum.equations_of_motion.shooting import normal_equations
from symnum.equations_of_motion.terms import join, split, with_few_signs
from symnum.expressions.expression import Expression
from symnum.search.mdl import constant_bits

Float = NDArray[np.float64]


def prune(judge: Judge, best: Fitted, tell: Callable[[Fitted], None]) -> Fitted:
    """Drop terms as long as that shortens the description of the fitted system."""
    changed = True
    while changed and not judge.stop():
        changed = False
        for i, e in enumerate(best.equations):
            for shorter in _without_a_term(e):
                trial = [*best.equations]
                trial[i] = shorter
                key = tuple(key_of(x) for x in trial)
                if key in judge.tried or judge.stop():
                    continue
                found = judge.climb(trial, best)
                judge.tried[key] = np.inf if found is None else found.bits
                if better(found, best):
                    best, changed = found, True  # type: ignore[assignment]
                    tell(best)
                    break
            if changed:
                break
    return best


def _without_a_term(e: Expression) -> list[Expression]:
    terms = split(e)
    if len(terms) < 2:
        return [] if len(e) == 1 else [Expression.constant(0.0, e.names)]
    return [join([(t, False) for j, t in enumerate(terms) if j != k]) for k in range(len(terms))]


def snapped(judge: Judge, best: Fitted) -> Fitted:
    """Simple numbers for constants where the description gets shorter.

    Which to try comes from the quadratic form of the fit: holding one constant at a value moves the others
    along its row of the covariance; the system with all accepted values is integrated and judged anew.
    """
    flow = best.fit.flow
    C = best.fit.covariance * max(1.0, float(np.mean(best.losses)))
    if not len(flow.theta) or not np.all(np.isfinite(C)):
        return best
    theta, free = flow.theta.copy(), np.ones(len(flow.theta), bool)
    total = 0.0
    for j in np.argsort(np.sqrt(np.diag(C)) / np.maximum(np.abs(theta), 1e-12))[::-1]:
        variance = C[j, j]
        if variance <= 0:
            continue
        # A fitted constant is known to its standard deviation and is written with as many bits.
        precision = max(float(np.log2(max(abs(theta[j]), 1e-12) / np.sqrt(variance))), 0.0)
        options = []
        for value in _simple(float(theta[j]), 2.5 * np.sqrt(variance)):
            saved = constant_bits(float(theta[j]), precision) - constant_bits(value, precision)
            cost = 0.5 * (value - theta[j]) ** 2 / variance * np.log2(np.e)
            options.append((saved - cost, value, saved))
        gain, value, saved = max(options, default=(0.0, 0.0, 0.0))
        if gain <= 0:
            continue
        row = C[:, j] / variance
        moved = theta + np.where(free, row * (value - theta[j]), 0.0)
        moved[j] = value
        theta, free[j], total = moved, False, total + saved
        C = C - np.outer(row, C[j])
    if free.all():
        return best
    trial = [with_few_signs(tidy(e)) for e in flow.with_theta(theta).equations]
    held = Flow(trial, [False] * len(trial))
    made = judge.fit_flow(held, best.windows, best.level, best.fit.starts)
    if made is None:
        return best
    lost = 0.5 * judge.rows * np.log2(np.maximum(made.losses, 1e-4) / np.maximum(best.losses, 1e-4))
    return made if float(np.sum(lost)) < total else best


def _simple(value: float, within: float) -> list[float]:
    """Simpler numbers close to one, simplest first."""
    options = [float(np.sign(value)), float(round(value)), round(2 * value) / 2, round(3 * value) / 3]
    options += [float(f"{value:.{digits}g}") for digits in (1, 2, 3)]
    return [v for v in dict.fromkeys(options) if v != 0 and v != value and abs(v - value) <= within]


def joint_covariance(judge: Judge, best: Fitted, flow: Flow) -> Float:
    """Covariance of the free constants and then the starts of all windows (movable states only).

    Standard deviations of the noise are scaled by what the residuals say where these are larger.
    """
    windows = best.windows
    p, w, f = len(flow.theta), len(windows.times), int(windows.movable.sum())
    normal = normal_equations(flow, windows, flow.theta, best.fit.starts, best.fit.states, judge.rtol)
    if normal is None:
        return np.full((p + w * f,) * 2, np.nan)
    H = np.zeros((p + w * f, p + w * f))
    H[:p, :p] = normal[0]
    for i in range(w):
        part = slice(p + i * f, p + (i + 1) * f)
        H[part, part] = normal[1][i]
        H[:p, part] = normal[2][i]
        H[part, :p] = normal[2][i].T
    scale = np.sqrt(np.maximum(np.diag(H), 1e-300))
    # Scaled, so that the cut-off of small singular values does not depend on units.
    inverse = np.linalg.pinv(H / np.outer(scale, scale), rcond=1e-12, hermitian=True) / np.outer(scale, scale)
    return inverse * max(1.0, float(np.mean(best.losses)))
