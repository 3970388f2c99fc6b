"""Mutation testing with cosmic-ray: are there tests that notice when a line of the package is wrong?

``python benchmarks/reliability/mutants.py --sample 10 --state mutants`` changes ten places, drawn at random,
of every module in `PAIRS`, one at a time in a copy of the repository, and runs that module's tests on each. A
mutant that no test notices survives: it is printed, and wants a test, or makes no difference. A later call
with the same state goes on. Needs ``pip install cosmic-ray``.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAIRS = {
    "symnum/search/selection.py": "tests/search/test_selection.py tests/search/test_mdl.py",
    "symnum/search/mdl.py": "tests/search/test_mdl.py",
    "symnum/search/budget.py": "tests/search/test_budget.py tests/search/test_memory.py",
    "symnum/search/candidate.py": "tests/search/test_selection.py",
    "symnum/search/signs.py": "tests/search/test_signs.py",
    "symnum/search/snapping.py": "tests/search/test_solving.py",
    "symnum/search/intervals.py": "tests/search/test_intervals.py",
    "symnum/search/rules.py": "tests/search/test_rules.py",
    "symnum/expressions/parser.py": "tests/expressions/test_parser.py tests/reliability/test_hostile_text.py",
    "symnum/expressions/units.py": "tests/expressions/test_units.py",
    "symnum/expressions/canonical.py": "tests/expressions/test_canonical.py",
    "symnum/expressions/_nodes.py": "tests/expressions/test_canonical.py",
    "symnum/expressions/token_trees.py": "tests/expressions/test_tokenizer.py",
    "symnum/expressions/floats.py": "tests/expressions/test_floats.py",
    "symnum/expressions/equivalence.py": "tests/expressions/test_equivalence.py",
}
CONFIG = """
[cosmic-ray]
module-path = [{modules}]
timeout = {timeout}
excluded-modules = []
test-command = "{command}"
[cosmic-ray.distributor]
name = "local"
"""
ANNOTATION = "core/ReplaceBinaryOperator_BitOr"
"""Changes the | between types."""


def session(folder: Path, modules: list[str], command: str, timeout: float, state: Path) -> Path:
    """Configuration and list of all mutants, unless there is one."""
    config = folder / "cosmic-ray.toml"
    config.write_text(
        CONFIG.format(modules=", ".join(f'"{m}"' for m in modules), timeout=timeout, command=command)
    )
    if not state.exists():
        subprocess.run(["cosmic-ray", "init", str(config), str(state)], cwd=folder, check=True)
    return config


def draw(state: Path, sample: int, seed: int) -> None:
    """Keep so many mutants of every module, drawn at random, and those that have a result."""
    with sqlite3.connect(state) as db:
        rows = db.execute(
            "SELECT module_path, job_id, operator_name FROM mutation_specs "
            "ORDER BY operator_name, operator_args, occurrence"  # the ids themselves are random
        ).fetchall()
        done = {r[0] for r in db.execute("SELECT job_id FROM work_results")}
        kept = set(done)
        for module in sorted({r[0] for r in rows}):
            mine = [r[1] for r in rows if r[0] == module and not r[2].startswith(ANNOTATION)]
            kept |= set(random.Random(f"{seed}:{module}").sample(mine, min(sample, len(mine))))  # noqa: S311
        for _, job, _ in rows:
            if job not in kept:
                db.execute("DELETE FROM mutation_specs WHERE job_id = ?", (job,))
                db.execute("DELETE FROM work_items WHERE job_id = ?", (job,))


def report(folder: Path) -> None:
    """Score of every module, and what survived."""
    rows = []
    for state in sorted(folder.glob("*.sqlite")):
        with sqlite3.connect(state) as db:
            rows += db.execute(
                "SELECT module_path, test_outcome, diff, operator_name, start_pos_row "
                "FROM work_results JOIN mutation_specs USING (job_id) "
                "WHERE test_outcome IS NOT NULL ORDER BY start_pos_row"
            ).fetchall()
    print(f"{'module':40} mutants  noticed")
    for module in [*sorted({r[0] for r in rows}), None]:
        mine = [r for r in rows if module in (None, r[0])]
        noticed = sum(r[1] != "SURVIVED" for r in mine)
        print(f"{module or 'all':40} {len(mine):7} {noticed:8} ({noticed / max(len(mine), 1):.0%})")
    for module, outcome, diff, operator, row in rows:
        if outcome == "SURVIVED":
            changed = [s for s in diff.splitlines() if s[:1] in "+-" and s[:3] not in ("+++", "---")]
            print(f"\nsurvived: {module}:{row} {operator}\n" + "\n".join(changed))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", help="of those in PAIRS; all when left out")
    parser.add_argument("--sample", type=int, default=10, help="mutants of each module")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds for the tests of one mutant")
    parser.add_argument("--state", type=Path, required=True, help="folder for lists of mutants and results")
    given = parser.parse_args()
    given.state.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in ("symnum", "tests", "benchmarks", "datasets", "pyproject.toml"):
            source = ROOT / part
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, copy / part)
        for module in given.modules or list(PAIRS):
            if time.monotonic() - began > given.seconds:
                break
            state = (given.state / (Path(module).stem + ".sqlite")).resolve()
            command = (
                f"env PYTHONPATH={copy} {sys.executable} -m pytest -x -q -p no:cacheprovider {PAIRS[module]}"
            )
            fresh = not state.exists()
            config = session(copy, [module], command, given.timeout, state)
            if fresh:
                draw(state, given.sample, given.seed)
            # Tests that fail without any change would notice everything.
            subprocess.run(["cosmic-ray", "baseline", str(config)], cwd=copy, check=True)
            subprocess.run(["cosmic-ray", "exec", str(config), str(state)], cwd=copy, check=True)
    report(given.state)


if __name__ == "__main__":
    main()
