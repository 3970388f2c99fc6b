"""Tables of numbers from text files: what is read, and which line says why something is not."""

from __future__ import annotations

import contextlib
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symnum.exceptions import InvalidInput
from symnum.tables import features_and_target, find_column, numbers, read_table


@pytest.fixture
def table(tmp_path):
    """Write a file and read it."""

    def read(content: str | bytes, name: str = "data.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_table(path)

    return read


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a,b\n1,2.5\n-3,4e2\n", {"a": [1, -3], "b": [2.5, 400]}),
        ("a;b\n1;2.5\n3;4\n", {"a": [1, 3], "b": [2.5, 4]}),
        ("a;b\n1,5;2\n,5;-3,25e1\n", {"a": [1.5, 0.5], "b": [2, -32.5]}),
        ("a;b\n1;2,5\n2;2.5\n", {"a": [1, 2], "b": [2.5, 2.5]}),
        ("a\tb\n1\t2\n3\t4\n", {"a": [1, 3], "b": [2, 4]}),
        ("a  b\n 1 2\n3   4\n", {"a": [1, 3], "b": [2, 4]}),
        ("\ufeffa,b\r\n1,2\r\n3,4\r\n\r\n", {"a": [1, 3], "b": [2, 4]}),
        ("# made by hand\n\na,b\n1,2\n# half way\n3,4\n", {"a": [1, 3], "b": [2, 4]}),
        ('a,"b, in kg"\n1,"2"\n3,4\n', {"a": [1, 3], "b, in kg": [2, 4]}),
        ("a, b\n1, 2\n3, 4 \n", {"a": [1, 3], "b": [2, 4]}),
        ("a\n1\n2", {"a": [1, 2]}),
        ("größe,b\n1,2\n3,4\n".encode("cp1252"), {"größe": [1, 3], "b": [2, 4]}),
        ("größe\tb\n1\t2\n3\t4\n".encode("utf-16"), {"größe": [1, 3], "b": [2, 4]}),
        ("n\n123456789012345678901234567890\n1\n", {"n": [123456789012345678901234567890.0, 1]}),
    ],
)
def test_reads(table, content, expected):
    read = table(content)
    assert list(read.columns) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(numbers(read, name), values)


def test_names_stay_as_they_are(table):
    names = ["x 1", "50%", "lambda", "N", "m/s", "größe", "a.1"]
    assert list(table(",".join(names) + "\n" + ",".join("1234567") + "\n").columns) == names


def test_unnamed_column_is_left_out_and_said(table):
    read = table(",a,b\n0,5,6\n1,7,9\n")
    assert list(read.columns) == ["a", "b"]
    assert read.attrs["notes"] == ["1 column(s) without a name left out"]


def test_index_is_the_line_of_the_file(table):
    assert list(table("# c\na,b\n\n1,2\n#\n3,4\n").index) == [4, 6]
    assert list(table("a,b\n1,2\n3,4\n").index) == [2, 3]


@given(
    st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3), min_size=1),
    st.sampled_from([",", ";", "\t"]),
)
def test_numbers_written_by_python_are_read_back(tmp_path_factory, rows, separator):
    path = tmp_path_factory.mktemp("t") / "data.csv"
    lines = [separator.join(["a", "b", "c"]), *(separator.join(map(repr, row)) for row in rows)]
    path.write_text("\n".join(lines))
    read = read_table(path)
    got = np.column_stack([numbers(read, name) for name in "abc"])
    np.testing.assert_allclose(got, rows, rtol=5e-16, atol=5e-324)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "data.csv is empty"),
        ("\n\n# nothing\n", "data.csv is empty"),
        ("a,b\n", "column names but no rows"),
        ("a,b,a\n1,2,3\n", r"'a' occurs more than once \(columns 1, 3\)"),
        ("1,2\n3,4\n", "first line holds numbers"),
        ("a,b\n1,2,3\n", "line 2 has 3 cells, but the first line has 2 column names"),
        ("# c\na,b\n1,2\n\n1,2,3\n", "line 5 has 3 cells"),
        (b"PK\x03\x04\0\0", "no text; save the table as CSV"),
        ('a,b\n1,"2\n', "cannot be read as a table"),
    ],
)
def test_refuses(table, content, message):
    with pytest.raises(InvalidInput, match=message) as caught:
        table(content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("abc", "'abc' is no number"),
        ("1_000", "'1_000' is no number"),
        ("1,5", "'1,5' is no number"),
        ("0x10", "'0x10' is no number"),
        ("", "the cell is empty"),
        ("NaN", "NaN is no finite number"),
        ("-inf", "-inf is no finite number"),
        ("1e999", "inf is no finite number"),
    ],
)
def test_bad_cell_is_named_by_row_line_column_and_value(table, cells, message):
    read = table(f'# c\na,T\n1,2\n2,"{cells}"\n3,"{cells}"\n')
    with pytest.raises(
        InvalidInput, match=f"row 2 \\(line 4 of the file\\), column 'T': {message}"
    ) as caught:
        numbers(read, "T")
    assert "(and 1 more such cell)" in str(caught.value)


