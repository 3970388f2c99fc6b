"""Source code in other languages computes what `evaluate` computes, undefined places included."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from expression_strategies import NAMES, ODD_NAMES, expressions
from hypothesis import given, settings
from hypothesis import strategies as st

from symnum.exceptions import InvalidInput
from symnum.expressions import OPERATORS, Expression
from symnum.expressions.printers_source import LANGUAGES, to_excel

CC = shutil.which("cc") or shutil.which("gcc")
EDGES = np.array(
    [0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 3.0, -2.0, -8.0, 1.25, 1e-200, 700.0, 1e200, np.inf, -np.inf, np.nan]
)
EXACT = "add sub mul div neg inv abs sign sqrt min max square cube".split()
"""Operators that every machine rounds alike: compositions of them can be compared to the last bit."""
tame = st.one_of(st.integers(-9, 9).map(float), st.floats(-100, 100, allow_nan=False), st.just(1e-300))


def grid(columns: int) -> np.ndarray:
    """All combinations of the edge values, shape (16**columns, columns)."""
    return np.stack(np.meshgrid(*[EDGES] * columns, indexing="ij"), axis=-1).reshape(-1, columns)


def single(op) -> Expression:
    return Expression.apply(op, *(Expression.variable(i, NAMES) for i in range(op.arity)))


def lone_operators() -> list[Expression]:
    return [single(op) for op in OPERATORS]


# ---------------------------------------------------------------- C
@pytest.fixture(scope="module")
def run_c(tmp_path_factory):
    if CC is None:
        pytest.skip("no C compiler on this machine")
    folder: Path = tmp_path_factory.mktemp("c")
    count = 0

    def run(found: list[Expression], X: np.ndarray) -> list[np.ndarray]:
        """Values of formulas, compiled as one file."""
        nonlocal count
        count += 1
        source, library = folder / f"f{count}.c", folder / f"f{count}.so"
        source.write_text("\n".join(e.source("c", f"f{k}") for k, e in enumerate(found)), encoding="utf-8")
        flags = ["-O1", "-Wall", "-Werror", "-ffp-contract=off", "-shared", "-fPIC", "-o"]
        subprocess.run([CC, *flags, str(library), str(source), "-lm"], check=True, capture_output=True)
        loaded = ctypes.CDLL(str(library))
        values = []
        for k, e in enumerate(found):
            function = loaded[f"f{k}"]
            function.restype, function.argtypes = ctypes.c_double, [ctypes.c_double] * len(e.variables)
            values.append(np.array([function(*row) for row in X[:, list(e.variables)].tolist()]))
        return values

    return run


def test_c_operators_agree_at_the_edges(run_c):
    X = grid(2)
    for e, values in zip(lone_operators(), run_c(lone_operators(), X), strict=True):
        # libm and numpy's own loops round differently, sin(1e200) included
        np.testing.assert_allclose(values, e.evaluate(X), rtol=1e-13, err_msg=str(e))


@settings(max_examples=3)
@given(st.lists(expressions(operators=EXACT, values=tame), min_size=40, max_size=40))
def test_c_compositions_agree_to_the_last_bit(run_c, found):
    X = np.concatenate([grid(3)[::37], np.random.default_rng(0).normal(size=(20, 3))])
    for e, values in zip(found, run_c(found, X), strict=True):
        np.testing.assert_array_equal(values, e.evaluate(X), err_msg=str(e))


def test_c_with_names_of_any_kind(run_c):
    found = [Expression.variable(i, ODD_NAMES) * 2 + Expression.variable(0, ODD_NAMES) for i in range(15)]
    hostile = ["*/ int x; /*", "double", "a\nb", "f0", "f0_sign", "fabs", "\\", '"']
    found += [Expression.apply("sign", Expression.variable(n)) - 1 for n in hostile]
    X = np.random.default_rng(0).normal(size=(5, 15))
    for e, values in zip(found, run_c(found, X), strict=True):
        np.testing.assert_array_equal(values, e.evaluate(X))


# ---------------------------------------------------------------- Julia, Octave
@pytest.mark.julia
@pytest.mark.skipif(shutil.which("julia") is None, reason="no julia on this machine")
def test_julia_operators_agree_at_the_edges(tmp_path):
    X = grid(2)
    rows = "; ".join(" ".join(_julia(v) for v in row) for row in X)
    found = lone_operators()
    arguments = [", ".join(f"X[i, {j + 1}]" for j in e.variables) for e in found]
    calls = (f"println(join([f{k}({a}) for i in 1:size(X, 1)], ' '))" for k, a in enumerate(arguments))
    script = "\n".join([*(e.source("julia", f"f{k}") for k, e in enumerate(found)), f"X = [{rows}]", *calls])
    (tmp_path / "run.jl").write_text(script, encoding="utf-8")
    _compare_lines(["julia", str(tmp_path / "run.jl")], found, X)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("octave") is None, reason="no octave on this machine")
def test_octave_operators_agree_at_the_edges(tmp_path):
    X = grid(2)
    found = lone_operators()
    for k, e in enumerate(found):
        (tmp_path / f"f{k}.m").write_text(e.source("matlab", f"f{k}"), encoding="utf-8")
    rows = "; ".join(" ".join(_julia(v) for v in row) for row in X)
    calls = (
        f"printf('%.17g ', f{k}({', '.join(f'X(:, {j + 1})' for j in e.variables)})); printf('\\n');"
        for k, e in enumerate(found)
    )
    (tmp_path / "run.m").write_text("\n".join(["1;", f"X = [{rows}];", *calls]), encoding="utf-8")
    _compare_lines(["octave", "--no-gui", "--path", str(tmp_path), str(tmp_path / "run.m")], found, X)


def _julia(value: float) -> str:
    return repr(value).replace("nan", "NaN").replace("inf", "Inf")


def _compare_lines(command: list[str], found: list[Expression], X: np.ndarray) -> None:
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=200)
    for e, line in zip(found, done.stdout.strip().splitlines(), strict=True):
        values = np.array([float(v) for v in line.split()])
        np.testing.assert_allclose(values, e.evaluate(X), rtol=1e-12, err_msg=str(e))


def test_julia_and_matlab_read_well():
    e = Expression.parse("sqrt(m)*x**y - end/2")
    assert e.source("julia", "f") == (
        "@sqrt(a) = a < 0 ? NaN : sqrt(a)\n"
        "@pow(a, b) = a < 0 && isfinite(b) && !isinteger(b) ? (isinf(a) ? (b > 0 ? Inf : 0.0) : NaN) : a^b\n"
        "\n"
        "# sqrt(m)*x**y - end/2\n"
        "function f(x0_end::Real, m::Real, x::Real, y::Real)\n"
        "    x0_end = float(x0_end)\n    m = float(m)\n    x = float(x)\n    y = float(y)\n"
        "    return ((@sqrt(m) * @pow(x, y)) - (x0_end / 2.0))\n"
        "end\n"
    ).replace("@", "f_")
    assert Expression.parse("log(r)*s**2 + max(s, 1)").source("matlab", "energy") == (
        "function r = energy(x0_r, s)\n% log(r)*s**2 + max(s, 1)\n"
        "    r = ((energy_log(x0_r) .* (s .^ 2)) + energy_max(s, 1.0));\nend\n\n"
        "function r = energy_log(a)\n    a(a < 0) = NaN;\n    r = log(a);\nend\n\n"
        "function r = energy_max(a, b)\n    r = max(a, b);\n    r(isnan(a) | isnan(b)) = NaN;\nend\n"
    )


# ---------------------------------------------------------------- spreadsheets
def excel_reading(text: str) -> Expression:
    """Formula of a cell read by our own parser, which knows nothing of how it was written."""
    assert text.startswith("=")
    return Expression.parse(text[1:].replace("LN(", "log(").lower())


@given(expressions(values=st.floats(-1e9, 1e9, allow_nan=False), max_leaves=8))
def test_excel_formula_reads_back_as_the_same_function(e):
    text = to_excel(e)
    assert not re.search(r"(?<![\d)A-Z(])-[A-Z]\d\^", text)  # a sign binds tighter than a power in Excel
    read = excel_reading(text)
    X = np.random.default_rng(0).uniform(0.1, 3, (30, 3))
    back = read.evaluate({f"{c}2": X[:, i] for i, c in enumerate("abc")})
    expected = e.evaluate(X)
    if "cbrt" in str(e):  # spelled by sign, abs and a power there, whose rounding can be magnified
        keep = np.isfinite(expected) & (np.abs(expected) < 1e6)
        back, expected = back[keep], expected[keep]
        np.testing.assert_allclose(back, expected, rtol=1e-3, atol=1e-6)
    else:
        np.testing.assert_allclose(back, expected, rtol=1e-9, equal_nan=True)


def test_excel_engine_agrees():
    formulas = pytest.importorskip("formulas", reason="the PyPI package formulas computes cells")
    X = np.array([[0.5, 2.0], [3.0, 0.25], [1.0, -2.0]])
    for e in [*lone_operators(), Expression.parse("-x0**2*(1 - x1/3) + (-2)**2", NAMES)]:
        if not e.variables:
            continue
        function = formulas.Parser().ast(to_excel(e))[1].compile()
        for row, expected in zip(X, e.evaluate(np.pad(X, ((0, 0), (0, 1)))), strict=True):
            made = function(*(row[list("AB").index(str(name)[0])] for name in function.inputs))
            made = np.asarray(made).reshape(-1)[0]
            if np.isfinite(expected):
                assert float(made) == pytest.approx(expected, rel=1e-12), str(e)
            else:
                assert str(made).startswith("#"), str(e)


def test_excel_cells():
    e = Expression.parse("a*b + 27", ("z", "a", "b"))
    assert to_excel(e) == "=((B2*C2)+27.0)"
    assert to_excel(e, {"a": "$B$3", "b": "'my sheet'!C10"}) == "=(($B$3*'my sheet'!C10)+27.0)"
    far = Expression.variable(701, [f"c{i}" for i in range(703)]) + Expression.variable(
        702, [f"c{i}" for i in range(703)]
    )
    assert to_excel(far) == "=(ZZ2+AAA2)"
    with pytest.raises(InvalidInput, match="no cells were given for the columns"):
        to_excel(e, {"a": "A1"})
    for wrong in ("A0", "1A", "A2+1", '=CMD("x")', "A2\n", "[book]A!B2"):
        with pytest.raises(InvalidInput, match="no reference to a cell"):
            to_excel(e, {"a": wrong, "b": "B1"})


def test_excel_refuses_what_no_cell_takes():
    e = Expression.variable("x")
    for _ in range(14):
        e = Expression.apply("cbrt", e)
    with pytest.raises(InvalidInput, match="a cell takes 8192"):
        to_excel(e)


# ---------------------------------------------------------------- JAX, all
def test_jax_source_runs():
    pytest.importorskip("jax", reason="jax is not installed")
    import jax

    X = grid(2)
    with jax.enable_x64(True):
        for e in lone_operators():
            space: dict = {}
            exec(compile(e.source("jax", "f"), "<formula>", "exec"), space)  # noqa: S102
            values = np.asarray(space["f"](*(jax.numpy.asarray(X[:, i]) for i in e.variables)))
            np.testing.assert_allclose(values, e.evaluate(X), rtol=1e-10, atol=1e-300, err_msg=str(e))


def test_python_and_jax_differ_by_the_module_alone():
    e = Expression.parse("asin(x0) + max(x1, 2)/3")
    assert e.source("python", "f") == e.source("numpy", "f") == e.numpy_source("f")
    assert e.source("jax", "f") == (
        'import jax.numpy as jnp\n\n\ndef f(x0, x1):\n    """asin(x0) + max(x1, 2)/3"""\n'
        "    return (jnp.arcsin(x0) + (jnp.maximum(x1, 2.0) / 3.0))\n"
    )


def test_unknown_languages_and_names_are_refused():
    e = Expression.parse("x0 + 1")
    with pytest.raises(InvalidInput, match="'fortran' is unknown; choose one of python, jax, c"):
        e.source("fortran")
    wrong = {
        "c": ["double", "1f", "é"],
        "julia": ["end"],
        "python": ["lambda"],
        "matlab": ["_f"],
        "jax": ["f(x)"],
    }
    for language, name in ((language, name) for language, names in wrong.items() for name in names):
        with pytest.raises(InvalidInput, match="cannot be the name"):
            e.source(language, name)
    assert {language: bool(e.source(language)) for language in LANGUAGES} == dict.fromkeys(LANGUAGES, True)
