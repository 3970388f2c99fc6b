"""The process behind `symnum.search.pysr_backend`: ``python -m symnum.search._pysr_child FOLDER``."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(folder: Path) -> None:
    """Fit the data of the folder until the time is up; PySR itself writes the front there all the time."""
    import numpy as np
    from pysr import PySRRegressor  # pyright: ignore[reportAttributeAccessIssue, reportMissingImports]

    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    X, y = np.load(folder / "X.npy"), np.load(folder / "y.npy")
    weights = np.load(folder / "weights.npy") if (folder / "weights.npy").exists() else None
    model = PySRRegressor(
        binary_operators=task["binary"],
        unary_operators=task["unary"],
        maxsize=task["max_complexity"],
        niterations=10**8,
        timeout_in_seconds=task["max_time"],
        random_state=task["seed"],
        parallelism="multithreading" if task["n_jobs"] > 1 else "serial",
        output_directory=str(folder),
        run_id="run",
        precision=64,
        progress=False,
        verbosity=0,
        batching=len(y) > 10_000,
    )
    model.fit(X, y, weights=weights, variable_names=[f"x{i}" for i in range(X.shape[1])])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
