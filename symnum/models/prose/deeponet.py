"""DeepONet on the same batches: what a plain operator network makes of the windows that PROSE reads."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel

from symnum.models.prose.configuration import PROSEConfig
from symnum.models.prose.modeling import PROSEModel
from symnum.models.prose.parts import Units, time_features


class DeepONetConfig(PROSEConfig):
    """Sizes of `DeepONetModel`: ``hidden`` is the width of both networks, ``width`` the size of the basis.

    Parameters
    ----------
    max_steps : int
        Steps that the branch reads; shorter windows are padded.
    **kwargs
        See `PROSEConfig`; ``data_layers`` and ``data_decoder_layers`` are the layers of branch and trunk.
    """

    model_type = "symnum-deeponet"

    def __init__(self, max_steps: int = 64, **kwargs: Any) -> None:
        fixed = {"symbol_input": False, "symbol_output": False, "data_output": True, "patch": 1}
        super().__init__(max_steps=max_steps, **(kwargs | fixed))


class DeepONetModel(PROSEModel):
    """Branch and trunk (Lu et al. 2021, Nat. Mach. Intell. 3): u(t) is a sum of b_k(window) times t_k(t).

    Reads and gives what `PROSEModel` does in its mode 1-to-1, in units of the window alike.

    Parameters
    ----------
    config : DeepONetConfig
    """

    config_class = DeepONetConfig

    def __init__(self, config: DeepONetConfig) -> None:
        super().__init__(config)
        self.data_encoder = _Branch(config)  # type: ignore[assignment]
        self.data_decoder = _Trunk(config)  # type: ignore[assignment]
        self.post_init()


def _network(first: int, hidden: int, layers: int, last: int) -> nn.Sequential:
    sizes = [first, *[hidden] * layers]
    parts: list[nn.Module] = []
    for a, b in pairwise(sizes):
        parts += [nn.Linear(a, b), nn.GELU()]
    return nn.Sequential(*parts, nn.Linear(hidden, last))


class _Branch(nn.Module):
    """The whole window as one vector of coefficients."""

    def __init__(self, config: DeepONetConfig) -> None:
        super().__init__()
        c = self.config = config
        further = 1 + 2 * c.values if c.scaled else 0
        first = c.max_steps * (c.values + 2) + further
        self.net = _network(first, c.hidden, c.data_layers, c.width * c.values)

    def forward(
        self, times: Tensor, values: Tensor, mask: Tensor, dims: Tensor, units: Units
    ) -> tuple[Tensor, Tensor]:
        """Coefficients (b, 1, values * basis)."""
        valid = mask[..., None].to(values.dtype)
        steps = torch.cat([times[..., None] * valid, values * valid, valid], -1)
        x = F.pad(steps, (0, 0, 0, self.config.max_steps - steps.shape[1])).flatten(1)
        if self.config.scaled:
            there = dims.to(values.dtype)
            x = torch.cat([x, units.span.log()[:, None] / 3, units.size[:, 0].log() / 3 * there, there], -1)
        return self.net(x)[:, None], mask[:, :1]


class _Trunk(nn.Module):
    """Basis functions of the time."""

    def __init__(self, config: DeepONetConfig) -> None:
        super().__init__()
        c = self.config = config
        self.net = _network(1 + 2 * c.frequencies, c.hidden, c.data_decoder_layers, c.width)
        self.bias = nn.Parameter(torch.zeros(c.values))

    def forward(self, times: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        basis = self.net(time_features(times, self.config.frequencies))
        coefficients = memory[:, 0].unflatten(-1, (self.config.values, self.config.width))
        return torch.einsum("bqk,bvk->bqv", basis, coefficients) / self.config.width**0.5 + self.bias


AutoConfig.register(DeepONetConfig.model_type, DeepONetConfig, exist_ok=True)
AutoModel.register(DeepONetConfig, DeepONetModel, exist_ok=True)
