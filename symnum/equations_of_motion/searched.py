"""Right-hand sides from the symbolic search on smoothed derivatives."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from symnum.equations_of_motion.motion import Motion
from symnum.exceptions import SymnumError
from symnum.expressions.expression import Expression
from symnum.problem import Problem
from symnum.search.backends import make_backend
from symnum.search.budget import Budget
from symnum.search.candidate import HallOfFame
from symnum.search.features import select_columns

OPERATORS = (
    "add", "sub", "mul", "div", "inv", "square", "cube", "sqrt", "exp", "log", "sin", "cos", "tanh",
)  # fmt: skip
"""What right-hand sides in the literature are made of."""
_ROWS = 300
_MOST_COMPLEX = 30


def searched_candidates(
    motion: Motion, place: int, seconds: float, rng: np.random.Generator, stop: Callable[[], bool]
) -> Iterator[Expression]:
    """Pareto front of the enumerating search for one equation.

    Parameters
    ----------
    motion : Motion
    place : int
        Which of the sought equations.
    seconds : float
        Time for the search.
    rng : numpy.random.Generator
    stop : callable
        A true result ends the search.

    Yields
    ------
    Expression
        Formulas over all states, best description first.
    """
    X = np.concatenate(motion.states)
    y = np.concatenate(motion.slopes)[:, place]
    deviation = np.concatenate(motion.deviations)[:, place]
    weights = 1 / np.maximum(deviation, 0.5 * np.median(deviation) + 1e-12 * np.ptp(y) + 1e-300) ** 2
    rows = np.unique(np.linspace(0, len(y) - 1, _ROWS).astype(int))
    X, y, weights = X[rows], y[rows], weights[rows]
    if np.ptp(y) == 0:
        return
    whole = Problem(X, y, motion.names, None, weights / weights.mean())
    columns = select_columns(whole)
    names = tuple(motion.names[j] for j in columns)
    problem = Problem(X[:, columns], y, names, None, whole.weights)
    budget, hall = Budget(seconds, None).start(), HallOfFame(problem, _MOST_COMPLEX)
    for _ in make_backend("auto", OPERATORS, 1).run(problem, budget, rng, hall, []):
        if stop():
            break
    for candidate in sorted(hall.best.values(), key=lambda c: c.bits)[:14]:
        try:
            yield candidate.expression.with_names(motion.names)
        except SymnumError:  # a form that lost its columns
            continue
