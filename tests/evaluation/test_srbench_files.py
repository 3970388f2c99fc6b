"""The files for SRBench against its interface contract (branch srbench_2025, CONTRIBUTING.md)."""

from __future__ import annotations

import importlib.util
import inspect
import pickle
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sympy
import yaml
from sklearn.base import RegressorMixin, clone

FOLDER = Path(__file__).parents[2] / "eval" / "srbench"


@pytest.fixture(scope="module")
def method():
    spec = importlib.util.spec_from_file_location("symnum_srbench_regressor", FOLDER / "regressor.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(rng.uniform(1, 3, (120, 3)), columns=["mass", "v_2", "x1"])


@pytest.fixture(scope="module")
def fitted(method, frame):
    est = clone(method.est)
    est.max_time, est.random_state = 5, 23654
    y = 0.5 * frame["mass"] * frame["v_2"] ** 2 + np.sin(frame["x1"])
    return est.fit(frame, y.to_numpy()), y.to_numpy()


def values(text: str, frame: pd.DataFrame) -> np.ndarray:
    """SRBench reads the text with sympy's parser; so does this test."""
    symbols = {name: sympy.Symbol(name) for name in frame.columns}
    tree = sympy.parse_expr(text, local_dict=symbols)  # noqa: TID251 - SRBench's own way
    assert {s.name for s in tree.free_symbols} <= set(frame.columns)
    function = sympy.lambdify(list(symbols.values()), tree, "numpy")
    return np.broadcast_to(function(*frame.to_numpy().T), len(frame))


def test_metadata_has_the_keys_that_are_asked_for():
    data = yaml.safe_load((FOLDER / "metadata.yml").read_text(encoding="utf-8"))
    assert {"authors", "email", "name", "description", "url"} <= set(data)
    assert isinstance(data["authors"], list)
    assert data["name"] == "symnum"


def test_requirements_name_the_distribution():
    wanted = "symnum-discovery"
    lines = (FOLDER / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == [wanted]
    environment = yaml.safe_load((FOLDER / "environment.yml").read_text(encoding="utf-8"))
    assert environment["dependencies"][-1] == {"pip": [wanted]}


def test_names_and_types(method):
    assert isinstance(method.est, RegressorMixin)
    assert hasattr(method.est, "random_state")
    assert hasattr(method.est, "max_time")
    assert list(inspect.signature(method.model).parameters) == ["est", "X"]
    assert isinstance(method.hyper_params, list)
    known = {
        "test_params", "max_train_samples", "scale_x", "scale_y", "pre_train", "use_dataframe",
    }  # fmt: skip
    assert set(method.eval_kwargs) <= known
    clone(method.est).set_params(**method.eval_kwargs["test_params"])
    assert clone(method.est).get_params()["max_time"] == 3600


def test_model_text_is_what_is_predicted_in_the_names_of_the_frame(method, fitted, frame):
    est, y = fitted
    text = method.model(est, frame)
    np.testing.assert_allclose(values(text, frame), est.predict(frame), rtol=1e-9)
    assert 1 - np.sum((values(text, frame) - y) ** 2) / np.sum((y - y.mean()) ** 2) > 0.999
    assert method.complexity(est) > 0


def test_arrays_are_renamed_to_the_frame(method, frame):
    est = clone(method.est).set_params(max_time=5, random_state=1)
    y = (frame["mass"] / frame["x1"]).to_numpy()
    est.fit(frame.to_numpy(), y)
    assert re.fullmatch(r"[x0-9/*.+\- ()]+", method.model(est))  # x0, x1, ... without the frame
    np.testing.assert_allclose(values(method.model(est, frame), frame), y, rtol=1e-9)


def test_population_and_best_solution(method, fitted, frame):
    est, _ = fitted
    population = method.get_population(est)
    assert 1 <= len(population) <= 100
    for member in population:
        assert isinstance(member, RegressorMixin)
        found = member.predict(frame)
        assert found.shape == (len(frame),)
        np.testing.assert_allclose(values(method.model(member, frame), frame), found, rtol=1e-9)
        assert method.complexity(member) > 0
    best = method.get_best_solution(est)
    np.testing.assert_array_equal(best.predict(frame), est.predict(frame))


def test_pickles(fitted, frame):
    est, _ = fitted
    again = pickle.loads(pickle.dumps(est))  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(again.predict(frame), est.predict(frame))


def test_an_alarm_leaves_a_usable_model(method, frame, alarm):
    rng = np.random.default_rng(1)
    # Nothing exact to be found, so that the search is still running when the alarm rings.
    y = (frame["mass"] * frame["v_2"]).to_numpy() + rng.normal(0, 0.3, len(frame))
    est = clone(method.est).set_params(max_time=60, random_state=0)
    with pytest.raises(alarm(3.0)):
        est.fit(frame, y)
    assert np.isfinite(est.predict(frame)).all()
    np.testing.assert_allclose(values(method.model(est, frame), frame), est.predict(frame), rtol=1e-9)
