"""gplearn: plain tree-based genetic programming, the usual reference point."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np

from symnum.evaluation.methods.base import Answer, Method, Training
from symnum.exceptions import InvalidInput
from symnum.expressions.expression import Expression

SETTINGS: dict[str, Any] = {
    # SRBench's setting, with generations left to the clock.
    "population_size": 1000,
    "tournament_size": 20,
    "init_depth": (2, 6),
    "function_set": ("add", "sub", "mul", "div", "log", "sqrt", "sin", "cos"),
    "metric": "mean absolute error",
    "parsimony_coefficient": 0.001,
    "low_memory": True,
    "warm_start": True,
}
_PROTECTED = {"sqrt", "log"}
_PLAIN = {"add", "sub", "mul", "div", "sin", "cos", "tan", "abs", "neg", "inv", "min", "max"}


class Gplearn(Method):
    """`gplearn.genetic.SymbolicRegressor`, one generation after the other until the time is over."""

    name = "gplearn"
    distribution = "gplearn"
    requires = ("gplearn",)

    def load(self) -> None:
        """Import gplearn."""
        import gplearn.genetic  # noqa: F401

    def fit(self, training: Training) -> Any:
        """Run generations; one that would probably end too late is not begun."""
        from gplearn.genetic import SymbolicRegressor

        began = time.perf_counter()
        # One process: sending populations of this size to worker processes costs more than it brings.
        model = SymbolicRegressor(**SETTINGS, random_state=training.seed, n_jobs=1)
        best: list[tuple[float, Any]] = []
        generation, last = 0, 0.0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            while generation == 0 or time.perf_counter() - began + last < training.max_time:
                start = time.perf_counter()
                generation += 1
                model.set_params(generations=generation).fit(training.X, training.y)
                last = time.perf_counter() - start
                best.append((time.perf_counter() - began, model._program))
        return model, best

    def answer(self, fitted: Any, training: Training) -> Answer:
        """Best program of the last generation, as the estimator has it."""
        model, best = fitted
        history: dict[Expression, float] = {}
        for seconds, program in best:
            try:
                history.setdefault(translate(program.program, training.names), seconds)
            except InvalidInput:
                continue
        try:
            expression, note = translate(model._program.program, training.names), ""
        except InvalidInput as error:
            expression, note = None, str(error)
        return Answer(
            predict=lambda X: np.asarray(model.predict(X), dtype=np.float64),
            expression=expression,
            text=str(model._program),
            front=[] if expression is None else [expression],
            history=[(seconds, e) for e, seconds in history.items()],
            reported_size=int(model._program.length_),
            evaluations=len(best) * SETTINGS["population_size"],
            stop_reason=f"{len(best)} generations",
            note=note,
        )


def translate(program: Any, names: tuple[str, ...]) -> Expression:
    """Expression of a gplearn program.

    Parameters
    ----------
    program : list
        Prefix: functions, column numbers (int) and constants (float).
    names : tuple of str

    Notes
    -----
    Protected root and logarithm are those of the absolute value. Protected division by something below 0.001
    gives 1 and the protected logarithm there gives 0; the expression has no such steps, and the difference
    shows in the column ``formula_gap``.

    Raises
    ------
    InvalidInput
        For a function without counterpart.
    """
    stack: list[Expression] = []
    for item in reversed(program):
        if isinstance(item, int | np.integer):
            stack.append(Expression.variable(int(item), names))
        elif isinstance(item, float | np.floating):
            stack.append(Expression.constant(float(item), names))
        else:
            args = [stack.pop() for _ in range(item.arity)]
            if item.name in _PROTECTED:
                stack.append(Expression.apply(item.name, Expression.apply("abs", args[0])))
            elif item.name in _PLAIN:
                stack.append(Expression.apply(item.name, *args))
            else:
                raise InvalidInput(f"gplearn's function {item.name!r} has no counterpart")
    return stack[0]
