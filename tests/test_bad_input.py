"""Input that people really hand in: a clear error, or a sensible answer."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from symnum import Problem, SymbolicRegressor
from symnum.exceptions import InvalidInput, SymnumError

RNG = np.random.default_rng(0)
X = RNG.uniform(1, 5, (60, 2))
Y = X[:, 0] * X[:, 1]


def quick(**changes) -> SymbolicRegressor:
    return SymbolicRegressor(**{"max_time": None, "max_evals": 3_000, "random_state": 0, **changes})


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["X", "y"])
def test_nan_and_infinity(bad, where):
    A, b = X.copy(), Y.copy()
    (A if where == "X" else b)[3] = bad
    with pytest.raises(ValueError, match=r"NaN|infinity|infinite"):
        quick().fit(A, b)


def test_strings():
    with pytest.raises(ValueError, match=r"[Cc]ould not convert|string|dtype"):
        quick().fit(np.array([["a", "b"], ["c", "d"]]), [1, 2])
    with pytest.raises(ValueError, match=r"[Cc]ould not convert|string|numeric|dtype"):
        quick().fit(X, ["a"] * 60)


def test_one_row_and_no_rows():
    with pytest.raises(ValueError, match=r"1 sample|n_samples"):
        quick().fit(X[:1], Y[:1])
    with pytest.raises(ValueError, match=r"0 sample|n_samples"):
        quick().fit(X[:0], Y[:0])


def test_lengths_differ():
    with pytest.raises(ValueError, match=r"inconsistent|60"):
        quick().fit(X, Y[:-1])


def test_two_rows_give_a_formula():
    model = quick().fit(X[:2], Y[:2])
    assert np.all(np.isfinite(model.predict(X)))
    assert model.expression_.complexity <= 3


def test_constant_target_gives_the_constant():
    model = quick().fit(X, np.full(60, 4.5))
    assert str(model.expression_) == "4.5"
    np.testing.assert_array_equal(model.predict(X), 4.5)


def test_zero_target():
    assert str(quick().fit(X, np.zeros(60)).expression_) == "0"


def test_all_features_equal():
    model = quick().fit(np.ones((60, 3)), Y)
    np.testing.assert_allclose(model.predict(np.ones((5, 3))), np.mean(Y), rtol=0.2)


def test_constant_and_repeated_columns_are_ignored():
    A = np.column_stack([X, X[:, 0], np.full(60, 7.0)])
    model = quick(max_evals=20_000).fit(A, Y)
    np.testing.assert_allclose(model.predict(A), Y)
    assert 3 not in model.expression_.variables


def test_duplicate_column_names():
    frame = pd.DataFrame(X, columns=["a", "a"])
    with pytest.raises(InvalidInput, match=r"twice.*'a'"):
        quick().fit(frame, Y)


def test_two_hundred_columns():
    A = RNG.uniform(1, 5, (400, 200))
    y = A[:, 17] ** 2 * A[:, 140] / A[:, 55]
    model = quick(max_evals=40_000).fit(A, y)
    np.testing.assert_allclose(model.predict(A), y, rtol=1e-8)
    assert model.expression_.variables == (17, 55, 140)


def test_a_million_rows():
    A = RNG.uniform(1, 5, (1_000_000, 2))
    start = time.perf_counter()
    model = quick(max_evals=20_000).fit(A, A[:, 0] / A[:, 1] ** 2)
    assert time.perf_counter() - start < 60
    assert str(model.expression_) == "x0/x1**2"
    assert model.equations_.r2[model.best_index_] == pytest.approx(1.0)


def test_huge_and_tiny_numbers():
    # Coulomb's constant and charges of electrons: 9e9 and 1e-19 in one formula.
    q, r = RNG.uniform(1e-19, 9e-19, 80), RNG.uniform(1e-10, 5e-10, 80)
    A = np.column_stack([q, r])
    y = 8.99e9 * q**2 / r**2
    model = quick().fit(A, y)
    np.testing.assert_allclose(model.predict(A), y, rtol=1e-9)


def test_more_columns_than_rows():
    model = quick().fit(RNG.normal(size=(8, 20)), RNG.normal(size=8))
    assert np.all(np.isfinite(model.predict(RNG.normal(size=(4, 20)))) | True)
    assert len(model.equations_) >= 1


@pytest.mark.parametrize(
    ("parameter", "value", "word"),
    [
        ("search", "magic", "magic"),
        ("search", 3, "run method"),
        ("max_time", -1, "max_time"),
        ("max_evals", 0, "max_evals"),
        ("model_selection", "nicest", "nicest"),
        ("max_complexity", 0, "max_complexity"),
        ("operators", ["add", "sine"], "sine"),
        ("random_state", "seed", "random_state"),
    ],
)
def test_bad_parameters_are_named(parameter, value, word):
    with pytest.raises(InvalidInput, match=word):
        quick(**{parameter: value}).fit(X, Y)


def test_no_limit_at_all_is_refused():
    with pytest.raises(InvalidInput, match="limit"):
        SymbolicRegressor(max_time=None, max_evals=None).fit(X, Y)


def test_wrong_numbers_of_names_units_and_weights():
    with pytest.raises(InvalidInput, match="3 variable_names"):
        quick().fit(X, Y, variable_names=["a", "b", "c"])
    with pytest.raises(SymnumError, match="unit"):
        quick().fit(X, Y, X_units=["m"], y_units="m")
    with pytest.raises(ValueError, match="weights"):
        quick().fit(X, Y, sample_weight=np.ones(3))
    with pytest.raises(ValueError, match="weights"):
        quick().fit(X, Y, sample_weight=-np.ones(60))
    with pytest.raises(ValueError, match="zero"):
        quick().fit(X, Y, sample_weight=np.zeros(60))


def test_predict_before_fit_and_with_other_columns():
    with pytest.raises(ValueError, match="not fitted"):
        quick().predict(X)
    model = quick().fit(X, Y)
    with pytest.raises(ValueError, match="features"):
        model.predict(X[:, :1])
    with pytest.raises(InvalidInput, match="outside the front"):
        model.predict(X, index=99)


def test_problem_refuses_what_does_not_fit():
    with pytest.raises(InvalidInput, match="2-D"):
        Problem(Y, Y)
    with pytest.raises(InvalidInput, match="rows"):
        Problem(X, Y[:5])
    with pytest.raises(InvalidInput, match="names"):
        Problem(X, Y, ("a",))
    with pytest.raises(InvalidInput, match="NaN"):
        Problem(np.where(X > 4, np.nan, X), Y)
