"""The compiled evaluator against numpy, mpmath, sympy, scipy and the certified fits of NIST."""

from __future__ import annotations

import os
import subprocess
import sys

import mpmath
import numpy as np
import pytest
from expression_strategies import NAMES, expressions, points
from hypothesis import given, settings
from scipy.optimize import least_squares

from symnum.exceptions import InvalidInput
from symnum.expressions import OPERATORS, Expression, codegen
from symnum.expressions._kernels import DIGEST
from symnum.expressions.compiled import (
    BLOCK,
    Packed,
    evaluate_batch,
    evaluate_with_jacobian,
    fit_constants,
    pack,
)

EXACT = "add sub mul div min max neg inv abs sign sqrt square cube".split()
SPECIAL = (
    *(
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -0.5,
        2.0,
        -2.0,
        3.0,
        1.5,
        -1.5,
        np.pi / 2,
        22.0,
        -40.0,
        709.0,
        710.2,
        745.0,
    ),
    *(
        -746.0,
        np.inf,
        -np.inf,
        np.nan,
        5e-324,
        -1e-310,
        1e-300,
        1e-20,
        1e5,
        -1e14,
        1e15,
        2.0**53,
        1e200,
        -1e308,
    ),
)


def spread(rng: np.random.Generator, n: int) -> np.ndarray:
    """Numbers of every size and both signs."""
    return rng.choice([-1.0, 1.0], n) * 10.0 ** rng.uniform(-12, 12, n)


def assert_same(got: np.ndarray, want: np.ndarray, ulps: float) -> None:
    """Same NaN, same infinities, finite values within some units in the last place."""
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite])
    assert np.all(np.abs(got[finite] - want[finite]) <= ulps * np.spacing(np.abs(want[finite])))


def ulps_of(op_name: str) -> int:
    """Tolerance against numpy, which is itself up to 4 ulp off in its slower functions."""
    return 0 if op_name in EXACT else 4


# ------------------------------------------------------------------------------------------- operators
def test_generated_kernels_are_up_to_date():
    assert codegen.TARGET.read_text(encoding="utf-8") == codegen.generate(), (
        "run python -m symnum.expressions.codegen"
    )
    assert DIGEST in codegen.generate()


@pytest.mark.parametrize("op", list(OPERATORS), ids=str)
def test_operator_equals_numpy(op):
    rng = np.random.default_rng(op.code)
    values = np.concatenate([SPECIAL, spread(rng, 60), rng.uniform(-3, 3, 60)])
    a, b = (v.ravel() for v in np.meshgrid(values, values if op.arity == 2 else values[:1]))
    with np.errstate(all="ignore"):
        want = op.numpy(a, b) if op.arity == 2 else op.numpy(a)
    (got,) = evaluate_batch(
        [Expression([-1, -2, op.code] if op.arity == 2 else [-1, op.code])], np.stack([a, b])
    )
    assert_same(got, want, ulps_of(op.name))


@pytest.mark.parametrize("op", [op for op in OPERATORS if op.arity == 2], ids=str)
def test_constant_operands_equal_numpy(op):
    x = np.array(SPECIAL)
    for value in (2.5, -0.75, 0.0):
        with np.errstate(all="ignore"):
            wanted = op.numpy(x, value), op.numpy(value, x), np.full(x.size, op.numpy(value, 0.3))
        c, k = Expression.constant(value), Expression.constant(0.3)
        v = Expression.variable(0)
        programs = [Expression.apply(op, *args) for args in ((v, c), (c, v), (c, k))]
        for got, want in zip(evaluate_batch(programs, x[None]), wanted, strict=True):
            assert_same(got, want, ulps_of(op.name))


@given(expressions())
@settings(max_examples=150)
def test_every_node_of_random_expressions(expression):
    # Node by node: each operator on the compiled values of its own arguments, so that errors do not add up.
    X = points(len(NAMES), 40)
    stack: list[Expression] = []
    nodes: list[tuple] = []
    for code, value in expression.walk():
        if code <= 0:
            stack.append(Expression([code], [] if value is None else [value], NAMES))
            continue
        op = OPERATORS.by_code[code]
        args = stack[-op.arity :]
        del stack[-op.arity :]
        stack.append(Expression.apply(op, *args))
        if stack[-1].codes[-1] == code:  # not respelled as square, inv, ...
            nodes.append((op, args, stack[-1]))
    for op, args, node in nodes:
        *inputs, got = evaluate_batch([*args, node], X.T)
        with np.errstate(all="ignore"):
            assert_same(got, op.numpy(*inputs), ulps_of(op.name))


