"""A limit of memory decides how large the search's banks are; a fit keeps it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from symnum import SymbolicRegressor
from symnum.exceptions import InvalidInput
from symnum.search import memory, stages
from symnum.search.budget import Budget

ROOT = Path(__file__).resolve().parents[2]
RNG = np.random.default_rng(0)
X = RNG.uniform(1, 4, (60, 2))
Y = X[:, 0] ** 2 / X[:, 1] + 0.1 * RNG.normal(size=60)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (1e9, 1e9),
        (np.int64(7), 7),
        ("2GB", 2e9),
        (" 1.5 gib ", 1.5 * 1024**3),
        ("800MB", 8e8),
        ("4k", 4e3),
        ("123", 123),
    ],
)
def test_sizes_are_read(given, read):
    assert memory.read_memory(given) == read


@pytest.mark.parametrize(
    "given", [0, -1, True, float("nan"), float("inf"), "", "2 pounds", "-1GB", "2GBB", [2], "9" * 400]
)
def test_other_sizes_are_refused(given):
    with pytest.raises(InvalidInput, match="max_memory must be a number of bytes or a text such as '2GB'"):
        SymbolicRegressor(max_memory=given).fit(X, Y)


def test_a_table_too_large_for_the_limit_is_told_before_it_is_copied():
    table = np.broadcast_to(0.0, (10**9, 20))  # 160 GB, were it copied
    with pytest.raises(
        InvalidInput, match=r"a table of 160,000 MB needs at least 480\.69GB .*sample of the rows"
    ):
        SymbolicRegressor(max_memory="16GB").fit(table, Y)
    with pytest.raises(InvalidInput, match=r"needs at least 0\.70GB"):
        SymbolicRegressor(max_memory="0.65GB").fit(X, Y)
    assert memory.search_room("0.70GB", X) >= 1.4e8


def test_searches_that_cannot_keep_it_refuse():
    with pytest.raises(InvalidInput, match="cannot be kept by search='operon'"):
        SymbolicRegressor(search="operon", max_memory="2GB").fit(X, Y)


def test_the_room_bounds_banks():
    assert Budget().elements(10, 1e12) == 10
    budget = Budget(max_evals=100, room=1e6)
    assert (budget.elements(200, 1e4), budget.elements(50, 1e4)) == (100, 50)
    assert budget.part(0.5).elements(200, 1e4) == 100


@pytest.mark.parametrize("search", ["auto", "genetic"])
def test_banks_follow_the_limit_alone(search, monkeypatch):
    """A large limit changes nothing, a small one makes banks smaller: the same for any number of threads."""
    sizes = []
    real = stages.Bank.start
    monkeypatch.setattr(stages.Bank, "start", lambda *a, **k: sizes.append(a[4]) or real(*a, **k))

    def fit(limit, jobs=1):
        sizes.clear()
        settings = {"max_time": None, "max_evals": 4_000, "random_state": 0}
        model = SymbolicRegressor(search=search, max_memory=limit, n_jobs=jobs, **settings).fit(X, Y)
        return model.equations_["equation"].tolist(), max(sizes)

    free = fit(None)
    assert fit("100GB") == free
    monkeypatch.setattr(memory, "_LEAST", 0)
    small = fit("551MB", 2)
    assert small[1] < free[1] / 2
    assert fit("551MB") == small


CODE = """
import json, sys
import numpy as np
sys.path.insert(0, {folder!r})
from memory import resident
from symnum import SymbolicRegressor
X = np.random.default_rng(0).uniform(1, 3, (1000, 2))
y = np.sin(X[:, 0]) + X[:, 1] ** 1.37
settings = {{"max_time": None, "max_evals": 80_100, "callbacks": [lambda event: True]}}
settings["operators"] = ["+", "-", "sin", "exp", "log", "sqrt"]
peaks = []
for limit in ("0.75GB", None):
    SymbolicRegressor(max_memory=limit, **settings).fit(X, y)
    peaks.append(resident("VmHWM"))
print(json.dumps(peaks))
"""


def test_a_fit_keeps_its_limit():
    """All elements of a bank on 1,000 rows, up to the first find: without a limit it takes more."""
    code = CODE.format(folder=str(ROOT / "benchmarks" / "reliability"))
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=250,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-1_000:]
    limited, free = json.loads(done.stdout)
    assert limited < 750 < free
