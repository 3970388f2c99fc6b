"""Results of a campaign on disk: Parquet files that only ever appear whole, read through duckdb.

Layout of a store::

    parts/KEY.TIME.parquet    one finished run each, written the moment it ends
    runs/TIME.parquet         many runs: parts that were merged (`Store.compact`)
    .lock                     held by the campaign that writes

A file is written under another name, flushed to disk and then renamed, so a reader or a crash never meets
half of one. Merging writes the new file before it deletes the old ones; a run found twice counts once (by its
key, the run that finished last). So a campaign can be killed at any moment without losing or repeating a
finished run.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symnum.evaluation.task import ROW_COLUMNS
from symnum.exceptions import InvalidInput, MissingExtra, SymnumError

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

RUN_COLUMNS: dict[str, tuple[str, str]] = {
    "campaign": ("str", "name of the configuration"),
    "finished": ("str", "UTC, ISO 8601 with microseconds"),
    "run_seconds": ("float", "wall-clock seconds from the start of the process to the end of its last child"),
    "run_cpu_seconds": ("float", "CPU seconds of all processes of the run"),
    "run_peak_mb": ("float", "highest resident memory of all processes of the run together, in MiB"),
    "memory_limit_mb": ("float", "limit on that"),
    "lanes": ("int", "runs that went on at the same time, at most"),
    "load": ("float", "runnable processes per core when the run began (1-minute load average)"),
    "host": ("str", "name of the machine"),
    "cpu": ("str", "its processor"),
    "cores": ("int", "cores the run could use"),
}
"""What the runner adds to the columns of `symnum.evaluation.task.ROW_COLUMNS`."""

COLUMNS: dict[str, tuple[str, str]] = ROW_COLUMNS | RUN_COLUMNS
"""Schema of a store: name -> (dtype, meaning)."""

ORDER = ("protocol", "max_time", "suite", "problem", "noise", "seed", "method", "key")
"""Order of rows wherever all of them are written."""

MIRROR_LEFT_OUT = (
    "campaign host front equation_raw libraries rows suite srbench_zero srbench_constant srbench_fraction"
    " srbench_seconds symbolic_seconds affine_a affine_b finite_test finite_ood memory_limit_mb cores"
).split()
"""Columns that the CSV mirror does without."""

_SQL_TYPES = {"str": "VARCHAR", "int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN"}
_MERGE_AT = 256  # parts: reading many small files is what makes a large store slow


class Store:
    """Folder with the results of campaigns.

    Parameters
    ----------
    folder : str or Path
        Made where it does not exist.

    Raises
    ------
    InvalidInput
        When the folder cannot be made or written.
    MissingExtra
        When pyarrow or duckdb is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        _require()
        self.folder = Path(folder)
        try:
            for part in ("parts", "runs"):
                (self.folder / part).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidInput(f"cannot keep results in {str(folder)!r}: {error.strerror or error}") from None

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only writer; the system releases the lock however the process ends.

        Raises
        ------
        SymnumError
            When another campaign is writing.
        """
        with (self.folder / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise SymnumError(
                    f"another campaign is writing to {self.folder}; wait for its end or choose another folder"
                ) from None
            for left_over in self.folder.glob("*/.*.tmp"):  # of a campaign that was killed while it wrote
                left_over.unlink()
            yield

    def add(self, row: Mapping[str, Any]) -> None:
        """Write one finished run; it is safe on disk when this returns.

        Raises
        ------
        InvalidInput
            When the row has no key or a column that `COLUMNS` does not know.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        unknown = sorted(set(row) - set(COLUMNS))
        if unknown or not row.get("key"):
            raise InvalidInput(f"a run needs a key and the columns of COLUMNS only, got also {unknown}")
        data = {name: [_plain(row.get(name), dtype)] for name, (dtype, _) in COLUMNS.items()}
        table = pa.table(data, schema=schema())
        self._write(f"parts/{row['key']}.{time.time_ns()}.parquet", lambda path: pq.write_table(table, path))

    def statuses(self) -> dict[str, str]:
        """Run key -> status of every finished run."""
        if not self.files():
            return {}
        with connect(self.folder) as database:
            return dict(database.execute("SELECT key, status FROM runs").fetchall())

    def files(self) -> list[Path]:
        """Parquet files that hold the runs."""
        return _files(self.folder)

    def compact(self, *, everything: bool = False) -> None:
        """Merge parts into one file when there are many of them; all files into one with `everything`."""
        files = self.files() if everything else [p for p in self.files() if p.parent.name == "parts"]
        if len(files) < (2 if everything else _MERGE_AT):
            return
        import duckdb

        with duckdb.connect() as database:
            query = _latest(_parquet(files))

            def write(path: Path) -> None:
                database.execute(f"COPY ({query}) TO '{_quoted(path)}' (FORMAT parquet)")

            self._write(f"runs/{time.time_ns()}.parquet", write)
        for path in files:
            path.unlink()

    def _write(self, name: str, write: Any) -> None:
        path = self.folder / name
        hidden = path.with_name(f".{path.name}.tmp")
        write(hidden)
        with hidden.open("rb") as written:
            os.fsync(written.fileno())
        hidden.rename(path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def schema() -> pa.Schema:
    """Schema of every file of a store."""
    import pyarrow as pa

    types = {"str": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
    return pa.schema([(name, types[dtype]) for name, (dtype, _) in COLUMNS.items()])


def connect(source: str | Path) -> duckdb.DuckDBPyConnection:
    """Database in memory over a store or its CSV mirror, with the views `runs` and `summary`.

    ``runs`` has a row for each run, the columns of `COLUMNS` and ``has_truth``: whether a true formula is
    known, also for failed runs. ``summary`` has a row for each protocol, budget, suite, noise and method;
    there a failed run counts as not solved and with R2 = 0, a skipped one not at all.

    Parameters
    ----------
    source : str or Path
        Folder of a `Store`, or a CSV file written by `write_mirror`.

    Raises
    ------
    InvalidInput
        When there are no results.
    """
    _require()
    import duckdb

    source = Path(source)
    if source.suffix == ".csv" and source.is_file():
        given = _csv(source)
    elif source.is_dir() and (files := _files(source)):
        given = _parquet(files)
    else:
        raise InvalidInput(
            f"no results in {str(source)!r}; expected the --out folder of `symnum bench`, or a CSV"
        )
    database = duckdb.connect()
    database.execute(f"CREATE VIEW runs AS {_RUNS.format(latest=_latest(given))}")
    database.execute(f"CREATE VIEW summary AS {_SUMMARY}")
    return database


def load_runs(source: str | Path) -> pd.DataFrame:
    """All runs of a store, or of its CSV mirror, in the order of `ORDER`."""
    with connect(source) as database:
        return database.execute(f"SELECT * FROM runs ORDER BY {', '.join(ORDER)}").df()  # noqa: S608


def write_mirror(source: str | Path, path: str | Path) -> Path:
    """Write the runs of a store as a CSV file small enough for version control.

    Floats keep six digits, messages their first line without folders; the columns of `MIRROR_LEFT_OUT` are
    left out.
    """
    runs = load_runs(source).drop(columns=["has_truth", *MIRROR_LEFT_OUT], errors="ignore")
    first = runs["message"].str.partition("\n")[0].str.slice(0, 200)
    runs["message"] = first.str.replace(r"(?<![\w.])/(?:[\w.+-]+/)+", "", regex=True)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    runs.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
    return path


# ---------------------------------------------------------------------------------------------- parts
def _files(folder: Path) -> list[Path]:
    return sorted(p for part in ("runs", "parts") for p in (folder / part).glob("[!.]*.parquet"))


def _plain(value: Any, dtype: str) -> Any:
    if value is None or (dtype == "str" and value == ""):  # CSV cannot tell the two apart
        return None
    if dtype == "float":
        return float(value) if math.isfinite(value) else None
    return {"str": str, "int": int, "bool": bool}[dtype](value)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _parquet(files: Iterable[Path]) -> str:
    names = ", ".join(f"'{_quoted(path)}'" for path in files)
    return f"SELECT * FROM read_parquet([{names}], union_by_name = true)"  # noqa: S608


def _csv(path: Path) -> str:
    """The mirror with its types, and missing values for the columns that it does without."""
    with path.open(encoding="utf-8") as file:
        present = file.readline().rstrip("\n").split(",")
    unknown = [name for name in present if name not in COLUMNS]
    if unknown:
        raise InvalidInput(f"{str(path)!r} is no mirror of results: columns {unknown[:5]} are unknown")
    types = ", ".join(f"'{name}': '{_SQL_TYPES[COLUMNS[name][0]]}'" for name in present)
    missing = "".join(
        f", CAST(NULL AS {_SQL_TYPES[dtype]}) AS {name}"
        for name, (dtype, _) in COLUMNS.items()
        if name not in present and name != "suite"
    )
    suite = "" if "suite" in present else ", split_part(problem, '/', 1) AS suite"
    return (
        f"SELECT *{suite}{missing} FROM read_csv('{_quoted(path)}', header = true, columns = {{{types}}},"  # noqa: S608
        " delim = ',', quote = '\"', escape = '\"')"
    )


def _latest(given: str) -> str:
    return f"{given} QUALIFY row_number() OVER (PARTITION BY key ORDER BY finished DESC NULLS LAST) = 1"


# A run that failed does not say whether its problem has a true formula; others of the problem, or else of the
# suite, do.
_RUNS = """
    SELECT *, coalesce(
        bool_or(truth IS NOT NULL) FILTER (status = 'ok') OVER (PARTITION BY problem),
        bool_or(truth IS NOT NULL) OVER (PARTITION BY suite), false) AS has_truth
    FROM ({latest})"""

_SUMMARY = """
    SELECT protocol, max_time, suite, noise, method,
        count(*) AS runs,
        count(DISTINCT problem) AS problems,
        count(*) FILTER (status <> 'ok') AS failures,
        avg(coalesce(recovered, false)::INT) FILTER (has_truth) AS recovery,
        avg(coalesce(recovered_any, false)::INT) FILTER (has_truth) AS recovery_any_size,
        avg(coalesce(form = 'equal', false)::INT) FILTER (has_truth) AS right_form,
        avg(coalesce(srbench_solved, false)::INT) FILTER (has_truth) AS srbench_solution,
        avg(coalesce(accuracy_solution, false)::INT) AS accuracy_solution,
        median(coalesce(r2_zero_test, 0)) AS median_r2,
        median(complexity) AS median_complexity,
        median(size_ratio) AS median_size_ratio,
        median(fit_seconds) AS median_fit_seconds,
        median(time_to_first) AS median_time_to_first
    FROM runs WHERE status <> 'skipped'
    GROUP BY ALL ORDER BY ALL"""


def _require() -> None:
    try:
        import duckdb  # noqa: F401
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise MissingExtra(
            f"results are kept with pyarrow and duckdb, but {error.name} is missing; install the extra `eval`"
        ) from None
