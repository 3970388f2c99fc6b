"""The command on good input: what it prints, what it writes, and that both agree with the estimator."""

from __future__ import annotations

import csv
import io
import json
import os
import signal

import numpy as np
import pandas as pd
import pytest

import symnum
from symnum import Expression, SymbolicRegressor, cli_fit
from symnum.terminal import LiveFront


def test_fit_finds_the_formula_and_writes_what_it_says(cli, force_table, tmp_path):
    out = tmp_path / "deep" / "results"
    done = cli("fit", force_table, "--target", "F", "--max-evals", 20_000, "--out", out)
    assert done.code == 0
    assert done.err == "symnum: note: left out, no numbers in them: 'label'\n"
    formula = next(line for line in done.out.splitlines() if line.startswith("F = "))[4:]
    m, a = np.random.default_rng(1).uniform(1, 9, size=(2, 5))
    np.testing.assert_allclose(Expression.parse(formula).evaluate({"m": m, "a": a}), m * a / 2)
    assert f"wrote equations.csv, model.json, report.html, report.md to {out}" in done.out
    written = ["equations.csv", "model.json", "report.html", "report.md"]
    assert sorted(p.name for p in out.iterdir()) == written


def test_table_on_screen_and_csv_are_the_estimators(cli, force_table, fitted):
    table = pd.read_csv(force_table)
    model = SymbolicRegressor(max_time=None, max_evals=20_000, random_state=0)
    model.fit(table[["m", "a", "decoy"]], table["F"])
    written = pd.read_csv(fitted / "equations.csv", index_col="row")
    expected = model.equations_.reset_index(drop=True)
    pd.testing.assert_frame_equal(written.reindex(columns=expected.columns), expected, check_names=False)
    assert written["latex"].tolist() == [e.latex(6) for e in model.expressions_]
    shown = cli("show", fitted / "model.json").out
    rows = [line for line in shown.splitlines() if line.lstrip(" *")[:1].isdigit()]
    assert len(rows) == len(model.equations_)
    for place, line in enumerate(rows):
        assert line.startswith(" *") == (place == model.best_index_)
        assert model.expressions_[place].text(6) in line


def test_same_seed_same_table(cli, noisy_table, tmp_path):
    for name in ("one", "two"):
        args = ("--target", "y", "--max-evals", 100_000, "--seed", 3, "--out", tmp_path / name)
        assert cli("fit", noisy_table, *args).code == 0
    one, two = ((tmp_path / name / "equations.csv").read_text() for name in ("one", "two"))
    assert one == two
    assert len(one.splitlines()) > 3


def test_features_choose_the_columns(cli, force_table, tmp_path):
    args = ("--target", "F", "--max-evals", 20_000, "--out", tmp_path)
    assert cli("fit", force_table, "--features", "decoy, m", *args).code == 0
    assert SymbolicRegressor.load(tmp_path / "model.json").feature_names_in_.tolist() == ["decoy", "m"]
    assert cli("fit", force_table, "-f", "a", "-f", "m", *args).code == 0
    assert SymbolicRegressor.load(tmp_path / "model.json").feature_names_in_.tolist() == ["a", "m"]


def test_strange_names_go_all_the_way(cli, tmp_path):
    rng = np.random.default_rng(0)
    first, second = rng.uniform(1, 5, size=(2, 30)).tolist()
    data = tmp_path / "odd.csv"
    rows = [f"{a};{b};{a * b}" for a, b in zip(first, second, strict=True)]
    data.write_text("\n".join(["x 1;50%, or so;lambda", *rows]))
    out = tmp_path / "out"
    done = cli(
        "fit", data, "--target", "lambda", "-f", "50%, or so", "-f", "x 1", "--max-evals", 20_000, "-o", out
    )
    assert done.code == 0, done.err
    shown = cli("show", out / "model.json").out
    assert "`x 1`" in shown
    assert "`50%, or so`" in shown
    done = cli("predict", out / "model.json", data)
    table = list(csv.DictReader(io.StringIO(done.out)))
    np.testing.assert_allclose([float(r["prediction"]) for r in table], np.multiply(first, second))


def test_units_are_kept_and_shown(cli, force_table, tmp_path):
    units = "m=kg,a=m/s^2,decoy=1,F=N"
    done = cli("fit", force_table, "--target", "F", "--units", units, "--max-evals", 20_000, "-o", tmp_path)
    assert done.code == 0, done.err
    shown = cli("show", tmp_path / "model.json").out
    assert "m [kg]" in shown
    assert "F [" in shown


