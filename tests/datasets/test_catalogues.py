"""The catalogues of problems: every formula parses, is real in its box, and agrees with sympy."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
import sympy
from scipy.integrate import solve_ivp

from symnum.expressions import Expression

N_DRAWS = 200


def numbers(cell: str) -> np.ndarray:
    return np.array([float(item) for item in cell.split(";")])


def uniform(row: dict[str, str], rng: np.random.Generator) -> np.ndarray:
    low, high = numbers(row["low"]), numbers(row["high"])
    return rng.uniform(low, high, (N_DRAWS, len(low)))


def test_feynman_has_the_120_problems(rows):
    table = rows("feynman/feynman.csv")
    assert len({row["id"] for row in table}) == len(table) == 120
    assert Counter(row["set"] for row in table) == {"core": 100, "bonus": 20}
    assert sum(row["in_pmlb"] == "true" for row in table) == 119
    assert sum(row["in_srbench"] == "true" for row in table) == 116
    for row in table:
        names = row["variables"].split(";")
        lists = [row[key].split(";") for key in ("low", "high", "units")]
        assert {len(item) for item in lists} == {len(names)}
        assert (numbers(row["low"]) < numbers(row["high"])).all()
        for unit in [*lists[2], row["out_unit"]]:
            assert len([int(exponent) for exponent in unit.split("/")]) == 5


def test_feynman_formulas(rows, sympy_of, reference):
    rng = np.random.default_rng(0)
    for row in rows("feynman/feynman.csv"):
        names = row["variables"].split(";")
        formula = Expression.parse(row["formula"], names=names)
        X = uniform(row, rng)
        y = formula.evaluate(X)
        assert np.isfinite(y).all(), row["id"]
        np.testing.assert_allclose(y, reference(row["formula"], names, X), rtol=1e-9, err_msg=row["id"])
        tree = sympy_of(row["formula"])
        assert {symbol.name for symbol in tree.free_symbols} == set(names), row["id"]
        assert sum(1 for _ in sympy.preorder_traversal(tree)) == int(row["sympy_size"]), row["id"]
        assert Expression.parse(str(formula), names=names) == formula


def test_feynman_spot_values(rows):
    """Values from physics, with numbers in SI put in by hand."""
    table = {row["number"]: row for row in rows("feynman/feynman.csv")}

    def value(number: str, **inputs: float) -> float:
        names = table[number]["variables"].split(";")
        X = np.array([[inputs[name] for name in names]])
        return float(Expression.parse(table[number]["formula"], names=names).evaluate(X)[0])

    # Weight of 1 kg on Earth, Bohr radius, the Earth's year, cyclotron frequency of an electron per tesla.
    earth = {"x1": 0.0, "x2": 6.371e6, "y1": 0.0, "y2": 0.0, "z1": 0.0, "z2": 0.0}
    assert value("I.9.18", m1=5.9722e24, m2=1.0, G=6.6743e-11, **earth) == pytest.approx(9.82, abs=0.01)
    bohr = value("I.38.12", m=9.1093837e-31, q=1.602176634e-19, h=6.62607015e-34, epsilon=8.8541878e-12)
    assert bohr == pytest.approx(5.29177e-11, rel=1e-5)
    year = value("test_5", d=1.495978707e11, G=6.6743e-11, m1=1.98841e30, m2=5.9722e24)
    assert year == pytest.approx(365.256 * 86400, rel=1e-4)
    electron = value("I.34.8", q=1.602176634e-19, v=1.0, B=1.0, p=9.1093837e-31)
    assert electron / (2 * np.pi) == pytest.approx(27.99249e9, rel=1e-5)


CONSTANTS = {
    "G": 6.6743e-11,
    "c": 2.99792458e8,
    "epsilon": 8.854e-12,
    "h": 6.626e-34,
    "hbar": 1.054571817e-34,
    "kb": 1.380649e-23,
    "g": 9.80665,
}
ELECTRON_MASS, FINE_STRUCTURE, BOHR_MAGNETON = 9.10938356e-31, 7.2973525693e-3, 9.2740100783e-24
SPECIAL = {
    "feynman_test_1": {"alpha": FINE_STRUCTURE},
    "feynman_test_8": {"m": ELECTRON_MASS},
    "feynman_test_20": {"m": ELECTRON_MASS, "alpha": FINE_STRUCTURE},
    "feynman_II_34_29b": {"mom": BOHR_MAGNETON},
}
SOLVED_FOR_ANOTHER_QUANTITY = {"feynman_I_26_2", "feynman_I_30_5", "feynman_test_10"}


def draw_srsd(row: dict[str, str], rng: np.random.Generator) -> np.ndarray:
    draws = []
    for kind, low, high in zip(
        row["sampling"].split(";"), numbers(row["low"]), numbers(row["high"]), strict=True
    ):
        if kind in ("log", "log_signed"):
            values = np.exp(rng.uniform(np.log(low), np.log(high), N_DRAWS))
            values *= rng.choice([-1.0, 1.0], N_DRAWS) if kind == "log_signed" else 1.0
        else:
            assert kind in ("uniform", "integer")
            values = rng.uniform(low, high, N_DRAWS)
            values = np.round(values) if kind == "integer" else values
        draws.append(values)
    return np.column_stack(draws)


def test_srsd_is_feynman_with_the_constants_put_in(rows, reference):
    rng = np.random.default_rng(1)
    feynman = {row["id"]: row for row in rows("feynman/feynman.csv")}
    table = rows("feynman/srsd.csv")
    assert {row["id"] for row in table} == set(feynman)
    assert Counter(row["difficulty"] for row in table) == {"easy": 30, "medium": 40, "hard": 50}
    for row in table:
        names = row["variables"].split(";")
        X = draw_srsd(row, rng)
        y = Expression.parse(row["formula"], names=names).evaluate(X)
        np.testing.assert_allclose(y, reference(row["formula"], names, X), rtol=1e-6, err_msg=row["id"])
        assert np.isfinite(y).mean() == pytest.approx(float(row["finite_fraction"]), abs=0.12), row["id"]
        if row["id"] in SOLVED_FOR_ANOTHER_QUANTITY:
            continue
        truth = feynman[row["id"]]
        inputs = truth["variables"].split(";")
        known = {**CONSTANTS, **SPECIAL.get(row["id"], {}), **dict(zip(names, X.T, strict=True))}
        full = np.column_stack(
            [np.broadcast_to(known[name], N_DRAWS) for name in truth["variables"].split(";")]
        )
        expected = Expression.parse(truth["formula"], names=inputs).evaluate(full)
        close = np.isclose(y, expected, rtol=1e-6, atol=0.0, equal_nan=True)
        # A few draws cancel (1 - cos of a tiny angle): the two spellings then round differently.
        assert close.mean() >= 0.97, row["id"]


def grid(rule: str) -> tuple[str, float, float, float]:
    kind, low, high, last = rule.split()
    assert kind in ("uniform", "step", "linspace")
    return kind, float(low), float(high), float(last)


def test_classic_problems(rows, sympy_of, reference):
    rng = np.random.default_rng(2)
    table = rows("classic/classic.csv")
    assert len({row["id"] for row in table}) == len(table) == 102
    for row in table:
        names = row["variables"].split(";")
        rules = [grid(rule) for rule in row["train"].split(";")]
        assert len(rules) == len(names)
        assert row["test"] == "" or len([grid(rule) for rule in row["test"].split(";")]) == len(names)
        X = np.column_stack([rng.uniform(low, high, N_DRAWS) for _, low, high, _ in rules])
        formulas = [row["formula"]]
        if row["alternative"] and row["id"] != "Livermore-14":  # its alternative has a second variable
            formulas.append(row["alternative"])
        for text in formulas:
            y = Expression.parse(text, names=names).evaluate(X)
            # Korns-11 takes the cosine of angles up to 1e6: a rounding of the angle shows at 1e-9.
            np.testing.assert_allclose(y, reference(text, names, X), rtol=1e-8, atol=1e-8, err_msg=row["id"])
            assert np.isfinite(y).mean() > (0.35 if row["id"] == "Korns-15" else 0.999), row["id"]
        size = sum(1 for _ in sympy.preorder_traversal(sympy_of(row["formula"])))
        assert size == int(row["sympy_size"]), row["id"]


@pytest.fixture(scope="module")
def odebench(data_root):
    return json.loads((data_root / "odebench/odebench.json").read_text(encoding="utf-8"))


def test_odebench_systems(odebench, reference):
    systems = odebench["systems"]
    assert [system["id"] for system in systems] == list(range(1, 64))
    assert Counter(system["dim"] for system in systems) == {1: 23, 2: 28, 3: 10, 4: 2}
    rng = np.random.default_rng(3)
    for system in systems:
        states = [f"x_{i}" for i in range(system["dim"])]
        constants = [f"c_{i}" for i in range(len(system["constants"]))]
        U = rng.uniform(0.1, 0.9, (N_DRAWS, system["dim"]))
        with_constants = np.column_stack(
            [U, *np.broadcast_to(system["constants"], (N_DRAWS, len(constants))).T]
        )
        assert len(system["equations"]) == len(system["template"]) == system["dim"]
        for equation, template in zip(system["equations"], system["template"], strict=True):
            y = Expression.parse(equation, names=states).evaluate(U)
            z = Expression.parse(template, names=[*states, *constants]).evaluate(with_constants)
            np.testing.assert_allclose(y, z, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(y, reference(equation, states, U), rtol=1e-9, atol=1e-12)
            for start in system["initial_conditions"]:
                assert np.isfinite(Expression.parse(equation, names=states).evaluate(np.array([start]))).all()


# Number of the system, its constants' closed-form solution of the first state (textbooks).
CLOSED_FORMS = {
    "growth": (2, lambda t, u: u[0] * np.exp(0.23 * t)),
    "logistic": (3, lambda t, u: 74.3 / (1 + (74.3 / u[0] - 1) * np.exp(-0.79 * t))),
    "oscillator": (24, lambda t, u: u[0] * np.cos(2.1**0.5 * t) + u[1] / 2.1**0.5 * np.sin(2.1**0.5 * t)),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_odebench_against_closed_forms(odebench, name):
    number, solution = CLOSED_FORMS[name]
    system = odebench["systems"][number - 1]
    names = [f"x_{i}" for i in range(system["dim"])]
    rhs = [Expression.parse(equation, names=names) for equation in system["equations"]]
    t = np.linspace(*odebench["t_span"], 50)

    def derivative(_time, state):
        return [f.evaluate(state[None, :])[0] for f in rhs]

    for start in system["initial_conditions"]:
        run = solve_ivp(derivative, odebench["t_span"], start, t_eval=t, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(run.y[0], solution(t, start), rtol=1e-6, atol=1e-7)
