"""Budgets with a clock that the test moves."""

from __future__ import annotations

import pytest

from symnum.search import budget as module
from symnum.search.budget import Budget


class Clock:
    now = 100.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def test_seconds(clock):
    b = Budget(max_time=10.0, _began=0.0).start()
    assert (b.elapsed, b.left(), b.expired(), b.reason) == (0.0, 10.0, False, "")
    clock.now += 4
    assert (b.elapsed, b.left(), b.expired()) == (4.0, 6.0, False)
    clock.now += 6
    assert (b.left(), b.expired(), b.reason) == (0.0, True, "max_time")
    clock.now += 5
    assert b.left() == 0.0


def test_evaluations(clock):
    b = Budget(max_evals=10).start()
    clock.now += 1e9
    assert b.left() == float("inf")
    b.charge(3)
    b.charge(4)
    assert (b.evaluations, b.evals_left(), b.expired()) == (7, 3, False)
    b.charge(3)
    assert (b.evals_left(), b.expired(), b.reason) == (0, True, "max_evals")
    b.charge(5)
    assert b.evals_left() == 0
    assert Budget(max_time=1.0).evals_left() == 2**62


def test_the_first_reason_stays(clock):
    b = Budget(max_time=1.0, max_evals=1).start()
    b.stop("exact formula found")
    b.stop("another")
    b.charge(9)
    clock.now += 9
    assert b.expired()
    assert b.reason == "exact formula found"


def test_a_part_ends_on_the_same_clock_and_its_evaluations_count(clock):
    whole = Budget(max_time=10.0, max_evals=1_000).start()
    clock.now += 2
    whole.charge(200)
    part = whole.part(0.25)
    assert part.max_time == pytest.approx(2 + 0.25 * 8)
    assert part.max_evals == 200 + 200
    assert (part.elapsed, part.evaluations) == (2.0, 200)
    part.charge(150)
    assert not part.expired()
    clock.now += 2.5
    assert part.expired()
    assert not whole.expired()
    whole.take_back(part)
    assert whole.evaluations == 350
    whole.take_back(Budget(evaluations=10))
    assert whole.evaluations == 350
    unlimited = Budget(max_evals=8).part(0.5)
    assert (unlimited.max_time, unlimited.max_evals) == (None, 4)
    assert Budget(max_time=8.0, _began=clock.now).part(0.5).max_evals is None
