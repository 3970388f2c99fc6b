"""Random systems: their laws, that they are bounded and move, and that benchmarks are kept out."""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from symnum import Expression
from symnum.exceptions import InvalidInput
from symnum.expressions.tokenizer import ExpressionTokenizer
from symnum.synthesis.families.random_odes import RandomODELaw, benchmark_of, draw_system, is_interesting
from symnum.synthesis.families.trajectories import RANDOM_FAMILIES, TrajectoryConfig, make_equations

ODEBENCH = Path(__file__).parents[2] / "datasets" / "odebench" / "odebench.json"
CONFIG = TrajectoryConfig(trajectories=3, points=40)


def parse(*texts):
    return [Expression.parse(t, [f"x_{i}" for i in range(len(texts))]) for t in texts]


def test_laws_of_the_terms():
    rng, law = np.random.default_rng(0), RandomODELaw()
    systems = [draw_system(rng, 1 + i % 4) for i in range(800)]
    texts = [t for s in systems for t in s.equations]
    counts = Counter(len(re.split(r" \+ (?![^(]*\))", t)) for t in texts)
    assert set(counts) == {1, 2, 3, 4}
    # The damping comes first, so more equations have one term than a quarter minus nothing.
    assert 0.2 < counts[1] / len(texts) < 0.35
    share = {
        "trigonometric": np.mean([("sin" in t) or ("cos" in t) for t in texts]),
        "rational": np.mean(["/" in t for t in texts]),
    }
    assert 0.1 < share["trigonometric"] < 0.35
    assert 0.1 < share["rational"] < 0.35
    numbers = np.abs([c for s in systems for e in s.symbols for c in e.constants])
    assert numbers.min() >= law.magnitude[0]
    assert numbers.max() <= law.magnitude[1]
    own = Counter()
    for s in systems:
        for i, e in enumerate(s.equations):
            own[bool(re.search(rf"(^|\+ )-[\d.]+\*u_{i}($| \+)", e))] += 1
    assert 0.55 < own[True] / sum(own.values()) < 0.75


def test_every_state_occurs_and_words_lose_nothing():
    tokenizer, rng = ExpressionTokenizer.prose(4), np.random.default_rng(1)
    for i in range(100):
        system = draw_system(rng, 1 + i % 4)
        used = {v for e in system.symbols for v in e.variables}
        assert used == set(range(system.dimension))
        target = system.target([])
        back = tokenizer.decode_system(tokenizer.encode(target), names=system.states)
        assert [str(e) for e in back] == [str(e) for e in target]


@pytest.mark.parametrize("family", RANDOM_FAMILIES)
def test_accepted_systems_are_bounded_move_and_are_solved_right(family):
    for data in make_equations(CONFIG, family, range(6)):
        assert data.values.shape == (3, 40, int(family[7]))
        assert np.abs(data.values).max() < 100
        assert is_interesting(data.values.astype(float))

        def side(t, u, equations=data.equations):
            return [float(e.evaluate(u[None])[0]) for e in equations]

        first = data.values[0].astype(float)
        exact = solve_ivp(side, (0, 6), first[0], "LSODA", data.times, rtol=1e-9, atol=1e-10).y.T
        np.testing.assert_allclose(first[:14], exact[:14], atol=1e-4 * (1 + np.abs(exact).max()))


def test_moving_means_every_state_moves_and_goes_on():
    t = np.linspace(0, 6, 50)
    moving = np.stack([np.sin(t), np.cos(t)], axis=1)[None]
    assert is_interesting(moving)
    assert not is_interesting(np.concatenate([moving, 0 * moving[..., :1]], axis=2))
    assert not is_interesting(np.exp(-5 * t)[None, :, None])


def test_benchmark_systems_are_recognised():
    systems = json.loads(ODEBENCH.read_text(encoding="utf-8"))["systems"]
    found = {s["id"]: benchmark_of(parse(*s["equations"])) for s in systems}
    missed = [i for i, name in found.items() if name is None]
    assert missed == []
    assert found[63] == "odebench/63"


def test_whatever_the_constants_and_the_order_of_the_states():
    assert benchmark_of(parse("3*x_1 - 3*x_0", "7*x_0 - x_1 - x_0*x_2", "x_0*x_1 - 0.3*x_2"))
    assert benchmark_of(parse("x_0*x_2 - 0.3*x_1", "2*x_2 - 2*x_1", "7*x_0 - x_2 - x_1*x_0"))
    assert benchmark_of(parse("x_1", "-0.3*sin(x_0)")) == "odebench/28"
    assert benchmark_of(parse("0.2*x_0*(1 - 0.1*x_0)"))


def test_a_system_with_one_new_equation_is_no_benchmark():
    assert benchmark_of(parse("x_1", "-0.3*sin(x_0) + x_1**3/(2 + x_0**2)")) is None
    assert benchmark_of(parse("sin(x_0)*x_1 - x_0**3", "x_0 - x_1")) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_terms": 0},
        {"rational": 0.8, "trigonometric": 0.5},
        {"damped": 1.5},
        {"magnitude": (2.0, 1.0)},
        {"degree": (1.0, 0.0)},
    ],
)
def test_impossible_laws_are_refused(wrong):
    with pytest.raises(InvalidInput, match="no law of random systems"):
        RandomODELaw(**wrong)


def test_too_many_states_are_refused():
    with pytest.raises(InvalidInput, match="1 to 4 states, got 5"):
        draw_system(np.random.default_rng(0), 5)
