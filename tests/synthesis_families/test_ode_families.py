"""The fifteen systems against hand-written functions, published token counts and another solver."""

import dataclasses

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from symnum import Expression
from symnum.exceptions import InvalidInput
from symnum.expressions.tokenizer import ExpressionTokenizer
from symnum.expressions.vocabulary import prose_vocabulary
from symnum.synthesis.families.ode_families import CHAOTIC_3D, ODE_FAMILIES
from symnum.synthesis.families.system import Coefficients, ODESystem

# Tokens of target and skeleton, measured with the published generator.
LENGTHS = {
    "thomas": (26, 20),
    "lorenz_3d": (33, 25),
    "aizawa": (67, 51),
    "chen_lee": (33, 25),
    "dadras": (53, 37),
    "rossler": (26, 20),
    "halvorsen": (53, 41),
    "fabrikant": (55, 45),
    "sprott_B": (23, 17),
    "sprott_linz_F": (17, 15),
    "four_wing": (32, 26),
    "duffing": (38, 26),
    "lorenz_96_4d": (55, 47),
    "lorenz_96_5d": (69, 59),
    "double_pendulum": (100, 80),
}
NAMES = list(ODE_FAMILIES)


@pytest.fixture(scope="module")
def tokenizer():
    # The published generator writes whole numbers of a target as three words, like any other.
    return ExpressionTokenizer(dataclasses.replace(prose_vocabulary(5), write_constants=False))


def by_hand(reference_odes, system, values):
    # Coefficients that only enter through derived ones are not in the formula.
    used = {n for e in system.symbols for n in (e.names[i] for i in e.variables)}
    table = {n: v for n, v in zip(system.coefficients.names, values, strict=True) if n in used}
    function = getattr(reference_odes, system.name)
    return lambda u: np.array(function(u, **table))


def test_there_are_fifteen_systems_and_twelve_have_three_states():
    assert list(LENGTHS) == [n for n in NAMES]
    assert len(CHAOTIC_3D) == 12


