"""Campaigns over whole systems: every system, corruption and method once, one line of CSV each."""

from __future__ import annotations

import csv
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from symnum.evaluation.methods.dynamics import make_system_method, simulate
from symnum.evaluation.systems import corrupt, same_structure, side_error, system_case, trajectory_r2
from symnum.exceptions import InvalidInput, SymnumError
from symnum.yaml_files import read_yaml

GOOD = 0.9
"""R2 above which a trajectory counts as reproduced, as in ODEFormer's tables."""


@dataclass(frozen=True)
class SystemResult:
    """One run.

    Attributes
    ----------
    system, method, noise, drop, seed
        What was run.
    reconstruction, generalisation : float
        R2 from the shown and from the held-out start; -inf where the found system cannot be integrated.
    structure : float
        Share of the equations whose form is right.
    side_error : float
        Largest relative error of a right-hand side along the true trajectory.
    seconds : float
    equations, error : str
    """

    system: str
    method: str
    noise: float
    drop: float
    seed: int
    reconstruction: float
    generalisation: float
    structure: float
    side_error: float
    seconds: float
    equations: str
    error: str = ""


def run_one(system: str, method: str, noise: float, drop: float, seed: int, max_time: float) -> SystemResult:
    """Fit one system and judge what was found; a method's error becomes part of the result."""
    case = system_case(system)
    t, U = corrupt(case, noise, drop, seed)
    names = case.equations[0].names
    began = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = make_system_method(method).fit(t, U, names, max_time, seed)
    except (SymnumError, ValueError, np.linalg.LinAlgError) as error:
        seconds = time.perf_counter() - began
        text = f"{type(error).__name__}: {error}"
        return SystemResult(
            system, method, noise, drop, seed, -np.inf, -np.inf, 0.0, np.inf, seconds, "", text
        )
    seconds = time.perf_counter() - began
    shown, held = case.trajectories
    with np.errstate(all="ignore"):
        slopes = np.stack([e.evaluate(shown) for e in found], axis=1)
    right = [same_structure(a, b, shown) for a, b in zip(found, case.equations, strict=True)]
    return SystemResult(
        system, method, noise, drop, seed,
        trajectory_r2(shown, simulate(found, shown[0], case.t)),
        trajectory_r2(held, simulate(found, held[0], case.t)),
        float(np.mean(right)), side_error(case, slopes), seconds, "; ".join(e.text(5) for e in found),
    )  # fmt: skip


def read_system_config(path: Path) -> dict[str, Any]:
    """Campaign from YAML: systems, methods, corruptions (noise, drop), seeds, max_time.

    Raises
    ------
    InvalidInput
        When the file cannot be read or something is missing.
    """
    data = read_yaml(path)
    wanted = {"systems", "methods", "corruptions", "seeds", "max_time"}
    if not isinstance(data, dict) or not wanted <= set(data):
        raise InvalidInput(f"{path.name} must hold {', '.join(sorted(wanted))}")
    return data


def expand_systems(patterns: Sequence[str]) -> list[str]:
    """Ids; ``odebench/*`` is all 63, ``random-odes/7/0-19`` twenty drawn ones."""
    found: list[str] = []
    for pattern in patterns:
        head, _, last = pattern.rpartition("/")
        if pattern == "odebench/*":
            found += [f"odebench/{k}" for k in range(1, 64)]
        elif "-" in last:
            first, end = map(int, last.split("-"))
            found += [f"{head}/{k}" for k in range(first, end + 1)]
        else:
            found.append(pattern)
    return found


def run_systems(config: dict[str, Any], out: Path, workers: int = 1) -> Iterator[SystemResult]:
    """Run what `out` does not hold yet; each result is appended as soon as it is there."""
    from joblib import Parallel, delayed

    done = {(r.system, r.method, r.noise, r.drop, r.seed) for r in read_results(out)}
    tasks = [
        (system, method, float(noise), float(drop), seed)
        for (noise, drop), seed, system, method in product(
            config["corruptions"],
            range(config["seeds"]),
            expand_systems(config["systems"]),
            config["methods"],
        )
    ]
    left = [task for task in tasks if task not in done]
    pool = Parallel(n_jobs=workers, return_as="generator_unordered")
    for result in pool(delayed(run_one)(*task, float(config["max_time"])) for task in left):
        fresh = not out.exists()
        with out.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [f.name for f in fields(SystemResult)])
            if fresh:
                writer.writeheader()
            writer.writerow(asdict(result))
        yield result


def read_results(path: Path) -> list[SystemResult]:
    """Results of a CSV file, none when it does not exist."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            SystemResult(**{f.name: _cast(f.type, row[f.name]) for f in fields(SystemResult)})
            for row in csv.DictReader(file)
        ]


def summary(results: Sequence[SystemResult]) -> list[dict[str, Any]]:
    """Shares by method and corruption."""
    rows = []
    for key in sorted({(r.noise, r.drop, r.method) for r in results}):
        own = [r for r in results if (r.noise, r.drop, r.method) == key]
        rows.append({
            "noise": key[0], "drop": key[1], "method": key[2], "runs": len(own),
            "reconstruction": np.mean([r.reconstruction > GOOD for r in own]),
            "generalisation": np.mean([r.generalisation > GOOD for r in own]),
            "structure": np.mean([r.structure == 1 for r in own]),
            "side within 10 %": np.mean([r.side_error < 0.1 for r in own]),
            "median seconds": np.median([r.seconds for r in own]),
            "most seconds": np.max([r.seconds for r in own]),
        })  # fmt: skip
    return rows


def _cast(kind: Any, text: str) -> Any:
    return int(text) if kind == "int" else float(text) if kind == "float" else text
