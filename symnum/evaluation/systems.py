"""Rows of the systems of differential equations: states along trajectories and the exact derivative there."""

from __future__ import annotations

import json
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from symnum.evaluation.tables import datasets_dir, read_facts
from symnum.exceptions import InvalidInput
from symnum.expressions.expression import Expression


def trajectories(kind: str, name: str) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Trajectories of a system.

    Parameters
    ----------
    kind : {"strogatz", "odebench"}
    name : str
        "bacres", or the number of ODEBench.

    Returns
    -------
    list of (t, U)
        Times, shape (n,), and states, shape (n, d): four trajectories of Strogatz (the committed tables), two
        of ODEBench (integrated here from its two initial conditions).
    """
    return _strogatz(name) if kind == "strogatz" else _odebench(name)


@lru_cache(maxsize=8)
def _strogatz(name: str) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    rows = read_facts(f"strogatz/{name}.csv")
    columns = {k: np.array([float(r[k]) for r in rows]) for k in ("trajectory", "t", "x", "y")}
    found = []
    for number in np.unique(columns["trajectory"]):
        here = columns["trajectory"] == number
        found.append((columns["t"][here], np.column_stack([columns["x"][here], columns["y"][here]])))
    return found


@lru_cache(maxsize=8)
def _odebench(name: str) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    from scipy.integrate import solve_ivp

    data = json.loads((datasets_dir() / "odebench" / "odebench.json").read_text(encoding="utf-8"))
    system = next(s for s in data["systems"] if str(s["id"]) == name)
    names = tuple(f"x_{i}" for i in range(system["dim"]))
    equations = [Expression.parse(e, names) for e in system["equations"]]
    t = np.linspace(data["t_span"][0], data["t_span"][1], data["n_points"])

    def field(_: float, u: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([e.evaluate(u[None])[0] for e in equations])

    found = []
    for start in system["initial_conditions"]:
        run = solve_ivp(field, data["t_span"], start, method="LSODA", t_eval=t, rtol=1e-9, atol=1e-11)
        if not run.success or not np.all(np.isfinite(run.y)):
            raise InvalidInput(f"ODEBench system {name} cannot be integrated from {start}: {run.message}")
        found.append((t, run.y.T.copy()))
    return found
