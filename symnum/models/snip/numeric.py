"""The encoder of data: a set of points, whatever their order."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from symnum.models.layers import AttentionPooling, Block, signed_log
from symnum.models.snip.configuration import SNIPConfig

PER_VALUE = 10  # features of one number of a point, see point_features
PER_COLUMN = 7  # features of a column, see point_features


def point_features(columns: Tensor, used: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Features of points and of columns.

    Parameters
    ----------
    columns : float tensor, shape (b, rows, columns)
        Variables, the target and, in some models, what a linear fit leaves of it; finite.
    used : bool tensor, shape (b, columns)
        Which columns there are.
    mask : bool tensor, shape (b, rows)
        Which rows there are.

    Returns
    -------
    points : tensor, shape (b, rows, columns * PER_VALUE)
        Of each number: logarithms, standardised value, rank in its column from -1 to 1, and sines and
        cosines of the standardised value.
    statistics : tensor, shape (b, columns * PER_COLUMN + 1)
        Of each column: mean, spread, least and largest value on a logarithmic scale; number of rows.
    """
    value = columns.float()
    row = mask[..., None]
    valid = (row & used[:, None, :]).float()
    count = mask.sum(1).clamp(min=1).float()[:, None]
    value = value * valid
    largest = value.abs().amax(1, keepdim=True).clamp(min=1e-30)
    scaled = value / largest  # squares of large numbers would overflow
    mean = scaled.sum(1, keepdim=True) / count[..., None]
    centred = (scaled - mean) * valid
    spread = (centred.square().sum(1, keepdim=True) / count[..., None]).sqrt()
    standard = (centred / spread.clamp(min=1e-6)).clamp(-8, 8)
    rank = torch.where(row, value, math.inf).argsort(1).argsort(1).float()
    rank = 2 * rank / (count[..., None] - 1).clamp(min=1) - 1
    waves = [f(standard * k) for k in (1.0, 2.0, 4.0) for f in (torch.sin, torch.cos)]
    logs = [signed_log(value) / 4, value.abs().clamp(1e-12, 1e12).log() / 16]
    points = torch.stack([*logs, standard, rank, *waves], -1) * valid[..., None]
    low = torch.where(row, value, math.inf).amin(1)
    high = torch.where(row, value, -math.inf).amax(1)
    scale = largest[:, 0]
    statistics = torch.stack(
        [
            used.float(),
            signed_log(mean[:, 0] * scale) / 4,
            (spread[:, 0] * scale).clamp(1e-12).log() / 16,
            spread[:, 0].clamp(1e-6).log() / 4,
            signed_log(low) / 4,
            signed_log(high) / 4,
            scale.clamp(1e-12, 1e12).log() / 16,
        ],
        -1,
    )
    statistics = (statistics * used[..., None]).flatten(1)
    return points.flatten(2), torch.cat([statistics, count.log() / 4], -1)


class NumericEncoder(nn.Module):
    """Vector of a table of points.

    Parameters
    ----------
    config : SNIPConfig
    words : int
        Count of token ids, for points given as tokens.
    """

    def __init__(self, config: SNIPConfig, words: int) -> None:
        super().__init__()
        c = config
        self.tokens = c.point_input == "tokens"
        columns = c.max_dim + 1 + c.residual
        if self.tokens:
            self.word = nn.Embedding(words, c.token_width)
            size = 3 * columns * c.token_width
            self.embed = nn.Sequential(nn.Linear(size, size), nn.ReLU(), nn.Linear(size, c.width))
            self.describe = None
        else:
            self.embed = nn.Sequential(
                nn.Linear(columns * PER_VALUE, c.width), nn.GELU(), nn.Linear(c.width, c.width)
            )
            self.describe = nn.Linear(columns * PER_COLUMN + 1, c.width)
        self.position = nn.Embedding(c.max_points, c.width) if c.numeric_positions else None
        inducing = c.numeric_encoder == "inducing"
        self.seeds = nn.Parameter(torch.empty(c.inducing_points, c.width)) if inducing else None
        # Blocks read and think in turn, so that what is read can depend on what was read.
        self.reading = [inducing and k % 2 == 0 and k < 2 * c.reads for k in range(c.numeric_layers)]
        self.norm_in = None if c.norm_first else nn.LayerNorm(c.width, c.norm_eps)
        self.blocks = nn.ModuleList(
            Block(c.width, c.heads, c.hidden, c.norm_first, reads, c.activation, c.norm_eps)
            for reads in self.reading
        )
        self.norm_out = nn.LayerNorm(c.width, c.norm_eps) if c.norm_first else None
        self.pooling = AttentionPooling(c.width, c.masked_pooling)
        self.project = nn.Linear(c.width, c.latent)

    def forward(self, points: Tensor, point_mask: Tensor, used: Tensor | None = None) -> Tensor:
        """Vectors (b, latent) of points (b, rows, columns), or of their tokens (b, rows, 3 * columns)."""
        return self.embed_states(*self.read(points, point_mask, used))

    def read(
        self, points: Tensor, point_mask: Tensor, used: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """What was read, before pooling (b, s, width), and which places count where not all do."""
        described = None
        if self.tokens:
            embedded = self.embed(self.word(points.long()).flatten(2))
        else:
            features, statistics = point_features(points, used, point_mask)  # type: ignore[arg-type]
            embedded = self.embed(features)
            described = self.describe(statistics)[:, None]  # type: ignore[misc]
            if self.seeds is None:
                embedded = embedded + described
        if self.position is not None:
            embedded = embedded + self.position.weight[: points.shape[1]]
        if self.norm_in is not None:
            embedded = self.norm_in(embedded) * point_mask[..., None]
        return self._read(embedded, point_mask, described)

    def embed_states(self, states: Tensor, mask: Tensor | None) -> Tensor:
        """Vectors (b, latent) of what was read."""
        return self.project(self.pooling(states, mask))

    def _read(
        self, embedded: Tensor, point_mask: Tensor, described: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        if self.seeds is None:
            x = embedded
            for block in self.blocks:
                x = block(x, point_mask)
                if self.norm_in is not None:
                    x = x * point_mask[..., None]
            pooled = point_mask
        else:
            x = self.seeds.expand(embedded.shape[0], -1, -1)
            x = x if described is None else x + described
            for block, reads in zip(self.blocks, self.reading, strict=True):
                x = block(x, point_mask, embedded) if reads else block(x)
            pooled = None
        return (x if self.norm_out is None else self.norm_out(x)), pooled
