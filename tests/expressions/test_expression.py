"""Expression: construction, identity, evaluation with IEEE semantics, storage."""

from __future__ import annotations

import json
import math
import pickle

import numpy as np
import pandas as pd
import pytest
from expression_strategies import NAMES, ODD_NAMES, constants, expressions, points
from hypothesis import given
from hypothesis import strategies as st

from symnum.exceptions import InvalidInput
from symnum.expressions import OPERATORS, Expression
from symnum.expressions.expression import MAX_NODES, infer_names

ADD, MUL, SIN, POW, DIV, NEG = (OPERATORS[n].code for n in ("add", "mul", "sin", "pow", "div", "neg"))


# ---------------------------------------------------------------- construction
def test_from_codes():
    e = Expression([-1, 0, MUL, -2, SIN, ADD], [2.5])
    assert str(e) == "x0*2.5 + sin(x1)"
    assert (e.names, e.variables, e.complexity, e.depth, len(e)) == (("x0", "x1"), (0, 1), 6, 2, 6)
    assert e.to_prefix() == ["add", "mul", "x0", 2.5, "sin", "x1"]


@pytest.mark.parametrize(
    ("codes", "values", "said"),
    [
        ([], [], "1 to"),
        ([[1]], [], "1-D"),
        ([ADD], [], "lacks an argument"),
        ([-1, -2], [], "2 expressions"),
        ([0], [], "more constant leaves"),
        ([-1], [1.0], "0 constant leaves but 1 values"),
        ([0], [np.nan], "finite"),
        ([0], [np.inf], "finite"),
        ([99], [], "unknown operator code 99"),
        ([-1] * (MAX_NODES + 1), [], "1 to"),
    ],
)
def test_bad_programs_are_refused(codes, values, said):
    with pytest.raises(InvalidInput, match=said):
        Expression(codes, values)


def test_too_few_names():
    with pytest.raises(InvalidInput, match="variable 2 is used but only 2 names"):
        Expression([-3], (), ["a", "b"])


def test_four_spellings_are_one():
    x = Expression.variable(0)
    assert x**2 == Expression.apply("square", x)
    assert x**3 == Expression.apply("cube", x)
    assert 1 / x == Expression.apply("inv", x)
    assert -Expression.constant(2.0) == Expression.constant(-2.0)
    assert x**2.0 != x**2.5
    assert str(2 / x) == "2/x0"
    assert Expression([0, 0, POW], [5.0, 2.0]) == Expression.apply("square", 5.0)
    assert Expression([0, -1, SIN, DIV], [1.0]) == Expression.apply("inv", Expression.apply("sin", x))
    assert Expression([0, SIN, NEG], [1.0]).to_prefix() == ["neg", "sin", 1.0]


@given(e=expressions())
def test_operators_over_expressions_spell_as_whole_programs_do(e):
    again = Expression(e.codes, e.constants, e.names)  # reads the whole program
    assert (again.codes.tolist(), again.constants.tolist()) == (e.codes.tolist(), e.constants.tolist())


def test_growing_beyond_the_limit_is_refused():
    e = Expression([-1] + [SIN] * (MAX_NODES - 1))
    with pytest.raises(InvalidInput, match=f"at most {MAX_NODES} nodes, got {MAX_NODES + 1}"):
        Expression.apply("sin", e)
    with pytest.raises(InvalidInput, match="finite numbers, got nan"):
        Expression.constant(math.nan)


def test_python_operators_and_names_merge():
    a, b = Expression.variable("a"), Expression.variable("b")
    e = (2 + a - 1) * (3 - b) / 4 + 5 / b**0.5 + 2**a - -b
    assert e.names == ("a", "b")
    data = {"a": [1.0, 2.0], "b": [3.0, 4.0]}
    A, B = np.array(data["a"]), np.array(data["b"])
    np.testing.assert_allclose(e.evaluate(data), (2 + A - 1) * (3 - B) / 4 + 5 / B**0.5 + 2**A + B)
    assert (b + a).names == ("b", "a")


def test_expressions_are_immutable_and_hashable():
    e = Expression.parse("2*x0")
    with pytest.raises(ValueError, match="read-only"):
        e.constants[0] = 3
    with pytest.raises(ValueError, match="read-only"):
        e.codes[0] = 3
    assert len({e, Expression.parse("2*x0"), Expression.parse("2*x1")}) == 2
    assert e != "2*x0"


