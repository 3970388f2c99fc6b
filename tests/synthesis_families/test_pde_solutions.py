"""Solutions of the partial differential equations against closed forms, laws, refinement and scipy."""

import dataclasses

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.optimize import brentq

from symnum.synthesis.families.pde import LENGTH, T_RANGE
from symnum.synthesis.families.pde_families import PDE_FAMILIES
from symnum.synthesis.families.residual import Residual
from symnum.synthesis.families.volumes import solve_volumes

TIMES = np.linspace(0, T_RANGE, 9)
KAPPA = 2 * np.pi / LENGTH


def solve(name, values, initial, times=TIMES, **settings):
    """Fields for initial values given as a function of x, and the places and times (of the equation)."""
    family = PDE_FAMILIES[name]
    x = family.places(128, refined=True)
    found = family.solve(values, initial(x)[None], times, **settings)
    assert found.ok.all()
    return found.values[0], family.places(128), times[:, None] * (family.horizon / T_RANGE)


def averages(function, x):
    """Cell averages by quadrature at three Gauss points."""
    half = (x[1] - x[0]) / 2
    return sum(w * function(x + half * s) / 18 for s, w in ((-np.sqrt(0.6), 5), (0, 8), (np.sqrt(0.6), 5)))


# ------------------------------------------------------------ linear equations: exact
def test_heat_decays():
    u, x, t = solve("heat", [3e-3], lambda x: np.sin(KAPPA * x) + 0.5 * np.cos(4 * KAPPA * x))
    exact = np.exp(-3e-3 * KAPPA**2 * t) * np.sin(KAPPA * x)
    exact = exact + 0.5 * np.exp(-3e-3 * (4 * KAPPA) ** 2 * t) * np.cos(4 * KAPPA * x)
    np.testing.assert_allclose(u, exact, atol=1e-12)


def test_advection_shifts():
    def profile(x):
        return np.exp(np.cos(KAPPA * x))

    u, x, t = solve("advection", [0.5], profile)
    np.testing.assert_allclose(u, profile(x - 0.5 * t), atol=1e-12)


def test_wave_is_the_mean_of_two_shifts():
    def profile(x):
        return np.exp(np.sin(2 * KAPPA * x))

    u, x, t = solve("wave", [0.5, 0.25], profile)
    np.testing.assert_allclose(u, (profile(x - 0.5 * t) + profile(x + 0.5 * t)) / 2, atol=1e-12)
    standing, x, t = solve("wave", [0.5, 0.25], lambda x: np.cos(3 * KAPPA * x))
    np.testing.assert_allclose(standing, np.cos(1.5 * KAPPA * t) * np.cos(3 * KAPPA * x), atol=1e-12)


def test_klein_gordon_disperses():
    u, x, t = solve("klein_gordon", [1.0, 3.0, 1.0, 9.0], lambda x: 1 + np.cos(2 * KAPPA * x))
    fast = np.sqrt((2 * KAPPA) ** 2 + 9)
    np.testing.assert_allclose(u, np.cos(3 * t) + np.cos(fast * t) * np.cos(2 * KAPPA * x), atol=1e-12)


def test_linear_flux_and_linear_reaction():
    u, x, t = solve("conservation_linearflux", [0.9, 0.01, 0.00318], lambda x: np.sin(KAPPA * x))
    np.testing.assert_allclose(u, np.exp(-0.00318 * KAPPA**2 * t) * np.sin(KAPPA * (x - 0.9 * t)), atol=1e-12)
    u, x, t = solve("diff_linearreact", [3e-3, 0.1], lambda x: 2 + np.sin(KAPPA * x))
    exact = 2 * np.exp(0.1 * t) + np.exp((0.1 - 3e-3 * KAPPA**2) * t) * np.sin(KAPPA * x)
    np.testing.assert_allclose(u, exact, atol=1e-12)


# ------------------------------------------------------------ nonlinear, smooth
def test_kdv_soliton_travels():
    d2, height = 0.022**2, 0.9
    width = np.sqrt(height / (12 * d2))

    def soliton(x):
        x = (x - 1) % LENGTH - 1  # periodic, centred at 0
        return height / np.cosh(width * ((x + 1) % LENGTH - 1)) ** 2

    u, x, t = solve("kdv", [0.022, d2], lambda x: soliton(x - 1.0))
    np.testing.assert_allclose(u, soliton(x - 1.0 - height / 3 * t), atol=2e-4)


