"""Printed forms: text, LaTeX that matplotlib draws, numpy source that runs and agrees."""

from __future__ import annotations

import ast
import math

import numpy as np
import pytest
from expression_strategies import NAMES, ODD_NAMES, expressions, points
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.mathtext import MathTextParser

from symnum.expressions import Expression
from symnum.expressions.printers import name_latex, number_text

DRAW = MathTextParser("path")


def run_source(source: str, function: str = "formula"):
    """The function of a numpy source."""
    space: dict = {}
    exec(compile(source, "<formula>", "exec"), space)  # noqa: S102
    return space[function]


# ---------------------------------------------------------------- text
@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("(x0 + x1) + x2", "x0 + x1 + x2"),
        ("x0 + (x1 + x2)", "x0 + (x1 + x2)"),
        ("x0 - (x1 - x2)", "x0 - (x1 - x2)"),
        ("x0/(x1*x2)", "x0/(x1*x2)"),
        ("x0/x1*x2", "x0/x1*x2"),
        ("x0*(x1/x2)", "x0*(x1/x2)"),
        ("(-x0)**2", "(-x0)**2"),
        ("-x0**2", "-x0**2"),
        ("(x0**x1)**x2", "(x0**x1)**x2"),
        ("x0**x1**x2", "x0**x1**x2"),
        ("x0**-2", "x0**-2"),
        ("(-2)**x0", "(-2)**x0"),
        ("x0*-2", "x0*-2"),
        ("x0 - -2", "x0 - -2"),
        ("1/(1/x0)", "1/(1/x0)"),
        ("-(x0*x1)", "-(x0*x1)"),
        ("sqrt(x0)**3", "sqrt(x0)**3"),
        ("pi*x0", "pi*x0"),
        ("1e-7*x0 + 2.50", "1e-07*x0 + 2.5"),
        ("x0**0.5", "x0**0.5"),
        ("max(x0, min(x1, 2))", "max(x0, min(x1, 2))"),
    ],
)
def test_fewest_parentheses(text, printed):
    assert str(Expression.parse(text, NAMES)) == printed


def test_rounded_text():
    e = Expression.parse("3.14159265*x0 - 123456.789 + pi")
    assert e.text(3) == "3.14*x0 - 123000 + 3.14"
    assert str(e) == "3.14159265*x0 - 123456.789 + pi"
    assert repr(e) == f"Expression({str(e)!r})"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_text_is_exact(value):
    text = number_text(value)
    back = {"pi": math.pi, "-pi": -math.pi}.get(text, float(text) if "pi" not in text else None)
    assert back == value
    assert math.copysign(1, back) == math.copysign(1, value)


# ---------------------------------------------------------------- LaTeX
@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("x0/x1", r"\frac{x_{0}}{x_{1}}"),
        ("x0**2 + sqrt(x1)", r"{x_{0}}^{2} + \sqrt{x_{1}}"),
        ("x0*x1", r"x_{0} \cdot x_{1}"),
        ("exp(-x0)", r"e^{-x_{0}}"),
        ("log(x0)", r"\ln\left(x_{0}\right)"),
        ("2*pi", r"2 \cdot \pi"),
        ("1.5e-9*x0", r"1.5 \cdot 10^{-9} \cdot x_{0}"),
        ("(x0 + 1)**2", r"{\left(x_{0} + 1\right)}^{2}"),
        ("(x0/x1)**2", r"{\left(\frac{x_{0}}{x_{1}}\right)}^{2}"),
        ("x0 - (x1 - x2)", r"x_{0} - \left(x_{1} - x_{2}\right)"),
        ("x0*(x1 + 1)", r"x_{0} \cdot \left(x_{1} + 1\right)"),
        ("x0*-x1", r"x_{0} \cdot \left(-x_{1}\right)"),
        ("abs(x0)", r"\left|x_{0}\right|"),
        ("asin(x0)", r"\arcsin\left(x_{0}\right)"),
    ],
)
def test_latex_forms(text, latex):
    assert Expression.parse(text, NAMES).latex() == latex


