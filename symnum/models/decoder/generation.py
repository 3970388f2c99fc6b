"""Formulas word by word: samples and beams, with a cache and the grammar of prefix notation.

A loop of its own instead of the one in transformers: a formula's guessed constants come from the same vectors
as its words, formulas that have ended are set aside, a plan goes on from prefixes of any length, and the
grammar is stepped along instead of being counted anew from all words before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from symnum.exceptions import InvalidInput
from symnum.models.grammar import GrammarState
from symnum.models.layers import Cache

if TYPE_CHECKING:
    from symnum.models.decoder.modeling import Encoding, SNIPDecoderModel

_KEPT = 0.75  # formulas that have ended are set aside when no more than this share goes on


class Formulas(NamedTuple):
    """Decoded formulas.

    Attributes
    ----------
    tokens : int64 tensor, shape (b, count, t)
        With begin and end, padded; every row is read by the tokenizer.
    scores : float32 tensor, shape (b, count)
        Logarithms of the probabilities under the grammar.
    values : int64 tensor, shape (b, count, t)
        Most likely class of value where the word is a constant, else 0.
    """

    tokens: Tensor
    scores: Tensor
    values: Tensor


class Writer:
    """Formulas that are written together, one word at a time.

    Parameters
    ----------
    model : SNIPDecoderModel
    encoding : Encoding
        Of b data sets.
    columns : int64 tensor, shape (b,)
        Formulas use the first so many variables.
    banned : bool tensor, shape (words,), optional
        Words that do not occur.
    cached : bool
        Whether keys and values are kept; without it everything is computed anew for every word.
    """

    def __init__(
        self,
        model: SNIPDecoderModel,
        encoding: Encoding,
        columns: Tensor,
        banned: Tensor | None = None,
        cached: bool = True,
    ) -> None:
        self.model, self.grammar, self.cached = model, model.grammar, cached
        memory, self.mask = model.memory(encoding)
        self.memory: list[Cache] = model.symbol_decoder.remember(memory)
        self.columns, self.banned = columns, banned
        n = len(columns)
        self.tokens = torch.full((n, 1), model.tokenizer.bos_id)
        self.state = self.grammar.start(torch.ones(n, dtype=torch.int64))
        self.past: list[Cache] | None = None

    def begin(self, tokens: Tensor) -> None:
        """Take these words (b, t), the first of which is the begin, as written already."""
        self.tokens, self.past = tokens[:, :1], None
        self.state = self.grammar.start(torch.ones(len(tokens), dtype=torch.int64))
        for words in tokens[:, 1:].T:
            self.write(words)

    def repeat(self, count: int) -> None:
        """Write `count` formulas of each row."""
        self.take(torch.arange(len(self.columns)).repeat_interleave(count))

    def take(self, rows: Tensor, exchanged: bool = False) -> None:
        """Go on with these rows, some perhaps several times; `exchanged` only among those of one data set."""
        if not exchanged:
            # Heads beside each other in memory: otherwise every step would copy them.
            self.memory = [(k[rows].contiguous(), v[rows].contiguous()) for k, v in self.memory]
            self.mask, self.columns = self.mask[rows], self.columns[rows]
        self.tokens, s = self.tokens[rows], self.state
        self.state = GrammarState(s.open[rows], s.number[rows], s.remaining[rows], s.ended[rows])
        if self.past is not None:
            self.past = [(k[rows], v[rows]) for k, v in self.past]

    def next(self, left: int) -> tuple[Tensor, Tensor]:
        """Log-probabilities (b, words) of the next word, and the likeliest class of its value (b,)."""
        device = self.model.device
        new = self.tokens if self.past is None else self.tokens[:, -1:]
        vectors, cache = self.model.symbol_decoder.read(new.to(device), self.memory, self.mask, self.past)
        self.past = cache if self.cached else None
        vectors = vectors[:, -1]
        logits = self.model.symbol_decoder.score(vectors).float().cpu()
        allowed = self.grammar.allowed(self.state, left, self.columns)
        if self.banned is not None:
            allowed &= ~self.banned
        chances = logits.masked_fill(~allowed, -torch.inf).log_softmax(-1)
        if self.model.value is None:
            return chances, torch.zeros(len(chances), dtype=torch.int64)
        return chances, self.model.value(vectors).argmax(-1).cpu()

    def write(self, words: Tensor) -> None:
        """Add one word (b,) to each."""
        self.tokens = torch.cat([self.tokens, words[:, None]], 1)
        self.state = self.grammar.advance(self.state, words)


def banned_words(model: SNIPDecoderModel, operators: list[str] | None) -> Tensor | None:
    """Words (words,) of operators that are not among these; None where all are allowed.

    Raises
    ------
    InvalidInput
        When none of the operators has a word.
    """
    if operators is None:
        return None
    vocabulary = model.tokenizer.vocabulary
    known = {name: vocabulary.index[word] for name, word in vocabulary.operators.items()}
    if not set(operators) & set(known):
        raise InvalidInput(
            f"none of the operators {', '.join(operators)} has a word in these weights; there are "
            f"{', '.join(sorted(known))}"
        )
    banned = torch.zeros(model.words, dtype=torch.bool)
    banned[[place for name, place in known.items() if name not in operators]] = True
    return banned


def most_words(model: SNIPDecoderModel, max_words: int | None = None) -> int:
    """Words of the longest formula, begin and end included."""
    return min(max_words or model.config.max_symbols, model.config.max_symbols)


@torch.no_grad()
def sample(
    model: SNIPDecoderModel,
    encoding: Encoding,
    columns: Tensor,
    count: int,
    generator: torch.Generator | None = None,
    temperature: float = 1.0,
    max_words: int | None = None,
    banned: Tensor | None = None,
    cached: bool = True,
    stop: Callable[[], bool] = lambda: False,
) -> Formulas:
    """Draw formulas of each data set, or write the likeliest word every time.

    Parameters
    ----------
    model : SNIPDecoderModel
    encoding : Encoding
    columns : int64 tensor, shape (b,)
        Formulas use the first so many variables.
    count : int
        Formulas of each.
    generator : torch.Generator, optional
        Of the draws, on the CPU; needed unless `temperature` is 0.
    temperature : float
        Logits are divided by it; 0 for the likeliest word every time.
    max_words : int, optional
        Most words with begin and end; by default those of the model.
    banned : bool tensor, shape (words,), optional
        See `banned_words`.
    cached : bool
        See `Writer`.
    stop : callable
        Asked before every word; formulas that are not complete then have a score of minus infinity.
    """
    if count < 1 or (count > 1 and temperature <= 0):
        raise InvalidInput(f"several formulas need a temperature above 0, got {count} at {temperature}")
    if temperature > 0 and generator is None:
        raise InvalidInput("sampling needs a torch.Generator, so that it can be repeated")
    limit = most_words(model, max_words)
    writer = Writer(model, encoding, columns, banned, cached)
    writer.repeat(count)
    n = len(columns) * count
    tokens = torch.full((n, limit), model.tokenizer.pad_id)
    tokens[:, 0] = model.tokenizer.bos_id
    scores, values = torch.zeros(n), torch.zeros(n, limit, dtype=torch.int64)
    rows, placeholder = torch.arange(n), model.tokenizer.placeholder_id
    for at in range(1, limit):
        if stop():
            scores[rows[~writer.state.ended]] = -torch.inf
            break
        chances, value = writer.next(limit - at)
        if temperature > 0:
            word = torch.multinomial((chances / temperature).softmax(-1), 1, generator=generator)[:, 0]
        else:
            word = chances.argmax(-1)
        scores[rows] += chances.gather(1, word[:, None])[:, 0]
        tokens[rows, at] = word
        values[rows, at] = torch.where(word == placeholder, value, 0)
        writer.write(word)
        going = ~writer.state.ended
        if not bool(going.any()):
            break
        if float(going.float().mean()) <= _KEPT:
            writer.take(going.nonzero()[:, 0])
            rows = rows[going]
    used = int((tokens != model.tokenizer.pad_id).sum(1).max())
    shape = (len(columns), count)
    return Formulas(tokens[:, :used].view(*shape, -1), scores.view(shape), values[:, :used].view(*shape, -1))


@torch.no_grad()
def beam(
    model: SNIPDecoderModel,
    encoding: Encoding,
    columns: Tensor,
    width: int,
    max_words: int | None = None,
    banned: Tensor | None = None,
    penalty: float = 0.0,
    stop: Callable[[], bool] = lambda: False,
) -> Formulas:
    """The likeliest formulas of each data set by beam search, best first.

    Parameters
    ----------
    model, encoding, columns, max_words, banned, stop
        See `sample`.
    width : int
        Formulas of each; also the number that is followed.
    penalty : float
        Formulas are ranked by ``score / length**penalty``; 0 ranks by probability.

    Notes
    -----
    Formulas that have ended keep their place in the beam. Where there are fewer formulas than `width`, the
    last rows have a score of minus infinity.
    """
    if width < 1:
        raise InvalidInput(f"a beam follows 1 formula or more, got {width}")
    limit, b = most_words(model, max_words), len(columns)
    writer = Writer(model, encoding, columns, banned)
    writer.repeat(width)
    scores = torch.full((b, width), -torch.inf)
    scores[:, 0] = 0.0
    lengths = torch.ones(b, width)
    values = torch.zeros(b * width, 1, dtype=torch.int64)
    first = width * torch.arange(b)[:, None]
    placeholder = model.tokenizer.placeholder_id
    for left in range(limit - 1, 0, -1):
        if stop():
            scores[~writer.state.ended.view(b, width)] = -torch.inf
            break
        chances, value = writer.next(left)
        ended = writer.state.ended.view(b, width)
        total = scores[..., None] + torch.where(ended[..., None], 0.0, chances.view(b, width, -1))
        # A formula that has ended has one way to go on: the padding, which the grammar allows alone.
        total = total.masked_fill(chances.view(b, width, -1) == -torch.inf, -torch.inf)
        grown = (lengths + ~ended)[..., None]
        ranked = (total / grown**penalty).flatten(1)
        chosen = ranked.topk(width, dim=1).indices
        source, word = chosen // chances.shape[1], chosen % chances.shape[1]
        scores = total.flatten(1).gather(1, chosen)
        # Where fewer formulas are possible than the beam is wide, the best one fills the places.
        dead = scores == -torch.inf
        source, word = (torch.where(dead, part[:, :1], part) for part in (source, word))
        lengths = grown[..., 0].gather(1, source)
        rows = (first + source).flatten()
        word = word.flatten()
        marked = torch.where(word == placeholder, value[rows], 0)
        values = torch.cat([values[rows], marked[:, None]], 1)
        writer.take(rows, exchanged=True)
        writer.write(word)
        if bool(writer.state.ended.all()):
            break
    shape = (b, width)
    return Formulas(writer.tokens.view(*shape, -1), scores, values.view(*shape, -1))
