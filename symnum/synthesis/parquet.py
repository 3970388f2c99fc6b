"""Batches of samples as Parquet files: one row a sample, one row group a file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput, MissingExtra
from symnum.synthesis.sample import Batch

if TYPE_CHECKING:
    from symnum.synthesis.tokens import TokenWriter

COLUMNS = {
    "index": "number of the sample; with seed and law it gives the sample again",
    "expression": "the formula as text that `Expression.parse` reads",
    "n_variables": "d, variables x0 .. x(d-1)",
    "n_points": "n, rows of the sample",
    "X": "d * n numbers, variable by variable: `reshape(n_variables, n_points).T`",
    "y": "n numbers",
    "codes": "postfix program, see `symnum.Expression`",
    "constants": "constants of the program",
    "tokens": "ids of the formula, framed; `tokenizer.json` tells the words",
    "boxes": "whether X fills a box, not clusters",
    "value_hash": "equal for equal functions",
}
"""Columns of a shard and what they hold."""


def require_pyarrow() -> Any:
    """Return the module `pyarrow.parquet`; raises MissingExtra when it is not installed."""
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise MissingExtra("samples on disk need pyarrow; install it with `pip install pyarrow`") from error
    return parquet


def write_batch(batch: Batch, path: Path) -> str:
    """Write a batch and return the file's SHA-256; the file is there completely or not at all."""
    parquet = require_pyarrow()
    import pyarrow as pa

    def lists(values: NDArray[Any], lengths: NDArray[Any]) -> Any:
        ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(ends), pa.array(values))

    def valid(array: NDArray[Any], lengths: NDArray[Any]) -> NDArray[Any]:
        return array[np.arange(array.shape[1]) < lengths[:, None]]

    n = len(batch)
    inside = (np.arange(batch.X.shape[1]) < batch.dims[:, None])[:, :, None] & (
        np.arange(batch.X.shape[2]) < batch.rows[:, None]
    )[:, None, :]
    table = pa.table(
        {
            "index": batch.indices,
            "expression": pa.array([str(batch.expression(i)) for i in range(n)], pa.string()),
            "n_variables": batch.dims.astype(np.int16),
            "n_points": batch.rows.astype(np.int16),
            "X": lists(batch.X[inside], batch.dims * batch.rows),
            "y": lists(valid(batch.y, batch.rows), batch.rows),
            "codes": lists(valid(batch.codes, batch.lengths), batch.lengths),
            "constants": lists(valid(batch.constants, batch.n_constants), batch.n_constants),
            "tokens": lists(valid(batch.tokens, batch.token_lengths), batch.token_lengths),
            "boxes": batch.boxes,
            "value_hash": batch.hashes,
        }
    )
    # Mantissas of random numbers neither repeat nor compress.
    small = [c for c in COLUMNS if c not in ("X", "y", "value_hash")]
    partial = path.with_suffix(".partial")
    parquet.write_table(
        table,
        partial,
        compression={c: "zstd" if c in small else "none" for c in COLUMNS},
        use_dictionary=False,
        row_group_size=max(n, 1),
    )
    checksum = file_checksum(partial)
    partial.replace(path)
    return checksum


def file_checksum(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_table(path: Path, columns: list[str] | None = None) -> Any:
    """Columns of a shard as a pyarrow table; raises InvalidInput when the file cannot be read."""
    parquet = require_pyarrow()
    import pyarrow as pa

    try:
        return parquet.read_table(path, columns=columns, memory_map=True)
    except (OSError, pa.ArrowException) as error:
        raise InvalidInput(
            f"{path} is missing or broken ({error}); run the same export again to redo it"
        ) from error


def read_batch(path: Path, writer: TokenWriter, max_dim: int, n_points: int) -> Batch:
    """Batch of a shard, padded like one fresh from the generator; `outcomes` are empty."""
    table = read_table(path)
    n = table.num_rows

    def plain(name: str) -> NDArray[Any]:
        return table[name].combine_chunks().to_numpy(zero_copy_only=False)

    def padded(name: str, dtype: Any) -> tuple[NDArray[Any], NDArray[np.int32]]:
        column = table[name].combine_chunks()
        lengths = np.diff(column.offsets.to_numpy()).astype(np.int32)
        out = np.zeros((n, int(lengths.max(initial=1))), dtype)
        out[np.arange(out.shape[1]) < lengths[:, None]] = column.flatten().to_numpy()
        return out, lengths

    dims, rows = plain("n_variables").astype(np.int32), plain("n_points").astype(np.int32)
    X, y = np.zeros((n, max_dim, n_points)), np.zeros((n, n_points))
    inside = np.arange(n_points) < rows[:, None]
    X[(np.arange(max_dim) < dims[:, None])[:, :, None] & inside[:, None, :]] = (
        table["X"].combine_chunks().flatten().to_numpy()
    )
    y[inside] = table["y"].combine_chunks().flatten().to_numpy()
    codes, lengths = padded("codes", np.int16)
    constants, n_constants = padded("constants", np.float64)
    return Batch(
        indices=plain("index"),
        codes=codes,
        lengths=lengths,
        constants=constants,
        n_constants=n_constants,
        dims=dims,
        rows=rows,
        X=X,
        y=y,
        boxes=plain("boxes").astype(np.bool_),
        hashes=plain("value_hash"),
        outcomes={},
        writer=writer,
    )