@given(expressions(operators=EXACT))
@settings(max_examples=150)
def test_arithmetic_is_bit_for_bit_numpy(expression):
    X = points(len(NAMES), 40)
    X[0], X[1, 0], X[2, 1] = 0.0, np.inf, np.nan
    np.testing.assert_array_equal(evaluate_batch([expression], X.T)[0], expression.evaluate(X))


@pytest.mark.parametrize("rows", [0, 1, 7, BLOCK - 1, BLOCK, BLOCK + 1, 300])
@pytest.mark.parametrize("text", ["x0", "2.5", "sin(2.5)", "x1 - x0/0.3", "exp(x0)*cos(x1*x2) + 1"])
def test_any_number_of_rows(text, rows):
    X = points(3, rows)
    e = Expression.parse(text, NAMES)
    np.testing.assert_allclose(evaluate_batch([e], X.T), [e.evaluate(X)], rtol=1e-13)


def test_batches_threads_and_long_programs():
    rng = np.random.default_rng(3)
    texts = ["x0 + 1", "x1*x2 - 0.5", "log(abs(x0))", "3", "(x0 - x1)/(x2 + 2.5)**2"]
    long = Expression.parse(" + ".join(f"x{i % 3}" for i in range(3000)), NAMES)
    right = Expression([-1] * 900 + [OPERATORS["sub"].code] * 899, (), NAMES)
    items = [*(Expression.parse(t, NAMES) for t in texts * 9), long, right]
    X = rng.normal(size=(200, 3))
    got = evaluate_batch(items, X.T)
    for row, e in zip(got, items, strict=True):
        np.testing.assert_allclose(row, e.evaluate(X), rtol=1e-13)
    for jobs in (2, 5, 1000):
        np.testing.assert_array_equal(evaluate_batch(pack(items), X.T, n_jobs=jobs), got)
    assert evaluate_batch([], X.T).shape == (0, 200)


# ------------------------------------------------------------------------------------------- derivatives
@pytest.mark.parametrize("op", list(OPERATORS), ids=str)
def test_derivative_of_every_operator(op):
    # Arguments 0.3 a + 0.2 and 0.4 b + 0.1, differentiated numerically with 40 digits by their constants.
    inner = Expression.parse("0.3*x0 + 0.2", ("x0", "x1")), Expression.parse("0.4*x1 + 0.1", ("x0", "x1"))
    e = Expression.apply(op, *inner[: op.arity])
    X = np.random.default_rng(op.code).uniform(0.1, 2.0, (2, 30))
    values, jacobian = evaluate_with_jacobian(e.codes, e.constants, X)
    np.testing.assert_allclose(values, e.evaluate(X.T), rtol=1e-14)
    assert jacobian.shape == (2 * op.arity, 30)
    with mpmath.workdps(40):
        for j in range(30):
            x = [mpmath.mpf(float(v)) for v in X[:, j]]

            def value(*c, x=x):
                args = [c[0] * x[0] + c[1], (c[2] * x[1] + c[3]) if op.arity == 2 else None]
                return _exactly(op.name)(*args[: op.arity])

            at = [mpmath.mpf(float(c)) for c in e.constants]
            for c in range(e.constants.size):
                order = tuple(int(i == c) for i in range(e.constants.size))
                want = float(mpmath.diff(value, tuple(at), order))
                np.testing.assert_allclose(jacobian[c, j], want, rtol=1e-12, atol=1e-14)


def _exactly(name):
    own = {
        "add": lambda a, b: a + b,
        "sub": lambda a, b: a - b,
        "mul": lambda a, b: a * b,
        "div": lambda a, b: a / b,
        "pow": lambda a, b: a**b,
        "min": min,
        "max": max,
        "neg": lambda a: -a,
        "inv": lambda a: 1 / a,
        "abs": abs,
        "square": lambda a: a**2,
        "cube": lambda a: a**3,
    }
    return own.get(name) or getattr(mpmath, name)


