"""Expressions and numbers as integer tokens, in the formats of SNIP/E2E and PROSE."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions.expression import Expression
from symnum.expressions.floats import FloatCodec
from symnum.expressions.token_trees import TreeReader, TreeWriter
from symnum.expressions.vocabulary import Vocabulary, prose_vocabulary, snip_vocabulary

System = Expression | Sequence[Expression]
FILE_NAME = "tokenizer.json"


class ExpressionTokenizer:
    """Turns expressions, systems and points into token ids and back.

    An expression is written in prefix order, variables by column index, a number as sign, mantissa and
    exponent. The expressions of a system are separated by one word. Operators that the vocabulary lacks are
    written with others where that is exact (``a - b`` as ``a + -1*b``) and refused otherwise.

    Parameters
    ----------
    vocabulary : Vocabulary
        Words and their meaning; see `snip`, `prose` and `load`.

    Notes
    -----
    No word has two ids (in the reference code the special words have). Numbers come back with the precision
    of the format: 4 digits for SNIP, 3 for PROSE.

    Examples
    --------
    >>> tokenizer = ExpressionTokenizer.prose()
    >>> ids = tokenizer.encode(Expression.parse("10.2*x1 - x0"), frame=False)
    >>> " ".join(tokenizer.tokens(ids))
    'sub mul + N102 E-1 u_1 u_0'
    >>> str(tokenizer.decode(ids))
    '10.2*x1 - x0'
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.floats: FloatCodec = vocabulary.floats
        index = vocabulary.index
        roles = {role: index[word] for role, word in vocabulary.roles.items()}
        self.pad_id: int = roles["pad"]
        self.bos_id: int = roles["bos"]
        self.eos_id: int = roles["eos"]
        self.placeholder_id: int = roles["placeholder"]
        self.separator_id: int = roles["separator"]
        self._input_pad_id = roles.get("input_pad")
        self._first_number = index["+"]
        self._reader = TreeReader(vocabulary)
        self._writers = {s: TreeWriter(vocabulary, s, self.encode_numbers) for s in (False, True)}

    @classmethod
    def snip(cls, max_dim: int = 10) -> ExpressionTokenizer:
        """Tokenizer of E2E and SNIP (MIT and Apache-2.0 reference code), for up to `max_dim` columns."""
        return cls(snip_vocabulary(max_dim))

    @classmethod
    def prose(cls, max_dim: int = 3) -> ExpressionTokenizer:
        """Tokenizer of PROSE for systems of up to `max_dim` ordinary differential equations."""
        return cls(prose_vocabulary(max_dim))

    # ---------------------------------------------------------------- words
    @property
    def vocab_size(self) -> int:
        """Count of words."""
        return len(self.vocabulary.words)

    @property
    def max_dim(self) -> int:
        """Largest number of columns."""
        return len(self.vocabulary.variables)

    def token_to_id(self, token: str) -> int:
        """Id of a word; raises InvalidInput when there is no such word."""
        found = self.vocabulary.index.get(token)
        if found is None:
            raise InvalidInput(f"no word {token!r} in the {self.vocabulary.name!r} vocabulary")
        return found

    def id_to_token(self, id: int) -> str:
        """Word of an id; raises InvalidInput when the id is out of range."""
        if not 0 <= id < self.vocab_size:
            raise InvalidInput(f"token ids are 0 to {self.vocab_size - 1}, got {id}")
        return self.vocabulary.words[id]

    def tokens(self, ids: Sequence[int] | NDArray[np.integer]) -> list[str]:
        """Words of ids."""
        return [self.id_to_token(int(i)) for i in ids]

    def __eq__(self, other: object) -> bool:
        return (
            self.vocabulary == other.vocabulary if isinstance(other, ExpressionTokenizer) else NotImplemented
        )

    def __hash__(self) -> int:
        return hash((self.vocabulary.name, self.vocabulary.words))

    def __repr__(self) -> str:
        return (
            f"<ExpressionTokenizer {self.vocabulary.name!r}: {self.vocab_size} words, {self.max_dim} columns>"
        )

    # ---------------------------------------------------------------- expressions to ids
    def encode(self, expressions: System, skeleton: bool = False, frame: bool = True) -> list[int]:
        """Ids of one expression or of a system.

        Parameters
        ----------
        expressions : Expression or sequence of Expression
            A system is written with the separator between its expressions.
        skeleton : bool
            Write every constant as the placeholder.
        frame : bool
            Put the begin and end words around.

        Raises
        ------
        InvalidInput
            When an operator, a column or a constant has no words in this vocabulary.
        """
        parts = [expressions] if isinstance(expressions, Expression) else list(expressions)
        if not parts or not all(isinstance(e, Expression) for e in parts):
            raise InvalidInput(
                "encode takes an Expression or a sequence of them; read text with Expression.parse"
            )
        ids: list[int] = []
        for part in parts:
            ids += [self.separator_id] if ids else []
            ids += self._writers[skeleton].write(part)
        return [self.bos_id, *ids, self.eos_id] if frame else ids

    def encode_batch(
        self, items: Sequence[System], skeleton: bool = False, frame: bool = True
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Padded ids, shape (n, longest), and lengths, shape (n,), both int32."""
        rows = [self.encode(item, skeleton, frame) for item in items]
        lengths = np.array([len(r) for r in rows], dtype=np.int32)
        ids = np.full((len(rows), lengths.max(initial=0)), self.pad_id, dtype=np.int32)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
        return ids, lengths

    # ---------------------------------------------------------------- ids to expressions
    def decode(
        self, ids: Sequence[int] | NDArray[np.integer], names: Sequence[str] | None = None
    ) -> Expression | list[Expression]:
        """Expression of ids, or the list of them when there is a separator; see `decode_system`."""
        system = self.decode_system(ids, names)
        return system[0] if len(system) == 1 else system

    def decode_system(
        self, ids: Sequence[int] | NDArray[np.integer], names: Sequence[str] | None = None
    ) -> list[Expression]:
        """Expressions of ids, with or without begin and end words and padding.

        Parameters
        ----------
        names : sequence of str, optional
            Column names; x0, x1, ... when left out. Placeholders become the constant 1, as in
            `Expression.skeleton`.

        Raises
        ------
        InvalidInput
            When the words are no complete expressions; the message names the place. Nothing is skipped.
        """
        array = np.asarray(ids).reshape(-1)
        if array.size and array.dtype.kind not in "iu":
            raise InvalidInput(f"token ids are integers, got {array.dtype}")
        return self._reader.read(array.tolist(), names)

    # ---------------------------------------------------------------- numbers
    def encode_numbers(self, values: ArrayLike) -> NDArray[np.int32]:
        """Ids of numbers of any shape: int32, one more axis of length 3."""
        array = np.asarray(values, dtype=np.float64)
        negative, mantissa, exponent = self.floats.split(array.reshape(-1))
        first = self._first_number
        ids = np.empty((array.size, 3), dtype=np.int32)
        np.add(negative, first, out=ids[:, 0])
        np.add(mantissa, first + 2, out=ids[:, 1])
        np.add(exponent, first + 2 + self.floats.mantissas + self.floats.max_exponent, out=ids[:, 2])
        return ids.reshape(*array.shape, 3)

    def decode_numbers(self, ids: ArrayLike) -> NDArray[np.float64]:
        """Numbers of ids, shape (..., 3); raises InvalidInput when a triple is no number."""
        triples = np.asarray(ids, dtype=np.int64)
        if triples.ndim == 0 or triples.shape[-1] != 3:
            raise InvalidInput(f"numbers are triples of ids (..., 3), got shape {triples.shape}")
        sign, mantissa, exponent = np.moveaxis(triples - self._first_number, -1, 0)
        exponent = exponent - 2 - self.floats.mantissas - self.floats.max_exponent
        return self.floats.decode(1 - 2 * sign, mantissa - 2, exponent)

    def encode_points(self, X: ArrayLike, y: ArrayLike) -> NDArray[np.int32]:
        """Ids of points: int32, shape (n, 3 * (max_dim + 1)).

        Parameters
        ----------
        X : array_like, shape (n, d)
            Up to `max_dim` columns; the missing ones are filled with the input padding word.
        y : array_like, shape (n,)
            Target values, last in each row.
        """
        if self._input_pad_id is None:
            raise InvalidInput(
                f"the {self.vocabulary.name!r} vocabulary has no words for points; PROSE reads raw numbers"
            )
        columns, target = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
        if columns.ndim != 2 or target.shape != columns.shape[:1] or columns.shape[1] > self.max_dim:
            raise InvalidInput(
                f"points are X (n, d) with d up to {self.max_dim} and y (n,), "
                f"got shapes {columns.shape} and {target.shape}"
            )
        count, used = columns.shape
        numbers = self.encode_numbers(np.column_stack([columns, target]))
        ids = np.full((count, self.max_dim + 1, 3), self._input_pad_id, dtype=np.int32)
        ids[:, :used], ids[:, -1] = numbers[:, :used], numbers[:, -1]
        return ids.reshape(count, 3 * (self.max_dim + 1))

    # ---------------------------------------------------------------- files
    def save(self, directory: str | Path) -> Path:
        """Write ``tokenizer.json`` into a directory (made if missing) and return its path."""
        path = Path(directory)
        path.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.vocabulary.to_dict(), ensure_ascii=False, indent=1)
        (path / FILE_NAME).write_text(text + "\n", encoding="utf-8")
        return path / FILE_NAME

    @classmethod
    def load(cls, directory: str | Path) -> ExpressionTokenizer:
        """Read what `save` wrote, from a directory or the file itself."""
        path = Path(directory)
        path = path / FILE_NAME if path.is_dir() else path
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InvalidInput(f"no {FILE_NAME} at {path}; write one with ExpressionTokenizer.save") from None
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"{path} is no JSON: {error}") from error
        except OSError as error:
            raise InvalidInput(f"cannot read {path}: {error.strerror or error}") from None
        return cls(Vocabulary.from_dict(data))