def test_decimal_comma_is_for_semicolons_only(table):
    with pytest.raises(InvalidInput, match="'1,5' is no number"):
        numbers(table('a\tb\n1,5\t2\n"2"\t3\n'), "a")
    with pytest.raises(InvalidInput, match=r"'1\.234,5' is no number"):
        numbers(table("a;b\n1,5;1.234,5\n2;3\n"), "b")
    with pytest.raises(InvalidInput, match=r"row 2 .* 'x' is no number"):
        numbers(table("a;b\n1,5;2\nx;3\n"), "a")


def test_missing_files(tmp_path):
    (tmp_path / "planets.csv").write_text("a\n1\n")
    with pytest.raises(InvalidInput, match=r"no file .*did you mean 'planets\.csv'"):
        read_table(tmp_path / "planet.csv")
    with pytest.raises(InvalidInput, match="there is no folder"):
        read_table(tmp_path / "no" / "planets.csv")
    with pytest.raises(InvalidInput, match="is a folder"):
        read_table(tmp_path)


def test_missing_column_names_near_matches(table):
    read = table("period,mass,a\n1,2,3\n2,3,4\n")
    with pytest.raises(InvalidInput, match="no column 'Periode'; did you mean 'period'"):
        find_column(read, "Periode")
    with pytest.raises(InvalidInput, match="no column 'zz'; the columns are 'period', 'mass', 'a'"):
        find_column(read, "zz")


def test_split_takes_columns_of_numbers_and_says_what_it_left(table):
    X, y, notes = features_and_target(table("name,a,b,T\nu,1,2,3\nv,4,5,6\n"), "T")
    assert list(X.columns) == ["a", "b"]
    np.testing.assert_array_equal(X, [[1, 2], [4, 5]])
    np.testing.assert_array_equal(y, [3, 6])
    assert notes == ["left out, no numbers in them: 'name'"]
    X, _, notes = features_and_target(table("name,a,b,T\nu,1,2,3\nv,4,5,6\n"), "T", ["b"])
    assert list(X.columns) == ["b"]
    assert notes == []


@pytest.mark.parametrize(
    ("content", "features", "message"),
    [
        ("a,T\n1,2\n", None, "has one row"),
        ("a,T\n1,2\n3,2\n", None, "'T' is 2 in every row"),
        ("T\n1\n2\n", None, "no column of numbers beside"),
        ("n,T\nu,1\nv,2\n", None, "no column of numbers beside"),
        ("a,T\n1,x\n2,y\n", None, "'x' is no number"),
        ("a,b,T\n1,u,3\n2,3,4\n", None, "column 'b': 'u' is no number"),
        ("a,T\n1,2\n3,4\n", ["a", "a"], "name 'a' more than once"),
        ("a,T\n1,2\n3,4\n", ["T"], "cannot be a feature too"),
        ("a,T\n1,2\n3,4\n", ["b"], "no column 'b'"),
        ("n,T\nu,2\nv,4\n", ["n"], "'u' is no number"),
    ],
)
def test_split_refuses(table, content, features, message):
    with pytest.raises(InvalidInput, match=message):
        features_and_target(table(content), "T", features)


@pytest.mark.slow
def test_a_million_rows_take_seconds(tmp_path):
    rows = np.random.default_rng(0).integers(0, 1000, size=(1_000_000, 2))
    path = tmp_path / "large.csv"
    path.write_text("a,T\n" + "\n".join(f"{a},{b}" for a, b in rows.tolist()))
    began = time.perf_counter()
    X, y, _ = features_and_target(read_table(path), "T")
    assert time.perf_counter() - began < 20  # about 0.5 s where nothing else runs
    np.testing.assert_array_equal(np.column_stack([X, y]), rows)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_invalid_input(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("t") / "data.csv"
    path.write_bytes(content)
    with contextlib.suppress(InvalidInput):  # anything else fails
        read = read_table(path)
        features_and_target(read, read.columns[-1])


@given(st.text(alphabet='ab1,;\t #"\n.\r -e', max_size=60))
def test_any_text_is_a_table_or_invalid_input(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("t") / "data.csv"
    path.write_text(content, newline="")
    with contextlib.suppress(InvalidInput):  # anything else fails
        read = read_table(path)
        features_and_target(read, read.columns[-1])
