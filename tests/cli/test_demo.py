"""The demonstration: its integrator against closed forms, its errors, and (slow) all of it."""

from __future__ import annotations

import numpy as np
import pytest

import symnum
from symnum import Expression, SymbolicRegressor
from symnum.demo import KEPLER, simulate


def test_simulate_follows_the_closed_form():
    t = np.linspace(0, 6, 40)
    names = ("x", "y")
    oscillator = [Expression.parse("2*y", names), Expression.parse("-2*x", names)]
    states = simulate(oscillator, np.array([1.0, 0.5]), t)
    exact = np.column_stack([np.cos(2 * t) + 0.5 * np.sin(2 * t), 0.5 * np.cos(2 * t) - np.sin(2 * t)])
    np.testing.assert_allclose(states, exact, atol=1e-6)


@pytest.mark.parametrize(
    ("slope", "exact"),
    [
        ("x**2", lambda t: 1 / (1 - t)),  # grows without bound at t = 1
        ("-1/x", lambda t: np.sqrt(1 - 2 * t)),  # ends at t = 1/2
        ("sqrt(0.4 - y) + 0*x", lambda t: 1 + (0.4**1.5 - (0.4 - t) ** 1.5) / 1.5),  # undefined after t = 0.4
    ],
)
def test_simulate_ends_where_the_solution_does(slope, exact):
    t = np.linspace(0, 2, 21)
    system = [Expression.parse(text, ("x", "y")) for text in (slope, "1 + 0*x")]  # y is the time
    states = simulate(system, np.array([1.0, 0.0]), t)
    np.testing.assert_allclose(states[:4, 0], exact(t[:4]), rtol=1e-5)
    assert np.isnan(states[-1]).all()


def test_demo_without_its_tables_says_where_it_looked(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(symnum, "__file__", str(tmp_path / "site-packages" / "symnum" / "__init__.py"))
    done = cli("demo", "--out", tmp_path / "out")
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert f"none found in {tmp_path} or {tmp_path / 'site-packages'}" in done.err


def test_demo_into_a_file_is_refused_at_once(cli, tmp_path):
    (tmp_path / "out").write_text("")
    done = cli("demo", "--out", tmp_path / "out")
    assert done.code == 1
    assert "cannot write to the folder" in done.err


@pytest.mark.slow
def test_demo_finds_the_laws_and_writes_pages_and_plots(cli, tmp_path):
    done = cli("demo", "--out", tmp_path)
    assert done.code == 0
    assert done.out.count("equal up to rounding") == 2
    model = SymbolicRegressor.load(tmp_path / "planets" / "model.json")
    assert model.expression_.skeleton() == Expression.parse(KEPLER, model.expression_.names).skeleton()
    np.testing.assert_allclose(model.expression_.constants, [365.256, 1.5], rtol=1e-3)
    written = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.*")}
    for folder in ("planets", "predprey-dx_dt", "predprey-dy_dt"):
        for name in ("equations.csv", "model.json", "report.html", "pareto.png", "parity.png"):
            assert f"{folder}/{name}" in written
            assert name in done.out
    assert "predprey-dx_dt/trajectories.png" in written
