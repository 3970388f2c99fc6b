"""Systems of differential equations: their trajectories, and whole systems to be found and judged."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from symnum.evaluation.tables import datasets_dir, read_facts
from symnum.exceptions import InvalidInput, SymnumError
from symnum.expressions.canonical import canonical
from symnum.expressions.compiled import fit_constants
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


# ---------------------------------------------------------------------------------------- whole systems
@dataclass(frozen=True)
class SystemCase:
    """A system to be found from one trajectory and judged on two.

    Attributes
    ----------
    id : str
        "odebench/24" or "random-odes/SEED/INDEX".
    equations : tuple of Expression
        True right-hand sides.
    t : float64 array, shape (n,)
    trajectories : tuple of float64 arrays, shape (n, d) each
        The first is shown (after corruption), the second has another start and is held out.
    """

    id: str
    equations: tuple[Expression, ...]
    t: NDArray[np.float64]
    trajectories: tuple[NDArray[np.float64], NDArray[np.float64]]


def system_case(name: str) -> SystemCase:
    """Case of an id.

    Raises
    ------
    InvalidInput
        When there is no such system.
    """
    suite, _, rest = name.partition("/")
    if suite == "odebench":
        data = json.loads((datasets_dir() / "odebench" / "odebench.json").read_text(encoding="utf-8"))
        system = next((s for s in data["systems"] if str(s["id"]) == rest), None)
        if system is not None:
            names = tuple(f"x_{i}" for i in range(system["dim"]))
            runs = trajectories("odebench", rest)
            equations = tuple(Expression.parse(e, names) for e in system["equations"])
            return SystemCase(name, equations, runs[0][0], (runs[0][1], runs[1][1]))
    if suite == "random-odes" and rest.count("/") == 1 and all(p.isdigit() for p in rest.split("/")):
        seed, index = map(int, rest.split("/"))
        return _random_case(name, seed, index)
    raise InvalidInput(f"no system {name!r}; use odebench/1 to odebench/63 or random-odes/SEED/INDEX")


def _random_case(name: str, seed: int, index: int) -> SystemCase:
    """System drawn at random, with two bounded trajectories that move; benchmark systems are drawn again."""
    from symnum.synthesis.families.integrate import integrate
    from symnum.synthesis.families.random_odes import benchmark_of, draw_system, is_interesting

    rng = np.random.default_rng([seed, index])
    t = np.linspace(0.0, 10.0, 512)
    dimension = int(rng.choice([1, 2, 3, 4], p=[0.25, 0.4, 0.25, 0.1]))
    while True:
        system = draw_system(rng, dimension)
        if benchmark_of(system.symbols) is not None:
            continue
        made = integrate(system.symbols, rng.uniform(-2.0, 3.0, (6, dimension)), t, bound=50.0)
        good = [u for u, ok in zip(made.values, made.ok, strict=True) if ok and is_interesting(u[None])]
        if len(good) >= 2:
            return SystemCase(name, system.symbols, t, (good[0], good[1]))


def corrupt(
    case: SystemCase, noise: float, drop: float, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times and states that a method is shown: values times ``1 + noise*N(0, 1)``, a share of the rows gone.

    The protocol of ODEFormer (d'Ascoli et al., ICLR 2024, section 5).
    """
    rng = np.random.default_rng([zlib.crc32(case.id.encode()), seed])
    U = case.trajectories[0]
    U = U * (1 + noise * rng.standard_normal(U.shape))
    kept = np.sort(rng.permutation(len(U))[: max(4, round((1 - drop) * len(U)))])
    return case.t[kept], U[kept]


def trajectory_r2(truth: NDArray[np.float64], made: NDArray[np.float64] | None) -> float:
    """R2 of a simulated trajectory, states weighted by their variance; -inf where there is none."""
    if made is None or made.shape != truth.shape or not np.all(np.isfinite(made)):
        return -np.inf
    with np.errstate(over="ignore"):
        error = float(np.sum((truth - made) ** 2))
    spread = float(np.sum((truth - truth.mean(axis=0)) ** 2))
    return 1 - error / spread if spread > 0 else float(error == 0)


def side_error(case: SystemCase, slopes: NDArray[np.float64]) -> float:
    """Largest relative error (root mean square) of a right-hand side along the true trajectory."""
    U = case.trajectories[0]
    truth = np.stack([e.evaluate(U) for e in case.equations], axis=1)
    size = np.sqrt(np.mean(truth**2, axis=0))
    floor = 1e-9 * max(float(size.max()), 1e-300)
    error = np.sqrt(np.mean((slopes - truth) ** 2, axis=0)) / np.maximum(size, floor)
    return float(np.max(np.where(np.isfinite(error), error, np.inf)))


def same_structure(found: Expression, truth: Expression, U: NDArray[np.float64]) -> bool:
    """Whether a right-hand side is the true one up to the values of its constants.

    Its constants are fitted to the exact right-hand side: the form is right when that leaves nothing, no
    constant then is zero, and the form is at most 1.5 times as long as the truth.
    """
    spread = U.max(axis=0) - U.min(axis=0)
    X = np.concatenate([U, U + 0.3 * spread * np.sin(7.0 * np.arange(len(U)))[:, None]])
    y = truth.evaluate(X)
    real = np.isfinite(y)
    X, y = X[real], y[real]
    try:
        found = canonical(found.with_names(truth.names))
        length = canonical(truth).complexity
    except SymnumError:
        return False
    if found.complexity > 1.5 * length + 1:
        return False
    fit = fit_constants([found], X.T, y, max_iter=200)
    limit = 1e-10 * float(np.mean(y**2)) + 1e-300
    if not fit.loss[0] <= limit:
        return False
    for k in range(len(fit.constants)):
        fewer = fit.constants.copy()
        fewer[k] = 0.0
        with np.errstate(all="ignore"):
            loss = float(np.mean((found.with_constants(fewer).evaluate(X) - y) ** 2))
        if loss <= limit:
            return False
    return True
