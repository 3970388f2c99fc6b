"""The enumerating search: bank, joins, reductions, readouts and inner constants under one budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from symnum.exceptions import SymnumError
from symnum.expressions.expression import Expression
from symnum.expressions.simplify import simplify
from symnum.problem import Problem
from symnum.search import constants, dimensional, homogeneous
from symnum.search.approximate import ApproximateSearch
from symnum.search.bank import DEFAULT_BINARY, DEFAULT_UNARY, Bank, quietly
from symnum.search.budget import Budget
from symnum.search.candidate import FIT_ROWS, Candidate, HallOfFame
from symnum.search.exact import ExactSearch, bank_rows
from symnum.search.guesses import seeded
from symnum.search.macros import enumerated
from symnum.search.reduction import propose, unpredictable
from symnum.search.view import View, original

TIERS = (20_000, 200_000, 1_000_000)
"""Bank sizes, tried in turn: a small problem never pays for a large bank."""
FINAL_ROWS = 20_000
MAX_DEPTH = 6


@dataclass(slots=True)
class Stage:
    """One row of the ledger."""

    stage: str
    seconds: float
    evaluations: int
    found: int
    best_loss: float


class EnumerativeSearch:
    """Search backend "enumerate".

    Parameters
    ----------
    operators : sequence of str, optional
        Names of the operators to enumerate; a physicist's list when left out.
    max_bank : int
        Largest number of bank elements, a 256-byte column each.
    n_jobs : int
        Threads; the result does not depend on it.
    """

    def __init__(
        self, operators: Sequence[str] | None = None, max_bank: int = TIERS[-1], n_jobs: int = 1
    ) -> None:
        self.operators, self.max_bank, self.n_jobs = operators, max_bank, n_jobs

    def get_params(self, deep: bool = True) -> dict:
        """Constructor parameters, as scikit-learn wants them."""
        return {"operators": self.operators, "max_bank": self.max_bank, "n_jobs": self.n_jobs}

    def run(self, problem: Problem, budget: Budget, rng: np.random.Generator, hall: HallOfFame,
            ledger: list[Stage]) -> Iterator[Candidate]:  # fmt: skip
        """Yield each candidate that enters the hall of fame; stops at the budget's end or on exactness."""
        # One thread for each linear algebra call: threads of ours run several calls at once, and the sums
        # inside a call do not depend on how many there are.
        pool = ThreadPoolExecutor(self.n_jobs) if self.n_jobs > 1 else None
        try:
            with threadpool_limits(1):
                run = _Run(self, problem, budget, rng, hall, ledger, pool)
                yield from run.go()
                yield from run.finish()
        finally:
            if pool is not None:
                # A join that still runs when the time is up ends by itself; nobody waits for its result.
                pool.shutdown(wait=budget.max_time is None, cancel_futures=True)


