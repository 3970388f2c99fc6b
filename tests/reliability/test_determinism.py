"""One seed, one table: in this process and others, in threads, after fork and spawn, under an alarm."""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from symnum import SymbolicRegressor

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = json.loads((ROOT / "tests" / "reliability" / "golden.json").read_text(encoding="utf-8"))


def load_script():
    path = ROOT / "benchmarks" / "reliability" / "determinism.py"
    spec = importlib.util.spec_from_file_location("determinism_script", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = load_script()


@pytest.mark.parametrize("name", SCRIPT.FITS)
def test_golden_tables(name):
    if why := SCRIPT.comparable(GOLDEN, name):
        pytest.skip(why)
    assert SCRIPT.table(name) == SCRIPT.golden_table(GOLDEN, name)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", SCRIPT.FITS)
def test_fresh_processes_and_numbers_of_threads(name):
    if name in SCRIPT.NEURAL:
        pytest.importorskip("torch", reason="networks need the extra neural")
    assert SCRIPT.in_a_process(name, 1, 1) == SCRIPT.in_a_process(name, 2, 99) == SCRIPT.table(name)


X = np.random.default_rng(1).uniform(1, 4, (60, 2))
Y = X[:, 0] ** 2 / X[:, 1] + 0.1 * np.random.default_rng(2).normal(size=60)


def fit(seed: int) -> list[str]:
    model = SymbolicRegressor(max_time=None, max_evals=300, random_state=seed).fit(X, Y)
    return model.equations_["equation"].tolist()


def test_threads_do_not_disturb_each_other():
    serial = [fit(s) for s in range(3)]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(fit, range(3))) == serial


def test_forked_processes():
    serial = fit(0)  # the parent has used threads and compiled code before it forks
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, from Python 3.12 on
        with multiprocessing.get_context("fork").Pool(1) as pool:
            assert pool.apply_async(fit, (0,)).get(200) == serial


SPAWN = """
import json, multiprocessing

def fit(seed):
    # Imported in the spawned process alone: the other one only starts it.
    import numpy as np
    from symnum import SymbolicRegressor

    X = np.random.default_rng(1).uniform(1, 4, (60, 2))
    Y = X[:, 0] ** 2 / X[:, 1] + 0.1 * np.random.default_rng(2).normal(size=60)
    model = SymbolicRegressor(max_time=None, max_evals=300, random_state=seed).fit(X, Y)
    return model.equations_["equation"].tolist()

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(json.dumps(pool.apply_async(fit, (0,)).get(200)))
"""


def test_spawned_processes(tmp_path):
    (tmp_path / "job.py").write_text(SPAWN)
    done = subprocess.run(
        [sys.executable, "job.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=250,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert json.loads(done.stdout) == fit(0), done.stderr[-1_000:]


def test_an_alarm_leaves_what_was_found(alarm):
    """SRBench ends a fit with SIGALRM and uses the estimator all the same."""
    rng = np.random.default_rng(0)
    A = rng.uniform(1, 3, (300, 4))
    y = np.sin(A[:, 0] * A[:, 1] + np.exp(A[:, 3] / 3)) * np.log(A[:, 0] + A[:, 1] ** 2.7) + A[:, 2] ** 1.37
    model = SymbolicRegressor(max_time=60, random_state=0)
    began = time.monotonic()
    with pytest.raises(alarm(3)):
        model.fit(A, y)
    assert time.monotonic() - began < 20
    assert np.all(np.isfinite(model.predict(A)))
    assert len(model.equations_) >= 1


def test_a_fit_in_another_thread_than_the_main_one():
    """Notebooks and servers do that; signals cannot be set there."""
    found = []
    thread = threading.Thread(target=lambda: found.append(fit(0)))
    thread.start()
    thread.join(200)
    assert found == [fit(0)]
