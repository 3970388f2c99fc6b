"""Definitions of the partial differential equations: residuals by hand, words, forms for people."""

import re

import numpy as np
import pytest

from symnum import Expression
from symnum.exceptions import InvalidInput
from symnum.synthesis.families.edits import add_term, candidate_terms, delete_term
from symnum.synthesis.families.initial import LAWS
from symnum.synthesis.families.pde import EDIT_LEAVES, LENGTH, T_RANGE, PDEFamily, pde_tokenizer
from symnum.synthesis.families.pde_families import PDE_FAMILIES
from symnum.synthesis.families.residual import LEAVES, Residual

NAMES = list(PDE_FAMILIES)


def viscous(speed):
    return lambda v, q, e, nu: v["ut"] + q * speed(v["u"]) * v["ux"] - nu * v["uxx"]


def inviscid(speed):
    return lambda v, q: v["ut"] + q * speed(v["u"]) * v["ux"]


def reaction(rate):
    return lambda v, nu, r, **a: v["ut"] - nu * v["uxx"] - r * rate(v["u"], **a)


BY_HAND = {
    "heat": lambda v, c: v["ut"] - c * v["uxx"],
    # (u**m)_xx = m u**(m-1) u_xx + m (m-1) u**(m-2) u_x**2
    "porous_medium": lambda v, m, b, p, s: (
        20 * v["ut"] - m * v["u"] ** (m - 1) * v["uxx"] - m * (m - 1) * v["u"] ** (m - 2) * v["ux"] ** 2
    ),
    "advection": lambda v, b: v["ut"] + b * v["ux"],
    "wave": lambda v, b, b2: 4 * v["utt"] - b2 * v["uxx"],
    "klein_gordon": lambda v, c, m, c2, w: 4 * v["utt"] - c2 * v["uxx"] + w * v["u"],
    "sine_gordon": lambda v, c: 4 * v["utt"] - v["uxx"] + c * np.sin(v["u"]),
    "kdv": lambda v, d, d2: 2 * v["ut"] + d2 * v["uxxx"] + v["u"] * v["ux"],
    # -(u**3 - u)_xx + g u_xxxx
    "cahn_hilliard": lambda v, e, g: (
        20 * v["ut"] + g * v["uxxxx"] + v["uxx"] - (3 * v["u"] ** 2 * v["uxx"] + 6 * v["u"] * v["ux"] ** 2)
    ),
    "diff_logisreact": reaction(lambda u: u * (1 - u)),
    "diff_linearreact": reaction(lambda u: u),
    "diff_bistablereact": reaction(lambda u, a: u * (1 - u) * (u - a)),
    "diff_squarelogisticreact": reaction(lambda u: (u * (1 - u)) ** 2),
    "burgers": viscous(lambda u: u),
    "conservation_linearflux": viscous(lambda u: 1),
    "conservation_sinflux": viscous(np.cos),
    "conservation_cosflux": viscous(lambda u: -np.sin(u)),
    "conservation_cubicflux": viscous(lambda u: u**2),
    "inviscid_burgers": inviscid(lambda u: u),
    "inviscid_conservation_sinflux": inviscid(np.cos),
    "inviscid_conservation_cosflux": inviscid(lambda u: -np.sin(u)),
    "inviscid_conservation_cubicflux": inviscid(lambda u: u**2),
}


@pytest.fixture(scope="module")
def tokenizer():
    return pde_tokenizer()


def test_there_are_at_least_fifteen_families():
    assert len(NAMES) == len(BY_HAND) == 21


