"""The re-simulated Strogatz tables: exact right-hand sides, true trajectories, repeatable files."""

from __future__ import annotations

import csv
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sympy
from scipy.integrate import solve_ivp

SCRIPT = Path(__file__).resolve().parents[2] / "datasets/strogatz/simulate.py"
SYSTEMS = ("bacres", "barmag", "glider", "lv", "predprey", "shearflow", "vdp")


@pytest.fixture(scope="module")
def simulate():
    spec = importlib.util.spec_from_file_location("strogatz_simulate", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def systems(rows):
    return {row["id"]: row for row in rows("strogatz/systems.csv")}


def test_the_seven_systems(systems):
    assert tuple(systems) == SYSTEMS


@pytest.mark.parametrize("name", SYSTEMS)
def test_derivatives_are_the_formula_at_the_states(name, systems, columns, reference):
    trajectory, t, x, y, dx, dy = columns(
        f"strogatz/{name}.csv", "trajectory", "t", "x", "y", "dx_dt", "dy_dt"
    )
    assert np.bincount(trajectory.astype(int)).tolist() == [100] * 4
    np.testing.assert_allclose(t.reshape(4, 100), np.tile(np.arange(100) / 10, (4, 1)), atol=1e-12)
    X = np.column_stack([x, y])
    for column, values in (("dx_dt", dx), ("dy_dt", dy)):
        expected = reference(systems[name][column], ["x", "y"], X)
        # The absolute part allows for cancellation near fixed points.
        np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-13 * np.abs(expected).max())


@pytest.mark.parametrize("name", SYSTEMS)
def test_trajectories_solve_the_equations(name, systems, columns, sympy_of):
    """Another solver, another right-hand side: LSODA on sympy's functions."""
    x, y, dx, dy = columns(f"strogatz/{name}.csv", "x", "y", "dx_dt", "dy_dt")
    rhs = sympy.lambdify(
        sympy.symbols("x y"), [sympy_of(systems[name][c]) for c in ("dx_dt", "dy_dt")], "math"
    )
    t = np.arange(100) / 10
    for block in range(4):
        rows = slice(100 * block, 100 * block + 100)
        start = [x[rows][0], y[rows][0]]
        run = solve_ivp(lambda _, u: rhs(*u), (0, t[-1]), start, "LSODA", t, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(run.y, np.stack([x[rows], y[rows]]), rtol=1e-6, atol=1e-7)
        for state, rate in ((x[rows], dx[rows]), (y[rows], dy[rows])):
            central = (state[2:] - state[:-2]) / 0.2
            assert np.median(np.abs(central - rate[1:-1])) < 0.02 * np.abs(rate).max() + 1e-6


def read(path: Path) -> np.ndarray:
    with path.open(encoding="utf-8", newline="") as handle:
        return np.array(list(csv.reader(handle))[1:], dtype=float)


def test_the_same_seed_writes_the_same_files(tmp_path, simulate, capsys):
    command = [sys.executable, str(SCRIPT), "--seed", "0", "--out", str(tmp_path / "a")]
    subprocess.run(command, check=True, cwd=tmp_path, capture_output=True)
    assert simulate.main(["--seed", "0", "--out", str(tmp_path / "b")]) == 0
    assert "vdp.csv: 400 rows" in capsys.readouterr().out
    for name in SYSTEMS:
        first = (tmp_path / "a" / f"{name}.csv").read_bytes()
        assert first == (tmp_path / "b" / f"{name}.csv").read_bytes()
        assert len(first) < 60_000
        # The committed files may come from another processor, whose sine differs in the last bit.
        committed = read(SCRIPT.parent / f"{name}.csv")
        np.testing.assert_allclose(read(tmp_path / "a" / f"{name}.csv"), committed, rtol=1e-8, atol=1e-9)
    assert simulate.main(["--seed", "1", "--out", str(tmp_path / "c")]) == 0
    assert (tmp_path / "c" / "lv.csv").read_bytes() == (
        tmp_path / "a" / "lv.csv"
    ).read_bytes()  # fixed starts
    assert (tmp_path / "c" / "vdp.csv").read_bytes() != (tmp_path / "a" / "vdp.csv").read_bytes()


def test_a_singular_start_is_reported_and_never_written(simulate, systems, capsys):
    glider = systems["glider"] | {"x0": "values 0 0 0 0"}  # cos(y)/x at x = 0
    with pytest.raises(RuntimeError, match="no regular trajectory"):
        simulate.simulate(glider, np.random.default_rng(0))
    assert "meets a singularity; drawn again" in capsys.readouterr().out
    with pytest.raises(ValueError, match="unknown law 'gamma 1 2'"):
        simulate.draw_start("gamma 1 2", 0, np.random.default_rng(0))


def test_the_formulas_reproduce_the_original_tables(systems, reference):
    home = Path(os.environ.get("SYMNUM_DATA", "")).resolve().parent / "strogatz"
    if "SYMNUM_DATA" not in os.environ or not home.is_dir():
        pytest.skip("the 14 original tables are not here: no folder strogatz/ beside $SYMNUM_DATA")
    for name in SYSTEMS:
        for number, column in enumerate(("dx_dt", "dy_dt"), start=1):
            table = read(home / f"strogatz_{name}{number}.csv")
            expected = reference(systems[name][column], ["x", "y"], table[:, :2])
            np.testing.assert_allclose(table[:, 2], expected, rtol=1e-9, atol=1e-9)
