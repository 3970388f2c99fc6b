"""The process behind `symnum.evaluation.methods.pysr`: ``python -m ... FOLDER``."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main(folder: Path) -> None:
    """Fit what ``task.json`` holds and write ``answer.json``."""
    import numpy as np
    from pysr import PySRRegressor  # pyright: ignore[reportAttributeAccessIssue, reportMissingImports]

    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    X, y = np.array(task["X"]), np.array(task["y"])
    settings = {
        "binary_operators": ["+", "-", "*", "/"],
        "unary_operators": ["sqrt", "exp", "log", "sin", "cos", "square"],
        "maxsize": 30,
        "random_state": task["seed"],
        "progress": False,
        "verbosity": 0,
        "output_directory": str(folder / "out"),
        "temp_equation_file": True,
        "batching": len(y) > 10_000,
    }
    # Compiling takes longer than many a budget and happens once a session: it is not timed.
    PySRRegressor(**settings, niterations=1, populations=2).fit(X[:50], y[:50])
    model = PySRRegressor(**settings, niterations=10**8, timeout_in_seconds=task["max_time"])
    began = time.perf_counter()
    model.fit(X, y, variable_names=[f"x{i}" for i in range(X.shape[1])])
    seconds = time.perf_counter() - began
    from symnum.expressions.expression import Expression

    columns = tuple(f"x{i}" for i in range(X.shape[1]))
    trees = [model.sympy(i) for i in range(len(model.equations_))]
    equations = [str(Expression.from_sympy(tree, columns).rename(task["names"])) for tree in trees]
    best = int(model.get_best().name)
    answer = {
        "equations": equations, "best": best, "complexity": int(model.equations_.iloc[best]["complexity"]),
        "seconds": seconds,
    }  # fmt: skip
    (folder / "answer.json").write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