@pytest.mark.parametrize("name", NAMES)
def test_every_form_is_the_residual_by_hand(name):
    family, rng = PDE_FAMILIES[name], np.random.default_rng(0)
    leaves = {leaf: rng.uniform(0.1, 2, 40) for leaf in LEAVES}
    for row in family.coefficients.draw(rng, 3):
        table = dict(zip(family.coefficients.names, row, strict=True))
        expected = BY_HAND[name](leaves, **table)
        for expression in (family.target(row)[0], family.bind(row)[0]):
            np.testing.assert_allclose(expression.evaluate(leaves), expected, rtol=1e-12, atol=1e-12)
        split = Residual.split(family.target(row)[0])
        time = leaves["ut" if split.order == 1 else "utt"]
        total = split.scale * time + sum(c * leaves[leaf] for leaf, c in split.linear.items())
        rest = 0 if split.rest is None else split.rest.evaluate(leaves)
        np.testing.assert_allclose(total + rest, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_words_lose_nothing(name, tokenizer):
    family = PDE_FAMILIES[name]
    for row in family.coefficients.draw(np.random.default_rng(1), 3):
        target = family.target(row)
        ids = tokenizer.encode(target, frame=False)
        skeleton = tokenizer.encode(target, skeleton=True, frame=False)
        assert str(tokenizer.decode(ids, names=LEAVES)) == str(target[0])
        # Each number is one word of the skeleton and three of the target.
        assert len(ids) - len(skeleton) == 2 * skeleton.count(tokenizer.placeholder_id)
        assert skeleton.count(tokenizer.placeholder_id) == target[0].constants.size


def test_worked_example(tokenizer):
    target = PDE_FAMILIES["burgers"].target([1.05, 0.01, 0.00318])
    words = " ".join(tokenizer.tokens(tokenizer.encode(target, frame=False)))
    assert words == ("sub add mul + N100 E-2 ut_0 mul + N105 E-2 mul u_0 ux_0 mul + N318 E-5 uxx_0")


def test_text_and_data_share_the_viscosity():
    law = PDE_FAMILIES["burgers"].coefficients
    values = dict(zip(law.names, law.draw(np.random.default_rng(0), 200).T, strict=True))
    np.testing.assert_allclose(values["nu"], values["e"] / np.pi, rtol=1e-2)


def test_latex():
    assert PDE_FAMILIES["heat"].latex() == [r"u_{t} - c \cdot u_{xx} = 0"]
    assert PDE_FAMILIES["wave"].latex([0.5, 0.25]) == [r"4 \cdot u_{tt} - 0.25 \cdot u_{xx} = 0"]
    for family in PDE_FAMILIES.values():
        for text in family.latex() + family.latex(family.coefficients.central()):
            assert text.endswith(" = 0")
            assert text.count("{") == text.count("}")
            assert not re.search(r"(?<![\d.])1 \\cdot", text)
        assert family.source


def test_edits_of_a_residual():
    equations = PDE_FAMILIES["burgers"].skeleton()
    rng = np.random.default_rng(0)
    assert len(candidate_terms(EDIT_LEAVES)) == 1 + 6 + 21
    leaves = {leaf: rng.uniform(1, 2, 5) for leaf in LEAVES}
    for _ in range(100):
        change = add_term(equations, rng, EDIT_LEAVES)
        np.testing.assert_allclose(
            change.equations[0].evaluate(leaves), (equations[0] + change.term).evaluate(leaves)
        )
    assert {delete_term(equations, rng).position for _ in range(60)} == {0, 1, 2}


@pytest.mark.parametrize("law", list(LAWS))
def test_initial_fields(law):
    x = np.linspace(0, LENGTH, 384, endpoint=False) + LENGTH / 768
    u = LAWS[law](np.random.default_rng(0), x, LENGTH, 400)
    assert u.shape == (400, 384)
    again = LAWS[law](np.random.default_rng(0), x, LENGTH, 400)
    np.testing.assert_array_equal(u, again)
    low, high = {"half_sines": (0, 0.5), "mixture": (-0.5, 0.5)}.get(law, (0, 1))
    if law not in ("shock", "rarefaction", "two_shocks"):
        np.testing.assert_allclose(u.min(axis=1), low, atol=1e-9)
        np.testing.assert_allclose(u.max(axis=1), high, atol=1e-9)
        np.testing.assert_allclose(u[:, 0], u[:, -1], atol=0.15)  # periodic
    else:
        steps = np.diff(u, axis=1)
        jumps = (steps != 0).sum(axis=1)
        assert jumps.max() == (2 if law == "two_shocks" else 1)
        assert np.all(steps >= 0) if law == "rarefaction" else np.all(steps <= 0)


def test_a_gaussian_process_has_its_correlation():
    x = np.linspace(0, LENGTH, 64)
    rng = np.random.default_rng(0)
    u = LAWS["process"](rng, x, LENGTH, 4000)
    u = (u - u.mean(axis=1, keepdims=True)) / u.std(axis=1, keepdims=True)
    near, far = np.mean(u[:, 20] * u[:, 22]), np.mean(u[:, 20] * u[:, 36])
    assert near > 0.8
    assert abs(far) < 0.6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("u + ux", "ut or utt once"),
        ("ut + utt", "ut or utt once"),
        ("u*ut - ux", "ut or utt once"),
        ("sin(ut) - ux", "ut or utt once"),
        ("0*ut - ux", "ut or utt once"),
    ],
)
def test_residuals_that_no_solver_takes(text, message):
    with pytest.raises(InvalidInput, match=message):
        Residual.split(Expression.parse(text, LEAVES))


def test_bad_input_is_named():
    heat, t = PDE_FAMILIES["heat"], np.linspace(0, T_RANGE, 5)
    field = np.ones((1, 8))
    with pytest.raises(InvalidInput, match="has coefficients"):
        heat.target([1, 2])
    with pytest.raises(InvalidInput, match="initial must be finite"):
        heat.solve([0.003], field[0], t)
    with pytest.raises(InvalidInput, match="initial must be finite"):
        PDE_FAMILIES["kdv"].solve([0.022, 0.000484], field, t)  # three cells computed for each
    with pytest.raises(InvalidInput, match="do not decrease"):
        heat.solve([0.003], field, t[::-1])
    with pytest.raises(InvalidInput, match="periodic interval only"):
        heat.solve([0.003], field, t, periodic=False)
    with pytest.raises(InvalidInput, match="unknown law"):
        heat.draw_initial(np.random.default_rng(0), 1, law="waves")
    with pytest.raises(InvalidInput, match="three digits"):
        PDEFamily("odd", "k*ut", horizon=1.7).target([])
    volumes = PDEFamily("odd", "k*ut + uxxx", solver="volumes")
    with pytest.raises(InvalidInput, match="finite volumes need"):
        volumes.solve([], field, t)