def test_identity_is_by_name_not_by_place():
    assert Expression.variable("b", ["a", "b"]) == Expression.variable("b")
    assert Expression.variable("b").with_names(["a", "b"]) == Expression.variable("b")
    assert Expression.variable("b").rename(["c"]) != Expression.variable("b")
    with pytest.raises(InvalidInput, match=r"\['b'\] are not among"):
        Expression.variable("b").with_names(["a"])
    with pytest.raises(InvalidInput, match="no variable named"):
        Expression.variable("q", ["a"])


def test_apply_checks_arity_and_names():
    with pytest.raises(InvalidInput, match="takes 2 arguments, got 1"):
        Expression.apply("add", 1.0)
    with pytest.raises(InvalidInput, match="Did you mean sin"):
        Expression.apply("sine", 1.0)


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (["add", "x0"], "lacks an argument"),
        (["x0", "x1"], "2 expressions"),
        ([], "0 expressions"),
        (["frobnicate", "x0"], "frobnicate"),
    ],
)
def test_bad_prefix(tokens, said):
    with pytest.raises(InvalidInput, match=said):
        Expression.from_prefix(tokens, ["x0", "x1"])


def test_names_of_a_text():
    assert infer_names(["x2"]) == ("x0", "x1", "x2")
    assert infer_names(["x2", "y"]) == ("x2", "y")
    assert infer_names(["x01"]) == ("x01",)
    assert infer_names([]) == ()


# ---------------------------------------------------------------- changing
def test_constants_and_skeleton():
    e = Expression.parse("2*x0 + 3/x1**1.5 - 5/x0")
    changed = e.with_constants([5.0, 6.0, 7.0, 8.0])
    assert str(changed) == "5*x0 + 6/x1**7 - 8/x0"
    with pytest.raises(InvalidInput, match="4 constants expected, got 1"):
        e.with_constants([1.0])
    skeleton = e.skeleton()
    np.testing.assert_array_equal(skeleton.codes, e.codes)
    assert np.all(skeleton.constants == 1)
    assert skeleton == changed.skeleton()


@given(expressions(), expressions(max_leaves=4))
def test_substitute_is_composition(outer, inner):
    X = points(3)
    composed = outer.substitute({"x1": inner, "x2": 0.5})
    replaced = X.copy()
    replaced[:, 1], replaced[:, 2] = inner.evaluate(X), 0.5
    renamed = composed.with_names(NAMES)
    expected = outer.evaluate(replaced)
    # A constant that was a variable may turn pow(a, 2) into square(a): the last digit may differ.
    np.testing.assert_allclose(renamed.evaluate(X), expected, rtol=1e-12, equal_nan=True)


# ---------------------------------------------------------------- storage
@given(expressions())
def test_storage_round_trips(e):
    assert Expression.from_dict(json.loads(json.dumps(e.to_dict()))) == e
    assert Expression.from_prefix(e.to_prefix(), e.names) == e
    again = pickle.loads(pickle.dumps(e))  # noqa: S301
    assert again == e
    assert again.names == e.names
    assert hash(again) == hash(e)
    np.testing.assert_array_equal(again.constants, e.constants)


@given(expressions(names=ODD_NAMES))
def test_storage_keeps_odd_names(e):
    back = Expression.from_dict(json.loads(json.dumps(e.to_dict())))
    assert (back, back.names) == (e, e.names)


@pytest.mark.parametrize("data", [{}, {"prefix": ["x0"]}, {"prefix": None, "names": []}, [], None])
def test_bad_storage(data):
    with pytest.raises(InvalidInput, match="prefix"):
        Expression.from_dict(data)


# ---------------------------------------------------------------- evaluation
REFERENCE = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b, "min": min, "max": max, "neg": lambda a: -a, "inv": lambda a: 1 / a, "abs": abs,
    "sign": lambda a: math.copysign(1, a), "sqrt": math.sqrt, "cbrt": math.cbrt, "exp": math.exp,
    "log": math.log,
    "sin": math.sin, "cos": math.cos, "tan": math.tan, "asin": math.asin, "acos": math.acos,
    "atan": math.atan,
    "sinh": math.sinh, "cosh": math.cosh, "tanh": math.tanh, "square": lambda a: a**2, "cube": lambda a: a**3,
}  # fmt: skip


