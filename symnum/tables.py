"""Tables of numbers from CSV and its relatives; errors name the line, the column and the value."""

from __future__ import annotations

import csv
import difflib
import io
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput

if TYPE_CHECKING:
    import pandas as pd

_SKIPPED_LINE = re.compile(r"^[^\S\n]*(?:#.*)?$", re.MULTILINE)
_DECIMAL_COMMA = r"[+-]?(?:\d+(?:,\d*)?|,\d+)(?:[eE][+-]?\d+)?"
_SNIFFED_LINES = 50


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table with column names in its first line.

    Parameters
    ----------
    path : str or Path
        Text file, UTF-8 (with or without byte order mark), UTF-16 with byte order mark, else Windows-1252.
        Cells are separated by commas, semicolons, tabs or blanks, found out from the first lines. Blank
        lines and lines that start with ``#`` are skipped. The decimal sign is a point; in tables separated
        by semicolons, and only there, a decimal comma is read as well.

    Returns
    -------
    DataFrame
        Column names as they are in the file. Columns of numbers have a numeric dtype; any other column keeps
        its text. The index holds the line of the file that each row is from. ``attrs["source"]`` is the
        file's name, ``attrs["notes"]`` says what was left out.

    Raises
    ------
    InvalidInput
        When there is no such file, it is no text, it is empty, names are missing or occur twice, or a row is
        too long.
    """
    import pandas as pd

    path = Path(path)
    text, lines = _without_skipped_lines(_read_text(path))
    if not text:
        raise InvalidInput(f"{path.name} is empty: expected a line of column names and rows of numbers")
    separator = _sniff(text.split("\n", _SNIFFED_LINES)[:_SNIFFED_LINES])
    names, unnamed = _header(text, separator, path.name)
    frame = _parse(text, separator, names, lines, path.name)
    notes = []
    if unnamed:
        frame = frame.drop(columns=unnamed)
        notes.append(f"{len(unnamed)} column(s) without a name left out")
    if separator == ";":
        _read_decimal_commas(frame)
    if len(frame) == 0:
        raise InvalidInput(f"{path.name} has column names but no rows")
    frame.index = pd.Index(
        lines[1:] if len(lines) == len(frame) + 1 else range(2, len(frame) + 2), name="line"
    )
    frame.attrs = {"source": path.name, "notes": notes}
    return frame


def features_and_target(
    table: pd.DataFrame, target: str, features: Sequence[str] | None = None
) -> tuple[pd.DataFrame, NDArray[np.float64], list[str]]:
    """Split a table into what to compute from and what to find.

    Parameters
    ----------
    table : DataFrame
        From `read_table`.
    target : str
        Name of the column to find a formula for.
    features : sequence of str, optional
        Columns the formula may use; left out, every other column that holds numbers.

    Returns
    -------
    X : DataFrame of float64, shape (n, d)
    y : ndarray of float64, shape (n,)
    notes : list of str
        Columns that were left out, and why.

    Raises
    ------
    InvalidInput
        When a column is missing or named twice, a cell is no finite number, the target is constant or there
        is but one row.
    """
    import pandas as pd

    source = _source(table)
    target = find_column(table, target)
    notes: list[str] = []
    if features is None:
        names, left_out = _columns_of_numbers(table)
        names = [n for n in names if n != target]
        left_out = [n for n in left_out if n != target]
        if left_out:
            notes.append(f"left out, no numbers in them: {_listed(left_out)}")
    else:
        names = [find_column(table, n) for n in features]
        repeated = [n for n in dict.fromkeys(names) if names.count(n) > 1]
        if repeated:
            raise InvalidInput(f"the features name {_listed(repeated)} more than once")
        if target in names:
            raise InvalidInput(f"{target!r} is the target, so it cannot be a feature too")
    if not names:
        raise InvalidInput(
            f"{source}: no column of numbers beside the target {target!r} to find a formula in"
        )
    y = numbers(table, target)
    X = pd.DataFrame({n: numbers(table, n) for n in names}, index=table.index)
    if len(y) < 2:
        raise InvalidInput(
            f"{source} has one row; at least two are needed, and some ten for a formula to mean anything"
        )
    if np.all(y == y[0]):
        raise InvalidInput(
            f"{source}: the target {target!r} is {y[0]:.6g} in every row, so there is nothing to find"
        )
    return X, y, notes


def find_column(table: pd.DataFrame, name: str) -> str:
    """Return the name if the table has such a column; else raise InvalidInput that shows near matches."""
    if name in table.columns:
        return name
    columns = [str(c) for c in table.columns]
    if name in columns:
        return name
    folded = {c.casefold(): c for c in reversed(columns)}
    near = [folded[k] for k in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)]
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"the columns are {_listed(columns)}"
    raise InvalidInput(f"{_source(table)} has no column {name!r}; {hint}")


def numbers(table: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """Column as float64, shape (n,).

    Raises
    ------
    InvalidInput
        Naming line, column and value, when a cell is empty, text, NaN or infinite.
    """
    column: pd.Series = table[find_column(table, name)]  # type: ignore[assignment]
    values = _as_floats(column)
    finite = np.isfinite(values)
    if not finite.all():
        row = int(np.argmin(finite))
        where = f"{_source(table)}, row {row + 1}{_line(table, row)}, column {name!r}"
        complaint = f"{_complaint(column.iloc[row])}{_others(int((~finite).sum()) - 1)}"
        raise InvalidInput(f"{where}: {complaint}; correct the cell, or leave out the row or the column")
    return values


# -------------------------------------------------------------------------------------------- reading
def _read_text(path: Path) -> str:
    """Decoded text with Unix line ends and no trailing blank lines."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InvalidInput(f"no file {str(path)!r}{_similar_files(path)}") from None
    except IsADirectoryError:
        raise InvalidInput(f"{str(path)!r} is a folder; name a CSV file") from None
    except OSError as error:
        raise InvalidInput(f"cannot read {str(path)!r}: {error.strerror or error}") from None
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif b"\0" in data[:4096] or data[:4] == b"PK\x03\x04":
        raise InvalidInput(
            f"{path.name} is no text; save the table as CSV (from a spreadsheet: 'Save as', 'CSV')"
        )
    else:
        encoding = "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip()


