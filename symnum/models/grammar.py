"""Which words may come next, so that every decoded sequence is a system of complete expressions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from symnum.exceptions import InvalidInput
from symnum.expressions.operators import OPERATORS
from symnum.expressions.vocabulary import Vocabulary

_OTHER, _LEAF, _UNARY, _BINARY, _SIGN, _MANTISSA, _EXPONENT, _SEPARATOR, _EOS = range(9)


@dataclass
class GrammarState:
    """How far each of b sequences is.

    Attributes
    ----------
    open : int64 tensor, shape (b,)
        Sub-trees that the current expression still lacks.
    number : int64 tensor, shape (b,)
        0, or inside a number: 1 before its mantissa, 2 before its exponent.
    remaining : int64 tensor, shape (b,)
        Expressions that follow the current one.
    ended : bool tensor, shape (b,)
    """

    open: Tensor
    number: Tensor
    remaining: Tensor
    ended: Tensor


class Grammar:
    """Prefix grammar of a vocabulary: arities are counted, and so are the words that are left.

    Parameters
    ----------
    vocabulary : Vocabulary
    skeleton : bool
        Whether a constant is the one word that stands for any number; masks then have a column for the words
        before those of numbers only, which are the last ones.
    """

    def __init__(self, vocabulary: Vocabulary, skeleton: bool = False) -> None:
        index = vocabulary.index
        kinds = torch.full((len(vocabulary.words),), _OTHER)
        for name, word in vocabulary.operators.items():
            kinds[index[word]] = _UNARY if OPERATORS[name].arity == 1 else _BINARY
        leaves = (vocabulary.roles["placeholder"],) if skeleton else tuple(vocabulary.constants)
        for word in (*vocabulary.variables, *leaves):
            kinds[index[word]] = _LEAF
        first, codec = index["+"], vocabulary.floats
        kinds[first : first + 2] = _SIGN
        kinds[first + 2 : first + 2 + codec.mantissas] = _MANTISSA
        kinds[first + 2 + codec.mantissas : first + 2 + codec.mantissas + codec.exponents] = _EXPONENT
        kinds[index[vocabulary.roles["separator"]]] = _SEPARATOR
        kinds[index[vocabulary.roles["eos"]]] = _EOS
        if skeleton:
            kinds = kinds[:first]
        self.kinds = kinds
        self.pad_id = index[vocabulary.roles["pad"]]
        self.column = torch.full_like(kinds, -1)
        for i, word in enumerate(vocabulary.variables):
            self.column[index[word]] = i
        # Words a token adds to what is needed at least, in sub-trees: each can end as one variable.
        self.growth = torch.tensor([0, -1, 0, 1, 1, -1, -1, -1, -1])[kinds]

    def start(self, expressions: Tensor) -> GrammarState:
        """State before the first word of systems with so many expressions (b,)."""
        zeros = torch.zeros_like(expressions)
        return GrammarState(
            zeros + 1, zeros, expressions - 1, torch.zeros_like(expressions, dtype=torch.bool)
        )

    def least(self, state: GrammarState) -> Tensor:
        """Fewest words (b,) that complete the sequences, the end included."""
        # A number that is begun counts in `open`; it lacks one or two words instead of one.
        inside = (state.number == 1).long()
        return torch.where(state.ended, 0, state.open + inside + 2 * state.remaining + 1)

    def allowed(self, state: GrammarState, left: int, columns: Tensor) -> Tensor:
        """Which words (b, words) may come next when `left` words are left, among the first `columns` (b,).

        Raises
        ------
        InvalidInput
            When that is too few for any system.
        """
        if bool((self.least(state) > left).any()):
            raise InvalidInput(f"{left} words are too few for such a system; allow more")
        kinds = self.kinds[None]
        inside, complete = state.number[:, None], (state.open == 0)[:, None]
        tree = (kinds >= _LEAF) & (kinds <= _SIGN) & ~complete
        tree &= self.column[None] < columns[:, None]
        tree &= self.least(state)[:, None] + self.growth[None] <= left - 1
        last = (state.remaining == 0)[:, None]
        end = complete & torch.where(last, kinds == _EOS, kinds == _SEPARATOR)
        found = torch.where(inside == 0, tree | end, kinds == torch.where(inside == 1, _MANTISSA, _EXPONENT))
        pad = torch.arange(len(self.kinds)) == self.pad_id
        return torch.where(state.ended[:, None], pad[None], found)

    def advance(self, state: GrammarState, words: Tensor) -> GrammarState:
        """State after one more word (b,) each."""
        kind = torch.where(state.ended, _OTHER, self.kinds[words])
        more = torch.tensor([0, -1, 0, 1, 0, 0, -1, 1, 0])[kind]
        number = torch.tensor([0, 0, 0, 0, 1, 2, 0, 0, 0])[kind]
        return GrammarState(
            state.open + more,
            number,
            state.remaining - (kind == _SEPARATOR).long(),
            state.ended | (kind == _EOS),
        )
