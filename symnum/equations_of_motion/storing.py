"""Fitted systems as JSON: plain data out, checked data in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from symnum.equations_of_motion.recordings import Recording
from symnum.equations_of_motion.solution import Begin, Solution
from symnum.expressions.expression import Expression
from symnum.persistence import read_model, replace_text

FORMAT, VERSION = "symnum-dynamics", 1


def write(model: Any, path: Path) -> None:
    """Write a fitted model; callbacks are left out."""
    s: Solution = model.solution_
    params = {
        k: v
        for k, v in model.get_params(deep=False).items()
        if isinstance(v, bool | int | float | type(None))
    }
    data = {
        "format": FORMAT, "version": VERSION, "params": params,
        "solution": {
            "names": list(s.names), "equations": [e.to_dict() for e in s.equations], "order": s.order,
            "timed": s.timed, "largest": s.largest,
            "begins": [
                {"trajectory": b.trajectory, "time": b.time, "state": b.state.tolist(),
                 "covariance": _gaps(b.covariance)}
                for b in s.begins
            ],
        },
        "equations": model.equations_.to_dict(orient="list"),
        "constants": model.constants_.to_dict(orient="list"),
        "ledger": model.ledger_.to_dict(orient="list"), "stop_reason": model.stop_reason_,
        "noise": model.noise_.tolist(),
        "trajectories": [{"t": r.t.tolist(), "U": _gaps(r.U), "fitted": f.tolist()}
                         for r, f in zip(model.trajectories_, model.fitted_, strict=True)],
    }  # fmt: skip
    replace_text(path, json.dumps(data, default=float))


def read(cls: type, path: Path) -> Any:
    """Model from a file; see `DynamicsRegressor.load`."""
    return read_model(path, FORMAT, VERSION, lambda data: _build(cls, data), "DynamicsRegressor", "dynamics")


def _build(cls: type, data: dict[str, Any]) -> Any:
    import pandas as pd

    model = cls(**data["params"])
    s = data["solution"]
    equations = tuple(Expression.from_dict(e) for e in s["equations"])
    begins = tuple(
        Begin(
            int(b["trajectory"]),
            float(b["time"]),
            np.array(b["state"], float),
            np.array(b["covariance"], float),
        )
        for b in s["begins"]
    )
    names = tuple(map(str, s["names"]))
    solution = Solution(names, equations, int(s["order"]), bool(s["timed"]), begins, float(s["largest"]))
    count = len(equations)
    p = len(solution.theta)
    if count * solution.order + solution.timed != len(names) or any(e.names != names for e in equations):
        raise ValueError(f"{count} equations for {len(names)} states")
    movable = len(names) - solution.timed
    if not begins or any(
        b.state.shape != (len(names),) or b.covariance.shape != (p + movable,) * 2 for b in begins
    ):
        raise ValueError("initial states and equations differ in size")
    model.solution_, model.expressions_ = solution, list(equations)
    model.n_features_in_, model.feature_names_in_ = count, np.array(names[:count], dtype=object)
    model.equations_, model.constants_ = pd.DataFrame(data["equations"]), pd.DataFrame(data["constants"])
    model.ledger_, model.stop_reason_ = pd.DataFrame(data["ledger"]), str(data["stop_reason"])
    model.noise_ = np.array(data["noise"], dtype=float)
    model.trajectories_ = [
        Recording(np.array(r["t"], float), np.array(r["U"], float)) for r in data["trajectories"]
    ]
    model.fitted_ = [np.array(r["fitted"], float) for r in data["trajectories"]]
    return model


def _gaps(values: np.ndarray) -> list:
    """Nested lists with None for what is not finite, as JSON has no NaN."""
    return np.where(np.isfinite(values), values.astype(object), None).tolist()
