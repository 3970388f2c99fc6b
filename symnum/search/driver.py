"""One search for one target: guesses, then the backend, again with new row weights for other losses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.expression import Expression
from symnum.problem import Problem
from symnum.search import constants, guesses
from symnum.search.bank import DEFAULT_BINARY, DEFAULT_UNARY, Bank
from symnum.search.budget import Budget
from symnum.search.candidate import Candidate, HallOfFame, fit_rows
from symnum.search.features import select_columns
from symnum.search.losses import left_out, refine, row_weights
from symnum.search.macros import enumerated
from symnum.search.memory import PLAIN
from symnum.search.plain import plain
from symnum.search.settings import Settings
from symnum.search.template_search import TemplateSearch

_SHARES = (0.4, 0.5, 1.0)
"""Of what is left, what each round of a search with row weights may use."""
_FINAL_ROWS = 20_000
_PLAIN, _PLAIN_ROWS = 20_000, 36


def search(
    problem: Problem,
    settings: Settings,
    budget: Budget,
    rng: np.random.Generator,
    hall: HallOfFame,
    ledger: list[Any],
) -> Iterator[Candidate]:
    """Yield each candidate that enters the hall of fame.

    Parameters
    ----------
    problem : Problem
        All rows and columns.
    settings : Settings
    budget : Budget
        Started.
    rng : Generator
    hall : HallOfFame
        Of `problem`; it holds the loss and the rules.
    ledger : list
        Takes a row for each stage.
    """
    fit = fit_rows(problem)
    if settings.template is not None:
        rows = replace(
            problem, X=problem.X[fit], y=problem.y[fit], weights=_take(problem.weights, fit), truth=None
        )
        filling = TemplateSearch(
            settings.template, rows, settings.backend, settings.operators, budget, rng, hall, ledger
        )
        yield from filling.run(settings.rules)
        return
    if settings.guesses:
        X, y, w = problem.X[fit], problem.y[fit], _take(problem.weights, fit)
        made = guesses.refined(settings.guesses, X, y, w, rng, settings.n_jobs)
        yield from _judge(made, "guess", hall, budget)
        ranked = sorted(hall.best.values(), key=lambda c: c.bits)[:3]
        simple = (
            constants.polish(c.expression, X, y, w, lambda f: hall.bits(f, X, y, w), lambda: _late(budget))
            for c in ranked
        )
        yield from _judge(simple, "guess, polished", hall, budget)
        if hall.exact() is not None and hall.row_loss.squared:
            budget.stop("exact formula found")
            return
    inner = _inner(problem, settings)
    hall.seeds = tuple(g for g in settings.guesses if {g.names[i] for i in g.variables} <= set(inner.names))
    if settings.rules.operators is not None and settings.rules.operators.isdisjoint(("mul", "div")):
        yield from _judge(_plain(inner, settings, budget), "plain elements", hall, budget)
    if hall.row_loss.squared:
        yield from settings.backend.run(inner, budget, rng, hall, ledger)
    else:
        yield from _reweighted(inner, settings, budget, rng, hall, ledger)


def _plain(problem: Problem, settings: Settings, budget: Budget) -> Iterator[Expression]:
    """Elements of a small bank; readouts would put factors before them, which the operators do not allow."""
    X = problem.X[fit_rows(problem)]
    unary, binary = enumerated(settings.operators, settings.rules.macros, DEFAULT_UNARY, DEFAULT_BINARY)
    size = budget.elements(min(_PLAIN, budget.evals_left() // 4), PLAIN)
    if size < 10:
        return
    bank = Bank.start(
        np.ascontiguousarray(X[:_PLAIN_ROWS]), problem.names, unary, binary, size, None, settings.rules
    )
    bank.grow(size, lambda: _late(budget))
    budget.charge(bank.generated)
    rows = fit_rows(problem)
    yield from plain(bank, X, problem.y[rows], _take(problem.weights, rows))


def _inner(problem: Problem, settings: Settings) -> Problem:
    """Problem without constant columns and, of very many, those without influence."""
    columns = select_columns(problem)
    wanted = {j for g in settings.guesses for j in g.variables if np.ptp(problem.X[:, j]) > 0}
    columns = sorted(wanted.union(columns))
    if len(columns) == problem.X.shape[1]:
        return problem
    units = None if problem.units is None else (*(problem.units[j] for j in columns), problem.units[-1])
    return replace(
        problem,
        X=problem.X[:, columns],
        names=tuple(problem.names[j] for j in columns),
        units=units,
        truth=None,
    )


def _reweighted(
    problem: Problem,
    settings: Settings,
    budget: Budget,
    rng: np.random.Generator,
    hall: HallOfFame,
    ledger: list[Any],
) -> Iterator[Candidate]:
    """Least-squares searches on rows weighted by the loss; every find has its constants refined for the loss.

    The first weights come from kernel regression, later ones from the best formula.
    """
    rows = fit_rows(problem)
    X, y, weights = problem.X[rows], problem.y[rows], _take(problem.weights, rows)
    residual = left_out(X, y)
    before: NDArray | None = None
    reason = ""
    for share in _SHARES:
        made = row_weights(hall.row_loss, y, residual)
        if before is not None and np.allclose(made, before, atol=0.1):
            break
        before = made
        part = budget.part(share)
        weighted = replace(problem, X=X, y=y, weights=made if weights is None else made * weights, truth=None)
        for candidate in settings.backend.run(weighted, part, rng, hall, ledger):
            yield candidate
            if candidate in hall.front():
                forms = [candidate.expression]
                yield from _for_loss(forms, problem.names, X, y, weights, hall, budget, thorough=False)
        budget.take_back(part)
        reason = part.reason
        if reason == "exact formula found" or budget.expired():
            break
        best = min(hall.best.values(), key=lambda c: c.bits).expression.with_names(problem.names)
        with np.errstate(all="ignore"):
            residual = np.nan_to_num(y - best.evaluate(X))
    yield from _last(problem, weights, rows, hall, budget)
    budget.stop(reason)


def _for_loss(
    forms: Iterable[Expression],
    names: tuple[str, ...],
    X: NDArray,
    y: NDArray,
    weights: NDArray | None,
    hall: HallOfFame,
    budget: Budget,
    thorough: bool = True,
) -> Iterator[Candidate]:
    made = (
        refine(e.with_names(names), hall.row_loss, X, y, weights, lambda: _late(budget), thorough)
        for e in forms
    )
    yield from _judge(made, f"refined, {hall.row_loss.name} loss", hall, budget)


def _last(
    problem: Problem, weights: NDArray | None, rows: NDArray, hall: HallOfFame, budget: Budget
) -> Iterator[Candidate]:
    """Simple constants where the loss allows them, and those of many rows."""
    X, y = problem.X[rows], problem.y[rows]
    forms = [c.expression for c in sorted(hall.best.values(), key=lambda c: c.bits)[:6]]
    yield from _for_loss(forms, problem.names, X, y, weights, hall, budget)
    for candidate in sorted(hall.best.values(), key=lambda c: c.bits)[:4]:
        e = candidate.expression.with_names(problem.names)
        with np.errstate(all="ignore"):
            residual = y - e.evaluate(X)
        row = row_weights(hall.row_loss, y, residual) * (1 if weights is None else weights)
        made = constants.polish(e, X, y, row, lambda f: hall.bits(f, X, y, weights), lambda: _late(budget))
        yield from _judge([made], "polish", hall, budget)
    if len(problem.y) > len(rows):
        many = np.sort(np.random.default_rng(len(problem.y)).permutation(len(problem.y))[:_FINAL_ROWS])
        w = _take(problem.weights, many)
        if w is None or np.any(w > 0):
            forms = [c.expression for c in sorted(hall.best.values(), key=lambda c: c.bits)[:4]]
            yield from _for_loss(forms, problem.names, problem.X[many], problem.y[many], w, hall, budget)


def _judge(made: Iterable[Expression], stage: str, hall: HallOfFame, budget: Budget) -> Iterator[Candidate]:
    for e in made:
        budget.charge(1)
        candidate = hall.add(e, stage, budget.elapsed)
        if candidate is not None:
            yield candidate


def _late(budget: Budget) -> bool:
    """Whether the clock says stop; without a time limit it decides nothing."""
    return budget.max_time is not None and budget.left() <= 0


def _take(weights: NDArray | None, rows: NDArray) -> NDArray | None:
    return None if weights is None else weights[rows]
