"""Formulas that a network proposes: each skeleton is fitted once, the best are shortened and kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.expression import Expression
from symnum.expressions.operators import OPERATORS, Operator
from symnum.expressions.rebuild import rebuild
from symnum.problem import Problem
from symnum.search import constants
from symnum.search.budget import Budget
from symnum.search.candidate import Candidate, HallOfFame, fit_rows
from symnum.search.reduction import unpredictable
from symnum.search.refinement import Data, Fitted, fitted, leaders, shortened

_MOST_CONSTANTS = 12
_AT_ONCE, _GO_ON = 64, 8
_FIRST_STEPS, _FIRST_ROWS = 8, 100
_NEAR = 20.0  # bits
_FITS, _PATIENCE = 0.5, 400  # least R2, and skeletons without a better one, for noise to be believed
_FLAT = 1e-12  # change of a part of a formula, relative, that is none
_TRIALS = 8  # values that a constant is tried with, about


def _without_function(e: Expression) -> list[Expression]:
    """The formula with one of its functions of one argument replaced by the argument, each in turn."""
    program = list(e.walk())
    made = []
    for k, (code, _) in enumerate(program):
        if code > 0 and OPERATORS.by_code[code].arity == 1:
            rest = [c for i, (c, _) in enumerate(program) if i != k]
            made.append(Expression(rest, e.constants, e.names))
    return made


def _settled_parts(e: Expression, X: NDArray[np.float64]) -> Expression:
    """The formula with parts that are one number on all rows, as atan(x + 1e140), written as that number."""

    def made(op: Operator, args: Sequence[Expression]) -> Expression:
        part = Expression.apply(op, *args)
        if not part.variables:
            return part
        with np.errstate(all="ignore"):
            values = part.evaluate(X)
        flat = np.all(np.isfinite(values)) and np.ptp(values) <= _FLAT * np.abs(values).max()
        return Expression.constant(float(values.mean()), e.names) if flat else part

    return rebuild(e, made)


class Judge:
    """Refines formulas and hands the good ones to the hall of fame.

    Parameters
    ----------
    problem : Problem
    budget : Budget
    hall : HallOfFame
    n_jobs : int
        Threads of the fits; the result does not depend on it.
    """

    def __init__(self, problem: Problem, budget: Budget, hall: HallOfFame, n_jobs: int) -> None:
        self.problem, self.budget, self.hall = problem, budget, hall
        rows = fit_rows(problem)
        X, y = problem.X[rows], problem.y[rows]
        w = None if problem.weights is None else problem.weights[rows]
        self.data = Data(X, y, w, lambda e: hall.bits(e, X, y, w), budget.charge, self.late, n_jobs)
        self.known: set[Expression] = set()
        self.records: dict[int, float] = {}  # least loss by number of nodes
        self.judged: Candidate | None = None  # the shortest description when it was last asked for
        self.quiet, self.known_then = False, 0
        self.smooth: bool | None = None  # whether anything of the target can be predicted

    def late(self) -> bool:
        """Whether the clock says stop; without a time limit it decides nothing."""
        return self.budget.max_time is not None and self.budget.left() <= 0

    def fresh(self, formulas: Iterable[Expression | None]) -> list[Expression]:
        """Formulas whose skeletons were not seen before, and which a fit can decide about."""
        new = []
        for e in formulas:
            if e is None or len(e.constants) > _MOST_CONSTANTS:
                continue
            form = e.skeleton()
            if form not in self.known:
                self.known.add(form)
                new.append(e)
        return new

    def offer(self, formulas: list[Expression], stage: str) -> Iterator[Candidate]:
        """Fit formulas from the values they have and from ones; yield those that enter the hall of fame.

        The most promising one is also shortened and given simple numbers.
        """
        yield from self.consider(self.fits(formulas), stage)

    def consider(self, made: Iterable[Fitted], stage: str) -> Iterator[Candidate]:
        """Do the same with formulas whose constants are fitted."""
        made = sorted(made, key=self.data.about)
        known = self._shortest()  # before these are added: as they are spelled they look longer than they are
        for f in made:
            n = len(f.expression)
            if f.loss < min((v for k, v in self.records.items() if k <= n), default=np.inf):
                self.records[n] = f.loss
                yield from self.add(f.expression, stage)
        if made and self.data.about(made[0]) < known + _NEAR and not self.late():
            whole = _settled_parts(made[0].expression, self.data.X)
            short = self._plainer(shortened(whole, self.data))
            yield from self.add(short, stage)
            if self.data.bits(short) < self._shortest() + _NEAR and not self.late():
                self.budget.charge(len(short.constants) * _TRIALS)
                d = self.data
                simple = constants.polish(short, d.X, d.y, d.weights, d.bits, self.late)
                yield from self.add(simple, stage)

    def _plainer(self, e: Expression) -> Expression:
        """The formula without functions of one argument that do nothing, as in atan(v/10000)."""
        while not self.late():
            trials = fitted(_without_function(e), self.data)
            best = min(trials, key=self.data.about, default=None)
            if best is None or self.data.about(best) > self.data.bits(e) + _NEAR:
                return e
            short = shortened(best.expression, self.data)
            if self.data.bits(short) >= self.data.bits(e) - 1e-6:
                return e
            e = short
        return e

    def fits(self, formulas: list[Expression]) -> list[Fitted]:
        """The promising ones of many formulas with fitted constants, from two starts each."""
        starts: list[Expression] = []
        for e in formulas:
            starts.append(e)
            if len(e.constants) and np.any(e.constants != 1):
                starts.append(e.skeleton())
        tried: list[Fitted] = []
        for a in range(0, len(starts), _AT_ONCE):
            if a and self.late():
                break
            tried += fitted(starts[a : a + _AT_ONCE], self.data, _FIRST_STEPS, _FIRST_ROWS)
        return fitted([f.expression for f in leaders(tried, _GO_ON)], self.data)

    def add(self, e: Expression, stage: str) -> Iterator[Candidate]:
        """Hand one formula to the hall of fame."""
        candidate = self.hall.add(e, stage, self.budget.elapsed)
        if candidate is not None:
            yield candidate

    def _shortest(self) -> float:
        return min((c.bits for c in self.hall.best.values()), default=np.inf)

    def settled(self) -> bool:
        """Whether the search is over: an exact formula, nothing but noise left, or the budget's end."""
        if self.hall.exact() is not None:
            self.budget.stop("exact formula found")
        elif self._only_noise():
            self.budget.stop("noise floor reached")
        return self.budget.expired()

    def _only_noise(self) -> bool:
        """Whether the best formula leaves noise and many other skeletons were no better."""
        best = min(self.hall.best.values(), key=lambda c: c.bits, default=None)
        if best is not self.judged:
            self.judged, self.known_then, self.quiet = best, len(self.known), False
            if best is not None and best.r2 > _FITS:
                e = best.expression.with_names(self.problem.names)
                with np.errstate(all="ignore"):
                    residual = self.data.y - e.evaluate(self.data.X)
                if self.smooth is None:  # oscillations too quick for a smoother look like noise as well
                    self.smooth = not unpredictable(self.data.X, self.data.y - np.mean(self.data.y))
                finite = bool(np.all(np.isfinite(residual)))
                self.quiet = self.smooth and finite and unpredictable(self.data.X, residual)
        return self.quiet and len(self.known) - self.known_then >= _PATIENCE
