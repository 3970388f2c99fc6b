"""Search backend "operon": plain Operon (NSGA-II on R2 and length), its results as Expressions.

Burlacu, Kronberger and Kommenda 2020, doi 10.1145/3377929.3398099, through pyoperon; operators and settings
as in its SRBench entry.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput, SymnumError
from symnum.expressions.expression import Expression
from symnum.problem import Problem
from symnum.search import constants, forms
from symnum.search.budget import Budget
from symnum.search.candidate import Candidate, HallOfFame, fit_rows
from symnum.search.operon_trees import from_operon, symbols, to_operon
from symnum.search.stages import Stage

DEFAULT = ("add", "sub", "mul", "div", "sin", "cos", "exp", "log", "sqrt", "square")
POPULATION = 1_000
LOCAL_STEPS = 5
MAX_LENGTH = 50
MAX_DEPTH = 10
_ROWS = 10_000
_TICK = 0.05
_LAST_SECONDS = 0.3
"""Beyond a time limit, to judge what was found last, and again to give it simple numbers."""
_END = object()


class Evolution:
    """One run of Operon in a thread of its own, so that Ctrl-C and time limits reach it.

    Parameters
    ----------
    X, y : ndarray (n, d), (n,)
    names : tuple of str
    operators : sequence of str
        Names of ours.
    seed : int
    threads : int
        Operon's threads; the result does not depend on their number.
    population, max_length, local_steps : int
        Individuals, longest tree in nodes, Levenberg-Marquardt steps for each child.
    seeds : sequence of Expression
        Part of the first population.
    """

    def __init__(
        self,
        X: NDArray[np.float64],
        y: NDArray[np.float64],
        names: tuple[str, ...],
        operators: Sequence[str],
        seed: int,
        threads: int = 1,
        population: int = POPULATION,
        max_length: int = MAX_LENGTH,
        local_steps: int = LOCAL_STEPS,
        seeds: Sequence[Expression] = (),
    ) -> None:
        import pyoperon as op

        self.X, self.y, self.names, self.seed, self.threads = X, y, names, seed, threads
        data = op.Dataset(np.asfortranarray(np.column_stack([X, y])))
        variables = sorted(data.Variables, key=lambda v: v.Index)
        hashes = [v.Hash for v in variables[:-1]]
        self.places = {h: i for i, h in enumerate(hashes)}
        problem = op.Problem(data)
        problem.TrainingRange, problem.TestRange = op.Range(0, len(y)), op.Range(len(y) - 1, len(y))
        problem.Target, problem.InputHashes = variables[-1], hashes
        problem.ConfigurePrimitiveSet(symbols(operators))
        grammar = problem.PrimitiveSet
        creator = op.BalancedTreeCreator(grammar, hashes, 0.0)
        numbers = op.NormalCoefficientInitializer()
        numbers.ParameterizeDistribution(0, 1)
        table = op.DispatchTable()
        self.error = op.Evaluator(problem, table, op.R2(), True)
        self.length = op.LengthEvaluator(problem)
        self.both = op.MultiEvaluator(problem)
        for part in (self.error, self.length):
            self.both.Add(part)
        for part in (self.error, self.length, self.both):
            part.Budget = 2**62  # the default ends a run after a few generations
        order = op.CrowdedComparison()
        selectors = [op.TournamentSelector(order) for _ in range(2)]
        for selector in selectors:
            selector.TournamentSize = 5
        mutation, kinds = op.MultiMutation(), [
            op.NormalOnePointMutation(),
            op.NormalMultiPointMutation(),
            op.ChangeVariableMutation(hashes),
            op.ChangeFunctionMutation(grammar),
            op.ReplaceSubtreeMutation(creator, numbers, MAX_DEPTH, max_length),
            op.InsertSubtreeMutation(creator, numbers, MAX_DEPTH, max_length),
            op.RemoveSubtreeMutation(grammar),
        ]  # fmt: skip
        for kind in kinds[:2]:
            kind.ParameterizeDistribution(0, 1)
        for kind in kinds:
            mutation.Add(kind, 1.0)
        crossover = op.SubtreeCrossover(0.9, MAX_DEPTH, max_length)
        optimizer = op.LMOptimizer(table, problem, local_steps, 0)
        search = op.CoefficientOptimizer(optimizer)
        generator = op.BasicOffspringGenerator(self.both, crossover, mutation, *selectors, search)
        initial = op.UniformLengthTreeInitializer(creator)
        initial.ParameterizeDistribution(grammar.FunctionArityLimits()[0] + 1, min(10, max_length))
        initial.MinDepth, initial.MaxDepth = 1, 1_000
        settings = op.GeneticAlgorithmConfig(
            generations=10**9, max_evaluations=10**15, local_iterations=local_steps,
            population_size=population, pool_size=population, p_crossover=1.0, p_mutation=0.25,
            epsilon=0.0, seed=seed,
        )  # fmt: skip
        sorter, reinserter = op.RankSorter(), op.KeepBestReinserter(order)
        self.algorithm = op.NSGA2Algorithm(settings, problem, initial, numbers, generator, reinserter, sorter)
        # Operon keeps plain pointers: what it points to must live as long as it does.
        self._alive = (
            data, problem, grammar, creator, numbers, table, order, selectors, mutation, kinds, crossover,
            optimizer, search, generator, initial, settings, sorter, reinserter,
        )  # fmt: skip
        self._seeded = self._restore(seeds, hashes, population)

    def _restore(self, seeds: Sequence[Expression], hashes: list[int], population: int) -> bool:
        """Fill the first population with the seeds, in turn."""
        import pyoperon as op

        trees = []
        for e in seeds:
            try:
                trees.append(to_operon(e, hashes))
            except SymnumError:
                continue
        if not trees:
            return False
        members = []
        for i in range(2 * population):
            member = op.Individual(2)
            member.Genotype = op.Tree(trees[i % len(trees)])
            members.append(member)
        self.algorithm.RestoreIndividuals(members)
        self.algorithm.IsFitted = True
        return True

    def fronts(
        self, stop: Callable[[], bool], late: Callable[[], bool], charge: Callable[[int], None]
    ) -> Iterator[list[Expression]]:
        """New members of the Pareto front after each generation, with scale and offset.

        Parameters
        ----------
        stop : callable
            Asked after each generation.
        late : callable
            Asked all the time: ends a generation half-way.
        charge : callable
            Told how many formulas were evaluated.
        """
        import pyoperon as op

        found: queue.SimpleQueue[Any] = queue.SimpleQueue()
        seen: set[Expression] = set()
        counted = 0

        def after_generation() -> None:
            nonlocal counted
            total = self.error.ResidualEvaluations + self.error.JacobianEvaluations
            charge(total - counted)
            counted = total
            found.put(self._front(seen))
            if stop():
                self.halt()

        def work() -> None:
            try:
                rng = op.RandomGenerator(np.uint64(self.seed))
                self.algorithm.Run(rng, after_generation, self.threads, self._seeded)
                # A generation cut off has no callback; it may still hold something new.
                found.put(self._front(seen))
                found.put(_END)
            except Exception as error:  # raised again where the results are read
                found.put(error)

        runner = threading.Thread(target=work, name="operon", daemon=True)
        runner.start()
        try:
            while True:
                try:
                    item = found.get(timeout=_TICK)
                except queue.Empty:
                    if late():
                        self.halt()
                    continue
                if item is _END:
                    break
                if isinstance(item, Exception):
                    raise item
                if item:
                    yield item
        finally:
            self.halt()
            runner.join()

    def halt(self) -> None:
        """End the run as soon as possible: no evaluations are left."""
        for evaluator in (self.both, self.error, self.length):
            evaluator.Budget = 0

    def _front(self, seen: set[Expression]) -> list[Expression]:
        """Formulas of the front that were not there before."""
        made = []
        for member in self.algorithm.BestFront:
            try:
                e = from_operon(member.Genotype.Nodes, self.places, self.names)
            except InvalidInput:  # constants that are no numbers
                continue
            if e not in seen:
                seen.add(e)
                made.append(e)
        return made


def scaled(
    e: Expression, X: NDArray[np.float64], y: NDArray[np.float64], w: NDArray | None
) -> Expression | None:
    """``c0 + c1*e`` by weighted least squares; None where `e` is undefined or constant."""
    with np.errstate(all="ignore"):
        values = e.evaluate(X)
        if not np.all(np.isfinite(values)):
            return None
        shift, center = np.average(values, weights=w), np.average(y, weights=w)
        spread = np.average((values - shift) ** 2, weights=w)
        slope = float(np.average((values - shift) * (y - center), weights=w) / spread)
    if not np.isfinite(slope) or slope == 0:
        return None
    return forms.combination([slope, float(center - slope * shift)], [e, None])


class OperonSearch:
    """Search backend "operon": what Operon's users get, judged and refined like any other formula here.

    Parameters
    ----------
    operators : sequence of str, optional
        Operators of the formulas; those of Operon's SRBench entry when left out.
    n_jobs : int
        Threads; the result does not depend on it.

    Notes
    -----
    Operon itself works in single precision and without weights; the constants of its formulas are fitted
    again here, in double precision and with the weights.
    """

    def __init__(self, operators: Sequence[str] | None = None, n_jobs: int = 1) -> None:
        self.operators, self.n_jobs = operators, n_jobs

    def get_params(self, deep: bool = True) -> dict:
        """Constructor parameters, as scikit-learn wants them."""
        return {"operators": self.operators, "n_jobs": self.n_jobs}

    def run(self, problem: Problem, budget: Budget, rng: np.random.Generator, hall: HallOfFame,
            ledger: list[Stage]) -> Iterator[Candidate]:  # fmt: skip
        """Yield each candidate that enters the hall of fame; stops at the budget's end or on exactness."""
        yield from self._offer(hall, [self._mean(problem)], budget)
        if np.ptp(problem.y) == 0 or not np.any(np.ptp(problem.X, axis=0) > 0):
            budget.stop("target or features are constant")
            return
        rows = fit_rows(problem, _ROWS)
        X, y = problem.X[rows], problem.y[rows]
        w = None if problem.weights is None else problem.weights[rows]
        evolution = Evolution(
            X, y, problem.names, self.operators or DEFAULT, int(rng.integers(2**62)), self.n_jobs,
            max_length=min(MAX_LENGTH, hall.max_complexity),
        )  # fmt: skip
        began = budget.elapsed
        last: list[Expression] = []

        def late() -> bool:
            return budget.max_time is not None and budget.expired()

        for front in evolution.fronts(budget.expired, late, budget.charge):
            with np.errstate(all="ignore"):
                made = [s for e in front if (s := scaled(e, X, y, w)) is not None]
            yield from self._offer(hall, made, budget, late)
            if late():
                last = made + last
                continue
            best = sorted((c for c in hall.best.values()), key=lambda c: c.bits)[:8]
            again = constants.refit(
                [c.expression.with_names(problem.names) for c in best], X, y, w, self.n_jobs
            )
            yield from self._offer(hall, again, budget, late)
            if hall.exact() is not None:
                budget.stop("exact formula found")
        # Evolution is faster than this: fronts may be waiting, of which the newest are the best.
        yield from self._offer(hall, last, budget, self._until(budget))
        yield from self._simplified(problem, hall, X, y, w, budget)
        loss = min((c.loss for c in hall.best.values()), default=np.inf)
        ledger.append(Stage("operon", budget.elapsed - began, budget.evaluations, len(hall.best), loss))

    def _simplified(self, problem: Problem, hall: HallOfFame, X: NDArray, y: NDArray, w: NDArray | None,
                    budget: Budget) -> Iterator[Candidate]:  # fmt: skip
        """The best few with simple numbers; a little beyond the budget, so that no result is left raw."""
        stop = self._until(budget)
        for candidate in sorted(hall.best.values(), key=lambda c: c.bits)[:4]:
            e = candidate.expression.with_names(problem.names)
            made = constants.polish(e, X, y, w, lambda f: hall.bits(f, X, y, w), stop)
            yield from self._offer(hall, [made], budget)

    @staticmethod
    def _until(budget: Budget) -> Callable[[], bool]:
        """Whether a little more time than now has passed; never without a time limit."""
        ends = budget.elapsed + _LAST_SECONDS if budget.max_time is not None else np.inf
        return lambda: budget.elapsed > ends

    @staticmethod
    def _mean(problem: Problem) -> Expression:
        return Expression.constant(float(np.average(problem.y, weights=problem.weights)), problem.names)

    @staticmethod
    def _offer(
        hall: HallOfFame, made: list[Expression], budget: Budget, stop: Callable[[], bool] = lambda: False
    ) -> Iterator[Candidate]:
        """What was not judged when `stop` said so stays in the list."""
        while made and not stop():
            candidate = hall.add(made.pop(0), "operon", budget.elapsed)
            if candidate is not None:
                yield candidate