def _without_skipped_lines(text: str) -> tuple[str, Sequence[int]]:
    """Text without comments and blank lines, and the number each kept line had in the file."""
    if not _SKIPPED_LINE.search(text):
        return text, range(1, text.count("\n") + 2)
    kept = [(i, s) for i, s in enumerate(text.split("\n"), start=1) if not _SKIPPED_LINE.fullmatch(s)]
    return "\n".join(s for _, s in kept), [i for i, _ in kept]


def _sniff(lines: list[str]) -> str:
    """Separator that cuts the first lines into the same number of cells; the one with most cells wins."""
    best, most = ",", 1
    for separator in ("\t", ";", ","):
        counts = {len(cells) for cells in csv.reader(lines, delimiter=separator, skipinitialspace=True)}
        if len(counts) == 1 and max(counts) > most:
            best, most = separator, max(counts)
    if most > 1:
        return best
    blanks = {len(s.split()) for s in lines}
    if len(blanks) == 1 and max(blanks) > 1 and not any(c in s for s in lines for c in "\t;,"):
        return " "
    # Rows of unequal length: go by the names, and let the parser name the bad line.
    return max(",;\t", key=lines[0].count)


def _header(text: str, separator: str, source: str) -> tuple[list[str], list[str]]:
    """Column names, those without one named by their place, and the latter once more."""
    if separator == " ":
        cells = text.split("\n", 1)[0].split()
    else:
        cells = next(csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True))
    cells = [c.strip() for c in cells]
    if any(cells) and all(_is_number(c) for c in cells if c):
        raise InvalidInput(
            f"{source}: the first line holds numbers ({_listed(cells)}), expected column names; add a line of"
            " names (without '#': such lines are comments)"
        )
    if not any(cells):
        raise InvalidInput(f"{source}: none of the columns has a name; the first line must hold them")
    repeated = [c for c, times in Counter(cells).items() if c and times > 1]
    if repeated:
        places = ", ".join(str(i) for i, c in enumerate(cells, start=1) if c == repeated[0])
        raise InvalidInput(
            f"{source}: column name {repeated[0]!r} occurs more than once (columns {places}); rename one"
        )
    unnamed = [f"\0{i}" for i, c in enumerate(cells) if not c]
    return [c or f"\0{i}" for i, c in enumerate(cells)], unnamed


