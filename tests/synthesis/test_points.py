"""Rotations, clusters and boxes against scipy and a plain numpy version of the reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numba import njit
from scipy import stats

from symnum.synthesis import EquationGenerator, PointLaw, SampleLaw
from symnum.synthesis._points import rotation
from symnum.synthesis._random import start_stream
from symnum.synthesis.presets import SNIP_OPERATORS


@njit
def rotations(dim, out):
    rng = np.zeros(2, np.uint64)
    start_stream(rng, np.uint64(3), np.uint64(dim))
    vector = np.zeros(dim)
    for i in range(out.shape[0]):
        rotation(rng, dim, out[i], vector)


def test_rotations_are_uniform_on_the_group():
    for dim in (2, 3, 6):
        out = np.empty((4000, dim, dim))
        rotations(dim, out)
        assert np.allclose(out @ out.transpose(0, 2, 1), np.eye(dim), atol=1e-12)
        assert np.allclose(np.linalg.det(out), 1.0)
        reference = stats.special_ortho_group.rvs(dim, 4000, random_state=np.random.default_rng(1))
        for i, j in ((0, 0), (dim - 1, dim - 1), (0, dim - 1)):
            assert stats.ks_2samp(out[:, i, j], reference[:, i, j]).pvalue > 1e-4
        # The trace sees all entries at once.
        assert (
            stats.ks_2samp(np.trace(out, axis1=1, axis2=2), np.trace(reference, axis1=1, axis2=2)).pvalue
            > 1e-4
        )


def reference_points(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    """The reference's clusters (snip/envs/generators.py) with one generator for everything."""
    k = rng.integers(1, 10)
    means, variances = rng.normal(size=(k, dim)), rng.uniform(0, 1, (k, dim))
    gaussian = rng.random() < 0.5
    weights = rng.uniform(0, 1, k)
    blocks = []
    for m, v, count in zip(means, variances, rng.multinomial(n, weights / weights.sum()), strict=True):
        z = rng.normal(size=(count, dim)) if gaussian else rng.uniform(-1, 1, (count, dim))
        rot = stats.special_ortho_group.rvs(dim, random_state=rng) if dim > 1 else np.eye(1)
        blocks.append((m + z * np.sqrt(v)) @ rot)
    x = np.vstack(blocks)
    return (x - x.mean(0)) / x.std(0)


def statistics(x: np.ndarray) -> list[float]:
    """Numbers that see tails, correlation of columns, and that rows come cluster by cluster."""
    steps = np.abs(np.diff(x[:, 0]))
    return [
        float((x[:, 0] ** 4).mean()),
        float(np.abs(x).max()),
        float(abs(np.corrcoef(x.T)[0, 1])),
        float(np.mean(x[:-1, 0] * x[1:, 0])),
        float(np.median(steps)),
    ]


def test_clusters_follow_the_reference():
    # A law whose formulas are never rejected, so that the points are those of the law: products of variables.
    law = SampleLaw(operators=SNIP_OPERATORS, dims=(4, 4), exclude_benchmarks=False)
    batch = EquationGenerator(replace(law, trees=replace(law.trees, max_unary=0))).batch(0, 1500)
    ours = np.array([statistics(batch.sample(i).X) for i in range(1500)])
    rng = np.random.default_rng(0)
    theirs = np.array([statistics(reference_points(rng, 200, 4)) for _ in range(1500)])
    for column in range(ours.shape[1]):
        assert stats.ks_2samp(ours[:, column], theirs[:, column]).pvalue > 1e-4
    X = np.array([batch.sample(i).X for i in range(50)])
    assert np.allclose(X.mean(1), 0, atol=1e-12)
    assert np.allclose(X.std(1), 1, atol=1e-12)


def test_shuffled_rows_are_exchangeable():
    law = EquationGenerator("snip", max_dim=2, exclude_benchmarks=False).law

    def neighbours(shuffle: bool) -> float:
        changed = replace(law, points=PointLaw(shuffle=shuffle))
        batch = EquationGenerator(changed).batch(0, 300)
        return float(
            np.mean([np.mean(x[:-1, 0] * x[1:, 0]) for x in (batch.sample(i).X for i in range(300))])
        )

    assert neighbours(False) > 0.2
    assert abs(neighbours(True)) < 0.02


def test_boxes_stay_inside_the_stated_bounds():
    law = EquationGenerator("improved", max_dim=3).law
    batch = EquationGenerator(replace(law, points=PointLaw(boxes=1.0))).batch(0, 300)
    assert batch.boxes.all()
    columns = [c for i in range(300) for c in batch.sample(i).X.T]
    positive = [c for c in columns if c.min() > 0]
    assert (
        0.65 < len(positive) / len(columns) < 0.85
    )  # three quarters; rejection prefers positive numbers a little
    assert min(c.min() for c in positive) >= 0.1
    assert max(c.max() for c in positive) <= 1000
    assert max(np.abs(c).max() for c in columns if c.min() < 0) <= 10
