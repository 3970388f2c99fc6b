"""PySR behind search="pysr": its strings, its file, and what is said when it is not there."""

from __future__ import annotations

import numpy as np
import pytest

from symnum import SymbolicRegressor
from symnum.exceptions import InvalidInput, MissingExtra
from symnum.search import pysr_backend
from symnum.search.pysr_backend import missing, read_equation, read_front

NAMES = ("mass", "I", "x 2")
X = np.random.default_rng(0).uniform(0.5, 2, (30, 3))
m, i, z = X.T


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("(x0 * cos(x1)) + square(x2)", m * np.cos(i) + z**2),
        ("x0 ^ -1.5", m**-1.5),
        ("-0.5 * (x2 - -1.0e-3)", -0.5 * (z + 1e-3)),
        ("inv(x0) + neg(x1) + cube(x2)", 1 / m - i + z**3),
        ("sqrt(abs(x1)) / max(x0, x2)", np.sqrt(i) / np.maximum(m, z)),
        ("3.0", np.full(30, 3.0)),
    ],
)
def test_equations_as_pysr_writes_them(text, values):
    e = read_equation(text, NAMES)
    assert e.names == NAMES
    np.testing.assert_allclose(e.evaluate(X), values, rtol=1e-12)


def test_a_front_with_rows_that_cannot_be_read(tmp_path):
    path = tmp_path / "hall_of_fame.csv"
    path.write_text(
        'Complexity,Loss,Equation\n1,2.0,"x0"\n3,1.0,"greater(x0, x1)"\n'
        '4,0.5,"max(x0, x1) * 2.0"\n5,0.1,"x0 +',
        encoding="utf-8",
    )
    assert [str(e) for e in read_front(path, NAMES)] == ["mass", "max(mass, I)*2"]
    assert read_front(tmp_path / "nothing.csv", NAMES) == []


def test_without_julia_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setattr(pysr_backend.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(pysr_backend.shutil, "which", lambda name: None)
    monkeypatch.delenv("PYTHON_JULIAPKG_EXE", raising=False)
    with pytest.raises(MissingExtra, match="julialang"):
        SymbolicRegressor(search="pysr", max_time=5).fit(X, m)
    monkeypatch.setattr(pysr_backend.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="pip install"):
        SymbolicRegressor(search="pysr", max_time=5).fit(X, m)


def test_a_time_limit_is_needed(monkeypatch):
    monkeypatch.setattr(pysr_backend, "missing", lambda: "")
    with pytest.raises(InvalidInput, match="max_time"):
        SymbolicRegressor(search="pysr", max_time=None, max_evals=1_000).fit(X, m)


@pytest.mark.julia
def test_pysr_finds_a_product():
    if missing():
        pytest.skip(missing())
    model = SymbolicRegressor(search="pysr", max_time=120, random_state=0).fit(X, m * z)
    assert model.score(X, m * z) > 1 - 1e-9
