"""Dimensional analysis against sympy, textbook groups and numbers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from symnum import SymbolicRegressor
from symnum.expressions import Expression
from symnum.expressions.units import Unit, check_units
from symnum.search import dimensional, homogeneous
from symnum.search.dimensional import CONTRADICTS, NEEDS_UNITS, Dimensions, Grouping, groupings
from symnum.search.transforms import BESIDE_ONE
from symnum.search.view import original


def units(*texts: str) -> list[Unit]:
    return [Unit.parse(t) for t in texts]


PENDULUM = units("m", "kg", "m/s^2", "rad", "s")
DRAG = units("kg/m^3", "m/s", "m", "Pa*s", "N")


@pytest.mark.parametrize("given_units", [PENDULUM, DRAG, units("J", "m", "m", "C", "V", "1", "W")])
def test_kernel_has_the_dimension_that_sympy_finds(given_units):
    dimensions = Dimensions.of(given_units)
    matrix = sympy.Matrix([[sympy.Rational(e) for e in column] for column in dimensions.columns]).T
    kernel = dimensions.kernel()
    assert len(kernel) == len(matrix.nullspace())
    rows = sympy.Matrix([[sympy.Rational(e) for e in group] for group in kernel])
    assert rows.rank() == len(kernel)
    assert (matrix * rows.T).is_zero_matrix


def test_pendulum():
    (grouping,) = groupings(Dimensions.of(PENDULUM), 1)
    half = Fraction(1, 2)
    assert grouping.monomial == (half, 0, -half, 0)
    assert grouping.groups == ((0, 0, 0, 1),)


def test_drag_has_a_force_and_the_reynolds_number():
    dimensions = Dimensions.of(DRAG)
    for grouping in groupings(dimensions):
        force = Unit.parse("1")
        for unit, power in zip(DRAG, grouping.monomial, strict=False):
            force = force * unit**power
        assert force.same_dimension(DRAG[-1])
        (group,) = grouping.groups
        assert len({abs(p) for p in group}) == 1  # (density*speed*length/viscosity) to some power
        assert group[3] == -group[0] == -group[1] == -group[2]


def test_like_columns_give_plain_ratios():
    grouping = groupings(Dimensions.of(units("K", "K", "K", "K")))[0]
    assert sorted(sum(map(abs, g)) for g in grouping.groups) == [2, 2]
    assert sum(map(abs, grouping.monomial)) == 1


def test_views_restore_the_original_formula():
    names = ("a", "b", "c", "v")
    X = np.random.default_rng(0).uniform(1, 3, (80, 4))
    truth = Expression.parse("a*b/sqrt(v**2 - 2*c**2/25)", names)
    view = original(X, truth.evaluate(X), names)
    dimensions = Dimensions.of(units("kg", "m/s", "m/s", "m/s", "kg"))
    made = dimensional.views(view, dimensions)
    assert made
    for one in made:
        # On the groups alone the target is a function: equal rows have equal targets.
        for trial in ("1/sqrt(1 - 2*({0})**2/25)", "{0} + 2", "exp(-{0})*{1}"):
            e = Expression.parse(trial.format(*one.names), one.names)
            np.testing.assert_allclose(one.restore(e).evaluate(X), e.evaluate(one.X) * one.scale, rtol=1e-10)
            assert check_units(one.restore(e), units("kg", "m/s", "m/s", "m/s"), "kg", "number")


LEAVES = st.sampled_from(["q0", "q1", "q2", "1", "2"])
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+*/"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(st.sampled_from(["sqrt", "exp", "square", "inv", "abs"]), inner).map(
            lambda t: f"{t[0]}({t[1]})"
        ),
        inner.map(lambda t: f"({t})**1.5"),
    ),
    max_leaves=8,
)
GROUPS = tuple(tuple(map(Fraction, g)) for g in ((1, -1, 0, 0), (0, -1, 2, 0), ("1/2", 0, 1, -1)))


@settings(max_examples=150, deadline=None)
@given(text=TREES, outer=st.sampled_from([(0, 1, 0, 0), (1, 0, -1, 0), (2, 0, 0, Fraction(-1, 2))]))
def test_rewriting_keeps_the_function(text, outer):
    names = ("a", "b", "c", "d")
    X = np.random.default_rng(1).uniform(0.5, 2, (40, 4))
    outer = tuple(map(Fraction, outer))
    e = Expression.parse(text, ("q0", "q1", "q2"))
    made = homogeneous.written(e, GROUPS, outer, names, [True] * 4)
    with np.errstate(all="ignore"):
        Q = np.stack([np.prod(X ** np.array(g, float), axis=1) for g in GROUPS], axis=1)
        expected = e.evaluate(Q) * np.prod(X ** np.array(outer, float), axis=1)
        found = made.evaluate(X)
    ok = np.isfinite(expected) & (np.abs(expected) < 1e100)
    scale = np.maximum(np.abs(expected[ok]), 1e-8)
    assert np.all(np.abs(found[ok] - expected[ok]) <= 1e-8 * scale)


def test_any_formula_is_shortened():
    names = ("a", "b", "c", "d", "g")
    for text, short in (
        ("4*a*sqrt((b*c*g)**2 + d**2)/g", "4*a*sqrt((b*c)**2 + (d/g)**2)"),
        ("4*sqrt((b*c*g)**2 + d**2)/(g*a)", "4*sqrt((b*c)**2 + (d/g)**2)/a"),
    ):
        e = Expression.parse(text, names)
        made = homogeneous.shortened(e, [True] * 5)
        assert made.complexity <= Expression.parse(short, names).complexity
    X = np.random.default_rng(3).uniform(1, 2, (20, 5))
    for text in ("a**0*b", "b**1e9", "2**a/b", "b**0.123456789", "a**-0.5*b**(1/3)"):
        odd = Expression.parse(text, names)
        np.testing.assert_allclose(homogeneous.shortened(odd, [True] * 5).evaluate(X), odd.evaluate(X))
    np.testing.assert_allclose(made.evaluate(X), e.evaluate(X))


def test_rewriting_with_negative_columns():
    names = ("a", "b")
    X = np.random.default_rng(2).normal(size=(50, 2))
    groups = ((Fraction(1), Fraction(-1)),)
    for text in ("sqrt(1 + q0**2)", "sqrt(q0**2 + 3*q0**4)", "(1 + q0**2)**1.5"):
        e = Expression.parse(text, ("q0",))
        made = homogeneous.written(e, groups, (Fraction(0), Fraction(1)), names, [False, False])
        np.testing.assert_allclose(made.evaluate(X), e.evaluate(X[:, :1] / X[:, 1:]) * X[:, 1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sqrt(1 + q0**2)", "sqrt(b**2 + a**2)"),
        ("1 + q0", "b + a"),
        ("q0/(1 + q0)", "a/(1 + a/b)"),
        ("exp(-q0)*(1 - q0)", "exp(-(a/b))*(b - a)"),
    ],
)
def test_rewriting_is_short(text, expected):
    groups = ((Fraction(1), Fraction(-1)),)
    e = Expression.parse(text, ("q0",))
    made = homogeneous.written(e, groups, (Fraction(0), Fraction(1)), ("a", "b"), [True, True])
    assert made.complexity <= Expression.parse(expected, ("a", "b")).complexity


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("a + b", 0.0),
        ("0.5*a + b", 0.0),
        ("a*exp(-a/b)", 0.0),
        ("a + 1", NEEDS_UNITS),
        ("3.1*t", NEEDS_UNITS),
        ("a + t", CONTRADICTS),
        ("a*exp(t)", CONTRADICTS),
    ],
)
def test_formulas_pay_for_their_units(text, bits):
    e = Expression.parse(text, ("a", "b", "t"))
    assert dimensional.unit_bits(e, units("m", "m", "s", "m")) == bits


def test_missing_unit_is_named():
    dimensions = Dimensions.of(units("m", "kg", "m/s"))
    assert not dimensions.reachable
    assert Unit.from_vector(np.array(dimensions.missing, dtype=object)) == Unit.parse("1/s")
    assert groupings(dimensions) == []
    text = dimensional.statement(units("m", "kg", "m/s"), ("height", "mass"))
    assert "height [m]" in text
    assert "s^-1" in text
    assert dimensional.statement(units("m", "s", "m/s"), ("a", "b")) == ""


def test_units_out_of_reach_are_stated_and_the_search_goes_on():
    rng = np.random.default_rng(6)
    X = rng.uniform(1, 3, (80, 2))
    model = SymbolicRegressor(max_time=None, max_evals=30_000, random_state=0)
    with pytest.warns(UserWarning, match=r"constant of unit s\^-1"):
        model.fit(X, 3.2 * X[:, 0] * X[:, 1], X_units=["m", "1"], y_units="m/s")
    assert model.expression_.text(6) == "3.2*x0*x1"
    assert "constant of unit s^-1" in model.stop_reason_
    assert model.equations_.loc[model.best_index_, "units_ok"]


def test_wrong_units_are_stated():
    rng = np.random.default_rng(6)
    X = rng.uniform(1, 3, (80, 2))
    model = SymbolicRegressor(max_time=None, max_evals=30_000, random_state=0)
    model.fit(X, X[:, 0] + X[:, 1], X_units=["m", "s"], y_units="m")
    assert "contradicts the units, check them: x0 + x1" in model.stop_reason_
    assert model.equations_.loc[model.best_index_, "units_ok"]


def test_a_dropped_column_does_not_drop_the_units():
    rng = np.random.default_rng(7)
    X = np.column_stack([rng.uniform(1, 3, (80, 2)), np.full(80, 9.81)])
    model = SymbolicRegressor(max_time=None, max_evals=30_000, random_state=0)
    model.fit(X, np.sqrt(2 * X[:, 0] * 9.81), X_units=["m", "kg", "m/s^2"], y_units="m/s")
    assert model.equations_.loc[model.best_index_, "r2"] > 1 - 1e-9
    assert "unit" not in model.stop_reason_


def test_exponents_of_any_size_are_taken():
    assert Dimensions.of(units("m^(1/7)", "s^900", "m")).scaled() is None
    columns, target = Dimensions.of(units("m^(1/3)", "s", "1", "m")).scaled()
    np.testing.assert_array_equal(columns, [[4, 0], [0, 12], [0, 0]])
    np.testing.assert_array_equal(target, [12, 0])
    X = np.random.default_rng(8).uniform(1, 2, (60, 3))
    model = SymbolicRegressor(max_time=None, max_evals=20_000, random_state=0)
    model.fit(X, X[:, 2] * (1 + X[:, 0]), X_units=["1", "m^(1/7)*s^900", "m"], y_units="m")
    assert model.equations_.loc[model.best_index_, "r2"] > 1 - 1e-12


@pytest.mark.parametrize("transform", BESIDE_ONE, ids=lambda t: t.name)
def test_transforms_of_pure_numbers(transform):
    y = np.linspace(1.1, 2.0, 30) if transform.valid(np.linspace(1.1, 2.0, 30)) else np.linspace(0.1, 0.9, 30)
    t = transform.apply(y)
    e = transform.inverse(Expression.variable(0, ("t",)))
    np.testing.assert_allclose(e.evaluate(t[:, None]), y)
    step = 1e-6
    slope = np.abs(transform.forward(y + step) - transform.forward(y - step)) / (2 * step)
    np.testing.assert_allclose(transform.slope(y), slope, rtol=1e-5)


def test_groupings_are_few_different_and_complete():
    dimensions = Dimensions.of(units("m", "m", "kg", "s", "N", "J", "1", "W"))
    found = groupings(dimensions, 3)
    assert 2 <= len(found) <= 3
    for grouping in found:
        assert isinstance(grouping, Grouping)
        assert len(grouping.groups) == 7 - len(dimensions.basis)
    efforts = [g.effort for g in found[:1]]
    assert efforts[0] == min(g.effort for g in found)


def test_units_find_what_the_search_without_them_takes_longer_for():
    rng = np.random.default_rng(5)
    X = rng.uniform(1, 3, (200, 6))
    names = ("a", "b", "c", "m", "t", "w")
    truth = Expression.parse("m*sqrt(a**2 + (b - c)**2)/(t**2)*(1 + w*t)", names)
    model = SymbolicRegressor(max_time=None, max_evals=400_000, random_state=0)
    model.fit(
        X, truth.evaluate(X), variable_names=names, X_units=["m", "m", "m", "kg", "s", "1/s"], y_units="N"
    )
    assert model.equations_.loc[model.best_index_, "r2"] > 1 - 1e-12
    assert model.expression_.complexity <= truth.complexity
    assert model.equations_.loc[model.best_index_, "units_ok"]


def test_words_of_like_columns_are_added_and_taken_back():
    names = ("x", "u", "y", "v", "t")
    X = np.random.default_rng(9).uniform(1, 3, (60, 5))
    dims = Dimensions.of(units("m", "m", "m", "m", "s", "m/s"))
    told = [v for v in dimensional.starts(original(X, X[:, 0] / X[:, 4], names), dims) if v.dims is not None]
    assert [v.names[:5] for v in told] == [names, names]
    large = told[1]
    distance = np.hypot(X[:, 0] - X[:, 1], X[:, 2] - X[:, 3])
    place = [k for k in range(large.X.shape[1]) if np.allclose(large.X[:, k], distance)]
    assert len(place) == 1
    e = Expression.variable(place[0], large.names) / Expression.variable(4, large.names)
    np.testing.assert_allclose(large.restore(e).evaluate(X), distance / X[:, 4])
    assert check_units(large.restore(e), units("m", "m", "m", "m", "s"), "m/s", "number")
    assert len(large.dims[0]) == large.X.shape[1]
