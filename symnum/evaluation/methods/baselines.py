"""Baselines of scikit-learn: one formula (linear) and three regressions without any."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.evaluation.methods.base import Answer, Method, Training
from symnum.expressions.expression import Expression

_KERNEL_ROWS = 2_000


class _Sklearn(Method):
    """An estimator of scikit-learn."""

    distribution = "scikit-learn"
    extra = "symnum-discovery"
    requires = ("sklearn.linear_model", "sklearn.ensemble", "sklearn.kernel_ridge", "sklearn.pipeline")

    def answer(self, fitted: Any, training: Training) -> Answer:
        """Predictions, and the size SRBench reports for such a model."""
        return Answer(predict=_flat(fitted), reported_size=self.size(fitted))

    def size(self, fitted: Any) -> int:
        """Size of the model in SRBench's way."""
        raise NotImplementedError


def _flat(model: Any) -> Any:
    def predict(X: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(model.predict(X), dtype=np.float64).reshape(-1)

    return predict


class Linear(_Sklearn):
    """Ordinary least squares."""

    name = "linear"

    def fit(self, training: Training) -> Any:
        """Fit."""
        from sklearn.linear_model import LinearRegression

        return LinearRegression().fit(training.X, training.y)

    def answer(self, fitted: Any, training: Training) -> Answer:
        """The linear formula."""
        expression = Expression.constant(float(fitted.intercept_), training.names)
        for j, slope in enumerate(fitted.coef_):
            if slope != 0:
                term = Expression.constant(float(slope), training.names) * Expression.variable(
                    j, training.names
                )
                expression = expression + term
        return Answer(
            _flat(fitted), expression, str(expression), [expression], reported_size=self.size(fitted)
        )

    def size(self, fitted: Any) -> int:
        """Number of coefficients."""
        return int(fitted.coef_.size + 1)


class RandomForest(_Sklearn):
    """A hundred trees."""

    name = "random-forest"

    def fit(self, training: Training) -> Any:
        """Fit."""
        from sklearn.ensemble import RandomForestRegressor

        forest = RandomForestRegressor(100, random_state=training.seed, n_jobs=training.n_jobs)
        return forest.fit(training.X, training.y)

    def size(self, fitted: Any) -> int:
        """Nodes of all trees."""
        return int(sum(tree.tree_.node_count for tree in fitted.estimators_))


class GradientBoosting(_Sklearn):
    """Boosted trees; by histograms when there are many rows."""

    name = "gradient-boosting"

    def fit(self, training: Training) -> Any:
        """Fit."""
        from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor

        if len(training.y) > 5_000:
            return HistGradientBoostingRegressor(random_state=training.seed).fit(training.X, training.y)
        return GradientBoostingRegressor(random_state=training.seed).fit(training.X, training.y)

    def size(self, fitted: Any) -> int:
        """Nodes of all trees."""
        if hasattr(fitted, "estimators_"):
            return int(sum(tree.tree_.node_count for tree in fitted.estimators_.ravel()))
        return int(sum(len(tree.nodes) for round_ in fitted._predictors for tree in round_))


class KernelRidge(_Sklearn):
    """Gaussian kernel on standardised columns, penalty and width by cross-validation."""

    name = "kernel-ridge"

    def fit(self, training: Training) -> Any:
        """Fit on at most 2,000 rows: the work grows with their cube."""
        from sklearn.compose import TransformedTargetRegressor
        from sklearn.kernel_ridge import KernelRidge as Ridge
        from sklearn.model_selection import GridSearchCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        rows = np.random.default_rng(training.seed).permutation(len(training.y))[:_KERNEL_ROWS]
        grid = {"alpha": [1e-6, 1e-4, 1e-2, 1.0], "gamma": [0.01, 0.1, 1.0]}
        folds = min(3, max(2, len(rows) // 3))
        search = GridSearchCV(Ridge(kernel="rbf"), grid, cv=folds, n_jobs=1)
        model = TransformedTargetRegressor(
            make_pipeline(StandardScaler(), search), transformer=StandardScaler()
        )
        return model.fit(training.X[rows], training.y[rows])

    def size(self, fitted: Any) -> int:
        """Number of dual coefficients."""
        return int(fitted.regressor_[-1].best_estimator_.dual_coef_.size)