def test_results_go_beside_where_one_stands_by_default(cli, force_table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli("fit", force_table, "--target", "F", "--max-evals", 20_000).code == 0
    assert (tmp_path / "force-symnum" / "report.html").is_file()


def test_predict_equals_the_estimator(cli, fitted, force_table):
    model = SymbolicRegressor.load(fitted / "model.json")
    table = pd.read_csv(force_table)
    for index in (None, *range(len(model.expressions_))):
        done = cli(
            "predict", fitted / "model.json", force_table, *(() if index is None else ("--index", index))
        )
        assert done.code == 0
        written = pd.read_csv(io.StringIO(done.out))
        assert list(written.columns) == [*table.columns, "prediction"]
        expected = model.predict(table[["m", "a", "decoy"]], index=index)
        np.testing.assert_array_equal(written["prediction"], expected)
        r2 = 1 - np.mean((table["F"] - expected) ** 2) / np.var(table["F"])
        assert f"against the column 'F' of this table: R2 {r2:.6f}" in done.err


def test_predict_needs_only_the_columns_of_the_formula(cli, fitted, tmp_path):
    data, out = tmp_path / "new.csv", tmp_path / "predictions.csv"
    data.write_text("a,prediction,m\n2,7,3\n4,7,5\n")
    done = cli("predict", fitted / "model.json", data, "--out", out)
    assert done.code == 0
    assert done.out == f"wrote 2 predictions to {out}\n"
    assert done.err == ""
    written = pd.read_csv(out)
    assert list(written.columns) == ["a", "prediction", "m", "prediction_"]
    np.testing.assert_allclose(written["prediction_"], [3, 10])


def test_undefined_predictions_are_counted(cli, tmp_path):
    x = np.linspace(1, 3, 30)
    model = SymbolicRegressor(max_time=None, max_evals=20_000, random_state=0)
    model.fit(pd.DataFrame({"x": x}), 1 / x).save(tmp_path / "model.json")
    (tmp_path / "new.csv").write_text("x\n2\n0\n")
    done = cli("predict", tmp_path / "model.json", tmp_path / "new.csv")
    assert done.code == 0
    assert done.err == "symnum: note: the formula is undefined on 1 of 2 rows\n"
    assert done.out.splitlines() == ["x,prediction", "2,0.5", "0,inf"]


def test_model_file_loads_without_the_command(fitted):
    assert json.loads((fitted / "model.json").read_text())["target"] == "F"
    model = SymbolicRegressor.load(fitted / "model.json")
    np.testing.assert_allclose(model.predict(pd.DataFrame({"m": [2.0], "a": [3.0], "decoy": [9.0]})), [3.0])


def test_model_saved_by_the_estimator_is_shown(cli, tmp_path):
    X = np.random.default_rng(0).uniform(1, 5, size=(30, 2))
    model = SymbolicRegressor(max_time=None, max_evals=20_000, random_state=0).fit(X, X[:, 0] / X[:, 1])
    model.save(tmp_path / "model.json")
    done = cli("show", tmp_path / "model.json")
    assert done.code == 0
    assert "\ny = x0/x1\n" in done.out
    assert r"\frac{x_{0}}{x_{1}}" in done.out
    (tmp_path / "new.csv").write_text("x1,x0\n2,6\n")
    assert cli("predict", tmp_path / "model.json", tmp_path / "new.csv").out == "x1,x0,prediction\n2,6,3.0\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_search_keeps_what_it_found(cli, noisy_table, tmp_path, monkeypatch, number):
    class Impatient(LiveFront):
        """Sends the signal when the first formulas are there."""

        def __call__(self, event):
            super().__call__(event)
            if len(event.front) == 2:
                os.kill(os.getpid(), number)

    monkeypatch.setattr(cli_fit, "LiveFront", Impatient)
    done = cli("fit", noisy_table, "--target", "y", "--time", 100, "--out", tmp_path)
    assert done.code == 0
    assert done.err == "symnum: note: stopped early; what was found until then is kept\n"
    assert SymbolicRegressor.load(tmp_path / "model.json").stop_reason_ == "interrupted"
    assert "interrupted" in (tmp_path / "report.html").read_text()
    assert len((tmp_path / "equations.csv").read_text().splitlines()) >= 3
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL  # as it was before


def test_time_limit_keeps_what_was_found(cli, noisy_table, tmp_path):
    done = cli("fit", noisy_table, "--target", "y", "--time", 0.2, "--out", tmp_path)
    assert done.code == 0
    assert SymbolicRegressor.load(tmp_path / "model.json").stop_reason_ == "max_time"
    assert (tmp_path / "report.html").is_file()


def test_version_and_help(cli):
    assert cli("version").out == f"symnum {symnum.__version__}\n"
    for args in (["--help"], ["fit", "--help"]):
        done = cli(*args)
        assert done.code == 0
        assert "Usage" in done.out
    assert "--target" in cli("fit", "--help").out
