"""Memory: the peak of a fit of a large table, and growth over many fits in one process.

``python benchmarks/reliability/memory.py`` prints both; ``--rows 1000000 --columns 20 --max-time 30`` and
``--fits 500`` set the sizes, ``--limits 0.7GB 1GB none`` tells what ``max_memory`` leaves. Linux only: the
peak is read from ``/proc``.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np


def resident(name: str = "VmRSS") -> float:
    """Memory of this process in MB (10^6 bytes): now, or ``VmHWM`` at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(s.split()[1]) for s in lines if s.startswith(f"{name}:")) * 1024 / 1e6


def large(rows: int, columns: int, max_time: float) -> dict[str, float]:
    """Peak of a fit of a table; what the table itself takes is counted in."""
    from symnum import SymbolicRegressor

    rng = np.random.default_rng(0)
    X = rng.uniform(1, 5, (rows, columns))
    y = X[:, 0] * np.sin(X[:, 1]) + X[:, 2] ** 1.3 / X[:, 3] + 0.1 * rng.normal(size=rows)
    before = resident()
    model = SymbolicRegressor(max_time=max_time, random_state=0).fit(X, y)
    return {
        "table": X.nbytes / 1e6,
        "before": before,
        "peak": resident("VmHWM"),
        "seconds": model.seconds_,
        "r2": float(model.equations_["r2"][model.best_index_]),
    }


def growth(fits: int) -> list[tuple[int, float]]:
    """Resident memory after so many short fits of different tables and settings."""
    from symnum import SymbolicRegressor

    seen = []
    for k in range(fits + 1):
        rng = np.random.default_rng(k)
        X = rng.uniform(1, 5, (int(rng.integers(20, 200)), int(rng.integers(1, 5))))
        y = X[:, 0] ** int(rng.integers(1, 4)) + 0.1 * rng.normal(size=len(X))
        model = SymbolicRegressor(max_time=None, max_evals=150, random_state=k).fit(X, y)
        model.predict(X), str(model.equations_)
        if k % max(fits // 10, 1) == 0:
            gc.collect()
            seen.append((k, resident()))
            print(f"{k} fits: {seen[-1][1]:.0f} MB", file=sys.stderr, flush=True)
    return seen


def heaviest(limit: str | None, seconds: float = 45.0) -> dict[str, float]:
    """Peak of the process after each of the stages that take most, with the largest banks a limit allows."""
    from symnum.problem import Problem
    from symnum.search.budget import Budget
    from symnum.search.candidate import HallOfFame
    from symnum.search.enumerate import EnumerativeSearch, _Run
    from symnum.search.memory import search_room

    peaks = {}
    for columns, label, stage in (
        (6, "joins", lambda run: run._tier(run.view, 1_000_000 if limit else 400_000, "joins", part=1)),
        (3, "readouts", lambda run: run._approximate(run.view, "readouts", 60_000, polish=False)),
        (3, "library", lambda run: run._evolve(1.0)),
    ):
        rng = np.random.default_rng(0)
        X = rng.uniform(1, 3, (1_000, columns))
        y = np.sin(X[:, 0] * X[:, -1]) * np.log(X[:, 0] + X[:, 1] ** 2.7) + 0.05 * rng.normal(size=1_000)
        problem = Problem(X, y)
        budget = Budget(seconds if label == "library" else 1e4, room=search_room(limit, X)).start()
        hall = HallOfFame(problem)
        run = _Run(EnumerativeSearch(), problem, budget, rng, hall, [], None)
        list(run._offer("constant", run.view, run._constant()))
        list(stage(run))
        peaks[label] = resident("VmHWM")
    return peaks


def child(call: str) -> object:
    """Result of a call in a process of its own, so that peaks do not mix."""
    here = str(Path(__file__).parent)
    code = f"import sys, json; sys.path.insert(0, {here!r}); import memory; print(json.dumps(memory.{call}))"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], stdout=subprocess.PIPE, text=True, env=environment
    )
    if done.returncode:
        raise RuntimeError(f"{call} ended with {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--max-time", type=float, default=30.0)
    parser.add_argument("--fits", type=int, default=500)
    parser.add_argument("--limits", nargs="*", default=[], help="of max_memory, e.g. 0.7GB 1GB none")
    given = parser.parse_args()
    for limit in given.limits:
        asked = None if limit == "none" else limit
        print(f"{limit}: {child(f'heaviest({asked!r})')}")
    warnings.simplefilter("ignore")
    if given.rows:
        found = child(f"large({given.rows}, {given.columns}, {given.max_time})")
        print(f"{given.rows:,} x {given.columns}: {found}")
    if given.fits:
        seen = child(f"growth({given.fits})")
        print("fits, resident MB:", ", ".join(f"{k}: {mb:.0f}" for k, mb in seen))


if __name__ == "__main__":
    main()
