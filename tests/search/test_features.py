"""Choice of the columns to search over."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, make_friedman1

from symnum.problem import Problem
from symnum.search.features import FEW, MOST, select_columns


def test_constant_and_repeated_columns_go():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3_000, 5))
    X[:, 1] = 2.0
    X[:, 3] = X[:, 0]
    X[:2_500, 4] = X[:2_500, 2]  # equal in most rows only
    assert select_columns(Problem(X, rng.normal(size=3_000))) == [0, 2, 4]
    assert select_columns(Problem(np.ones((5, 3)), np.arange(5.0))) == [0]


def test_few_columns_are_all_kept():
    X, y = load_diabetes(return_X_y=True)
    assert select_columns(Problem(X, y)) == list(range(10))


@pytest.mark.parametrize("seed", range(2))
def test_interactions_are_seen_among_many_columns(seed: int):
    X, y = make_friedman1(500, 60, noise=1.0, random_state=seed)
    X = X[:, ::-1]
    kept = select_columns(Problem(X, y))
    assert set(kept) >= {55, 56, 57, 58, 59}
    assert len(kept) <= FEW + 2


@pytest.mark.parametrize("seed", range(2))
def test_many_small_linear_effects_are_seen(seed: int):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(600, 50))
    y = X[:, :18] @ rng.choice([-1, 1], 18) + rng.normal(size=600)
    kept = select_columns(Problem(X, y))
    assert set(kept) >= set(range(18))
    assert len(kept) <= MOST


def test_more_columns_than_rows_and_zero_weights():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(40, 200))
    y = 3 * X[:, 7] - 2 * X[:, 150] + 0.1 * rng.normal(size=40)
    weights = np.ones(40)
    weights[::4] = 0.0
    y[::4] = 1e6  # rows that do not count
    assert {7, 150} <= set(select_columns(Problem(X, y, weights=weights)))


def test_pure_noise_keeps_the_few():
    rng = np.random.default_rng(2)
    kept = select_columns(Problem(rng.normal(size=(300, 40)), rng.normal(size=300)))
    assert FEW <= len(kept) <= FEW + 2


def test_codes_of_categories_and_outliers():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(800, 30))
    X[:, 4] = rng.integers(0, 2, 800)
    X[:, 9] = rng.integers(1, 6, 800)
    y = 2 * X[:, 4] * X[:, 0] + np.array([0, 1, 3, 1, 0, 2])[X[:, 9].astype(int)] + 0.1 * rng.normal(size=800)
    X[5, 20], y[6] = 1e6, 60.0
    assert set(select_columns(Problem(X, y))) >= {0, 4, 9}
