"""Candidates and the hall of fame that a search fills: readable at every moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import SymnumError
from symnum.expressions.canonical import canonical
from symnum.expressions.expression import Expression
from symnum.problem import Problem
from symnum.search.dimensional import unit_bits
from symnum.search.losses import SQUARED, Loss
from symnum.search.mdl import description_length
from symnum.search.rules import Rules
from symnum.search.signs import with_signs_of

EXACT_LOSS = 1e-12
"""1 - R2 below which a formula counts as exact on noise-free data."""
FIT_ROWS = 1_000
"""Rows that constants are fitted on; all rows judge the result."""
JUDGED_ROWS = 20_000
"""Rows that judge formulas while the search runs; `HallOfFame.verify` uses all of a larger table."""
VERIFYING = 1.5e-6
"""Seconds a row that judging a front on all rows takes, about."""
_CHUNK = 100_000
_LARGEST = 1e150
"""Error whose square is still a float64."""

Floats = NDArray[np.float64]


def fit_rows(problem: Problem, most: int = FIT_ROWS) -> NDArray[np.int64]:
    """Indices of the rows that count, at most so many of them, the same ones every time."""
    n = len(problem.y)
    rows = np.arange(n) if problem.weights is None else np.flatnonzero(problem.weights > 0)
    return rows if len(rows) <= most else np.sort(np.random.default_rng(n).permutation(rows)[:most])


@dataclass(frozen=True, slots=True)
class Candidate:
    """A formula with how well it fits.

    Attributes
    ----------
    expression : Expression
    complexity : int
    loss : float
        Weighted mean loss on all rows, the squared error unless another loss was asked for.
    r2 : float
    bits : float
        Description length, formula and residuals, longer where units contradict the formula.
    stage : str
        Which part of the search made it.
    seconds : float
        When, after the start.
    """

    expression: Expression
    complexity: int
    loss: float
    r2: float
    bits: float
    stage: str = ""
    seconds: float = 0.0


class HallOfFame:
    """Best formula of every complexity seen so far: that of the shortest description.

    Between formulas of one complexity the description length is that of the residuals unless their constants
    differ in kind, so that ``x**1.5`` is not displaced by ``x**1.4996`` for a gain that is noise.

    Parameters
    ----------
    problem : Problem
        Rows on which formulas are judged.
    max_complexity : int
        Longer formulas are refused.
    rules : Rules, optional
        What formulas may look like; all are allowed when left out.
    loss : Loss, optional
        What the error of a row counts for; squared errors when left out.
    """

    def __init__(
        self,
        problem: Problem,
        max_complexity: int = 40,
        rules: Rules | None = None,
        loss: Loss = SQUARED,
    ) -> None:
        self.problem: Problem = problem
        self.max_complexity: int = max_complexity
        self.rules: Rules = rules or Rules()
        self.row_loss: Loss = loss
        self.names: tuple[str, ...] = problem.names
        self.seeds: tuple[Expression, ...] = ()  # formulas whose parts a search should build with
        self.best: dict[int, Candidate] = {}
        self.scaling: Any = None  # `symnum.search.scaling.Scaling` of a table of extreme numbers
        self.tried: set[Expression] = set()
        weights = problem.weights
        self._weights = None if weights is None else weights / weights.sum()
        mean = np.average(problem.y, weights=weights)
        # Constants are fitted on samples of this size: losses on more rows differ by luck, not by merit.
        self.rows: int = min(len(problem.y), FIT_ROWS)
        self.scale: float = float(np.sqrt(np.average(problem.y**2, weights=weights)))
        self.spread: float = float(np.average((problem.y - mean) ** 2, weights=weights))
        self.variance: float = self.spread
        if not loss.squared:
            self.scale = loss.error(loss.mean(problem.y, np.zeros_like(problem.y), weights))
            levels = np.quantile(problem.y, np.linspace(0, 1, 41))
            self.variance = min(
                loss.mean(problem.y, np.full_like(problem.y, v), weights) for v in (mean, *levels)
            )
        order = np.random.default_rng(len(problem.y)).permutation(len(problem.y))
        # A hopeless candidate is refused on few rows before it is computed on many.
        self._probe = np.sort(order[:256])
        self._judged = np.sort(order[:JUDGED_ROWS]) if len(order) > JUDGED_ROWS else None

    def loss(self, expression: Expression, rows: NDArray[np.intp] | None = None) -> float:
        """Weighted mean loss; infinite where the formula is undefined on a row that counts."""
        return self._mean(expression, self.row_loss, rows)

    def _mean(self, expression: Expression, loss: Loss, rows: NDArray[np.intp] | None = None) -> float:
        X, y, w = self.problem.X, self.problem.y, self._weights
        if rows is not None:
            X, y = X[rows], y[rows]
            w = None if w is None else w[rows] / max(w[rows].sum(), 1e-300)
        total = 0.0
        for a in range(0, len(y), _CHUNK):
            part = slice(a, a + _CHUNK)
            with np.errstate(all="ignore"):
                error = loss.value(y[part], expression.evaluate(X[part]))
                if w is not None:
                    error = np.where(w[part] > 0, error * w[part], 0.0)
            total += float(np.sum(error))
        total = total if w is not None else total / len(y)
        return total if np.isfinite(total) else np.inf

    def bits(self, e: Expression, X: Floats, y: Floats, weights: Floats | None) -> float:
        """Description length of a formula judged on other rows."""
        with np.errstate(all="ignore"):
            loss = self.row_loss.mean(y, e.evaluate(X), weights)
        return self._bits(canonical(e), loss) if np.isfinite(loss) else np.inf

    def _bits(self, e: Expression, loss: float) -> float:
        error = self.row_loss.error(loss)
        if error > _LARGEST:
            return np.inf
        bits = description_length(e, error**2, self.rows, self.scale)
        if self.problem.units is not None:
            bits += unit_bits(e, self.problem.units)
        # Dearer operators are like more of them.
        return bits + 4.0 * (self.rules.complexity(e) - e.complexity)

    def add(self, expression: Expression, stage: str = "", seconds: float = 0.0) -> Candidate | None:
        """Judge a formula; the candidate is returned when it is the best of its complexity."""
        if self._hopeless(expression):
            return None
        try:
            made = self._spelled(expression.with_names(self.names))
        except SymnumError:
            return None
        if made is None or made in self.tried:
            return None
        expression, complexity = made, self.rules.complexity(made)
        if complexity > self.max_complexity:
            return None
        self.tried.add(expression)
        known = self.best.get(complexity)
        if (
            self._probe is not None
            and known is not None
            and self.loss(expression, self._probe) > 2 * known.loss
        ):
            return None
        loss = self.loss(expression, self._judged)
        if not np.isfinite(loss):
            return None
        candidate = self._candidate(expression, loss, stage, seconds)
        if known is not None and candidate.bits >= known.bits:
            return None
        self.best[candidate.complexity] = candidate
        return candidate

    def _candidate(self, e: Expression, loss: float, stage: str, seconds: float) -> Candidate:
        bits = self._bits(e, loss)
        squares = loss if self.row_loss.squared else self._mean(e, SQUARED, self._judged)
        r2 = 1 - squares / self.spread if self.spread > 0 else float(squares == 0)
        return Candidate(e, self.rules.complexity(e), loss, r2, bits, stage, seconds)

    def verify(self) -> None:
        """Judge the front on all rows where the search saw a sample; formulas undefined on a row go."""
        if self._judged is None:
            return
        self._judged = None
        kept = {}
        for c in self.front():
            loss = self.loss(c.expression)
            if np.isfinite(loss):
                kept[c.complexity] = self._candidate(c.expression, loss, c.stage, c.seconds)
        # Nothing is shown that was not judged on all rows, unless that would leave nothing.
        self.best = kept or self.best

    def _spelled(self, e: Expression) -> Expression | None:
        """The shortest spelling that the rules allow; None when they allow none."""
        short = canonical(e)
        signed = with_signs_of(short, self.problem.X[:2_000])
        return next((form for form in (signed, short, e) if self.rules.allows(form)), None)

    def _hopeless(self, e: Expression) -> bool:
        """Whether a formula half as long is already better on a few rows: then no spelling can save it."""
        shorter = [c.loss for k, c in self.best.items() if 2 * k <= self.rules.complexity(e)]
        if not shorter:
            return False
        return self.loss(e.with_names(self.names), self._probe) > 1.5 * min(shorter)

    def front(self) -> list[Candidate]:
        """Pareto front: each entry is better than all shorter ones."""
        found: list[Candidate] = []
        for _, candidate in sorted(self.best.items()):
            # Differences below rounding do not make a longer formula better.
            floor = (1e-28 * (self.scale**2 + self.spread)) ** (self.row_loss.power / 2)
            if not found or (candidate.loss < found[-1].loss * (1 - 1e-9) and found[-1].loss > floor):
                found.append(candidate)
        return found

    def exact(self) -> Candidate | None:
        """Formula that is exact on all rows and the shortest description of all, if there is one."""
        best = min(self.best.values(), key=lambda c: c.bits, default=None)
        if best is None or best.loss <= EXACT_LOSS * self.variance:
            return best
        return best if not self.row_loss.squared and self._most_rows(best.expression) else None

    def _most_rows(self, e: Expression) -> bool:
        """Whether a formula is exact on more than half of some rows: then the rest are outliers."""
        X, y = self.problem.X[self._probe], self.problem.y[self._probe]
        with np.errstate(all="ignore"):
            error = np.abs(e.evaluate(X) - y)
        near = error <= np.sqrt(EXACT_LOSS * self.spread)
        return len(y) >= 20 and len(e) < len(y) / 4 and bool(np.mean(near) > 0.55)
