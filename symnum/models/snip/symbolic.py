"""The encoder of formulas."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from symnum.models.layers import FREQUENCIES, AttentionPooling, Block, number_features
from symnum.models.snip.configuration import SNIPConfig
from symnum.models.snip.inputs import MAX_DEPTH

PARTS, PART = 8, 32
"""On a CPU a batch is encoded in at most so many parts of similar length, each of so many formulas or more:
padding takes half of the time otherwise."""


class SymbolicEncoder(nn.Module):
    """Vector of a formula given as symbols (or tokens), a transformer over the sequence.

    Parameters
    ----------
    config : SNIPConfig
    symbols : int
        Count of symbol ids.
    """

    def __init__(self, config: SNIPConfig, symbols: int) -> None:
        super().__init__()
        c = config
        self.max_symbols = c.max_symbols
        self.symbol = nn.Embedding(symbols, c.width)
        self.position = nn.Embedding(c.max_symbols, c.width)
        self.tree: nn.ModuleList | None = None
        self.value: nn.Module | None = None
        if c.symbol_input == "values":
            self.tree = nn.ModuleList(nn.Embedding(k, c.width) for k in (symbols, 3, MAX_DEPTH + 1))
            self.value = nn.Sequential(
                nn.Linear(4 + 2 * FREQUENCIES, c.width), nn.GELU(), nn.Linear(c.width, c.width)
            )
        self.norm_in = None if c.norm_first else nn.LayerNorm(c.width, c.norm_eps)
        self.blocks = nn.ModuleList(
            Block(c.width, c.heads, c.hidden, c.norm_first, False, c.activation, c.norm_eps)
            for _ in range(c.symbolic_layers)
        )
        self.norm_out = nn.LayerNorm(c.width, c.norm_eps) if c.norm_first else None
        self.pooling = AttentionPooling(c.width, c.masked_pooling)
        self.project = nn.Linear(c.width, c.latent)

    def forward(
        self,
        symbols: Tensor,
        symbol_mask: Tensor,
        values: Tensor | None = None,
        parents: Tensor | None = None,
        slots: Tensor | None = None,
        depths: Tensor | None = None,
    ) -> Tensor:
        """Vectors (b, latent) of symbol ids (b, t) and what goes with them; see `Symbols`."""
        given = (symbols, symbol_mask, values, parents, slots, depths)
        parts = min(PARTS, len(symbols) // PART) if symbols.is_cpu and self.pooling.masked else 1
        if parts < 2:
            return self._encode(*given)
        lengths = symbol_mask.sum(1)
        order = lengths.argsort(stable=True)
        made = []
        for rows in order.chunk(parts):
            longest = int(lengths[rows[-1]])
            made.append(self._encode(*(None if a is None else a[rows, :longest] for a in given)))  # type: ignore[arg-type]
        return torch.cat(made)[order.argsort()]

    def _encode(
        self,
        symbols: Tensor,
        symbol_mask: Tensor,
        values: Tensor | None,
        parents: Tensor | None,
        slots: Tensor | None,
        depths: Tensor | None,
    ) -> Tensor:
        x = self.symbol(symbols) + self.position.weight[: symbols.shape[1]]
        if self.tree is not None and self.value is not None:
            for table, ids in zip(self.tree, (parents, slots, depths), strict=True):
                x = x + table(ids)
            features = number_features(values).to(x.dtype)  # type: ignore[arg-type]
            x = x + self.value(features) * (values != 0)[..., None]  # type: ignore[operator]
        if self.norm_in is not None:
            x = self.norm_in(x) * symbol_mask[..., None]
        for block in self.blocks:
            x = block(x, symbol_mask)
            if self.norm_in is not None:
                x = x * symbol_mask[..., None]
        if self.norm_out is not None:
            x = self.norm_out(x)
        return self.project(self.pooling(x, symbol_mask))
