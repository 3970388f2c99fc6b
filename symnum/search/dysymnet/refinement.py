"""Constants of formulas that networks gave: fitted in batches, superfluous ones taken away, made simple.

Constants are fitted by Levenberg-Marquardt on compiled programs instead of BFGS on a symbolic sum over the rows.
What to take away is asked of the second derivatives (LeCun, Denker and Solla 1990; Hassibi and Stork 1993): the
error that removing a constant costs when all others adapt is c^2/(2 [H^-1]_cc).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.canonical import canonical
from symnum.expressions.compiled import evaluate_with_jacobian, fit_constants, pack
from symnum.expressions.expression import Expression
from symnum.search import constants

MOST_CONSTANTS = 40
_STEPS = 40
_TRIED = 3


@dataclass(frozen=True, slots=True)
class Data:
    """Rows that constants are fitted on.

    Attributes
    ----------
    X : ndarray (n, d)
    y : ndarray (n,)
    weights : ndarray (n,) or None
    bits : callable
        Description length of a formula on these rows.
    charge : callable
        Told how many evaluations were spent.
    stop : callable
        Whether to end as soon as possible.
    n_jobs : int
    """

    X: NDArray[np.float64]
    y: NDArray[np.float64]
    weights: NDArray[np.float64] | None
    bits: Callable[[Expression], float]
    charge: Callable[[int], None] = lambda count: None
    stop: Callable[[], bool] = lambda: False
    n_jobs: int = 1


def fitted(formulas: Sequence[Expression], data: Data, steps: int = _STEPS) -> list[tuple[int, Expression]]:
    """Formulas with fitted constants and their places in `formulas`; undefined and very long ones are left out."""
    places = [i for i, e in enumerate(formulas) if len(e.constants) <= MOST_CONSTANTS]
    if not places:
        return []
    some = [formulas[i] for i in places]
    packed = pack(some)
    fit = fit_constants(
        packed, np.ascontiguousarray(data.X.T), data.y, None, steps, data.weights, data.n_jobs
    )
    data.charge(int(fit.evaluations.sum()) + len(some))
    made = []
    for k, e in enumerate(some):
        values = fit.constants[packed.const_offsets[k] : packed.const_offsets[k + 1]]
        if np.isfinite(fit.loss[k]) and np.all(np.isfinite(values)):
            made.append((places[k], e.with_constants(values)))
    return made


def shortened(e: Expression, data: Data) -> Expression:
    """Constants taken away one at a time, the others fitted again, while the description gets shorter."""
    best, cost = e, data.bits(e)
    while len(best.constants) and not data.stop():
        trials = [t for t in _without_one(best, data) if t.variables]
        made = [(data.bits(f), f) for _, f in fitted(trials, data)]
        if not made or min(made, key=lambda m: m[0])[0] >= cost - 1e-6:
            return best
        cost, best = min(made, key=lambda m: m[0])
    return best


def _without_one(e: Expression, data: Data) -> Iterator[Expression]:
    """The formula without each of the constants that the second derivatives say are least needed."""
    order = np.argsort(_saliency(e, data), kind="stable")
    for k in order[:_TRIED]:
        values = e.constants.copy()
        for simple in (0.0, 1.0) if abs(values[k] - 1) < 0.5 else (0.0,):
            values[k] = simple
            made = canonical(e.with_constants(values))
            if len(made.constants) < len(e.constants):
                yield made


def _saliency(e: Expression, data: Data) -> NDArray[np.float64]:
    """Loss that taking away each constant costs, the others adapting, to second order."""
    _, jacobian = evaluate_with_jacobian(e.codes, e.constants, np.ascontiguousarray(data.X.T))
    jacobian = np.nan_to_num(jacobian, nan=0.0, posinf=0.0, neginf=0.0)
    if data.weights is not None:
        jacobian = jacobian * np.sqrt(data.weights)
    size = np.maximum(np.linalg.norm(jacobian, axis=1), 1e-300)
    scaled = jacobian / size[:, None]
    hessian = scaled @ scaled.T + 1e-9 * np.eye(len(scaled))
    spread = np.diag(np.linalg.pinv(hessian, hermitian=True))
    return (e.constants * size) ** 2 / np.maximum(spread, 1e-300)


def refined(
    formulas: Sequence[tuple[int, Expression]], data: Data, most: int
) -> Iterator[tuple[int, Expression, float]]:
    """All formulas fitted; those of the best `most` sources shortened, then with simple numbers.

    Parameters
    ----------
    formulas : sequence of (int, Expression)
        Formulas with the numbers of their sources; a source may give several.
    data : Data
    most : int
        Sources that are worth the longer work.

    Yields
    ------
    tuple of (int, Expression, float)
        Source, formula, description length.
    """
    best: dict[int, tuple[float, Expression]] = {}
    for place, e in fitted([e for _, e in formulas], data):
        source, bits = formulas[place][0], data.bits(e)
        yield source, e, bits
        if source not in best or bits < best[source][0]:
            best[source] = bits, e
    for source, (_, e) in sorted(best.items(), key=lambda item: item[1][0])[:most]:
        if data.stop():
            return
        short = shortened(canonical(e), data)
        yield source, short, data.bits(short)
        if not data.stop():
            simple = constants.polish(short, data.X, data.y, data.weights, data.bits, data.stop)
            yield source, simple, data.bits(simple)
