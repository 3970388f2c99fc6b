"""The command on bad input: one clear line on stderr, a code other than 0, nothing written, no traceback."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

GOOD = "a,T\n1,2\n2,5\n3,9\n"


def complaint(done) -> str:
    """The one line on stderr of a run that must have failed."""
    assert done.code not in (0, None)
    lines = [line for line in done.err.splitlines() if not line.startswith("symnum: note: ")]
    assert len(lines) == 1
    assert lines[0].startswith("symnum: error: ")
    assert "Traceback" not in done.err
    assert "internal error" not in done.err
    return lines[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "data.csv is empty"),
        ("a,T\n", "has column names but no rows"),
        ("a,T\n1,2\n", "has one row"),
        ("a,T\n1,2\n2,x7\n", "row 2 (line 3 of the file), column 'T': 'x7' is no number"),
        ("a,T\n1,2\nx7,2\n", "row 2 (line 3 of the file), column 'a': 'x7' is no number"),
        ("a,T\n1,2\n,3\n", "row 2 (line 3 of the file), column 'a': the cell is empty"),
        ("a,T\n1,2\nNaN,3\n", "row 2 (line 3 of the file), column 'a': NaN is no finite number"),
        ("a,T\n1,inf\n2,3\n", "row 1 (line 2 of the file), column 'T': inf is no finite number"),
        ("a,T\n1,u\n2,v\n", "column 'T': 'u' is no number"),
        ("a,T\n1,4\n2,4\n3,4\n", "the target 'T' is 4 in every row"),
        ("a,T,a\n1,2,3\n2,3,4\n", "column name 'a' occurs more than once"),
        ("a,t\n1,2\n2,3\n", "no column 'T'; did you mean 't'?"),
        ("name,T\nu,2\nv,3\n", "no column of numbers beside the target"),
        ("T\n2\n3\n", "no column of numbers beside the target"),
        ("a,T\n1,2,3\n2,3\n", "line 2 has 3 cells"),
        ("1,2\n3,4\n", "the first line holds numbers"),
    ],
)
def test_fit_bad_table(cli, tmp_path, content, message):
    data, out = tmp_path / "data.csv", tmp_path / "out"
    data.write_text(content)
    assert message in complaint(cli("fit", data, "--target", "T", "--out", out))
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "Missing option"),
        (["--target", "T", "--time", "-1"], "max_time must be a positive number"),
        (["--target", "T", "--time", "nan"], "max_time must be a positive number"),
        (["--target", "T", "--time", "soon"], "--time"),
        (["--target", "T", "--max-evals", "0"], "max_evals must be a positive number"),
        (["--target", "T", "--max-memory", "much"], "max_memory must be a number of bytes or a text"),
        (["--target", "T", "--max-memory", "100MB"], "max_memory='100MB' is too small"),
        (["--target", "T", "--seed", "-1"], "--seed"),
        (["--target", "T", "--jobs", "0"], "--jobs is a number of threads"),
        (["--target", "T", "--search", "divination"], "divination"),
        (["--target", "T", "--features", "a,b"], "no column 'b'; the columns are 'a', 'T'"),
        (["--target", "T", "--features", "T"], "cannot be a feature too"),
        (["--target", "T", "--features", ""], "no column ''"),
        (["--target", "T", "--units", "a"], "'a' is not column=unit"),
        (["--target", "T", "--units", ""], "'' is not column=unit"),
        (["--target", "T", "--units", "a="], "is not column=unit"),
        (["--target", "T", "--units", "b=m,T=s"], "no column 'b'"),
        (["--target", "T", "--units", "a=m,a=s"], "names 'a' twice"),
        (["--target", "T", "--units", "a=furlongs per fortnight,T=s"], "column 'a'"),
        (["--target", "T", "--units", "a=m,T=m//s"], "m//s"),
        (["--target", "T", "--wisdom", "3"], "--wisdom"),
    ],
)
def test_fit_bad_option(cli, tmp_path, options, message):
    data = tmp_path / "data.csv"
    data.write_text(GOOD)
    assert message in complaint(cli("fit", data, "--out", tmp_path / "out", *options))
    assert not (tmp_path / "out" / "model.json").exists()


def test_fit_missing_file(cli, tmp_path):
    (tmp_path / "planets.csv").write_text(GOOD)
    line = complaint(cli("fit", tmp_path / "planet.csv", "--target", "T"))
    assert "no file" in line
    assert "did you mean 'planets.csv'" in line


def test_fit_unwritable_folder_is_found_before_the_search(cli, tmp_path):
    data = tmp_path / "data.csv"
    data.write_text(GOOD)
    for folder in (data, data / "below", "/proc/symnum"):
        assert "cannot write to the folder" in complaint(cli("fit", data, "--target", "T", "--out", folder))


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"null", b"3", b'"text"', b"{", b"\xff\xfe\0\1", b"a,b\n1,2\n", b"[" * 100_000],
)
def test_what_is_no_model(cli, tmp_path, content):
    path = tmp_path / "model.json"
    path.write_bytes(content)
    (tmp_path / "new.csv").write_text(GOOD)
    assert "model" in complaint(cli("show", path))
    assert "model" in complaint(cli("predict", path, tmp_path / "new.csv"))


def test_missing_model(cli, tmp_path):
    assert "no file" in complaint(cli("show", tmp_path / "model.json"))
    assert "is a folder" in complaint(cli("show", tmp_path))


def mutations(stored: dict) -> list[dict]:
    """The stored model with each part in turn missing or of another kind."""
    wrong = [None, [], {}, "text", -1, 10**9, [1], {"a": 1}]
    changed = [{k: v for k, v in stored.items() if k != key} for key in stored if key != "target"]
    return changed + [stored | {key: value} for key in stored for value in wrong]


def test_damaged_models_end_in_one_line_or_are_shown(cli, fitted, tmp_path):
    path = tmp_path / "model.json"
    stored = json.loads((fitted / "model.json").read_text())
    refused = 0
    for changed in mutations(stored):
        path.write_text(json.dumps(changed))
        done = cli("show", path)
        if done.code == 0:
            assert "F = " in done.out or "target" in changed
        else:
            complaint(done)
            refused += 1
    assert refused > 40


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 2_000), byte=st.integers(0, 255))
def test_a_changed_byte_ends_in_one_line_or_is_shown(cli, fitted, tmp_path, place, byte):
    content = bytearray((fitted / "model.json").read_bytes())
    content[place % len(content)] = byte
    path = tmp_path / "model.json"
    path.write_bytes(content)
    done = cli("show", path)
    if done.code != 0:
        complaint(done)


def test_predict_bad_input(cli, fitted, tmp_path):
    model, data = fitted / "model.json", tmp_path / "new.csv"
    assert "no file" in complaint(cli("predict", model, tmp_path / "nothing.csv"))
    data.write_text("M,a\n1,2\n")
    assert "no column 'm'; did you mean 'M'?" in complaint(cli("predict", model, data))
    data.write_text("m,a\n1,2\n1,two\n")
    assert "row 2 (line 3 of the file), column 'a': 'two' is no number" in complaint(
        cli("predict", model, data)
    )
    data.write_text("m,a\n1,2\n")
    for index in (-1, 99):
        assert f"--index {index} is no row of the front" in complaint(
            cli("predict", model, data, "--index", index)
        )
    assert "cannot write" in complaint(cli("predict", model, data, "--out", tmp_path / "no" / "p.csv"))


def test_unknown_command_and_none(cli):
    assert "No such command 'divine'" in complaint(cli("divine"))
    done = cli()
    assert done.code == 2
    assert "Commands" in done.out + done.err