def _parse(text: str, separator: str, names: list[str], lines: Sequence[int], source: str) -> pd.DataFrame:
    import warnings

    import pandas as pd

    try:
        with warnings.catch_warnings():
            # Too long first rows are a warning to pandas, and cells would be lost.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                io.StringIO(text),
                sep=r"\s+" if separator == " " else separator,
                header=0,
                names=names,
                index_col=False,
                skipinitialspace=True,
                keep_default_na=False,
                na_values=[""],
                low_memory=False,
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise InvalidInput(
            f"{source}: {_row_length_complaint(str(error), text, separator, names, lines)}"
        ) from None


def _row_length_complaint(
    message: str, text: str, separator: str, names: list[str], lines: Sequence[int]
) -> str:
    """Which line is too long, from the parser's message or by looking."""
    for place, row in enumerate(csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True)):
        if separator != " " and len(row) > len(names):
            line = lines[min(place, len(lines) - 1)]
            return f"line {line} has {len(row)} cells, but the first line has {len(names)} column names"
    return f"cannot be read as a table: {message.splitlines()[0]}"


def _read_decimal_commas(frame: pd.DataFrame) -> None:
    """Turn text columns like ``1,5`` into numbers, in place."""
    import pandas as pd

    for name in frame.columns:
        column: pd.Series = frame[name]  # type: ignore[assignment]
        if not pd.api.types.is_string_dtype(column):
            continue
        commas = column.str.fullmatch(_DECIMAL_COMMA, na=False)
        if commas.any():
            column = column.mask(commas, column.str.replace(",", "."))
            values = _as_floats(column)
            frame[name] = values if (np.isnan(values) == column.isna()).all() else column


def _as_floats(column: pd.Series) -> NDArray[np.float64]:
    """Numbers of a column, NaN where a cell is none."""
    import pandas as pd

    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf":
        return column.to_numpy(dtype=np.float64)
    try:
        values: pd.Series = pd.to_numeric(column, errors="coerce")  # type: ignore[assignment]
    except OverflowError:  # whole numbers beyond float64 are read as Python's
        values = pd.to_numeric(column.map(_within_float64), errors="coerce")  # type: ignore[assignment]
    return values.to_numpy(dtype=np.float64, na_value=np.nan)


def _within_float64(cell: object) -> object:
    """Cell, infinite where it is a whole number beyond float64."""
    if not isinstance(cell, int) or abs(cell) <= sys.float_info.max:
        return cell
    return np.inf if cell > 0 else -np.inf


# -------------------------------------------------------------------------------------------- wording
def _columns_of_numbers(table: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Names of columns with at least one number, and of the others (labels, dates, empty)."""
    holds = {str(n): not np.isnan(_as_floats(c)).all() for n, c in table.items()}
    return [n for n, yes in holds.items() if yes], [n for n, yes in holds.items() if not yes]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python's own notation, not a table's


def _complaint(cell: object) -> str:
    text = str(cell)
    if isinstance(cell, str) and not _is_number(text):
        return f"{text[:40]!r} is no number"
    if isinstance(cell, str) or (isinstance(cell, float) and np.isinf(cell)):
        return f"{text[:40]} is no finite number"
    return "the cell is empty"


def _others(count: int) -> str:
    return f" (and {count} more such cell{'s' if count > 1 else ''})" if count else ""


def _line(table: pd.DataFrame, row: int) -> str:
    return f" (line {table.index[row]} of the file)" if table.index.name == "line" else ""


def _source(table: pd.DataFrame) -> str:
    return str(table.attrs.get("source", "the table"))


def _listed(names: Iterable[str], most: int = 8) -> str:
    names = list(names)
    shown = ", ".join(map(repr, islice(names, most)))
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def _similar_files(path: Path) -> str:
    if not path.parent.is_dir():
        return f": there is no folder {str(path.parent)!r}"
    near = difflib.get_close_matches(path.name, (p.name for p in path.parent.iterdir()), n=2)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
