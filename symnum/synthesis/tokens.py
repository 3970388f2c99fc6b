"""Token ids of whole batches, the same as ``ExpressionTokenizer`` gives one by one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions.operators import OPERATORS
from symnum.expressions.tokenizer import ExpressionTokenizer
from symnum.synthesis._tokens import Words, write_points, write_programs

_HARD = 4096  # numbers a call that need exact rounding; more only in batches of zeros or subnormal numbers


class TokenWriter:
    """Writes the ids of a tokenizer for arrays of programs and points.

    Parameters
    ----------
    tokenizer : ExpressionTokenizer
        One with words for points (`ExpressionTokenizer.snip`) and fewer than 32768 words.
    """

    def __init__(self, tokenizer: ExpressionTokenizer) -> None:
        vocabulary, floats = tokenizer.vocabulary, tokenizer.floats
        if tokenizer.vocab_size > np.iinfo(np.int16).max or "input_pad" not in vocabulary.roles:
            raise InvalidInput(f"the {vocabulary.name!r} vocabulary is too large, or has no words for points")
        self.tokenizer: ExpressionTokenizer = tokenizer
        index = vocabulary.index
        operators = np.full(max(OPERATORS.by_code) + 1, -1, np.int64)
        for name, word in vocabulary.operators.items():
            operators[OPERATORS[name].code] = index[word]
        words = floats.vocabulary()
        decades, thresholds, scales, powers = floats._tables
        self.words: Words = Words(
            operators=operators,
            variables=np.array([index[w] for w in vocabulary.variables], np.int64),
            plus=index["+"],
            minus=index["-"],
            mantissas=np.array([index[w] for w in words[2 : 2 + floats.mantissas]], np.int16),
            exponents=np.array([index[w] for w in words[2 + floats.mantissas :]], np.int16),
            bos=tokenizer.bos_id,
            eos=tokenizer.eos_id,
            pad=tokenizer.pad_id,
            input_pad=index[vocabulary.roles["input_pad"]],
            decades=decades,
            thresholds=thresholds,
            scales=scales,
            powers=powers.astype(np.int64),
            max_exponent=floats.max_exponent,
            digits=floats.digits,
        )

    def check_operators(self, names: list[str]) -> None:
        """Raise InvalidInput when an operator has no word."""
        missing = [n for n in names if self.words.operators[OPERATORS[n].code] < 0]
        if missing:
            known = ", ".join(self.tokenizer.vocabulary.operators)
            raise InvalidInput(f"operators {missing} have no tokens; the vocabulary has {known}")

    def programs(
        self,
        codes: NDArray[np.int16],
        lengths: NDArray[np.int32],
        constants: NDArray[np.float64],
        n_constants: NDArray[np.int32],
    ) -> tuple[NDArray[np.int16], NDArray[np.int32]]:
        """Framed and padded ids (n, longest) and their numbers (n,)."""
        longest = int((lengths + 2 * n_constants).max(initial=0)) + 2
        ids = np.empty((lengths.size, longest), np.int16)
        counts = np.empty(lengths.size, np.int32)
        hard = np.empty((_HARD, 3), np.int64)
        while (found := write_programs(codes, lengths, constants, self.words, ids, counts, hard)) > len(hard):
            hard = np.empty((found, 3), np.int64)
        for i, at, k in hard[:found].tolist():
            ids[i, at : at + 3] = self.tokenizer.encode_numbers(constants[i, k])
        return ids, counts

    def points(
        self,
        X: NDArray[np.float64],
        y: NDArray[np.float64],
        dims: NDArray[np.int32],
        rows: NDArray[np.int32],
        chosen: NDArray[np.int64],
    ) -> NDArray[np.int16]:
        """Ids (k, longest, 3 * (D + 1)) of the chosen samples (k,) of X (n, D, N) and y (n, N)."""
        longest = int(rows[chosen].max(initial=0))
        ids = np.empty((chosen.size, longest, 3 * (X.shape[1] + 1)), np.int16)
        hard = np.empty((_HARD, 3), np.int64)
        while (found := write_points(X, y, dims, rows, chosen, self.words, ids, hard)) > len(hard):
            hard = np.empty((found, 3), np.int64)
        if found:
            k, r, v = hard[:found].T
            values = np.where(v < X.shape[1], X[chosen[k], np.minimum(v, X.shape[1] - 1), r], y[chosen[k], r])
            triples = self.tokenizer.encode_numbers(values)
            for j in range(3):
                ids[k, r, 3 * v + j] = triples[:, j]
        return ids
