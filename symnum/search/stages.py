"""Stages of the enumerating search: each hands what it finds to the hall of fame and enters the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import SymnumError
from symnum.expressions.expression import Expression
from symnum.problem import Problem
from symnum.search import constants, dimensional
from symnum.search.approximate import ApproximateSearch
from symnum.search.bank import DEFAULT_BINARY, DEFAULT_UNARY, Bank, quietly
from symnum.search.budget import Budget
from symnum.search.candidate import Candidate, HallOfFame, fit_rows
from symnum.search.exact import ExactSearch, bank_rows
from symnum.search.macros import enumerated
from symnum.search.memory import JOIN, READOUT
from symnum.search.oscillation import oscillations
from symnum.search.view import View, original

TIERS = (20_000, 200_000, 1_000_000)
"""Bank sizes, tried in turn: a small problem never pays for a large bank."""


@dataclass(slots=True)
class Stage:
    """One row of the ledger."""

    stage: str
    seconds: float
    evaluations: int
    found: int
    best_loss: float


@contextmanager
def recorded(label: str, budget: Budget, hall: HallOfFame, ledger: list[Stage]) -> Iterator[None]:
    """Enter what is done inside into the ledger as one stage, however it ends."""
    began = budget.elapsed, budget.evaluations
    try:
        yield
    finally:
        loss = min((c.loss for c in hall.best.values()), default=np.inf)
        ledger.append(
            Stage(label, budget.elapsed - began[0], budget.evaluations - began[1], len(hall.best), loss)
        )


class Stages:
    """State of one search and the stages that every schedule is made of."""

    def __init__(
        self,
        search: Any,
        problem: Problem,
        budget: Budget,
        rng: np.random.Generator,
        hall: HallOfFame,
        ledger: list[Stage],
        workers: ThreadPoolExecutor | None,
    ) -> None:
        self.search, self.problem, self.budget, self.rng = search, problem, budget, rng
        self.hall, self.ledger, self.workers = hall, ledger, workers
        self.unary, self.binary = enumerated(
            search.operators, hall.rules.macros, DEFAULT_UNARY, DEFAULT_BINARY
        )
        rows = fit_rows(problem)
        self.weights = None if problem.weights is None else problem.weights[rows]
        self.view = original(problem.X[rows], problem.y[rows], problem.names)
        dimensions = dimensional.of_problem(problem.units)
        self.dimensions = dimensions
        # Where every formula is consistent in units the search begins; constants with units come last.
        self.starts = [*(dimensional.starts(self.view, dimensions) if dimensions else ()), self.view]
        self.lap_ends: float | None = None
        self.polished: set[Expression] = set()
        self.pace: dict[int, float] = {}  # seconds a bank element, by number of variables
        self.late: dict[str | int, int] = {}  # what operators and columns cost beyond their due

    # ---------------------------------------------------------------- stages
    def _tier(self, view: View, size: int, label: str, part: int = 3) -> Iterator[Candidate]:
        size = self._affordable(view, self._share(size, part))
        if size < 10 or len(view.y) < 2:
            return
        before = self.budget.elapsed, self.budget.evaluations, len(self.hall.best)
        rows = bank_rows(view)
        bank = self._bank(view, rows, size)
        bank.grow(size, self._late, self.workers)
        self.budget.charge(bank.generated)
        search = ExactSearch(view, bank, rows, self.workers)
        if len(view.y) >= 2 * len(view.names) + 8:
            yield from self._offer(label, view, search.everything(self._late))
        if not self.budget.expired():
            self.pace[len(view.names)] = (self.budget.elapsed - before[0]) / bank.size
        self._enter(label, before)

    def _bank(
        self, view: View, rows: NDArray, size: int, groups: Sequence[Sequence[int]] | None = None
    ) -> Bank:
        X = np.ascontiguousarray(view.X[rows])
        dims = None if view.dims is None else view.dims[0]
        # Columns of a reduced problem are known by their names; new ones cost what is due.
        places = {name: self.late.get(j, 0) for j, name in enumerate(self.problem.names)}
        late: dict[Any, int] = {key: extra for key, extra in self.late.items() if isinstance(key, str)}
        late |= {j: places[name] for j, name in enumerate(view.names) if name in places}
        return Bank.start(X, view.names, self.unary, self.binary, size, dims, self.hall.rules, groups, late)

    def _share(self, size: int, part: int = 3, each: float = JOIN) -> int:
        """Bank size within the limits; one stage takes only a part of the evaluations that are left.

        An element takes `each` bytes at the peak of the stage.
        """
        return self.budget.elements(min(size, self.search.max_bank, self.budget.evals_left() // part), each)

    def _affordable(self, view: View, size: int) -> int:
        """Bank size whose joins fit into the time left, judged by the pace so far; 0 when not worth it."""
        if self.budget.max_time is None or size <= TIERS[0]:
            return size
        pace = 1.3 * self.pace.get(len(view.names), max(self.pace.values(), default=2e-5))
        possible = int(self.budget.left() / pace)
        return size if possible >= size else possible if possible > 2 * TIERS[0] else 0

    def _approximate(self, view: View, label: str, size: int, polish: bool = True) -> Iterator[Candidate]:
        before = self.budget.elapsed, self.budget.evaluations, len(self.hall.best)
        size = self._share(size, each=READOUT)
        if size < 10:
            return
        rows = bank_rows(view)
        bank = self._bank(view, rows, size)
        bank.grow(size, self._late, self.workers)
        self.budget.charge(bank.generated)
        search = quietly(lambda: ApproximateSearch(view, bank, self.weights, size))
        yield from self._offer(label, view, search.everything(self._late))
        yield from self._refined(label)
        if polish:
            yield from self._polish()
        self._enter(label, before)

    def _refined(self, label: str) -> Iterator[Candidate]:
        """Errors of T(y) are not errors of y: the best are fitted again on y itself."""
        ranked = sorted({c.expression: c for c in self.hall.best.values()}.values(), key=lambda c: c.loss)[
            :24
        ]
        X, y = self.problem_rows()
        forms = [self._inner_form(c.expression) for c in ranked]
        again = constants.refit(forms, X, y, self.weights, self.search.n_jobs)
        base = original(*self.problem_rows(), self.problem.names)
        yield from self._offer(label + ", refined", base, again)

    def _inner_form(self, e: Expression) -> Expression:
        """Formula of the hall of fame over the columns that this search sees."""
        return e.with_names(self.problem.names)

    def problem_rows(self) -> tuple[NDArray, NDArray]:
        """Fit rows of the original problem."""
        return self.view.X, self.view.y

    def _inner(self, view: View, limit: int) -> Iterator[Candidate]:
        before = self.budget.elapsed, self.budget.evaluations, len(self.hall.best)
        rows = bank_rows(view)
        bank = self._bank(view, rows, limit)
        bank.grow(limit, self._late, self.workers)
        made = constants.search(
            view, bank, limit, self.rng, self._late, self.search.n_jobs, self.budget.charge
        )
        yield from self._offer("inner constants", view, made)
        if limit <= 400 and not self._done() and {"sin", "cos"} <= set(self.unary):
            yield from self._offer(
                "frequencies", view, oscillations(view, bank, self._late, self.search.n_jobs)
            )
        yield from self._polish()
        self._enter("inner constants", before)

    def _polish(self, most: int = 6) -> Iterator[Candidate]:
        """Simple numbers for the constants of the formulas with the shortest descriptions."""
        X, y = self.problem_rows()
        ranked = sorted(self.hall.best.values(), key=lambda c: c.bits)[:most]
        base = original(X, y, self.problem.names)
        for candidate in ranked:
            if self._done():
                return
            if candidate.expression in self.polished or not len(candidate.expression.constants):
                continue
            self.polished.add(candidate.expression)
            e = self._inner_form(candidate.expression)
            made = constants.polish(
                e, X, y, self.weights, lambda f: self.hall.bits(f, X, y, self.weights), self._late
            )
            if made is not e:
                yield from self._offer("polish", base, [made])
                self.polished.add(made)

    # ---------------------------------------------------------------- book-keeping
    def _done(self) -> bool:
        """Whether no further stage begins."""
        if self.lap_ends is not None and (self.budget.max_time is None or self._late()):
            self.budget.reason = "exact formula found"
        return self.budget.expired()

    def _late(self) -> bool:
        """Whether the running stage must end. Without a time limit the clock decides nothing."""
        timed = self.budget.max_time is not None
        return self.budget.expired() or (
            timed and self.lap_ends is not None and self.budget.elapsed > self.lap_ends
        )

    def _offer(self, label: str, view: View, expressions: Iterable[Expression]) -> Iterator[Candidate]:
        """Hand formulas of a view to the hall of fame; an exact one starts the last lap."""
        source = iter(expressions)
        while (e := quietly(lambda: next(source, None))) is not None:
            squared = self.hall.row_loss.squared
            if squared and view.scale is not None and quietly(lambda f=e: self._beaten(view, f)):
                continue
            try:
                full = view.restore(e).with_names(self.problem.names)
            except SymnumError:
                continue
            candidate = self.hall.add(full, label, self.budget.elapsed)
            if candidate is not None:
                yield candidate
                if self.lap_ends is None and self.hall.exact() is candidate:
                    # Look a little longer: another way may give the same function in a shorter form.
                    now = self.budget.elapsed
                    self.lap_ends = now + min(2.0, 0.3 + 0.5 * now)
            if self._late():
                return

    def _beaten(self, view: View, e: Expression) -> bool:
        """Whether a formula no longer than this one of a reduced view is far better: no need to restore."""
        rows = view.rows(256)
        error = (e.with_names(view.names).evaluate(view.X[rows]) - view.y[rows]) * view.scale[rows]
        weights = None if self.weights is None else self.weights[rows]
        if weights is not None and not weights.any():
            return False
        loss = float(np.average(error**2, weights=weights))
        shorter = [c.loss for k, c in self.hall.best.items() if k <= e.complexity]
        return not loss <= 2 * min(shorter, default=np.inf)

    def _enter(self, label: str, before: tuple[float, int, int]) -> None:
        best = min((c.loss for c in self.hall.best.values()), default=np.inf)
        self.ledger.append(
            Stage(label, self.budget.elapsed - before[0], self.budget.evaluations - before[1],
                  len(self.hall.best) - before[2], best)
        )  # fmt: skip
