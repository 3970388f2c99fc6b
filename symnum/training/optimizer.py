"""Muon for the matrices of the blocks, AdamW for everything else, as one optimiser."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from symnum.models.precision import half_is_fast

_NEWTON = 3.4445, -4.7750, 2.0315  # quintic of Jordan et al. 2024
_STEPS = 5


class MuonAdamW(Optimizer):
    """Matrices inside blocks move by the orthogonal part of their momentum, other parameters by AdamW.

    Jordan et al. 2024 (Muon), with the step length of Liu et al. 2025 (arXiv:2502.16982), so that one
    learning rate serves both. One class, so that a checkpoint holds one state.

    Parameters
    ----------
    groups : iterable of dict
        Parameter groups; those with ``muon=True`` hold matrices.
    lr : float
    weight_decay : float
    momentum : float
        Of Muon.
    betas : tuple of (float, float)
        Of AdamW.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        lr: float = 2e-3,
        weight_decay: float = 0.01,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.98),
    ) -> None:
        settings = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "betas": betas,
            "muon": False,
        }
        super().__init__(groups, settings)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step for every parameter that has a gradient."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(self._muon(p, group) if group["muon"] else self._adam(p, group), alpha=-group["lr"])
        return loss

    def _muon(self, p: Tensor, group: dict[str, Any]) -> Tensor:
        state = self.state[p]
        if not state:
            state["momentum"] = torch.zeros_like(p)
        momentum: Tensor = state["momentum"].lerp_(p.grad, 1 - group["momentum"])  # type: ignore[arg-type]
        return orthogonal(p.grad.lerp(momentum, group["momentum"])) * (0.2 * max(p.shape) ** 0.5)  # type: ignore[union-attr]

    def _adam(self, p: Tensor, group: dict[str, Any]) -> Tensor:
        state, (b1, b2) = self.state[p], group["betas"]
        if not state:
            state |= {"step": torch.zeros(()), "mean": torch.zeros_like(p), "square": torch.zeros_like(p)}
        state["step"] += 1
        state["mean"].lerp_(p.grad, 1 - b1)
        state["square"].lerp_(p.grad.square(), 1 - b2)  # type: ignore[union-attr]
        t = float(state["step"])
        return (state["mean"] / (1 - b1**t)) / ((state["square"] / (1 - b2**t)).sqrt() + 1e-8)


def orthogonal(matrix: Tensor) -> Tensor:
    """Roughly U V of the singular value decomposition U S V: singular values become 0.7 to 1.2.

    Newton-Schulz iteration, in bfloat16 where that is faster.
    """
    a, b, c = _NEWTON
    x = matrix.bfloat16() if half_is_fast(matrix.device) else matrix.float()
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(_STEPS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return (x.T if tall else x).to(matrix.dtype)


def parameter_groups(model: nn.Module) -> list[dict[str, Any]]:
    """Matrices of the blocks for Muon; the rest for AdamW, without weight decay where it is a vector."""
    matrices, tables, vectors = [], [], []
    for name, p in model.named_parameters():
        if p.requires_grad:
            inside = p.ndim == 2 and ".blocks." in name
            (matrices if inside else tables if p.ndim == 2 else vectors).append(p)
    return [
        {"params": matrices, "muon": True},
        {"params": tables},
        {"params": vectors, "weight_decay": 0.0},
    ]
