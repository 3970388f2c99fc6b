"""Many symbolic networks as one tensor program (Li et al. 2024, section 3.2, and its code).

A layer computes linear combinations g = W h of its inputs and applies its units to them: unary ones to a
combination each, binary ones to two. The weights of all networks lie in the rows of one matrix; a layer is
one batched product, and each kind of unit is applied to the combinations of all networks at once, which are
gathered for it. Networks are ordered deepest first, so that layer l is that of a leading block of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from symnum.search.dysymnet.architecture import Architecture
from symnum.search.dysymnet.functions import FUNCTIONS, Function

INITIAL = (0.1, 0.5, 1.0)
"""Standard deviations of the first weights in DySymNet's code: first, middle and last hidden layer."""


@dataclass(frozen=True)
class Layout:
    """Where the weights lie in a row: those of x and of the layer before for each layer, then the output's.

    Attributes
    ----------
    columns : int
        Inputs of a network, the constant among them where there is one.
    slots : tuple of int
        Linear combinations of each layer.
    width : int
        Units of a layer.
    skip : bool
        Whether all layers read x, or the first alone.
    """

    columns: int
    slots: tuple[int, ...]
    width: int
    skip: bool

    @cached_property
    def blocks(self) -> list[tuple[slice, slice]]:
        """Places of the weights of x and of the layer before; the last pair is the output's."""
        made, at = [], 0
        for layer, slots in enumerate((*self.slots, 1)):
            last = layer == len(self.slots)
            of_x = slots * self.columns if layer == 0 or self.skip else 0
            of_h = slots * self.width if layer > 0 or last else 0
            made.append((slice(at, at + of_x), slice(at + of_x, at + of_x + of_h)))
            at += of_x + of_h
        return made

    @property
    def size(self) -> int:
        """Weights of a network, those included that it does not have."""
        return self.blocks[-1][1].stop


class Plan:
    """How the units of one layer are applied, over all networks that have it.

    `gather` picks the combinations, kind by kind; `place` puts the results where their networks want them.
    """

    def __init__(self, layers: Sequence[Sequence[str]], slots: int, width: int, device: torch.device) -> None:
        args: dict[str, list[tuple[list[int], int]]] = {}
        for k, layer in enumerate(layers):
            slot = k * slots
            for j, name in enumerate(layer):
                arity = FUNCTIONS[name].arity
                args.setdefault(name, []).append(([slot + i for i in range(arity)], k * width + j))
                slot += arity
        gather: list[int] = []
        outputs: list[int] = []
        self.segments: list[tuple[Function, int, int, int]] = []
        for name, found in args.items():
            function = FUNCTIONS[name]
            self.segments.append((function, len(gather), len(outputs), len(found)))
            for i in range(function.arity):
                gather += [rows[i] for rows, _ in found]
            outputs += [out for _, out in found]
        self.count, self.slots, self.width = len(layers), slots, width
        self.gather, self.outputs = (torch.tensor(v, device=device) for v in (gather, outputs))
        # What is missing points at a row of zeros behind the last.
        self.back = _inverse(gather, len(layers) * slots, device)
        self.place = _inverse(outputs, len(layers) * width, device)

    def arguments(self, z: Tensor, segment: tuple[Function, int, int, int]) -> list[Tensor]:
        """Rows of `z` that the units of a segment read, one tensor for each argument."""
        function, at, _, n = segment
        return [z[at + i * n : at + (i + 1) * n] for i in range(function.arity)]


def _inverse(order: list[int], size: int, device: torch.device) -> Tensor:
    inverse = torch.full((size,), len(order), device=device)
    inverse[torch.tensor(order, device=device)] = torch.arange(len(order), device=device)
    return inverse


