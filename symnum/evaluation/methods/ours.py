"""symnum's own searches as methods."""

from __future__ import annotations

from typing import Any

from symnum.evaluation.methods.base import Answer, Method, Training
from symnum.expressions.expression import Expression

_ROOMS = {
    "dysymnet": "symnum.search.dysymnet.epochs",
    "snip": "symnum.search.snip.sampling",
    "snip-latent": "symnum.search.snip.latent",
    "tpsr": "symnum.search.snip.planning",
}
"""What searches with torch import when they begin; it is no part of a fit's seconds."""


class Symnum(Method):
    """`SymbolicRegressor` with one of its searches.

    Parameters
    ----------
    name : str
    search : str
        A name of `symnum.search.backends.BACKENDS`.
    units : bool
        Whether it is told the units of columns and target.
    """

    distribution = "symnum-discovery"
    requires = ("symnum.regressor",)

    def __init__(self, name: str, search: str = "auto", units: bool = False) -> None:
        self.name, self.search, self.units = name, search, units
        if search in _ROOMS:
            self.requires = (*self.requires, _ROOMS[search])

    @property
    def version(self) -> str:
        """Version of symnum."""
        import symnum

        return symnum.__version__

    def missing(self) -> str:
        """What the search lacks: torch, or Julia."""
        from symnum.search.backends import missing

        return super().missing() or missing(self.search)

    def load(self) -> None:
        """Make the search as well: a wrong name is told before the first fit."""
        from symnum.search.backends import make_backend

        super().load()
        make_backend(self.search, None, 1)

    def fit(self, training: Training) -> Any:
        """Fit, noting when the front changes."""
        from symnum.regressor import SymbolicRegressor

        events: list[tuple[float, int, list[Expression]]] = []

        def watch(event: Any) -> None:
            events.append((event.elapsed, event.evaluations, [c.expression for c in event.front]))

        model = SymbolicRegressor(
            search=self.search,
            max_time=training.max_time,
            n_jobs=training.n_jobs,
            random_state=training.seed,
            callbacks=[watch],
        )
        units: dict[str, Any] = {}
        if self.units and training.units is not None:
            units = {"X_units": list(training.units[:-1]), "y_units": training.units[-1]}
        model.fit(training.X, training.y, variable_names=training.names, **units)
        return model, events

    def answer(self, fitted: Any, training: Training) -> Answer:
        """Selected formula, front, and the first time each formula was on the front."""
        model, events = fitted
        history: dict[Expression, float] = {}
        for elapsed, _, front in events:
            for expression in front:
                history.setdefault(expression, elapsed)
        chosen = model.expressions_[model.best_index_]
        ledger = model.ledger_
        evaluations = int(ledger["evaluations"].sum()) if "evaluations" in ledger else None
        return Answer(
            predict=model.predict,
            expression=chosen,
            text=str(chosen),
            front=list(model.expressions_),
            history=[(seconds, expression) for expression, seconds in history.items()],
            evaluations=evaluations,
            stop_reason=model.stop_reason_,
            note="" if training.units or not self.units else "no units known for this problem",
        )
