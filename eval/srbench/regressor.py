"""symnum as SRBench takes a method: ``est``, ``model`` and their optional companions."""

from __future__ import annotations

import os
from typing import Any

from sklearn.base import BaseEstimator, RegressorMixin

from symnum import SymbolicRegressor

# SRBench sets max_time and random_state by attribute; its number of cores is in the environment.
est = SymbolicRegressor(max_time=3600, n_jobs=int(os.environ.get("OMP_NUM_THREADS") or 1))

# One configuration: nothing is tuned, the whole budget goes into one search.
hyper_params: list[dict[str, list[Any]]] = []

eval_kwargs: dict[str, Any] = {"test_params": {"max_time": 5}, "scale_x": True, "scale_y": True}


class FrontMember(RegressorMixin, BaseEstimator):
    """One formula of a fitted front, usable like an estimator of its own.

    Parameters
    ----------
    regressor : SymbolicRegressor
        Fitted.
    index : int
        Row of its `equations_`.
    """

    def __init__(self, regressor: SymbolicRegressor, index: int) -> None:
        self.regressor = regressor
        self.index = index

    def fit(self, X: Any, y: Any) -> FrontMember:
        """Do nothing: the formula is known."""
        return self

    def predict(self, X: Any) -> Any:
        """Values of the formula, shape (n,)."""
        return self.regressor.predict(X, index=self.index)


def _formula(estimator: SymbolicRegressor | FrontMember) -> Any:
    if isinstance(estimator, FrontMember):
        return estimator.regressor.expressions_[estimator.index]
    return estimator.expressions_[estimator.best_index_]


def model(est: SymbolicRegressor | FrontMember, X: Any = None) -> str:
    """Sympy-compatible text of the model, in the column names of `X` where it is given."""
    formula = _formula(est)
    if X is not None and hasattr(X, "columns"):
        formula = formula.rename([str(name) for name in X.columns])
    return str(formula.sympy())


def complexity(est: SymbolicRegressor | FrontMember) -> int:
    """Nodes of the model; SRBench falls back on it when it cannot read the text."""
    return int(_formula(est).complexity)


def get_population(est: SymbolicRegressor) -> list[FrontMember]:
    """Return the Pareto front, at most a hundred formulas."""
    return [FrontMember(est, index) for index in range(min(100, len(est.expressions_)))]


def get_best_solution(est: SymbolicRegressor) -> SymbolicRegressor:
    """Return the estimator, which predicts with the formula it selected."""
    return est
