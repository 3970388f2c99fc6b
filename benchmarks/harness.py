"""What the harness itself costs: overhead per run, and loading and reporting 10,000 stored runs.

Run it alone on the machine: ``python benchmarks/harness.py``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from symnum.evaluation.report import write_report
from symnum.evaluation.runner import run_campaign
from symnum.evaluation.store import Store, load_runs
from symnum.evaluation.task import Task, empty_row

SKILL = {"symnum": 0.85, "pyoperon": 0.5, "gplearn": 0.3, "linear": 0.05}


def nothing(task: dict) -> dict:
    """A run that takes no time at all: what is left is the harness."""
    return empty_row(Task.from_dict(task)) | {"status": "ok"}


def synthetic_rows(count: int, seed: int = 0) -> Iterator[dict]:
    """Rows that look like a campaign's: 4 methods, 10 seeds, Feynman at two noises, Strogatz, black-box."""
    rng = np.random.default_rng(seed)
    posed = [(f"feynman/I.{i}.{i % 7 + 1}", noise, True) for noise in (0.0, 0.01) for i in range(88)]
    posed += [(f"strogatz/system{i}", 0.0, True) for i in range(14)]
    posed += [(f"blackbox/{i}_table", 0.0, False) for i in range(60)]
    ease = dict(zip(dict.fromkeys(p for p, _, _ in posed), rng.normal(size=len(posed)), strict=False))
    made = 0
    for run in range(-(-count // (len(posed) * len(SKILL)))):
        for problem, noise, truth in posed:
            for method, skill in SKILL.items():
                if made == count:
                    return
                made += 1
                yield _row(rng, method, skill, problem, ease[problem], noise, truth, run)


def _row(
    rng: np.random.Generator,
    method: str,
    skill: float,
    problem: str,
    ease: float,
    noise: float,
    truth: bool,
    seed: int,
) -> dict:
    labels = [
        name for name, share in (("friedman", 0.5), ("repeat", 0.1)) if not truth and rng.random() < share
    ]
    task = Task(method, problem, seed=seed, noise=noise, tracks=tuple(labels))
    stamp = f"2026-01-01T00:00:00.{rng.integers(10**6):06d}+00:00"
    machine = {"host": "bench", "cpu": "bench", "cores": 2, "lanes": 1, "load": 0.5}
    row = empty_row(task) | machine | {"finished": stamp, "started": stamp}
    if rng.random() < 0.02:
        return row | {
            "status": "timeout",
            "message": "killed: not finished after 190 s",
            "run_seconds": 190.0,
        }
    solved = rng.normal() * 0.5 + 1.5 * ease < 2 * skill - 1 - 20 * noise
    r2 = 1.0 if solved else float(1 - rng.exponential(0.3 if truth else 1.0 - skill / 2))
    size = int(rng.integers(5, 60))
    fit = float(rng.uniform(1, 10))
    text = "1.5*x0*sin(x1 + 0.25)/(x2^2 + 1) - 3.1e-5*exp(x0)"
    row |= {
        "status": "ok", "fit_seconds": fit, "fit_cpu_seconds": 1.8 * fit, "total_seconds": fit + 1.0,
        "run_seconds": fit + 1.1, "peak_memory_mb": 300.0, "r2_test": r2, "r2_zero_test": max(r2, 0.0),
        "accuracy_solution": r2 > 0.999, "equation": text, "sympy_size": size, "complexity": size,
        "front": "[[1, \"x0\"], [5, \"x0*x1\"]]", "front_size": 2, "n_train": 1000, "n_test": 10000,
        "n_features": 4,
    }  # fmt: skip
    if truth:
        row |= {
            "truth": "x0*sin(x1)/x2^2", "n_ood": 10000, "r2_ood": r2 - 0.1 * (not solved),
            "recovered": solved,
            "recovered_any": solved, "recovered_front": solved, "recovered_short": solved,
            "symbolic": "equal" if solved else "unknown", "numeric": "equal" if solved else "different",
            "form": "equal" if solved else "different", "srbench_solved": bool(solved and rng.random() < 0.9),
            "time_to_first": fit * float(rng.uniform(0.05, 0.9)) if solved and method == "symnum" else None,
            "truth_sympy_size": 12, "size_ratio": size / 12, "tree_distance": 0.0 if solved else 0.6,
        }  # fmt: skip
    return row


def measure_overhead(runs: int) -> None:
    tasks = [Task("nothing", "feynman/I.6.2a", seed=i) for i in range(runs)]
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        run_campaign(tasks[:1], folder, target="harness:nothing")
        start = time.perf_counter() - began
        began = time.perf_counter()
        run_campaign(tasks, Path(folder) / "many", target="harness:nothing")
        each = (time.perf_counter() - began - start) / (runs - 1)
    print(f"start of a campaign, libraries loaded: {start:.2f} s")
    print(f"overhead per run, process and storing: {1000 * each:.1f} ms (limit 500 ms)")


def measure_report(count: int, keep: Path | None) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary)
        store = Store(folder)
        began = time.perf_counter()
        with store.writing():
            for row in synthetic_rows(count):
                store.add(row)
                if row["seed"] % 5 == 0:
                    store.compact()
            store.compact(everything=True)
        print(f"storing {count:,} runs: {1000 * (time.perf_counter() - began) / count:.1f} ms each")
        began = time.perf_counter()
        runs = load_runs(folder)
        loaded = time.perf_counter() - began
        page = write_report(folder, folder / "report")
        total = time.perf_counter() - began
        size = page.stat().st_size / 2**20
        print(
            f"loading {len(runs):,} runs: {loaded:.2f} s; "
            f"loading twice and reporting: {total:.2f} s (limit 10 s),"
        )
        print(f"{size:.1f} MiB of HTML")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="runs to measure the overhead with")
    parser.add_argument("--stored", type=int, default=10_000, help="runs to report on")
    parser.add_argument("--keep", type=Path, help="folder for the synthetic store and its report")
    options = parser.parse_args()
    measure_overhead(options.runs)
    measure_report(options.stored, options.keep)
