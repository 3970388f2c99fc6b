"""Whole systems in the harness: right corruption, right verdicts, both methods, resuming."""

from __future__ import annotations

import numpy as np
import pytest

from symnum.evaluation.methods.dynamics import SindySystem, make_system_method, simulate
from symnum.evaluation.system_runs import (
    expand_systems,
    read_results,
    read_system_config,
    run_one,
    run_systems,
    summary,
)
from symnum.evaluation.systems import corrupt, same_structure, side_error, system_case, trajectory_r2
from symnum.exceptions import InvalidInput
from symnum.expressions import Expression

NAMES = ("u_0", "u_1")


def parse(text):
    return Expression.parse(text, NAMES)


def test_random_systems_are_the_same_again_and_move():
    a, b = system_case("random-odes/3/5"), system_case("random-odes/3/5")
    assert a.equations == b.equations
    assert np.array_equal(a.trajectories[0], b.trajectories[0])
    slopes = np.stack([e.evaluate(a.trajectories[0]) for e in a.equations], axis=1)
    assert side_error(a, slopes) == 0
    assert np.allclose(np.gradient(a.trajectories[0], a.t, axis=0)[5:-5], slopes[5:-5], atol=0.05)


def test_odebench_cases_are_the_published_systems():
    case = system_case("odebench/1")
    made = simulate(case.equations, case.trajectories[1][0], case.t)
    assert trajectory_r2(case.trajectories[1], made) == pytest.approx(1.0, abs=1e-9)
    with pytest.raises(InvalidInput, match="odebench/64"):
        system_case("odebench/64")


def test_corruption_is_multiplicative_and_drops_rows():
    case = system_case("random-odes/3/5")
    t, U = corrupt(case, 0.05, 0.5, 0)
    assert t.shape == (256,)
    assert np.all(np.diff(t) > 0)
    exact = case.trajectories[0][np.searchsorted(case.t, t)]
    assert np.std(U / exact - 1) == pytest.approx(0.05, rel=0.15)
    assert np.array_equal(corrupt(case, 0.0, 0.0, 0)[1], case.trajectories[0])


@pytest.mark.parametrize(
    ("found", "truth", "same"),
    [
        ("u_0*(1.4 - 0.9*u_1)", "1.5*u_0 - u_0*u_1", True),
        ("2*u_0 - 3*u_0*u_1 + 0.001", "1.5*u_0 - u_0*u_1", False),
        ("1.5*u_0 - u_1", "1.5*u_0 - u_0*u_1", False),
        ("0.8*u_0/(0.9 + u_0)", "u_0/(1 + u_0)", True),
        ("-0.1*u_1 - 4.1*sin(u_0)", "-4*sin(u_0) - 0.2*u_1", True),
        ("u_1", "u_1", True),
    ],
)
def test_structure_is_judged_up_to_constants(found, truth, same):
    U = np.random.default_rng(0).uniform(0.3, 2.0, size=(100, 2))
    assert same_structure(parse(found), parse(truth), U) is same


def test_pysindy_recovers_a_clean_polynomial_system():
    pytest.importorskip("pysindy")
    t = np.linspace(0, 10, 400)
    truth = [parse("1.5*u_0 - u_0*u_1"), parse("0.5*u_0*u_1 - 0.8*u_1")]
    U = simulate(truth, np.array([1.0, 1.5]), t)
    found = SindySystem().fit(t, U, NAMES, 60.0, 0)
    texts = [e.text(4) for e in found]
    assert [same_structure(a, b, U) for a, b in zip(found, truth, strict=True)] == [True, True], texts
    assert trajectory_r2(U, simulate(found, U[0], t)) > 0.999


def test_a_campaign_goes_on_where_it_stopped(tmp_path):
    out = tmp_path / "runs.csv"
    config = {
        "systems": ["random-odes/1/3"],
        "methods": ["symnum"],
        "corruptions": [[0, 0]],
        "seeds": 1,
        "max_time": 3,
    }
    (first,) = run_systems(config, out)
    assert first.reconstruction > 0.99
    assert list(run_systems(config, out)) == []
    (stored,) = read_results(out)
    assert stored == first
    (row,) = summary([stored])
    assert row["reconstruction"] == 1
    assert row["runs"] == 1


def test_campaign_files_and_names(tmp_path):
    assert expand_systems(["odebench/*", "random-odes/1/0-2"])[-4:] == [
        "odebench/63", "random-odes/1/0", "random-odes/1/1", "random-odes/1/2",
    ]  # fmt: skip
    (tmp_path / "bad.yaml").write_text("systems: []\n")
    with pytest.raises(InvalidInput, match="must hold"):
        read_system_config(tmp_path / "bad.yaml")
    with pytest.raises(InvalidInput, match="choose one of"):
        make_system_method("nobody")


def test_a_failing_method_is_a_result():
    result = run_one("random-odes/1/3", "symnum", 0.0, 0.995, 0, 2.0)  # 4 points: too few for any method
    assert result.reconstruction == -np.inf
    assert "InvalidInput" in result.error
