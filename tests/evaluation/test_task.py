"""Tasks, and runs from task to row: every column in place, every failure a row."""

from __future__ import annotations

import json
import tempfile
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from symnum.evaluation.catalogue import entry
from symnum.evaluation.protocols import prepare
from symnum.evaluation.task import ROW_COLUMNS, Task, failure_row, fit_limit, run_task, said, time_limit
from symnum.exceptions import InvalidInput
from symnum.expressions import Expression


def check_row(row: dict) -> None:
    assert list(row) == list(ROW_COLUMNS)
    json.loads(json.dumps(row, allow_nan=False))
    kinds = {"str": str, "int": int, "float": (float, int), "bool": bool}
    for name, (kind, meaning) in ROW_COLUMNS.items():
        assert meaning
        if row[name] is not None:
            assert isinstance(row[name], kinds[kind]), name
            assert (kind == "bool") == isinstance(row[name], bool), name


def test_a_run_from_task_to_row():
    row = run_task(Task("symnum", "feynman/I.12.1", seed=3, max_time=10, tracks=("a", "b")))
    check_row(row)
    assert (row["status"], row["tracks"], row["suite"]) == ("ok", "a;b", "feynman")
    assert (
        row["recovered"] is row["recovered_any"] is row["recovered_front"] is row["accuracy_solution"] is True
    )
    assert row["srbench_solved"] is True
    assert row["r2_test"] == pytest.approx(1)
    assert row["r2_ood"] == pytest.approx(1)
    assert 0 <= row["time_to_first"] <= row["fit_seconds"] < 12
    assert row["total_seconds"] >= row["fit_seconds"]
    assert row["formula_gap"] == 0
    assert row["sympy_size"] <= row["truth_sympy_size"]
    assert Expression.parse(row["equation"]) is not None
    assert row["peak_memory_mb"] > 50


def test_a_scaled_run_gives_the_formula_on_the_original_scale():
    row = run_task(Task("linear", "strogatz/lv1", seed=15795, protocol="srbench-2025"))
    check_row(row)
    e = entry("strogatz/lv1")
    data = prepare(e, "symnum", 0)
    rows = np.concatenate([data.X_train, data.X_test])
    design = np.column_stack([np.ones(len(rows)), rows])
    y = e.truth.evaluate(rows)
    fitted = design @ np.linalg.lstsq(design, y, rcond=None)[0]
    formula = Expression.parse(row["equation"], e.names).evaluate(rows)
    assert np.corrcoef(formula, fitted)[0, 1] > 0.99  # other rows, nearly the same plane
    assert row["formula_gap"] < 1e-9
    assert row["status"] == "ok"