@pytest.mark.parametrize(
    ("name", "latex"),
    [
        ("x12", "x_{12}"),
        ("theta", r"\theta"),
        ("omega_0", r"\omega_{0}"),
        ("E_n", "E_{n}"),
        ("k_spring", r"k_{\mathrm{spring}}"),
        ("mass", r"\mathrm{mass}"),
        ("lambda", r"\lambda"),
        ("50%", r"\mathrm{50\%}"),
        ("x 1", r"\mathrm{x\ 1}"),
        ("θ", "θ"),
    ],
)
def test_names_in_latex(name, latex):
    assert name_latex(name) == latex


@given(expressions(names=ODD_NAMES))
def test_matplotlib_draws_the_latex(e):
    latex = e.latex(4)
    DRAW.parse(f"${latex}$")
    plain = latex.replace(r"\{", "").replace(r"\}", "")
    assert plain.count("{") == plain.count("}")
    assert latex.count(r"\left") == latex.count(r"\right")


@given(st.text(min_size=1, max_size=8))
def test_any_name_keeps_latex_balanced(name):
    latex = name_latex(name)
    plain = latex.replace(r"\{", "").replace(r"\}", "")
    depth = 0
    for c in plain:
        depth += (c == "{") - (c == "}")
        assert depth >= 0
    assert depth == 0
    assert "$" not in latex.replace(r"\$", "")


@pytest.mark.parametrize(
    "name", [*"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "a^b", "50 %", "ÄÖ", "$x$", r"\frac", "m/s^2"]
)
def test_matplotlib_draws_any_printable_name(name):
    DRAW.parse(f"${name_latex(name)}$")


def test_notebook_form():
    assert Expression.parse("x0/3.14159265358")._repr_latex_() == r"$\frac{x_{0}}{3.14159}$"


# ---------------------------------------------------------------- numpy source
@given(expressions())
def test_source_agrees(e):
    X = points(3)
    function = run_source(e.numpy_source())
    with np.errstate(all="ignore"):
        values = function(*(X[:, i] for i in e.variables))
    expected = e.evaluate(X)
    # numpy takes scalar powers of arrays by its own short cuts: the last digits may differ.
    np.testing.assert_allclose(np.broadcast_to(values, expected.shape), expected, rtol=1e-12, equal_nan=True)


@given(expressions(names=ODD_NAMES, max_leaves=6))
def test_source_with_odd_names_runs(e):
    X = points(len(ODD_NAMES))
    function = run_source(e.numpy_source("f"), "f")
    with np.errstate(all="ignore"):
        values = function(*(X[:, i] for i in e.variables))
    np.testing.assert_allclose(np.broadcast_to(values, 50), e.evaluate(X), rtol=1e-12, equal_nan=True)


def test_source_reads_well():
    source = Expression.parse("2*m*asin(v**2) + max(1/m, 0)").numpy_source("energy")
    assert source == (
        "import numpy as np\n\n\n"
        "def energy(m, v):\n"
        '    """2*m*asin(v**2) + max(1/m, 0)"""\n'
        "    return (((2.0 * m) * np.arcsin((v ** 2))) + np.maximum((1.0 / m), 0.0))\n"
    )


HOSTILE = [
    '"""',
    '"""\n    import os\n    """',
    "\\",
    'a"',
    "x\n    return 1",
    "a): pass\ndef g(",
    "print(1)",
    "\\N{DIGIT ONE}",
    "a\0b",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_names(name):
    e = Expression.variable(name) + 1
    source = e.numpy_source()
    tree = ast.parse(source)
    assert [type(node) for node in tree.body] == [ast.Import, ast.FunctionDef]
    assert [type(node) for node in tree.body[1].body] == [ast.Expr, ast.Return]
    assert run_source(source)(2.0) == 3.0


@pytest.mark.parametrize(
    "names", [["a b", "a_b"], ["1", "x0_1"], ["é", "_"], ["np", "lambda"], ["formula", "abs"]]
)
def test_clashing_argument_names(names):
    e = Expression.parse(f"`{names[0]}` - 2*`{names[1]}`", names)
    assert run_source(e.numpy_source())(5.0, 1.0) == 3.0
