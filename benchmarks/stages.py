"""What each stage of the search costs and finds: ledgers of generated problems, added up.

Run it alone on the machine: ``python benchmarks/stages.py``.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from symnum import SymbolicRegressor
from symnum.evaluation.hidden import hidden_problem


def family(stage: str) -> str:
    """Stage without what it was applied to."""
    return stage.split(":")[0].split(",")[0]


def ledger(seed: int, index: int, noise: float, seconds: float) -> pd.DataFrame:
    """Ledger of one fit on one thread."""
    truth, domain = hidden_problem(seed, index)
    rng = np.random.default_rng([seed, index])
    X = domain.draw(1_000, rng)
    y = truth.evaluate(X)
    y = y + noise * np.sqrt(np.mean(y**2)) * rng.normal(size=len(y))
    model = SymbolicRegressor(max_time=seconds, random_state=0).fit(X, y, variable_names=truth.names)
    return model.ledger_.assign(stage=[family(s) for s in model.ledger_.stage], problem=index)


def main() -> None:
    """Add up and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=31)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--time", type=float, default=10.0)
    args = parser.parse_args()
    for noise in (0.0, 0.01):
        rows = pd.concat([ledger(args.seed, i, noise, args.time) for i in range(args.count)])
        table = Table(title=f"hidden/{args.seed}, first {args.count}, noise {noise:g}, {args.time:g} s")
        for head in ("stage", "fits that reach it", "seconds a fit", "share of time", "lengths improved"):
            table.add_column(head, justify="right")
        total = rows.seconds.sum()
        for stage, part in rows.groupby("stage", sort=False):
            reached = part.problem.nunique()
            seconds = part.seconds.sum()
            table.add_row(str(stage), str(reached), f"{seconds / reached:.2f}", f"{seconds / total:.0%}",
                          str(int(part.found.sum())))  # fmt: skip
        Console().print(table)


if __name__ == "__main__":
    main()
