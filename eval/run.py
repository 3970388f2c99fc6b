"""Run a campaign, or go on with one: ``python eval/run.py eval/configs/quick.yaml --out runs/quick``.

The same as ``symnum bench``; see eval/README.md.
"""

from __future__ import annotations

import sys

import typer

from symnum.cli_bench import bench
from symnum.exceptions import SymnumError

if __name__ == "__main__":
    try:
        typer.run(bench)
    except SymnumError as error:
        sys.exit(f"error: {error}")
