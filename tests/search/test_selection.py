"""Hall of fame, budget and the choice from a front."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from symnum.exceptions import InvalidInput
from symnum.expressions import Expression
from symnum.problem import Problem
from symnum.search.budget import Budget
from symnum.search.candidate import Candidate, HallOfFame
from symnum.search.losses import make_loss
from symnum.search.rules import make_rules
from symnum.search.selection import RULES, scores, select

RNG = np.random.default_rng(0)
X = RNG.uniform(1, 4, (200, 2))
TRUTH = 3 * X[:, 0] ** 2


def hall_of(y: np.ndarray, *texts: str) -> HallOfFame:
    hall = HallOfFame(Problem(X, y, ("a", "b")))
    for text in texts:
        hall.add(Expression.parse(text, ("a", "b")))
    return hall


def test_loss_is_the_mean_squared_error():
    y = TRUTH + RNG.normal(size=200)
    hall = hall_of(y, "3*a**2")
    (candidate,) = hall.best.values()
    assert candidate.loss == pytest.approx(np.mean((3 * X[:, 0] ** 2 - y) ** 2))
    assert candidate.r2 == pytest.approx(1 - candidate.loss / np.var(y))


def test_weights_and_ignored_rows():
    w = np.r_[np.ones(100), np.zeros(100)]
    y = np.where(w > 0, TRUTH, np.nan_to_num(np.inf, posinf=1e6))
    hall = HallOfFame(Problem(X, y, ("a", "b"), weights=w))
    assert hall.add(Expression.parse("3*a**2", ("a", "b"))).loss < 1e-20


def test_front_is_not_dominated():
    hall = hall_of(
        TRUTH + RNG.normal(size=200), "2", "a", "7*a", "a*b", "3*a**2", "3*a**2 + 0*b", "3*a**2 + 0.01*sin(b)"
    )
    front = hall.front()
    assert all(x.loss > y.loss and x.complexity < y.complexity for x, y in pairwise(front))


def test_undefined_and_too_long_are_refused():
    hall = hall_of(TRUTH)
    assert hall.add(Expression.parse("log(a - 2)", ("a", "b"))) is None
    hall.max_complexity = 3
    assert hall.add(Expression.parse("a + b + sin(a*b)", ("a", "b"))) is None


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_takes_the_exact_short_formula(rule):
    front = hall_of(TRUTH, "10", "7*a", "3*a**2").front()
    assert str(front[select(front, rule, 200, 20.0)].expression) == "3*a**2"


@pytest.mark.parametrize("rule", ["best", "bic"])
def test_noise_is_not_fitted(rule):
    y = TRUTH + RNG.normal(size=200)
    texts = ["10", "7*a", "3*a**2", "3*a**2 + 0.05*sin(7*b)", "3*a**2 + 0.05*sin(7*b) - 0.1*cos(9*a)"]
    front = hall_of(y, *texts).front()
    assert str(front[select(front, rule, 200, 20.0)].expression) == "3*a**2"


def test_score_is_pysrs_formula():
    front = hall_of(TRUTH + RNG.normal(size=200), "10", "7*a", "3*a**2").front()
    s = scores(front)
    assert s[0] == 0
    for i in range(1, len(front)):
        fall = np.log(front[i - 1].loss / front[i].loss)
        assert s[i] == pytest.approx(fall / (front[i].complexity - front[i - 1].complexity))


def test_unknown_rule_is_named():
    with pytest.raises(InvalidInput, match="nope"):
        select(hall_of(TRUTH, "a").front(), "nope", 200, 1.0)


def test_budget_counts_and_gives_its_reason():
    budget = Budget(max_evals=10).start()
    assert not budget.expired()
    assert budget.left() == float("inf")
    budget.charge(10)
    assert budget.expired()
    assert budget.reason == "max_evals"
    budget.stop("later reason")
    assert budget.reason == "max_evals"
    assert Budget(max_time=1e-9).start().expired()


def test_a_large_table_is_sampled_and_the_front_verified_on_all_rows():
    rng = np.random.default_rng(8)
    x = rng.uniform(1, 2, (50_000, 1))
    hall = HallOfFame(Problem(x, np.log(x[:, 0]) + 1 + 0.1 * rng.normal(size=50_000), ("a",)))
    unseen = np.setdiff1d(np.arange(50_000), hall._judged)[0]
    x[unseen] = -1.0  # the problem holds this very array
    assert np.shares_memory(x, hall.problem.X)
    for text in ("a", "1.05*a", "log(a) + 1"):
        hall.add(Expression.parse(text, ("a",)))
    assert [str(c.expression) for c in hall.front()] == ["a", "log(a) + 1"]
    hall.verify()
    assert [str(c.expression) for c in hall.front()] == ["a"]
    for c in hall.front():
        exact = np.mean((c.expression.evaluate(x) - hall.problem.y) ** 2)
        assert c.loss == pytest.approx(exact, rel=1e-12)


def made(complexity: int, loss: float, bits: float = 0.0) -> Candidate:
    return Candidate(Expression.parse("a"), complexity, loss, 0.0, bits)


def test_bic_by_hand():
    """Rows times the log of the loss, and a log of the rows for each node."""
    front = [made(1, 1.0), made(3, 0.8), made(9, 0.5)]
    rows = 40
    bic = [rows * np.log(c.loss) + np.log(rows) * c.complexity for c in front]
    assert select(front, "bic", rows, 1.0) == int(np.argmin(bic)) == 1
    # of an absolute error the square counts, so that the second step is worth its nodes
    assert select(front, "bic", rows, 1.0, power=1) == 2
    assert select(front, "bic", 6, 1.0) == 0


def test_bic_takes_errors_below_rounding_for_rounding():
    front = [made(3, 1e-26), made(9, 1e-40)]
    assert select(front, "bic", 100, 1.0) == 0
    assert select(front, "bic", 100, 1e-12) == 1
    assert select([made(1, 1e-12), made(2, 1e-20)], "bic", 100, 1.0, power=1) == 0


def test_each_rule_looks_at_its_own_number():
    front = [made(1, 1.0, 9.0), made(3, 0.8, 1.0), made(5, 0.79, 5.0)]
    assert select(front, "best", 10, 1.0) == select(front, "mdl", 10, 1.0) == 1
    assert select(front, "accuracy", 10, 1.0) == 2
    # of those within half as much again of the least loss, the sharpest fall
    assert select(front, "score", 10, 1.0) == 1
    assert select([made(1, 1.0), made(2, 0.1), made(5, 0.01)], "score", 10, 1.0) == 2
    np.testing.assert_allclose(scores(front), [0, np.log(1 / 0.8) / 2, np.log(0.8 / 0.79) / 2])


def test_bic_of_a_target_of_zeros():
    assert select([made(1, 0.0), made(2, 0.0)], "bic", 10, 0.0) == 0


def test_losses_on_some_rows_are_weighted_means():
    w, y = RNG.uniform(0, 2, 200), TRUTH + RNG.normal(size=200)
    hall = HallOfFame(Problem(X, y, ("a", "b"), weights=w))
    assert hall.scale == pytest.approx(np.sqrt(np.sum(w * y**2) / np.sum(w)))
    assert hall.spread == pytest.approx(np.cov(y, aweights=w, ddof=0))
    e, rows = Expression.parse("3*a**2", ("a", "b")), np.arange(0, 200, 7)
    error = (TRUTH - y) ** 2
    assert hall.loss(e) == pytest.approx(np.average(error, weights=w))
    assert hall.loss(e, rows) == pytest.approx(np.average(error[rows], weights=w[rows]))


def test_a_front_ends_where_errors_are_rounding():
    """Losses of 1e-28 of the mean square are float64's: 1e-14 of the size of the target."""
    y = 1 + 0.01 * np.sign(X[:, 0] - 2.5)
    for losses, kept in [((5e-30, 1e-31), 1), ((5e-27, 1e-31), 2), ((1e-9, 1e-9 * (1 - 1e-10)), 1)]:
        hall = hall_of(y)
        hall.best = {1: made(1, losses[0]), 3: made(3, losses[1])}
        assert len(hall.front()) == kept
    robust = HallOfFame(Problem(X, y, ("a", "b")), loss=make_loss("absolute", X, y))
    for losses, kept in [((5e-15, 1e-16), 1), ((5e-14, 1e-16), 2)]:
        robust.best = {1: made(1, losses[0]), 3: made(3, losses[1])}
        assert len(robust.front()) == kept


