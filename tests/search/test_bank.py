"""The bank against a plain enumeration and against the expressions it says it holds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from symnum.expressions import Expression
from symnum.expressions.units import Unit, unit_of
from symnum.search.approximate import bank_on
from symnum.search.bank import Bank
from symnum.search.dimensional import Dimensions

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


def test_columns_on_other_rows_where_there_is_one_operator():
    X = np.random.default_rng(3).uniform(1, 1.1, (24, 2))
    bank = Bank.start(X, ["x0", "x1"], ("square",), (), 12)
    bank.grow(12, lambda: False)
    fresh = np.random.default_rng(9).uniform(1, 1.1, (50, 2))
    for index, column in enumerate(bank_on(bank, fresh, 12)):
        np.testing.assert_allclose(column, bank.expression(index).evaluate(fresh), rtol=1e-12)


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


UNITS = [Unit.parse(u) for u in ("m", "m", "s", "1")]


def with_units(limit: int, unary=UNARY, binary=BINARY) -> Bank:
    X = np.random.default_rng(3).uniform(1, 3, (24, 4))
    columns, _ = Dimensions.of([*UNITS, Unit.parse("m/s")]).scaled()
    bank = Bank.start(X, ["a", "b", "t", "w"], unary, binary, limit, columns)
    bank.grow(limit, lambda: False)
    return bank


@pytest.mark.parametrize(
    ("unary", "binary"),
    [(UNARY, BINARY), (("cube", "cbrt", "sqrt", "abs", "sign", "tanh"), ("mul", "div", "max", "min", "pow"))],
)
def test_dimensions_of_the_elements_are_those_of_the_unit_checker(unary, binary):
    bank = with_units(20_000, unary, binary)
    for index in range(0, bank.size, 41):
        check = unit_of(bank.expression(index), UNITS, "number")
        assert check.consistent, bank.expression(index)
        assert check.unit is not None
        metres, _, seconds = check.unit.dimension[:3]
        assert bank.dims[index].tolist() == [4 * metres, 4 * seconds]


def test_everything_consistent_of_low_cost_is_in_the_bank_with_units():
    told = with_units(60_000)
    X = told.X
    plain = Bank.start(X, ["a", "b", "t", "w"], UNARY, BINARY, 60_000)
    plain.grow(60_000, lambda: len(plain.levels) > 6)

    def key(v: np.ndarray) -> tuple:
        return tuple(np.round(v / np.max(np.abs(v)) * np.sign(v[0]), 7)), float(f"{np.max(np.abs(v)):.7g}")

    held = {key(v) for v in told.values[1 : told.size]}
    assert len(told.levels) > len(plain.levels)  # the same size reaches deeper
    checked = 0
    for index in range(1, plain.levels[6]):
        e = plain.expression(index)
        check = unit_of(e, UNITS, "number")
        small = check.unit is not None and np.max(np.abs(check.unit.vector)) <= 2
        if check.consistent and small and all(w <= 2 for w in _largest_exponents(e)):
            checked += 1
            assert key(plain.values[index]) in held, str(e)
    assert checked > 100


def _largest_exponents(e: Expression) -> list[float]:
    """Largest exponent of each part of an expression, parts being the prefixes of its program."""
    found = []
    prefix = e.to_prefix()
    for start in range(len(prefix)):
        open_slots, stop = 1, start
        while open_slots:
            token = prefix[stop]
            known = isinstance(token, str) and token not in e.names
            open_slots += (2 if token in BINARY else 1 if known else 0) - 1
            stop += 1
        unit = unit_of(Expression.from_prefix(prefix[start:stop], e.names), UNITS, "number").unit
        found.append(0.0 if unit is None else float(np.max(np.abs(unit.vector))))
    return found


def test_what_is_late_costs_more_and_is_the_same():
    X = np.random.default_rng(3).uniform(1, 3, (24, 3))
    late = {"sin": 2, "mul": 1, 1: 2}
    banks, values = [], []
    for given in (None, late):
        bank = Bank.start(X, ["x0", "x1", "x2"], ("square", "sin"), ("add", "mul"), 60_000, late=given)
        bank.grow(60_000, lambda b=bank: len(b.levels) > 7)
        banks.append({str(bank.expression(i)): int(bank.cost[i]) for i in range(bank.levels[6])})
        values.append({tuple(np.round(v * np.sign(v[0]), 7)) for v in bank.values[: bank.levels[6]]})
    due, delayed = banks
    assert due["x1"] == 1
    assert delayed["x1"] == 3
    assert delayed["x0"] == delayed["x2"] == 1
    assert delayed["sin(x0)"] == due["sin(x0)"] + 2
    assert delayed["x0*x2"] == due["x0*x2"] + 1
    assert delayed["x0 + x2"] == due["x0 + x2"]
    assert delayed["x0 + x1"] == due["x0 + x1"] + 2
    assert values[1] < values[0]


def test_late_columns_keep_their_values_and_dimensions():
    X = np.random.default_rng(3).uniform(1, 3, (24, 4))
    columns, _ = Dimensions.of([*UNITS, Unit.parse("m/s")]).scaled()
    bank = Bank.start(X, ["a", "b", "t", "w"], UNARY, BINARY, 4_000, columns, late={0: 1, 2: 2})
    bank.grow(4_000, lambda: False)
    fresh = np.random.default_rng(9).uniform(1, 3, (50, 4))
    values = bank_on(bank, fresh, 4_000)
    for index in range(0, bank.size, 17):
        e = bank.expression(index)
        np.testing.assert_allclose(bank.values[index], e.evaluate(X), rtol=1e-12)
        np.testing.assert_allclose(values[index], e.evaluate(fresh), rtol=1e-12)
        assert unit_of(e, UNITS, "number").consistent, e
