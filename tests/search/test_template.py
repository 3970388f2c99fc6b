"""Templates: reading, inverting, fitting, and that every formula found has the form that was asked for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import curve_fit

from symnum import Expression, SymbolicRegressor
from symnum.exceptions import InvalidInput
from symnum.search.filling import Program
from symnum.search.template import invert, read_template, tree

X = np.random.default_rng(0).uniform(1, 3, (120, 3))
NAMES = ("x0", "x1", "x2")


def quick(template: str, **changes) -> SymbolicRegressor:
    settings = {"max_time": None, "max_evals": 12_000, "random_state": 0, **changes}
    return SymbolicRegressor(template=template, **settings)


# ------------------------------------------------------------------------------------------- reading
def test_parts_of_a_template():
    made = read_template("A*exp(-f(x0, x1*x2)) + 2*g(x2)", NAMES, {})
    assert made.parameters == ("A",)
    assert made.functions == ("f", "g")
    assert [str(a) for a in made.first("f").arguments] == ["x0", "x1*x2"]
    assert made.literals == (2.0,)
    f, g = Expression.parse("x0 + 2*x1"), Expression.parse("sin(x0)")
    whole = made.compose({"f": f, "g": g}, {"A": 3.0})
    expected = 3 * np.exp(-(X[:, 0] + 2 * X[:, 1] * X[:, 2])) + 2 * np.sin(X[:, 2])
    np.testing.assert_allclose(whole.evaluate(X), expected)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("x0 + 1", "nothing in it is unknown"),
        ("sinn(x0)", "did you mean sin"),
        ("f(x0) + f(x0, x1)", "1 and 2 arguments"),
        ("f(A)", "columns only"),
        ("f(g(x0))", "columns only"),
        ("f(x0", r"expected '\)'"),
        ("x5*f(x0)", "'x5' is no column"),
        ("f(x0, x0)", "different functions"),
        ("f(2)", "different functions"),
        (3, "as text"),
    ],
)
def test_bad_templates_are_named(text, word):
    with pytest.raises(InvalidInput, match=word):
        quick(text).fit(X, X[:, 0])


def test_a_misspelt_column_is_no_parameter():
    with pytest.raises(InvalidInput, match="velocty"):
        quick("f(mass)*velocty").fit(X[:, :2], X[:, 0], variable_names=["mass", "velocity"])


def test_guesses_and_a_template_do_not_go_together():
    with pytest.raises(InvalidInput, match="alternatives"):
        quick("f(x0)", guesses=["x0"]).fit(X, X[:, 0])


# ------------------------------------------------------------------------------------------- inverting
@pytest.mark.parametrize(
    "text",
    ["2*f(x0) - x1", "x1/(x2 + f(x0))", "exp(-f(x0))/x1", "sin(3*f(x0))", "cos(f(x0)*x1)", "f(x0)**2 - x1",
     "x1**f(x0)", "sqrt(f(x0))*x2", "tanh(f(x0)/9)", "log(f(x0) + x1)", "1/atan(f(x0)/5)", "f(x0)**3 + 1"],
)  # fmt: skip
def test_inverse_gives_back_the_function(text):
    made = read_template(text, NAMES, {})
    values = X[:, 0] ** 2 + 0.3
    columns = [*X.T, values]
    target = made.compose({"f": Expression.parse("x0**2 + 0.3")}, {}).evaluate(X)
    # The column of the function says which branch is meant, nothing more.
    near = [*X.T, values + 1e-5]
    np.testing.assert_allclose(invert(tree(made.body), -4, target, near), values, rtol=1e-8, atol=2e-5)
    exact = invert(tree(made.body), -4, target, columns)
    np.testing.assert_allclose(exact, values, rtol=1e-6)
    np.testing.assert_allclose(tree(made.body).evaluate(columns), target, rtol=1e-12)


def test_no_inverse_where_there_is_none():
    made = read_template("max(f(x0), x1)", NAMES, {})
    assert invert(tree(made.body), -4, X[:, 0], [*X.T, X[:, 0]]) is None


# ------------------------------------------------------------------------------------------- fitting
def test_named_numbers_are_those_of_scipy():
    def curve(x, A, k, B):
        return A * np.exp(-k * x) + B

    y = curve(X[:, 0], 3, 0.7, 2) + 0.05 * np.random.default_rng(1).normal(size=120)
    known, _ = curve_fit(curve, X[:, 0], y, [1, 1, 1])
    model = quick("A*exp(-k*x0) + B", model_selection="accuracy").fit(X, y)
    np.testing.assert_allclose(model.predict(X), curve(X[:, 0], *known), rtol=1e-4)


def test_a_number_used_twice_is_one_number():
    y = 3 * np.exp(-0.7 * X[:, 0]) + 3
    assert quick("A*exp(-k*x0) + A").fit(X, y).equations_.r2.max() == pytest.approx(1)
    assert quick("A*exp(-k*x0) + A").fit(X, y - 1).equations_.r2.max() < 0.9999


def test_numbers_of_the_template_stay_as_written():
    made = read_template("2*f(x0)", NAMES, {})
    program = Program(made, {"f": Expression.parse("1.5*x0 + 1.5")})
    fitted = program.fit(X, 3 * X[:, 0] + 5, np.ones(120), np.ones((1, 2)))
    np.testing.assert_allclose(fitted.bodies["f"].constants, [1.5, 2.5])


# ------------------------------------------------------------------------------------------- whole searches
def mixed(values) -> float:
    """Largest mixed difference over (x0, x1) and x2: zero for a sum of functions of either."""
    rng = np.random.default_rng(5)
    a, b = rng.uniform(1, 3, (2, 50, 3))
    cross, other = np.c_[a[:, :2], b[:, 2]], np.c_[b[:, :2], a[:, 2]]
    parts = [values(z) for z in (a, b, cross, other)]
    return float(np.max(np.abs(parts[0] + parts[1] - parts[2] - parts[3])) / np.ptp(np.concatenate(parts)))


def test_a_sum_of_two_functions():
    y = np.sin(X[:, 0] * X[:, 1]) + np.exp(X[:, 2] / 2)
    model = quick("sin(f(x0, x1)) + g(x2)").fit(X, y)
    np.testing.assert_allclose(model.predict(X), y, rtol=1e-6)
    for e in model.expressions_:
        if len(e.variables) > 1:
            assert mixed(e.evaluate) < 1e-9


def test_a_product_of_two_functions():
    y = (X[:, 0] + np.log(X[:, 1])) * np.cos(X[:, 2])
    model = quick("f(x0, x1)*g(x2)").fit(X, y)
    np.testing.assert_allclose(model.predict(X), y, rtol=1e-6)
    for e in model.expressions_:
        if len(e.variables) > 1:
            assert mixed(lambda z, e=e: np.log(np.abs(e.evaluate(z)))) < 1e-9


def test_one_function_is_searched_by_inversion():
    y = np.exp(-(X[:, 0] ** 2) / X[:, 1])
    model = quick("exp(-f(x0, x1))").fit(X, y)
    assert str(model.expression_) == "exp(-x0**2/x1)"
    assert model.stop_reason_ == "exact formula found"
    assert not any(2 in e.variables for e in model.expressions_)


def test_a_function_used_at_two_places():
    model = quick("f(x0) - f(x1)").fit(X, X[:, 0] ** 1.5 - X[:, 1] ** 1.5)
    assert str(model.expression_) == "x0**1.5 - x1**1.5"


def test_rules_hold_for_the_unknown_function_alone():
    y = np.sin(X[:, 0] * X[:, 1] + 1) + 0.1
    model = quick("sin(f(x0, x1)) + B", operators=["+", "*"]).fit(X, y)
    np.testing.assert_allclose(model.predict(X), y, rtol=1e-6)
    assert not any(word in str(e) for e in model.expressions_ for word in ("exp", "/x", "log", "sqrt"))


def test_outliers_and_a_template():
    spoiled = X[:, 2] * np.exp(-X[:, 0])
    spoiled[::9] += 20
    model = quick("x2*f(x0)", loss="absolute", max_evals=4_000).fit(X, spoiled)
    np.testing.assert_allclose(model.predict(X), X[:, 2] * np.exp(-X[:, 0]), rtol=1e-2)


def test_warm_start_keeps_only_what_has_the_form():
    y = X[:, 0] * X[:, 2]
    model = quick("A*f(x0)", warm_start=True, max_evals=2_000).fit(X, y)
    model.set_params(template="A + B*x2").fit(X, y)
    assert not any(0 in e.variables for e in model.expressions_)


def test_an_error_in_a_callback_keeps_what_was_found():
    def fail(event):
        if "f," in event.stage:
            raise ZeroDivisionError

    model = quick("f(x0, x1)*g(x2)", callbacks=[fail])
    with pytest.raises(ZeroDivisionError):
        model.fit(X, np.hypot(X[:, 0], X[:, 1]) * np.sin(X[:, 2]))
    assert np.all(np.isfinite(model.predict(X)))