@pytest.mark.parametrize("op", list(OPERATORS), ids=str)
def test_every_operator_against_the_math_module(op):
    rng = np.random.default_rng(0)
    low = 0.1 if op.name in ("pow", "sqrt", "log") else -0.95
    X = rng.uniform(low, 0.95, (40, 2))
    e = Expression.apply(op, *[Expression.variable(i, ["a", "b"]) for i in range(op.arity)])
    expected = [REFERENCE[op.name](*row[: op.arity].tolist()) for row in X]
    np.testing.assert_allclose(e.evaluate(X), expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("text", "at_zero"),
    [
        ("1/x0", np.inf),
        ("-1/x0", -np.inf),
        ("log(x0)", -np.inf),
        ("log(x0 - 1)", np.nan),
        ("sqrt(x0 - 1)", np.nan),
        ("x0/x0", np.nan),
        ("asin(x0 + 2)", np.nan),
        ("(x0 - 8)**0.5", np.nan),
        ("(x0 - 8)**(1/3)", np.nan),
        ("cbrt(x0 - 8)", -2.0),
        ("(x0 - 2)**3", -8.0),
        ("(x0 - 2)**-2", 0.25),
        ("x0**0", 1.0),
        ("x0**-1", np.inf),
        ("exp(x0 + 1000)", np.inf),
        ("exp(-x0 - 1000)", 0.0),
        ("max(x0, sqrt(-1))", np.nan),
        ("sign(x0)", 0.0),
        ("tanh(x0 + 1000)", 1.0),
    ],
)
def test_ieee_semantics(text, at_zero):
    value = Expression.parse(text).evaluate([[0.0]])
    assert value.shape == (1,)
    np.testing.assert_allclose(value[0], at_zero, rtol=1e-15)


def test_constant_expression_gives_one_value_a_row():
    for e in (Expression.constant(2.0), Expression.parse("2*pi/3"), Expression.parse("1/0")):
        values = e.evaluate(np.zeros((5, 3)))
        assert values.shape == (5,)
        assert values.dtype == np.float64
        assert len(set(values.tolist())) == 1
    assert Expression.constant(2.0).evaluate({"a": [1, 2, 3]}).shape == (3,)
    assert Expression.constant(2.0).evaluate(pd.DataFrame({"a": [1, 2]})).shape == (2,)
    assert Expression.constant(2.0).evaluate(np.zeros((0, 3))).shape == (0,)


def test_data_by_name_and_by_place():
    e = Expression.parse("mass*g + `x 1`", ["x 1", "g", "mass"])
    X = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    frame = pd.DataFrame(X, columns=["x 1", "g", "mass"])
    for data in (X, X.tolist(), frame, frame[["mass", "x 1", "g"]], dict(frame), {**frame, "other": [0, 0]}):
        np.testing.assert_array_equal(e.evaluate(data), [7.0, 34.0])
    np.testing.assert_array_equal(e.evaluate({"mass": 2, "g": 3, "x 1": 4}), [10.0])
    np.testing.assert_array_equal(e.evaluate(X.astype(np.float32)), [7.0, 34.0])
    np.testing.assert_array_equal(e.evaluate(X[::-1]), [34.0, 7.0])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"x0": [1.0]}, r"columns \['x1'\] are used .* missing"),
        (np.ones((3, 1)), r"column 1 \(x1\) but X has only 1"),
        (np.ones(3), "2-D"),
        (np.ones((2, 2, 2)), "2-D"),
        ({"x0": [1.0, 2.0], "x1": [1.0, 2.0, 3.0]}, "lengths"),
        ([["a", "b"]], "numbers"),
        ({"x0": ["a"], "x1": [1.0]}, "numbers"),
    ],
)
def test_bad_data(data, said):
    with pytest.raises(InvalidInput, match=said):
        Expression.parse("x0 + x1").evaluate(data)


@given(expressions(), st.integers(0, 3))
def test_values_do_not_depend_on_the_other_rows(e, row):
    X = points(3, rows=4)
    np.testing.assert_array_equal(e.evaluate(X)[row], e.evaluate(X[row : row + 1])[0])


@given(constants, constants)
def test_constants_are_kept_exactly(a, b):
    e = Expression.apply("add", Expression.constant(a), Expression.apply("mul", b, Expression.variable(0)))
    np.testing.assert_array_equal(e.constants, [a, b])