def test_failures_are_rows(monkeypatch, tmp_path):
    for task, status, part in (
        (Task("nothing", "feynman/I.12.1"), "error", "no method"),
        (Task("linear", "feynman/nothing"), "error", "no problem"),
        (Task("pysindy", "feynman/I.12.1"), "skipped", ""),
        (Task("nowhere/regressor.py", "feynman/I.12.1"), "skipped", "no file"),
    ):
        row = run_task(task)
        check_row(row)
        assert row["status"] == status, row["message"]
        assert part in row["message"]
        assert row["recovered"] is None
    monkeypatch.setenv("SYMNUM_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    row = run_task(Task("linear", "blackbox/1027_ESL"))
    assert (row["status"], row["message"]) == ("skipped", "the table 1027_ESL is in no folder of SYMNUM_DATA")


def test_messages_hold_no_places_of_this_machine(tmp_path):
    here = Path(__file__).resolve().parents[2] / "datasets"
    message = said(OSError(f"cannot read {here}/x and {tempfile.gettempdir()}/y and {Path.home()}/z"))
    assert message == "OSError: cannot read ROOT/datasets/x and TMP/y and ~/z"


FAILING = """
    import time
    from sklearn.linear_model import LinearRegression

    class Est(LinearRegression):
        def fit(self, X, y):
            %s

    est = Est()
    def model(est, X=None):
        return "0"
"""


@pytest.mark.parametrize(
    ("body", "status", "part"),
    [
        ("raise RuntimeError('inside the method')", "error", "inside the method"),
        ("raise MemoryError('no more')", "memory", "no more"),
        ("time.sleep(30)", "error", ""),  # nothing to predict with after SRBench's alarm
    ],
)
def test_whatever_a_method_raises_is_its_failure(monkeypatch, tmp_path, body, status, part):
    from symnum.evaluation import task as place

    monkeypatch.setattr(place, "GRACE_SECONDS", 0.5)
    path = tmp_path / "regressor.py"
    path.write_text(textwrap.dedent(FAILING % body))
    began = time.perf_counter()
    row = run_task(Task(str(path), "feynman/I.12.1", max_time=0.5))
    check_row(row)
    assert row["status"] == status, row["message"]
    assert part in row["message"]
    assert row["fit_seconds"] is not None
    assert row["n_train"] == 1000
    assert time.perf_counter() - began < 15


def test_a_fit_that_never_ends_is_a_timeout(monkeypatch):
    from symnum.evaluation import task as place
    from symnum.evaluation.methods.baselines import Linear

    def slow(self, training):
        time.sleep(30)

    monkeypatch.setattr(place, "GRACE_SECONDS", 0.5)
    monkeypatch.setattr(Linear, "fit", slow)
    row = run_task(Task("linear", "feynman/I.12.1", max_time=0.5))
    assert row["status"] == "timeout"
    assert 0.9 < row["fit_seconds"] < 5


# -------------------------------------------------------------------------------------------------- tasks
def test_keys_tell_runs_apart_and_ignore_labels():
    task = Task("symnum", "feynman/I.12.1", max_time=10)
    assert task.key == Task("symnum", "feynman/I.12.1", max_time=10.0, tracks=("x",)).key
    assert task.key == "0cb92ff7b74b3a216ec228cd"  # the same everywhere
    others = [
        Task("operon", "feynman/I.12.1", max_time=10), Task("symnum", "feynman/I.12.2", max_time=10),
        Task("symnum", "feynman/I.12.1", seed=1, max_time=10), Task("symnum", "feynman/I.12.1", noise=0.1),
        Task("symnum", "feynman/I.12.1", max_time=11), Task("symnum", "feynman/I.12.1", n_jobs=1),
        Task("symnum", "feynman/I.12.1", rows=100), Task("symnum", "feynman/I.12.1", protocol="srbench-2021"),
    ]  # fmt: skip
    assert len({task.key, *(t.key for t in others)}) == 9
    for t in (task, *others):
        assert Task.from_dict(json.loads(json.dumps(t.to_dict()))) == t
    assert time_limit(task) > fit_limit(task) > task.max_time
    assert fit_limit(Task("pysr", "a/b")) - fit_limit(Task("linear", "a/b")) == 600  # compiling Julia
    assert fit_limit(Task("linear", "a/b", protocol="srbench-2025", max_time=3600)) == 4200
    assert time_limit(Task("nonsense", "a/b")) > 10


@pytest.mark.parametrize(
    "wrong",
    [
        {"protocol": "x"}, {"seed": -1}, {"noise": -0.1}, {"noise": float("nan")}, {"max_time": 0},
        {"max_time": float("inf")}, {"n_jobs": 0}, {"rows": 1}, {"method": ""},
    ],
)  # fmt: skip
def test_tasks_that_make_no_sense(wrong):
    with pytest.raises(InvalidInput):
        Task(**({"method": "symnum", "problem": "feynman/I.12.1"} | wrong))


def test_failure_rows():
    row = failure_row(Task("a", "b/c"), "timeout", "killed", fit_seconds=3.0)
    check_row(row)
    assert (row["status"], row["fit_seconds"], row["suite"]) == ("timeout", 3.0, "b")
    with pytest.raises(InvalidInput):
        failure_row(Task("a", "b/c"), "gone", "")
    with pytest.raises(InvalidInput):
        failure_row(Task("a", "b/c"), "error", "", colour="red")
    with pytest.raises(InvalidInput, match="no task"):
        Task.from_dict({"method": "a", "problem": "b/c", "color": 1})
