"""What a user may tell `symnum fit` about the formula and the errors."""

from __future__ import annotations

import numpy as np
import pandas as pd

from symnum import SymbolicRegressor


def fitted_with(cli, table, folder, target, *args) -> SymbolicRegressor:
    done = cli("fit", table, "--target", target, "--max-evals", 5_000, "--out", folder, *args)
    assert done.code == 0, done.err
    return SymbolicRegressor.load(folder / "model.json")


def test_guess(cli, tmp_path):
    x = np.random.default_rng(0).uniform(1, 5, 60)
    table = tmp_path / "wave.csv"
    pd.DataFrame({"x": x, "y": 2.5 * np.sin(1.7 * x**1.3) + 1}).to_csv(table, index=False)
    model = fitted_with(cli, table, tmp_path / "out", "y", "--guess", "x", "--guess", "sin(1.6*x**1.3)")
    assert model.stop_reason_ == "exact formula found"
    assert model.guesses == ["x", "sin(1.6*x**1.3)"]


def test_template_and_loss(cli, tmp_path):
    t = np.random.default_rng(0).uniform(0, 4, 80)
    y = 3 * np.exp(-t / 2)
    y[::10] += 50
    table = tmp_path / "decay.csv"
    pd.DataFrame({"t": t, "y": y}).to_csv(table, index=False)
    options = ("--template", "A*exp(-k*t)", "--loss", "absolute")
    model = fitted_with(cli, table, tmp_path / "out", "y", *options)
    np.testing.assert_allclose(model.predict(pd.DataFrame({"t": [0.0, 2.0]})), [3, 3 / np.e], rtol=1e-3)
    assert "mean absolute loss" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_operators(cli, noisy_table, tmp_path):
    model = fitted_with(cli, noisy_table, tmp_path, "y", "--operators", "+, *")
    assert len(model.expressions_) > 1
    assert not any(w in str(e) for e in model.expressions_ for w in ("sin", "exp", "/x", "/z", "sqrt"))


def test_bad_values_are_one_line(cli, noisy_table, tmp_path):
    for option, value, word in (
        ("--guess", "x + nothing", "nothing"),
        ("--template", "x + 1", "unknown"),
        ("--loss", "cubic", "absolute"),
        ("--operators", "sine", "sine"),
        ("--operators", ",", "names none"),
    ):
        done = cli("fit", noisy_table, "--target", "y", "--out", tmp_path, option, value)
        assert done.code != 0
        assert word in done.err
        assert "Traceback" not in done.err
