"""The parser: every expression's text reads back, grouping follows Python, and nothing is executed."""

from __future__ import annotations

import ast
import math

import numpy as np
import pytest
from expression_strategies import NAMES, ODD_NAMES, expressions, points
from hypothesis import given
from hypothesis import strategies as st

from symnum.exceptions import InvalidInput, ParseError, SymnumError
from symnum.expressions import OPERATORS, Expression
from symnum.expressions.parser import parse


# ---------------------------------------------------------------- round trips
@given(expressions(max_leaves=20))
def test_text_reads_back(e):
    assert Expression.parse(str(e), NAMES) == e


@given(expressions(names=ODD_NAMES))
def test_text_with_odd_names_reads_back(e):
    assert Expression.parse(str(e), ODD_NAMES) == e


@given(st.lists(st.text(min_size=1, max_size=6), min_size=3, max_size=3, unique=True), st.data())
def test_any_names_read_back(names, data):
    e = data.draw(expressions(names=names, max_leaves=5))
    assert Expression.parse(str(e), names) == e


@pytest.mark.parametrize(
    "name", [*ODD_NAMES, "x1", "None", "np", "exp", "cot", "日本", "a.b", "`", "``", "a\nb", '"""']
)
def test_one_odd_name(name):
    e = Expression.parse(str(Expression.variable(name) + 1), [name])
    assert e == Expression.variable(name) + 1
    np.testing.assert_array_equal(e.evaluate({name: [1.0, 2.0]}), [2.0, 3.0])


def test_pi_the_number_and_pi_the_column():
    both = Expression.variable("pi") * math.pi
    assert Expression.parse(str(both), ["pi"]) == both
    assert str(Expression.constant(math.pi)) == "pi"
    assert Expression.parse("`pi`*2", ["pi"]) == Expression.variable("pi") * 2
    with pytest.raises(ParseError, match="backticks"):
        Expression.parse("pi*2", ["pi"])


# ---------------------------------------------------------------- grammar
def python_value(text: str, values: dict[str, float]) -> float:
    """Value by Python's own grammar, walked over the syntax tree."""

    def walk(node: ast.AST) -> float:
        match node:
            case ast.Expression(body=body):
                return walk(body)
            case ast.Constant(value=value):
                return float(value)
            case ast.Name(id=name):
                return values[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -walk(operand)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return walk(operand)
            case ast.BinOp(left=left, op=op, right=right):
                a, b = np.float64(walk(left)), np.float64(walk(right))
                with np.errstate(all="ignore"):
                    return {ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide,
                            ast.Pow: np.power}[type(op)](a, b)  # fmt: skip
        raise AssertionError(ast.dump(node))

    return walk(ast.parse(text, mode="eval"))


atoms = st.sampled_from(["x0", "x1", "2", "3", ".5", "1e1", "7."])
arithmetic = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" + ", "-", "*", " / ", "**", " - ", "* -", "**-"]), inner).map(
            "".join
        ),
        inner.map("({})".format),
        inner.map("-{}".format),
        inner.map("+{}".format),
    ),
    max_leaves=8,
)


@given(arithmetic)
def test_grouping_is_that_of_python(text):
    value = Expression.parse(text, NAMES).evaluate([[1.25, 0.75, 0.0]])[0]
    expected = python_value(text, {"x0": 1.25, "x1": 0.75})
    np.testing.assert_allclose(value, expected, rtol=1e-12, equal_nan=True)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("x0^2", "x0**2"),
        ("x0 · x1 × 2 − 1", "x0*x1*2 - 1"),
        ("ln(x0) + arcsin(x1)", "log(x0) + asin(x1)"),
        ("Abs(x0) + Max(x0, x1)", "abs(x0) + max(x0, x1)"),
        ("pow(x0, 2)", "x0**2"),
        ("square(x0) + cube(x0) + inv(x0) + neg(x0)", "x0**2 + x0**3 + 1/x0 + -x0"),
        ("cot(x0) + sec(x0) + csc(x0)", "cos(x0)/sin(x0) + 1/cos(x0) + 1/sin(x0)"),
        ("  \t x0\n+ 1 ", "x0 + 1"),
        ("1.5E+3 + .5e-1", "1500 + 0.05"),
        ("2**-x0**2", "2**(-(x0**2))"),
        ("-x0**2", "-(x0**2)"),
        ("x0**x1**2", "x0**(x1**2)"),
        ("x0/x1/2", "(x0/x1)/2"),
        ("x0 - x1 - 2", "(x0 - x1) - 2"),
        ("--x0", "-(-x0)"),
        ("-2", "-2.0"),
        ("2*pi", "2*3.141592653589793"),
        ("`x0` + 1", "x0 + 1"),
    ],
)
def test_spellings(text, same):
    assert Expression.parse(text, NAMES) == Expression.parse(same, NAMES)


def test_names_of_a_text_without_columns():
    assert Expression.parse("x2 + 1").names == ("x0", "x1", "x2")
    assert Expression.parse("m*a").names == ("a", "m")
    assert Expression.parse("θ + N + `lambda x`").names == ("N", "lambda x", "θ")
    assert Expression.parse("3").names == ()
    assert Expression.parse("E*I*S*N").names == ("E", "I", "N", "S")  # nothing of sympy's shines through


