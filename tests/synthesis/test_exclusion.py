"""Skeletons of benchmark formulas: what counts as equal, the shipped list, what generators reject."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symnum import Expression
from symnum.expressions.canonical import canonical
from symnum.synthesis import EquationGenerator, benchmark_names
from symnum.synthesis.exclusion import LIST, skeleton_hashes

ROOT = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(ROOT / "benchmarks" / "exclusion_list.py"))
FORMULAS: list[tuple[str, Expression]] = list(SCRIPT["formulas"]())


def same(*formulas: Expression) -> bool:
    """Whether two formulas have the same skeleton in one of the two ways."""
    left, right = skeleton_hashes(formulas)[:, :, 1]
    return bool(np.any((left == right) & (left != 0)))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("m*c**2", "0.3 - 2.5*x1*x0**2"),
        ("a*b", "3*b*a + 1"),
        ("x0*(x0 + 1)", "2*x0**2 - 7*x0"),
        ("(x0 - x1)**2", "x0**2 + 3*x0*x1 + x1*x1"),
        ("x0/x1", "x1*inv(x0)"),
        ("sqrt(x0*x1)", "4*sqrt(3*x1)*sqrt(x0)"),
        ("cos(x0 + 1)", "sin(2*x0 - 0.3)"),
        ("exp(2*x0 + 1)", "3*exp(x0)"),
        ("2**x0", "exp(x0)"),
        ("acos(x0)", "3 - asin(2*x0)"),
        ("x0**-2", "1/(x0*x0)"),
        ("x0**0.426", "5*x0**0.3199"),
        ("x0*x0*x0*x0", "x0**4"),
        ("min(x0, x1)", "min(x1, x0)"),
        ("2*(x0 + 3*x1 + 1) - 5", "x0 + x1"),
        ("log(3*x0)", "log(x0)"),
        ("(x0/(x1 + x2))**2", "x0**2/(x1 + x2)**2"),
        ("x0*exp(-x1)", "x0/exp(x1)"),
        ("x0**(3/2)", "x0*sqrt(x0)"),
        ("x0**(1/3)", "cbrt(2*x0)"),
    ],
)
def test_same_skeleton(left: str, right: str):
    assert same(Expression.parse(left), Expression.parse(right))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("sqrt(x0 + 1)", "sqrt(x0)"),
        ("sin(x0)", "cos(x0)"),
        ("x0**2", "x0**3"),
        ("x0*x1", "x0 + x1"),
        ("x0/x1", "x0*x1"),
        ("x0*x1**2", "x0**2*x1**2"),
        ("x0*x1 + x2", "x0*x1 + x0*x2"),
        ("x0*x1 + x1*x2", "x0*x1 + x1*x2 + x0*x2"),
        ("x0*x1 + x2*x3", "x0*x1 + x1*x2"),
        ("sin(x0*x1)", "sin(x0)*sin(x1)"),
        ("abs(x0)", "x0"),
        ("exp(x0**2)", "exp(x0)"),
        ("x0 + x0**2", "x0 + x0**3"),
        ("min(x0, x1)", "max(x0, x1)"),
        ("x0", "x0 + x1"),
        ("tanh(x0)", "atan(x0)"),
    ],
)
def test_different_skeleton(left: str, right: str):
    assert not same(Expression.parse(left), Expression.parse(right))


def test_formulas_that_repeat_in_feynman_share_a_skeleton_and_only_those():
    # The repetitions by renaming that datasets/feynman/README.md lists.
    groups = (
        "I.10.7 II.13.23", "I.12.1 I.12.5", "I.14.3 I.43.31", "I.14.4 II.8.31", "I.15.1 II.13.34",
        "I.25.13 I.29.4", "I.34.8 I.39.22 I.43.16 II.38.3", "I.34.27 III.12.43", "II.15.4 II.15.5",
    )  # fmt: skip
    found = dict(
        zip(
            [n for n, _ in FORMULAS], skeleton_hashes([e for _, e in FORMULAS])[:, 0, 1].tolist(), strict=True
        )
    )
    for group in groups:
        assert len({found[f"feynman/{n}"] for n in group.split()}) == 1
    core = [h for n, h in found.items() if n.startswith("feynman/")]
    assert len(core) == 120
    # 120 formulas, 11 repetitions by renaming; some more coincide up to constants and sums of differences.
    assert 95 <= len(set(core)) <= 109


@given(seed=st.integers(0, 10_000), index=st.integers(0, len(FORMULAS) - 1))
def test_hash_ignores_names_and_constants(seed: int, index: int):
    _, formula = FORMULAS[index]
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(formula.names))
    codes = np.array([c if c >= 0 else -int(order[-c - 1]) - 1 for c in formula.codes.tolist()])
    renamed = Expression(codes, formula.constants, formula.names)
    before, after = skeleton_hashes([formula, renamed])
    assert np.array_equal(before, after)
    assert benchmark_names(renamed) == benchmark_names(formula) or not formula.variables
    # Other constants, unless they are exponents: those are part of the skeleton.
    if not any(op in str(formula) for op in ("**",)) and formula.constants.size:
        other = formula.with_constants(rng.uniform(1.1, 7.9, formula.constants.size))
        assert np.array_equal(skeleton_hashes([other])[0], before)


def test_the_shipped_list_is_up_to_date():
    data, missing = SCRIPT["make_list"]()
    assert not missing
    stored = json.loads(LIST.read_text())
    assert stored == data
    assert LIST.stat().st_size < 50_000


def test_other_spellings_of_benchmark_formulas_are_excluded():
    # Spelled by simplifiers that know nothing of skeletons.
    spelled = [(n, canonical(e)) for n, e in FORMULAS if e.variables]
    missed = [name for name, formula in spelled if name not in benchmark_names(formula)]
    assert len(missed) <= 1, missed


def test_every_benchmark_formula_with_a_variable_is_excluded():
    suites = set()
    for name, formula in FORMULAS:
        if formula.variables:
            assert name in benchmark_names(formula)
            suites.add(name.split("/")[0])
    assert suites == {"feynman", "srsd", "classic", "strogatz", "odebench"}
    assert len({n for n, _ in FORMULAS if n.startswith("feynman/")}) == 120


def test_a_generator_rejects_benchmark_formulas_and_counts_them():
    for preset in ("snip", "improved"):
        generator = EquationGenerator(preset, max_dim=2, seed=0)
        batch = generator.batch(0, 1500)
        assert batch.outcomes["benchmark"] > 100
        assert not any(benchmark_names(batch.expression(i)) for i in range(len(batch)))
    free = EquationGenerator("snip", max_dim=2, seed=0, exclude_benchmarks=False).batch(0, 1500)
    assert free.outcomes["benchmark"] == 0
    share = np.mean([bool(benchmark_names(free.expression(i))) for i in range(len(free))])
    assert 0.2 < share < 0.45


def test_formulas_without_a_skeleton_are_never_benchmarks():
    assert benchmark_names(Expression.parse("3.5")) == ()
    wide = Expression.parse(" + ".join(f"x{i}" for i in range(12)))
    assert benchmark_names(wide) == ()
    assert benchmark_names(Expression.parse("exp(exp(exp(exp(x0*9))))")) == ()