class _Run:
    """State of one search."""

    def __init__(
        self,
        search: EnumerativeSearch,
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
        rows = self._fit_rows(problem)
        self.weights = None if problem.weights is None else problem.weights[rows]
        self.view = original(problem.X[rows], problem.y[rows], problem.names)
        dimensions = dimensional.of_problem(problem.units)
        self.dimensions = dimensions
        # Where every formula is consistent in units the search begins; constants with units come last.
        self.starts = [*(dimensional.starts(self.view, dimensions) if dimensions else ()), self.view]
        self.lap_ends: float | None = None
        self.polished: set[Expression] = set()
        self.pace: dict[int, float] = {}  # seconds a bank element, by number of variables

    @staticmethod
    def _fit_rows(problem: Problem) -> NDArray[np.int64]:
        n = len(problem.y)
        rows = np.arange(n) if problem.weights is None else np.flatnonzero(problem.weights > 0)
        if len(rows) > FIT_ROWS:
            rows = np.sort(np.random.default_rng(n).permutation(rows)[:FIT_ROWS])
        return rows

    # ---------------------------------------------------------------- schedule
    def go(self) -> Iterator[Candidate]:
        yield from self._offer("constant", self.view, self._constant())
        if np.ptp(self.view.y) == 0 or not np.any(np.ptp(self.view.X, axis=0) > 0):
            self.budget.stop("target or features are constant")
            return
        if self.dimensions:
            made = dimensional.constants_of(self.view, self.dimensions)
            yield from self._offer("units", self.view, made)
        yield from self._approximate(self.view, "first readouts", 150, polish=False)
        for view in self.starts:
            yield from self._tier(view, TIERS[0], "; ".join(["small bank", *view.path]))
            if self._done():
                return
        for view in seeded(self.view, self.hall.seeds):
            yield from self._tier(view, TIERS[0], "parts of a guess", part=12)
            yield from self._approximate(view, "parts of a guess, readouts", TIERS[0] // 4)
        # No exact formula so far: in data with noise the simplest dimensionless problem comes first.
        early = self.starts[:1] if len(self.starts) > 1 else []
        for view in early:
            yield from self._approximate(view, "readouts", TIERS[0] // 2)
        found = sorted((yield from self._reduce()), key=lambda v: len(v.names))
        views = sorted([*self.starts, *found], key=lambda v: len(v.names))
        for view in [*self.starts[len(early) :], *found]:
            if self._done():
                return
            yield from self._approximate(view, "readouts", TIERS[0] // 2)
        for view in views:
            if self._done():
                return
            yield from self._inner(view, 400)
        if self._noise_reached():
            yield from self._noisy(views)
        else:
            yield from self._deep(views)

    def finish(self) -> Iterator[Candidate]:
        """Shorten the best formula by algebra, and state why the search ended."""
        if self.lap_ends is not None and self.hall.exact() is not None:
            self.budget.reason = "exact formula found"
        yield from self._final_fit()
        positive = np.all(self.view.X > 0, axis=0).tolist()
        for shown in sorted(self.hall.best.values(), key=lambda c: c.bits)[:4]:
            e = homogeneous.shortened(self._inner_form(shown.expression), positive)
            candidate = self.hall.add(e, "simplify", self.budget.elapsed)
            if candidate is not None:
                yield candidate
        best = min(self.hall.best.values(), key=lambda c: c.bits, default=None)
        # Sympy works against the clock: without a time limit it would make results depend on the machine.
        limit = min(2.0, self.budget.left() / 2) if self.budget.max_time is not None else 0.0
        if best is None or best.complexity < 9 or limit < 0.5:
            return
        before = self.budget.elapsed, self.budget.evaluations, len(self.hall.best)
        candidate = self.hall.add(simplify(best.expression, limit), "simplify", self.budget.elapsed)
        if candidate is not None:
            yield candidate
        self._enter("simplify", before)

    def _final_fit(self) -> Iterator[Candidate]:
        """Constants of the best few from many more rows than the search used."""
        n = len(self.problem.y)
        if n <= FIT_ROWS or self.hall.exact() is not None:
            return
        rows = np.sort(np.random.default_rng(n).permutation(n)[:FINAL_ROWS])
        X, y = self.problem.X[rows], self.problem.y[rows]
        weights = None if self.problem.weights is None else self.problem.weights[rows]
        if weights is not None and not np.any(weights > 0):
            return
        ranked = sorted(self.hall.best.values(), key=lambda c: c.bits)[:6]
        made = constants.refit(
            [self._inner_form(c.expression) for c in ranked], X, y, weights, self.search.n_jobs
        )
        yield from self._offer("all rows", original(X, y, self.problem.names), made)

    def _deep(self, views: list[View]) -> Iterator[Candidate]:
        """Exact joins over larger banks and more skeletons, in turn."""
        for size, skeletons in zip(TIERS[1:], (2_500, 8_000), strict=True):
            for view in views:
                if self._done():
                    return
                yield from self._tier(view, size, "large bank")
            for view in views:
                if self._done():
                    return
                yield from self._inner(view, skeletons)
        self.budget.stop("search space exhausted")

    def _noisy(self, views: list[View]) -> Iterator[Candidate]:
        """Exact joins find nothing in noise: readouts over a larger bank and more skeletons instead."""
        for view in views:
            if self._done():
                return
            yield from self._approximate(view, "readouts, larger bank", 3 * TIERS[0])
        for view in views:
            if self._done():
                return
            yield from self._inner(view, 3_000)
        self.budget.stop("noise floor reached")

    def _noise_reached(self) -> bool:
        """Whether the residual of the best formula so far is beyond prediction."""
        best = min(self.hall.best.values(), key=lambda c: c.bits)
        if best.loss <= 1e-10 * self.hall.variance:
            return False
        X, y = self.problem_rows()
        with np.errstate(all="ignore"):
            residual = y - self._inner_form(best.expression).evaluate(X)
        return bool(np.all(np.isfinite(residual))) and unpredictable(X, residual)

    def _done(self) -> bool:
        """Whether no further stage begins."""
        if self.lap_ends is not None and (self.budget.max_time is None or self._late()):
            self.budget.reason = "exact formula found"
        return self.budget.expired()

    def _constant(self) -> Iterable[Expression]:
        y = self.problem.y
        mean = float(np.average(y, weights=self.problem.weights))
        return [
            Expression.constant(mean, self.problem.names),
            Expression.constant(float(np.median(y)), self.problem.names),
        ]

    def _reduce(self) -> Iterator[Candidate]:
        """Follow the best reductions down, two ways at each of the first steps."""
        found: list[View] = []
        queue: list[tuple[int, View]] = [(0, view) for view in self.starts[:2]]
        seen: set[frozenset[str]] = set()
        while queue and not self._done():
            depth, view = queue.pop(0)
            proposals = quietly(lambda v=view, k=2 if depth < 2 else 1: propose(v, k))
            for proposal in proposals:
                key = frozenset(proposal.view.path)
                if key in seen or self._done():
                    continue
                seen.add(key)
                label = "reduction: " + "; ".join(proposal.view.path)
                yield from self._tier(proposal.view, TIERS[0], label, part=12)
                found.append(proposal.view)
                if depth + 1 < MAX_DEPTH:
                    queue.append((depth + 1, proposal.view))
        # Deepest first; the others were seen with the small bank.
        return sorted(found, key=lambda v: len(v.names))[:3]

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

    def _bank(self, view: View, rows: NDArray, size: int) -> Bank:
        X = np.ascontiguousarray(view.X[rows])
        dims = None if view.dims is None else view.dims[0]
        return Bank.start(X, view.names, self.unary, self.binary, size, dims, self.hall.rules)

    def _share(self, size: int, part: int = 3) -> int:
        """Bank size within the limits; one stage takes only a part of the evaluations that are left."""
        return min(size, self.search.max_bank, self.budget.evals_left() // part)

    def _affordable(self, view: View, size: int) -> int:
        """Bank size whose joins fit into the time left, judged by the pace so far; 0 when not worth it."""
        if self.budget.max_time is None or size <= TIERS[0]:
            return size
        pace = 1.3 * self.pace.get(len(view.names), max(self.pace.values(), default=2e-5))
        possible = int(self.budget.left() / pace)
        return size if possible >= size else possible if possible > 2 * TIERS[0] else 0

    def _approximate(self, view: View, label: str, size: int, polish: bool = True) -> Iterator[Candidate]:
        before = self.budget.elapsed, self.budget.evaluations, len(self.hall.best)
        size = self._share(size)
        if size < 10:
            return
        rows = bank_rows(view)
        bank = self._bank(view, rows, size)
        bank.grow(size, self._late, self.workers)
        self.budget.charge(bank.generated)
        search = quietly(lambda: ApproximateSearch(view, bank, self.weights, size))
        yield from self._offer(label, view, search.everything(self._late))
        # Errors of T(y) are not errors of y: the best are fitted again on y itself.
        ranked = sorted({c.expression: c for c in self.hall.best.values()}.values(), key=lambda c: c.loss)[
            :24
        ]
        X, y = self.problem_rows()
        forms = [self._inner_form(c.expression) for c in ranked]
        again = constants.refit(forms, X, y, self.weights, self.search.n_jobs)
        base = original(*self.problem_rows(), self.problem.names)
        yield from self._offer(label + ", refined", base, again)
        if polish:
            yield from self._polish()
        self._enter(label, before)

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
            if view.scale is not None and self._beaten(view, e):
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
        if view.scale is None or not self.hall.row_loss.squared:
            return False
        rows = view.rows(256)
        with np.errstate(all="ignore"):
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
