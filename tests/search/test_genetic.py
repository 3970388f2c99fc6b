"""The genetic search: what a part should be, the library, populations and the backends."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from symnum import SymbolicRegressor
from symnum.exceptions import InvalidInput
from symnum.expressions import Expression
from symnum.expressions.canonical import canonical
from symnum.expressions.compiled import evaluate_with_jacobian
from symnum.problem import Problem
from symnum.search.bank import DEFAULT_BINARY, DEFAULT_UNARY, Bank
from symnum.search.budget import Budget
from symnum.search.candidate import HallOfFame
from symnum.search.enumerate import EnumerativeSearch, _Run
from symnum.search.genetic import evolve
from symnum.search.island import Island
from symnum.search.library import build
from symnum.search.population import PER_LENGTH
from symnum.search.semantics import (
    BINARY,
    UNARY,
    Program,
    expression_of,
    joined,
    node_values,
    packed,
    program_of,
    wanted,
)

NAMES = ("a", "b", "c")
X = np.random.default_rng(0).uniform(0.3, 1.7, (60, 3))
ROWS = np.ascontiguousarray(X.T)


def small_library(count=600, X=X, names=NAMES):
    bank = Bank.start(np.ascontiguousarray(X[:40]), names, DEFAULT_UNARY, DEFAULT_BINARY, count)
    bank.grow(count, lambda: False)
    return build(bank, X, DEFAULT_UNARY)


def programs():
    leaf = st.one_of(
        st.integers(1, 3).map(lambda i: Program((-i,), (0.0,))),
        st.floats(0.5, 2.0).map(lambda v: Program((0,), (v,))),
    )
    two = sorted({name for name, _ in BINARY})
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds(joined, inner, st.sampled_from(sorted(UNARY))),
            st.builds(joined, inner, inner, st.sampled_from(two)),
        ),
        max_leaves=5,
    )


# ------------------------------------------------------------------------------------------ semantics
@settings(max_examples=150)
@given(programs())
def test_a_program_is_its_expression(program):
    with np.errstate(all="ignore"):
        values = node_values(program, ROWS)[-1]
        e = expression_of(program, NAMES)
        np.testing.assert_allclose(values, e.evaluate(X), rtol=1e-12)
        np.testing.assert_allclose(node_values(program_of(e), ROWS)[-1], values, rtol=1e-12)


@settings(max_examples=200)
@given(programs(), st.data())
def test_the_wanted_part_is_the_present_one_when_nothing_has_to_change(program, data):
    node = data.draw(st.integers(0, len(program) - 1))
    with np.errstate(all="ignore"):
        values, starts = node_values(program, ROWS), program.starts()
        found, slope = wanted(program, values, starts, node, values[-1])
        # Beside the part stands a constant 0: the derivative by it is the slope.
        probe = program.replaced(starts[node], node, joined(program.part(starts[node], node), 0.0, "add"))
        spot = packed([probe])
        result, jacobian = evaluate_with_jacobian(spot.codes, spot.constants, ROWS)
    place = probe.codes[: node + 2].count(0) - 1
    tame = np.isfinite(result) & np.isfinite(slope) & (np.abs(slope) > 1e-4) & (np.abs(slope) < 1e4)
    tame &= np.all([np.abs(v) < 1e4 for v in values], axis=0) & np.isfinite(found)
    assume(np.any(tame))
    np.testing.assert_allclose(slope[tame], jacobian[place][tame], rtol=1e-6)
    np.testing.assert_allclose(found[tame], values[node][tame], rtol=1e-5, atol=1e-5)


def test_another_target_is_reached_through_the_part():
    program = program_of(Expression.parse("sin(a*b) + sqrt(c)/b", NAMES))
    starts, values = program.starts(), node_values(program, ROWS)
    node = program.codes.index(-2)  # the first b
    target = values[-1] + 0.01
    with np.errstate(invalid="ignore"):
        part, _ = wanted(program, values, starts, node, target)
    ok = np.isfinite(part)
    again = np.sin(X[:, 0] * part) + np.sqrt(X[:, 2]) / X[:, 1]
    assert ok.sum() > 40
    np.testing.assert_allclose(again[ok], target[ok], rtol=1e-12)


def test_operators_without_an_inverse_are_left_alone():
    program = program_of(Expression.parse("max(a, b)", NAMES))
    values = node_values(program, ROWS)
    assert wanted(program, values, program.starts(), 0, values[-1]) is None


# ------------------------------------------------------------------------------------------ library
def test_the_library_finds_what_least_squares_finds():
    library = small_library()
    rng = np.random.default_rng(1)
    target = np.sin(X[:, 0]) * X[:, 1] + 0.3 * rng.normal(size=60)
    beside = X[:, 2] ** 2
    weight = rng.uniform(0.2, 1, 60)
    weight /= weight.sum()
    root = np.sqrt(weight)
    for z in (np.zeros(60), beside):
        errors = []
        for column in library.columns[:: library.blocks]:
            terms = np.column_stack([column, np.ones(60), *([z] if z.any() else [])])
            rest = np.linalg.lstsq(terms * root[:, None], target * root, rcond=None)[1]
            errors.append(float(rest[0]) if len(rest) else np.inf)
        (found,) = library.match(target[None], weight[None], [z[None], z[None] * 0], 0.0, 0)
        place, c = found[0]
        assert len(c) == 4
        fitted = c[0] * library.columns[place] + c[1] + c[2] * z
        error = float(weight @ (fitted - target) ** 2)
        assert error == pytest.approx(min(errors), rel=1e-4)


def test_library_elements_are_their_columns():
    library = small_library(3_000)
    assert library.size > 3_000  # functions of elements beside the elements
    for k in np.linspace(0, library.size - 1, 60).astype(int):
        e = expression_of(library.element(int(k)), NAMES)
        np.testing.assert_allclose(library.columns[k], e.evaluate(X), rtol=1e-9)
        assert len(e) <= library.cost[k]


# ------------------------------------------------------------------------------------------ populations
def island(y, seed=0, seeds=(), X=X, weights=None):
    weights = np.ones(len(y)) if weights is None else weights
    return Island(
        np.ascontiguousarray(X.T), y, weights, NAMES, small_library(X=X), np.random.default_rng(seed), 20,
        tuple(DEFAULT_UNARY), DEFAULT_BINARY, seeds,
    )  # fmt: skip


def test_populations_hold_distinct_functions_with_true_errors():
    y = X[:, 0] * np.exp(X[:, 1]) + X[:, 2]
    found = island(y)
    for _ in range(6):
        found.step()
    members = found.members()
    assert len(members) > 100
    assert all(len(group) <= PER_LENGTH for group in found.bins.values())
    rows = []
    for m in members:
        values = expression_of(m.program, NAMES).evaluate(X)
        error = np.mean((m.scale * values + m.offset - y) ** 2) / np.var(y)
        assert error == pytest.approx(m.loss, rel=1e-6, abs=1e-12)
        rows.append((values - values.mean()) / np.linalg.norm(values - values.mean()))
    # Up to scale and offset hardly two are the same function: a shorter twin may come after the longer one.
    cosines = np.abs(np.array(rows) @ np.array(rows).T)
    twins = np.sum(np.triu(cosines > 1 - 1e-13, 1))
    assert twins <= 0.03 * len(members)


def test_an_exact_member_is_written_shorter():
    truth = Expression.parse("a*sin(b) - c", NAMES)
    disguised = Expression.parse("a*sin(b) - acos(cos(atan(tan(c*0.5))/0.5))", NAMES)  # 0 < c < pi
    assert len(canonical(disguised)) > len(truth)
    found = island(truth.evaluate(X), seeds=[program_of(disguised)])
    found.tidy()
    found.tidy()
    shortest = min((m for m in found.members() if m.loss < 1e-20), key=lambda m: len(m.program))
    assert len(shortest.program) <= len(truth)


def test_a_seed_that_is_the_formula_stays():
    truth = Expression.parse("a*sin(3*b + c)**2", NAMES)
    found = island(truth.evaluate(X), seeds=[program_of(truth)])
    assert found.best().loss < 1e-20


def test_formulas_with_nested_functions_are_found():
    names = ("a", "b", "d")
    truth = Expression.parse("1 - b*exp(a*cos(d))", names)
    X = np.random.default_rng(3).uniform(1, 3, (300, 3))
    y = truth.evaluate(X)
    used: list[int] = []
    found: list[Expression] = []
    for e in evolve(
        X, y, names, None, DEFAULT_UNARY, DEFAULT_BINARY, [], np.random.default_rng(0),
        lambda: sum(used) > 300_000 or bool(found), lambda: False, used.append, None, 4_000,
    ):  # fmt: skip
        if len(e) <= 12 and np.mean((e.evaluate(X) - y) ** 2) < 1e-20 * np.var(y):
            found.append(e)
    (shortest,) = found
    new = np.random.default_rng(9).uniform(1, 2.5, (50, 3))
    np.testing.assert_allclose(shortest.evaluate(new), truth.evaluate(new), rtol=1e-6)


def test_the_clock_and_ctrl_c_reach_the_search():
    X = np.random.default_rng(0).uniform(1, 3, (400, 4))
    y = np.sin(X[:, 0] * X[:, 1]) / X[:, 2] + np.cos(X[:, 3] ** 2)
    began = time.perf_counter()
    model = SymbolicRegressor(search="genetic", max_time=4, random_state=0).fit(X, y)
    assert time.perf_counter() - began < 8
    assert model.stop_reason_ in ("max_time", "exact formula found")
    assert model.ledger_["stage"].tolist() == ["genetic"]
    assert model.equations_["r2"].max() > 0.3


@pytest.mark.parametrize(("search", "limit"), [("genetic", 15_000), ("operon", 9_000)])
def test_one_seed_one_table_for_any_number_of_threads(search, limit):
    rng = np.random.default_rng(0)
    X = rng.uniform(1, 3, (150, 2))
    y = X[:, 0] ** 1.3 * np.sin(X[:, 1]) + 0.05 * rng.normal(size=150)
    tables = []
    for jobs in (1, 2):
        model = SymbolicRegressor(
            search=search, max_time=None, max_evals=limit, random_state=4, n_jobs=jobs
        ).fit(X, y)
        assert model.stop_reason_ == "max_evals"
        tables.append(model.equations_["equation"].tolist())
    assert tables[0] == tables[1]
    assert threading.active_count() < 20


@pytest.mark.parametrize("search", ["genetic", "operon"])
def test_rows_without_weight_do_not_count(search):
    rng = np.random.default_rng(0)
    X = rng.uniform(1, 3, (120, 2))
    y = X[:, 0] * X[:, 1]
    weight = np.ones(120)
    y[::4], weight[::4] = 50.0, 0.0
    model = SymbolicRegressor(search=search, max_time=20, random_state=0).fit(X, y, sample_weight=weight)
    assert model.stop_reason_ == "exact formula found"
    np.testing.assert_allclose(model.predict(X)[weight > 0], y[weight > 0], rtol=1e-6)


def test_operators_are_kept_to():
    rng = np.random.default_rng(0)
    X = rng.uniform(1, 3, (100, 2))
    y = np.sin(X[:, 0]) / X[:, 1]
    model = SymbolicRegressor(
        search="genetic", operators=["add", "mul", "sub"], max_time=None, max_evals=4_000, random_state=0
    ).fit(X, y)
    for e in model.expressions_:
        assert not {"sin", "cos", "exp", "log", "tanh", "sqrt"} & set(map(str, e.to_prefix()))


def test_operon_ends_in_time_when_formulas_are_found_faster_than_judged(monkeypatch):
    """Operon evolves in a thread of its own: what was waiting when the time was over took seconds more."""
    rng = np.random.default_rng(0)
    X = rng.uniform(1, 3, (60, 4))
    y = np.sin(X[:, 0] * X[:, 1]) + X[:, 2] ** 1.37 + 0.1 * rng.normal(size=60)
    SymbolicRegressor(search="operon", max_time=1).fit(X, y)
    real = HallOfFame.add
    monkeypatch.setattr(HallOfFame, "add", lambda *a: time.sleep(0.1) or real(*a))
    began = time.perf_counter()
    model = SymbolicRegressor(search="operon", max_time=1, random_state=0).fit(X, y)
    assert time.perf_counter() - began < 2.1 + 0.5  # and machines that do other work
    assert len(model.equations_) > 1


def test_operon_says_which_operators_it_lacks():
    X = np.random.default_rng(0).uniform(1, 3, (50, 2))
    with pytest.raises(InvalidInput, match="sign"):
        SymbolicRegressor(search="operon", operators=["add", "sign"], max_time=1).fit(X, X[:, 0])


def test_constant_targets_end_at_once():
    X = np.random.default_rng(0).uniform(1, 3, (50, 2))
    for search in ("genetic", "operon"):
        model = SymbolicRegressor(search=search, max_time=5).fit(X, np.full(50, 3.0))
        assert "constant" in model.stop_reason_
        assert model.expressions_[0].constants.tolist() == [3.0]


# ------------------------------------------------------------------------------------------ as the last stage
def last_stage(text, noise, start):
    rng = np.random.default_rng(2)
    names = ("a", "b", "d")
    X = rng.uniform(1, 3, (300, 3))
    y = Expression.parse(text, names).evaluate(X)
    problem = Problem(X, y + noise * rng.normal(size=300), names)
    hall, ledger, budget = HallOfFame(problem), [], Budget(max_evals=300_000)
    hall.add(Expression.parse(start, names))
    stage = _Run(EnumerativeSearch(), problem, budget, rng, hall, ledger, None)
    list(stage._evolve(1.0))
    return hall, ledger, budget


def test_the_last_stage_goes_on_where_enumeration_ends():
    hall, ledger, budget = last_stage("1 - b*exp(a*cos(d))", 0.0, "a*b")
    assert hall.exact() is not None
    assert [stage.stage for stage in ledger] == ["genetic"]
    assert 0 < ledger[0].evaluations == budget.evaluations < 300_000


def test_the_last_stage_ends_at_the_noise_floor():
    _, ledger, budget = last_stage("a*b - d", 0.3, "a*b - d")
    assert budget.reason == "noise floor reached"
    assert ledger == []


def test_columns_too_small_for_any_part_give_nothing():
    X = np.random.default_rng(0).uniform(1, 2, (60, 2)) * 1e-34
    made = evolve(
        X, X[:, 0] * X[:, 1], ("a", "b"), None, ("sqrt",), ("add", "mul"), [], np.random.default_rng(0),
        lambda: False, lambda: False, lambda n: None,
    )  # fmt: skip
    assert list(made) == []