def test_kdv_keeps_mass_and_momentum():
    family = PDE_FAMILIES["kdv"]
    initial = family.draw_initial(np.random.default_rng(0), 5)
    found = family.solve(family.coefficients.central(), initial, TIMES)
    mass, momentum = found.values.mean(axis=2), (found.values**2).mean(axis=2)
    np.testing.assert_allclose(mass, mass[:, :1] * np.ones(9), rtol=1e-4)
    np.testing.assert_allclose(momentum, momentum[:, :1] * np.ones(9), rtol=2e-3)


def test_sine_gordon_breather():
    c, w = 900.0, 0.6  # 30 is the frequency, and so narrow that the neighbour's image is negligible
    root = np.sqrt(1 - w**2)

    def breather(x, t):
        s = np.sqrt(c)
        return 4 * np.arctan(root / w * np.cos(w * s * t) / np.cosh(root * s * (x - 1)))

    u, x, t = solve("sine_gordon", [c], lambda x: breather(x, 0.0))
    np.testing.assert_allclose(u, breather(x, t), atol=2e-3)


def test_sine_gordon_keeps_its_energy_and_small_waves_are_linear():
    u, x, t = solve("sine_gordon", [4.0], lambda x: 1e-4 * np.cos(KAPPA * x))
    np.testing.assert_allclose(u, 1e-4 * np.cos(np.sqrt(KAPPA**2 + 4) * t) * np.cos(KAPPA * x), atol=1e-9)


RATES = {
    "diff_logisreact": ([1e-3, 1.1], lambda u: 1.1 * u * (1 - u)),
    "diff_bistablereact": ([1e-3, 1.1, 0.3], lambda u: 1.1 * u * (1 - u) * (u - 0.3)),
    "diff_squarelogisticreact": ([1e-3, 1.1], lambda u: 1.1 * (u * (1 - u)) ** 2),
}


@pytest.mark.parametrize("name", list(RATES))
def test_without_gradients_a_reaction_is_an_ode(name):
    values, rate = RATES[name]
    u, _, t = solve(name, values, lambda x: np.full_like(x, 0.4))
    exact = solve_ivp(lambda t, u: rate(u), (0, 2), [0.4], t_eval=t[:, 0], rtol=1e-11, atol=1e-12).y[0]
    np.testing.assert_allclose(u, exact[:, None] * np.ones(128), atol=1e-8)


def test_bistable_fronts_travel():
    nu, r, a = 5e-4, 1.0, 0.25
    steep, speed = np.sqrt(r / (2 * nu)), np.sqrt(r * nu / 2) * (1 - 2 * a)

    def front(x, t):  # 1 between two fronts that move apart
        return (np.tanh(steep / 2 * (x - 0.5 + speed * t)) - np.tanh(steep / 2 * (x - 1.5 - speed * t))) / 2

    u, x, t = solve("diff_bistablereact", [nu, r, a], lambda x: front(x, 0.0))
    np.testing.assert_allclose(u, front(x, t), atol=2e-3)


def test_burgers_by_cole_and_hopf():
    nu, q, a = 0.02, 1.0, 0.9

    def exact(x, t):
        wave = a * np.exp(-nu * KAPPA**2 * t)
        return 2 * nu / q * KAPPA * wave * np.sin(KAPPA * x) / (1 + wave * np.cos(KAPPA * x))

    u, x, t = solve("burgers", [q, 0.0628, nu], lambda x: averages(lambda y: exact(y, 0.0), x))
    reference = np.array([averages(lambda y, s=s: exact(y, s), x) for s in t[:, 0]])
    np.testing.assert_allclose(u, reference, atol=2e-4)


def test_cahn_hilliard_against_another_method():
    family, values = PDE_FAMILIES["cahn_hilliard"], [0.05, 0.0025]
    x = family.places(64, refined=True)
    initial = 0.3 * np.cos(KAPPA * x) + 0.2 * np.sin(3 * KAPPA * x) + 0.05
    found = family.solve(values, initial[None], TIMES).values[0]
    dx = LENGTH / 512
    fine = (np.arange(512) + 0.5) * dx

    def laplacian(u):
        return (np.roll(u, 1) - 2 * u + np.roll(u, -1)) / dx**2

    def side(t, u):
        return laplacian(u**3 - u - 0.0025 * laplacian(u)) / 20

    start = 0.3 * np.cos(KAPPA * fine) + 0.2 * np.sin(3 * KAPPA * fine) + 0.05
    sparsity = sum(np.abs(np.roll(np.eye(512), k, axis=1)) for k in range(-2, 3))
    exact = solve_ivp(side, (0, 2), start, "BDF", TIMES, rtol=1e-6, atol=1e-8, jac_sparsity=sparsity).y.T
    sampled = (exact[:, 3::8] + exact[:, 4::8]) / 2
    np.testing.assert_allclose(found, sampled, atol=5e-3)


