"""What users of PySR expect: guesses, own operators, constraints, losses, several outputs, warm start."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from symnum import Expression, SymbolicRegressor
from symnum.exceptions import InvalidInput
from symnum.search.rules import make_rules

X = np.random.default_rng(0).uniform(1, 5, (120, 3))


def quick(**changes) -> SymbolicRegressor:
    return SymbolicRegressor(**{"max_time": None, "max_evals": 8_000, "random_state": 0, **changes})


# --------------------------------------------------------------------------------------------- guesses
def test_a_guess_gives_its_constants_and_its_parts():
    y = 2.2 * np.sin(1.73 * X[:, 0]) * X[:, 1] + X[:, 2] ** 2
    plain, helped = quick().fit(X, y), quick(guesses=["sin(1.5*x0)*x1"]).fit(X, y)
    assert plain.equations_.r2.max() < 0.9999
    assert helped.stop_reason_ == "exact formula found"
    np.testing.assert_allclose(helped.predict(X + 0.3), 2.2 * np.sin(1.73 * X[:, 0] + 0.519) * (X[:, 1] + 0.3)
                               + (X[:, 2] + 0.3) ** 2)  # fmt: skip


def test_a_right_guess_ends_the_search_at_once():
    y = 3 * X[:, 0] * np.exp(-X[:, 1] / 4)
    guess = Expression.parse("a*exp(-b*1.1)", ("a", "b"))
    model = quick(guesses=[guess]).fit(X[:, :2], y, variable_names="ab")
    assert str(model.expression_) in ("3*a*exp(-b/4)", "3*a*exp(-0.25*b)")
    assert model.equations_.r2[model.best_index_] == 1
    assert len(model.ledger_) == 0


@pytest.mark.parametrize(
    ("guess", "word"), [("x0 + z", "number 0.*'z'"), ("x0 +", "number 0"), (5, "text or Expression")]
)
def test_bad_guesses_are_named(guess, word):
    with pytest.raises(InvalidInput, match=f"(?s){word}"):
        quick(guesses=[guess]).fit(X, X[:, 0])


# --------------------------------------------------------------------------- operators and constraints
def test_operators_of_ones_own_take_part():
    y = np.maximum(X[:, 0] - X[:, 1], 0) * X[:, 2]
    model = quick(extra_operators={"relu": "max(x, 0)"}).fit(X, y)
    np.testing.assert_allclose(model.predict(X - 0.5), np.maximum(X[:, 0] - X[:, 1], 0) * (X[:, 2] - 0.5))
    assert Expression.parse(str(model.expression_)) == model.expression_


@pytest.mark.parametrize("operators", [["+", "*"], ["add", "sub", "sin"], ["*", "/"], ["+", "sqrt"]])
@pytest.mark.parametrize("noise", [0, 0.1])
def test_no_formula_holds_a_forbidden_operator(operators, noise):
    y = np.exp(X[:, 0] / 3) / X[:, 1] ** 1.5 + np.sqrt(X[:, 2]) + noise * np.sin(40 * X[:, 0] * X[:, 1])
    model = quick(operators=operators, max_evals=3_000).fit(X, y)
    rules = make_rules(operators, None, None, None, None)
    assert len(model.expressions_) > 1
    assert all(rules.allows(e) for e in model.expressions_)


def test_operators_outside_the_usual_list_are_used_when_named():
    model = quick(operators=["+", "*", "max"]).fit(X, np.maximum(X[:, 0], 2 * X[:, 1]) * X[:, 2])
    assert "max" in str(model.expression_)
    assert model.equations_.r2[model.best_index_] == pytest.approx(1)


def test_constraints_hold_for_the_whole_table():
    y = np.sin(X[:, 0] * X[:, 1] + X[:, 2]) + 0.1 * np.cos(9 * X[:, 0])
    limits = {"constraints": {"sin": 1}, "nested_constraints": {"exp": {"log": 0}}, "max_depth": 4}
    model = quick(**limits, max_evals=3_000, complexity_of_operators={"exp": 3, "/": 2}).fit(X, y)
    rules = make_rules(None, {"exp": 3, "div": 2}, limits["nested_constraints"], limits["constraints"], 4)
    assert all(rules.allows(e) for e in model.expressions_)
    assert [rules.complexity(e) for e in model.expressions_] == model.equations_.complexity.tolist()
    assert max(e.depth for e in model.expressions_) <= 4


# ---------------------------------------------------------------------------------------------- losses
@pytest.mark.parametrize("loss", ["absolute", "huber", "logcosh"])
def test_outliers_do_not_bend_the_formula(loss):
    rng = np.random.default_rng(1)
    spoiled = X[:, 0] ** 2 / X[:, 1]
    spoiled[rng.permutation(120)[:20]] += rng.normal(0, 30, 20)
    assert str(quick(loss=loss, max_evals=2_000).fit(X, spoiled).expression_) == "x0**2/x1"
    assert str(quick(max_evals=2_000).fit(X, spoiled).expression_) != "x0**2/x1"


def test_a_quantile_lies_above_that_share_of_rows():
    y = 2 * X[:, 0] + np.random.default_rng(2).normal(size=120)
    model = quick(loss="quantile(0.9)", max_evals=1_000).fit(X, y)
    assert np.mean(y < model.predict(X)) == pytest.approx(0.9, abs=0.05)


def test_a_function_as_loss_rules_table_and_choice():
    def own(y, prediction):
        return np.abs(y - prediction) ** 1.5

    y = X[:, 0] * X[:, 1] + np.random.default_rng(3).laplace(size=120)
    model = quick(loss=own, max_evals=1_000).fit(X, y)
    for i, loss in enumerate(model.equations_.loss):
        assert loss == pytest.approx(np.mean(own(y, model.predict(X, index=i))))
    assert model.equations_.loss.is_monotonic_decreasing


# ------------------------------------------------------------------------------------- several outputs
def test_several_outputs(tmp_path):
    frame = pd.DataFrame(X, columns=list("abc"))
    Y = np.column_stack([X[:, 0] / X[:, 1], 3 * X[:, 2], X[:, 0] + X[:, 2] ** 2])
    model = quick(max_evals=30_000, guesses=[["a*b"], ["2.5*c"], ["a"]]).fit(frame, Y)
    np.testing.assert_allclose(model.predict(frame), Y)
    assert [len(t) > 0 for t in model.equations_] == [True] * 3
    assert [str(m.expression_) for m in model.outputs_] == ["a/b", "3*c", "a + c**2"]
    assert model.predict(frame, index=[0, -1, 0]).shape == (120, 3)
    assert model.latex()[1] == r"3 \cdot c"
    assert len(model.sympy()) == 3
    assert model.latex_table().count("tabular") == 6
    assert model.score(frame, Y) == pytest.approx(1)
    model.save(tmp_path / "many.json")
    back = SymbolicRegressor.load(tmp_path / "many.json")
    np.testing.assert_array_equal(back.predict(frame), model.predict(frame))
    assert back.stop_reason_ == model.stop_reason_
    with pytest.raises(InvalidInput, match="outputs_"):
        model.expression_  # noqa: B018


def test_a_column_of_one_output_is_a_plain_target():
    model = quick(max_evals=3_000).fit(X, (X[:, 0] * X[:, 1])[:, None])
    assert str(model.expression_) == "x0*x1"


def test_outputs_share_the_budget():
    Y = np.random.default_rng(0).normal(size=(120, 3))
    model = quick(max_evals=3_000).fit(X, Y)
    assert sum(int(t.evaluations.sum()) for t in model.ledger_) < 4_500
    assert len(set(model.stop_reason_)) == 1


# -------------------------------------------------------------------------------- going on, and ending
def test_warm_start_goes_on_from_what_was_found():
    y = np.sin(X[:, 0] * 2.3) * X[:, 1] + X[:, 2] ** 1.4
    model = quick(warm_start=True, max_evals=4_000).fit(X, y)
    before = model.equations_.copy()
    model.set_params(max_evals=1).fit(X, y)
    merged = before.merge(model.equations_, on="complexity", suffixes=("", "_now"))
    assert len(model.equations_) >= len(before) - 1
    assert np.all(merged.loss_now <= merged.loss * (1 + 1e-9))
    assert len(quick(max_evals=1).fit(X, y).equations_) < len(before)


@pytest.mark.parametrize(
    "options",
    [{"loss": "absolute"}, {"guesses": ["sin(x0)*x1 + 2"]}, {"template": "f(x0, x1) + g(x1, x2)"}],
)
def test_an_alarm_keeps_what_was_found(options, alarm):
    def arm(event: object) -> None:
        if not armed:
            armed.append(alarm(0.3))

    armed: list = []
    y = np.sin(X[:, 0] * X[:, 1]) * np.exp(X[:, 2]) + np.cos(7 * X[:, 1]) * X[:, 0] ** 2.3
    model = SymbolicRegressor(max_time=60, random_state=0, callbacks=[arm], **options)
    with pytest.raises(alarm(600)):
        model.fit(X, y)
    assert len(model.equations_) >= 1
    assert np.all(np.isfinite(model.predict(X)))


def test_an_error_in_one_output_keeps_the_others():
    Y = np.column_stack([X[:, 0] * X[:, 1], np.exp(X[:, 0]) + X[:, 2], X[:, 2]])

    def fail(event):
        if event.output == 1:
            raise ZeroDivisionError

    model = quick(callbacks=[fail])
    with pytest.raises(ZeroDivisionError):
        model.fit(X, Y)
    assert model.predict(X).shape == (120, 3)
    np.testing.assert_allclose(model.predict(X)[:, 2], X[:, 2])


# ---------------------------------------------------------------- forms of the result
def test_forms_of_the_front_agree_with_predict(given_search):
    X = np.random.default_rng(0).uniform(1, 3, (40, 2))
    y = 2.5 * X[:, 0] ** 2 / X[:, 1]
    search = given_search("1.2345e-5", "x0 + 1", "2.5*x0**2/x1")
    model = SymbolicRegressor(search=search).fit(X, np.column_stack([y, X]))
    first = model.outputs_[0]
    assert first.source("c", function="law") == first.expression_.source("c", "law")
    assert first.source("excel", index=0) == first.expressions_[0].source("excel")
    assert model.source("julia") == [m.source("julia") for m in model.outputs_]
    assert model.latex_table(indices=[0]).count(r"\toprule") == 3
    table = first.latex_table(indices=[0, -1])
    assert table.count(r"\\") == 3
    assert "e-" not in table
    torch = pytest.importorskip("torch")
    np.testing.assert_allclose(first.pytorch()(torch.tensor(X)).detach(), first.predict(X), rtol=1e-12)


def test_the_clock_starts_when_a_search_is_prepared(given_search):
    """Loading torch takes seconds in a new process; a short limit had nothing left to search with."""

    class Prepared(given_search):
        loaded = False

        def prepare(self):
            time.sleep(0.6)
            self.loaded = True

    X = np.arange(1.0, 21).reshape(-1, 1)
    search = Prepared("x0", "2*x0")
    model = SymbolicRegressor(search=search, max_time=0.5).fit(X, 2 * X[:, 0])
    assert search.loaded
    assert str(model.expression_) == "2*x0"
    assert model.seconds_ < 0.5
