"""Span-collision joins against brute-force least squares over all pairs."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from symnum.search.joins import SPARE, Dictionary, collisions, distinct, null_projection


def dictionary(columns: np.ndarray) -> Dictionary:
    n = len(columns)
    return Dictionary(columns, np.arange(n, dtype=np.int32), np.zeros(n, np.int8), np.ones(n, np.int16))


def pairs_by_least_squares(columns: np.ndarray, background: np.ndarray, target: np.ndarray) -> set[tuple]:
    found = set()
    for i, j in combinations(range(len(columns)), 2):
        A = np.column_stack([background, columns[i], columns[j]])
        if np.linalg.norm(A @ np.linalg.lstsq(A, target, rcond=None)[0] - target) < 1e-9:
            found.add((i, j))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_pairs_are_those_of_least_squares(seed):
    rng = np.random.default_rng(seed)
    m = 2 + 1 + SPARE
    background = np.column_stack([np.ones(m), rng.normal(size=m)])
    columns = rng.normal(size=(60, m))
    target = 1.7 * columns[11] - 0.3 * columns[42] + background @ [2.0, -1.0]
    expected = pairs_by_least_squares(columns, background, target)
    _, pairs = collisions(dictionary(columns), null_projection(np.column_stack([background, target])))
    assert {tuple(sorted(p)) for p in pairs.tolist()} == expected == {(11, 42)}


def test_one_column_that_explains_the_target_is_a_single():
    rng = np.random.default_rng(1)
    m = 1 + 1 + SPARE
    columns = rng.normal(size=(30, m))
    target = 3.0 - 2.0 * columns[7]
    singles, _ = collisions(dictionary(columns), null_projection(np.column_stack([np.ones(m), target])))
    assert singles.tolist() == [7]


def test_distinct_keeps_the_cheapest_of_equal_directions():
    rng = np.random.default_rng(2)
    m = 1 + SPARE
    base = rng.normal(size=(3, m))
    columns = np.concatenate([base, 4 - 2 * base[:1], base[1:2] + 1e-3 * base[2:3]])
    kept = Dictionary(
        columns, np.arange(5, dtype=np.int32), np.zeros(5, np.int8), np.array([3, 3, 3, 1, 2], np.int16)
    )
    assert sorted(distinct(kept, null_projection(np.ones((m, 1)))).element.tolist()) == [1, 2, 3, 4]


def test_projection_annihilates_the_background():
    background = np.random.default_rng(4).normal(size=(12, 4)) * np.array([1, 1e6, 1e-6, 1])
    projection = null_projection(background)
    assert projection.shape == (SPARE, 12)
    assert np.max(np.abs(projection @ (background / np.linalg.norm(background, axis=0)))) < 1e-12
    np.testing.assert_allclose(projection @ projection.T, np.eye(SPARE), atol=1e-12)
    assert null_projection(background[: 4 + SPARE - 1]) is None
