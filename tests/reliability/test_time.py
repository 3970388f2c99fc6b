"""Time limits: every long piece of a search looks at the clock."""

from __future__ import annotations

import time

import numpy as np
import pytest

from symnum import SymbolicRegressor
from symnum.search import constants
from symnum.search.bank import DEFAULT_BINARY, DEFAULT_UNARY, Bank
from symnum.search.view import original


def test_skeletons_are_not_made_after_the_end(monkeypatch):
    """Thousands of them were made before the clock was looked at: a 5 s fit of three rows took 10 s."""
    X = np.random.default_rng(0).uniform(1, 3, (30, 2))
    bank = Bank.start(X, ("x0", "x1"), DEFAULT_UNARY, DEFAULT_BINARY, 500, None, None)
    bank.grow(500, lambda: False)
    assert bank.size > 300
    made = []
    real = constants.skeleton
    monkeypatch.setattr(constants, "skeleton", lambda *a: made.append(1) or real(*a))
    view = original(X, X[:, 0], ("x0", "x1"))
    rng = np.random.default_rng(0)
    list(constants.search(view, bank, 500, rng, lambda: len(made) > 100, 1, lambda n: None))
    assert 100 < len(made) < 200


@pytest.mark.parametrize("rows", [2, 40, 20_000])
def test_short_limits_are_kept(rows):
    """By CPU time, which a busy machine does not stretch."""
    rng = np.random.default_rng(1)
    X = rng.uniform(1, 3, (rows, 4))
    y = np.sin(X[:, 0] * X[:, 1]) + X[:, 2] ** 1.37 * rng.normal(size=rows)
    SymbolicRegressor(max_time=0.5).fit(X[:30], y[:30])  # compiles
    began = time.process_time()
    SymbolicRegressor(max_time=0.5, random_state=0).fit(X, y)
    assert time.process_time() - began < 0.55 + 1.0
