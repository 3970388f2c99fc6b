"""Parts that the encoders share: attention, transformer blocks, pooling, features of numbers."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FREQUENCIES = 4  # octaves of the sine and cosine features


class Attention(nn.Module):
    """Multi-head attention by `scaled_dot_product_attention`, on a CPU written out.

    Torch's fused CPU kernel takes five times as long for sequences of twenty places in bfloat16, forwards and
    backwards.

    Parameters
    ----------
    width, heads : int
        Size of the vectors; the heads share it.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """New x (b, t, width) out of memory (b, s, width); mask (b, s) or (b, t, s) is True where to read."""
        return self.attend(x, *self.project(memory), mask)

    def project(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (b, heads, s, width / heads) of a memory, to be kept where it is read again."""
        key, value = (self._split(p) for p in self.key_value(memory).chunk(2, dim=-1))
        return key, value

    def attend(self, x: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """New x out of keys and values that `project` made."""
        query = self._split(self.query(x))
        allowed = mask
        if mask is not None:
            allowed = mask[:, None, None, :] if mask.ndim == 2 else mask[:, None]
        if x.device.type == "cpu":
            score = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
            if allowed is not None:
                score = score.masked_fill(~allowed, -math.inf)
            mixed = score.softmax(-1) @ value
        else:
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
        return self.out(mixed.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Block(nn.Module):
    """Transformer block: attention to `memory` (or to itself), then a two-layer network.

    Parameters
    ----------
    width, heads, hidden : int
        Sizes of vectors, number of heads, size of the inner layer.
    norm_first : bool
        Normalise before each part (stable without long warm-up) or after it (Vaswani et al. 2017).
    cross : bool
        Whether the block reads a memory, which then has a normalisation of its own.
    activation : {"gelu", "relu"}
    eps : float
        Of the layer normalisations.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        norm_first: bool = True,
        cross: bool = False,
        activation: str = "gelu",
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.attention = Attention(width, heads)
        self.norm_attention = nn.LayerNorm(width, eps)
        self.norm_memory = nn.LayerNorm(width, eps) if cross and norm_first else None
        self.norm_hidden = nn.LayerNorm(width, eps)
        self.hidden = nn.Linear(width, hidden)
        self.out = nn.Linear(hidden, width)
        self.activation = F.gelu if activation == "gelu" else F.relu

    def forward(self, x: Tensor, mask: Tensor | None = None, memory: Tensor | None = None) -> Tensor:
        """X (b, t, width) after the block; `mask` (b, s) says which places of what is read are valid."""
        if self.norm_first:
            normed = self.norm_attention(x)
            if memory is not None and self.norm_memory is not None:
                memory = self.norm_memory(memory)
            x = x + self.attention(normed, normed if memory is None else memory, mask)
            return x + self._network(self.norm_hidden(x))
        x = self.norm_attention(x + self.attention(x, x if memory is None else memory, mask))
        return self.norm_hidden(x + self._network(x))

    def _network(self, x: Tensor) -> Tensor:
        return self.out(self.activation(self.hidden(x)))


Cache = tuple[Tensor, Tensor]
"""Keys and values of places that were read before."""


class DecoderBlock(nn.Module):
    """Transformer block of a decoder: attention to earlier places, attention to a memory, a network.

    Parameters
    ----------
    width, heads, hidden, norm_first, activation, eps
        See `Block`.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        norm_first: bool = True,
        activation: str = "gelu",
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.attention, self.cross = Attention(width, heads), Attention(width, heads)
        self.norm_attention, self.norm_cross = nn.LayerNorm(width, eps), nn.LayerNorm(width, eps)
        self.norm_hidden = nn.LayerNorm(width, eps)
        self.hidden = nn.Linear(width, hidden)
        self.out = nn.Linear(hidden, width)
        self.activation = F.gelu if activation == "gelu" else F.relu

    def forward(
        self, x: Tensor, memory: Cache, memory_mask: Tensor | None = None, past: Cache | None = None
    ) -> tuple[Tensor, Cache]:
        """Vectors (b, t, width) after the block, and the cache for the places that follow.

        Parameters
        ----------
        x : tensor, shape (b, t, width)
        memory : (keys, values)
            ``block.cross.project`` of the memory.
        memory_mask : bool tensor, shape (b, s), optional
        past : (keys, values), optional
            Cache of the places before these.
        """
        normed = self.norm_attention(x) if self.norm_first else x
        key, value = self.attention.project(normed)
        if past is not None:
            key, value = torch.cat([past[0], key], 2), torch.cat([past[1], value], 2)
        t, s = x.shape[1], key.shape[2]
        causal = None
        if t > 1:
            causal = torch.ones(t, s, dtype=torch.bool, device=x.device).tril(s - t)[None]
        mixed = self.attention.attend(normed, key, value, causal)
        if self.norm_first:
            x = x + mixed
            x = x + self.cross.attend(self.norm_cross(x), *memory, memory_mask)
            x = x + self._network(self.norm_hidden(x))
        else:
            x = self.norm_attention(x + mixed)
            x = self.norm_cross(x + self.cross.attend(x, *memory, memory_mask))
            x = self.norm_hidden(x + self._network(x))
        return x, (key, value)

    def _network(self, x: Tensor) -> Tensor:
        return self.out(self.activation(self.hidden(x)))


def sinusoids(length: int, width: int) -> Tensor:
    """Fixed positions (length, width), sines in even and cosines in odd columns (Vaswani et al. 2017)."""
    place = torch.arange(length, dtype=torch.float64)[:, None]
    rate = 10_000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    table = torch.stack([(place * rate).sin(), (place * rate).cos()], -1)
    return table.flatten(1)[:, :width].float()


class AttentionPooling(nn.Module):
    """Weighted mean over places: weights are a softmax of one score a place.

    Parameters
    ----------
    width : int
    masked : bool
        Leave padded places out. The reference code does not, so that padding takes part of the weight.
    """

    def __init__(self, width: int, masked: bool = True) -> None:
        super().__init__()
        self.masked = masked
        self.score = nn.Linear(width, 1)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Vectors (b, width) of x (b, t, width)."""
        score = self.score(x).float().squeeze(-1)
        if self.masked and mask is not None:
            score = score.masked_fill(~mask, -math.inf)
        return torch.einsum("bt,btd->bd", score.softmax(-1).to(x.dtype), x)


def signed_log(value: Tensor) -> Tensor:
    """``sign(v) * log(1 + |v|)``: the size of a number of any magnitude, linear near zero."""
    return value.sign() * value.abs().log1p()


def number_features(value: Tensor) -> Tensor:
    """Features (..., 4 + 2 * FREQUENCIES) of numbers: sign, logarithms, and digits as phases of log10.

    A number's leading digits are the fractional part of its decimal logarithm; sines and cosines of its
    octaves tell nearby numbers apart without a table of ten thousand mantissas.
    """
    value = value.float()
    decade = value.abs().clamp(1e-12, 1e12).log10()
    octaves = 2.0 ** torch.arange(FREQUENCIES, device=value.device)
    angle = (2 * math.pi * decade)[..., None] * octaves
    zero = (value == 0).float()
    features = torch.stack([value.sign(), decade / 4, signed_log(value) / 4, zero], -1)
    return torch.cat([features, angle.sin(), angle.cos()], -1)
