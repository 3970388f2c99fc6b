"""Search backend "pysr": PySR (Cranmer 2023, arXiv 2305.01582) in a process of its own.

Julia shares no process with other runtimes. PySR keeps its front in a CSV file, which is read again and again
while it searches: the hall of fame is filled at every moment, and the process can be ended at any.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from symnum.exceptions import InvalidInput, MissingExtra, SymnumError
from symnum.expressions.expression import Expression, default_names
from symnum.problem import Problem
from symnum.search.budget import Budget
from symnum.search.candidate import Candidate, HallOfFame
from symnum.search.stages import Stage

BINARY = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "^", "min": "min", "max": "max"}
"""Our names of operators to Julia's; unary ones have the same name."""
UNARY = frozenset(
    "neg inv abs sign sqrt cbrt exp log sin cos tan asin acos atan sinh cosh tanh square cube".split()
)
DEFAULT = ("add", "sub", "mul", "div", "sqrt", "exp", "log", "sin", "cos", "square")
_TICK = 0.5
_GRACE = 5.0
_LOG_END = 2_000


def missing() -> str:
    """What PySR lacks to run here, empty when nothing."""
    if importlib.util.find_spec("pysr") is None:
        return "the package pysr is not installed: pip install 'symnum-discovery[pysr]'"
    if not (shutil.which("julia") or os.environ.get("PYTHON_JULIAPKG_EXE")):
        return "there is no Julia: install it (julialang.org) so that `julia` is on the path"
    return ""


def read_equation(text: str, names: tuple[str, ...]) -> Expression:
    """Expression of an equation as PySR writes it, over columns called x0, x1, ...

    Raises
    ------
    InvalidInput
        For operators without counterpart and constants that are no finite numbers.
    """
    return Expression.parse(text, default_names(len(names))).rename(names)


def read_front(path: Path, names: tuple[str, ...]) -> list[Expression]:
    """Equations of a hall_of_fame.csv; a half-written row or one that cannot be read is left out."""
    found = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
    for row in rows:
        try:
            found.append(read_equation(row.get("Equation") or "", names))
        except InvalidInput:
            continue
    return found


class PySRSearch:
    """Search backend "pysr"; needs the extra `pysr` and Julia.

    Parameters
    ----------
    operators : sequence of str, optional
        Operators of the formulas; a short physicist's list when left out.
    n_jobs : int
        Julia's threads. With one thread the same seed gives the same formulas, but PySR ends by the clock.
    """

    def __init__(self, operators: Sequence[str] | None = None, n_jobs: int = 1) -> None:
        self.operators, self.n_jobs = operators, n_jobs

    def get_params(self, deep: bool = True) -> dict:
        """Constructor parameters, as scikit-learn wants them."""
        return {"operators": self.operators, "n_jobs": self.n_jobs}

    def run(self, problem: Problem, budget: Budget, rng: np.random.Generator, hall: HallOfFame,
            ledger: list[Stage]) -> Iterator[Candidate]:  # fmt: skip
        """Yield each candidate that enters the hall of fame until the time is up.

        Raises
        ------
        MissingExtra
            Without pysr or Julia.
        InvalidInput
            Without a time limit: PySR does not count evaluations.
        SymnumError
            When PySR's process fails.
        """
        if reason := missing():
            raise MissingExtra(f"search='pysr' cannot run: {reason}")
        if budget.max_time is None:
            raise InvalidInput("search='pysr' ends by the clock alone; give max_time in seconds")
        began = budget.elapsed
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            self._write(folder, problem, budget, int(rng.integers(2**31)), hall.max_complexity)
            for e in self._watched(folder, problem.names, budget):
                candidate = hall.add(e, "pysr", budget.elapsed)
                if candidate is not None:
                    yield candidate
        loss = min((c.loss for c in hall.best.values()), default=np.inf)
        ledger.append(Stage("pysr", budget.elapsed - began, 0, len(hall.best), loss))

    def _write(self, folder: Path, problem: Problem, budget: Budget, seed: int, most: int) -> None:
        chosen = self.operators or DEFAULT
        task = {
            "binary": [BINARY[n] for n in chosen if n in BINARY],
            "unary": [n for n in chosen if n in UNARY],
            "max_complexity": most,
            "max_time": max(1.0, budget.left()),
            "seed": seed,
            "n_jobs": self.n_jobs,
        }
        (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
        np.save(folder / "X.npy", problem.X)
        np.save(folder / "y.npy", problem.y)
        if problem.weights is not None:
            np.save(folder / "weights.npy", problem.weights)

    def _watched(self, folder: Path, names: tuple[str, ...], budget: Budget) -> Iterator[Expression]:
        """What the process writes, until it ends or the budget does."""
        environment = os.environ | {"JULIA_NUM_THREADS": str(self.n_jobs)}
        command = [sys.executable, "-m", "symnum.search._pysr_child", str(folder)]
        front = folder / "run" / "hall_of_fame.csv"
        seen: set[Expression] = set()
        with (folder / "log").open("w") as log:
            child = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
            try:
                while True:
                    ended = child.poll() is not None
                    for e in read_front(front, names):
                        if e not in seen:
                            seen.add(e)
                            yield e
                    if ended or budget.expired():
                        break
                    time.sleep(min(_TICK, budget.left() + 0.01))
            finally:
                _end(child)
        if not seen and child.returncode and not budget.expired():
            told = (folder / "log").read_text(errors="replace")[-_LOG_END:]
            raise SymnumError(f"PySR's process ended with status {child.returncode}; it said:\n{told}")


def _end(child: subprocess.Popen) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(_GRACE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
