"""What a generator returns: single samples and batches of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions.expression import Expression, default_names
from symnum.problem import Problem

if TYPE_CHECKING:
    from symnum.synthesis.tokens import TokenWriter


@dataclass(frozen=True)
class Sample:
    """One formula and its numbers.

    Attributes
    ----------
    index : int
        Number of the sample; with seed and law it gives this very sample again.
    expression : Expression
        Over x0 .. x(d-1).
    X : float64 array, shape (n, d)
    y : float64 array, shape (n,)
    tokens : int16 array, shape (length,)
        Ids of the expression, framed, as ``ExpressionTokenizer.encode`` gives them.
    value_hash : int
        Equal for equal functions (not only for equal texts).
    boxes : bool
        Whether X fills a box, not clusters.
    """

    index: int
    expression: Expression
    X: NDArray[np.float64]
    y: NDArray[np.float64]
    tokens: NDArray[np.int16]
    value_hash: int
    boxes: bool

    def problem(self) -> Problem:
        """X and y as a `Problem` whose truth is the expression."""
        return Problem(self.X, self.y, self.expression.names, truth=self.expression)


@dataclass(frozen=True)
class Batch:
    """Many samples as padded arrays; row i is the i-th.

    Attributes
    ----------
    indices : int64 array, shape (n,)
        Numbers of the samples.
    codes : int16 array, shape (n, longest)
        Postfix programs, see `Expression`; `lengths` (n,) of each are valid.
    constants : float64 array, shape (n, most)
        Their constants; `n_constants` (n,) of each are valid.
    dims, rows : int32 arrays, shape (n,)
        Number of variables and of rows.
    X : float64 array, shape (n, max_dim, n_points)
        By columns; zero where a sample has no such variable or row.
    y : float64 array, shape (n, n_points)
    boxes : bool array, shape (n,)
        Whether X fills a box, not clusters.
    hashes : uint64 array, shape (n,)
        Equal for equal functions.
    outcomes : mapping of str to int
        What became of the attempts that the batch took.
    writer : TokenWriter
        Turns numbers and programs into ids.
    arrays : object
        What the kernels wrote into, for `EquationGenerator.batch` to use again.
    """

    indices: NDArray[np.int64]
    codes: NDArray[np.int16]
    lengths: NDArray[np.int32]
    constants: NDArray[np.float64]
    n_constants: NDArray[np.int32]
    dims: NDArray[np.int32]
    rows: NDArray[np.int32]
    X: NDArray[np.float64]
    y: NDArray[np.float64]
    boxes: NDArray[np.bool_]
    hashes: NDArray[np.uint64]
    outcomes: Mapping[str, int]
    writer: TokenWriter
    arrays: Any = field(default=None, repr=False)

    def __len__(self) -> int:
        return self.lengths.size

    @cached_property
    def _tokens(self) -> tuple[NDArray[np.int16], NDArray[np.int32]]:
        return self.writer.programs(self.codes, self.lengths, self.constants, self.n_constants)

    @property
    def tokens(self) -> NDArray[np.int16]:
        """Ids of the expressions, framed and padded, shape (n, longest)."""
        return self._tokens[0]

    @property
    def token_lengths(self) -> NDArray[np.int32]:
        """Ids of each expression, its frame included, shape (n,)."""
        return self._tokens[1]

    @cached_property
    def point_tokens(self) -> NDArray[np.int16]:
        """Ids of all points; see `encode_points`."""
        return self.encode_points(np.arange(len(self)))

    def encode_points(self, chosen: NDArray[np.integer]) -> NDArray[np.int16]:
        """Ids of the points of some rows of the batch, shape (k, most rows, 3 * (max_dim + 1)).

        As ``ExpressionTokenizer.encode_points`` gives them; missing columns hold the input padding, missing
        rows the padding.
        """
        return self.writer.points(self.X, self.y, self.dims, self.rows, np.asarray(chosen, np.int64))

    def expression(self, i: int) -> Expression:
        """Expression of row i."""
        names = default_names(int(self.dims[i]))
        return Expression(self.codes[i, : self.lengths[i]], self.constants[i, : self.n_constants[i]], names)

    def sample(self, i: int) -> Sample:
        """Row i by itself, as arrays of its own."""
        d, n = int(self.dims[i]), int(self.rows[i])
        return Sample(
            index=int(self.indices[i]),
            expression=self.expression(i),
            X=np.ascontiguousarray(self.X[i, :d, :n].T),
            y=self.y[i, :n].copy(),
            tokens=self.tokens[i, : self.token_lengths[i]].copy(),
            value_hash=int(self.hashes[i]),
            boxes=bool(self.boxes[i]),
        )

    def __iter__(self) -> Iterator[Sample]:
        return (self.sample(i) for i in range(len(self)))

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Batch:
        """Batch of some rows; `outcomes` stay those of the whole."""
        names = [
            "indices",
            "codes",
            "lengths",
            "constants",
            "n_constants",
            "dims",
            "rows",
            "X",
            "y",
            "boxes",
            "hashes",
        ]
        part = {name: getattr(self, name)[rows] for name in names}
        return Batch(**part, outcomes=self.outcomes, writer=self.writer)


def check_index(index: int) -> int:
    """Whole number from 0 to 2**62; raises InvalidInput otherwise."""
    if not isinstance(index, (int, np.integer)) or not 0 <= index < 2**62:
        raise InvalidInput(f"samples are numbered from 0 to 2**62, got {index!r}")
    return int(index)
