"""PySINDy: sparse regression on a library of terms, for systems of differential equations."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np

from symnum.evaluation.methods.base import Answer, Method, NotApplicable, Training
from symnum.expressions.expression import Expression, default_names

THRESHOLDS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
DEGREE = 3


class Sindy(Method):
    """Polynomials to the third degree, sine and cosine; STLSQ, its threshold by BIC on the training rows.

    It is given the derivative itself, as all methods are, so its own differentiation plays no part.
    """

    name = "pysindy"
    distribution = "pysindy"
    requires = ("pysindy",)

    def fit(self, training: Training) -> Any:
        """Fit for each threshold and keep the one with the least BIC."""
        import pysindy as ps

        if training.trajectory is None:
            raise NotApplicable(
                "pysindy is for systems of differential equations; these rows are no trajectory"
            )
        library = ps.ConcatLibrary([ps.PolynomialLibrary(DEGREE), ps.FourierLibrary(n_frequencies=1)])
        best: tuple[float, Any] | None = None
        n, inputs = len(training.y), default_names(training.X.shape[1])
        for threshold in THRESHOLDS:
            model = ps.SINDy(ps.STLSQ(threshold=threshold, alpha=1e-6), library)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(training.X, t=1.0, x_dot=training.y[:, None], feature_names=list(inputs))
                error = training.y - np.asarray(model.predict(training.X)).reshape(-1)
            terms = int(np.count_nonzero(model.coefficients()))
            floor = 1e-26 * float(np.mean(training.y**2))
            score = n * np.log(float(np.mean(error**2)) + floor) + terms * np.log(n)
            if best is None or score < best[0]:
                best = (score, model)
        return best[1]  # type: ignore[index]

    def answer(self, fitted: Any, training: Training) -> Answer:
        """Sum of the terms that are left."""
        inputs = default_names(len(training.names))
        expression = Expression.constant(0.0, inputs)
        first = True
        for name, factor in zip(fitted.get_feature_names(), fitted.coefficients()[0], strict=True):
            if factor == 0:
                continue
            text = re.sub(r"(?<=[\w)]) (?=\w)", "*", name).replace("^", "**")
            term = float(factor) * Expression.parse(text, inputs)
            term = Expression.constant(float(factor), inputs) if name == "1" else term
            expression, first = (term if first else expression + term), False
        expression = expression.rename(training.names)
        return Answer(
            predict=lambda X: np.asarray(fitted.predict(X), dtype=np.float64).reshape(-1),
            expression=expression,
            text=fitted.equations()[0],
            front=[expression],
            reported_size=int(np.count_nonzero(fitted.coefficients())),
        )