@pytest.mark.parametrize("name", NAMES)
def test_every_form_is_the_hand_written_function(name, reference_odes):
    system, rng = ODE_FAMILIES[name], np.random.default_rng(1)
    values = system.coefficients.draw(rng, 3)
    u = rng.uniform(-3, 3, (system.dimension, 50))
    for row in values:
        expected = by_hand(reference_odes, system, row)(u)
        for equations in (system.target(row), system.bind(row)):
            found = np.array([e.evaluate(u.T) for e in equations])
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
        side = system.right_hand_side(row)
        np.testing.assert_allclose(side(0.0, u), expected, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(side(0.0, u[:, 7]), expected[:, 7], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_lengths_are_the_published_ones(name, tokenizer):
    system = ODE_FAMILIES[name]
    for row in system.coefficients.draw(np.random.default_rng(3), 4):
        target = system.target(row)
        ids, skeleton = tokenizer.encode(target, frame=False), tokenizer.encode(target, True, frame=False)
        assert (len(ids), len(skeleton)) == LENGTHS[name]
        assert skeleton == tokenizer.encode(system.skeleton(), skeleton=True, frame=False)
        # Three digits lose nothing: coefficients were rounded before anything was computed from them.
        back = tokenizer.decode_system(ids, names=target[0].names)
        assert [str(e) for e in back] == [str(e) for e in target]


def test_lorenz_worked_example(tokenizer):
    target = ODE_FAMILIES["lorenz_3d"].target([10.2, 29.1, 2.42])
    words = tokenizer.tokens(tokenizer.encode(target, frame=False))
    assert " ".join(words) == (
        "add mul + N102 E-1 u_1 mul - N102 E-1 u_0 | "
        "sub sub mul + N291 E-1 u_0 mul u_0 u_2 u_1 | "
        "add mul u_0 u_1 mul - N242 E-2 u_2"
    )
    skeleton = tokenizer.tokens(tokenizer.encode(target, skeleton=True, frame=False))
    assert " ".join(skeleton).replace("<PLACEHOLDER>", "#") == (
        "add mul # u_1 mul # u_0 | sub sub mul # u_0 mul u_0 u_2 u_1 | add mul u_0 u_1 mul # u_2"
    )


@pytest.mark.parametrize("name", NAMES)
def test_trajectories_agree_with_another_method(name, reference_odes):
    system, rng = ODE_FAMILIES[name], np.random.default_rng(5)
    values, times = system.coefficients.draw(rng, 5), np.linspace(0, 3, 31)
    initial = system.draw_initial(rng, 5)
    found = system.integrate(values, initial, times, rtol=1e-11, atol=1e-13)
    checked = 0
    for i in range(5):
        side = by_hand(reference_odes, system, values[i])
        exact = solve_ivp(
            lambda t, u, f=side: f(u), (0, 3), initial[i], "DOP853", times, rtol=1e-13, atol=1e-13
        )
        if not found.ok[i]:
            assert exact.status != 0 or np.abs(exact.y).max() > system.bound
            continue
        scale = np.abs(exact.y).max()
        np.testing.assert_allclose(found.values[i], exact.y.T, rtol=0, atol=2e-7 * scale)
        checked += 1
    assert checked >= 2


def test_coefficients_are_uniform_and_have_three_digits():
    law, rng = ODE_FAMILIES["lorenz_3d"].coefficients, np.random.default_rng(0)
    for spread in (0.1, 0.15, 0.2):
        values = law.draw(rng, 4000, spread)
        centre = np.array([10, 28, 8 / 3])
        relative = (values / centre - 1) / spread
        assert np.abs(relative).max() < 1 + 0.005 / spread
        np.testing.assert_allclose(relative.mean(0), 0, atol=0.04)
        np.testing.assert_allclose(relative.std(0), 1 / np.sqrt(3), atol=0.02)
        assert all(float(f"{v:.2e}") == v for v in values[:200].ravel())
    assert np.array_equal(law.draw(np.random.default_rng(7), 5), law.draw(np.random.default_rng(7), 5))
    negative = ODE_FAMILIES["halvorsen"].coefficients.draw(rng, 100)
    assert negative.min() >= -0.385
    assert negative.max() <= -0.315


def test_derived_coefficients_are_rounded_each():
    law = ODE_FAMILIES["double_pendulum"].coefficients
    values = dict(zip(law.names, law.draw(np.random.default_rng(2), 500).T, strict=True))
    k = values["g"] / values["length"]
    np.testing.assert_allclose(values["k1"], -3 * k, rtol=0.02)
    np.testing.assert_allclose(values["k3"], 4 * k, rtol=0.02)
    assert np.any(values["k1"] != 3 * values["k2"])


def test_choices_and_ranges():
    law = Coefficients({"a": 1.0}, {"b": "a + m"}, {"m": (2.0, 3.0, 4.0)}, {"r": (0.0, 1.0)})
    values = law.draw(np.random.default_rng(0), 3000, 0.0)
    assert law.names == ("a", "m", "r", "b")
    np.testing.assert_array_equal(values[:, 3], 1 + values[:, 1])
    assert np.unique(values[:, 1], return_counts=True)[1].min() > 900
    np.testing.assert_allclose(values[:, 2].mean(), 0.5, atol=0.02)
    np.testing.assert_array_equal(law.central(), [1, 2, 0.5, 3])


@pytest.mark.parametrize("name", NAMES)
def test_forms_for_people(name):
    system = ODE_FAMILIES[name]
    values = system.coefficients.central()
    for text in system.latex() + system.latex(values):
        assert text.startswith(r"\dot{u}_{")
        assert text.count("{") == text.count("}")
        assert r"+ \left(-" not in text
        assert "+ -" not in text
    assert system.source


def test_latex_of_lorenz():
    assert ODE_FAMILIES["lorenz_3d"].latex()[1] == (
        r"\dot{u}_{1} = \rho \cdot u_{0} - u_{0} \cdot u_{2} - u_{1}"
    )


def test_energy_of_duffing_is_conserved_without_friction_and_force():
    system, rng = ODE_FAMILIES["duffing"], np.random.default_rng(4)
    found = system.integrate([-1, -5, 0, 0, 0.5], system.draw_initial(rng, 20), np.linspace(0, 6, 50))
    x, v = found.values[:, :, 1], found.values[:, :, 2]
    energy = v**2 / 2 + x**2 / 2 + 5 * x**4 / 4
    np.testing.assert_allclose(energy / energy[:, :1], 1, atol=1e-6)


@pytest.mark.parametrize("name", ["lorenz_96_4d", "lorenz_96_5d"])
def test_lorenz_96_without_force_only_loses_energy_to_friction(name):
    system, times = ODE_FAMILIES[name], np.linspace(0, 6, 50)
    found = system.integrate([0.0], system.draw_initial(np.random.default_rng(4), 20), times)
    norm = np.linalg.norm(found.values, axis=2)
    np.testing.assert_allclose(norm / norm[:, :1], np.broadcast_to(np.exp(-times), norm.shape), rtol=1e-5)


def test_lorenz_has_an_exponential_invariant():
    # For beta = 2 sigma, x**2 - 2 sigma z decays as exp(-2 sigma t).
    system, times, sigma = ODE_FAMILIES["lorenz_3d"], np.linspace(0, 2, 30), 1.5
    initial = system.draw_initial(np.random.default_rng(4), 20)
    x, _, z = np.moveaxis(system.integrate([sigma, 28, 2 * sigma], initial, times).values, -1, 0)
    invariant = (x**2 - 2 * sigma * z) * np.exp(2 * sigma * times)
    np.testing.assert_allclose(invariant, invariant[:, :1] * np.ones(30), atol=1e-3)


def test_the_clock_of_duffing_runs():
    system, times = ODE_FAMILIES["duffing"], np.linspace(0, 6, 40)
    initial = np.array([[0.3, 1.0, -1.0], [-1.7, 0.1, 2.0]])
    found = system.integrate(system.coefficients.central(), initial, times)
    np.testing.assert_allclose(found.values[:, :, 0], initial[:, :1] + times, atol=1e-12)


def test_wrong_number_of_coefficients_is_named():
    with pytest.raises(InvalidInput, match=r"lorenz_3d has coefficients .*got 2"):
        ODE_FAMILIES["lorenz_3d"].target([1, 2])
    with pytest.raises(InvalidInput, match="spread"):
        ODE_FAMILIES["lorenz_3d"].coefficients.draw(np.random.default_rng(0), 1, 1.5)


def test_a_new_family_is_one_definition():
    system = ODESystem("decay", ("-k*u_0**2",), Coefficients({"k": 2.0}))
    assert [str(e) for e in system.target([2.5])] == ["-2.5*(u_0*u_0)"]
    assert str(system.bind([2.5])[0]) == "-2.5*u_0**2"
    found = system.integrate([2.5], [[1.0]], [0, 1, 4])
    np.testing.assert_allclose(found.values[0, :, 0], 1 / (1 + 2.5 * np.array([0, 1, 4])), rtol=1e-6)
    assert isinstance(system.symbols[0], Expression)
