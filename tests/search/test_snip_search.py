"""Searches with the decoder: un-scaling, samples, determinism, errors."""

from __future__ import annotations

import re
import time
from functools import partial

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from symnum import Expression, SymbolicRegressor  # noqa: E402
from symnum.exceptions import InvalidInput, MissingExtra, WeightsNotFound  # noqa: E402
from symnum.expressions.equivalence import is_recovery  # noqa: E402
from symnum.models import SNIPDecoderConfig, SNIPDecoderModel  # noqa: E402
from symnum.models.decoder.generation import sample  # noqa: E402
from symnum.problem import Problem  # noqa: E402
from symnum.search.budget import Budget  # noqa: E402
from symnum.search.candidate import HallOfFame  # noqa: E402
from symnum.search.enumerate import EnumerativeSearch  # noqa: E402
from symnum.search.refinement import fitted  # noqa: E402
from symnum.search.snip import backend  # noqa: E402
from symnum.search.snip.backend import SNIPLatentSearch, SNIPSearch, TPSRSearch  # noqa: E402
from symnum.search.snip.judging import Judge  # noqa: E402
from symnum.search.snip.latent import LatentSearch  # noqa: E402
from symnum.search.snip.planning import Words  # noqa: E402
from symnum.search.snip.proposer import features, presence  # noqa: E402
from symnum.search.snip.readings import bags, choose_columns, readings  # noqa: E402
from symnum.search.snip.sampling import Sampling  # noqa: E402
from symnum.search.snip.views import other_targets, reduced, remainders  # noqa: E402
from symnum.search.view import original  # noqa: E402

RNG = np.random.default_rng(0)
X = RNG.uniform(0.5, 4, (80, 2))
NAMES = ("x1", "x0")  # the other way round than the network calls them
FORMS = [
    "1.5*x0*x1 + 0.3", "sin(2.0*x0 + 1.0)/x1", "exp(x0) - x1**2", "sqrt(x0*x1 + 2.0)", "x0/(1.0 + x1)", "3.0",
]  # fmt: skip


@pytest.fixture(scope="module")
def model() -> SNIPDecoderModel:
    torch.manual_seed(0)
    encoder = {"width": 16, "heads": 2, "hidden": 32, "latent": 8, "numeric_layers": 1, "reads": 1,
               "inducing_points": 4}  # fmt: skip
    config = SNIPDecoderConfig(
        max_dim=2, encoder=encoder, width=16, heads=2, hidden=32, symbol_decoder_layers=1, slots=3,
        slot_rank=4, max_symbols=12, rows=40,
    )  # fmt: skip
    return SNIPDecoderModel(config).eval()


def fit(model, y, evals=4_000, table=X, search=SNIPSearch, jobs=1, **more):
    estimator = SymbolicRegressor(
        search=search(weights=model, n_jobs=jobs, **more), max_time=None, max_evals=evals, random_state=0
    )
    return estimator.fit(table, y)


# ---------------------------------------------------------------- what the network is shown
@settings(max_examples=25, deadline=None)
@given(st.sampled_from(FORMS), st.integers(-6, 6), st.integers(-6, 6), st.integers(0, 99))
def test_unscaling_is_exact(text: str, power: int, height: int, seed: int):
    rng = np.random.default_rng(seed)
    table = rng.uniform(0.5, 3, (30, 2)) * 10.0 ** np.array([power, 0])
    problem = Problem(table, rng.uniform(1, 2, 30) * 10.0**height, NAMES)
    e = Expression.parse(text, ("x0", "x1"))
    shown = readings(problem, [(0, 1)], [np.arange(30)])
    assert {r.kind for r in shown} >= {"scaled", "standardised"}
    for r in shown:
        np.testing.assert_allclose(r.table[:, :2] * r.scale + r.shift, table, rtol=1e-9)
        np.testing.assert_allclose(r.table[:, 2] * r.y_scale, problem.y, rtol=1e-9)
        restored = r.restore(e)
        assert restored is not None
        assert restored.names == NAMES
        with np.errstate(all="ignore"):
            expected = r.y_scale * e.evaluate(r.table[:, :2])
            found = restored.evaluate(table)
        usable = np.isfinite(expected) & (np.abs(expected) < 1e200)
        np.testing.assert_allclose(found[usable], expected[usable], rtol=1e-6, atol=1e-9 * abs(r.y_scale))