class Units(torch.autograd.Function):
    """All units of a layer: combinations (b, slots, n) to outputs (b, width, n), slopes in closed form."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, plan: Plan) -> Tensor:
        """Values."""
        n = g.shape[-1]
        z = g.reshape(-1, n).index_select(0, plan.gather)
        out = g.new_zeros(len(plan.outputs) + 1, n)
        for segment in plan.segments:
            function, _, to, count = segment
            out[to : to + count] = function.value(*plan.arguments(z, segment))
        ctx.plan = plan
        ctx.save_for_backward(z, out)
        return out.index_select(0, plan.place).view(plan.count, plan.width, n)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        """Derivatives by the combinations."""
        plan, (z, out), n = ctx.plan, ctx.saved_tensors, grads[0].shape[-1]
        given = grads[0].reshape(-1, n).index_select(0, plan.outputs)
        made = z.new_zeros(len(z) + 1, n)
        for segment in plan.segments:
            function, _, to, count = segment
            rows = slice(to, to + count)
            args = plan.arguments(z, segment)
            slopes = function.slopes(*args, out[rows])
            for target, slope in zip(plan.arguments(made, segment), slopes, strict=True):
                torch.mul(slope, given[rows], out=target)
        return made.index_select(0, plan.back).view(plan.count, plan.slots, n), None


class Networks:
    """A batch of networks with their weights.

    Parameters
    ----------
    architectures : sequence of Architecture
        In falling order of depth.
    layout : Layout
    weights : Tensor (b, layout.size)
    mask : Tensor (b, layout.size) of bool
        Weights that exist; the others are and stay zero.
    """

    def __init__(
        self, architectures: Sequence[Architecture], layout: Layout, weights: Tensor, mask: Tensor
    ) -> None:
        self.architectures, self.layout = list(architectures), layout
        self.weights, self.mask = weights * mask, mask
        device = weights.device
        self.counts = [sum(a.depth > k for a in self.architectures) for k in range(len(layout.slots))]
        self.plans = [
            Plan([a.layers[k] for a in self.architectures[:count]], layout.slots[k], layout.width, device)
            for k, count in enumerate(self.counts)
            if count
        ]

    @classmethod
    def create(
        cls,
        architectures: Sequence[Architecture],
        columns: int,
        skip: bool,
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
        spread: Sequence[float] = INITIAL,
        links: int | None = None,
    ) -> Networks:
        """Networks with random weights: ``fmod(N(0, sd), 2)``, output weights uniform in [0, 1).

        Parameters
        ----------
        architectures : sequence of Architecture
            In any order: `architectures` of the result is sorted.
        columns : int
        skip : bool
        generator : torch.Generator
            Of the CPU: a seed gives the same weights on any device.
        dtype, device
        spread : sequence of float
            Standard deviations for the first, the middle and the last hidden layers.
        links : int, optional
            In every second network, at random, each linear combination of a hidden layer has 1 to `links`
            inputs, drawn; all have all when left out.
        """
        ordered = sorted(architectures, key=lambda a: -a.depth)
        deepest = ordered[0].depth
        slots = tuple(max(a.slots(k) for a in ordered if a.depth > k) for k in range(deepest))
        layout = Layout(columns, slots, max(a.width for a in ordered), skip)
        mask = torch.stack([_existing(a, layout) for a in ordered])
        if links is not None:
            _thin(mask, layout, links, generator)
        weights = torch.randn(mask.shape, generator=generator, dtype=torch.float64)
        output = layout.blocks[-1][0].start
        for k in range(deepest):
            a, b = layout.blocks[k][0].start, layout.blocks[k][1].stop
            last = torch.tensor([float(o.depth == k + 1) for o in ordered], dtype=torch.float64)[:, None]
            inner = spread[0] if k == 0 else spread[1]
            weights[:, a:b] *= inner if k == 0 else last * spread[2] + (1 - last) * inner
        weights = torch.fmod(weights, 2.0)
        weights[:, output:] = torch.rand(weights[:, output:].shape, generator=generator, dtype=torch.float64)
        return cls(ordered, layout, weights.to(device, dtype), mask.to(device))

    def __len__(self) -> int:
        return len(self.architectures)

    def take(self, rows: Sequence[int]) -> Networks:
        """Some of the networks, in ascending order of `rows`."""
        at = torch.as_tensor(sorted(rows), device=self.weights.device)
        some = [self.architectures[i] for i in sorted(rows)]
        return Networks(some, self.layout, self.weights[at], self.mask[at])

    def __call__(self, x: Tensor, weights: Tensor | None = None) -> Tensor:
        """Outputs (b, n) for inputs (columns, n)."""
        w = self.weights if weights is None else weights
        layout, n = self.layout, x.shape[1]
        h: Tensor | None = None
        last = []  # outputs of the last hidden layers, shallow networks first
        for k, plan in enumerate(self.plans):
            count, slots = plan.count, layout.slots[k]
            of_x, of_h = layout.blocks[k]
            g = None
            if of_x.stop > of_x.start:
                g = (w[:count, of_x].reshape(-1, layout.columns) @ x).view(count, slots, n)
            if h is not None:
                inner = w[:count, of_h].reshape(count, slots, layout.width)
                before = h[:count]
                g = torch.bmm(inner, before) if g is None else torch.baddbmm(g, inner, before)
            assert g is not None  # noqa: S101 - the first layer reads x
            h = Units.apply(g, plan)
            below = self.counts[k + 1] if k + 1 < len(self.plans) else 0
            if below < count:
                last.insert(0, h[below:])
        of_x, of_h = layout.blocks[-1]
        y = torch.bmm(w[:, None, of_h], torch.cat(last))[:, 0]
        return y if of_x.stop == of_x.start else y + w[:, of_x] @ x


def _existing(a: Architecture, layout: Layout) -> Tensor:
    """Mask (layout.size,) of the weights that a network has."""
    mask = torch.zeros(layout.size, dtype=torch.bool)
    for k in range(a.depth):
        of_x, of_h = layout.blocks[k]
        if of_x.stop > of_x.start:
            mask[of_x].view(-1, layout.columns)[: a.slots(k)] = True
        if k > 0:
            mask[of_h].view(-1, layout.width)[: a.slots(k), : len(a.layers[k - 1])] = True
    of_x, of_h = layout.blocks[-1]
    mask[of_x] = True
    mask[of_h][: len(a.layers[-1])] = True
    return mask


def _thin(mask: Tensor, layout: Layout, links: int, generator: torch.Generator) -> None:
    """In half of the networks, leave each combination of the hidden layers 1 to `links` inputs, at random.

    A dense network holds more formulas, and taking away finds them; among many columns a sparse one is found.
    """
    dense = torch.rand(len(mask), 1, 1, generator=generator) < 0.5
    for k, slots in enumerate(layout.slots):
        of_x, of_h = layout.blocks[k]
        parts = [mask[:, block].reshape(len(mask), slots, -1) for block in (of_x, of_h)]
        there = torch.cat(parts, dim=2)
        order = torch.rand(there.shape, generator=generator).masked_fill(~there, 2.0).argsort(2).argsort(2)
        wanted = torch.randint(1, links + 1, (len(mask), slots, 1), generator=generator)
        kept = there & (dense | (order < wanted))
        first = parts[0].shape[2]
        mask[:, of_x] = kept[:, :, :first].flatten(1)
        mask[:, of_h] = kept[:, :, first:].flatten(1)
