"""The compiled integrator against closed forms and scipy; failures are marked, never raised."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from symnum import Expression
from symnum.exceptions import InvalidInput
from symnum.synthesis.families import _dopri5
from symnum.synthesis.families.integrate import METHODS, STATUS, RightHandSide, integrate


def parse(*texts, names=("u_0", "u_1")):
    return [Expression.parse(t, names) for t in texts]


VAN_DER_POL = parse("u_1", "m*(1 - u_0**2)*u_1 - u_0", names=("u_0", "u_1", "m"))
OSCILLATOR = parse("u_1", "-u_0")


def test_tableau_is_scipys():
    from scipy.integrate._ivp.rk import RK45

    np.testing.assert_allclose(_dopri5.STAGES[:6, :5], RK45.A, rtol=1e-15)
    np.testing.assert_allclose(_dopri5.STAGES[6], RK45.B, rtol=1e-15)
    np.testing.assert_allclose(np.abs(_dopri5.ERROR), np.abs(RK45.E), rtol=1e-13)
    np.testing.assert_allclose(_dopri5.DENSE, RK45.P, rtol=1e-15)


def test_error_follows_the_tolerance():
    times = np.linspace(0, 20, 101)
    exact = np.stack([np.cos(times), -np.sin(times)], 1)
    errors = []
    for rtol in (1e-5, 1e-7, 1e-9):
        found = integrate(OSCILLATOR, [[1.0, 0.0]], times, rtol=rtol, atol=rtol)
        errors.append(np.abs(found.values[0] - exact).max())
        assert errors[-1] < 100 * rtol
    assert errors[0] > 20 * errors[1] > 400 * errors[2]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_follows_the_oscillator(method):
    times = np.array([0.0, 0.5, 0.5, 1.7, 2.0])  # irregular, one twice
    found = integrate(OSCILLATOR, [[1.0, 0.0], [0.0, 2.0]], times, method=method)
    assert found.ok.all()
    np.testing.assert_allclose(found.values[0, :, 0], np.cos(times), atol=1e-6)
    np.testing.assert_allclose(found.values[1, :, 0], 2 * np.sin(times), atol=1e-6)


def test_times_and_parameters_of_each_trajectory():
    rng = np.random.default_rng(0)
    times = np.sort(rng.uniform(0, 5, (40, 20)), axis=1)
    rates = rng.uniform(-1, 1, (40, 1))
    found = integrate(parse("k*u_0", names=("u_0", "k")), np.ones((40, 1)), times, rates)
    np.testing.assert_allclose(found.values[:, :, 0], np.exp(rates * (times - times[:, :1])), rtol=1e-6)


def test_a_trajectory_does_not_depend_on_its_company():
    rng = np.random.default_rng(1)
    initial, m = rng.uniform(-2, 2, (75, 2)), rng.uniform(0.1, 5, (75, 1))
    times = np.linspace(0, 6, 50)
    together = integrate(VAN_DER_POL, initial, times, m)
    for i in (0, 31, 32, 74):
        alone = integrate(VAN_DER_POL, initial[i : i + 1], times, m[i : i + 1])
        assert np.array_equal(alone.values[0], together.values[i])
        assert alone.steps[0] == together.steps[i]


def test_van_der_pol_against_scipy():
    times = np.linspace(0, 10, 60)
    found = integrate(VAN_DER_POL, [[2.0, 0.0]], times, [3.0])
    side = RightHandSide(parse("u_1", "3*(1 - u_0**2)*u_1 - u_0"))
    exact = solve_ivp(side, (0, 10), [2.0, 0.0], "Radau", times, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.values[0], exact.y.T, atol=1e-5)


def test_failures_are_marked():
    status = {name: i for i, name in enumerate(STATUS)}
    square = parse("u_0**2", names=("u_0",))
    found = integrate(square, [[1.0], [-1.0], [0.1]], np.linspace(0, 2, 11), bound=1e6)
    assert found.status.tolist() == [status["bound"], 0, 0]
    np.testing.assert_allclose(found.values[1:, -1, 0], [-1 / 3, 1 / 8], rtol=1e-6)
    np.testing.assert_allclose(found.values[0, :5, 0], 1 / (1 - 0.2 * np.arange(5)), rtol=1e-6)
    assert np.isnan(found.values[0, -1, 0])
    # Unbounded, the same singularity makes the step vanish.
    assert STATUS[integrate(square, [[1.0]], [0, 2.0]).status[0]] in ("steps", "not finite")
    # Stiff: an explicit method needs more steps than it is given, an implicit one does not.
    stiff = parse("-1e6*(u_0 - u_1)", "-u_1")
    assert STATUS[integrate(stiff, [[0.0, 1.0]], [0, 3.0]).status[0]] == "steps"
    implicit = integrate(stiff, [[0.0, 1.0]], [0, 3.0], method="BDF")
    np.testing.assert_allclose(implicit.values[0, -1], [np.exp(-3)] * 2, rtol=1e-4)
    # The solution reaches the edge of the domain.
    root = integrate(parse("-1/sqrt(u_0)", names=("u_0",)), [[1.0], [-1.0]], [0, 0.5, 1.0])
    assert [STATUS[s] for s in root.status] == ["not finite", "not finite"]


@pytest.mark.parametrize("method", ["DOPRI5", "BDF", "LSODA", "RK45"])
def test_no_method_hangs_on_a_singularity(method):
    found = integrate(parse("u_0**2", names=("u_0",)), [[1.0]], [0, 2.0], method=method, max_steps=5000)
    assert found.status[0] > 0
    assert found.steps[0] <= 5001


def test_one_time_and_no_trajectory():
    assert integrate(OSCILLATOR, [[1.0, 0.0]], [3.0]).values.tolist() == [[[1.0, 0.0]]]
    assert integrate(OSCILLATOR, np.empty((0, 2)), [0.0, 1.0]).values.shape == (0, 2, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"initial": [1.0, 0.0]}, r"initial must have shape \(n, 2\)"),
        ({"initial": [[np.nan, 0.0]]}, "initial must be finite"),
        ({"times": [0.0, 2.0, 1.0]}, "do not decrease"),
        ({"times": [[0.0, 1.0], [0.0, 1.0]]}, r"times must have shape"),
        ({"parameters": []}, "use 3 columns"),
        ({"method": "Euler"}, "unknown method 'Euler'"),
        ({"rtol": 0.0}, "must be positive"),
    ],
)
def test_bad_input_is_named(change, message):
    settings = {"initial": [[1.0, 0.0]], "times": [0.0, 1.0], "parameters": [1.0]} | change
    with pytest.raises(InvalidInput, match=message):
        integrate(VAN_DER_POL, **settings)


def test_right_hand_side_needs_one_equation_per_state():
    with pytest.raises(InvalidInput, match="1 equations use 2 states"):
        RightHandSide(parse("u_0 + u_1"))
