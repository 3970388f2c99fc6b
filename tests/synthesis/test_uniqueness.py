"""Functions seen before, against a plain set."""

from __future__ import annotations

import numpy as np

from symnum.synthesis import EquationGenerator
from symnum.synthesis.uniqueness import SLOTS, SeenFunctions


def test_matches_a_set_while_slots_do_not_collide():
    rng = np.random.default_rng(0)
    seen, known = SeenFunctions(), set()
    for _ in range(50):
        hashes = rng.integers(1, 3000, 100).astype(np.uint64)
        expected = []
        for h in hashes.tolist():
            expected.append(h not in known)
            known.add(h)
        assert seen.new(hashes).tolist() == expected


def test_a_collision_forgets_but_never_invents():
    seen = SeenFunctions()
    one, two = np.array([5], np.uint64), np.array([5 + SLOTS], np.uint64)
    assert seen.new(one).all()
    assert seen.new(two).all()
    assert not seen.new(two).any()
    assert seen.new(one).all()  # forgotten, so it counts as new once more


def test_iteration_skips_repeated_functions():
    generator = EquationGenerator("improved", max_dim=1, seed=0)
    batches = generator.batches(n=2000)
    first = next(batches)
    assert len(first) < 2000
    assert np.unique(first.hashes).size == len(first)
    assert not np.isin(next(batches).hashes, first.hashes).any()
    full = EquationGenerator("improved", max_dim=1, seed=0, unique=False)
    assert len(next(full.batches(n=2000))) == 2000


def test_equal_hashes_mean_equal_functions():
    batch = EquationGenerator("improved", max_dim=2, seed=0).batch(0, 4000)
    order = np.argsort(batch.hashes, kind="stable")
    same = np.flatnonzero(batch.hashes[order][1:] == batch.hashes[order][:-1])
    assert same.size > 20
    X = np.random.default_rng(0).uniform(0.2, 2, (50, 2))
    for k in same[:100]:
        left, right = (batch.expression(int(order[k + j])) for j in (0, 1))
        d = max(len(left.names), len(right.names))
        with np.errstate(all="ignore"):
            a, b = left.evaluate(X[:, :d]), right.evaluate(X[:, :d])
        assert np.allclose(a, b, rtol=1e-5, equal_nan=True)