# ---------------------------------------------------------------- refusals
@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("x0 +", 4, "found the end"),
        ("x0 + * x1", 5, r"found '\*'"),
        ("x0 x1", 3, "expected an operator or the end, found 'x1'"),
        ("2x0", 1, "expected an operator"),
        ("(x0", 3, r"expected '\)'"),
        ("x0)", 2, "found '\\)'"),
        ("sin x0", 0, "sin is a function"),
        ("sin + x0", 0, "sin is a function"),
        ("sin()", 4, "expected a number, a name"),
        ("sin(x0, x1)", 0, r"takes 1 argument\(s\), got 2"),
        ("max(x0)", 0, r"takes 2 argument\(s\), got 1"),
        ("sine(x0)", 0, "unknown function 'sine'"),
        ("x0 + y", 5, "unknown variable 'y'; the columns are: x0, x1, x2"),
        ("x0 $ 1", 3, r"unexpected character '\$'"),
        ("x0 + 1e999", 5, "too large"),
        ("x0 = 1", 3, "unexpected character '='"),
        ("x0²", 0, "power"),
        ("x0 + `x1", 5, "unexpected character"),
        ("x0.real", 2, "unexpected character"),
        ("x0[0]", 2, "unexpected character"),
        ("x0 + 1_000", 6, "expected an operator"),
        ("0x10", 1, "expected an operator"),
        ("5 5", 2, "expected an operator"),
        ("x0,", 2, "expected an operator or the end"),
        ("x0 // x1", 4, "found '/'"),
        ("x0 % 2", 3, "unexpected character '%'"),
        ("x0 if x1 else x2", 3, "expected an operator"),
        ("**x0", 0, "expected a number"),
        ("()", 1, "expected a number"),
    ],
)
def test_errors_name_the_place(text, position, said):
    with pytest.raises(ParseError, match=said) as caught:
        Expression.parse(text, NAMES)
    assert caught.value.position == position
    assert caught.value.text == text
    line, marker = str(caught.value).splitlines()[-2:]
    assert line[len(marker) - 1 :][:1] == text[position : position + 1]


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "__import__(os)",
        "eval(x0)",
        "exec(x0)",
        "open(x0)",
        "lambda: x0",
        "(lambda x0: x0)(1)",
        "x0.__class__",
        "[x0 for x0 in x1]",
        "{x0}",
        "x0; x1",
        "x0\\",
        "'x0'",
        '"x0"',
        "f'{x0}'",
        "x0 := 1",
        "@x0",
        "x0 # comment",
        "globals()",
        "x0 and x1",
        "Integer(2)",
        "Symbol(x0)",
        "lambdify(x0)",
    ],
)
def test_code_is_refused(text):
    for names in (NAMES, None):
        with pytest.raises(ParseError):
            Expression.parse(text, names)


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_empty_text(text):
    with pytest.raises(ParseError, match="empty"):
        Expression.parse(text)


@pytest.mark.parametrize("text", [None, 3, b"x0", ["x0"]])
def test_only_text(text):
    with pytest.raises(ParseError, match="a formula is text"):
        Expression.parse(text)


@pytest.mark.parametrize(
    "text",
    ["(" * 5000 + "x0" + ")" * 5000, "-" * 5000 + "x0", "sin(" * 5000 + "x0" + ")" * 5000,
     "**".join(["x0"] * 5000),
     "1/(" * 5000 + "x0" + ")" * 5000],
    ids=["parentheses", "signs", "calls", "powers", "fractions"],
)  # fmt: skip
def test_deep_nesting_is_refused(text):
    with pytest.raises(ParseError, match="nested"):
        Expression.parse(text)


def test_long_texts():
    assert len(Expression.parse(" + ".join(["x0"] * 5000))) == 9999
    with pytest.raises(InvalidInput, match="nodes"):
        Expression.parse(" + ".join(["x0"] * 11_000))
    with pytest.raises(ParseError, match="characters"):
        Expression.parse("x0 + " * 50_000 + "x0")
    with pytest.raises(SymnumError):
        Expression.parse("cot(" * 30 + "x0" + ")" * 30)  # each cot writes its argument twice


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text):
    try:
        e = Expression.parse(text)
    except ParseError:
        return
    assert Expression.parse(str(e), e.names) == e


@given(
    st.lists(
        st.sampled_from([*"+-*/^(),", "**", "x0", "x1", "2", "1e-3", "pi", "`a b`", *OPERATORS.by_name]),
        max_size=12,
    )
)
def test_any_tokens_are_read_or_refused(tokens):
    try:
        e = Expression.parse(" ".join(tokens), [*NAMES, "a b"])
    except ParseError:
        return
    assert Expression.parse(str(e), e.names) == e
    np.testing.assert_array_equal(
        e.evaluate(points(4)), Expression.parse(str(e), e.names).evaluate(points(4))
    )


def test_functions_are_no_columns_wherever_they_stand():
    assert Expression.parse("x0 + cot(x1) + sec(x0)*ln(x1)").names == ("x0", "x1")


@pytest.mark.parametrize("call", ["max(x0, ", "x0**(", "max(1, sin("])
def test_deep_second_arguments_are_refused(call):
    text = call * 160 + "x0" + ")" * 160 * call.count("(")
    with pytest.raises(ParseError, match="nested"):
        Expression.parse(text)


@pytest.mark.parametrize("count", [1, 12, 13])
def test_an_unknown_variable_is_told_some_columns(count):
    names = [f"c{i}" for i in range(count)]
    with pytest.raises(ParseError) as refused:
        Expression.parse("q", names)
    assert all(name in str(refused.value) for name in names[:12])
    assert ("..." in str(refused.value)) == (count > 12)
    assert "c12" not in str(refused.value)


def test_functions_beyond_the_table_get_all_their_arguments():
    functions = {"f": lambda args: args[0] * args[1] - args[2]}
    found = parse("2*f(a + 1, f(a, 2.5, b), b) - 0.5", ("a", "b"), functions)
    X = np.random.default_rng(0).uniform(1, 2, (20, 2))
    a, b = X.T
    np.testing.assert_allclose(found.evaluate(X), 2 * ((a + 1) * (a * 2.5 - b) - b) - 0.5, rtol=1e-14)
