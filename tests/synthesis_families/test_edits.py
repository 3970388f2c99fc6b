"""Additions and deletions: the uniform choices, the sign rules, and what may not change."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from symnum import Expression
from symnum.exceptions import InvalidInput
from symnum.synthesis.families.edits import add_term, candidate_terms, delete_term, edit
from symnum.synthesis.families.ode_families import ODE_FAMILIES

LORENZ = ODE_FAMILIES["lorenz_3d"].skeleton()
ROSSLER = ODE_FAMILIES["rossler"].skeleton()


def parse(*texts, names=("u_0", "u_1", "u_2")):
    return [Expression.parse(t, names) for t in texts]


def texts(equations):
    return [str(e) for e in equations]


def outcomes(function, count=4000, **settings):
    rng = np.random.default_rng(0)
    return [function(rng=rng, **settings) for _ in range(count)]


def test_candidates_are_all_products_up_to_degree_two():
    assert len(candidate_terms(["a", "b", "c"])) == 1 + 3 + 6
    assert candidate_terms(["a"]) == [1.0, ("mul", 1.0, "a"), ("mul", 1.0, ("mul", "a", "a"))]


def test_addition_is_uniform_over_terms_and_places():
    edits = outcomes(add_term, equations=LORENZ)
    terms = Counter(str(e.term) for e in edits)
    places = Counter((e.dimension, e.position) for e in edits)
    assert len(terms) == 10
    assert len(places) == 3 + 4 + 3
    assert chisquare(list(terms.values())).pvalue > 1e-3
    assert chisquare(list(places.values())).pvalue > 1e-3
    table = Counter((str(e.term), e.dimension, e.position) for e in edits)
    assert len(table) == 100  # the two choices are independent
    assert chisquare(list(table.values())).pvalue > 1e-3


def test_added_term_is_the_difference():
    X = np.random.default_rng(1).uniform(-2, 2, (20, 3))
    for e in outcomes(add_term, 200, equations=ROSSLER):
        for i, (new, old) in enumerate(zip(e.equations, ROSSLER, strict=True)):
            change = e.term.evaluate(X) if i == e.dimension else 0
            np.testing.assert_allclose(new.evaluate(X), old.evaluate(X) + change, atol=1e-12)


def test_deleted_term_is_the_difference():
    X = np.random.default_rng(1).uniform(-2, 2, (20, 3))
    for e in outcomes(delete_term, 200, equations=LORENZ):
        i = e.dimension
        old, new, term = (v.evaluate(X) for v in (LORENZ[i], e.equations[i], e.term))
        # The term comes without the sign in front of it.
        assert np.allclose(new + term, old) or np.allclose(new - term, old)


def test_before_a_leading_minus_the_new_term_comes_first():
    found = {
        texts(e.equations)[0] for e in outcomes(add_term, 300, equations=parse("-u_1 - u_2"), leaves=["u_0"])
    }
    assert "1 - u_1 - u_2" in found
    assert "1*u_0 - u_1 - u_2" in found
    assert "-u_1 + 1 - u_2" in found
    assert "-u_1 - u_2 + 1*(u_0*u_0)" in found
    assert len(found) == 9


def test_deleting_the_first_term_keeps_the_sign_of_the_next():
    found = {texts(e.equations)[0] for e in outcomes(delete_term, 100, equations=parse("u_0 - u_1 + u_2"))}
    assert found == {"-u_1 + u_2", "u_0 + u_2", "u_0 - u_1"}
    found = {texts(e.equations)[0] for e in outcomes(delete_term, 50, equations=parse("u_0 + u_1"))}
    assert found == {"u_0", "u_1"}


def test_deletion_is_uniform_over_terms_of_sums():
    system = ODE_FAMILIES["duffing"].skeleton()  # two equations of one term, one of four
    edits = outcomes(delete_term, 2000, equations=system)
    places = Counter((e.dimension, e.position) for e in edits)
    assert set(places) == {(2, j) for j in range(4)}
    assert chisquare(list(places.values())).pvalue > 1e-3
    nothing = delete_term(parse("u_0*u_1", "u_2"), np.random.default_rng(0))
    assert nothing.kind == "none"
    assert texts(nothing.equations) == ["u_0*u_1", "u_2"]


def test_shares_of_the_three_modes():
    kinds = Counter(e.kind for e in outcomes(edit, 6000, equations=LORENZ))
    assert chisquare([kinds["add"], kinds["delete"], kinds["none"]], [900, 900, 4200]).pvalue > 1e-3
    same = [e for e in outcomes(edit, 50, equations=LORENZ, add=0, delete=0)]
    assert all(texts(e.equations) == texts(LORENZ) and e.term is None for e in same)


def test_double_pendulum_changes_only_inside_its_numerators():
    system = ODE_FAMILIES["double_pendulum"]
    equations = system.target(system.coefficients.central())
    places = set()
    for e in outcomes(add_term, 600, equations=equations, at=system.edit_at):
        places.add((e.dimension, e.position))
        top = e.equations[e.dimension].to_prefix()
        assert top[0] == "div"
        assert top[-8:] == equations[e.dimension].to_prefix()[-8:]  # the denominator
        assert texts(e.equations)[:2] == ["u_2", "u_3"]
    assert places == {(i, j) for i in (2, 3) for j in range(4)}
    places = {
        (e.dimension, e.position) for e in outcomes(delete_term, 300, equations=equations, at=system.edit_at)
    }
    assert places == {(i, j) for i in (2, 3) for j in range(3)}


@pytest.mark.parametrize("name", list(ODE_FAMILIES))
def test_every_edit_parses_back(name):
    system = ODE_FAMILIES[name]
    equations = system.target(system.coefficients.central())
    for e in outcomes(edit, 30, equations=equations, add=0.5, delete=0.5, at=system.edit_at):
        for equation in e.equations:
            again = Expression.parse(str(equation), equation.names)
            np.testing.assert_array_equal(again.codes, equation.codes)


def test_the_same_generator_gives_the_same_edit():
    first, second = (edit(LORENZ, np.random.default_rng(11), 0.5, 0.5) for _ in range(2))
    assert texts(first.equations) == texts(second.equations)


def test_bad_input_is_named():
    rng = np.random.default_rng(0)
    with pytest.raises(InvalidInput, match="add up to at most 1"):
        edit(LORENZ, rng, 0.7, 0.7)
    with pytest.raises(InvalidInput, match="one or more Expressions"):
        edit([], rng)
    with pytest.raises(InvalidInput, match="no argument at the path"):
        add_term(parse("u_0"), rng, at={0: (0,)})
