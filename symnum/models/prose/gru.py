"""Recurrent network on the batches of PROSE: what remembering and stepping on makes of the windows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

from symnum.models.prose.configuration import PROSEConfig
from symnum.models.prose.modeling import PROSEModel
from symnum.models.prose.parts import Units, time_features


class GRUConfig(PROSEConfig):
    """Sizes of `GRUModel`: ``width`` is that of the memory.

    Parameters
    ----------
    **kwargs
        See `PROSEConfig`; ``data_layers`` and ``data_decoder_layers`` are the layers that read and that step
        on.
    """

    model_type = "symnum-gru"

    def __init__(self, **kwargs: Any) -> None:
        fixed = {"symbol_input": False, "symbol_output": False, "data_output": True, "patch": 1}
        super().__init__(**(kwargs | fixed))


class GRUModel(PROSEModel):
    """Gated recurrent units (Cho et al. 2014, arXiv:1406.1078) read the window and step through later times.

    Reads and gives what `PROSEModel` does in its mode 1-to-1, in units of the window alike; times asked for
    must ascend, as each step begins where the last one ended.

    Parameters
    ----------
    config : GRUConfig
    """

    config_class = GRUConfig

    def __init__(self, config: GRUConfig) -> None:
        super().__init__(config)
        self.data_encoder = _Reader(config)  # type: ignore[assignment]
        self.data_decoder = _Stepper(config)  # type: ignore[assignment]
        self.post_init()


class _Reader(nn.Module):
    """The window as the memory after its last step."""

    def __init__(self, config: GRUConfig) -> None:
        super().__init__()
        c = self.config = config
        first = c.values + 2 + (1 + 2 * c.values if c.scaled else 0)
        self.embed = nn.Linear(first, c.width)
        self.net = nn.GRU(c.width, c.width, c.data_layers, batch_first=True)

    def forward(
        self, times: Tensor, values: Tensor, mask: Tensor, dims: Tensor, units: Units
    ) -> tuple[Tensor, Tensor]:
        """Memory (b, 1, width)."""
        valid = mask[..., None].to(values.dtype)
        x = torch.cat([times[..., None] * valid, values * valid, valid], -1)
        if self.config.scaled:
            there = dims.to(values.dtype)
            size = torch.cat([units.span.log()[:, None] / 3, units.size[:, 0].log() / 3 * there, there], -1)
            x = torch.cat([x, size[:, None].expand(-1, x.shape[1], -1)], -1)
        read, _ = self.net(self.embed(x))
        last = (mask * torch.arange(1, mask.shape[1] + 1, device=mask.device)).argmax(
            1
        )  # padding comes later
        return read[torch.arange(len(read), device=read.device), last][:, None], mask[:, :1]


class _Stepper(nn.Module):
    """States at one time after the other."""

    def __init__(self, config: GRUConfig) -> None:
        super().__init__()
        c = self.config = config
        self.begin = nn.Linear(c.width, c.data_decoder_layers * c.width)
        self.embed = nn.Linear(2 + 2 * c.frequencies, c.width)
        self.net = nn.GRU(c.width, c.width, c.data_decoder_layers, batch_first=True)
        self.out = nn.Linear(c.width, c.values)

    def forward(self, times: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        step = times.diff(dim=1, prepend=torch.ones_like(times[:, :1]))  # the window ends at 1 where scaled
        x = self.embed(torch.cat([time_features(times, self.config.frequencies), 8 * step[..., None]], -1))
        begin = self.begin(memory[:, 0]).unflatten(-1, (self.config.data_decoder_layers, -1))
        made, _ = self.net(x, begin.transpose(0, 1).contiguous().to(x.dtype))
        return self.out(made)


AutoConfig.register(GRUConfig.model_type, GRUConfig, exist_ok=True)
AutoModel.register(GRUConfig, GRUModel, exist_ok=True)
