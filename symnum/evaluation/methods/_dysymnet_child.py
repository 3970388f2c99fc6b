"""The process behind `symnum.evaluation.methods.dysymnet`: ``python -m ... FOLDER``."""

from __future__ import annotations

import csv
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

_ROWS = 100
"""Rows it is given: its refinement writes the loss out as a formula over all rows, hopeless for thousands."""


class TimeIsUp(BaseException):
    """Raised by the alarm; no handler inside the package catches it."""


def main(folder: Path) -> None:
    """Fit what ``task.json`` holds and write ``answer.json``."""
    from DySymNet import SymbolicRegression as package  # pyright: ignore[reportMissingImports]
    from DySymNet.scripts.params import Params  # pyright: ignore[reportMissingImports]

    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    table = folder / "data.csv"
    with table.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow([*(f"x_{i + 1}" for i in range(len(task["names"]))), "y"])
        step = max(1, len(task["y"]) // _ROWS)
        rows = list(zip(task["X"], task["y"], strict=True))[::step][:_ROWS]
        writer.writerows([*x, y] for x, y in rows)
    package.torch.manual_seed(task["seed"])
    package.torch.set_num_threads(task["n_jobs"])
    package.np.random.seed(task["seed"])
    best: dict[str, Any] = {"r2": -1.0, "refined": 0}

    class Watched(package.SymboliRegression):
        def bfgs(self, *args: Any) -> Any:
            result = super().bfgs(*args)
            best["refined"] += 1
            if float(result["R2"]) > best["r2"]:
                best.update(r2=float(result["R2"]), tree=result["best expression"])
            return result

    def late(*_: Any) -> None:
        raise TimeIsUp

    config = Params()
    config.results_dir = str(folder / "results")
    began, reason = time.perf_counter(), "finished"
    search = Watched(config=config, func_name="data", data_path=str(table))
    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, task["max_time"])
    try:
        search.solve_environment()
    except TimeIsUp:
        reason = "max_time"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    seconds = time.perf_counter() - began
    if "tree" not in best:
        raise SystemExit(f"no formula was refined within {task['max_time']} s")
    from symnum.expressions.expression import Expression

    inner = tuple(f"x_{i + 1}" for i in range(len(task["names"])))
    formula = Expression.from_sympy(best["tree"], inner).rename([f"x{i}" for i in range(len(inner))])
    answer = {
        "equation": str(formula), "seconds": seconds, "stop_reason": reason, "refined": best["refined"],
    }  # fmt: skip
    (folder / "answer.json").write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
