"""Shares of good fits by method, suite and noise: ``python eval/shares.py eval/results/NAME.csv``.

The measures in which neural methods publish: shares of problems with test R2 above .99 and .999, median and
mean R2 (clipped at 0), recovery, median size and seconds. A run that gave nothing counts as R2 of 0.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

HEADS = ("suite", "noise", "method", "runs", "R2 > .99", "R2 > .999", "median R2", "mean R2", "recovered",
         "nodes", "seconds, median", "mean")  # fmt: skip


def rows_of(runs: pd.DataFrame) -> list[tuple[str, ...]]:
    """Rows of the table.

    Parameters
    ----------
    runs : DataFrame
        Of `symnum bench`: method, problem, noise, r2_test, recovered, complexity, fit_seconds.
    """
    runs = runs.assign(
        suite=runs["problem"].str.split("/").str[0],
        r2=pd.to_numeric(runs["r2_test"], errors="coerce").fillna(0.0).clip(lower=0.0),
        exact=runs["recovered"].astype(str).eq("True"),
    )
    made = []
    for (suite, noise, method), some in runs.groupby(["suite", "noise", "method"], sort=True):
        made.append((
            str(suite), f"{noise:g}", str(method), str(len(some)), f"{100 * (some.r2 > 0.99).mean():.1f} %",
            f"{100 * (some.r2 > 0.999).mean():.1f} %", f"{some.r2.median():.4f}", f"{some.r2.mean():.4f}",
            f"{100 * some.exact.mean():.1f} %", f"{some['complexity'].median():g}",
            f"{some['fit_seconds'].median():.1f}", f"{some['fit_seconds'].mean():.1f}",
        ))  # fmt: skip
    return made


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, nargs="+", help="mirrors of campaigns (CSV)")
    table = Table(*HEADS)
    for row in rows_of(pd.concat([pd.read_csv(path) for path in parser.parse_args().results])):
        table.add_row(*row)
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
