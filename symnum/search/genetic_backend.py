"""Search backend "genetic": the genetic search alone, from nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from symnum.expressions.expression import Expression
from symnum.problem import Problem
from symnum.search.bank import DEFAULT_BINARY, DEFAULT_UNARY
from symnum.search.budget import Budget
from symnum.search.candidate import Candidate, HallOfFame, fit_rows
from symnum.search.genetic import BANK, evolve
from symnum.search.macros import enumerated
from symnum.search.memory import LIBRARY
from symnum.search.stages import Stage


def _size(budget: Budget) -> int:
    """Bank size that leaves most of the budget to the search."""
    small = budget.left() < 10 or budget.evals_left() < 4 * BANK
    size = min(BANK // 10, 1 + budget.evals_left() // 4) if small else BANK
    return budget.elements(size, LIBRARY)


class GeneticSearch:
    """Search backend "genetic"; `symnum.search.genetic` says how it works.

    Parameters
    ----------
    operators : sequence of str, optional
        Operators of the formulas; a physicist's list when left out.
    n_jobs : int
        Threads; the result does not depend on it.
    """

    keeps_memory = True

    def __init__(self, operators: Sequence[str] | None = None, n_jobs: int = 1) -> None:
        self.operators, self.n_jobs = operators, n_jobs

    def get_params(self, deep: bool = True) -> dict:
        """Constructor parameters, as scikit-learn wants them."""
        return {"operators": self.operators, "n_jobs": self.n_jobs}

    def run(self, problem: Problem, budget: Budget, rng: np.random.Generator, hall: HallOfFame,
            ledger: list[Stage]) -> Iterator[Candidate]:  # fmt: skip
        """Yield each candidate that enters the hall of fame; stops at the budget's end or on exactness."""
        mean = float(np.average(problem.y, weights=problem.weights))
        first = hall.add(Expression.constant(mean, problem.names), "constant", budget.elapsed)
        if first is not None:
            yield first
        if np.ptp(problem.y) == 0 or not np.any(np.ptp(problem.X, axis=0) > 0):
            budget.stop("target or features are constant")
            return
        rows = fit_rows(problem)
        weights = None if problem.weights is None else problem.weights[rows]
        unary, binary = enumerated(self.operators, (), DEFAULT_UNARY, DEFAULT_BINARY)
        timed = budget.max_time is not None
        ends = np.inf  # a little after the first exact formula: a shorter one may follow

        def stop() -> bool:
            if budget.elapsed > ends:
                budget.stop("exact formula found")
            return budget.expired()

        pool = ThreadPoolExecutor(self.n_jobs) if self.n_jobs > 1 else None
        began = budget.elapsed
        try:
            with threadpool_limits(1):
                made = evolve(
                    problem.X[rows], problem.y[rows], problem.names, weights, unary, binary or ["add", "mul"],
                    [e.with_names(problem.names) for e in hall.seeds], rng, stop, lambda: timed and stop(),
                    budget.charge, pool, _size(budget),
                )  # fmt: skip
                for e in made:
                    candidate = hall.add(e, "genetic", budget.elapsed)
                    if candidate is not None:
                        yield candidate
                    if hall.exact() is not None and ends == np.inf:
                        now = budget.elapsed
                        ends = now + min(2.0, 0.3 + 0.5 * now) if timed else -np.inf
        finally:
            if pool is not None:
                pool.shutdown(wait=not timed, cancel_futures=True)
            loss = min((c.loss for c in hall.best.values()), default=np.inf)
            ledger.append(Stage("genetic", budget.elapsed - began, budget.evaluations, len(hall.best), loss))
