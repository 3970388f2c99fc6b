"""Search backend "dysymnet" through the estimator: recovery, determinism, interruption, errors."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from symnum import Expression, SymbolicRegressor
from symnum.exceptions import InvalidInput, MissingExtra
from symnum.problem import Problem
from symnum.search.budget import Budget
from symnum.search.candidate import HallOfFame
from symnum.search.dysymnet import backend
from symnum.search.dysymnet.backend import DySymNetSearch
from symnum.search.dysymnet.epochs import Rows, most_correlated
from symnum.search.dysymnet.presets import FAST, PAPER, preset
from symnum.search.dysymnet.proposer import features
from symnum.search.dysymnet.training import Phase
from symnum.search.enumerate import EnumerativeSearch
from symnum.search.folding import folded
from symnum.search.mdl import description_length
from symnum.search.refinement import Data, fitted, leaders, shortened

X = np.random.default_rng(0).uniform(-1, 1, (60, 2))
a, b = X.T
TINY = replace(
    FAST,
    batch=16,
    first_batch=16,
    phases=(Phase(20, 5e-2, 0.0, 0.5), Phase(20, 2e-2, 1e-3)),
    thresholds=((0.1, 0.05),),
    shorten=1,
)


def fit(y, search="dysymnet", evals=80_000, **more):
    model = SymbolicRegressor(search=search, max_time=None, max_evals=evals, random_state=0, **more)
    return model.fit(X, y)


@pytest.mark.parametrize(
    ("y", "law"),
    [
        (a**2 + a, "x0**2 + x0"),
        (a**4 + a**3 + a**2 + a, "x0**4 + x0**3 + x0**2 + x0"),
        (a * np.sin(b), "x0*sin(x1)"),
    ],
    ids=["parabola", "Nguyen-2", "wave"],
)
def test_known_laws_are_found(y, law):
    model = fit(y)
    assert model.stop_reason_ == "exact formula found"
    assert model.equations_["r2"].max() > 1 - 1e-12
    assert len(model.expression_) < 16
    values = Expression.parse(law, ("x0", "x1")).evaluate(3 * X)
    np.testing.assert_allclose(model.predict(3 * X), values, rtol=1e-6, atol=1e-9)
    assert model.ledger_["stage"].tolist() == ["networks"]


def test_scales_and_weights():
    y = 3e6 * a**2
    y[:5] = 0  # wrong rows that do not count
    w = np.ones(60)
    w[:5] = 0
    model = SymbolicRegressor(search="dysymnet", max_time=None, max_evals=40_000, random_state=0)
    model.fit(1e-3 * X, y, sample_weight=w)
    np.testing.assert_allclose(model.predict(1e-3 * X)[5:], y[5:], rtol=1e-6)


def test_a_seed_gives_the_same_table_for_any_number_of_threads():
    y = np.exp(a) * np.cos(3 * b) + 0.3 * a
    tables = [fit(y, DySymNetSearch(preset=TINY, n_jobs=n), 2_500).equations_ for n in (1, 2)]
    assert tables[0].equals(tables[1])
    assert len(tables[0]) > 2


def test_only_allowed_operators():
    model = fit(a * b + a**2 * b, DySymNetSearch(["add", "mul"], preset=TINY), 1_500, operators=["+", "*"])
    words = ("sin", "cos", "exp", "log", "sqrt", "abs")
    assert not any(word in text for text in model.equations_["equation"] for word in words)
    with pytest.raises(InvalidInput, match="no unit"):
        fit(a, DySymNetSearch(["asin"]))


def test_constant_targets_and_columns_end_at_once():
    assert fit(np.full(60, 2.5)).stop_reason_ == "target or features are constant"
    model = SymbolicRegressor(search="dysymnet", max_time=5).fit(np.ones((20, 2)), np.arange(20.0))
    assert model.predict(np.ones((1, 2)))[0] == pytest.approx(9.5)


def test_ctrl_c_keeps_the_hall_of_fame():
    def interrupt(event):
        if event.stage == "networks":
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted"):
        model = fit(np.sin(3 * a) * b, DySymNetSearch(preset=TINY), 1_500, callbacks=[interrupt])
    assert model.stop_reason_ == "interrupted"
    assert len(model.equations_) >= 1


def test_callbacks_and_clocks_stop_the_search():
    y = np.sin(3 * a) / (2 + b) + np.exp(a * b)
    model = fit(y, DySymNetSearch(preset=TINY), 1_500, callbacks=[lambda event: event.stage == "networks"])
    assert model.stop_reason_ == "stopped by callback"
    began = time.process_time()
    SymbolicRegressor(search=DySymNetSearch(preset=TINY), max_time=0.5).fit(X, y)
    assert time.process_time() - began < 5


def test_the_published_preset_runs():
    assert sum(phase.steps for phase in PAPER.phases) == 22_002
    short = replace(PAPER, phases=(Phase(40, 1e-2, 5e-3), Phase(20, 1e-3, 5e-3)), check=20)
    model = fit(b**2 + b, DySymNetSearch(preset=short), 2_500)  # the first column does not matter
    assert model.equations_["r2"].max() > 0.9
    assert not any("log" in text or "exp" in text for text in model.equations_["equation"])


def test_wrong_settings_are_named():
    with pytest.raises(InvalidInput, match="fast, paper"):
        fit(a, DySymNetSearch(preset="slow"))
    with pytest.raises(InvalidInput, match="device"):
        fit(a, DySymNetSearch(device="no-such-device"))
    assert preset("paper") is PAPER
    assert DySymNetSearch(n_jobs=2).get_params()["n_jobs"] == 2


def test_without_torch_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(backend.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="neural"):
        fit(a)


def test_columns_of_the_largest_correlation():
    rng = np.random.default_rng(1)
    wide = rng.normal(size=(200, 30))
    y = wide[:, 7] - 2 * wide[:, 21] + 0.1 * rng.normal(size=200)
    chosen = most_correlated(wide, y, np.ones(200), 4)
    r = np.abs([np.corrcoef(wide[:, j], y)[0, 1] for j in range(30)])
    assert chosen == sorted(np.argsort(-r)[:4])
    assert {7, 21} <= set(chosen)
    problem = Problem(wide, y)
    rows = Rows(problem, 50, 4, True, True, torch.device("cpu"))
    assert rows.x.shape == (5, 50)
    np.testing.assert_allclose(rows.x.square().mean(1).numpy(), 1, rtol=1e-5)


def data(y):
    scale = float(np.sqrt(np.mean(y**2)))

    def bits(e):
        with np.errstate(all="ignore"):
            return description_length(e, float(np.mean((e.evaluate(X) - y) ** 2)), len(y), scale)

    return Data(X, y, None, bits)


def test_superfluous_constants_go():
    y = 2.5 * np.sin(1.3 * a) + b
    long = Expression.parse(
        "2.4*sin(1.2*x0 + 0.01*x1 + 0.02) + 0.98*x1 + 0.03*x0 + 0.01*cos(0.5*x0)", ("x0", "x1")
    )
    (start,) = fitted([long], data(y))
    short = shortened(start.expression, data(y))
    np.testing.assert_allclose(short.evaluate(3 * X), 2.5 * np.sin(3.9 * a) + 3 * b, atol=1e-6)
    assert len(short.constants) <= 3


@settings(max_examples=150)
@given(st.data())
def test_folding_keeps_the_function(data):
    names = ("x0", "x1")
    leaf = st.sampled_from(["x0", "x1", "0.0", "1.0", "2.5"]).map(lambda t: Expression.parse(t, names))
    trees = st.recursive(
        leaf,
        lambda inner: (
            st.builds(Expression.apply, st.sampled_from(["add", "sub", "mul", "div"]), inner, inner)
            | st.builds(Expression.apply, st.sampled_from(["sin", "exp", "neg", "square"]), inner)
        ),
        max_leaves=12,
    )
    e = data.draw(trees).with_names(names)
    with np.errstate(all="ignore"):
        values = e.evaluate(X)
        assume(np.all(np.isfinite(values)))
        try:
            short = folded(e)
        except InvalidInput:
            assume(False)
        assert len(short) <= len(e)
        assert short.names == names
        np.testing.assert_allclose(short.evaluate(X), values, rtol=1e-12, atol=1e-300)


def test_folding_leaves_no_zero_factor():
    e = Expression.parse("0*sin(3.5*x0) + 1*x1*(0 + x0)**1 + exp(0*x0)", ("x0", "x1"))
    assert str(folded(e)) == "x1*x0 + 1"


def test_quarter_turns_are_written_as_the_other_function():
    for text, law in (("0.9*cos(x0 - 1.5)", "sin(x0)"), ("-1.1*sin(x0 + x1 + 4.7)", "cos(x0 + x1)")):
        y = Expression.parse(law, ("x0", "x1")).evaluate(X)
        (start,) = fitted([Expression.parse(text, ("x0", "x1"))], data(y))
        assert str(shortened(start.expression, data(y))) == law


def test_leaders_are_of_all_classes():
    texts = ["1.5*x0", "2.5*x0 + 3.5*x1 + 4.5*x0*x1 + 0.5", "x1*1.1 + 0.1", "0.1*x0"]
    made = fitted([Expression.parse(t, ("x0", "x1")) for t in texts], data(a * b + 1))
    assert [f.place for f in leaders(made, 1)] == [min(made[:1] + made[2:], key=lambda f: f.loss).place, 1]


def test_networks_propose_columns():
    y = np.exp(np.sin(3 * a)) / (1.5 + b**2)
    problem = Problem(X, y)
    made = list(features(problem, Budget(max_evals=1_500).start(), np.random.default_rng(0), preset=TINY))
    assert 0 < len(made) <= 9
    assert len(set(made)) == len(made)
    assert all(len(e) > 1 and e.names == problem.names for e in made)


def test_the_enumerating_search_builds_with_proposals():
    asked = []

    def proposer(problem, budget, rng):
        asked.append(budget.max_evals)
        budget.charge(10)
        return [Expression.parse("sin(2.317*x0)", problem.names)]

    y = np.exp(np.sin(2.317 * a) * b) + np.sin(2.317 * a)
    problem = Problem(X, y)
    hall, ledger = HallOfFame(problem), []
    search = EnumerativeSearch(["add", "mul", "sin", "exp", "neg"], 3_000, proposer=proposer)
    budget = Budget(max_evals=2_000_000).start()
    for _ in search.run(problem, budget, np.random.default_rng(0), hall, ledger):
        pass
    assert len(asked) == 1
    assert asked[0] < 2_000_000
    assert "proposals" in [stage.stage for stage in ledger]
    assert hall.exact() is not None