@pytest.mark.parametrize(
    ("rows", "text", "outliers", "exact"),
    [
        (20, "3*a**2", 8, True),
        (20, "3*a**2", 9, False),  # 55 % is a little more than chance
        (19, "3*a**2", 5, False),
        (20, "3*a**2 + 0.5*b", 0, True),  # exact everywhere: nothing to be doubted
        (20, "3*a**2 + 0.5*b", 8, False),  # too long for so few rows
        (40, "3*a**2 + 0.5*b", 16, True),
    ],
)
def test_exact_on_most_rows_is_exact_for_a_robust_loss(rows, text, outliers, exact):
    e = Expression.parse(text, ("a", "b"))
    y = e.evaluate(X[:rows])
    y[:outliers] += 5 + np.arange(outliers)
    hall = HallOfFame(Problem(X[:rows], y, ("a", "b")), loss=make_loss("absolute", X[:rows], y))
    hall.add(e)
    assert (hall.exact() is not None) == exact
    if outliers:
        squared = HallOfFame(Problem(X[:rows], y, ("a", "b")))
        squared.add(e)
        assert squared.exact() is None


def test_dear_operators_count_like_more_of_them():
    y = TRUTH + RNG.normal(size=200)
    dear = HallOfFame(Problem(X, y, ("a", "b")), rules=make_rules(None, {"sin": 4}, None, None, None))
    e = Expression.parse("3*a**2 + sin(b)", ("a", "b"))
    plain, costly = hall_of(y, str(e)).best[e.complexity], dear.add(e)
    assert costly.complexity == plain.complexity + 3
    assert costly.bits == pytest.approx(plain.bits + 4 * 3)


@pytest.mark.parametrize(("factor", "hopeless"), [(1.4, False), (1.6, True)])
def test_hopeless_is_half_as_long_again_as_bad_and_twice_as_long(factor, hopeless):
    """The loss of 3*a**2 + c is the variance of the noise and c squared."""
    y = TRUTH + np.where(np.arange(200) % 2 == 0, 1.0, -1.0)
    hall = hall_of(y)
    hall.best = {2: made(2, 1.0)}
    longer = Expression.parse(f"3*a**2 + {np.sqrt(factor - 1):.6f}", ("a", "b"))
    assert hall._hopeless(longer) == hopeless
    hall.best = {5: made(5, 1e-3)}
    assert not hall._hopeless(longer)


def test_errors_whose_square_is_no_float_are_judged():
    """With an absolute loss the error itself is a number: its square ended the fit."""
    hall = HallOfFame(Problem(X, TRUTH, ("a", "b")), loss=make_loss("absolute", X, TRUTH))
    hall.add(Expression.parse("1e200*a", ("a", "b")))
    hall.add(Expression.parse("3*a**2", ("a", "b")))
    assert hall.exact() is not None
    assert str(hall.front()[-1].expression) == "3*a**2"
