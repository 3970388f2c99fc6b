"""Refit of proposed systems: against closed forms, and on real families."""

from __future__ import annotations

import numpy as np
import pytest

from symnum.equations_of_motion.flow import Flow
from symnum.expressions import Expression
from symnum.forecasting.proposals import gather
from symnum.forecasting.refit import Proposal, refit
from symnum.forecasting.units import WindowUnits
from symnum.synthesis.families.ode_families import ODE_FAMILIES
from symnum.synthesis.families.trajectories import TrajectoryConfig, make_equation

NAMES = ("u_0", "u_1", "u_2")


def system(*texts: str) -> tuple[Expression, ...]:
    return tuple(Expression.parse(t, NAMES[: len(texts)]) for t in texts)


def test_posterior_of_a_straight_line_is_that_of_linear_regression():
    """du/dt = c has u = u0 + c t: mean and covariance with a normal prior on c are known exactly."""
    rng = np.random.default_rng(0)
    t = np.linspace(0, 2, 40)
    U = (1.0 + 0.7 * t + 0.05 * rng.standard_normal(40))[:, None]
    found = refit(t, U, [Proposal(system("0.75"), np.array([[0.02**2]]))])[0]
    A = np.column_stack([t, np.ones_like(t)]) / found.noise[0]
    precision = A.T @ A + np.diag([1 / 0.02**2, 0.0])
    mean = np.linalg.solve(precision, A.T @ (U[:, 0] / found.noise[0]) + np.array([0.75 / 0.02**2, 0.0]))
    assert found.equations[0].constants[0] == pytest.approx(mean[0], rel=1e-4)
    assert found.start[0] == pytest.approx(mean[1], rel=1e-4)
    np.testing.assert_allclose(found.covariance, np.linalg.inv(precision), rtol=1e-3, atol=1e-9)
    alone = refit(t, U, [Proposal(system("0.75"))])[0]
    assert alone.equations[0].constants[0] < mean[0] < 0.75  # the prior pulls


@pytest.mark.parametrize("family", ["lorenz_3d", "chen_lee", "sprott_linz_F"])
def test_constants_and_forecast_of_families(family: str):
    """From the centre of the law, 2 % noise, 64 points: chen_lee needs more than the estimated noise."""
    law = ODE_FAMILIES[family]
    data = make_equation(TrajectoryConfig(seed=5, trajectories=1), family, 1)
    start = law.target(law.coefficients.central())
    theta = Flow(start).theta
    U = data.observe(0.02)[0, :64].astype(float)
    found = refit(data.times[:64], U, [Proposal(tuple(start), np.diag((0.06 * theta) ** 2))])[0]
    np.testing.assert_allclose(Flow(found.equations).theta, Flow(data.equations).theta, rtol=0.08)
    truth = data.values[0, 64:].astype(float)
    made = found.forecast(data.times[64:])
    assert np.linalg.norm(made - truth) < 0.05 * np.linalg.norm(truth)
    size = 0.02 * np.linalg.norm(data.values[0]) / np.sqrt(data.values[0].size)
    np.testing.assert_allclose(found.noise, size, rtol=0.4)
    mean, deviation = found.spread(data.times[64:], np.random.default_rng(0))
    assert np.all(deviation >= 0)
    assert np.linalg.norm(mean - made) < 0.2 * np.linalg.norm(made)


def test_the_right_system_is_first_and_impossible_ones_are_left_out():
    data = make_equation(TrajectoryConfig(seed=5, trajectories=1), "sprott_B", 0)
    U = data.observe(0.01)[0, :64].astype(float)
    right = Proposal(data.equations, None, bits=3.0, source="right")
    wrong = Proposal(system("u_1", "u_2", "u_0"), None, bits=1.5, source="wrong")
    impossible = Proposal(system("sqrt(-u_0*u_0 - u_1*u_1)", "u_0", "u_1"), None, bits=1.5)
    found = refit(data.times[:64], U, [wrong, impossible, right])
    assert found[0].source == "right"
    assert [r.source for r in found[1:]] in (["wrong"], [])


def test_draws_become_proposals():
    rng = np.random.default_rng(3)
    rows = [(system(f"{a:.4g}*u_0 - u_1", f"{-2 * a:.4g}*u_1"), -1.0) for a in rng.normal(3, 0.1, 30)]
    rows += [(system("u_0*u_1", "2*u_1"), -2.0)] * 10 + [(system("u_0", "u_1"), -9.0)]
    rows.append((system("300*u_0 - u_1", "-6*u_1"), -9.0))  # a slip of the exponent
    found = gather(rows)
    assert [len(p.equations) for p in found] == [2, 2]
    assert found[0].bits == pytest.approx(-np.log2(31 / 42))
    theta = Flow(found[0].equations).theta
    np.testing.assert_allclose(theta, [3, -6], rtol=0.03)
    scale = np.sqrt(np.diag(found[0].covariance))
    np.testing.assert_allclose(scale, [0.1, 0.2], rtol=0.35)
    assert found[0].covariance[0, 1] / np.prod(scale) < -0.85  # what depends on each other stays so


def test_one_number_written_several_times_stays_one():
    """F in every equation of Lorenz 96: known to 6 %, but the same everywhere."""
    law = ODE_FAMILIES["lorenz_96_4d"]
    members = law.coefficients.draw(np.random.default_rng(0), 16)
    found = gather([(tuple(law.target(v)), 0.0) for v in members])[0]
    deviation = np.sqrt(np.diag(found.covariance))
    np.testing.assert_allclose(deviation, 0.058 * 8, rtol=0.4)
    difference = np.array([1.0, -1.0, 0.0, 0.0])
    assert np.sqrt(difference @ found.covariance @ difference) < 0.01 * 8


def test_units_there_and_back():
    t = np.linspace(0, 5000, 50)
    U = 1e-6 * np.column_stack([np.sin(t / 800), np.cos(t / 800)])
    units = WindowUnits.of(t, U, (1.0, 3.0), (0.5, 50.0))
    assert 1.0 <= (t[-1] - t[0]) / units.time <= 3.0
    assert 0.5 <= np.sqrt(np.mean(U**2)) / units.state <= 50.0
    inner = system("3*u_0*u_1 - 2*u_0 + 1", "sin(u_0) - u_1/2")
    outer = units.back(inner)
    X = np.random.default_rng(0).normal(size=(9, 2))
    for a, b in zip(inner, outer, strict=True):
        np.testing.assert_allclose(
            b.evaluate(X * units.state), a.evaluate(X) * units.state / units.time, rtol=1e-9
        )
    assert WindowUnits.of(t / 2500, U * 1e6, (1.0, 3.0), (0.5, 50.0)).is_one
