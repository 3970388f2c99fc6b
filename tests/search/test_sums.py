"""Sums of many terms and formulas grown from them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import sympy
from sklearn.datasets import make_friedman1

from symnum.expressions.expression import Expression
from symnum.search.growth import Growth, data_of, pool_of
from symnum.search.moves import deletions, exchanges, wrappings
from symnum.search.programs import Program, derivatives, folded, program_of
from symnum.search.sums import SumSearch, choose_terms, exact_sums
from symnum.search.view import original

UNARY = ("square", "sqrt", "inv", "exp", "log", "sin", "cos")
BINARY = ("add", "sub", "mul", "div")


def never() -> bool:
    return False


def test_derivative_by_every_node_is_that_of_a_number_added_there():
    names = ("a", "b")
    e = Expression.parse("1.5*sin(a*b + 0.3) - (b + 2.0)/a", names)
    X = np.random.default_rng(0).uniform(1, 2, (7, 2))
    value, by_constant, by_node, node_values = derivatives(program_of(e), X.T.copy())
    assert value == pytest.approx(e.evaluate(X))
    a, b, h = sympy.symbols("a b h")
    inner = {3: 1.5 * sympy.sin(a * b + h + 0.3) - (b + 2) / a}  # a*b is the fourth node of the program
    assert node_values[3] == pytest.approx(X[:, 0] * X[:, 1])
    expected = sympy.lambdify((a, b), sympy.diff(inner[3], h).subs(h, 0))(*X.T)
    assert by_node[3] == pytest.approx(expected)
    outer = sympy.lambdify((a, b), sympy.sin(a * b + 0.3))(*X.T)
    assert by_constant[0] == pytest.approx(outer)


def test_chosen_terms_are_the_best_subset_of_all():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(12, 60)) + rng.normal(size=60)  # correlated columns
    y = 2 * values[1] - values[4] + 0.5 * values[9] + 0.3 * rng.normal(size=60)
    weights = rng.uniform(0.5, 2, 60)
    weights /= weights.mean()
    made = choose_terms(values, y, weights, 3, 6, never)
    for count in (1, 2, 3):
        best = min(_loss(values[list(s)], y, weights) for s in combinations(range(12), count))
        found = min(c.loss for c in made if len(c.members) == count)
        assert found == pytest.approx(best)


def _loss(columns: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    design = np.column_stack([np.ones(len(y)), *columns]) * np.sqrt(weights)[:, None]
    c = np.linalg.lstsq(design, y * np.sqrt(weights), rcond=None)[0]
    return float(np.mean((y * np.sqrt(weights) - design @ c) ** 2))


def test_press_is_the_error_of_leaving_each_row_out():
    rng = np.random.default_rng(2)
    values, y = rng.normal(size=(5, 20)), rng.normal(size=20)
    choice = choose_terms(values, y, np.ones(20), 2, 3, never)[-1]
    design = np.column_stack([np.ones(20), *values[list(choice.members)]])
    errors = []
    for i in range(20):
        rest = np.arange(20) != i
        c = np.linalg.lstsq(design[rest], y[rest], rcond=None)[0]
        errors.append(y[i] - design[i] @ c)
    assert choice.press == pytest.approx(np.mean(np.square(errors)))
    assert design @ choice.coefficients == pytest.approx(design @ np.linalg.lstsq(design, y, rcond=None)[0])


@pytest.mark.parametrize(
    "text",
    [
        "x0*x1/x2 + 2*x3/x4**2 - x1*x4",
        "x0*x1/x2 + 2*x3/x4**2 - x1*x4 + 0.7*x2**2*x3",
        "exp(x0) + 2.5*log(x1) + x2*x3 + 0.5*x4**2",
    ],
)
def test_exact_sums_of_different_terms(text: str):
    truth = Expression.parse(text, [f"x{i}" for i in range(5)])
    X = np.random.default_rng(3).uniform(1, 4, (500, 5))
    found = next(exact_sums(original(X, truth.evaluate(X), truth.names), UNARY, BINARY, never), None)
    assert found is not None
    new = np.random.default_rng(4).uniform(0.5, 6, (300, 5))
    np.testing.assert_allclose(found.evaluate(new), truth.evaluate(new), rtol=1e-9, atol=1e-9)


def test_first_insertion_promises_what_least_squares_gives():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(120, 3))
    y = X[:, 0] * X[:, 1] + 0.5 * X[:, 2] + 0.1 * rng.normal(size=120)
    names = ("a", "b", "c")
    data = data_of(X, y, None)
    pool = pool_of([Expression.parse(t, names) for t in ("a", "b", "c", "a*b", "a*c")], data)
    growth = Growth(data, names, pool, 20, UNARY, np.random.default_rng(0), 1, lambda n: None)
    list(growth.start([Expression.constant(float(y.mean()), names)]))
    steps = iter(range(1))
    made = list(growth.run(lambda: next(steps, None) is None))
    best = min(made, key=lambda e: np.mean((e.evaluate(X) - y) ** 2))
    assert set(best.variables) == {0, 1}
    design = np.column_stack([np.ones(120), X[:, 0] * X[:, 1]])
    expected = np.linalg.lstsq(design, y, rcond=None)[1][0] / 120
    assert np.mean((best.evaluate(X) - y) ** 2) == pytest.approx(expected, rel=1e-6)


def test_grown_formula_predicts_friedmans_function_on_new_rows():
    X, y = make_friedman1(400, 7, noise=0.5, random_state=0)
    X_new, y_new = make_friedman1(400, 7, noise=0.0, random_state=1)
    made = _grown(X, y, 3_000)
    best = made[-1]
    assert 1 - np.mean((best.evaluate(X_new) - y_new) ** 2) / np.var(y_new) > 0.93
    assert best.complexity <= 30
    assert set(best.variables) <= {0, 1, 2, 3, 4}


def _grown(X: np.ndarray, y: np.ndarray, evaluations: int) -> list[Expression]:
    """Improvements by falling loss, after so many fits."""
    spent = [0]

    def charge(n: int) -> None:
        spent[0] += n

    view = original(X, y, tuple(f"x{i}" for i in range(X.shape[1])))
    search = SumSearch(view, None, UNARY, BINARY, 30, np.random.default_rng(0), 1, lambda n: None)
    search.growth.charge = charge
    made = list(search.run(lambda: spent[0] >= evaluations))
    losses = [float(np.mean((e.evaluate(X) - y) ** 2)) for e in made]
    return [made[k] for k in np.argsort(losses)[::-1]]


def test_growth_goes_on_where_it_stopped_and_repeats_itself():
    X, y = make_friedman1(150, 5, noise=0.3, random_state=2)
    names = tuple(f"x{i}" for i in range(5))
    view = original(X, y, names)

    def run(pieces: list[int]) -> list[str]:
        search = SumSearch(view, None, UNARY, BINARY, 20, np.random.default_rng(0), 1, lambda n: None)
        found = []
        for count in pieces:
            left = iter(range(count + 10 * (not found)))  # the choice of terms asks as well
            found += [str(e) for e in search.run(lambda left=left: next(left, None) is None)]
        return found

    whole = run([12])
    assert run([12]) == whole
    parts = run([4, 8])
    assert parts[-1] == whole[-1]


def test_nothing_grown_has_a_pole_or_a_wrong_domain_near_the_rows():
    rng = np.random.default_rng(5)
    X = rng.uniform(-1, 1, (200, 2))
    y = 1 / (1.5 + X[:, 0]) + np.abs(X[:, 1]) + 0.05 * rng.normal(size=200)
    for e in _grown(X, y, 400):
        wide = rng.uniform(-1.05, 1.05, (2_000, 2))
        assert np.all(np.isfinite(e.evaluate(wide)))


def test_moves_leave_whole_programs_with_the_values_they_stand_for():
    names = ("a", "b", "c")
    e = Expression.parse("2.0*sin(a*b) + 3.0*c", names)
    program = program_of(e)
    X = np.random.default_rng(6).uniform(1, 2, (9, 3))
    shorter = [Expression(*p, names) for p in deletions(program, X.T.copy())]
    assert all(len(s) <= len(e) and s != e for s in shorter)
    assert Expression.parse("2.0*(a*b) + 3.0*c", names) in shorter
    assert Expression.parse("2.0*sin(a) + 3.0*c", names) in shorter
    median = float(np.median(np.sin(X[:, 0] * X[:, 1])))
    assert Expression.parse(f"{2 * median!r} + 3.0*c", names) in shorter
    swapped = [Expression(*p, names) for p in exchanges(program, 3, np.random.default_rng(0))]
    assert len(set(swapped)) == 3 * 2
    assert Expression.parse("2.0*sin(c*b) + 3.0*c", names) in swapped
    wrapped = [Expression(*p, names) for p in wrappings(program, ("exp", "sin"))]
    assert Expression.parse("2.0*sin(exp(a)*b) + 3.0*c", names) in wrapped
    assert Expression.parse("2.0*sin(a*b) + 3.0*sin(c)", names) in wrapped
    assert not any("sin(sin" in str(w) for w in wrapped)


def test_parts_without_variables_become_numbers():
    codes = [*Expression.parse("a*b").codes.tolist()[:1], 0, 0, 1, 3]  # a * (1.5 + 2.5)
    assert folded(Program(codes, [1.5, 2.5])) == Program([codes[0], 0, 3], [4.0])


def test_a_sorted_table_is_shuffled_before_its_first_rows_score():
    rng = np.random.default_rng(7)
    X = np.sort(rng.uniform(size=(900, 2)), axis=0)
    weights = 1 + X[:, 0]
    search = SumSearch(
        original(X, X[:, 0] ** 2, ("a", "b")), weights, UNARY, BINARY, 10, rng, 1, lambda n: None
    )
    data = search.data
    assert abs(data.X[:500, 0].mean() - X[:, 0].mean()) < 0.05
    np.testing.assert_allclose(data.y, data.X[:, 0] ** 2)
    np.testing.assert_allclose(data.weights, (1 + data.X[:, 0]) / weights.mean())
