"""Grey wolves, CMA-ES and tree search on landscapes and trees whose best is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from symnum.exceptions import InvalidInput
from symnum.search.snip.optimisers import CMA, OPTIMISERS, GreyWolves, Optimiser
from symnum.search.snip.tree import Planner, Prefix

TARGET = np.array([0.3, -0.7, 0.1, 0.5])


def bowl(x: np.ndarray) -> np.ndarray:
    return np.sum((x - TARGET) ** 2, axis=1)


def minimise(found: Optimiser, steps: int) -> tuple[float, np.ndarray]:
    best, where = np.inf, np.zeros(4)
    for _ in range(steps):
        positions = found.ask().copy()
        values = bowl(positions)
        if values.min() < best:
            best, where = float(values.min()), positions[int(values.argmin())]
        found.tell(values)
    return best, where


@pytest.mark.parametrize("name", list(OPTIMISERS))
def test_the_bottom_of_a_bowl_is_found(name: str):
    if name == "cma":
        pytest.importorskip("cma")
    population = np.random.default_rng(0).uniform(-1, 1, (20, 4))
    best, where = minimise(OPTIMISERS[name](population, 60, np.random.default_rng(1)), 60)
    assert best < 1e-3 * bowl(population).min()
    np.testing.assert_allclose(where, TARGET, atol=0.02)


@pytest.mark.parametrize("name", list(OPTIMISERS))
def test_one_seed_one_way(name: str):
    if name == "cma":
        pytest.importorskip("cma")
    population = np.random.default_rng(0).uniform(-1, 1, (20, 4))
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    ends = [minimise(OPTIMISERS[name](population, 9, np.random.default_rng(1)), 9)[1] for _ in range(2)]
    np.testing.assert_array_equal(*ends)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_wolves_stand_still_at_the_leaders_in_the_end():
    wolves = GreyWolves(np.random.default_rng(0).normal(size=(6, 3)), 4, np.random.default_rng(0))
    for _ in range(5):
        wolves.tell(np.sum(wolves.ask() ** 2, axis=1))
    np.testing.assert_allclose(wolves.ask(), np.tile(wolves.leaders.mean(axis=0), (6, 1)))


def test_worthless_positions_do_not_lead():
    for kind in (GreyWolves, CMA):
        if kind is CMA:
            pytest.importorskip("cma")
        found = kind(np.random.default_rng(0).normal(size=(8, 4)), 5, np.random.default_rng(0))
        for _ in range(4):
            values = bowl(found.ask())
            values[::2] = np.nan
            found.tell(values)
            assert np.isfinite(found.ask()).all()
    with pytest.raises(InvalidInput, match="3 positions or more"):
        GreyWolves(np.zeros((2, 3)), 5, np.random.default_rng(0))


# ---------------------------------------------------------------- trees
# Words 0, 1, 2; sequences of three words; the likeliest word is 0 everywhere.
CHANCES = (0.6, 0.3, 0.1)
LENGTH = 3


def following(prefixes):
    return [list(enumerate(CHANCES)) if len(p) < LENGTH else [] for p in prefixes]


def complete(prefixes):
    return [p + (0,) * (LENGTH - len(p)) for p in prefixes]


def planner(reward, **more) -> Planner:
    return Planner(following, complete, lambda rows: [reward(r) for r in rows], **more)


def test_all_sequences_are_seen_and_each_is_valued_once():
    valued: list[Prefix] = []

    def reward(row: Prefix) -> float:
        valued.append(row)
        return float(sum(row))

    tree = planner(reward)
    for _ in range(100):
        if tree.first.over:
            break
        tree.rollouts(2)
    assert tree.first.over
    assert tree.rollouts(5) == []
    assert sorted(valued) == sorted(itertools.product(range(3), repeat=LENGTH))
    assert tree.best() == (2, 2, 2)
    assert tree.first.best == 6.0


@pytest.mark.parametrize("guided", [True, False])
def test_rewards_lead_to_the_best_sequence_sooner_than_chances(guided: bool):
    goal = (1, 2, 1)
    seen: list[Prefix] = []

    def reward(row: Prefix) -> float:
        seen.append(row)
        return sum(a == b for a, b in zip(row, goal, strict=True)) / LENGTH

    tree = planner(reward, exploration=0.3, guided=guided)
    while goal not in seen:
        tree.rollouts(1)
    # By falling probability the goal comes after at least 14 of the 27 sequences.
    chance = {r: np.prod([CHANCES[w] for w in r]) for r in itertools.product(range(3), repeat=LENGTH)}
    assert sum(chance[r] > chance[goal] for r in chance) >= 13
    assert len(seen) <= 13


def test_words_are_settled_by_the_largest_reward():
    tree = planner(lambda row: float(row == (2, 1, 0)) + 0.1 * row[0])
    for _ in range(LENGTH):
        tree.rollouts(9)
        assert tree.advance()
    assert tree.tree.prefix[:2] == (2, 1)
    tree.restart()
    assert tree.tree is tree.first
    assert not planner(lambda row: 0.0).advance()
