"""A real Jupyter kernel: fits run in it, show their progress, and its interrupt leaves a fitted model."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
client_module = pytest.importorskip("jupyter_client")
pytest.importorskip("ipykernel")

TABLE = """
import numpy as np
from symnum import SymbolicRegressor
from symnum.progress import ProgressBar
X = np.random.default_rng(0).uniform(1, 3, (300, 4))
hard = np.sin(X[:, 0] * X[:, 1] + np.exp(X[:, 3] / 3)) * np.log(X[:, 0] + X[:, 1] ** 2.7) + X[:, 2] ** 1.37
"""


class Kernel:
    """A kernel and what it says."""

    def __init__(self, manager: Any, client: Any) -> None:
        self.manager, self.client = manager, client

    def run(self, code: str, interrupt_after: str = "") -> tuple[str, str]:
        """Text that a cell wrote and showed, and how it ended; interrupted once it wrote a certain text."""
        cell, said, ends = self.client.execute(code), "", time.monotonic() + 200
        while time.monotonic() < ends:
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except queue.Empty:
                continue
            if message["parent_header"].get("msg_id") != cell:
                continue
            content = message["content"]
            said += content.get("text", "") + content.get("data", {}).get("text/plain", "")
            if interrupt_after and interrupt_after in said:
                self.manager.interrupt_kernel()
                interrupt_after = ""
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                return said, self.client.get_shell_msg(timeout=20)["content"]["status"]
        raise AssertionError(f"the cell did not end; it said {said[-1_000:]}")


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    manager, client = client_module.manager.start_new_kernel(startup_timeout=120, env=environment)
    try:
        made = Kernel(manager, client)
        assert made.run(TABLE) == ("", "ok")
        yield made
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.slow
def test_a_fit_in_a_cell(kernel):
    """The bar of tqdm, which writes to the cell, and the estimator's own display as the cell's result."""
    said, status = kernel.run(
        "model = SymbolicRegressor(max_time=None, max_evals=300, random_state=0, callbacks=[ProgressBar()])\n"
        "model.fit(X, X[:, 0] ** 2 / X[:, 1])"
    )
    assert status == "ok"
    assert "SymbolicRegressor" in said
    assert kernel.run("print(model)\nprint(model.expressions_[model.best_index_])")[0].endswith("x0**2/x1\n")


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_the_interrupt_of_the_kernel_leaves_a_usable_model(kernel, jobs):
    began = time.monotonic()
    said, status = kernel.run(
        f"model = SymbolicRegressor(max_time=300, random_state=0, n_jobs={jobs}, verbose=1)\n"
        "model.fit(X, hard)\nprint('went on')",
        interrupt_after="x1",
    )
    assert time.monotonic() - began < 100  # of 300
    assert status == "ok"  # no error: what was found is kept, and the cell goes on
    assert "what was found so far is kept" in said
    assert "went on\n" in said
    said, status = kernel.run(
        "print(model.stop_reason_, np.all(np.isfinite(model.predict(X))), len(model.equations_) > 0)\n"
        "again = SymbolicRegressor(max_time=None, max_evals=300, random_state=0).fit(X, X[:, 0] * 2)\n"
        "print(again.expressions_[again.best_index_])"
    )
    assert (said, status) == ("interrupted True True\n2*x0\n", "ok")
