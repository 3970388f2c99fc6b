"""One network at a time, step by step, as DySymNet's code trains it: what the batches are compared with."""

from __future__ import annotations

from collections import deque

import numpy as np
import torch
from torch import nn

UNARY = {
    "id": lambda a: a,
    "sin": torch.sin,
    "cos": torch.cos,
    "tan": torch.tan,
    "exp": torch.exp,
    "tanh": torch.tanh,
    "log": lambda a: torch.log(torch.abs(a) + 1e-6),
    "sqrt": lambda a: torch.sqrt(torch.abs(a)),
    "square": lambda a: a * a,
    "cube": lambda a: a * a * a,
    "pow4": lambda a: a * a * a * a,
    "pow5": lambda a: a * a * a * a * a,
    "pow6": lambda a: a * a * a * a * a * a,
}
BINARY = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "product": lambda a, b: a * b / 0.1,
    "div": lambda a, b: a / (b + 1e-6),
}


class OneNetwork(nn.Module):
    """A network of linear layers and units applied one after the other, rows first.

    `layers` are names of units, `of_x` and `of_h` the weights (slots, inputs) of each layer, the output's
    last; an empty matrix stands for none.
    """

    def __init__(self, layers, of_x, of_h):
        super().__init__()
        self.layers = layers
        self.of_x = nn.ParameterList([nn.Parameter(w.clone()) for w in of_x])
        self.of_h = nn.ParameterList([nn.Parameter(w.clone()) for w in of_h])

    def forward(self, rows):
        h = None
        for k in range(len(self.layers) + 1):
            g = 0
            if self.of_x[k].numel():
                g = g + rows @ self.of_x[k].T
            if h is not None and self.of_h[k].numel():
                g = g + h @ self.of_h[k].T
            if k == len(self.layers):
                return g[:, 0]
            made, at = [], 0
            for name in self.layers[k]:
                if name in UNARY:
                    made.append(UNARY[name](g[:, at]))
                    at += 1
                else:
                    made.append(BINARY[name](g[:, at], g[:, at + 1]))
                    at += 2
            h = torch.stack(made, 1)
        raise AssertionError


def unpacked(networks, k):
    """The network in row `k` of a batch."""
    a, layout, flat = networks.architectures[k], networks.layout, networks.weights[k].detach()
    of_x, of_h = [], []
    for layer in [*range(a.depth), -1]:
        at_x, at_h = layout.blocks[layer]
        slots = a.slots(layer) if layer >= 0 else 1
        before = len(a.layers[layer - 1]) if layer > 0 else len(a.layers[-1])
        of_x.append(flat[at_x].reshape(-1, layout.columns)[:slots])
        of_h.append(
            flat[at_h].reshape(-1, layout.width)[:slots, :before] if layer else flat[:0].reshape(0, 0)
        )
    return OneNetwork(a.layers, of_x, of_h)


def penalty(model, a=0.05):
    """Smoothed L0.5 of all weights."""
    total = 0.0
    for w in model.parameters():
        small = -(w**4) / (8 * a**3) + 3 * w**2 / (4 * a) + 3 * a / 8
        total = total + torch.sqrt(torch.where(torch.abs(w) < a, small, torch.abs(w))).sum()
    return total


def train_one(model, rows, y, phases, clip=True):
    """Full-batch RMSprop with clipped gradients; the loss before the last step."""
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1.0, alpha=0.9, eps=1e-10)
    norms = deque(maxlen=50)
    loss = torch.zeros(())
    for phase in phases:
        for step in range(phase.steps):
            for group in optimizer.param_groups:
                group["lr"] = phase.rate * phase.final ** (step / max(1, phase.steps - 1))
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(rows), y)
            whole = loss + phase.penalty * penalty(model) if phase.penalty else loss
            whole.backward()
            limit = 0.1 * float(np.mean(norms)) if len(norms) == 50 else 1.0
            if clip:
                norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), limit)))
            optimizer.step()
    return float(loss.detach())
