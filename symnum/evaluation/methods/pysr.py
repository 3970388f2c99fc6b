"""PySR (Cranmer 2023, arXiv 2305.01582) in a process of its own, since Julia shares none with others."""

from __future__ import annotations

import importlib.util
import os
import shutil
from typing import Any

from symnum.evaluation.methods.base import Answer, Method, Training
from symnum.evaluation.methods.child import run_child
from symnum.exceptions import InvalidInput
from symnum.expressions.expression import Expression


class PySR(Method):
    """`pysr.PySRRegressor` with the operators of symnum's default list; compiled before the clock starts."""

    name = "pysr"
    distribution = "pysr"
    extra = "symnum-discovery[pysr]"
    start_seconds = 600.0

    def missing(self) -> str:
        """Why PySR cannot run here."""
        if importlib.util.find_spec("pysr") is None:
            return "pysr is not installed (pip install 'symnum-discovery[pysr]')"
        if not (shutil.which("julia") or os.environ.get("PYTHON_JULIAPKG_EXE")):
            return "no Julia: neither julia on the path nor PYTHON_JULIAPKG_EXE"
        return ""

    def fit(self, training: Training) -> Any:
        """Fit in the other process."""
        return run_child("symnum.evaluation.methods._pysr_child", training, self.start_seconds)

    def answer(self, fitted: Any, training: Training) -> Answer:
        """Front of PySR, and the formula that its `model_selection="best"` takes."""
        front, chosen, note = [], None, ""
        for place, text in enumerate(fitted["equations"]):
            try:
                expression = Expression.parse(text, training.names)
            except InvalidInput as error:
                note = str(error).splitlines()[0]
                continue
            front.append(expression)
            chosen = expression if place == fitted["best"] else chosen
        if chosen is None:
            raise InvalidInput(f"PySR's formula cannot be read: {note}")
        return Answer(
            predict=chosen.evaluate,
            expression=chosen,
            text=fitted["equations"][fitted["best"]],
            front=front,
            fit_seconds=fitted["seconds"],
            reported_size=fitted["complexity"],
        )
