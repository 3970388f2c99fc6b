"""What the encoders read, made from token ids and numbers: plain numpy, for the processes that load data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions.operators import OPERATORS
from symnum.expressions.tokenizer import ExpressionTokenizer
from symnum.models.snip.configuration import SNIPConfig

MAX_DEPTH = 15
LARGEST = 1e30  # larger numbers of points are cut: they are handled as float32
Arrays = dict[str, NDArray[Any]]


class Symbols(NamedTuple):
    """Formulas as symbols, one place each, shape (n, longest).

    Attributes
    ----------
    ids : int64
        Token ids; every number is the one id `Alphabet.number`.
    values : float32
        Value where the symbol is a number, else 0.
    parents : int64
        Id of the operator that the symbol is an argument of; 0 at the root and outside the formula.
    slots : int64
        Which argument it is: 1 or 2; 0 at the root and outside the formula.
    depths : int64
        Operators above it, at most `MAX_DEPTH`.
    mask : bool
        Whether there is a symbol.
    """

    ids: NDArray[np.int64]
    values: NDArray[np.float32]
    parents: NDArray[np.int64]
    slots: NDArray[np.int64]
    depths: NDArray[np.int64]
    mask: NDArray[np.bool_]


class Alphabet:
    """Symbols of a tokenizer in which each number is one symbol with a value.

    Parameters
    ----------
    tokenizer : ExpressionTokenizer
    """

    def __init__(self, tokenizer: ExpressionTokenizer) -> None:
        vocabulary = tokenizer.vocabulary
        self.pad = tokenizer.pad_id
        self.number = tokenizer.token_to_id("+")  # words of numbers are the last ones
        self.size = self.number + 1
        self._mantissa = self.number + 2
        self._exponent = self._mantissa + tokenizer.floats.mantissas + tokenizer.floats.max_exponent
        self._arity = np.zeros(self.size, np.int64)
        for name, word in vocabulary.operators.items():
            self._arity[vocabulary.index[word]] = OPERATORS[name].arity
        self._frame = np.zeros(self.size, np.bool_)
        self._frame[[tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id]] = True

    def symbols(self, tokens: NDArray[np.integer], lengths: NDArray[np.integer]) -> Symbols:
        """Symbols of padded token ids (n, longest) and their numbers (n,)."""
        tokens = np.asarray(tokens, np.int64)
        valid = np.arange(tokens.shape[1]) < np.asarray(lengths)[:, None]
        keep = valid & (tokens < self._mantissa)
        rows, places = np.nonzero(keep)
        counts = keep.sum(1)
        columns = np.arange(rows.size) - np.repeat(np.cumsum(counts) - counts, counts)
        shape = (tokens.shape[0], int(counts.max(initial=1)))
        kept = tokens[rows, places]
        is_number = kept >= self.number
        ids = np.full(shape, self.pad)
        ids[rows, columns] = np.where(is_number, self.number, kept)
        values = np.zeros(shape, np.float32)
        r, p = rows[is_number], places[is_number]
        sign = 1.0 - 2.0 * (kept[is_number] - self.number)
        power = (tokens[r, p + 2] - self._exponent).astype(np.float64)
        with np.errstate(over="ignore"):
            number = sign * (tokens[r, p + 1] - self._mantissa) * 10.0**power
            values[r, columns[is_number]] = np.clip(number, -3e38, 3e38)
        mask = np.arange(shape[1]) < counts[:, None]
        return Symbols(ids, values, *self._places(ids), mask)

    def _places(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        """Parent, slot and depth of every symbol: a stack of open arguments, all rows at once."""
        n, longest = ids.shape
        every = np.arange(n)
        stack = np.zeros((n, longest + 2, 3), np.int64)
        top = np.zeros(n, np.int64)  # the root is open
        found = np.zeros((n, longest, 3), np.int64)
        arity = self._arity[ids]
        inside = ~self._frame[ids]
        for t in range(longest):
            here = inside[:, t] & (top >= 0)
            place = np.where(here[:, None], stack[every, np.maximum(top, 0)], 0)
            found[:, t] = place
            top -= here
            for slot in (2, 1):  # the first argument is read first
                opens = here & (arity[:, t] >= slot)
                top += opens
                at = np.flatnonzero(opens)
                entry = np.stack([ids[at, t], np.full(at.size, slot), place[at, 2] + 1], 1)
                stack[at, top[at]] = entry
        parents, slots, depths = np.moveaxis(found, -1, 0)
        return parents, slots, np.minimum(depths, MAX_DEPTH)


class InputMaker:
    """Makes the arguments of `SNIPModel`, as arrays, from tokens and numbers.

    Parameters
    ----------
    config : SNIPConfig
    """

    def __init__(self, config: SNIPConfig) -> None:
        self.config = config
        self.tokenizer = ExpressionTokenizer.snip(config.max_dim)
        self.alphabet = Alphabet(self.tokenizer)

    def symbols(self, tokens: NDArray[np.integer], lengths: NDArray[np.integer]) -> Arrays:
        """Arguments of `SNIPModel.encode_symbols` for padded token ids (n, longest) and their numbers (n,).

        Raises
        ------
        InvalidInput
            When a formula is longer than the model's positions.
        """
        config = self.config
        lengths = np.asarray(lengths)
        if config.symbol_input == "tokens":
            longest = tokens.shape[1] if config.masked_pooling else max(config.max_symbols, tokens.shape[1])
            ids = np.full((len(tokens), longest), self.tokenizer.pad_id)
            ids[:, : tokens.shape[1]] = tokens
            found: Arrays = {"symbols": ids, "symbol_mask": np.arange(longest) < lengths[:, None]}
        else:
            arrays = self.alphabet.symbols(tokens, lengths)._asdict()
            found = {"symbols": arrays.pop("ids"), "symbol_mask": arrays.pop("mask"), **arrays}
        if found["symbols"].shape[1] > config.max_symbols:
            raise InvalidInput(
                f"a formula has {found['symbols'].shape[1]} symbols; this model reads {config.max_symbols}"
            )
        return found

    def points(
        self,
        X: NDArray[np.floating],
        y: NDArray[np.floating],
        dims: NDArray[np.integer],
        mask: NDArray[np.bool_],
    ) -> Arrays:
        """Arguments of `SNIPModel.encode_points`.

        Parameters
        ----------
        X, y : arrays, shape (n, rows, columns) and (n, rows)
        dims : int array, shape (n,)
            Number of columns that are variables.
        mask : bool array, shape (n, rows)
            Which rows there are.
        """
        config = self.config
        if config.numeric_positions and mask.shape[1] > config.max_points:
            raise InvalidInput(f"{mask.shape[1]} rows of data; this model reads up to {config.max_points}")
        if config.point_input == "tokens":
            ids = np.full((*mask.shape, 3 * (config.max_dim + 1)), self.tokenizer.pad_id, np.int32)
            for i, d in enumerate(dims):
                ids[i, mask[i]] = self.tokenizer.encode_points(X[i, mask[i], :d], y[i, mask[i]])
            return {"points": ids, "point_mask": mask}
        target, width = config.max_dim, config.max_dim + 1 + config.residual
        columns = np.zeros((*mask.shape, width), np.float32)
        X, y = np.clip(X, -LARGEST, LARGEST), np.clip(y, -LARGEST, LARGEST)
        columns[:, :, : X.shape[2]], columns[:, :, target] = X, y
        if config.residual:
            columns[:, :, -1] = linear_residual(X, y, mask)
        used = np.arange(width) < np.asarray(dims)[:, None]
        used[:, target:] = True
        return {"points": columns, "point_mask": mask, "used": used}

    def tables(self, tables: Sequence[NDArray[np.floating]]) -> Arrays:
        """Arguments of `SNIPModel.encode_points` for tables (rows, variables + 1), the target last."""
        dims = np.array([table.shape[1] - 1 for table in tables])
        rows = np.array([len(table) for table in tables])
        X = np.zeros((len(tables), int(rows.max(initial=1)), self.config.max_dim))
        y = np.zeros(X.shape[:2])
        for i, table in enumerate(tables):
            X[i, : rows[i], : dims[i]], y[i, : rows[i]] = table[:, :-1], table[:, -1]
        return self.points(X, y, dims, np.arange(X.shape[1]) < rows[:, None])


def linear_residual(
    X: NDArray[np.floating], y: NDArray[np.floating], mask: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """What the least-squares fit ``a + b @ x`` leaves of the target, in units of the target's spread.

    Parameters
    ----------
    X, y : arrays, shape (n, rows, columns) and (n, rows)
    mask : bool array, shape (n, rows)
        Which rows there are.

    Returns
    -------
    float64 array, shape (n, rows)
        All zero where the rest is rounding, below 1e-6 of the spread.
    """
    count = np.maximum(mask.sum(1), 1)[:, None]

    def standard(values: NDArray[np.floating]) -> NDArray[np.float64]:
        scaled = np.where(mask, values, 0.0) / np.maximum(np.abs(values).max(1, keepdims=True), 1e-300)
        centred = np.where(mask, scaled - scaled.sum(1, keepdims=True) / count, 0.0)
        return centred / np.maximum(np.sqrt((centred**2).sum(1, keepdims=True) / count), 1e-12)

    target = standard(y.astype(np.float64))
    basis = np.stack([standard(X[:, :, j].astype(np.float64)) for j in range(X.shape[2])], 2)
    gram = basis.transpose(0, 2, 1) @ basis + 1e-9 * count[:, :, None] * np.eye(X.shape[2])
    slopes = np.linalg.solve(gram, basis.transpose(0, 2, 1) @ target[:, :, None])
    rest = target - (basis @ slopes)[:, :, 0]
    rounding = np.abs(rest).max(1, keepdims=True) < 1e-6
    return np.where(rounding | ~mask, 0.0, rest)
