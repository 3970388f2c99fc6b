"""Tables of awkward numbers: a finite formula that is what its text says, or a clear refusal."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from symnum import Expression, SymbolicRegressor
from symnum.exceptions import InvalidInput

RNG = np.random.default_rng(0)
U = RNG.uniform(1, 5, (40, 2))
N = np.arange(40)
SUM = 2 * U[:, 0] + U[:, 1]
TINIEST = 5e-324


def quick(X, y, **changes) -> SymbolicRegressor:
    settings = {"max_time": None, "max_evals": 200, "random_state": 0, **changes}
    with warnings.catch_warnings():
        # scikit-learn sums columns to find NaN, and the sum of large numbers overflows.
        warnings.filterwarnings("ignore", "invalid value encountered in reduce", RuntimeWarning)
        return SymbolicRegressor(**settings).fit(X, y)


def check(model: SymbolicRegressor, X) -> None:
    """Every formula of the front is finite on the rows it was fitted on, and equal to its text."""
    table = np.asarray(X, dtype=np.float64)
    for i, e in enumerate(model.expressions_):
        value = model.predict(X, index=i)
        assert np.all(np.isfinite(value)), str(e)
        again = Expression.parse(model.equations_["equation"][i], e.names).evaluate(table)
        np.testing.assert_allclose(again, value, rtol=1e-9, atol=0, err_msg=str(e))
    assert np.all(np.isfinite(model.equations_["r2"]))
    assert np.all(np.isfinite(model.equations_["score"]))


SIZES = [1e-300, 1e-200, 1e-160, 1e-120, 1e120, 1e160, 1e200, 1e300]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("where", ["X", "y", "both"])
def test_extreme_sizes(size, where):
    X = U * (size if where != "y" else 1)
    y = SUM * (size / 10 if where == "y" else size if where == "both" else 1)
    if where == "both" and size == 1e300:
        X, y = X / 10, y / 10
    model = quick(X, y)
    check(model, X)
    np.testing.assert_allclose(model.predict(X), y, rtol=1e-9)
    assert model.equations_["complexity"].tolist() == [e.complexity for e in model.expressions_]


AWKWARD = {
    "one column tiny, one huge": (U * [1e-300, 1e300], U[:, 0] * U[:, 1]),
    "six hundred decades in a column": (10 ** RNG.uniform(-300, 300, (40, 1)), RNG.normal(size=40)),
    "six hundred decades in the target": (U, 10 ** RNG.uniform(-300, 300, 40)),
    "denormal columns": (np.round(U * 100) * TINIEST, U[:, 0]),
    "denormal target": (U, np.round(U[:, 0] * 10) * TINIEST),
    "largest numbers": (U, np.full(40, 1.7e308) * np.sign(U[:, 0] - 3)),
    "one outlier": (U, np.where(N == 3, 1e200, U[:, 0])),
    "neighbouring floats": (N.reshape(-1, 1) + 2.0**53, N * 1.0),
    "two floats": (np.array([[1.0], [1 + 2.3e-16], [1.0]]), np.array([1.0, 2.0, 3.0])),
    "whole numbers": (N.reshape(-1, 1), N**2),
    "small unsigned whole numbers": ((N * 6).astype(np.uint8).reshape(-1, 1), N),
    "booleans": (U > 3, (U[:, 0] > 3).astype(int)),
    "objects": (U.astype(object), U[:, 0]),
    "half precision": (U.astype(np.float16), U[:, 0].astype(np.float16)),
    "two rows": (U[:2], U[:2, 0]),
    "three rows": (U[:3], U[:3, 0] ** 2),
    "collinear": (np.column_stack([U[:, 0], 2 * U[:, 0], U[:, 0] + 1e-12 * U[:, 1]]), U[:, 0] ** 2),
    "zeros": (np.zeros((40, 2)), U[:, 0]),
    "nearly constant target": (U, 1 + 1e-15 * U[:, 0]),
    "heavy tails": (U, U[:, 0] + RNG.standard_cauchy(40) * 10),
    "repeated rows": (np.repeat(U[:2], 20, 0), np.repeat(U[:2, 0], 20)),
    "codes of categories": (RNG.integers(0, 3, (40, 2)), RNG.integers(0, 2, 40)),
    "more columns than rows": (RNG.normal(size=(5, 30)), RNG.normal(size=5)),
    "a frame of kinds": (
        pd.DataFrame({"a": N, "b": N % 2 == 0, "c": U[:, 0].astype("float32")}),
        N * U[:, 0],
    ),
}


@pytest.mark.parametrize("kind", AWKWARD)
def test_awkward_tables(kind):
    X, y = AWKWARD[kind]
    check(quick(X, y, max_time=1.0), X)


def test_sizes_are_written_in_the_numbers_given():
    """Extreme tables are searched in scaled numbers; everything told is in the user's."""
    seen = []
    X = U * 1e-200
    model = quick(X, SUM * 1e-150, callbacks=[seen.append])
    values = [c.expression.evaluate(X) for event in seen for c in event.front]
    assert seen
    assert all(np.all(np.isfinite(v)) and 1e-152 < np.abs(v).max() < 1e-147 for v in values)
    assert model.history_["equation"].iloc[-1] in [e.text(6) for e in model.expressions_]
    assert model.equations_["loss"].iloc[0] == pytest.approx(np.var(SUM) * 1e-300, rel=1e-6)


def test_guesses_and_former_formulas_of_extreme_tables():
    X, y = U * 1e200, U[:, 0] / U[:, 1] * 1e-150
    model = quick(X, y, guesses=["1e-150*x0/x1"], max_evals=30)
    np.testing.assert_allclose(model.predict(X), y, rtol=1e-9)
    again = model.set_params(warm_start=True, guesses=None, max_evals=1).fit(X, y)
    np.testing.assert_allclose(again.predict(X), y, rtol=1e-9)


@pytest.mark.parametrize("loss", ["huber(0.5)", "logcosh"])
def test_losses_with_a_width_are_refused_on_extreme_targets(loss):
    with pytest.raises(InvalidInput, match="divide them by a unit"):
        quick(U, SUM * 1e200, loss=loss)


def test_operators_are_kept_on_extreme_tables():
    model = quick(U * 1e-200, SUM * 1e-200, operators=["+"])
    used = {s for e in model.expressions_ for s in e.to_prefix() if isinstance(s, str)}
    assert used <= {"add", "x0", "x1"}


@pytest.mark.parametrize("code", [np.nan, None, pd.NA, pd.NaT])
def test_missing_values_are_named(code):
    frame = pd.DataFrame({"a": U[:, 0], "b": U[:, 1].astype(object)})
    frame.loc[3, "b"] = code
    with pytest.raises(InvalidInput, match=r"column 'b'.*row 3"):
        quick(frame, SUM)


def test_absolute_loss_forgives_outliers():
    y = np.where(N % 8 == 0, 200, U[:, 0] * 3)
    model = quick(U, y, loss="absolute", max_evals=3_000)
    check(model, U)
    np.testing.assert_allclose(model.predict(U)[N % 8 != 0], y[N % 8 != 0], rtol=1e-2)
