"""The encoder of formulas."""

from __future__ import annotations

from torch import Tensor, nn

from symnum.models.layers import FREQUENCIES, AttentionPooling, Block, number_features
from symnum.models.snip.configuration import SNIPConfig
from symnum.models.snip.inputs import MAX_DEPTH


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
