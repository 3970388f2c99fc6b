"""The original DySymNet (Li et al. 2024, ICML) from its own distribution, in a process of its own."""

from __future__ import annotations

from typing import Any

from symnum.evaluation.methods.base import Answer, Method, Training
from symnum.evaluation.methods.child import run_child
from symnum.expressions.expression import Expression, default_names


class DySymNet(Method):
    """Package ``dysymnet`` with the parameters it comes with, stopped by the clock."""

    name = "dysymnet-original"
    distribution = "dysymnet"
    extra = "dysymnet"
    requires = ("DySymNet",)
    start_seconds = 60.0

    def load(self) -> None:
        """Nothing: the other process imports it."""

    def fit(self, training: Training) -> Any:
        """Fit in the other process."""
        return run_child("symnum.evaluation.methods._dysymnet_child", training, self.start_seconds)

    def answer(self, fitted: Any, training: Training) -> Answer:
        """The formula of largest R2 on the training rows that it had refined when the time was over."""
        expression = Expression.parse(fitted["equation"], default_names(len(training.names)))
        expression = expression.rename(training.names)
        return Answer(
            predict=expression.evaluate,
            expression=expression,
            text=fitted["equation"],
            front=[expression],
            fit_seconds=fitted["seconds"],
            stop_reason=fitted["stop_reason"],
            note=f"{fitted['refined']} formulas refined",
        )
