"""SymbolicRegressor: the scikit-learn contract, what it finds, and what it keeps when stopped."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest
import sympy
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from symnum import Expression, SymbolicRegressor
from symnum.exceptions import InvalidInput

RNG = np.random.default_rng(0)
X = RNG.uniform(1, 5, (150, 3))


def quick(**changes) -> SymbolicRegressor:
    """Budgeted by evaluations, so that nothing depends on the clock."""
    return SymbolicRegressor(**{"max_time": None, "max_evals": 30_000, "random_state": 0, **changes})


EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": "rows repeated by their weight change which rows the "
    "search samples and how many the description length counts; weights do scale the errors",
}


@parametrize_with_checks(
    [SymbolicRegressor(max_time=None, max_evals=3_000, random_state=0)],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("truth", "function"),
    [
        ("x0**2/x1", lambda X: X[:, 0] ** 2 / X[:, 1]),
        ("3*x0*x1 + x2", lambda X: 3 * X[:, 0] * X[:, 1] + X[:, 2]),
        ("sqrt(x0**2 + x1**2)", lambda X: np.hypot(X[:, 0], X[:, 1])),
        ("x2*exp(-x0/x1)", lambda X: X[:, 2] * np.exp(-X[:, 0] / X[:, 1])),
        ("x0/(x1 + 2*x2)", lambda X: X[:, 0] / (X[:, 1] + 2 * X[:, 2])),
        ("asin(x0*sin(x1)/8)", lambda X: np.arcsin(X[:, 0] * np.sin(X[:, 1]) / 8)),
    ],
)
def test_exact_formulas_are_found_and_hold_elsewhere(truth, function):
    model = quick().fit(X, function(X))
    new = np.random.default_rng(1).uniform(0.5, 7, (200, 3))
    with np.errstate(all="ignore"):
        expected = function(new)
    good = np.isfinite(expected)
    np.testing.assert_allclose(model.predict(new)[good], expected[good], rtol=1e-7)
    assert model.stop_reason_ == "exact formula found"
    size = Expression.parse(truth).sympy_size()
    assert model.expression_.sympy_size() <= 1.5 * size


def test_noise_gives_the_short_formula_not_the_noise():
    y = X[:, 0] ** 2 / X[:, 1]
    noisy = y + 0.02 * np.std(y) * RNG.normal(size=len(y))
    model = quick(max_evals=100_000).fit(X, noisy)
    np.testing.assert_allclose(model.predict(X), y, atol=0.02 * np.std(y))
    assert model.expression_.complexity <= 7


def table(model: SymbolicRegressor) -> str:
    return model.equations_.to_json() + model.stop_reason_ + str(model.best_index_)


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_same_seed_same_table_for_any_number_of_threads(noise):
    y = np.sin(X[:, 0]) * X[:, 1] + X[:, 2] ** 1.3 + noise * RNG.normal(size=len(X))
    models = [quick(n_jobs=j, max_evals=60_000).fit(X, y) for j in (1, 2, 1)]
    assert len({table(m) for m in models}) == 1


def test_front_table():
    model = quick().fit(X, np.exp(X[:, 0]) + X[:, 1] + 0.1 * RNG.normal(size=150))
    front = model.equations_
    assert list(front.columns) == ["complexity", "loss", "score", "r2", "equation", "selected"]
    assert front.complexity.is_monotonic_increasing
    assert front.loss.is_monotonic_decreasing
    assert front.selected.sum() == 1
    assert front.selected[model.best_index_]
    for i, e in enumerate(model.expressions_):
        mse = np.mean((model.predict(X, index=i) - (np.exp(X[:, 0]) + X[:, 1])) ** 2)
        assert np.isfinite(mse)
        assert str(e) == front.equation[i]
    assert {"stage", "seconds", "evaluations", "found", "best_loss"} <= set(model.ledger_.columns)


def test_sympy_and_latex():
    model = quick().fit(X, X[:, 0] ** 2 / X[:, 1])
    assert (
        sympy.simplify(model.sympy() - sympy.Symbol("x0", real=True) ** 2 / sympy.Symbol("x1", real=True))
        == 0
    )
    assert "frac" in model.latex()
    assert model.latex_table().count(r"\\") == len(model.equations_) + 1


def test_names_of_a_data_frame_are_kept_and_checked():
    frame = pd.DataFrame(X, columns=["N", "x 1", "50%"])
    model = quick().fit(frame, frame["N"] / frame["50%"])
    assert set(model.expression_.names) == {"N", "x 1", "50%"}
    assert str(model.expression_) == "N/`50%`"
    assert list(model.feature_names_in_) == list(frame.columns)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["x 1", "N", "50%"]])


@pytest.mark.parametrize(
    "name", ["N", "lambda", "x 1", "50%", "E", "I", "S", "beta", "pi", "sin", "θ", "a-b", "1st"]
)
def test_any_column_name_is_usable(name):
    frame = pd.DataFrame({name: X[:, 0], "other": X[:, 1]})
    model = quick(max_evals=3_000).fit(frame, 2 * frame[name] * frame["other"])
    np.testing.assert_allclose(model.predict(frame), 2 * X[:, 0] * X[:, 1])
    assert model.sympy().free_symbols
    assert model.latex()


def test_pickle_clone_pipeline_and_grid_search():
    y = X[:, 0] * X[:, 1]
    model = quick(max_evals=5_000).fit(X, y)
    data = pickle.dumps(model)
    assert len(data) < 50_000
    back = pickle.loads(data)  # noqa: S301
    np.testing.assert_array_equal(back.predict(X), model.predict(X))
    assert clone(model).get_params() == model.get_params()
    pipeline = make_pipeline(StandardScaler(), quick(max_evals=5_000)).fit(X, y)
    assert pipeline.score(X, y) > 0.999
    grid = GridSearchCV(quick(), {"max_evals": [3_000, 5_000]}, cv=2).fit(X, y)
    assert grid.best_score_ > 0.999
    assert np.all(cross_val_score(quick(max_evals=5_000), X, y, cv=3) > 0.999)


def test_save_and_load(tmp_path):
    path = tmp_path / "model.json"
    model = quick().fit(
        pd.DataFrame(X, columns=list("abc")), X[:, 0] + np.sin(X[:, 1]), X_units=["m", "", "s"], y_units="m"
    )
    model.save(path)
    back = SymbolicRegressor.load(path)
    np.testing.assert_array_equal(
        back.predict(pd.DataFrame(X, columns=list("abc"))),
        model.predict(pd.DataFrame(X, columns=list("abc"))),
    )
    pd.testing.assert_frame_equal(back.equations_, model.equations_, check_dtype=False)
    assert back.units_ == model.units_
    json.loads(path.read_text())


@pytest.mark.parametrize(
    "content", ["", "no json", "[]", '{"format": "other"}', '{"format": "symnum-model", "version": 1}']
)
def test_load_refuses_other_files(tmp_path, content):
    path = tmp_path / "model.json"
    path.write_text(content)
    with pytest.raises(InvalidInput, match=r"model\.json"):
        SymbolicRegressor.load(path)


def test_weights_decide_between_two_laws():
    y = np.where(np.arange(150) < 75, 2 * X[:, 0], -X[:, 1])
    first = quick().fit(X, y, sample_weight=np.r_[np.ones(75), np.zeros(75)])
    second = quick().fit(X, y, sample_weight=np.r_[np.zeros(75), np.ones(75)])
    assert str(first.expression_) == "2*x0"
    assert str(second.expression_) == "-x1"


def test_units_rule_out_formulas():
    d, t = X[:, 0], X[:, 1]
    frame = pd.DataFrame({"d": d, "t": t})
    noisy = d / t + 0.3 * RNG.normal(size=150)
    model = quick().fit(frame, noisy, X_units=["m", "s"], y_units="m/s")
    assert model.equations_.units_ok[model.best_index_]
    with pytest.raises(InvalidInput, match="furlongs"):
        quick().fit(frame, noisy, X_units=["m", "furlongs"], y_units="m/s")


def test_callbacks_see_the_front_and_may_stop():
    seen = []

    def stop(event):
        seen.append((event.elapsed, event.evaluations, len(event.front)))
        return len(seen) >= 2

    model = quick(callbacks=[stop]).fit(X, np.cos(3 * X[:, 0]) + X[:, 1] ** X[:, 2])
    assert len(seen) == 2
    assert model.stop_reason_ == "stopped by callback"
    assert len(model.equations_)


def test_an_error_in_a_callback_keeps_what_was_found():
    model = quick(callbacks=[lambda event: 1 / 0])
    with pytest.raises(ZeroDivisionError):
        model.fit(X, X[:, 0] ** 2)
    assert len(model.equations_)
    assert np.all(np.isfinite(model.predict(X)))


def test_time_limit_is_kept_and_leaves_a_result():
    hard = np.sin(X[:, 0] * X[:, 1]) * np.exp(X[:, 2]) + np.cos(7 * X[:, 1]) * X[:, 0] ** 2.3
    model = SymbolicRegressor(max_time=2, random_state=0).fit(X, hard)
    assert model.stop_reason_ == "max_time"
    assert len(model.equations_)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent POSIX style")
def test_ctrl_c_keeps_what_was_found():
    code = """
import numpy as np, warnings, signal
from symnum import SymbolicRegressor
signal.signal(signal.SIGINT, signal.default_int_handler)
X = np.random.default_rng(0).uniform(1, 5, (300, 4))
y = np.sin(X[:, 0] * X[:, 1]) * np.exp(X[:, 2]) + np.cos(7 * X[:, 1]) * X[:, 0] ** 2.3
print("ready", flush=True)
told = [lambda event: print("found", flush=True)]
model = SymbolicRegressor(max_time=120, random_state=0, callbacks=told).fit(X, y)
print(model.stop_reason_, len(model.equations_), np.isfinite(model.predict(X)).all(), flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    timer = threading.Timer(120, process.kill)
    timer.start()
    try:
        for line in process.stdout:
            if line.startswith("found"):
                process.send_signal(signal.SIGINT)
                break
        out, err = process.communicate()
    finally:
        timer.cancel()
    assert process.returncode == 0, err
    reason, size, finite = out.strip().splitlines()[-1].split()
    assert (reason, finite) == ("interrupted", "True")
    assert int(size) >= 1
    assert "interrupted" in err


def test_no_global_random_state_is_touched():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    quick(max_evals=3_000, random_state=None).fit(X, X[:, 0])
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