def test_unscaling_agrees_with_sympy():
    problem = Problem(X, 1e5 * X[:, 0], NAMES)
    e = Expression.parse("2.0*x0**2/x1 + 1.0", ("x0", "x1"))
    for r in readings(problem, [(0, 1)], [np.arange(80)]):
        a, b = sympy.symbols("x1 x0")  # names of the problem's columns 0 and 1
        inner = [(s - m) / k for s, m, k in zip((a, b), r.shift.tolist(), r.scale.tolist(), strict=True)]
        expected = r.y_scale * (2 * inner[0] ** 2 / inner[1] + 1)
        point = {"x1": 1.7, "x0": 2.9}
        restored = r.restore(e)
        assert restored is not None
        found, wanted = (
            float(f.subs({s: point[s.name] for s in f.free_symbols})) for f in (restored.sympy(), expected)
        )
        assert found == pytest.approx(wanted, rel=1e-9)


def test_numbers_of_unusual_size_are_not_shown_raw():
    kinds = [{r.kind for r in readings(Problem(X * s, X[:, 0]), [(0, 1)], [np.arange(80)])} for s in (1, 1e6)]
    assert "raw" in kinds[0]
    assert "raw" not in kinds[1]
    constant = X.copy()
    constant[:, 1] = 2.0  # cannot be standardised
    assert {r.kind for r in readings(Problem(constant, X[:, 0]), [(0, 1)], [np.arange(80)])} == {
        "raw",
        "scaled",
    }


def test_large_tables_are_read_in_disjoint_bags():
    made = bags(np.arange(1000), 200, 4, np.random.default_rng(0))
    assert [len(b) for b in made] == [200] * 4
    assert len(np.unique(np.concatenate(made))) == 800
    assert len(bags(np.arange(150), 200, 4, np.random.default_rng(0))) == 1


def test_columns_that_matter_are_chosen():
    table = np.random.default_rng(1).uniform(1, 2, (300, 8))
    y = 3 * table[:, 6] * table[:, 2]
    sets = choose_columns(Problem(table, y), 3)
    assert {2, 6} <= set(sets[0])
    assert all(len(s) == 3 for s in sets)
    assert choose_columns(Problem(table[:, :3], y), 3) == [(0, 1, 2)]


# ---------------------------------------------------------------- who judges
def test_a_skeleton_is_fitted_once_and_its_constants_are_found():
    y = 1.7 * X[:, 0] + np.sin(2.4 * X[:, 1])
    problem = Problem(X, y, ("x0", "x1"))
    hall, budget = HallOfFame(problem), Budget(None, 10**6)
    judge = Judge(problem, budget, hall, 1)
    guess = Expression.parse("2.0*x0 + sin(2.2*x1)", ("x0", "x1"))
    new = judge.fresh([guess, None, guess.with_constants([1.0, 1.0])])
    assert new == [guess]
    assert judge.fresh([guess]) == []
    list(judge.offer(new, "test"))
    assert hall.exact() is not None
    assert judge.settled()
    assert budget.reason == "exact formula found"
    assert budget.evaluations > 0


# ---------------------------------------------------------------- the search
@pytest.mark.parametrize(
    ("search", "stage", "more"),
    [
        (SNIPSearch, "samples", {}),
        (SNIPLatentSearch, "latent", {"population": 10, "steps": 4}),
        (SNIPLatentSearch, "latent", {"population": 10, "steps": 4, "optimiser": "cma"}),
        (TPSRSearch, "planning", {"width": 6}),
    ],
    ids=["snip", "gwo", "cma", "tpsr"],
)
def test_even_a_network_that_knows_nothing_finds_a_product(model, search, stage, more):
    y = 2.5 * X[:, 0] * X[:, 1]
    estimator = fit(model, y, evals=20_000, search=search, operators=["mul", "add"], **more)
    assert estimator.stop_reason_ == "exact formula found"
    np.testing.assert_allclose(estimator.predict(2 * X), 10 * X[:, 0] * X[:, 1], rtol=1e-6)
    assert estimator.ledger_["stage"].tolist() == [stage]


def test_the_search_ends_where_only_noise_is_left(model):
    y = 2.5 * X[:, 0] * X[:, 1] + np.random.default_rng(4).normal(0, 0.5, len(X))
    estimator = fit(model, y, evals=400_000, operators=["mul", "add", "sin", "exp"])
    assert estimator.stop_reason_ == "noise floor reached"
    waves = fit(model, np.sin(9 * X[:, 0]) * X[:, 1], evals=8_000, operators=["mul", "add"])
    assert waves.stop_reason_ != "noise floor reached"