@pytest.mark.parametrize(
    "text",
    [
        "2.5*sin(1.5*x0 + 0.3)*exp(-0.7*x1)",
        "(x0**1.7 + 0.4)/(x1*0.9 - 3.5) - 0.2",
        "log(1.2*x0*x1 + sqrt(0.3 + x0))**2 + 0.1*tanh(x1/0.8)",
        "min(0.5*x0, x1) + max(x0 - 0.6, 1.1)",
        "1.3",
        "x0/x1",
    ],
)
def test_jacobian_equals_sympy(text):
    import sympy

    e = Expression.parse(text, ("x0", "x1"))
    X = np.random.default_rng(0).uniform(0.2, 2, (2, 300))
    values, jacobian = evaluate_with_jacobian(e.codes, e.constants, X)
    # Constants become variables c0, c1, ... of a second expression.
    names = ("x0", "x1", *(f"c{i}" for i in range(e.constants.size)))
    count = iter(range(e.constants.size))
    general = Expression([-(3 + next(count)) if c == 0 else c for c in e.codes.tolist()], (), names)
    formula = general.sympy()
    at = [*X, *np.repeat(e.constants[:, None], 300, axis=1)]
    symbols = {s.name: s for s in formula.free_symbols}
    order = [symbols.get(n, sympy.Symbol(n, real=True)) for n in names]
    np.testing.assert_allclose(values, e.evaluate(X.T), rtol=1e-13)
    for i, row in enumerate(jacobian):
        want = sympy.lambdify(order, sympy.diff(formula, order[2 + i]), "numpy")(*at)
        np.testing.assert_allclose(row, np.broadcast_to(want, 300), rtol=1e-10, atol=1e-12)


# ------------------------------------------------------------------------------------------- least squares
# Model, starts, x, y, certified constants and sum of squares: https://www.itl.nist.gov/div898/strd. The 1 in
# Misra1a's model, which must not move, is a column.
NIST = {
    "Misra1a": (
        "500.0*(x1 - exp(-0.0001*x0))",
        [[500.0, -0.0001], [250.0, -0.0005]],
        [77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0],
        [10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78],
        [2.3894212918e02, -5.5015643181e-04],
        1.2455138894e-01,
    ),
    "MGH09": (
        "0.25*(x0**2 + x0*0.39)/(x0**2 + x0*0.415 + 0.39)",
        [[0.25, 0.39, 0.415, 0.39]],
        [4.0, 2.0, 1.0, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625],
        [0.1957, 0.1947, 0.1735, 0.16, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246],
        [1.9280693458e-01, 1.9128232873e-01, 1.2305650693e-01, 1.3606233068e-01],
        3.0750560385e-04,
    ),
}


@pytest.mark.parametrize("problem", NIST)
def test_fit_reaches_certified_values(problem):
    text, starts, x, y, certified, rss = NIST[problem]
    for start in starts:
        fit = fit_constants([Expression.parse(text)], [x, np.ones(len(x))], y, starts=[start], max_iter=200)
        np.testing.assert_allclose(fit.constants, certified, rtol=3e-6)
        np.testing.assert_allclose(fit.loss * len(x), rss, rtol=1e-9)
        assert 1 < fit.evaluations[0] <= 201


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("1.5*exp(-0.8*x0) + 0.5", [2.0, -1.1, 0.3]),
        ("1.0*sin(1.8*x0 + 0.2)", [1.4, 2.1, 0.5]),
        ("0.5*x0**1.5*x1**-0.5 + 1.0", [0.7, 2.2, -1.3, 0.4]),
        ("(0.5 + 1.0*x0)/(2.0 + x1)", [0.9, 1.7, 3.1]),
        ("log(1.0 + 0.5*x0) - 1.0*sqrt(x1 + 0.5)", [2.0, 1.5, 0.6, 0.2]),
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_fit_equals_scipy(text, truth, weighted):
    rng = np.random.default_rng(11)
    X = rng.uniform(0.3, 3, (150, 2))
    e = Expression.parse(text, ("x0", "x1"))
    y = e.with_constants(truth).evaluate(X) + 0.05 * rng.normal(size=150)
    weights = rng.uniform(0, 2, 150) if weighted else np.ones(150)

    def residuals(c):
        return np.sqrt(weights) * (e.with_constants(c).evaluate(X) - y)

    want = least_squares(
        residuals, e.constants, method="lm", xtol=1e-14, ftol=1e-14, gtol=1e-14, max_nfev=5000
    )
    fit = fit_constants([e], X.T, y, weights=weights if weighted else None, max_iter=200)
    np.testing.assert_allclose(fit.loss, 2 * want.cost / weights.sum(), rtol=1e-10)
    np.testing.assert_allclose(fit.constants, want.x, rtol=1e-4)


