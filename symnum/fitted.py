"""Fitted attributes of a `SymbolicRegressor` from the front of a search, at its end or on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from symnum.expressions.expression import Expression
from symnum.problem import Problem
from symnum.search.candidate import Candidate, HallOfFame
from symnum.search.scaling import as_given, loss_as_given
from symnum.search.selection import scores, select
from symnum.uncertainty import of_front


def set_results(
    model: Any,
    hall: HallOfFame,
    front: Sequence[Candidate],
    ledger: Sequence[Any],
    history: Sequence[dict[str, Any]],
    seconds: float,
    reason: str,
) -> None:
    """Give a model what `fit` promises.

    Parameters
    ----------
    model : SymbolicRegressor
        Its parameters say how a formula is selected.
    hall : HallOfFame
        What the front was judged by; only what does not change while a search runs is read.
    front : sequence of Candidate
        Simple to exact.
    ledger, history : sequences
        Stages; states of the search.
    seconds : float
        How long the search took.
    reason : str
        Why it ended.
    """
    import pandas as pd

    problem, front = as_given(hall, front)
    model.expressions_ = [c.expression for c in front]
    consistent = units_consistent(model.expressions_, problem)
    allowed = [i for i, ok in enumerate(consistent) if ok] or list(range(len(front)))
    rule, power = model.model_selection, hall.row_loss.power
    model.best_index_ = allowed[select([front[i] for i in allowed], rule, hall.rows, hall.scale, power)]
    shortest = min(range(len(front)), key=lambda i: front[i].bits)
    if not consistent[shortest]:
        text = model.expressions_[shortest].text(6)
        reason += f"; a formula with a far better fit contradicts the units, check them: {text}"
    table = {
        "complexity": [c.complexity for c in front],
        "loss": [loss_as_given(hall, c.loss) for c in front],
        "score": scores(front),
        "r2": [c.r2 for c in front],
        "equation": [str(e) for e in model.expressions_],
        "selected": [i == model.best_index_ for i in range(len(front))],
    }
    if problem.units is not None:
        table["units_ok"] = consistent
    model.equations_ = pd.DataFrame(table)
    # Covariances in numbers of extreme size are no float64: nothing is said about them.
    squared = hall.row_loss.squared and hall.scaling is None
    model.uncertainties_ = of_front(model.expressions_, problem, [c.loss for c in front], squared)
    model.ledger_ = pd.DataFrame([asdict(stage) for stage in ledger])
    model.history_ = pd.DataFrame(list(history))
    model.seconds_, model.stop_reason_, model._template = seconds, reason, model.template
    model.units_ = None if problem.units is None else tuple(str(u) for u in problem.units)
    model.n_rows_ = len(problem.y)


def units_consistent(expressions: Sequence[Expression], problem: Problem) -> list[bool]:
    """Whether the units of a problem allow each formula; where there are none they allow all."""
    if problem.units is None:
        return [True] * len(expressions)
    from symnum.expressions.units import check_units

    return [bool(check_units(e, problem.units[:-1], problem.units[-1])) for e in expressions]