@pytest.mark.parametrize("search", [SNIPSearch, SNIPLatentSearch, TPSRSearch])
def test_a_seed_gives_the_same_table_for_any_number_of_threads(model, search):
    y = np.exp(-X[:, 0]) * np.cos(X[:, 1]) + 0.2
    one, two = (fit(model, y, jobs=jobs, search=search).equations_ for jobs in (1, 2))
    assert len(one) > 1
    assert one.drop(columns="seconds", errors="ignore").equals(two.drop(columns="seconds", errors="ignore"))


@pytest.mark.parametrize("search", [SNIPSearch, SNIPLatentSearch, TPSRSearch])
def test_budgets_are_kept(model, search):
    y = np.sin(5 * X[:, 0]) * np.sqrt(X[:, 1]) + np.cos(X[:, 0] * X[:, 1])
    estimator = fit(model, y, evals=300, search=search)
    assert estimator.stop_reason_ == "max_evals"
    assert len(estimator.equations_) >= 1
    began = time.monotonic()
    timed = SymbolicRegressor(search=search(weights=model), max_time=1.5, random_state=0).fit(X, y)
    assert timed.stop_reason_ == "max_time"
    assert time.monotonic() - began < 15  # a busy machine


def test_operators_of_the_user_are_kept_to(model):
    y = np.sin(X[:, 0]) + X[:, 1]
    estimator = SymbolicRegressor(
        search=SNIPSearch(operators=["add", "mul", "sin"], weights=model), operators=["add", "mul", "sin"],
        max_time=None, max_evals=3_000, random_state=0,
    ).fit(X, y)  # fmt: skip
    used = {p for e in estimator.expressions_ for p in e.to_prefix() if isinstance(p, str)}
    assert used <= {"add", "mul", "sin", "x0", "x1", "sub", "neg"}


def test_more_columns_than_the_network_knows(model):
    table = np.random.default_rng(2).uniform(1, 3, (200, 5))
    estimator = fit(
        model, 4.0 * table[:, 1] * table[:, 4], evals=20_000, table=table, operators=["mul", "add"]
    )
    assert estimator.stop_reason_ == "exact formula found"


def test_targets_without_spread_end_at_once(model):
    estimator = fit(model, np.full(80, 2.0))
    assert estimator.stop_reason_ == "target or features are constant"


def test_what_is_missing_is_said(model, monkeypatch, tmp_path):
    with pytest.raises(WeightsNotFound, match="looked at"):
        fit("no-such-weights", X[:, 0])
    with pytest.raises(WeightsNotFound, match="looked at"):
        fit(tmp_path, X[:, 0])
    for search, wrong, message in (
        (SNIPSearch, {"samples": 0}, "samples must be 1 or more"),
        (SNIPLatentSearch, {"optimiser": "adam"}, "'adam' is unknown; use one of gwo, cma"),
        (SNIPLatentSearch, {"population": 2}, "population, steps and samples"),
        (TPSRSearch, {"width": 0}, "rollouts, width and together"),
    ):
        with pytest.raises(InvalidInput, match=message):
            fit(model, X[:, 0], search=search, **wrong)
    monkeypatch.setattr(backend.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="torch"):
        fit(model, X[:, 0])


def test_nan_is_refused(model):
    broken = X.copy()
    broken[3, 1] = np.nan
    with pytest.raises(ValueError, match=r"NaN|nan|finite"):
        fit(model, X[:, 0], table=broken)


# ---------------------------------------------------------------- words of a plan
def test_words_of_prefixes_are_those_of_a_sample_without_choice(model):
    encoding = model.read_tables([np.column_stack([X, X[:, 0]])])
    words = Words(model, encoding, 2, None, 3)
    bos = model.tokenizer.bos_id
    (whole,) = words.complete([(bos,)])
    greedy = sample(model, encoding, torch.tensor([2]), 1, temperature=0.0)
    assert list(whole) == greedy.tokens[0, 0].tolist()
    asked = words.asked
    # Every prefix on the way is known, with its three likeliest words and their chances.
    for k in range(1, len(whole)):
        (following,) = words.following([whole[:k]])
        assert following[0][0] == whole[k]
        assert [c for _, c in following] == sorted((c for _, c in following), reverse=True)
    assert words.following([whole]) == [[]]
    assert words.asked == asked
    # Another way on from the middle is a whole formula too, with the guessed values of all its constants.
    other = words.following([whole[:1]])[0][1][0]
    (second,) = words.complete([(bos, other)])
    assert second[:2] == (bos, other)
    model.tokenizer.decode_system(np.array(second))
    for row, e in zip((whole, second), words.expressions([whole, second]), strict=True):
        assert len(e.constants) == row.count(model.tokenizer.placeholder_id)


