"""The contrastive objective, its gather across processes, and measures of a pair of encoders."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F


class _Gather(torch.autograd.Function):
    """All processes' rows, one after the other; gradients are added up over the processes."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        gradient = gradient.contiguous()
        dist.all_reduce(gradient)
        return gradient.chunk(dist.get_world_size())[dist.get_rank()]


def gather(rows: Tensor) -> Tensor:
    """Rows (world * b, d) of all processes, each with b rows; without processes, the rows themselves."""
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return rows
    return _Gather.apply(rows)  # type: ignore[return-value]


def contrastive_loss(
    symbolic: Tensor, numeric: Tensor, scale: Tensor | float, hashes: Tensor | None = None
) -> Tensor:
    """Symmetric InfoNCE of this process's rows against the rows of all processes.

    Meidani et al. 2024, equation 2 (Radford et al. 2021). The mean over processes is the loss of the joined
    batch, and its gradient too: `gather` passes on what other processes' losses say about these rows.

    Parameters
    ----------
    symbolic, numeric : tensors, shape (b, d)
        Row i of both belongs together.
    scale : scalar
        Factor of the dot products.
    hashes : int64 tensor, shape (b,), optional
        Equal where formulas are the same function; such rows do not count as negatives of each other.
    """
    rank = dist.get_rank() if dist.is_available() and dist.is_initialized() else 0
    rows = torch.arange(symbolic.shape[0], device=symbolic.device)
    own = rank * symbolic.shape[0] + rows
    same = None
    if hashes is not None:
        everyone = gather(hashes)
        same = hashes[:, None] == everyone[None, :]
        same[rows, own] = False
    losses = []
    for query, keys in ((symbolic, numeric), (numeric, symbolic)):
        similarity = scale * (query @ gather(keys).T)
        if same is not None:
            similarity = similarity.masked_fill(same, float("-inf"))
        losses.append(F.cross_entropy(similarity, own))
    return (losses[0] + losses[1]) / 2


def retrieval(symbolic: Tensor, numeric: Tensor, at: tuple[int, ...] = (1, 5, 10)) -> dict[str, float]:
    """Share of rows whose partner is among the k most similar, both ways.

    Names are ``r1_data`` (formula given, its data found) and ``r1_formula`` (data given, its formula found).
    Partners that tie with others count half way between the best and the worst place.

    Parameters
    ----------
    symbolic, numeric : tensors, shape (n, d)
    """
    found: dict[str, float] = {}
    for name, query, keys in (("data", symbolic, numeric), ("formula", numeric, symbolic)):
        places = []
        for start in range(0, query.shape[0], 1024):
            similarity = query[start : start + 1024] @ keys.T
            partner = similarity.diagonal(start)[:, None]
            better = (similarity > partner).sum(1)
            ties = (similarity == partner).sum(1) - 1
            places.append(better + ties / 2)
        place = torch.cat(places)
        found |= {f"r{k}_{name}": float((place < k).float().mean()) for k in at}
        found[f"median_rank_{name}"] = float(place.median()) + 1
    return found


def alignment(symbolic: Tensor, numeric: Tensor) -> float:
    """Mean squared distance of partners on the unit sphere (Wang and Isola 2020); 0 is perfect."""
    a, b = F.normalize(symbolic, dim=-1), F.normalize(numeric, dim=-1)
    return float((a - b).square().sum(-1).mean())


def uniformity(vectors: Tensor, most: int = 2048) -> float:
    """Logarithm of the mean of ``exp(-2 d^2)`` over pairs (Wang and Isola 2020); -4 is as even as it gets.

    The first `most` rows are compared.
    """
    unit = F.normalize(vectors[:most], dim=-1)
    return float(torch.pdist(unit).square().mul(-2).exp().mean().log())
