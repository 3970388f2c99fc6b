"""Write the report of stored results: ``python eval/report.py eval/results/NAME.csv --out runs/NAME``.

The source is the folder of a campaign or its CSV mirror; ``--mirror FILE`` writes that mirror.
"""

from __future__ import annotations

import sys

import typer

from symnum.cli_bench import report
from symnum.exceptions import SymnumError

if __name__ == "__main__":
    try:
        typer.run(report)
    except SymnumError as error:
        sys.exit(f"error: {error}")
