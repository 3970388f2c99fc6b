"""Whether what networks say pays in the portfolio: generated problems with and without it.

"decoder" and "dysymnet" propose columns, "presence" orders the bank by what the decoder writes.

Run it alone on the machine: ``python benchmarks/proposers.py --out proposers.csv``. The problems are those of
``hidden/SEED`` with seeds from 1 to 50; benchmark formulas are not touched. All variants of a problem get the
same rows and the same time, one after the other.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from symnum import SymbolicRegressor
from symnum.evaluation.hidden import hidden_problem
from symnum.expressions.equivalence import is_recovery
from symnum.search.enumerate import EnumerativeSearch

ROWS = 300


def _options(name: str, weights: str | None) -> dict[str, Callable[..., Any]]:
    if name in ("decoder", "presence"):
        from symnum.search.snip import proposer
        from symnum.search.snip.backend import WEIGHTS
        from symnum.search.snip.sampling import load

        load(weights or WEIGHTS, None)  # before the clock starts
        if name == "presence":
            return {"presence": partial(proposer.presence, weights=weights or WEIGHTS)}
        return {"proposer": partial(proposer.features, weights=weights or WEIGHTS)}
    if name == "dysymnet":
        from symnum.search.dysymnet.proposer import features

        return {"proposer": features}
    return {}


def one(
    name: str, weights: str | None, seed: int, index: int, noise: float, seconds: float
) -> dict[str, Any]:
    """Row of one fit."""
    law, domain = hidden_problem(seed, index)
    rng = np.random.default_rng([seed, index])
    X, fresh = domain.draw(ROWS, rng), domain.draw(1000, rng)
    y, truth = law.evaluate(X), law.evaluate(fresh)
    y = y + noise * np.sqrt(np.mean(y**2)) * rng.standard_normal(len(y))
    search = EnumerativeSearch(**_options(name, weights))
    model = SymbolicRegressor(search=search, max_time=seconds, random_state=0)
    began = time.perf_counter()
    model.fit(X, y, variable_names=law.names)
    took = time.perf_counter() - began
    r2 = 1 - np.sum((model.predict(fresh) - truth) ** 2) / np.sum((truth - truth.mean()) ** 2)
    verdict = is_recovery(model.expression_, law, (X.min(axis=0), X.max(axis=0)))
    return {
        "proposer": name, "problem": f"hidden/{seed}/{index}", "noise": noise, "seconds": took,
        "recovered": bool(verdict["recovered"]), "r2": float(r2), "truth": str(law),
        "equation": str(model.expression_),
    }  # fmt: skip


def main() -> None:
    """Fit, print the table, write the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=41, choices=range(1, 51), metavar="1..50")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--time", type=float, default=10.0)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.01])
    parser.add_argument("--proposers", nargs="+", default=["none", "decoder", "presence"],
                        choices=["none", "decoder", "presence", "dysymnet"])  # fmt: skip
    parser.add_argument("--weights", help="of the decoder: a name or a folder")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    rows = []
    for noise in args.noise:
        for index in range(args.count):
            for name in args.proposers:
                rows.append(one(name, args.weights, args.seed, index, noise, args.time))
                print(*(str(rows[-1][k]) for k in ("proposer", "problem", "noise", "recovered", "equation")),
                      flush=True)  # fmt: skip
    table = Table(title=f"hidden/{args.seed}, first {args.count}, {args.time:g} s on one thread")
    for head in ("proposer", *(f"recovered at noise {n:g}" for n in args.noise), "R2 > .999", "mean seconds"):
        table.add_column(head, justify="right")
    for name in args.proposers:
        mine = [r for r in rows if r["proposer"] == name]
        counts = [sum(r["recovered"] for r in mine if r["noise"] == n) for n in args.noise]
        table.add_row(
            name, *(f"{k}/{args.count}" for k in counts), str(sum(r["r2"] > 0.999 for r in mine)),
            f"{np.mean([r['seconds'] for r in mine]):.1f}",
        )  # fmt: skip
    Console().print(table)
    if args.out:
        with args.out.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
