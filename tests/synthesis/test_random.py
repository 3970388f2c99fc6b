"""Streams of random numbers inside kernels against scipy's laws."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit
from scipy import stats

from symnum.synthesis._random import below, normal, start_stream, uniform


@njit
def fill(kind, seed, index, out):
    rng = np.zeros(2, np.uint64)
    start_stream(rng, np.uint64(seed), np.uint64(index))
    for i in range(out.size):
        if kind == 0:
            out[i] = uniform(rng)
        elif kind == 1:
            out[i] = normal(rng)
        else:
            out[i] = below(rng, kind)


@njit
def firsts(seed, out):
    """First number of many streams."""
    rng = np.zeros(2, np.uint64)
    for i in range(out.size):
        start_stream(rng, np.uint64(seed), np.uint64(i))
        out[i] = uniform(rng)


def draws(kind: int, n: int, seed: int = 5, index: int = 7) -> np.ndarray:
    out = np.empty(n)
    fill(kind, seed, index, out)
    return out


def test_uniform_and_normal_follow_their_laws():
    assert stats.kstest(draws(0, 200_000), "uniform").pvalue > 1e-3
    values = draws(1, 400_000)
    assert stats.kstest(values, "norm").pvalue > 1e-3
    # The tail beyond the ziggurat's base strip (3.654) is drawn by another method: count it.
    tail = 2 * stats.norm.sf(3.7)
    assert stats.binomtest(int((np.abs(values) > 3.7).sum()), values.size, tail).pvalue > 1e-3
    assert abs(stats.kurtosis(values)) < 0.05


@pytest.mark.parametrize("n", [2, 3, 10, 97])
def test_whole_numbers_are_even(n: int):
    counts = np.bincount(draws(n, 50_000).astype(int), minlength=n)
    assert counts.size == n
    assert stats.chisquare(counts).pvalue > 1e-3


def test_streams_of_neighbouring_indices_and_seeds_are_unrelated():
    first = np.empty(100_000)
    firsts(0, first)
    assert stats.kstest(first, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.01
    other = np.empty(100_000)
    firsts(1, other)
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.01
    a, b = draws(0, 1000, index=3), draws(0, 1000, index=4)
    assert not np.intersect1d(a, b).size


def test_stream_is_a_function_of_seed_and_index():
    assert np.array_equal(draws(1, 100), draws(1, 100))
    assert not np.array_equal(draws(1, 100), draws(1, 100, seed=6))
