"""Several targets at once: one search a column, all under one budget."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions.expression import Expression

_STOPPED = ("interrupted", "stopped by callback")
_BRIEF = 2_000


def fit(
    model: Any,
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    sample_weight: Any,
    names: Sequence[str],
    X_units: Any,
    y_units: Any,
) -> None:
    """Fit a clone of `model` to every column of y (n, k) and hand their results to it as lists.

    Each search gets an equal share of what the ones before it left. When one is stopped (Ctrl-C, a callback,
    an alarm), the outputs that are left get a brief search, so that `predict` has a formula for each.

    Raises
    ------
    InvalidInput
        When guesses or units are not given for all columns alike or one by one.
    """
    count = y.shape[1]
    guesses = _for_each(model.guesses, count, "guesses")
    units = [y_units] * count if y_units is None or isinstance(y_units, str) else list(y_units)
    if len(units) != count:
        raise InvalidInput(f"{len(units)} y_units were given for {count} outputs")
    former = getattr(model, "outputs_", []) if model.warm_start else []
    made = [former[j] if len(former) == count else type(model)() for j in range(count)]
    table = _named(X, model)
    began, spent, stopped = time.perf_counter(), 0, False
    failure: BaseException | None = None
    for j, part in enumerate(made):
        share = count - j
        part.set_params(**{**model.get_params(deep=False), "guesses": guesses[j]})
        part._output = j
        if model.max_time is not None:
            part.max_time = max(1e-3, (model.max_time - (time.perf_counter() - began)) / share)
        if model.max_evals is not None:
            part.max_evals = max(1, (model.max_evals - spent) // share)
        if stopped:
            part.max_time, part.max_evals, part.callbacks = None, _BRIEF, None
        try:
            part.fit(table, y[:, j], sample_weight, names, X_units, units[j])
        except Exception as error:
            if j == 0 or not hasattr(part, "expressions_"):
                raise
            failure = error
        spent += int(part.ledger_["evaluations"].sum()) if len(part.ledger_) else 0
        stopped = stopped or failure is not None or part.stop_reason_ in _STOPPED
        part.max_time, part.max_evals, part.callbacks = model.max_time, model.max_evals, model.callbacks
    model.outputs_ = made
    model._collect()
    if failure is not None:
        raise failure


def _named(X: NDArray[np.float64], model: Any) -> Any:
    """Table with the columns' names where `model` was given them: each output checks them as it does."""
    if not hasattr(model, "feature_names_in_"):
        return X
    import pandas as pd

    return pd.DataFrame(X, columns=model.feature_names_in_)


def pairs(model: Any, index: Any) -> Iterator[tuple[Any, int | None]]:
    """Every output with its row of the front: one index for all, or a sequence of them."""
    if index is None or np.ndim(index) == 0:
        index = [index] * len(model.outputs_)
    if len(index) != len(model.outputs_):
        raise InvalidInput(f"{len(index)} indices were given for {len(model.outputs_)} outputs")
    return zip(model.outputs_, index, strict=True)


def _for_each(given: Any, count: int, what: str) -> list[Any]:
    """One entry an output from a list of lists, or the same list for all."""
    nested = given is not None and not isinstance(given, str) and len(given) > 0
    if nested and not any(isinstance(g, str | Expression) for g in given):
        if len(given) != count:
            raise InvalidInput(f"{what} holds {len(given)} lists for {count} outputs")
        return list(given)
    return [given] * count
