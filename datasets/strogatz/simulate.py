"""Simulate the seven Strogatz systems of systems.csv and write one table each.

Run by path: ``python datasets/strogatz/simulate.py --seed 0 --out DIR``. The same seed writes the same files.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from symnum.expressions import Expression

HERE = Path(__file__).resolve().parent
COLUMNS = ("trajectory", "t", "x", "y", "dx_dt", "dy_dt")
N_TRAJECTORIES = 4
MAX_DRAWS = 50
Array = NDArray[np.float64]


def read_systems(path: Path = HERE / "systems.csv") -> list[dict[str, str]]:
    """Rows of systems.csv as dictionaries of text."""
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def draw_start(law: str, trajectory: int, rng: np.random.Generator) -> float:
    """One initial value by the law ``normal mean sd``, ``uniform low high`` or ``values v1 v2 ...``."""
    kind, *numbers = law.split()
    values = [float(number) for number in numbers]
    if kind == "normal":
        return float(rng.normal(*values))
    if kind == "uniform":
        return float(rng.uniform(*values))
    if kind == "values":
        return values[trajectory]
    raise ValueError(f"unknown law {law!r} in systems.csv; expected normal, uniform or values")


def integrate(rhs: tuple[Expression, Expression], start: Array, t: Array) -> Array | None:
    """States at the times `t`, shape (len(t), 2), or None if the trajectory meets a singularity."""

    def derivative(_time: float, state: Array) -> Array:
        return np.concatenate([f.evaluate(state[None, :]) for f in rhs])

    if not np.isfinite(derivative(0.0, start)).all():
        return None
    with np.errstate(all="ignore"):  # a step across a singularity is seen in the result
        run: Any = solve_ivp(derivative, (t[0], t[-1]), start, "DOP853", t, rtol=1e-10, atol=1e-12)
    if not run.success or not np.isfinite(run.y).all():
        return None
    return run.y.T


def simulate(system: dict[str, str], rng: np.random.Generator) -> Array:
    """Table of one system, shape (trajectories * points, 6), columns as in ``COLUMNS``.

    States are rounded to 12 significant digits and the right-hand sides evaluated at the rounded states, so
    that a reader who evaluates the formula on the columns x, y gets the columns dx_dt, dy_dt back. A start
    whose trajectory meets a singularity is drawn again, and said so.
    """
    rhs = tuple(Expression.parse(system[column], names=("x", "y")) for column in ("dx_dt", "dy_dt"))
    t = np.round(np.arange(int(system["points"])) * float(system["dt"]), 10)
    blocks = []
    for trajectory in range(N_TRAJECTORIES):
        for _ in range(MAX_DRAWS):
            start = np.array([draw_start(system[column], trajectory, rng) for column in ("x0", "y0")])
            states = integrate((rhs[0], rhs[1]), start, t)
            if states is not None:
                break
            print(f"{system['id']}: trajectory {trajectory} from {start} meets a singularity; drawn again")
        else:
            raise RuntimeError(f"{system['id']}: no regular trajectory in {MAX_DRAWS} draws")
        states = np.array([[float(f"{value:.12g}") for value in row] for row in states])
        targets = [f.evaluate(states) for f in rhs]
        blocks.append(np.column_stack([np.full(len(t), trajectory), t, states, *targets]))
    return np.concatenate(blocks)


def write_table(path: Path, table: Array) -> None:
    """Write a table as CSV; every float is the shortest text that reads back as the same number."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([int(row[0]), *(repr(float(value)) for value in row[1:])] for row in table)


def main(argv: list[str] | None = None) -> int:
    """Simulate every system and write ``DIR/<id>.csv``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=0, help="seed of the initial values (default 0)")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for the tables (default: this one)")
    options = parser.parse_args(argv)
    if options.seed < 0:
        parser.error(f"--seed is {options.seed}; it must be 0 or larger")
    options.out.mkdir(parents=True, exist_ok=True)
    for index, system in enumerate(read_systems()):
        # One stream per system: adding a system leaves the others unchanged.
        table = simulate(system, np.random.default_rng([options.seed, index]))
        path = options.out / f"{system['id']}.csv"
        write_table(path, table)
        print(f"{path}: {len(table)} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