def test_cahn_hilliard_keeps_mass_and_loses_energy():
    family, values = PDE_FAMILIES["cahn_hilliard"], [0.05, 0.0025]
    initial = family.draw_initial(np.random.default_rng(0), 4)
    u = family.solve(values, initial, np.linspace(0, 2, 33)).values
    np.testing.assert_allclose(u.mean(axis=2), u[:, :1].mean(axis=2) * np.ones(33), atol=2e-3)
    slope = (np.roll(u, -1, axis=2) - u) / (LENGTH / 128)
    energy = ((u**2 - 1) ** 2 / 4 + 0.0025 / 2 * slope**2).mean(axis=2)
    assert np.all(np.diff(energy, axis=1) < 1e-4)
    assert energy[:, -1].mean() < 0.6 * energy[:, 0].mean()
    assert np.abs(u[:, -1]).max() < 1.1


# ------------------------------------------------------------ finite volumes
def test_volumes_solve_the_heat_equation():
    family = PDE_FAMILIES["heat"]
    x = family.places(128)
    residual = Residual.split(family.target([0.05])[0])
    found = solve_volumes(residual, np.sin(KAPPA * x)[None], TIMES, LENGTH)
    exact = np.exp(-0.05 * KAPPA**2 * TIMES[:, None]) * np.sin(KAPPA * x)
    np.testing.assert_allclose(found.values[0], exact, atol=1e-3)


@pytest.mark.parametrize("m", [2.0, 3.0, 4.0])
def test_porous_medium_spreads_like_barenblatt(m):
    """Zel'dovich, Kompaneets and Barenblatt: a hill with an edge that moves at finite speed."""
    start, beta = 0.02, 1 / (m + 1)

    def profile(x, t):
        room = 0.15 - beta * (m - 1) / (2 * m) * ((x - 1) / t**beta) ** 2
        return t**-beta * np.maximum(room, 0) ** (1 / (m - 1))

    values = [m, m * (m - 1), m - 2, m - 1]
    u, x, t = solve("porous_medium", values, lambda x: averages(lambda y: profile(y, start), x))
    exact = np.array([averages(lambda y, s=s: profile(y, start + s), x) for s in t[:, 0]])
    assert np.abs(u - exact).mean() < 2e-3 * exact.max()
    np.testing.assert_allclose(u.mean(axis=1), u[0].mean(), rtol=1e-12)
    assert u.min() > -1e-9


SPEEDS = {
    "burgers": (lambda u: u, lambda u: u**2 / 2),
    "conservation_sinflux": (np.cos, np.sin),
    "conservation_cosflux": (lambda u: -np.sin(u), np.cos),
    "conservation_cubicflux": (lambda u: u**2, lambda u: u**3 / 3),
}


@pytest.mark.parametrize("name", list(SPEEDS))
def test_smooth_waves_follow_characteristics(name):
    speed, _ = SPEEDS[name]
    inviscid, q, until = f"inviscid_{name}", 0.9, 0.4

    def profile(x):
        return 0.5 + 0.3 * np.sin(KAPPA * x)

    times = np.linspace(0, until, 5)
    u, x, _ = solve(inviscid, [q], lambda x: averages(profile, x), times)
    # u is constant along x = start + q F'(u) t: find the start of the characteristic through each place.
    start = [brentq(lambda s, p=p: s + q * speed(profile(s)) * until - p, p - 2, p + 2) for p in x]
    np.testing.assert_allclose(u[-1], profile(np.array(start)), atol=2e-3)


