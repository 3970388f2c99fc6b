"""The five parts of PROSE: encoders of data and symbols, their fusion, decoders of both."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symnum.models.layers import Block, Cache, DecoderBlock, sinusoids
from symnum.models.prose.configuration import PROSEConfig


class Units(NamedTuple):
    """What a window is measured in.

    Attributes
    ----------
    begin, span : tensors, shape (b,)
        First time and length of the window.
    size : tensor, shape (b, 1, values)
        Root mean square of each state, of the whole field alike.
    """

    begin: Tensor
    span: Tensor
    size: Tensor


class Stack(nn.Module):
    """Blocks that attend to the sequence itself, or to a memory."""

    def __init__(self, config: PROSEConfig, layers: int, cross: bool = False) -> None:
        super().__init__()
        c = config
        self.blocks = nn.ModuleList(
            Block(c.width, c.heads, c.hidden, c.norm_first, cross, c.activation, c.norm_eps)
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(c.width, c.norm_eps) if c.norm_first else nn.Identity()

    def forward(self, x: Tensor, mask: Tensor | None, memory: Tensor | None = None) -> Tensor:
        """Vectors after all blocks."""
        for block in self.blocks:
            x = block(x, mask, memory)
        return self.norm(x)


def time_features(time: Tensor, frequencies: int) -> Tensor:
    """A time, and sines and cosines of it from a period of eight windows down, octave by octave."""
    if not frequencies:
        return time[..., None]
    angle = (math.pi / 4 * time)[..., None] * 2.0 ** torch.arange(frequencies, device=time.device)
    return torch.cat([time[..., None], angle.sin(), angle.cos()], -1)


def units_of(times: Tensor, values: Tensor, mask: Tensor, field: bool) -> Units:
    """Units of windows: times (b, m), values (b, m, v), valid steps (b, m)."""
    infinity = torch.full_like(times, math.inf)
    begin = torch.where(mask, times, infinity).amin(1)
    end = torch.where(mask, times, -infinity).amax(1)
    weight = mask[..., None].to(values.dtype)
    square = (values * weight).square().sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp(min=1)
    if field:
        square = square.mean(-1, keepdim=True).expand_as(square)
    largest = square.amax(-1, keepdim=True)
    size = torch.maximum(square, 1e-12 * largest).clamp(min=1e-30).sqrt()
    return Units(begin, (end - begin).clamp(min=1e-30), size)


class DataEncoder(nn.Module):
    """One place per time step, or per patch of them."""

    def __init__(self, config: PROSEConfig) -> None:
        super().__init__()
        c = self.config = config
        a_step = 1 + 2 * c.frequencies + c.values + (1 if c.patch > 1 else 0)
        # In units of the window also: which states there are, and the logarithms of the units.
        further = 1 + (1 if c.grid else 2 * c.max_dim) if c.scaled else 0
        self.embed_in = nn.Linear(c.patch * a_step + further, c.width)
        self.embed_out = nn.Linear(c.width, c.width)
        self.norm = nn.LayerNorm(c.width, c.norm_eps)
        self.stack = Stack(c, c.data_layers)

    def forward(
        self, times: Tensor, values: Tensor, mask: Tensor, dims: Tensor, units: Units
    ) -> tuple[Tensor, Tensor]:
        """Vectors (b, s, width) and which are valid; `dims` (b, values) is True at states that there are."""
        p = self.config.patch
        parts = [time_features(times, self.config.frequencies), values]
        if p > 1:
            parts.append(mask[..., None].to(values.dtype))
        steps = torch.cat(parts, -1)
        if p > 1:
            steps = F.pad(steps * mask[..., None], (0, 0, 0, -steps.shape[1] % p))
            steps = steps.unflatten(1, (-1, p)).flatten(2)
            mask = F.pad(mask, (0, -mask.shape[1] % p)).unflatten(1, (-1, p)).any(-1)
        if self.config.scaled:
            steps = torch.cat(
                [steps, self._units(dims, units, values.dtype).expand(-1, steps.shape[1], -1)], -1
            )
        x = self.embed_out(F.gelu(self.embed_in(steps)))
        return self.stack(self.norm(x), mask), mask

    def _units(self, dims: Tensor, units: Units, dtype: torch.dtype) -> Tensor:
        """Features (b, 1, n) of the units of windows."""
        span, size = units.span.log()[:, None, None] / 3, units.size.log() / 3
        if self.config.grid:
            return torch.cat([span, size[..., :1]], -1)
        there = dims[:, None].to(dtype)
        return torch.cat([span, size * there, there], -1)


class Places(nn.Module):
    """Adds fixed positions; they are made when first used, and no part of the weights."""

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.length, self.width = length, width
        self._table: Tensor | None = None

    def forward(self, x: Tensor, begin: int = 0) -> Tensor:
        """Vectors (b, t, width) with the positions from `begin` on."""
        if self._table is None or self._table.device != x.device:
            self._table = sinusoids(self.length, self.width).to(x.device)
        return x + self._table[begin : begin + x.shape[1]]


class SymbolEncoder(nn.Module):
    """One place per word of the guess."""

    def __init__(self, config: PROSEConfig, words: int, pad: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(words, config.width, padding_idx=pad)
        self.places = Places(config.max_symbols, config.width)
        self.norm = nn.LayerNorm(config.width, config.norm_eps)
        self.stack = Stack(config, config.symbol_layers)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Vectors (b, n, width)."""
        x = self.places(self.tokens(tokens))
        return self.stack(self.norm(x), mask)


