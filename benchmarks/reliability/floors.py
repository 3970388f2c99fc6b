"""Whether the package works with the oldest versions it declares, and with the newest.

``python benchmarks/reliability/floors.py`` makes an environment of its own with the lowest version that
`pyproject.toml` allows of every dependency, and runs a fit, a file, a report and the command line there;
``--newest`` takes the newest of all. ``--tests`` runs the default test suite there, too, with the newest test
tools and without minding what other libraries say is deprecated; tests that compare bits with those of the
versions in `constraints.txt` may differ.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SMOKE = """
import numpy as np, pandas as pd
from symnum import DynamicsRegressor, Expression, SymbolicRegressor
X = np.random.default_rng(0).uniform(1, 5, (200, 3))
y = X[:, 0] * X[:, 1] / X[:, 2] ** 2
for settings in ({}, {"loss": "absolute"}, {"search": "operon", "max_evals": 3_000}):
    frame = pd.DataFrame(X, columns=list("abc"))
    model = SymbolicRegressor(max_time=10, random_state=0, **settings).fit(frame, y)
    assert model.score(frame, y) > 0.9, settings
model = SymbolicRegressor(max_time=10, random_state=0).fit(X, y)
assert str(model.expression_) == "x0*x1/x2**2", model.expression_
model.save("m.json")
assert np.array_equal(SymbolicRegressor.load("m.json").predict(X), model.predict(X))
model.sympy(), model.latex(), model.source("c"), model.constants()
t = np.linspace(0, 6, 100)
found = DynamicsRegressor(max_time=10, random_state=0).fit(t, np.column_stack([np.sin(t), np.cos(t)]))
print(found.equations_)
print("smoke test passed")
"""


def lowest(extras: list[str]) -> list[str]:
    """Dependencies pinned to their lower bounds; an extra may need a later version than the package alone."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(d for e in extras for d in project["optional-dependencies"][e])]
    pins: dict[str, str] = {}
    for entry in wanted:
        match = re.fullmatch(r"([\w.-]+(?:\[[\w,]+\])?)>=([\w.]+)(?:,<[\w.]+)?", entry)
        if match and not match[1].startswith("symnum"):
            pins[match[1]] = f"{match[1]}=={match[2]}"
        elif not entry.startswith("symnum"):
            raise SystemExit(f"{entry!r} has no lower bound")
    return list(pins.values())


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--newest", action="store_true")
    parser.add_argument("--extra", action="append", default=[], help="such as neural")
    parser.add_argument("--tests", action="store_true", help="the default test suite, too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "venv"
        venv.create(place, with_pip=True)
        python = str(place / "bin" / "python")
        if given.tests:
            given.extra = sorted({*given.extra, "eval"})
        pins = [] if given.newest else lowest(given.extra)
        if given.tests:
            pins += ["pytest", "pytest-xdist", "pytest-timeout", "hypothesis", "jupytext", "hatchling"]
        target = f"{ROOT}[{','.join(given.extra)}]" if given.extra else str(ROOT)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        upgrade = ["--upgrade"] if given.newest else []
        # Tests of the installation want the package from this folder.
        subprocess.run([*install, *upgrade, *pins, *(["-e"] if given.tests else []), target], check=True)
        print(subprocess.run([python, "-m", "pip", "freeze"], capture_output=True, text=True).stdout, end="")
        code = subprocess.run(
            [python, "-W", "error::DeprecationWarning:symnum", "-c", SMOKE], cwd=folder
        ).returncode
        code = (
            code
            or subprocess.run([str(place / "bin" / "symnum"), "--help"], stdout=subprocess.DEVNULL).returncode
        )
        if given.tests and not code:
            code = subprocess.run(
                [python, "-m", "pytest", "-q", "-n", "2", "-W", "ignore"], cwd=ROOT
            ).returncode
    return code


if __name__ == "__main__":
    sys.exit(main())