@pytest.mark.parametrize("name", list(SPEEDS))
def test_shocks_move_as_rankine_and_hugoniot_say(name):
    _, flux = SPEEDS[name]
    # Convex fluxes: the larger state is behind. F'' < 0 for the sine and cosine fluxes on [0, 1].
    left, right = (0.2, 0.9) if "sin" in name or "cosflux" in name else (0.9, 0.2)
    speed = (flux(left) - flux(right)) / (left - right)
    times = np.linspace(0, 1.0, 5)
    u, _, _ = solve(
        f"inviscid_{name}", [1.0], lambda x: np.where(x < 0.8, left, right), times, periodic=False
    )
    place = (u.sum(axis=1) * (LENGTH / 128) - right * LENGTH) / (left - right)
    np.testing.assert_allclose(place, 0.8 + speed * times, atol=0.01)
    sharp = (np.abs(u[-1] - left) > 0.02) & (np.abs(u[-1] - right) > 0.02)
    assert sharp.sum() <= 5


def test_rarefaction_of_burgers():
    times = np.linspace(0, 0.8, 5)
    u, x, t = solve("inviscid_burgers", [1.0], lambda x: np.where(x < 0.6, 0.1, 0.9), times, periodic=False)
    exact = np.clip((x - 0.6) / np.maximum(t, 1e-9), 0.1, 0.9)
    np.testing.assert_allclose(u[1:], exact[1:], atol=0.03)
    assert np.abs(u[1:] - exact[1:]).mean() < 2e-3


@pytest.mark.parametrize("name", [n for n, f in PDE_FAMILIES.items() if f.solver == "volumes"])
def test_volumes_keep_mass_and_stay_in_range(name):
    family = PDE_FAMILIES[name]
    initial = family.draw_initial(np.random.default_rng(2), 4)
    u = family.solve(family.coefficients.central(), initial, TIMES).values
    np.testing.assert_allclose(u.mean(axis=2), initial.mean(axis=1)[:, None] * np.ones(9), rtol=1e-12)
    assert u.min() > -1e-6
    assert u.max() < 1 + 1e-6


@pytest.mark.parametrize("name", list(PDE_FAMILIES))
def test_a_finer_grid_and_step_change_little(name):
    family = PDE_FAMILIES[name]
    values = family.coefficients.draw(np.random.default_rng(7), 1)[0]
    finer = dataclasses.replace(family, refine=3 * family.refine, step=family.step / 2)

    def profile(x):  # a hill as high as wide, and a wave; steepens into shocks where shocks are
        return 0.4 * np.exp(-8 * np.sin(KAPPA / 2 * (x - 0.7)) ** 2) + 0.3 + 0.1 * np.cos(2 * KAPPA * x)

    coarse, fine = (
        v.solve(values, averages(profile, v.places(128, refined=True))[None], TIMES / 2).values[0]
        for v in (family, finer)
    )
    error = np.linalg.norm(coarse - fine) / np.linalg.norm(fine)
    assert error < (0.01 if family.solver == "volumes" else 1e-3)


def test_viscosity_smooths_a_shock_over_its_own_width():
    """A steady travelling wave of Burgers' equation: a tanh of width 4 nu / jump."""
    nu, left, right = 0.02, 0.9, 0.1

    def wave(x, t):
        return (left + right) / 2 - (left - right) / 2 * np.tanh(
            (left - right) / (4 * nu) * (x - 0.7 - (left + right) / 2 * t)
        )

    u, x, t = solve("burgers", [1.0, 0.0628, nu], lambda x: wave(x, 0.0), TIMES / 2, periodic=False)
    np.testing.assert_allclose(u, wave(x, t), atol=3e-3)


def test_an_unresolvable_reaction_is_marked():
    """A field that explodes leaves the range where the equation's functions were fitted."""
    from symnum.synthesis.families.pde import PDEFamily

    family = PDEFamily("explosive", "k*ut - u**2", solver="volumes")
    initial = np.array([np.full(8, 1.0), np.full(8, 0.01)])
    found = family.solve([], initial, TIMES)
    assert found.status.tolist() == [1, 0]
    exact = 0.01 / (1 - 0.01 * TIMES)
    np.testing.assert_allclose(found.values[1, :, 0], exact, rtol=1e-6)
    spectral = PDEFamily("explosive", "k*ut - u**2")
    assert spectral.solve([], initial, TIMES).status.tolist() == [3, 0]


def test_the_quadrature_used_here_is_right():
    x = np.linspace(0.05, 0.95, 10)
    found = averages(np.exp, x)
    exact = [quad(np.exp, c - 0.05, c + 0.05)[0] / 0.1 for c in x]
    np.testing.assert_allclose(found, exact, rtol=1e-9)
