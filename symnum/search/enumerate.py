"""The enumerating search: bank, joins, reductions, readouts and inner constants under one budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial

import numpy as np
from threadpoolctl import threadpool_limits

from symnum.expressions.expression import Expression
from symnum.expressions.simplify import simplify
from symnum.problem import Problem
from symnum.search import constants, dimensional, homogeneous, memory
from symnum.search.bank import quietly
from symnum.search.budget import Budget
from symnum.search.candidate import FIT_ROWS, Candidate, HallOfFame
from symnum.search.genetic import BANK as LIBRARY
from symnum.search.genetic import evolve
from symnum.search.guesses import seeded
from symnum.search.part_stages import PartStages
from symnum.search.reduction import predictability, propose, unpredictable
from symnum.search.separation import multiplied
from symnum.search.stages import TIERS, Stage
from symnum.search.sums import SumSearch, exact_sums
from symnum.search.view import View, original

FINAL_ROWS = 20_000
MAX_DEPTH = 6
ROUGH = 0.22
"""Typical held-out error of the best smoother, relative, beyond which a table counts as mostly noise.

A median error: 0.22 is an R2 of about 0.9 for normal errors.
"""
MOST_REDUCED = 9
"""Columns above which pairs are too many to be tested for reductions and interactions."""
ACCURATE = 0.999
"""R2 below which formulas are grown before parts and inner constants are looked for."""
LEAST_GROWN = 20_000
"""Evaluations that the first sums cost: smaller shares of a budget are for the other stages."""
PLAIN, QUIET = 14, 0.9975
"""Longest formula, and least R2, for which data with noise are searched no further."""
PROPOSED = 0.2
"""Share of what is left that a proposer, or a guess of what occurs, may use."""
UNLIKELY, ABSENT = 0.03, 0.005
"""Chances below which an operator or a column costs one more, and two."""
MOST_GROWN = 34
"""Nodes of the longest formula that is grown: longer ones say little."""


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
    proposer : callable, optional
        ``(problem, budget, rng)`` to expressions whose parts become columns where small banks find nothing,
        such as ``symnum.search.dysymnet.proposer.features``. None are proposed when left out.
    presence : callable, optional
        ``(problem, budget, rng)`` to chances that operators (by name) and columns (by index) occur, such as
        ``symnum.search.snip.proposer.presence``: what is unlikely enters larger banks later.
    """

    def __init__(
        self,
        operators: Sequence[str] | None = None,
        max_bank: int = TIERS[-1],
        n_jobs: int = 1,
        proposer: Callable[..., Iterable[Expression]] | None = None,
        presence: Callable[..., Mapping[str | int, float]] | None = None,
    ) -> None:
        self.operators, self.max_bank, self.n_jobs = operators, max_bank, n_jobs
        self.proposer, self.presence = proposer, presence

    @property
    def keeps_memory(self) -> bool:
        """Whether the search keeps to `Budget.room`: a network that is asked does as it likes."""
        return self.proposer is None and self.presence is None

    def get_params(self, deep: bool = True) -> dict:
        """Constructor parameters, as scikit-learn wants them."""
        names = ("operators", "max_bank", "n_jobs", "proposer", "presence")
        return {n: getattr(self, n) for n in names}

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


