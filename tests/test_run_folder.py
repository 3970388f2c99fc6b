"""Runs on disk: readable at every moment, kept when killed, gone on with."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from symnum import Expression, SymbolicRegressor
from symnum.exceptions import InvalidInput

FORMULAS = "9.1", "m*v", "m*v**2*0.4", "0.5*m*v**2", "0.5*m*v**2 + 0.0001"


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.uniform(1, 5, (60, 2)), columns=["m", "v"])
    return X, (0.5 * X["m"] * X["v"] ** 2 + 0.01 * rng.normal(size=60)).to_numpy()


@pytest.fixture(scope="module")
def search(given_search):
    return given_search(*FORMULAS)


def test_a_finished_run_is_the_model(data, tmp_path, search):
    X, y = data
    model = SymbolicRegressor(search=search, max_evals=3, output_directory=tmp_path / "run").fit(X, y)
    back = SymbolicRegressor.from_run(tmp_path / "run")
    np.testing.assert_array_equal(back.predict(X), model.predict(X))
    pd.testing.assert_frame_equal(back.history_, model.history_)
    assert back.stop_reason_ == model.stop_reason_ == "max_evals"
    assert back.warm_start
    table = pd.read_csv(tmp_path / "run" / "equations.csv", index_col="row")
    assert table["equation"].tolist() == model.equations_["equation"].tolist()
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["equations.csv", "model.json"]


def test_the_same_table_with_and_without_a_folder(data, tmp_path):
    settings = {"max_time": None, "max_evals": 300, "random_state": 0}
    models = (SymbolicRegressor(output_directory=folder, **settings) for folder in (None, tmp_path))
    pd.testing.assert_frame_equal(*(m.fit(*data).equations_ for m in models))


def test_going_on_keeps_what_was_found(data, tmp_path, search, given_search):
    X, y = data
    good = SymbolicRegressor(search=search, output_directory=tmp_path).fit(X, y)
    back = SymbolicRegressor.from_run(tmp_path).set_params(search=given_search("m", "v"))
    again = back.fit(X, y)
    assert again.equations_["loss"].min() == good.equations_["loss"].min()
    assert not (tmp_path / "model-1.json").exists()
    assert (
        SymbolicRegressor.from_run(tmp_path).equations_["equation"].tolist()
        == again.equations_["equation"].tolist()
    )


def test_a_new_run_keeps_the_old_model(data, tmp_path, search):
    X, y = data
    for _ in range(3):
        SymbolicRegressor(search=search, output_directory=tmp_path).fit(X, y)
    kept = ["model-1.json", "model-2.json", "model.json"]
    assert sorted(p.name for p in tmp_path.glob("*.json")) == kept
    for name in kept:
        assert SymbolicRegressor.load(tmp_path / name).predict(X).shape == (60,)


def test_several_outputs_have_folders(data, tmp_path, search):
    X, y = data
    both = np.column_stack([y, X["m"]])
    model = SymbolicRegressor(search=search, output_directory=tmp_path).fit(X, both)
    back = SymbolicRegressor.from_run(tmp_path)
    np.testing.assert_array_equal(back.predict(X), model.predict(X))
    one = SymbolicRegressor.from_run(tmp_path / "output-1")
    np.testing.assert_array_equal(one.predict(X), model.outputs_[1].predict(X))
    assert pd.read_csv(tmp_path / "equations.csv")["output"].unique().tolist() == [0, 1]
    (tmp_path / "model.json").unlink()
    with pytest.raises(InvalidInput, match=r"one by one: from_run\('.*output-0'\)"):
        SymbolicRegressor.from_run(tmp_path)


def test_folders_that_cannot_be_used_are_refused_before_the_search(data, tmp_path):
    X, y = data
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InvalidInput, match="there is a file of that name"):
        SymbolicRegressor(output_directory=tmp_path / "file").fit(X, y)
    assert (tmp_path / "file").read_text() == "mine"
    with pytest.raises(InvalidInput, match="no file"):
        SymbolicRegressor.from_run(tmp_path / "nowhere")


RUN = """
import sys, time, numpy as np
from symnum import Expression, SymbolicRegressor

