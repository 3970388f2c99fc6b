"""Start-up: import, a small fit when everything is warm, the first fit ever on a machine, peak memory.

Run alone: ``python benchmarks/startup.py``. Figures come from fresh processes; the best of five is printed
(the first fit ever once, with an empty cache for compiled code).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap

GOALS = {
    "import symnum": 0.2,
    "small fit, warm": 1.0,
    "first fit ever": 20.0,
    "peak memory of a failing fit": 2.0,
}
SMALL = """
    import numpy as np, time
    began = time.perf_counter()
    from symnum import SymbolicRegressor
    X = np.random.default_rng(0).uniform(1, 5, (200, 3))
    y = X[:, 0] * X[:, 1] / X[:, 2] ** 2
    def fit():
        start = time.perf_counter()
        model = SymbolicRegressor(random_state=0, n_jobs=2).fit(X, y)
        assert str(model.expression_) == "x0*x1/x2**2", model.expression_
        return time.perf_counter() - start
"""
HARD = """
    import numpy as np, resource
    from symnum import SymbolicRegressor
    X = np.random.default_rng(0).uniform(1, 3, (1000, 4))
    y = np.sin(X[:, 0] * X[:, 1] + np.exp(X[:, 3] / 3)) * np.log(X[:, 0] + X[:, 1] ** 2.7) + X[:, 2] ** 1.37
    SymbolicRegressor(max_time=60, random_state=0, n_jobs=2).fit(X, y)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


def run(code: str, **environment: str) -> float:
    """Last line that a fresh interpreter prints, as a number."""
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    return float(done.stdout.split()[-1])


def main() -> None:
    """Print the table of figures beside the goals."""
    timed_import = "import time; t = time.perf_counter(); import symnum; print(time.perf_counter() - t)"
    with tempfile.TemporaryDirectory() as empty:
        # code with declared types is compiled on import, so the import counts
        first = run(SMALL + "\n    fit(); print(time.perf_counter() - began)\n", NUMBA_CACHE_DIR=empty)
    figures = {
        "import symnum": min(run(timed_import) for _ in range(5)),
        "small fit, warm": min(run(SMALL + "\n    fit(); print(fit())\n") for _ in range(5)),
        "first fit ever": first,
        "peak memory of a failing fit": run(HARD),
    }
    print(f"{'figure':32} {'measured':>10} {'goal':>8}")
    for name, value in figures.items():
        unit = "GiB" if "memory" in name else "s"
        print(f"{name:32} {value:8.3f} {unit:3} < {GOALS[name]:g}")


if __name__ == "__main__":
    main()
