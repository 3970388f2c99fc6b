"""Any module with SRBench's contract: ``est`` and ``model``, found by path or by dotted name."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from symnum.evaluation.methods.base import Answer, FitTimeout, Method, Training
from symnum.exceptions import InvalidInput
from symnum.expressions.expression import Expression

TIME_ATTRIBUTES = ("max_time", "timeout_in_seconds", "timeout", "stop_time", "time_limit")
"""Attributes that SRBench 2025 sets to the budget; the first one found wins."""


class Contract(Method):
    """A method as SRBench takes it.

    Parameters
    ----------
    name : str
        Path of a ``regressor.py``, or dotted name of a module.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._module: ModuleType | None = None

    def missing(self) -> str:
        """Why the module cannot be used."""
        try:
            self.load()
        except (ImportError, InvalidInput) as error:
            return str(error)
        return ""

    def load(self) -> None:
        """Import the module.

        Raises
        ------
        InvalidInput
            When there is no such file, or it has no ``est`` or no ``model``.
        """
        if self._module is not None:
            return
        module = (
            _from_path(Path(self.name)) if self.name.endswith(".py") else importlib.import_module(self.name)
        )
        if not hasattr(module, "est") or not hasattr(module, "model"):
            raise InvalidInput(f"{self.name} lacks est or model, which SRBench's contract asks for")
        self._module = module

    @property
    def version(self) -> str:
        """Version that the module gives, if it does."""
        return str(getattr(self._module, "__version__", ""))

    def fit(self, training: Training) -> Any:
        """Fit as SRBench 2025 does: budget and seed by attribute, a DataFrame unless it is refused."""
        import pandas as pd
        from sklearn.base import clone

        self.load()
        module = self._module
        kwargs = dict(getattr(module, "eval_kwargs", {}))
        est: Any = clone(module.est)  # type: ignore[union-attr]
        for attribute in TIME_ATTRIBUTES:
            if hasattr(est, attribute):
                setattr(
                    est, attribute, int(training.max_time) if training.max_time >= 1 else training.max_time
                )
                break
        if hasattr(est, "random_state"):
            est.random_state = training.seed
        for threads in ("n_jobs", "n_threads"):
            if hasattr(est, threads):
                setattr(est, threads, training.n_jobs)
        X: Any = training.X
        if kwargs.get("use_dataframe", True):
            X = pd.DataFrame(training.X, columns=list(training.names))
        if kwargs.get("pre_train"):
            kwargs["pre_train"](est, X, training.y)
        # SRBench rings an alarm, too, and goes on with whatever the estimator has then.
        with contextlib.suppress(FitTimeout):
            est.fit(X, training.y)
        return est, kwargs.get("use_dataframe", True)

    def answer(self, fitted: Any, training: Training) -> Answer:
        """Read the model's text; it is parsed by symnum's own parser, never evaluated."""
        import pandas as pd

        est, framed = fitted
        module = self._module
        columns = list(training.names)
        model = module.model  # type: ignore[union-attr]
        if model is None:
            text = None
        elif "X" in inspect.signature(model).parameters:
            text = str(model(est, pd.DataFrame(training.X, columns=columns)))
        else:
            text = str(model(est))
        expression, note = None, "the method has no formula"
        if text is not None:
            try:
                expression, note = Expression.parse(text, training.names), ""
            except InvalidInput as error:
                note = f"the model's text cannot be read: {str(error).splitlines()[0]}"
        size: Any = getattr(module, "complexity", None)

        def predict(X: Any) -> Any:
            given = pd.DataFrame(X, columns=columns) if framed else X
            return np.asarray(est.predict(given), dtype=np.float64).reshape(-1)

        return Answer(
            predict=predict,
            expression=expression,
            text=text,
            front=[] if expression is None else [expression],
            reported_size=int(size(est)) if size is not None else None,
            note=note,
        )


def _from_path(path: Path) -> ModuleType:
    """Module of a file, under a name of its own."""
    if not path.is_file():
        raise InvalidInput(f"no file {str(path)!r}; expected the path of a regressor.py with est and model")
    name = f"_srbench_method_{path.resolve().parent.name}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InvalidInput(f"{str(path)!r} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # so that what it defines can be pickled
    spec.loader.exec_module(module)
    return module
