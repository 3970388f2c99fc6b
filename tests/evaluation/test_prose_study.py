"""Study of forecasters: cases, measures against numpy and scipy, going on, report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from symnum.evaluation.prose_cases import (
    Condition,
    expression_error,
    forecast_errors,
    make_cases,
)
from symnum.evaluation.prose_report import report
from symnum.evaluation.prose_routes import make_routes
from symnum.evaluation.prose_study import Study, read_study, run_study
from symnum.exceptions import InvalidInput
from symnum.expressions import Expression
from symnum.synthesis.families.ode_families import ODE_FAMILIES

CONFIGS = Path(__file__).parents[2] / "eval" / "configs" / "prose"


def test_cases_are_the_papers_windows():
    cases = make_cases(Condition("skeleton", 0.02), ["lorenz_3d", "thomas"], 2, 7, 64)
    assert [(c.family, c.index) for c in cases] == [
        ("lorenz_3d", 0),
        ("lorenz_3d", 1),
        ("thomas", 0),
        ("thomas", 1),
    ]
    case = cases[1]
    assert (case.t[63], case.t[-1], len(case.later)) == (pytest.approx(1.979, abs=1e-3), 6.0, 128)
    again = make_cases(Condition("skeleton", 0.02), ["lorenz_3d"], 1, 7, 64, first=1)[0]
    np.testing.assert_array_equal(again.shown, case.shown)
    assert all(np.all(e.constants == 1) for e in case.guess)
    assert make_cases(Condition("none"), ["thomas"], 1, 7, 64)[0].guess is None
    assert make_cases(Condition("known"), ["thomas"], 1, 7, 64)[0].guess == cases[2].equations
    terms = [
        sum(len(e) for e in make_cases(Condition(k), ["thomas"], 1, 7, 64)[0].guess)
        for k in ("deleted", "added")
    ]
    assert terms[0] < sum(len(e) for e in cases[2].equations) < terms[1]
    wide = make_cases(Condition("none", spread=0.2), ["lorenz_3d"], 8, 7, 64)
    factors = [c.equations[0].constants.max() / 10 for c in wide]
    assert max(abs(f - 1) for f in factors) > 0.1


def test_measures():
    case = make_cases(Condition(noise=0.0), ["sprott_B"], 1, 7, 64)[0]
    truth = case.truth[64:]
    assert forecast_errors(case, truth) == (0.0, 0.0)
    near, whole = forecast_errors(case, 1.1 * truth)
    assert near == pytest.approx(0.1, rel=1e-3)
    assert whole == pytest.approx(0.1, rel=1e-3)
    wrong = truth.copy()
    wrong[100:] = 0
    near, whole = forecast_errors(case, wrong)
    assert near == 0
    assert whole == pytest.approx(np.linalg.norm(truth[100:]) / np.linalg.norm(truth), rel=1e-3)
    for bad in (None, truth[:, :2], truth * np.nan, truth * 50):
        assert forecast_errors(case, bad) == (1.0, 1.0)


def test_expression_error_checks_dimensions_and_domains():
    law = ODE_FAMILIES["lorenz_3d"]
    truth = law.target([10, 28, 2.67])
    assert expression_error(truth, truth) == (0.0, True)
    X = np.random.default_rng(0).uniform(-5, 5, (50, 3))
    other = law.target([11, 28, 2.67])
    a, b = (np.stack([e.evaluate(X) for e in side]) for side in (truth, other))
    error, valid = expression_error(truth, other)
    assert valid
    assert error == pytest.approx(np.linalg.norm(a - b) / np.linalg.norm(a), rel=1e-6)
    assert expression_error(truth, truth[:1]) == (1.0, False)  # one equation does not stand for three
    assert expression_error(truth, None) == (1.0, False)
    undefined = [Expression.parse("log(u_0)", law.states)] * 3
    assert expression_error(truth, undefined) == (1.0, False)


def test_a_study_goes_on_and_is_reported(tmp_path: Path):
    study = Study(
        weights="", families=("sprott_B",), equations=2, conditions=(Condition("skeleton", 0.01),), seconds=10
    )
    routes = make_routes(["persistence", "guess refit"], None, {}, 0, 10.0, 1)
    out = tmp_path / "study.csv"
    first = list(run_study(study, {"persistence": routes["persistence"]}, out))
    assert [len(r) for r in first] == [2]
    second = list(run_study(study, routes, out))
    assert [r[0].route for r in second] == ["guess refit"]
    assert list(run_study(study, routes, out)) == []
    results = read_study(out)
    assert len(results) == 4
    persistence, fitted = results[:2], results[2:]
    case = make_cases(study.conditions[0], ["sprott_B"], 1, study.seed, 64)[0]
    still = np.linalg.norm(case.truth[64:] - case.shown[-1]) / np.linalg.norm(case.truth[64:])
    assert persistence[0].error == pytest.approx(still, rel=1e-3)
    assert np.isnan(persistence[0].expression_error)
    assert all(r.error < 0.1 and r.expression_error < 0.1 and r.valid for r in fitted)
    text = report(results)
    assert "| persistence | 2 |" in text
    assert "4.63" in text
    assert "arXiv:2309.16816" in text


def test_settings_are_checked(tmp_path: Path):
    for path in sorted(CONFIGS.glob("*.yaml")):
        study = Study.read(path)
        assert study.names
        assert study.conditions
    with pytest.raises(InvalidInput, match="no study"):
        Study.read(tmp_path / "none.yaml")
    with pytest.raises(InvalidInput, match="guess is one of"):
        replace(Condition(), guess="wild")
    with pytest.raises(InvalidInput, match="no route 'states'"):
        make_routes(["states"], None, {}, 0, 1.0, 1)


def test_the_networks_routes(tmp_path: Path):
    """Weights that know nothing give answers of the right kind."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from symnum.models import PROSEConfig, PROSEModel

    torch.manual_seed(0)
    model = PROSEModel(PROSEConfig.of_size("tiny", width=16, heads=2, hidden=32, max_symbols=64)).eval()
    cases = make_cases(Condition("unknown"), ["sprott_B"], 1, 7, 64)
    routes = make_routes(["states", "written", "refit"], model, {}, 2, 2.0, 1)
    states, written, refit = (routes[n](cases)[0] for n in ("states", "written", "refit"))
    assert states.states.shape == (128, 3)
    assert states.equations is None
    assert expression_error(cases[0].equations, written.equations)[0] > 0
    assert len(written.equations) == 3
    assert refit.equations is None or len(refit.equations) == 3
