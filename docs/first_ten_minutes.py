"""The first ten minutes of a newcomer, timed step by step from a fresh copy of the repository.

Run alone: ``python docs/first_ten_minutes.py``. It copies what git tracks (HEAD, as a clone would) into a
temporary folder, follows docs/first-ten-minutes.md there, and prints a table for that page; ``--write`` puts
it there. The downloads of pip are in the first figure; ``--cached`` says that its cache was warm.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "first-ten-minutes.md"
MARKS = "<!-- timings -->", "<!-- /timings -->"
MAKE_TABLE = """
    import numpy as np, pandas as pd
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.uniform(1, 5, (200, 3)), columns=["a", "b", "c"])
    table["T"] = 2.5 * table.a * table.b / table.c**2 * (1 + 0.01 * rng.normal(size=200))
    table.to_csv("measurements.csv", index=False)
    table.drop(columns="T").head(20).to_csv("new.csv", index=False)
"""
IN_PYTHON = """
    import pandas as pd
    from symnum import SymbolicRegressor
    table = pd.read_csv("measurements.csv")
    model = SymbolicRegressor(max_time=30, random_state=0)
    model.fit(table[["a", "b", "c"]], table["T"])
    print(model.equations_, model.expression_, model.constants())
    lower, upper = model.predict_interval(table[["a", "b", "c"]])
"""


def steps(python: str) -> Iterator[tuple[str, list[str]]]:
    """What a newcomer types, and a name for it."""
    yield "`make demo`, the first time: environment, libraries, compiled code, known laws", ["make", "demo"]
    yield "`make demo` again", ["make", "demo"]
    yield "", [python, "-c", textwrap.dedent(MAKE_TABLE)]
    yield "`symnum fit measurements.csv --target T` (200 rows, 1 % noise)", [
        ".venv/bin/symnum", "fit", "measurements.csv", "--target", "T",
    ]  # fmt: skip
    yield "`symnum predict measurements-symnum/model.json new.csv`", [
        ".venv/bin/symnum", "predict", "measurements-symnum/model.json", "new.csv",
    ]  # fmt: skip
    yield "the fit in Python, with its imports", [python, "-c", textwrap.dedent(IN_PYTHON)]


def measure(folder: Path) -> list[tuple[str, float]]:
    """Seconds of each step in a fresh copy in `folder`."""
    files = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x"], cwd=folder, input=files, check=True)
    unwanted = ("VIRTUAL_ENV", "PYTHONPATH", "VENV", "NUMBA_CACHE_DIR")
    environment = {k: v for k, v in os.environ.items() if k not in unwanted}
    rows = []
    for name, command in steps(".venv/bin/python"):
        began = time.perf_counter()
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        if name:
            rows.append((name, time.perf_counter() - began))
            print(f"{rows[-1][1]:8.1f} s  {name}", flush=True)
    return rows


def table(rows: list[tuple[str, float]], cached: bool) -> str:
    """Markdown of the figures."""
    lines = ["| step | seconds |", "|:--|--:|", *(f"| {name} | {seconds:.0f} |" for name, seconds in rows)]
    downloads = "libraries from pip's cache" if cached else "libraries downloaded"
    where = f"{os.cpu_count()} cores, Python {platform.python_version()}, {downloads}"
    return "\n".join([*lines, "", f"Measured by `python docs/first_ten_minutes.py` ({where})."])


def main() -> None:
    """Measure, print, and write into the page if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the table into docs/first-ten-minutes.md")
    parser.add_argument("--cached", action="store_true", help="say that pip had the libraries already")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = table(measure(Path(folder)), given.cached)
    print(f"\n{made}")
    if given.write:
        page = PAGE.read_text(encoding="utf-8")
        pattern = f"{MARKS[0]}.*?{MARKS[1]}"
        filled = f"{MARKS[0]}\n{made}\n{MARKS[1]}"
        PAGE.write_text(re.sub(pattern, lambda _: filled, page, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
