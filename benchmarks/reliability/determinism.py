"""The tables that fits with a seed and an evaluation budget give, kept as a golden file and made again.

``python benchmarks/reliability/determinism.py`` makes every table in fresh processes with other hash seeds
and numbers of threads and compares them with ``tests/reliability/golden.json``; ``--write`` replaces it.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MODULES = {"scikit-learn": "sklearn"}
GOLDEN = ROOT / "tests" / "reliability" / "golden.json"
FITS: dict[str, dict[str, Any]] = {
    "enumerate, exact": {},
    "enumerate, noise": {"noise": 0.05, "max_evals": 4_000},
    "enumerate, absolute loss": {"noise": 0.05, "loss": "absolute", "max_evals": 2_000},
    "enumerate, template": {"template": "f(x0)*x1 + c", "max_evals": 2_000},
    "enumerate, guess": {"guesses": ["sin(x0)*x1"], "noise": 0.05, "max_evals": 500},
    "enumerate, extreme": {"size": 1e-200, "noise": 0.05, "max_evals": 1_000},
    "genetic": {"search": "genetic", "noise": 0.05, "max_evals": 3_000},
    "operon": {"search": "operon", "noise": 0.05, "max_evals": 3_000},
    "dysymnet": {"search": "dysymnet", "noise": 0.05, "max_evals": 3_000},
    "snip": {"search": "snip", "noise": 0.05, "max_evals": 3_000},
    "snip-latent": {"search": "snip-latent", "noise": 0.05, "max_evals": 3_000},
    "tpsr": {"search": "tpsr", "noise": 0.05, "max_evals": 2_000},
}
NEURAL = ("dysymnet", "snip", "snip-latent", "tpsr")
"""Networks choose their kernels by maker and kind of processor: their tables are kept for those seen only."""


def made_with() -> dict[str, str]:
    """What decides the last digits: libraries and the kind of processor."""
    names = ("numpy", "scipy", "numba", "scikit-learn", "pyoperon", "torch", "transformers")
    there = {n: importlib.metadata.version(n) for n in names if importlib.util.find_spec(MODULES.get(n, n))}
    return there | {"machine": platform.machine()}


def comparable(golden: dict[str, Any], name: str) -> str:
    """Why a table cannot be compared here with the one of the file, empty when it can."""
    then, now = golden["made with"], made_with()
    needed = set(then) if name in NEURAL else set(then) - {"torch", "transformers"}
    if different := {n: (then[n], now.get(n)) for n in sorted(needed) if then[n] != now.get(n)}:
        return f"made with other versions, last digits differ: {different}"
    if golden_table(golden, name) is None:
        return f"no table of this search was made on a processor like this one ({kind(name)})"
    return ""


def processor() -> str:
    """Vector instructions that NumPy and the compilers of loops use here; sums are taken in their order."""
    from numpy._core._multiarray_umath import __cpu_features__ as features

    return next((name for name in ("AVX512F", "AVX2") if features.get(name)), "others")


def kind(name: str) -> str:
    """Of the processor, as far as it decides about the last digits of a search."""
    if name not in NEURAL:
        return processor()
    lines = Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else []
    maker = next((s.partition(":")[2].strip() for s in lines if s.startswith("vendor_id")), sys.platform)
    return f"{processor()} {maker}"


def golden_table(golden: dict[str, Any], name: str) -> list[list[Any]] | None:
    """What the file tells of this kind of processor: `tables`, and what differs from them elsewhere."""
    return golden["elsewhere"].get(kind(name), {}).get(name, golden["tables"].get(name))


def table(name: str, n_jobs: int = 1) -> list[list[Any]]:
    """Complexity, loss (6 digits) and text of every formula of one fit."""
    import numpy as np

    from symnum import SymbolicRegressor

    settings: dict[str, Any] = {"max_time": None, "max_evals": 2_000, "random_state": 3, **FITS[name]}
    noise, size = settings.pop("noise", 0.0), settings.pop("size", 1.0)
    rng = np.random.default_rng(5)
    X = rng.uniform(1, 4, (80, 2))
    y = np.sin(X[:, 0]) * X[:, 1] + 0.5 + noise * rng.normal(size=80)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = SymbolicRegressor(n_jobs=n_jobs, **settings).fit(X * size, y)
    rows = zip(found.equations_["complexity"], found.equations_["loss"], found.expressions_, strict=True)
    return [[int(c), f"{loss:.6g}" if loss > 1e-20 else "0", e.text(6)] for c, loss, e in rows]


def in_a_process(name: str, n_jobs: int, hash_seed: int) -> list[list[Any]]:
    """The same in a fresh interpreter."""
    code = f"import sys, json; sys.path.insert(0, {str(Path(__file__).parent)!r}); import determinism as d; "
    done = subprocess.run(
        [sys.executable, "-c", code + f"print(json.dumps(d.table({name!r}, {n_jobs})))"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(hash_seed)},
    )
    return json.loads(done.stdout.splitlines()[-1])


def write(golden: dict[str, Any]) -> None:
    """Replace the golden file."""
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fits", nargs="*", help=f"of {', '.join(FITS)}; all when left out")
    parser.add_argument("--write", action="store_true", help="replace the golden file")
    parser.add_argument("--here", action="store_true", help="add to it what differs on this processor")
    given = parser.parse_args()
    if given.write:
        tables = {name: table(name) for name in FITS if name not in NEURAL}
        write({"made with": made_with(), "tables": tables, "elsewhere": {}})
        return 0
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    if given.here:
        golden["made with"] = made_with()
        for name in given.fits or list(FITS):
            here, made = golden["elsewhere"].setdefault(kind(name), {}), table(name)
            here.pop(name, None)
            if made != golden["tables"].get(name):
                here[name] = made
        write(golden)
        return 0
    failed = False
    for name in given.fits or list(FITS):
        if why := comparable(golden, name):
            print(f"{name:26} not compared: {why}")
            continue
        found = [
            in_a_process(name, jobs, seed) == golden_table(golden, name) for jobs, seed in ((1, 1), (2, 99))
        ]
        failed |= not all(found)
        print(f"{name:26} {'same' if all(found) else f'DIFFERENT {found}'} in 2 processes, 1 and 2 threads")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