class Slow:
    def run(self, problem, budget, rng, hall, ledger):
        for k in range(10_000):
            time.sleep(0.05)
            e = Expression.parse(f"x0*{2 + 1 / (k + 1)!r}", problem.names)
            found = hall.add(e, "slow", budget.elapsed)
            if found is not None:
                print(budget.elapsed, found.loss, flush=True)
                yield found

X = np.random.default_rng(0).uniform(1, 5, (50, 3))
SymbolicRegressor(search=Slow(), output_directory=sys.argv[1], max_time=200).fit(X, 2 * X[:, 0])
"""


def test_killed_in_the_middle(tmp_path, given_search):
    """SIGKILL loses at most what was found in the last second or so, and the run can be gone on with."""
    started = subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    told = []
    try:
        while not told or told[-1][0] < 3:
            told.append([float(v) for v in started.stdout.readline().split()])
    finally:
        started.kill()
    with started.stdout:
        told += [[float(v) for v in line.split()] for line in started.stdout]
    assert started.wait(10) == -signal.SIGKILL
    stored = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))
    # A busy machine is given 2 seconds; alone on it, half a second passes between checkpoints.
    before = [loss for seconds, loss in told if seconds < told[-1][0] - 2]
    assert len(before) > 3
    assert stored["equations"]["loss"][-1] <= before[-1] * (1 + 1e-12)
    assert stored["stop_reason"] == "unfinished run"

    model = SymbolicRegressor.from_run(tmp_path)
    X = np.random.default_rng(0).uniform(1, 5, (50, 3))
    assert np.isfinite(model.predict(X)).all()
    assert model.max_time == 200
    assert model.search == "auto"  # a search object is code, which no file holds
    model.set_params(search=given_search("x1"), max_evals=10).fit(X, 2 * X[:, 0])
    assert model.equations_["loss"].min() <= stored["equations"]["loss"][-1]


class Rolling:
    """Search that notes its random numbers."""

    def __init__(self) -> None:
        self.drawn: list[int] = []

    def run(self, problem, budget, rng, hall, ledger):
        budget.charge(1)
        self.drawn.append(int(rng.integers(10**9)))
        yield from filter(None, [hall.add(Expression.parse("0.5*m*v**2", problem.names), "", 0.0)])


@pytest.mark.parametrize("seed", [7, None, "generator"])
def test_going_on_draws_further_numbers_and_always_the_same_ones(data, tmp_path, seed):
    given = np.random.default_rng(3) if seed == "generator" else seed
    search = Rolling()
    SymbolicRegressor(search=search, random_state=given, output_directory=tmp_path / "run").fit(*data)
    for name in ("a", "b"):
        shutil.copytree(tmp_path / "run", tmp_path / name)
        SymbolicRegressor.from_run(tmp_path / name).set_params(search=search).fit(*data)
    other = SymbolicRegressor.from_run(tmp_path / "run").set_params(search=search, random_state=8)
    other.fit(*data)
    first, a, b, reseeded = search.drawn
    assert a == b
    assert len({first, a, reseeded}) == 3


def test_a_warm_start_goes_on_in_the_random_numbers_too(data):
    drawn = []
    for _ in range(2):
        model = SymbolicRegressor(search=Rolling(), random_state=1, warm_start=True)
        for _ in range(3):
            model.fit(*data)
        drawn.append(model.search.drawn)
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == 3


def test_outputs_know_the_names_of_the_columns(data, tmp_path, search):
    X, y = data
    model = SymbolicRegressor(search=search, output_directory=tmp_path).fit(X, np.column_stack([y, X["m"]]))
    for place, one in [*enumerate(model.outputs_), *enumerate(SymbolicRegressor.from_run(tmp_path).outputs_)]:
        assert list(one.feature_names_in_) == ["m", "v"]
        np.testing.assert_array_equal(one.predict(X), model.predict(X)[:, place])
        with pytest.raises(ValueError, match="feature names"):
            one.predict(X[["v", "m"]])
    assert SymbolicRegressor.from_run(tmp_path / "output-1").predict(X).shape == (60,)