def test_the_noise_of_first_positions_is_real(model):
    """The reference code overwrote the noisy targets."""
    problem = Problem(X, X[:, 0] + X[:, 1])
    hall = HallOfFame(problem)
    run = LatentSearch(
        SNIPLatentSearch(weights=model, population=50), problem, Budget(None, 10**6), RNG, hall, []
    )
    tables = []
    inner = model.read_tables

    class Watched:
        config, inputs = model.config, model.inputs

        def read_tables(self, given):
            tables.extend(given)
            return inner(given)

    run.model = Watched()
    run.given = np.arange(80)
    (reading, *_) = readings(problem, [(0, 1)], [np.arange(40)])
    positions = run._population(reading)
    assert positions.shape == (50, 8)
    assert len(tables) == 1 + 15 + 10
    off = [float(np.abs(t[:, 2] - t[:, 0] - t[:, 1]).max()) for t in tables]
    assert max(off[:16]) < 1e-9
    assert min(off[16:]) > 1e-3
    assert off[-1] > off[16]
    around = positions[26:] - positions[0]
    assert (np.linalg.norm(around, axis=1) > 0).all()


def test_parts_of_the_formulas_can_be_columns_of_the_portfolio(model):
    y = np.sin(X[:, 0] * X[:, 1]) + X[:, 0]
    problem = Problem(X, y, ("a", "b"))
    made = list(features(problem, Budget(None, 3_000), np.random.default_rng(0), weights=model, most=5))
    assert 0 < len(made) <= 5
    assert all(e.variables and e.names == ("a", "b") and len(e) > 1 for e in made)
    search = EnumerativeSearch(proposer=partial(features, weights=model))
    table = SymbolicRegressor(search=search, max_time=None, max_evals=12_000, random_state=0)
    assert "proposals" in set(table.fit(X, np.tanh(y) * X[:, 1]).ledger_["stage"])


