"""Verdicts: SRBench's rule against a literal copy of its code, ours against what is known to be right."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from symnum.evaluation import srbench_rule
from symnum.evaluation.catalogue import entry, find
from symnum.evaluation.protocols import prepare
from symnum.evaluation.sizes import measure, sympy_sizes
from symnum.evaluation.task import ROW_COLUMNS
from symnum.evaluation.verdicts import Judge, judge, relative_error, short, sizes_alone
from symnum.expressions import Expression


# ------------------------------------------------------------------------------- SRBench, literally
# round_floats, clean_pred_model and the decision of assess_symbolic_model.py, v2.0, on text whose variables
# have their right names already.
def literal_round_floats(ex1):
    ex2 = ex1
    for a in sympy.preorder_traversal(ex1):
        if isinstance(a, sympy.Float):
            if abs(a) < 0.0001:
                ex2 = ex2.subs(a, sympy.Integer(0))
            else:
                ex2 = ex2.subs(a, sympy.Float(round(a, 3), 3))
    return ex2


def literal_parse(text: str, names) -> sympy.Expr:
    text = text.replace("pi", "3.1415926535")
    return sympy.parse_expr(text, local_dict={k: sympy.Symbol(k) for k in names})  # noqa: TID251 - its own way


def literal_assessment(text: str, true_text: str, names) -> dict:
    true_model = literal_round_floats(literal_parse(true_text, names))
    cleaned_model = sympy.simplify(literal_round_floats(literal_parse(text, names)), ratio=1)
    sym_diff = literal_round_floats(true_model - cleaned_model)
    sym_frac = literal_round_floats(cleaned_model / true_model)
    if not sym_diff.is_constant() or sym_frac.is_constant():
        sym_diff = literal_round_floats(sympy.simplify(sym_diff, ratio=1))
    return {
        "zero": str(sym_diff) == "0",
        "constant": bool(sym_diff.is_constant()),
        "fraction": bool(sym_frac.is_constant()),
        "nodes": sum(1 for _ in sympy.preorder_traversal(cleaned_model)),
    }


ORACLE = [
    ("x*y", "x*y"),
    ("x*y + 0.00005*x**3", "x*y"),  # the wrong term is rounded away
    ("x*y + 0.0004", "x*y"),
    ("1.0003*x*y", "x*y"),
    ("1.2*x*y", "x*y"),  # a factor is allowed, however large
    ("x*y + 1000.5", "x*y"),
    ("x*y + 0.01*sin(x)", "x*y"),
    ("(x + y)**2 - 2*x*y", "x**2 + y**2"),
    ("sin(x)**2 + y", "1 - cos(x)**2 + y"),
    ("0.00002*x/y", "0.00001*x/y"),  # both become 0
    ("exp(-x**2/2)/sqrt(2*pi)", "0.398942*exp(-0.5*x**2)"),
    ("log(x*y)", "log(x) + log(y)"),
]


@pytest.mark.parametrize(("text", "true"), ORACLE)
def test_srbench_rule_is_srbenchs(text, true):
    names = ("x", "y")
    wanted = literal_assessment(text, true, names)
    e, truth = Expression.parse(text, names), Expression.parse(true, names)
    prediction = srbench_rule.simplified(e)
    found = srbench_rule.symbolic_solution(prediction, truth)
    assert {k: found[k] for k in ("zero", "constant", "fraction")} == {
        k: wanted[k] for k in ("zero", "constant", "fraction")
    }
    assert srbench_rule.nodes(prediction) == wanted["nodes"]
    assert srbench_rule.model_size(e) == sum(
        1 for _ in sympy.preorder_traversal(literal_round_floats(literal_parse(text, names)))
    )


def test_the_worker_gives_the_same_flags_and_keeps_time():
    names = ("x", "y")
    e, truth = (Expression.parse(t, names) for t in ("1.2*x*y + 3.5", "x*y"))
    seen = measure(e, truth)
    wanted = srbench_rule.symbolic_solution(srbench_rule.simplified(e), truth)
    assert (seen.zero, seen.constant, seen.fraction) == (
        wanted["zero"],
        wanted["constant"],
        wanted["fraction"],
    )
    assert seen.solved is wanted["solved"]
    assert seen.status == "ok"
    assert seen.sympy_size == e.sympy_size() == sympy_sizes([truth, e])[1]
    assert seen.simplified_size == srbench_rule.nodes(sympy.simplify(e.sympy()))
    assert measure(e).status == "not tried"
    hard = "sqrt(x + sqrt(y + sqrt(x*y + 1.5)))*sin(x + 1.1*cos(y))/(exp(x*y) - log(x + y) + x**1.7*y)"
    slow = measure(Expression.parse(f"({hard})*({hard} + 1) + tan({hard})", names), truth, seconds=1.0)
    assert slow.status == "timeout"
    assert slow.solved is False
    assert slow.sympy_size is not None  # what was there in time is kept
    assert slow.seconds < 10


# ------------------------------------------------------------------------------- the published measurement
SAMPLE = (
    "I.6.2",
    "I.12.1",
    "I.14.3",
    "I.25.13",
    "I.32.17",
    "II.15.4",
    "II.34.2",
    "III.7.38",
    "I.50.26",
    "test_6",
)


def with_a_wrong_term(truth: Expression) -> Expression:
    return truth + 5e-5 * Expression.variable(0, truth.names) ** 3


def bench_of(problem: str, noise: float = 0.0) -> Judge:
    e = entry(problem)
    data = prepare(e, "symnum", 0, noise)
    return Judge(e.truth, data.domain, data.X_test, data.y_test, data.X_ood, data.y_ood, noise)


@pytest.mark.parametrize("number", SAMPLE)
def test_srbench_accepts_a_wrong_term_and_we_do_not(number):
    bench = bench_of(f"feynman/{number}")
    wrong = with_a_wrong_term(bench.truth)
    row = judge(wrong, bench, r2_test=1.0)
    assert row["srbench_solved"] is True
    assert row["recovered_any"] is row["recovered"] is row["recovered_short"] is False
    assert row["numeric"] == "different"
    assert row["symbolic"] == "different"
    right = judge(bench.truth, bench, r2_test=1.0)
    assert right["srbench_solved"] is right["recovered"] is right["recovered_short"] is True
    assert right["numeric"] == right["form"] == right["symbolic"] == "equal"


@pytest.mark.slow
def test_the_measurement_on_all_116():
    """SRBench's rule accepts nearly all truths, and as many with a wrong term; ours all truths and no other.

    An independent measurement gave 113 and 105 of 116; it kept pi exact in the candidate with the wrong term,
    where SRBench writes its digits before it reads the text, as it does for the truth.
    """
    counts = dict.fromkeys(("srbench_truth", "srbench_wrong", "ours_truth", "ours_wrong"), 0)
    for problem in find("feynman/*", labels=["srbench"]):
        bench = bench_of(problem)
        wrong = with_a_wrong_term(bench.truth)
        counts["srbench_truth"] += bool(measure(bench.truth, bench.truth).solved)
        counts["srbench_wrong"] += bool(measure(wrong, bench.truth).solved)
        counts["ours_truth"] += bench.same(bench.truth)
        counts["ours_wrong"] += bench.same(wrong)
    assert counts["ours_truth"] == 116
    assert counts["ours_wrong"] == 0
    assert abs(counts["srbench_truth"] - 113) <= 2
    assert counts["srbench_wrong"] >= 103


# ------------------------------------------------------------------------------- ours
def test_relative_error_in_closed_form():
    truth = np.array([1.0] * 50 + [100.0] * 50)  # median 50.5
    assert relative_error(truth * (1 + 1e-3), truth) == pytest.approx(1e-3, rel=1e-9)
    assert relative_error(truth + 1.0, truth) == pytest.approx(1 / 50.5)
    for bad, wanted in ((5, 0.0), (15, np.inf)):  # 1 % of 1,000 points may be undefined, not more
        many = np.linspace(1, 2, 1000)
        found = many.copy()
        found[:bad] = np.nan
        assert relative_error(found, many) == wanted
    assert relative_error(np.full(100, np.nan), truth) == np.inf
    assert relative_error(np.zeros(5), np.zeros(5)) == 0


def bench_xy(text: str, noise: float = 0.0) -> Judge:
    from symnum.evaluation.domain import Domain, draw_outside, draw_real

    truth = Expression.parse(text, ("x", "y"))
    domain = Domain.box([0.5, 0.5], [3, 3])  # widened, it reaches below zero
    X, y = draw_real(truth, domain, 2000, np.random.default_rng(0))
    X_ood, y_ood = draw_outside(truth, domain, 2000, np.random.default_rng(1), float(np.abs(y).max()))
    return Judge(truth, domain, X, y, X_ood, y_ood, noise)


@pytest.mark.parametrize(
    ("found", "noise", "any_", "form"),
    [
        ("2*x*y + x", 0.0, True, True),
        ("x*(2*y + 1)", 0.0, True, True),
        ("2.001*x*y + x", 0.0, False, True),  # the right form, constants not exact
        ("2.001*x*y + x", 0.01, True, True),  # as good as noisy data allow
        ("2.3*x*y + x", 0.01, False, True),  # right form, but constants off by more than the noise
        ("2*x*y + 1.0001*x + 0.0001*y**2", 0.0, False, True),
        ("2*x*y + sin(x)", 0.01, False, False),
        ("2.9*x*y", 0.1, False, False),
        ("2*x*y + abs(x)", 0.0, False, False),  # equal inside, not around
    ],
)
def test_same_function_with_and_without_noise(found, noise, any_, form):
    bench = bench_xy("2*x*y + x", noise)
    row = judge(Expression.parse(found, ("x", "y")), bench, r2_test=1.0)
    assert row["recovered_any"] is any_
    assert (row["form"] == "equal") is form


def test_length_decides_between_recovered_and_bloated():
    bench = bench_xy("x*y")
    long = Expression.parse("x*y*(sin(x)**2 + cos(x)**2)", ("x", "y"))
    row = judge(long, bench, r2_test=1.0)
    assert row["recovered_any"] is True
    assert row["recovered"] is False
    assert row["sympy_size"] > 1.5 * row["truth_sympy_size"]
    middle = judge(Expression.parse("x*y*1.0", ("x", "y")), bench, r2_test=1.0)
    assert middle["recovered"] is True
    assert short(15, 10) is True
    assert short(16, 10) is False
    assert short(None, 10) is False


def test_affine_and_variables_and_distance():
    bench = bench_xy("x*y")
    row = judge(Expression.parse("3*x*y - 7", ("x", "y")), bench, r2_test=0.2)
    assert row["affine"] is True
    assert row["affine_a"] == pytest.approx(1 / 3)
    assert row["affine_b"] == pytest.approx(7 / 3)
    assert row["srbench_status"] == "not tried"
    assert row["srbench_solved"] is None
    one = judge(Expression.parse("x", ("x", "y")), bench, r2_test=0.9)
    assert (one["variables_precision"], one["variables_recall"]) == (1.0, 0.5)
    assert one["affine"] is False
    assert one["affine_a"] is None
    assert judge(bench.truth, bench, 1.0)["tree_distance"] == 0
    constant = judge(Expression.parse("4.5", ("x", "y")), bench, r2_test=0.0)
    assert (constant["variables_precision"], constant["variables_recall"]) == (0.0, 0.0)


def test_front_and_history_use_the_same_definition():
    bench = bench_xy("x*y")
    texts = ["x", "x*y", "x*y + 1e-5", "x*y*(sin(x)**2 + cos(x)**2)", "y*x"]
    found = [Expression.parse(t, ("x", "y")) for t in texts]
    assert list(bench.recoveries(found, bench.truth.sympy_size())) == [False, True, False, False, True]


def test_columns_are_those_of_a_row():
    bench = bench_xy("x*y")
    assert set(judge(bench.truth, bench, 1.0)) <= set(ROW_COLUMNS)
    assert set(sizes_alone(bench.truth)) <= set(ROW_COLUMNS)
