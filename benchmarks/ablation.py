"""What each component of the search is worth: generated problems with one component off at a time.

Run it alone on the machine: ``python benchmarks/ablation.py --out eval/results/ablation.csv``. The problems
are those of ``hidden/SEED``, which no component was developed on; two runs at a time, one thread each.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from symnum.evaluation.task import Task, run_task
from symnum.search import approximate, constants, exact, part_stages, stages, transforms
from symnum.search import enumerate as schedule


def nothing(*args: Any, **kwargs: Any) -> Iterator[Any]:
    """Stands for a stage that is off."""
    return iter(())


def _off(*places: tuple[Any, str]) -> Callable[[], None]:
    def switch() -> None:
        for owner, name in places:
            setattr(owner, name, nothing)

    return switch


def _one_transform() -> None:
    exact.transforms_of = approximate.transforms_of = lambda pure: (transforms.IDENTITY,)


def _no_snapping() -> None:
    constants.polish = lambda e, *args, **kwargs: e


COMPONENTS: dict[str, Callable[[], None]] = {
    "nothing": lambda: None,
    "exact joins": _off((exact.ExactSearch, "everything")),
    "least-squares readouts": _off((approximate.ApproximateSearch, "everything")),
    "output transforms": _one_transform,
    "reductions": _off((schedule, "propose")),
    "separability": _off((part_stages, "structures"), (schedule, "multiplied")),
    "inner constants": _off((constants, "search")),
    "frequencies": _off((stages, "oscillations")),
    "snapping": _no_snapping,
    "sums and growth": _off((schedule._Run, "_grow"), (schedule._Run, "_exact_sums")),
    "populations": _off((schedule._Run, "_evolve")),
}
"""What is switched off, and how: the stage's function is replaced by one that finds nothing."""


def one(job: tuple[str, Task]) -> dict[str, Any]:
    """Row of one run with one component off; for a process of its own."""
    component, task = job
    COMPONENTS[component]()
    row = run_task(task)
    keep = (
        "problem",
        "noise",
        "status",
        "fit_seconds",
        "recovered",
        "same_function",
        "r2_test",
        "truth",
        "equation",
    )
    return {"without": component} | {k: row.get(k) for k in keep}


def main() -> None:
    """Measure, print the table, and write the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=31)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--time", type=float, default=10.0)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.01])
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    jobs = [
        (c, Task("symnum", f"hidden/{args.seed}/{i}", noise=noise, max_time=args.time, n_jobs=1))
        for noise in args.noise for i in range(args.count) for c in COMPONENTS
    ]  # fmt: skip
    with ThreadPoolExecutor(2) as pool:
        rows = list(pool.map(_forked, jobs))
    table = Table(title=f"hidden/{args.seed}, first {args.count}, {args.time:g} s on one thread")
    for head in ("without", *(f"recovered at noise {n:g}" for n in args.noise), "median seconds"):
        table.add_column(head, justify="right")
    for c in COMPONENTS:
        mine = [r for r in rows if r["without"] == c]
        counts = [sum(bool(r["recovered"]) for r in mine if r["noise"] == n) for n in args.noise]
        seconds = float(np.median([r["fit_seconds"] or args.time for r in mine]))
        table.add_row(c, *(f"{k}/{args.count}" for k in counts), f"{seconds:.1f}")
    Console().print(table)
    if args.out:
        with args.out.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def _forked(job: tuple[str, Task]) -> dict[str, Any]:
    """The run in a process of its own: what one run switches off must not be off in the next."""
    context = get_context("fork")
    receive, send = context.Pipe(duplex=False)
    child = context.Process(target=lambda: send.send(one(job)))
    child.start()
    row = receive.recv()
    child.join()
    return row


if __name__ == "__main__":
    main()
