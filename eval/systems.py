"""Whole systems from one trajectory.

Usage: ``python eval/systems.py eval/configs/systems/odebench-60s.yaml --out systems.csv``.

Goes on where the CSV file ends. The summary gives the shares of systems whose trajectories are reproduced
with R2 > 0.9 from the shown start and from another, and of those whose equations have the true form.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from symnum.evaluation.system_runs import read_results, read_system_config, run_systems, summary
from symnum.exceptions import SymnumError


def main(
    config: Annotated[Path, typer.Argument(help="Campaign, see eval/configs/systems.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="CSV file of results.")],
    workers: Annotated[int, typer.Option(min=1, help="Runs at a time.")] = 1,
) -> None:
    """Run a campaign over whole systems, or go on with one."""
    settings = read_system_config(config)
    for r in run_systems(settings, out, workers):
        print(
            f"{r.system:20} {r.method:8} noise {r.noise:g} drop {r.drop:g}  R2 {r.reconstruction:8.4f} "
            f"{r.generalisation:8.4f}  form {r.structure:.2f}  {r.seconds:5.1f} s  {r.equations or r.error}",
            flush=True,
        )
    print(pd.DataFrame(summary(read_results(out))).to_string(index=False))


if __name__ == "__main__":
    try:
        typer.run(main)
    except SymnumError as error:
        sys.exit(f"error: {error}")
