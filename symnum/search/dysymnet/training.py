"""Training of networks: smoothed L0.5, gradients clipped by their own history, phases (Li et al. 2024, 3.3).

Everything is per network: the loss, the norm of the gradient and its history, the moments. A batch gives each
network the weights that it would get alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symnum.search.dysymnet.network import Networks

SMOOTH = 0.05
"""Half-width of the smooth part of the penalty: what DySymNet's code uses, whatever its setting says."""
HISTORY = 50
"""Gradient norms that are remembered."""
CLIP, SHARE = 1.0, 0.1
"""Largest norm while the history fills, and afterwards as a share of its mean."""
DECAY, TINY = 0.9, 1e-10
"""RMSprop's alpha and epsilon."""
_LOOK = 20
_SIZES = 4


@dataclass(frozen=True, slots=True)
class Phase:
    """Part of a training.

    Attributes
    ----------
    steps : int
    rate : float
        Of RMSprop.
    penalty : float
        Weight of the smoothed L0.5 of the weights.
    keep : float
        Share of the networks that go on after it: those of the smallest loss among networks of like size.
    final : float
        Rate at the end of the phase, as a share of `rate`; the fall is geometric.
    """

    steps: int
    rate: float
    penalty: float
    keep: float = 1.0
    final: float = 1.0


@dataclass(slots=True)
class Trained:
    """Networks at the end of a training.

    Attributes
    ----------
    networks : Networks
        Those that were trained to the end.
    rows : list of int
        Which of the given ones they are.
    loss : Tensor (given,)
        Last weighted mean squared error that was computed, infinite where it was not finite.
    steps : int
        Steps of all networks together.
    """

    networks: Networks
    rows: list[int]
    loss: Tensor
    steps: int


def smoothed_l05(w: Tensor, a: float = SMOOTH) -> Tensor:
    """``sqrt(s(w))`` with s = |w| outside and a quartic inside (-a, a), so that the slope at 0 is 0."""
    size = w.abs()
    inside = w * w * (3 / (4 * a) - w * w / (8 * a**3)) + 3 * a / 8
    return torch.where(size >= a, size, inside).sqrt()


class Clipping:
    """Norms of each network's gradient: at most 1 until 50 are known, then a tenth of their mean.

    Parameters
    ----------
    count : int
        Networks.
    like : Tensor
        Gives dtype and device.
    """

    def __init__(self, count: int, like: Tensor) -> None:
        self.norms = torch.zeros(count, HISTORY, dtype=like.dtype, device=like.device)
        self.known = 0

    def __call__(self, grad: Tensor) -> Tensor:
        """The gradients (b, p), shortened in place where they are too long."""
        norm = grad.norm(dim=1)
        full = self.known >= HISTORY
        limit = SHARE * self.norms.mean(1) if full else torch.full_like(norm, CLIP)
        self.norms[:, self.known % HISTORY] = norm
        self.known += 1
        return grad.mul_((limit / (norm + 1e-6)).clamp(max=1.0)[:, None])

    def take(self, rows: Tensor) -> None:
        """Forget the other networks."""
        self.norms = self.norms[rows]


def train(
    networks: Networks,
    x: Tensor,
    y: Tensor,
    row_weights: Tensor,
    phases: Sequence[Phase],
    clip: bool = True,
    limit: float = float("inf"),
    check: int = 50,
    stop: Callable[[], bool] = lambda: False,
) -> Trained:
    """Train a batch by RMSprop on all rows.

    Parameters
    ----------
    networks : Networks
        Their weights are changed.
    x, y : Tensor (columns, n), (n,)
    row_weights : Tensor (n,)
        With sum 1.
    phases : sequence of Phase
    clip : bool
        Whether gradients are clipped.
    limit : float
        Networks whose loss is above it at a check are given up.
    check : int
        Steps between checks.
    stop : callable
        Asked again and again: whether to end the training here.
    """
    rows = torch.arange(len(networks), device=x.device)
    losses = torch.full((len(networks),), torch.inf, dtype=x.dtype, device=x.device)
    moments, clipping, steps = torch.zeros_like(networks.weights), Clipping(len(networks), x), 0
    for phase in phases:
        for step in range(phase.steps):
            loss = _step(networks, x, y, row_weights, phase, step, moments, clipping if clip else None)
            steps += len(networks)
            last = step == phase.steps - 1
            if step % _LOOK == 0 and stop():
                losses[rows] = torch.where(torch.isfinite(loss), loss, torch.inf)
                return Trained(networks, rows.tolist(), losses, steps)
            if not last and (step + 1) % check:
                continue
            losses[rows] = torch.where(torch.isfinite(loss), loss, torch.inf)
            good = torch.isfinite(loss) & (loss <= limit)
            if last and phase.keep < 1:
                good &= _promising(losses[rows], networks.mask.sum(1), phase.keep)
            if not bool(good.all()):
                kept = torch.nonzero(good)[:, 0]
                if not len(kept):
                    return Trained(networks, [], losses, steps)
                networks = networks.take(kept.tolist())
                rows, moments = rows[kept], moments[kept]
                clipping.take(kept)
    return Trained(networks, rows.tolist(), losses, steps)


def _step(
    networks: Networks,
    x: Tensor,
    y: Tensor,
    row_weights: Tensor,
    phase: Phase,
    step: int,
    moments: Tensor,
    clipping: Clipping | None,
) -> Tensor:
    """One step of RMSprop; the squared errors (b,) before it."""
    w = networks.weights.requires_grad_(True)
    loss = ((networks(x, w) - y).square() * row_weights).sum(1)
    total = loss.sum()
    if phase.penalty:
        total = total + phase.penalty * (smoothed_l05(w) * networks.mask).sum()
    (grad,) = torch.autograd.grad(total, w)
    networks.weights = w.detach()
    with torch.no_grad():
        grad *= networks.mask
        if clipping is not None:
            clipping(grad)
        moments.mul_(DECAY).addcmul_(grad, grad, value=1 - DECAY)
        rate = phase.rate * phase.final ** (step / max(1, phase.steps - 1))
        networks.weights.addcdiv_(grad, moments.sqrt().add_(TINY), value=-rate)
    return loss.detach()


def _promising(loss: Tensor, size: Tensor, keep: float) -> Tensor:
    """Mask (b,) of the share of smallest loss in each of `_SIZES` equal groups of networks of like size.

    Large networks approximate anything; the small one of the right form would not survive beside them.
    """
    kept = torch.zeros_like(loss, dtype=torch.bool)
    for group in size.argsort(stable=True).tensor_split(_SIZES):
        most = round(keep * len(group))
        kept[group[loss[group].argsort(stable=True)[:most]]] = True
    return kept
