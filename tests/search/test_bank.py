"""The bank against a plain enumeration and against the expressions it says it holds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from symnum.search.approximate import bank_on
from symnum.search.bank import Bank

UNARY = ("square", "sqrt", "inv", "exp", "log", "sin")
BINARY = ("add", "sub", "mul", "div")


def make(d: int, capacity: int, workers: ThreadPoolExecutor | None = None, unary=UNARY) -> Bank:
    X = np.random.default_rng(3).uniform(1, 3, (24, d))
    bank = Bank.start(X, [f"x{i}" for i in range(d)], unary, BINARY, capacity)
    bank.grow(capacity, lambda: False, workers)
    return bank


def test_columns_are_the_values_of_their_expressions():
    bank = make(2, 3_000)
    for index in range(0, bank.size, 37):
        e = bank.expression(index)
        np.testing.assert_allclose(bank.values[index], e.evaluate(bank.X), rtol=1e-12)


def test_no_two_columns_are_equal_up_to_sign():
    bank = make(2, 5_000)
    values = bank.values[: bank.size]
    first = values * np.sign(values[:, :1])
    order = np.argsort(first[:, 0])
    near = np.all(np.abs(np.diff(first[order], axis=0)) < 1e-11 * np.abs(first[order][1:]), axis=1)
    assert not near.any()


def brute_force(X: np.ndarray, most: int) -> set[tuple]:
    """Functions of at most `most` cost units by enumeration of all trees over + - * / and square."""
    levels: dict[int, list[np.ndarray]] = {1: [np.ones(len(X)), *X.T]}
    for cost in range(2, most + 1):
        level = [v * v for v in levels.get(cost - 1, [])]
        for a in range(1, cost - 1):
            for u in levels[a]:
                for v in levels.get(cost - 1 - a, []):
                    with np.errstate(all="ignore"):
                        level += [u + v, u - v, v - u, u * v, u / v]
        # Of the constants the bank holds only the one.
        levels[cost] = [v for v in level if np.all(np.isfinite(v)) and np.ptp(v) > 1e-9 * np.max(np.abs(v))]
    found = set()
    for v in (v for level in levels.values() for v in level):
        top = np.max(np.abs(v))
        if top < 1e-9 or np.ptp(v) < 1e-5 * top or top > 0.995 * np.sum(np.abs(v)):
            continue
        found.add(tuple(np.round(v * np.sign(v[0]), 7)))
    return found


def test_enumeration_reaches_every_function_of_low_cost():
    X = np.random.default_rng(3).uniform(1, 3, (24, 2))
    bank = Bank.start(X, ["x0", "x1"], ("square", "inv"), BINARY, 100_000)
    bank.grow(100_000, lambda: len(bank.levels) > 7)
    size = bank.levels[6]
    held = {tuple(np.round(v * np.sign(v[0]), 7)) for v in bank.values[1:size]}
    missing = brute_force(X, 5) - held
    assert not missing


def test_the_number_of_threads_changes_nothing():
    with ThreadPoolExecutor(2) as pool:
        one, two = make(3, 30_000), make(3, 30_000, pool)
    assert one.size == two.size
    for name in ("op", "left", "right", "cost"):
        np.testing.assert_array_equal(getattr(one, name)[: one.size], getattr(two, name)[: two.size])
    np.testing.assert_array_equal(one.values[: one.size], two.values[: two.size])


def test_capacity_and_stop_are_obeyed():
    bank = make(2, 500)
    assert bank.size == 500
    X = np.random.default_rng(0).uniform(1, 2, (24, 2))
    stopped = Bank.start(X, ["a", "b"], UNARY, BINARY, 10_000)
    stopped.grow(10_000, lambda: True)
    assert 3 <= stopped.size < 500


def test_columns_on_other_rows():
    bank = make(2, 2_000)
    X = np.random.default_rng(9).uniform(1, 3, (50, 2))
    values = bank_on(bank, X, 2_000)
    for index in range(0, 2_000, 61):
        np.testing.assert_allclose(values[index], bank.expression(index).evaluate(X), rtol=1e-12)


@pytest.mark.parametrize("unary", [("exp",), ("sin", "log")])
def test_transcendental_functions_are_not_nested(unary):
    bank = make(1, 4_000, unary=unary)
    names = set(unary)
    for index in range(0, bank.size, 29):
        text = str(bank.expression(index))
        depth = worst = 0
        stack = []
        for i, c in enumerate(text):
            if c == "(":
                head = any(text[:i].endswith(n) for n in names)
                stack.append(head)
                depth += head
                worst = max(worst, depth)
            elif c == ")":
                depth -= stack.pop()
        assert worst <= 1, text
