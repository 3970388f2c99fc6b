"""Operon (Burlacu, Kronberger and Kommenda 2020, doi 10.1145/3377929.3398099) through pyoperon."""

from __future__ import annotations

from typing import Any

import numpy as np

from symnum.evaluation.methods.base import Answer, Method, Training
from symnum.exceptions import InvalidInput
from symnum.search.operon_trees import from_operon

SETTINGS: dict[str, Any] = {
    # The operators of SRBench's ground-truth track; length, objectives and local search as its 2022+ entry.
    "allowed_symbols": "add,sub,mul,div,constant,variable,sin,cos,exp,log,sqrt,square",
    "objectives": ["r2", "length"],
    "optimizer_iterations": 5,
    "max_length": 50,
    "population_size": 1000,
    # Only the clock may end it.
    "generations": 10**9,
    "max_evaluations": 10**15,
    "epsilon": 0.0,
}


class Operon(Method):
    """`pyoperon.sklearn.SymbolicRegressor`: NSGA-II on R2 and length with Levenberg-Marquardt."""

    name = "operon"
    distribution = "pyoperon"
    extra = "symnum-discovery"
    requires = ("pyoperon.sklearn",)

    def missing(self) -> str:
        """Why it cannot run here."""
        import importlib.util

        return (
            "" if importlib.util.find_spec("pyoperon") else "pyoperon is not installed (pip install pyoperon)"
        )

    def fit(self, training: Training) -> Any:
        """Fit until the clock says stop; Operon counts whole seconds."""
        from pyoperon.sklearn import SymbolicRegressor

        model = SymbolicRegressor(
            **SETTINGS,
            n_threads=training.n_jobs,
            max_time=max(1, round(training.max_time)),
            random_state=training.seed,
            uncertainty=[_noise_level(training)],
        )
        return model.fit(training.X, training.y)

    def answer(self, fitted: Any, training: Training) -> Answer:
        """Model of least description length, and the front by length."""
        places = {h: int(name[1:]) - 1 for h, name in fitted.variables_.items()}
        front = []
        for solution in sorted(fitted.pareto_front_, key=lambda s: s["length"]):
            try:
                front.append(from_operon(solution["tree"].Nodes, places, training.names))
            except InvalidInput:  # constants that are no numbers
                continue
        note = ""
        try:
            expression = from_operon(fitted.model_.Nodes, places, training.names)
        except InvalidInput as error:
            expression, note = None, str(error)
        return Answer(
            predict=lambda X: np.asarray(fitted.predict(X), dtype=np.float64),
            expression=expression,
            text=fitted.get_model_string(fitted.model_, 12, list(training.names)),
            front=front,
            reported_size=int(fitted.stats_["model_length"]),
            evaluations=int(fitted.stats_["residual_evaluations"]),
            stop_reason=f"{fitted.stats_['generations']} generations",
            note=note,
        )


def _noise_level(training: Training) -> float:
    """Noise for the description length: residual of a random forest, as in SRBench's Operon entry."""
    from sklearn.ensemble import RandomForestRegressor

    rows = np.random.default_rng(training.seed).permutation(len(training.y))[:1000]
    forest = RandomForestRegressor(50, random_state=training.seed, n_jobs=training.n_jobs)
    forest.fit(training.X[rows], training.y[rows])
    error = training.y[rows] - forest.predict(training.X[rows])
    return float(np.sqrt(np.mean(error**2))) or 1e-12
