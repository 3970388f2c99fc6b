"""Constants of one right-hand side in the integral form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from symnum.equations_of_motion.flow import free_constants
from symnum.equations_of_motion.motion import IntegralForm
from symnum.equations_of_motion.terms import split
from symnum.exceptions import SymnumError
from symnum.expressions.canonical import canonical
from symnum.expressions.compiled import evaluate_batch, evaluate_with_jacobian
from symnum.expressions.expression import Expression
from symnum.expressions.operators import OPERATORS
from symnum.search.mdl import constant_bits

Float = NDArray[np.float64]

_RARE = frozenset("sin cos tan asin acos atan exp log sqrt cbrt tanh sinh cosh abs sign min max".split())
_RARE_BITS = 10.0
"""Price of a function beside its place in the formula: most laws of motion are polynomials and fractions, and
over the range of few data a cosine often looks like one."""

_NODE_BITS = 2.0
"""Price of a node: a term of three nodes is one of some twenty."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A right-hand side with its misfit: mean squared residual in units of the noise, and bits."""

    expression: Expression
    loss: float
    bits: float


@lru_cache(maxsize=20_000)
def tidy(e: Expression) -> Expression:
    """Canonical form, or the expression itself when it has none."""
    try:
        return canonical(e)
    except SymnumError:
        return e


def bits_of(e: Expression, loss: float, rows: int) -> float:
    """Description length of a right-hand side and of its residuals.

    Parameters
    ----------
    e : Expression
    loss : float
        Mean squared residual in units of the noise.
    rows : int
        Data.

    Notes
    -----
    As in the extended Bayesian information criterion (Chen & Chen, Biometrika 95, 2008) a term costs half a
    logarithm of the data for its constant and the logarithm of the number of forms it was chosen from.
    """
    e = tidy(e)  # sums of terms are judged by their shortest spelling
    structure = _NODE_BITS * len(e) + rare_bits(e)
    constants = sum(constant_bits(float(c), precision_bits(rows)) for c in e.constants)
    # Far below the noise there is nothing to gain: a fit too good only says that the noise was overrated.
    return structure + constants + 0.5 * rows * float(np.log2(max(loss, 1e-4)))


def precision_bits(rows: int) -> float:
    """Bits to which data determine a constant, beside its size."""
    return 0.5 * float(np.log2(max(rows, 2)))


def term_bits(term: Expression, rows: int) -> float:
    """About what a term with a factor adds to the description of a sum."""
    constants = (1 + len(term.constants)) * (4.0 + precision_bits(rows))
    return _NODE_BITS * (len(term) + 2) + constants + rare_bits(term)


@lru_cache(maxsize=20_000)
def rare_bits(e: Expression) -> float:
    """Price of functions, and of divisions by nothing but variables, whose poles few systems have."""
    count = 0
    plain: list[bool] = []  # whether an operand is a product of variables
    for code in e.codes.tolist():
        if code <= 0:
            plain.append(code < 0)
            continue
        op = OPERATORS.by_code[code]
        args = plain[-op.arity :]
        del plain[-op.arity :]
        count += op.name in _RARE or (op.name in ("inv", "div") and args[-1])
        plain.append(op.name in ("mul", "square", "cube") and all(args))
    return _RARE_BITS * count


def cancellation_bits(e: Expression, columns: Float) -> float:
    """Price of terms that nearly cancel each other: twice the bits by which each is larger than the sum.

    Sums of large terms with a small difference can take the shape of any curve between few data, and fail
    beyond.

    Parameters
    ----------
    e : Expression
    columns : float64 array, shape (S, m)
        States along the trajectories.
    """
    terms = split(e)
    if len(terms) < 2:
        return 0.0
    with np.errstate(all="ignore"):
        values = evaluate_batch(terms, columns)
        sizes = np.sqrt(np.mean(values**2, axis=1))
        whole = float(np.sqrt(np.mean(values.sum(axis=0) ** 2)))
    # Terms that are two or three times the sum are common: the system is close to an equilibrium.
    excess = np.log2(np.maximum(sizes, 1e-300) / max(4.0 * whole, 1e-300))
    bits = 2.0 * float(np.sum(np.maximum(excess, 0.0)))
    return bits if np.isfinite(bits) else 0.0


def refine(form: IntegralForm, e: Expression, steps: int = 15) -> Scored | None:
    """Constants by Levenberg-Marquardt in the integral form; None when the formula is undefined."""
    free = free_constants(e)
    values = e.constants.copy()
    best = _residual(form, e, values, free)
    if best is None:
        return None
    residual, J = best
    loss, damping = float(residual @ residual), 1e-4
    for _ in range(steps if free.any() else 0):
        H = J @ J.T
        diagonal = np.maximum(np.diag(H), 1e-14 * max(float(np.diag(H).max()), 1e-300))
        try:
            step = np.linalg.solve(H + np.diag(damping * diagonal), -(J @ residual))
        except np.linalg.LinAlgError:
            break
        trial = values.copy()
        trial[free] += step
        found = _residual(form, e, trial, free) if np.all(np.isfinite(trial)) else None
        new = np.inf if found is None else float(found[0] @ found[0])
        if new < loss:
            gain, (residual, J) = (loss - new) / loss, found  # type: ignore[misc]
            values, loss, damping = trial, new, max(damping / 10, 1e-13)
            if gain < 1e-7:
                break
        else:
            damping *= 10
            if damping > 1e5:
                break
    fitted = e.with_constants(values)
    loss /= form.rows
    bits = bits_of(fitted, loss, form.rows)
    return Scored(fitted, loss, bits + cancellation_bits(fitted, form.columns))


def _residual(
    form: IntegralForm, e: Expression, values: Float, free: NDArray[np.bool_]
) -> tuple[Float, Float] | None:
    with np.errstate(all="ignore"):
        f, jacobian = evaluate_with_jacobian(e.codes, values, form.columns)
    stacked = np.concatenate([f[None], jacobian[free]])
    if not np.all(np.isfinite(stacked)):
        return None
    with np.errstate(all="ignore"):
        made = form.integrals(stacked)
    if not np.all(np.isfinite(made)):
        return None
    return made[0] - form.target, made[1:]
