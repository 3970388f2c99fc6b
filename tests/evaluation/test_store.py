"""Files of results, their views and their mirror; configurations."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from symnum.evaluation.catalogue import find
from symnum.evaluation.config import Config, Selection, expand, make_config, read_config
from symnum.evaluation.methods import methods
from symnum.evaluation.store import (
    COLUMNS,
    MIRROR_LEFT_OUT,
    ORDER,
    Store,
    connect,
    load_runs,
    schema,
    write_mirror,
)
from symnum.evaluation.task import Task, empty_row, failure_row
from symnum.exceptions import InvalidInput

CONFIGS = Path(__file__).parents[2] / "eval" / "configs"


def row(
    seed: int, *, method: str = "a", problem: str = "feynman/I.6.2a", at: int = 0, **known: object
) -> dict:
    task = Task(method, problem, seed=seed, tracks=("core", "srbench"))
    found = {"status": "ok", "truth": "x0*x1", "finished": f"2026-01-01T00:00:{at:02d}.000000+00:00"}
    return empty_row(task) | found | known


def filled(folder: Path, *rows: dict) -> Store:
    store = Store(folder)
    for each in rows:
        store.add(each)
    return store


# ------------------------------------------------------------------------------------------------ store
def test_every_column_comes_back_with_its_type(tmp_path: Path):
    examples = {"str": 'µ, "quoted"\nsecond line; it\'s', "int": 7, "float": 0.1, "bool": True}
    full = {name: examples[dtype] for name, (dtype, _) in COLUMNS.items()} | {"key": "k1", "status": "ok"}
    empty = dict.fromkeys(COLUMNS) | {"key": "k2", "status": "error"}
    filled(tmp_path, full, empty)
    assert pq.read_schema(Store(tmp_path).files()[0]).equals(schema())
    runs = load_runs(tmp_path).set_index("key")
    for name in COLUMNS:
        if name not in ("key", "status"):
            assert runs.loc["k1", name] == full[name]
            assert pd.isna(runs.loc["k2", name])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_are_missing(tmp_path: Path, value: float):
    filled(tmp_path, row(0, r2_test=value))
    assert pd.isna(load_runs(tmp_path)["r2_test"][0])


def test_numpy_values_are_taken(tmp_path: Path):
    filled(tmp_path, row(0, r2_test=np.float64(0.5), recovered=np.bool_(True), complexity=np.int64(3)))
    run = load_runs(tmp_path).iloc[0]
    assert (run["r2_test"], run["recovered"], run["complexity"]) == (0.5, True, 3)


def test_a_row_must_fit_the_schema(tmp_path: Path):
    with pytest.raises(InvalidInput, match="r2_tset"):
        filled(tmp_path, row(0, r2_tset=1.0))
    with pytest.raises(InvalidInput, match="key"):
        filled(tmp_path, row(0) | {"key": None})


def test_the_run_that_finished_last_counts(tmp_path: Path):
    filled(tmp_path, row(0, at=2, r2_test=0.2), row(0, at=1, r2_test=0.1), row(1, at=1, r2_test=0.7))
    runs = load_runs(tmp_path)
    assert list(runs["r2_test"]) == [0.2, 0.7]
    assert Store(tmp_path).statuses() == {run.key: "ok" for run in runs.itertuples()}


def test_merging_changes_nothing_but_the_files(tmp_path: Path):
    store = filled(tmp_path, *(row(seed, at=seed) for seed in range(5)), row(2, at=30, r2_test=0.5))
    before = load_runs(tmp_path)
    store.compact()
    assert len(store.files()) == 6  # too few to be worth it
    store.compact(everything=True)
    assert len(store.files()) == 1
    pd.testing.assert_frame_equal(load_runs(tmp_path), before)
    store.add(row(9))
    assert len(load_runs(tmp_path)) == 6
    assert len(store.statuses()) == 6


def test_a_crash_between_merging_and_deleting_doubles_nothing(tmp_path: Path):
    store = filled(tmp_path, *(row(seed) for seed in range(4)))
    parts = {path: path.read_bytes() for path in store.files()}
    before = load_runs(tmp_path)
    store.compact(everything=True)
    for path, data in parts.items():
        path.write_bytes(data)
    assert len(store.files()) == 5
    pd.testing.assert_frame_equal(load_runs(tmp_path), before)


def test_what_was_half_written_is_neither_read_nor_kept(tmp_path: Path):
    store = filled(tmp_path, row(0))
    whole = store.files()[0]
    half = whole.with_name(f".{whole.name}.tmp")
    half.write_bytes(whole.read_bytes()[:-100])
    assert len(load_runs(tmp_path)) == 1
    with store.writing():
        assert not half.exists()


def test_columns_added_later_are_missing_in_old_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    filled(tmp_path, row(0))
    monkeypatch.setitem(COLUMNS, "new_score", ("float", "of a later version"))
    filled(tmp_path, row(1, new_score=0.5))
    assert list(load_runs(tmp_path)["new_score"].fillna(-1)) == [-1, 0.5]


def test_rows_are_in_the_documented_order(tmp_path: Path):
    seeds = np.random.default_rng(1).permutation(6)
    filled(tmp_path, *(row(int(s), method=m) for s in seeds for m in ("b", "a")))
    runs = load_runs(tmp_path)
    assert list(zip(runs["seed"], runs["method"], strict=True)) == [(s, m) for s in range(6) for m in "ab"]


def test_failures_know_whether_there_is_a_truth(tmp_path: Path):
    def failed(problem: str) -> dict:
        return failure_row(Task("b", problem), "timeout", "too slow") | {"finished": "2026"}

    ok = (row(0), row(0, problem="blackbox/x", truth=None), row(0, problem="mixed/x"),
          row(0, problem="mixed/y", truth=None))  # fmt: skip
    problems = ("feynman/I.6.2a", "feynman/other", "blackbox/x", "blackbox/other", "mixed/x", "mixed/y")
    filled(tmp_path, *ok, *map(failed, problems))
    runs = load_runs(tmp_path)
    known = runs[runs["method"] == "b"].set_index("problem")["has_truth"]
    assert [bool(known[p]) for p in problems] == [True, True, False, False, True, False]


def test_summary_counts_failures_as_failures(tmp_path: Path):
    solved = {"recovered": True, "recovered_any": True, "accuracy_solution": True, "r2_zero_test": 1.0}
    failed = failure_row(Task("a", "feynman/I.6.2a", seed=2), "crash", "gone")
    skipped = failure_row(Task("a", "feynman/I.6.2a", seed=3), "skipped", "not installed")
    filled(tmp_path, row(0, **solved), row(1, recovered=False, r2_zero_test=0.4), failed, skipped)
    with connect(tmp_path) as database:
        (line,) = database.execute("SELECT * FROM summary").df().to_dict("records")
    assert (line["runs"], line["failures"]) == (3, 1)
    assert line["recovery"] == pytest.approx(1 / 3)
    assert line["accuracy_solution"] == pytest.approx(1 / 3)
    assert line["median_r2"] == 0.4


def test_mirror_holds_the_same_runs(tmp_path: Path):
    text = 'x0*"quoted", it\'s\nnext'
    full = row(0, r2_test=1 / 3, recovered=True, equation=text, host="name of a machine", complexity=4)
    filled(
        tmp_path / "store", full, row(1, recovered=None), failure_row(Task("b", "blackbox/x"), "error", "why")
    )
    mirror = write_mirror(tmp_path / "store", tmp_path / "results" / "mirror.csv")
    assert "name of a machine" not in mirror.read_text()
    runs, copy = load_runs(tmp_path / "store"), load_runs(mirror)
    assert list(copy["key"]) == list(runs["key"])
    kept = [c for c in COLUMNS if c not in MIRROR_LEFT_OUT] + ["suite", "has_truth"]
    for name in kept:
        ours, theirs = runs[name], copy[name]
        assert (ours.isna() == theirs.isna()).all()
        if COLUMNS.get(name, ("bool",))[0] == "float":
            np.testing.assert_allclose(ours.astype(float), theirs.astype(float), rtol=1e-5)
        else:
            assert list(ours.dropna()) == list(theirs.dropna())
    first = mirror.read_bytes()
    write_mirror(tmp_path / "store", mirror)
    assert mirror.read_bytes() == first


def test_mirror_hides_paths_and_long_stories(tmp_path: Path):
    message = 'killed by SIGSEGV; last words: Fatal\n  File "/home/someone/work.py", line 5'
    filled(tmp_path / "store", row(0, status="crash", message=message))
    text = write_mirror(tmp_path / "store", tmp_path / "mirror.csv").read_text()
    assert "SIGSEGV" in text
    assert "/home/someone" not in text


def test_reading_leaves_no_trace_and_nothing_is_an_error(tmp_path: Path):
    with pytest.raises(InvalidInput, match="no results in"):
        load_runs(tmp_path)
    with pytest.raises(InvalidInput, match="no results in"):
        load_runs(tmp_path / "missing")
    assert not list(tmp_path.iterdir())
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(InvalidInput, match="no mirror"):
        load_runs(other)
    with pytest.raises(InvalidInput, match="cannot keep results"):
        Store(other)


def test_a_quote_in_the_folder_name(tmp_path: Path):
    store = filled(tmp_path / "it's here", row(0), row(1))
    store.compact(everything=True)
    assert len(load_runs(tmp_path / "it's here")) == 2


# ------------------------------------------------------------------------------------------------ config
GOOD = {"name": "n", "methods": ["linear", "symnum"], "problems": [{"find": "feynman/*"}]}


def test_expansion_is_seed_by_seed_problem_by_problem_method_by_method():
    selections = [
        {"find": "feynman/*", "every": 40, "noise": [0, "1e-2"]},
        {"find": ["strogatz/vdp*"], "rows": 50},
    ]
    config = make_config(GOOD | {"problems": selections, "seeds": 2, "max_time": 3, "n_jobs": 1})
    tasks = expand(config)
    assert tasks == expand(config)
    ids = list(dict.fromkeys(task.problem for task in tasks))
    assert ids == [*find("feynman/*")[::40], "strogatz/vdp1", "strogatz/vdp2"]
    per_seed = (3 * 2 + 2) * 2
    assert [task.seed for task in tasks] == [0] * per_seed + [1] * per_seed
    assert [(t.method, t.noise) for t in tasks[:4]] == [
        ("linear", 0.0), ("symnum", 0.0), ("linear", 0.01), ("symnum", 0.01)
    ]  # fmt: skip
    assert {t.rows for t in tasks if t.problem.startswith("strogatz")} == {50}
    assert {t.tracks for t in tasks if t.problem == "feynman/I.6.2a"} == {("core", "srbench")}
    assert len({task.key for task in tasks}) == len(tasks)


def test_labels_choose_problems():
    only = make_config(
        GOOD | {"problems": [{"find": "blackbox/*", "labels": "2025", "without": ["friedman"]}]}
    )
    ids = {task.problem for task in expand(only)}
    assert "blackbox/192_vineyard" in ids
    assert not any("fri_c" in i for i in ids)
    some = make_config(GOOD | {"problems": [{"find": "blackbox/*", "first": 4}]})
    assert len(expand(some)) == 8


@pytest.mark.parametrize(("protocol", "seeds"), [("srbench-2021", [23654, 15795]), ("symnum", [0, 1])])
def test_a_count_of_seeds_takes_the_protocols_own(protocol: str, seeds: list[int]):
    config = make_config(GOOD | {"problems": [{"find": "strogatz/vdp1"}], "protocol": protocol, "seeds": 2})
    assert sorted({task.seed for task in expand(config)}) == sorted(seeds)
    listed = make_config(GOOD | {"problems": [{"find": "strogatz/vdp1"}], "seeds": [5, 3]})
    assert [task.seed for task in expand(listed)] == [5, 5, 3, 3]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methds": []}, "unknown word 'methds'; did you mean methods"),
        (
            {"problems": [{"find": "feynman/*", "evry": 3}]},
            r"problems\[0\]: unknown word 'evry'; did you mean every",
        ),
        ({"problems": [{"every": 3}]}, "'find' is missing"),
        ({"problems": []}, "list of selections"),
        ({"problems": {"find": "x"}}, "list of selections"),
        ({"problems": ["feynman/*"]}, "expected 'name: value' pairs"),
        ({"max_time": "long"}, "max_time: expected a number, got 'long'"),
        ({"max_time": True}, "max_time: expected a number"),
        ({"n_jobs": 1.5}, "n_jobs: expected a whole number"),
        ({"name": 5}, "name: expected text"),
        ({"methods": [1]}, "methods: expected text or a list of texts"),
        ({"methods": []}, "must not be empty"),
        ({"seeds": 0}, "must not be empty"),
        ({"seeds": "all"}, "a count or a list of seeds"),
        ({"workers": 0}, "must be positive"),
        ({"problems": [{"find": "feynman/*", "every": 0}]}, "at least 1"),
    ],
)
def test_mistakes_are_named(change: dict, message: str):
    with pytest.raises(InvalidInput, match=message):
        make_config(GOOD | change)


def test_mistakes_found_while_expanding():
    for change, message in [
        ({"problems": [{"find": "fynman/*"}]}, "no problem matches 'fynman"),
        ({"problems": [{"find": "feynman/*", "labels": "no such"}]}, "no problem matches find"),
        ({"protocol": "srbench-2020"}, "protocol 'srbench-2020' is unknown"),
        ({"protocol": "srbench-2021", "seeds": 11}, "has 10 seeds"),
    ]:
        with pytest.raises(InvalidInput, match=message):
            expand(make_config(GOOD | change))


def test_yaml_is_read_strictly(tmp_path: Path):
    path = tmp_path / "c.yaml"
    path.write_text("name: n\nmethods: linear\nproblems:\n- find: strogatz/*\n  noise: 0.01\n")
    selection = Selection(find=("strogatz/*",), noise=(0.01,))
    assert read_config(path) == Config(name="n", methods=("linear",), problems=(selection,))
    for text, message in [
        ("name: n\nname: m\n", "'name' occurs twice"),
        ("name: [\n", "no YAML"),
        ("- a\n", "expected 'name: value' pairs"),
        ("", "expected 'name: value' pairs"),
        ("name: !!python/object/apply:os.getcwd []\n", "no YAML"),
    ]:
        path.write_text(text)
        with pytest.raises(InvalidInput, match=message):
            read_config(path)
    with pytest.raises(InvalidInput, match="cannot read"):
        read_config(tmp_path / "none.yaml")


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_committed_configurations_can_be_run(path: Path):
    config = read_config(path)
    assert config.name == path.stem
    assert set(config.methods) <= set(methods())
    tasks = expand(config)
    assert len({task.key for task in tasks}) == len(tasks)
    readme = (CONFIGS.parent / "README.md").read_text()
    listed = re.search(rf"^\| `{config.name}` \| ([\d,]+) \|", readme, re.MULTILINE)
    assert listed is not None
    assert int(listed[1].replace(",", "")) == len(tasks)


def test_quick_is_quick():
    config = read_config(CONFIGS / "quick.yaml")
    assert len(expand(config)) * (config.max_time + 2) < 180


def test_order_names_columns():
    assert set(ORDER) <= set(COLUMNS)
    assert set(MIRROR_LEFT_OUT) <= set(COLUMNS)