class Fusion(nn.Module):
    """Places of both kinds attend to each other."""

    def __init__(self, config: PROSEConfig) -> None:
        super().__init__()
        self.kinds = nn.Embedding(2, config.width)
        self.norm = nn.LayerNorm(config.width, config.norm_eps)
        self.stack = Stack(config, config.fusion_layers)

    def forward(self, data: Tensor, symbols: Tensor, mask: Tensor) -> Tensor:
        """Vectors (b, m + n, width), those of the data first."""
        x = torch.cat([data + self.kinds.weight[0], symbols + self.kinds.weight[1]], 1)
        return self.stack(self.norm(x), mask)


class DataDecoder(nn.Module):
    """States at query times, each independent of the other queries."""

    def __init__(self, config: PROSEConfig) -> None:
        super().__init__()
        c = self.config = config
        self.query = nn.Linear(1 + 2 * c.frequencies, c.width)
        self.norm = nn.LayerNorm(c.width, c.norm_eps)
        self.stack = Stack(c, c.data_decoder_layers, cross=True)
        hidden = c.head_hidden
        self.head = (
            nn.Sequential(nn.Linear(c.width, hidden), nn.Linear(hidden, c.values))
            if hidden
            else nn.Linear(c.width, c.values)
        )

    def forward(self, times: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """Values (b, q, values) at times (b, q)."""
        x = self.norm(self.query(time_features(times, self.config.frequencies)))
        return self.head(self.stack(x, mask, memory))


class SymbolDecoder(nn.Module):
    """The equations word by word; the output shares its weights with the table of words."""

    def __init__(self, config: PROSEConfig, words: int, pad: int) -> None:
        super().__init__()
        c = config
        self.tokens = nn.Embedding(words, c.width, padding_idx=pad)
        self.places = Places(c.max_symbols, c.width)
        self.norm = nn.LayerNorm(c.width, c.norm_eps)
        self.blocks = nn.ModuleList(
            DecoderBlock(c.width, c.heads, c.hidden, c.norm_first, c.activation, c.norm_eps)
            for _ in range(c.symbol_decoder_layers)
        )
        self.norm_out = nn.LayerNorm(c.width, c.norm_eps) if c.norm_first else nn.Identity()
        self.bias = nn.Parameter(torch.zeros(words))

    def remember(self, memory: Tensor) -> list[Cache]:
        """Keys and values of the memory for every block."""
        return [block.cross.project(memory) for block in self.blocks]

    def forward(
        self, tokens: Tensor, memory: list[Cache], mask: Tensor, past: list[Cache] | None = None
    ) -> tuple[Tensor, list[Cache]]:
        """Logits (b, t, words) of the words after these, and the cache for the places that follow."""
        x, cache = self.read(tokens, memory, mask, past)
        return self.score(x), cache

    def read(
        self, tokens: Tensor, memory: list[Cache], mask: Tensor, past: list[Cache] | None = None
    ) -> tuple[Tensor, list[Cache]]:
        """Vectors (b, t, width) at these words, and the cache for the places that follow."""
        begin = 0 if past is None else past[0][0].shape[2]
        x = self.places(self.tokens(tokens), begin)
        x = self.norm(x)
        cache = []
        for i, block in enumerate(self.blocks):
            x, kept = block(x, memory[i], mask, None if past is None else past[i])
            cache.append(kept)
        return self.norm_out(x), cache

    def score(self, vectors: Tensor) -> Tensor:
        """Logits of the words after the places of these vectors."""
        return F.linear(vectors, self.tokens.weight, self.bias)
