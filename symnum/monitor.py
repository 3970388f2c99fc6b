"""What is told while a search runs: lines, log, callbacks, history, checkpoints."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from symnum.run_folder import Checkpoints, open_folder
from symnum.search.budget import Budget
from symnum.search.candidate import Candidate, HallOfFame
from symnum.search.scaling import as_given, loss_as_given

log: logging.Logger = logging.getLogger("symnum")
log.addHandler(logging.NullHandler())  # the user's program decides what is done with messages


@dataclass(frozen=True, slots=True)
class SearchEvent:
    """What a callback is shown: the state of a running search.

    Attributes
    ----------
    front : list of Candidate
        Pareto front, simple to exact.
    elapsed : float
        Seconds since the start.
    evaluations : int
        Expressions formed.
    stage : str
        Which part of the search changed the front.
    output : int
        Column of y, 0 for a single one.
    """

    front: list[Candidate]
    elapsed: float
    evaluations: int
    stage: str
    output: int = 0


@dataclass(frozen=True, slots=True)
class SearchStart:
    """What the method ``on_fit_begin`` of a callback is shown, if it has one.

    Attributes
    ----------
    max_time, max_evals : float or None, int or None
        Limits of the search.
    names : tuple of str
        Columns.
    rows : int
        Rows.
    output : int
        Column of y, 0 for a single one.
    """

    max_time: float | None
    max_evals: int | None
    names: tuple[str, ...]
    rows: int
    output: int = 0


class Monitor:
    """Tells callbacks, log and disk what a search finds.

    Parameters
    ----------
    model : SymbolicRegressor
        Being fitted.
    hall : HallOfFame
    budget : Budget
    ledger : list
        That the search fills.
    """

    def __init__(self, model: Any, hall: HallOfFame, budget: Budget, ledger: list[Any]) -> None:
        self.model: Any = model
        self.hall: HallOfFame = hall
        self.budget: Budget = budget
        self.ledger: list[Any] = ledger
        self.history: list[dict[str, Any]] = []
        self.checkpoints: Checkpoints | None = None
        folder = run_folder(model)
        if folder is not None:
            self.checkpoints = Checkpoints(model, hall, open_folder(folder, model.warm_start))

    def __enter__(self) -> Monitor:
        problem, model = self.hall.problem, self.model
        start = SearchStart(
            self.budget.max_time, self.budget.max_evals, problem.names, len(problem.y), model._output
        )
        log.info("search begins: %d rows, %d columns", start.rows, len(start.names))
        for callback in model.callbacks or ():
            if hasattr(callback, "on_fit_begin"):
                callback.on_fit_begin(start)
        return self

    def __exit__(self, *_: object) -> None:
        for callback in self.model.callbacks or ():
            if hasattr(callback, "on_fit_end"):
                callback.on_fit_end()
        if self.checkpoints is not None:
            self.checkpoints.close()
            if self.checkpoints.failure is not None:
                message = f"a checkpoint could not be written: {self.checkpoints.failure}"
                warnings.warn(message, RuntimeWarning, stacklevel=4)
        log.info("search ends after %.2f s: %s", self.budget.elapsed, self.budget.reason or "finished")

    def tell(self, candidate: Candidate) -> bool:
        """Whether a callback wants to stop after this candidate; only those of the front are told."""
        front = self.hall.front()
        if candidate not in front:
            return False
        shown = as_given(self.hall, front)[1]
        if self.hall.scaling is not None:  # its formula in the user's numbers, unless it has none
            stage = candidate.stage
            candidate = next((c for c in shown if (c.bits, c.stage) == (candidate.bits, stage)), None)
            if candidate is None:
                return False
        elapsed, evaluations = self.budget.elapsed, self.budget.evaluations
        text, loss = candidate.expression.text(6), loss_as_given(self.hall, candidate.loss)
        if self.model.verbose:
            print(f"[{elapsed:7.2f} s] {loss:12.5g}  {text}")  # noqa: T201
        log.debug("%.2f s, %s: loss %.5g, %s", elapsed, candidate.stage, loss, text)
        self.history.append({
            "seconds": elapsed, "evaluations": evaluations, "stage": candidate.stage,
            "complexity": candidate.complexity, "loss": loss, "r2": candidate.r2,
            "bits": candidate.bits, "equation": text,
        })  # fmt: skip
        if self.checkpoints is not None:
            self.checkpoints.show(front, self.ledger, self.history, elapsed)
        event = SearchEvent(shown, elapsed, evaluations, candidate.stage, self.model._output)
        return any([bool(callback(event)) for callback in self.model.callbacks or ()])


def run_folder(model: Any) -> Path | None:
    """Folder of a run; each output of several has one inside."""
    if model.output_directory is None:
        return None
    folder = Path(model.output_directory)
    return folder / f"output-{model._output}" if "_output" in vars(model) else folder
