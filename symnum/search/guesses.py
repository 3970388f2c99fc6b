"""Formulas that a user suspects: tried first, their constants refined, their parts offered to the search."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions.compiled import fit_constants, pack
from symnum.expressions.expression import Expression
from symnum.expressions.operators import Operator
from symnum.expressions.parser import Functions, parse
from symnum.expressions.rebuild import rebuild
from symnum.problem import Problem
from symnum.search.budget import Budget
from symnum.search.candidate import HallOfFame
from symnum.search.snapping import snap
from symnum.search.view import View

_STARTS = 12
_VIEWS, _PARTS = 3, 3
_FORMULAS = 12  # of a hall of fame whose parts are taken


def read_guesses(given: Sequence[str | Expression], names: Sequence[str], functions: Functions) -> tuple:
    """Expressions over the columns from text or expressions.

    Raises
    ------
    InvalidInput
        When a text is no formula or a name is no column; the message names the guess.
    """
    if isinstance(given, str | Expression):
        given = [given]
    made: list[Expression] = []
    for k, guess in enumerate(given):
        if not isinstance(guess, str | Expression):
            raise InvalidInput(f"guesses are formulas as text or Expression, number {k} is {guess!r}")
        try:
            e = guess if isinstance(guess, Expression) else parse(guess, names, functions)
            made.append(e.with_names(names))
        except InvalidInput as error:
            raise InvalidInput(f"guess number {k} cannot be used: {error}") from None
    return tuple(made)


def refined(
    guesses: Iterable[Expression],
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    weights: NDArray[np.float64] | None,
    rng: np.random.Generator,
    n_jobs: int = 1,
) -> Iterator[Expression]:
    """Each guess as it is and with fitted constants, then the same with a factor and a shift around it."""
    columns = np.ascontiguousarray(X.T)
    for guess in guesses:
        yield guess
        for form in (guess, 1.0 * guess + 0.0):
            if not 0 < len(form.constants) <= 20:
                continue
            size = np.exp(rng.normal(0, 1.0, (_STARTS, len(form.constants))))
            starts = np.concatenate([form.constants[None], form.constants * size])
            fit = fit_constants(pack([form]), columns, y, starts, 60, weights, n_jobs)
            if not np.all(np.isfinite(fit.constants)):
                continue
            yield form.with_constants(fit.constants)
            yield form.with_constants([snap(float(c), 1e-6) for c in fit.constants])


def parts(e: Expression) -> list[Expression]:
    """Distinct sub-expressions with a variable and an operator, largest first: the formula itself."""
    found: dict[Expression, None] = {}

    def noted(op: Operator, args: Sequence[Expression]) -> Expression:
        made = Expression.apply(op, *args)
        if made.variables:
            found[made] = None
        return made

    rebuild(e, noted)
    return sorted(found, key=lambda f: -f.complexity)


def parts_found(
    search: Any, problem: Problem, budget: Budget, rng: np.random.Generator, most: int
) -> Iterator[Expression]:
    """Sub-expressions of what a search finds, those of the best formulas first; none is a whole formula."""
    hall = HallOfFame(problem)
    for _ in search.run(problem, budget, rng, hall, []):
        pass
    found: dict[Expression, None] = {}
    for candidate in sorted(hall.best.values(), key=lambda c: c.bits)[:_FORMULAS]:
        whole = candidate.expression.with_names(problem.names)
        for part in parts(whole):
            # The whole formula is no feature, unless it is right; then its parts lead to it.
            if part != whole:
                found[part] = None
    yield from list(found)[:most]


def seeded(view: View, seeds: Sequence[Expression]) -> Iterator[View]:
    """Views with parts of a guess as further columns, so that every stage treats them like variables."""
    for seed in seeds[:_VIEWS]:
        columns, chosen = [view.X], []
        for part in parts(seed.with_names(view.names)):
            with np.errstate(all="ignore"):
                values = part.evaluate(view.X)
            usable = np.all(np.isfinite(values)) and np.ptp(values) > 1e-9 * np.max(np.abs(values))
            if usable and not _known(values, columns):
                columns.append(values[:, None])
                chosen.append(part)
            if len(chosen) >= _PARTS:
                break
        if chosen:
            yield _with_columns(view, columns, chosen)


def _known(values: NDArray, columns: list[NDArray]) -> bool:
    """Whether a column is a combination of one and those that are there."""
    base = np.column_stack([np.ones(len(values)), *columns])
    base = base / np.maximum(np.linalg.norm(base, axis=0), 1e-300)
    rest = values - base @ np.linalg.lstsq(base, values, rcond=1e-12)[0]
    return bool(np.linalg.norm(rest) < 1e-7 * np.linalg.norm(values))


def _with_columns(view: View, columns: list[NDArray], chosen: list[Expression]) -> View:
    labels: dict[str, Expression] = {}
    for part in chosen:
        label = f"guess {len(labels)}"
        while label in view.names:
            label += "_"
        labels[label] = part

    def restore(e: Expression) -> Expression:
        return view.restore(e.substitute(labels).with_names(view.names))

    path = (*view.path, "guess: " + ", ".join(str(p) for p in chosen))
    return View(np.column_stack(columns), view.y, (*view.names, *labels), restore, path)
