"""Simplification with sympy, bounded in time and checked by numbers."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions.canonical import canonical
from symnum.expressions.expression import Expression

_PROBES = 240
_ENOUGH = 20
_TOLERANCE = 1e-9


def simplify(e: Expression, timeout: float = 2.0) -> Expression:
    """Shortest form found by `canonical` and by several sympy strategies within a time limit.

    Parameters
    ----------
    e : Expression
        Any formula.
    timeout : float
        Seconds for sympy, which runs in a worker process. What was found until then is used.

    Returns
    -------
    Expression
        Over the same names, never of larger complexity. It agrees with `e` on random points wherever `e` is
        finite there; sympy's proposals that do not, or that could not be checked, are dropped.

    Raises
    ------
    InvalidInput
        When `timeout` is no positive number.
    """
    if not timeout > 0:
        raise InvalidInput(f"timeout must be a positive number of seconds, got {timeout!r}")
    best = canonical(e)
    if best.complexity <= 3:
        return best
    from symnum.expressions import worker

    agrees = _agreement(e)
    if agrees is None:  # nowhere defined on the probes: nothing that sympy proposes could be checked
        return best
    end = time.monotonic() + timeout
    # A sum and its canonical form send sympy different ways; the second is tried if time is left.
    for start in dict.fromkeys((best, e)):
        left = end - time.monotonic()
        if left <= 0:
            break
        result = worker.run("simplify", {"expression": start.to_dict()}, left)
        proposals = {canonical(Expression.from_dict(part)) for part in result.parts}
        for proposal in sorted(proposals, key=lambda p: (p.complexity, str(p))):
            if proposal.complexity >= best.complexity:
                break
            if agrees(proposal):
                best = proposal
                break
    return best


def _agreement(e: Expression) -> Callable[[Expression], bool] | None:
    """Check of other formulas against the values of `e` on points of several scales and signs."""
    rng = np.random.default_rng(0)
    shape = (_PROBES, max(1, len(e.names)))
    X = np.concatenate(
        [rng.uniform(-3, 3, shape), rng.uniform(0, 1, shape), np.exp(rng.uniform(-3, 3, shape))], axis=0
    )
    wanted = e.evaluate(X)
    known = np.isfinite(wanted) & (np.abs(wanted) < 1e100)
    # Points where rounding alone moves the value cannot tell right from wrong.
    moved = _spread(e, X, wanted)
    known &= moved <= 1e-12 * np.maximum(np.abs(wanted), 1e-3)
    if np.count_nonzero(known) < _ENOUGH:
        return None
    X, wanted = X[known], wanted[known]
    scale = np.maximum(np.abs(wanted), 1e-6 * np.median(np.abs(wanted)))

    def agrees(other: Expression) -> bool:
        return bool(np.all(np.abs(other.evaluate(X) - wanted) <= _TOLERANCE * scale))

    return agrees


def _spread(e: Expression, X: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Change of the values when every input moves by a few units in the last place."""
    with np.errstate(all="ignore"):
        moved = np.abs(e.evaluate(X * (1 + 4e-16)) - values)
    return np.where(np.isfinite(moved), moved, np.inf)