def test_fit_of_many_programs_from_many_starts():
    rng = np.random.default_rng(2)
    X = rng.uniform(0.2, 3, (300, 2))
    y = 1.3 * np.sin(2.4 * X[:, 0] - 0.6) + 0.7
    texts = ["1.5*sin(1.5*x0 + 1.5) + 1.5", "x0 + x1", "1.5*x0 + 1.5", "log(x1*1.5)"]
    packed = pack(Expression.parse(t, ("x0", "x1")) for t in texts)
    starts = rng.normal(size=(24, packed.constants.size)) * 2
    fit = fit_constants(packed, X.T, y, starts, max_iter=100)
    # The truth is found by some start; sine's symmetries leave the loss as the only unique answer.
    assert fit.loss[0] < 1e-20
    assert fit.loss[1] == pytest.approx(np.mean((X.sum(axis=1) - y) ** 2), rel=1e-13)
    assert fit.evaluations[1] == 24
    assert fit.loss[2] == pytest.approx(
        np.mean((np.polyval(np.polyfit(X[:, 0], y, 1), X[:, 0]) - y) ** 2), rel=1e-10
    )
    np.testing.assert_allclose(fit.constants[4:6], np.polyfit(X[:, 0], y, 1), rtol=1e-7)
    for jobs in (2, 4):
        again = fit_constants(packed, X.T, y, starts, max_iter=100, n_jobs=jobs)
        for left, right in zip(fit, again, strict=True):
            np.testing.assert_array_equal(left, right)
    alone = fit_constants(
        pack([Expression.parse(texts[2], ("x0", "x1"))]), X.T, y, starts[:, 4:6], max_iter=100
    )
    assert alone.loss[0] == fit.loss[2]


def test_fit_refuses_what_is_not_finite():
    X = np.array([[-1.0, 2.0, 3.0]])
    never = fit_constants([Expression.parse("log(x0*1.0)")], X, np.zeros(3))
    assert never.loss[0] == np.inf
    assert never.constants[0] == 1.0
    # A negative number has an integer power but no derivative by the exponent: the exponent is held.
    power = fit_constants([Expression.parse("1.0*x0**4.0")], X, 2.5 * X[0] ** 4)
    np.testing.assert_allclose(power.constants, [2.5, 4.0], rtol=1e-9)
    # One start of two is undefined.
    root = fit_constants([Expression.parse("sqrt(x0 + 2.0)")], X, np.sqrt(X[0] + 5.0), starts=[[-3.0], [2.0]])
    np.testing.assert_allclose(root.constants, [5.0], rtol=1e-9)


# ------------------------------------------------------------------------------------------------ errors
@pytest.mark.parametrize(
    ("codes", "offsets", "constants", "const_offsets"),
    [
        ([-1, 1], [0, 2], [], [0, 0]),  # add lacks an argument
        ([-1, -1], [0, 2], [], [0, 0]),  # two expressions
        ([0], [0, 1], [], [0, 0]),  # constant without value
        ([-1], [0, 1], [1.0], [0, 1]),  # value without constant
        ([-1, 99], [0, 2], [], [0, 0]),  # unknown operator
        ([-1], [0, 2], [], [0, 0]),  # offsets beyond the codes
        ([-1, -1], [0, 0, 2], [], [0, 0, 0]),  # empty program
        ([-1, -2, 1, -1, -2], [0, 2, 5], [], [0, 0, 0]),  # cut in the wrong place
    ],
)
def test_broken_programs_are_refused(codes, offsets, constants, const_offsets):
    with pytest.raises(InvalidInput):
        Packed(np.array(codes), np.array(offsets), np.array(constants), np.array(const_offsets))


def test_data_that_does_not_fit_is_refused():
    e = Expression.parse("x0*x1 + 2.5")
    X = np.ones((2, 5))
    for call, text in (
        (lambda: evaluate_batch([e], np.ones(5)), "2-D"),
        (lambda: evaluate_batch([e], np.ones((1, 5))), "variable 1"),
        (lambda: fit_constants([e], X, np.ones(4)), "shape"),
        (lambda: fit_constants([e], X, np.ones(5), starts=[[1.0, 2.0]]), "starts"),
        (lambda: fit_constants([e], X, np.ones(5), weights=-np.ones(5)), "weights"),
        (lambda: evaluate_with_jacobian(e.codes, [], X), "constants"),
    ):
        with pytest.raises(InvalidInput, match=text):
            call()


@pytest.mark.slow
def test_first_use_compiles_in_seconds(tmp_path):
    code = (
        "import time, numba, symnum.expressions.expression; t = time.process_time();"
        "import symnum.expressions.compiled; print(time.process_time() - t)"
    )
    env = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    out = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert float(out.stdout) < 12
