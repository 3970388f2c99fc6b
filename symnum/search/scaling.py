"""Tables of extreme numbers put in units in which squares and products of them are float64 numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions.canonical import canonical
from symnum.expressions.expression import Expression
from symnum.problem import Problem
from symnum.search.candidate import Candidate, HallOfFame
from symnum.search.losses import Loss
from symnum.search.rules import Rules

_PLAIN = 1e-100, 1e100
"""Largest sizes of a column between which nothing is done: its squares and their products are float64."""
_UNITS = {"squared": 2, "absolute": 1, "quantile": 1, "relative": 0}
"""By which power of the target's unit a loss grows; of the others the shape depends on the unit."""
_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class Scaling:
    """Powers of ten that columns and target are divided by while the search runs.

    Attributes
    ----------
    problem : Problem
        As given.
    columns : tuple of float
        One a column, 1 where nothing is done.
    target : float
    known : dict
        Formulas that were written in the given numbers before, under the rules of the fit: a front is asked
        for with every new one.
    """

    problem: Problem
    columns: tuple[float, ...]
    target: float
    known: dict[Expression, Expression | None] = field(default_factory=dict, compare=False, repr=False)

    @property
    def scaled(self) -> Problem:
        """The problem that is searched."""
        X = self.problem.X / np.array(self.columns)
        return replace(self.problem, X=X, y=self.problem.y / self.target, truth=None)

    def inward(self, e: Expression) -> Expression:
        """Formula of the given numbers as one of the scaled numbers."""
        return self._written(e.with_names(self.problem.names), "mul", "div")

    def outward(self, e: Expression) -> Expression:
        """Formula of the scaled numbers as one of the given numbers."""
        return self._written(e.with_names(self.problem.names), "div", "mul")

    def _written(self, e: Expression, columns: str, target: str) -> Expression:
        names = self.problem.names
        changed = {
            names[j]: Expression.apply(columns, Expression.variable(j, names), self.columns[j])
            for j in e.variables
            if self.columns[j] != 1.0
        }
        inner = e.substitute(changed).with_names(names) if changed else e
        if self.target == 1.0:
            return inner
        # The unit stands last: what is in front of it has an ordinary size.
        return Expression.apply(target, inner, self.target)

    def front(self, front: Sequence[Candidate], rules: Rules, most: int) -> list[Candidate]:
        """A front of formulas of the given numbers; losses stay those of the scaled target.

        Formulas that the rules do not allow, that are too long, or that are not finite on every row go.
        """
        made: list[Candidate] = []
        for candidate in front:
            inner = candidate.expression
            if inner not in self.known:
                self.known[inner] = self._spelled(inner, rules, most)
            e = self.known[inner]
            if e is not None:
                made.append(replace(candidate, expression=e, complexity=rules.complexity(e)))
        made.sort(key=lambda c: (c.complexity, c.loss))
        return [c for i, c in enumerate(made) if all(c.loss < before.loss for before in made[:i])]

    def _spelled(self, e: Expression, rules: Rules, most: int) -> Expression | None:
        X, weights = self.problem.X, self.problem.weights
        rows = slice(None) if weights is None else weights > 0
        inside = e.evaluate(X[rows] / np.array(self.columns))
        raw = self.outward(e)
        for form in (canonical(raw), raw):
            if not rules.allows(form) or rules.complexity(form) > most:
                continue
            # Compared in the scaled numbers, where differences and tolerances are float64.
            value = form.evaluate(X[rows])
            error = np.abs(value / self.target - inside)
            quantum = 4 * 5e-324 / self.target  # of a target among the denormal numbers
            if np.all(np.isfinite(value)) and np.all(error <= _SAME * (np.abs(inside) + 1e-6) + quantum):
                return form
        return None

    def loss(self, value: float, loss: Loss) -> float:
        """Loss of the scaled target as one of the given target; infinite or 0 beyond float64."""
        for _ in range(_power(loss)):
            value *= self.target
        return value


def scaling_of(problem: Problem, loss: object, template: bool) -> Scaling | None:
    """Scaling of a table with columns of extreme numbers; None for ordinary ones.

    Parameters
    ----------
    problem : Problem
    loss : str or callable
        That the user asked for.
    template : bool
        Whether all formulas must have a form that the user gave.

    Raises
    ------
    InvalidInput
        When the form or the loss has sizes of its own, which cannot be scaled.
    """
    columns, target = _units(problem.X), _units(problem.y[:, None])[0]
    if target == 1.0 and all(t == 1.0 for t in columns):
        return None
    if template or str(loss).partition("(")[0].strip() not in _UNITS or callable(loss):
        raise InvalidInput(
            f"columns or target are beyond {_PLAIN[0]:g} to {_PLAIN[1]:g}, their squares are no float64; "
            "with a template or this loss they cannot be scaled here: divide them by a unit of their size"
        )
    return Scaling(problem, columns, target)


def as_given(hall: HallOfFame, front: Sequence[Candidate]) -> tuple[Problem, list[Candidate]]:
    """Problem and front in the numbers that the user gave.

    Raises
    ------
    InvalidInput
        When no formula can be written in numbers of that size.
    """
    scaling: Scaling | None = hall.scaling
    if scaling is None:
        return hall.problem, list(front)
    made = scaling.front(front, hall.rules, hall.max_complexity)
    if not made:
        raise InvalidInput(
            "columns or target are of extreme size, and with the operators and sizes allowed no formula "
            "can be written in them; divide them by a unit of their size first"
        )
    return scaling.problem, made


def loss_as_given(hall: HallOfFame, loss: float) -> float:
    """Loss in the units of the target that the user gave; infinite or 0 beyond float64."""
    return loss if hall.scaling is None else hall.scaling.loss(loss, hall.row_loss)


def _units(X: NDArray[np.float64]) -> tuple[float, ...]:
    """A power of ten near the largest number of each column, 1 where that is ordinary."""
    largest = np.max(np.abs(X), axis=0).tolist()
    return tuple(
        1.0 if size == 0 or _PLAIN[0] <= size <= _PLAIN[1] else max(float(f"1e{_exponent(size)}"), 5e-324)
        for size in largest
    )


def _exponent(size: float) -> int:
    return int(f"{size:e}".partition("e")[2])


def _power(loss: Loss) -> int:
    return _UNITS[loss.name.partition("(")[0].strip()]