class _Run(PartStages):
    """The schedule."""

    rough = False

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
        for view in seeded(self.view, (*self.hall.seeds, *self._proposed())):
            yield from self._tier(view, TIERS[0], "parts of a guess", part=12)
            yield from self._approximate(view, "parts of a guess, readouts", TIERS[0] // 4)
        if self.search.presence is not None and not self._done():
            self.late = self._unlikely()
        wide = len(self.view.names) > MOST_REDUCED
        self.rough = wide or quietly(lambda: predictability(self.view)) > ROUGH
        if self.rough:
            # Mostly noise, or oscillations that no smoother follows: exact formulas once, then growth.
            if not wide:
                yield from self._each(self.starts, lambda v: self._tier(v, TIERS[1], "medium bank"))
            if not self._done():
                yield from self._grow(0.6)
        # No exact formula so far: in data with noise the simplest dimensionless problem comes first.
        early = self.starts[:1] if len(self.starts) > 1 else []
        readouts = partial(self._approximate, label="readouts", size=TIERS[0] // 2)
        yield from self._each(early, readouts)
        found = [] if wide else sorted((yield from self._reduce()), key=lambda v: len(v.names))
        views = sorted([*self.starts, *found], key=lambda v: len(v.names))
        yield from self._each([*self.starts[len(early) :], *found], readouts)
        noisy = not self.rough and self._noise_reached()
        settled = self._plain() if noisy else None
        rest = views
        if settled is not None:
            # One more look, by other means, at what the readouts agree on.
            rest = views[1:]
            yield from self._separate(views[0])
            yield from self._inner(views[0], 400)
            if self._plain() == settled:
                self.budget.stop("noise floor reached")
                return
        if not self.rough and not noisy:
            yield from self._each(views, lambda v: self._tier(v, TIERS[1], "medium bank"))
            yield from self._exact_sums()
        if not self._done() and max(c.r2 for c in self.hall.best.values()) < ACCURATE:
            yield from self._grow(0.2)
        if not wide:
            yield from self._each(rest, self._separate)
            if not self._done():
                larger = quietly(lambda: multiplied(views[0], stop=self._late))
                yield from self._each(larger, self._separate)
        yield from self._each(rest, lambda v: self._inner(v, 400))
        if not self.rough and self._noise_reached():
            yield from self._noisy(views)
        else:
            yield from self._deep(views)

    def _proposed(self) -> list[Expression]:
        """Formulas of the proposer, for a share of the budget; without one nothing is spent."""
        if self.search.proposer is None:
            return []
        before = self.budget.elapsed, self.budget.evaluations, len(self.hall.best)
        part = self.budget.part(PROPOSED)
        made = list(self.search.proposer(self.problem, part, self.rng))
        self.budget.take_back(part)
        self._enter("proposals", before)
        return made

    def _unlikely(self) -> dict[str | int, int]:
        """What operators and columns that hardly occur cost beyond their due, one column at least nothing."""
        before = self.budget.elapsed, self.budget.evaluations, len(self.hall.best)
        part = self.budget.part(PROPOSED)
        chances = dict(self.search.presence(self.problem, part, self.rng))
        self.budget.take_back(part)
        self._enter("presence", before)
        columns = [key for key in chances if isinstance(key, int)]
        if columns:
            chances.pop(max(columns, key=chances.__getitem__))
        extra = {key: (p < UNLIKELY) + (p < ABSENT) for key, p in chances.items()}
        return {key: cost for key, cost in extra.items() if cost}

    def _plain(self) -> Expression | None:
        """The best formula, if it is short, has no more than one fitted number, and leaves little noise."""
        best = min(self.hall.best.values(), key=lambda c: c.bits)
        fitted = [c for c in best.expression.constants if round(2 * c) != 2 * c]
        plain = len(fitted) <= 1 and best.complexity <= PLAIN and best.r2 > QUIET
        return best.expression if plain else None

    def _each(
        self, views: Sequence[View], stage: Callable[[View], Iterator[Candidate]]
    ) -> Iterator[Candidate]:
        """A stage for one view after the other, as long as the budget lasts."""
        for view in views:
            if self._done():
                return
            yield from stage(view)

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
        """Skeletons, growth, populations and exact joins over larger banks, in turn."""
        if self.rough and not self._done():
            yield from self._grow(0.5)
        yield from self._each(views, lambda v: self._inner(v, 2_500))
        yield from self._larger_parts(2 * TIERS[1])
        if not self._done():
            yield from self._grow(0.25)
        yield from self._polish()
        if not self._done():
            yield from self._evolve(0.3)
        yield from self._each(views, lambda v: self._tier(v, TIERS[2], "large bank"))
        yield from self._larger_parts(TIERS[2])
        yield from self._each(views, lambda v: self._inner(v, 8_000))
        if not self._done():
            yield from self._evolve(1.0)
        self.budget.stop("search space exhausted")

    def _noisy(self, views: list[View]) -> Iterator[Candidate]:
        """Exact joins find nothing in noise: larger readouts, more skeletons and growth instead."""
        chosen = [views[0], *(v for v in views[1:] if v is self.view)]
        yield from self._each(chosen, lambda v: self._approximate(v, "readouts, larger bank", 3 * TIERS[0]))
        yield from self._each(views, lambda v: self._inner(v, 3_000))
        if not self._done():
            yield from self._grow(0.1)
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
            proposals = quietly(lambda v=view, k=2 if depth < 2 else 1: propose(v, k, stop=self._late))
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

    @cached_property
    def sums(self) -> SumSearch:
        """Built when something is grown first: most fits end before."""
        binary = self.binary if self.search.operators else [*self.binary, "max"]
        most = min(self.hall.max_complexity, MOST_GROWN)
        charge, n_jobs = self.budget.charge, self.search.n_jobs
        return SumSearch(self.view, self.weights, self.unary, binary, most, self.rng, n_jobs, charge)

    def _grow(self, part: float) -> Iterator[Candidate]:
        """Sums of terms and what grows from them, for a part of what is left of the budget."""
        if part * self.budget.evals_left() < LEAST_GROWN:
            return
        before = self.budget.elapsed, self.budget.evaluations, len(self.hall.best)
        stop = self._until(part)
        sums = quietly(lambda: self.sums)
        yield from self._offer("sums", self.view, sums.run(lambda: self._late() or stop()))
        self._enter("sums", before)

    def _evolve(self, part: float) -> Iterator[Candidate]:
        """Populations that begin with what was found, while something is left to explain."""
        before = self.budget.elapsed, self.budget.evaluations, len(self.hall.best)
        timed, judged, over = self.budget.max_time is not None, None, self._until(part)

        def stop() -> bool:
            nonlocal judged
            best = min(self.hall.best.values(), key=lambda c: c.bits)
            if best is not judged:
                judged = best
                if not self.rough and self._noise_reached():
                    self.budget.stop("noise floor reached")
            return self._done() or over()

        size = self._share(LIBRARY, each=memory.LIBRARY)
        if size < LIBRARY // 4 or stop():
            return
        X, y = self.problem_rows()
        unary, binary = ([n for n in some if isinstance(n, str)] for some in (self.unary, self.binary))
        seeds = [self._inner_form(c.expression) for c in self.hall.front()]
        made = evolve(
            X, y, self.problem.names, self.weights, unary, binary, seeds, self.rng, stop,
            lambda: timed and (self._late() or over()), self.budget.charge, self.workers, size,
        )  # fmt: skip
        yield from self._offer("genetic", self.view, made)
        self._enter("genetic", before)

    def _until(self, part: float) -> Callable[[], bool]:
        """Whether a part of what is left of the budget has been used since now."""
        ends = self.budget.elapsed + part * self.budget.left()
        last = self.budget.evaluations + part * self.budget.evals_left()
        timed = self.budget.max_time is not None
        return lambda: (timed and self.budget.elapsed > ends) or self.budget.evaluations > last

    def _exact_sums(self) -> Iterator[Candidate]:
        if self._done():
            return
        before = self.budget.elapsed, self.budget.evaluations, len(self.hall.best)
        made = exact_sums(self.view, self.unary, self.binary, self._late)
        yield from self._offer("exact sums", self.view, made)
        self._enter("exact sums", before)