def test_what_the_network_hardly_writes_enters_the_bank_later(model):
    y = np.sin(X[:, 0] * X[:, 1]) + X[:, 0]
    problem = Problem(X, y, ("a", "b"))
    budget = Budget(None, 3_000)
    chances = presence(problem, budget, np.random.default_rng(0), weights=model, samples=60)
    again = presence(problem, Budget(None, 3_000), np.random.default_rng(0), weights=model, samples=60)
    assert chances == again
    assert budget.evaluations >= 60
    assert {0, 1, "sin", "mul"} <= set(chances)
    assert all(0 <= p <= 1 for p in chances.values())
    # The same samples, counted as formulas.
    run = Sampling(SNIPSearch(weights=model), problem, Budget(None, 3_000), np.random.default_rng(0),
                   HallOfFame(problem), [])  # fmt: skip
    shown = run.read()
    drawn = sample(model, *run.encode(shown), -(-60 // len(shown)), run.generator)
    written = [
        model.tokenizer.decode_system(row, ("a", "b"))[0] for rows in drawn.tokens.numpy() for row in rows
    ]
    assert chances["sin"] == np.mean([re.search(r"\bsin\(", str(e)) is not None for e in written])
    assert chances[1] == pytest.approx(np.mean([1 in e.variables for e in written]))


def test_presence_is_asked_when_the_small_bank_is_not_enough():
    asked = []

    def chances(problem, budget, rng):
        asked.append(budget.left())
        budget.charge(7)
        return {"sin": 0.5, "exp": 0.001, "cos": 0.01, "log": 0.2, 0: 0.0, 1: 0.001}

    def stages(y):
        search = EnumerativeSearch(presence=chances)
        fitted = SymbolicRegressor(search=search, max_time=None, max_evals=25_000, random_state=0).fit(X, y)
        return set(fitted.ledger_["stage"])

    assert "presence" not in stages(X[:, 0] * X[:, 1])
    assert not asked
    assert "presence" in stages(np.tanh(np.sin(3 * X[:, 0]) / X[:, 1] ** 1.7) + X[:, 1] ** 0.3)
    assert len(asked) == 1


# ---------------------------------------------------------------- the problem in other views
def test_formulas_of_other_targets_become_formulas_of_the_target():
    table = np.random.default_rng(2).uniform(0.5, 2, (60, 2))
    law = Expression.parse("exp(a*b) + 0.3", ("a", "b"))
    view = original(table, law.evaluate(table), ("a", "b"))
    made = {v.path[-1]: v for v in other_targets(view)}
    assert set(made) == {"log", "square", "inverse"}
    for name, v in made.items():
        forward = {"log": "log", "square": "square", "inverse": "inv"}[name]
        there = Expression.apply(forward, law)
        np.testing.assert_allclose(v.y, there.evaluate(table), rtol=1e-12)
        np.testing.assert_allclose(v.restore(there).evaluate(table), view.y, rtol=1e-12)
    negative = original(table, -view.y, ("a", "b"))
    assert {v.path[-1] for v in other_targets(negative)} == {"inverse"}


def test_formulas_of_fewer_variables_become_formulas_of_all():
    names = ("d", "k", "n", "z")
    table = np.random.default_rng(0).uniform(1, 3, (300, 4))
    law = Expression.parse("exp(-2*z)*(k + d*n)", names)
    views = reduced(original(table, law.evaluate(table), names), 8)
    assert len({v.path for v in views}) == len(views) <= 8
    last = views[-1]
    assert len(last.names) == 2
    for reading in readings(last, [(0, 1)], [np.arange(80)]):
        # The network writes x0 and x1; scales and everything that was taken off come back.
        told = {n: f"({float(reading.scale[j])!r}*x{j} + {float(reading.shift[j])!r})"
                for j, n in enumerate(last.names)}  # fmt: skip
        z = told.pop("z")
        (u,) = told.values()
        restored = reading.restore(Expression.parse(f"{u}*exp(-2*{z})/{reading.y_scale!r}", ("x0", "x1")))
        assert restored is not None
        assert restored.names == names
        ratio = restored.evaluate(table) / law.evaluate(table)
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-8)


def test_an_exact_formula_is_shortened_however_long_it_was_written():
    names = ("b", "m", "s", "t")
    table = np.random.default_rng(0).uniform(1, 5, (300, 4))
    problem = Problem(table, Expression.parse("2*b + m/(2*s*t)", names).evaluate(table), names)
    judge = Judge(problem, Budget(None, 10**6), HallOfFame(problem), 1)
    long = "1.1*(1.2*(b/0.7 + 1.3*(((0.4*m + 0.1*t + 0.2*sqrt(s))/1.7)/(1.9*(s*(0.3*t))))))"
    e = Expression.parse(long, names)
    ((fit,),) = [fitted([e], judge.data)]
    assert judge.data.about(fit) > judge.data.bits(fit.expression) + 20
    assert list(judge.offer([e], "here"))
    best = judge.hall.exact()
    assert best is not None
    assert str(best.expression) == "2*b + m/(2*s*t)"


def test_what_a_formula_leaves_completes_it():
    table = np.random.default_rng(2).uniform(0.5, 2, (60, 2))
    law = Expression.parse("exp(a*b) + 0.3*a", ("a", "b"))
    part = Expression.parse("exp(a*b)", ("a", "b"))
    made = {v.path[-1]: v for v in remainders(original(table, law.evaluate(table), ("a", "b")), part)}
    answers = {"rest": "0.3*a", "ratio": "1 + 0.3*a*exp(-(a*b))"}
    assert set(made) == set(answers)
    for name, text in answers.items():
        answer = Expression.parse(text, ("a", "b"))
        np.testing.assert_allclose(made[name].y, answer.evaluate(table), rtol=1e-9)
        np.testing.assert_allclose(made[name].restore(answer).evaluate(table), law.evaluate(table), rtol=1e-9)
    assert not remainders(original(table, law.evaluate(table), ("a", "b")), law)


def test_functions_that_do_nothing_are_taken_away():
    table = np.random.default_rng(0).uniform(1, 5, (300, 3))
    law = Expression.parse("a/4 + sin(2*a/b)/c", ("a", "b", "c"))
    problem = Problem(table, law.evaluate(table), law.names)
    judge = Judge(problem, Budget(None, 10**6), HallOfFame(problem), 1)
    e = Expression.parse("a/4 + 0.0001*b*sin(2*a/b)/(c*atan(0.0001*b))", law.names)
    assert list(judge.offer([e], "here"))
    best = judge.hall.exact()
    assert best is not None
    assert best.complexity == law.complexity
    assert "atan" not in str(best.expression)


def test_parts_that_are_one_number_on_all_rows_become_that_number():
    table = np.random.default_rng(0).uniform(1, 5, (300, 2))
    law = Expression.parse("a*b/2 + sqrt(b)", ("a", "b"))
    problem = Problem(table, law.evaluate(table), law.names)
    judge = Judge(problem, Budget(None, 10**6), HallOfFame(problem), 1)
    e = Expression.parse("a*b*atan(b + 1e140)/3 + sqrt(b) + a*log(a/1e120 + 1)", law.names)
    assert list(judge.offer([e], "here"))
    best = judge.hall.exact()
    assert best is not None
    assert best.complexity == law.complexity
    assert is_recovery(best.expression, law, (table.min(axis=0), table.max(axis=0)))["recovered"]
