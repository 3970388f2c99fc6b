"""Equations word by word, with a cache and the grammar of prefix notation."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from symnum.exceptions import InvalidInput

if TYPE_CHECKING:
    from symnum.models.prose.modeling import Encoded, PROSEModel


class Generated(NamedTuple):
    """Decoded words.

    Attributes
    ----------
    tokens : int64 tensor, shape (b, count, t)
        With begin and end, padded; every row is read by the tokenizer.
    scores : float32 tensor, shape (b, count)
        Logarithms of the probabilities of the rows under the grammar.
    """

    tokens: Tensor
    scores: Tensor


@torch.no_grad()
def generate_symbols(
    model: PROSEModel,
    encoded: Encoded,
    expressions: Tensor,
    count: int = 1,
    temperature: float = 0.0,
    max_words: int | None = None,
    generator: torch.Generator | None = None,
    cached: bool = True,
) -> Generated:
    """Decode systems with so many expressions each.

    Parameters
    ----------
    model : PROSEModel
    encoded : Encoded
        What `PROSEModel.encode` made.
    expressions : int64 tensor, shape (b,)
        Equations of each system.
    count : int
        Sequences for each.
    temperature : float
        0 for the most likely word every time; else words are drawn with logits divided by it.
    max_words : int, optional
        Most words with begin and end; by default those of the model.
    generator : torch.Generator, optional
        Of the draws, on the CPU.
    cached : bool
        Whether keys and values are kept; without it everything is computed anew for every word.
    """
    decoder, grammar = model.symbol_decoder, model.grammar
    if decoder is None:
        raise InvalidInput("this model gives no equations (symbol_output is False)")
    if count < 1 or (count > 1 and temperature <= 0):
        raise InvalidInput(f"several sequences need a temperature above 0, got {count} at {temperature}")
    if temperature > 0 and generator is None:
        raise InvalidInput("sampling needs a torch.Generator, so that it can be repeated")
    limit = min(max_words or model.config.max_symbols, model.config.max_symbols)
    device = encoded.symbols.device
    memory = [
        tuple(p.repeat_interleave(count, 0) for p in pair) for pair in decoder.remember(encoded.symbols)
    ]
    mask = encoded.symbol_mask.repeat_interleave(count, 0)
    wanted = expressions.cpu().repeat_interleave(count)
    columns = torch.full_like(wanted, 10**6) if model.config.grid else wanted
    state = grammar.start(wanted)
    tokens = torch.full((len(wanted), 1), model.tokenizer.bos_id)
    scores, past = torch.zeros(len(wanted)), None
    for left in range(limit - 1, 0, -1):
        new = tokens if past is None else tokens[:, -1:]
        logits, cache = decoder(new.to(device), memory, mask, past)
        past = cache if cached else None
        logits = logits[:, -1].float().cpu().masked_fill(~grammar.allowed(state, left, columns), -torch.inf)
        chances = logits.log_softmax(-1)
        if temperature > 0:
            word = torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)[:, 0]
        else:
            word = chances.argmax(-1)
        scores += chances.gather(1, word[:, None])[:, 0]
        tokens = torch.cat([tokens, word[:, None]], 1)
        state = grammar.advance(state, word)
        if bool(state.ended.all()):
            break
    shape = (len(expressions), count)
    return Generated(tokens.view(*shape, -1), scores.view(shape))
