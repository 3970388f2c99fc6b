"""The recurrent network that samples architectures (Li et al. 2024, section 3.1, and its code).

One LSTM cell reads its own last outputs. The first step gives the odds of the depths, the second those of the
widths, every further one those of the units of a layer, which are drawn independently with replacement. Since
the cell reads odds, not draws, all odds of an architecture follow from its first input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from symnum.search.dysymnet.architecture import Architecture

HIDDEN = 32


class Odds(NamedTuple):
    """Logarithms of probabilities: depths (b, k), widths (b, w), units (b, deepest, u)."""

    depth: Tensor
    width: Tensor
    units: Tensor


class Draws(NamedTuple):
    """Sampled architectures.

    Attributes
    ----------
    start : Tensor (b, inputs)
        Random first inputs of the cell.
    depth, width : Tensor (b,) of int64
        Indices into the controller's depths and widths.
    units : Tensor (b, deepest, widest) of int64
        Indices into the library; entries beyond depth and width count for nothing.
    architectures : list of Architecture
    """

    start: Tensor
    depth: Tensor
    width: Tensor
    units: Tensor
    architectures: list[Architecture]

    def take(self, rows: Sequence[int]) -> Draws:
        """Some of the draws."""
        at = torch.as_tensor(list(rows), dtype=torch.int64)
        some = [self.architectures[i] for i in rows]
        return Draws(self.start[at], self.depth[at], self.width[at], self.units[at], some)


class Controller(nn.Module):
    """Distribution over architectures.

    Parameters
    ----------
    library : sequence of str
        Names of units.
    depths, widths : sequence of int
        Options.
    generator : torch.Generator
        Draws the first weights and all samples.
    """

    def __init__(
        self,
        library: Sequence[str],
        depths: Sequence[int],
        widths: Sequence[int],
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.library, self.depths, self.widths = tuple(library), tuple(depths), tuple(widths)
        self.generator = generator
        self.inputs = max(len(depths), len(widths))
        self.cell = nn.utils.skip_init(nn.LSTMCell, self.inputs, HIDDEN)
        self.depth_head = nn.utils.skip_init(nn.Linear, HIDDEN, len(depths))
        self.width_head = nn.utils.skip_init(nn.Linear, HIDDEN, len(widths))
        self.unit_head = nn.utils.skip_init(nn.Linear, HIDDEN, len(library))
        self.feedback = nn.utils.skip_init(nn.Linear, len(library), self.inputs)
        with torch.no_grad():
            for name, p in self.named_parameters():
                # What torch would draw, but from our generator.
                bound = (len(library) if name.startswith("feedback") else HIDDEN) ** -0.5
                p.uniform_(-bound, bound, generator=generator)

    def forward(self, start: Tensor) -> Odds:
        """Odds that follow from first inputs (b, inputs)."""
        state = self.cell(start)
        depth = self.depth_head(state[0])
        state = self.cell(nn.functional.pad(depth, (0, self.inputs - depth.shape[1])), state)
        width = self.width_head(state[0])
        given, units = nn.functional.pad(width, (0, self.inputs - width.shape[1])), []
        for _ in range(max(self.depths)):
            state = self.cell(given, state)
            units.append(self.unit_head(state[0]))
            given = self.feedback(units[-1])
        return Odds(*(o.log_softmax(-1) for o in (depth, width, torch.stack(units, 1))))

    @torch.no_grad()
    def sample(self, count: int) -> Draws:
        """Draw architectures."""
        start = torch.rand(count, self.inputs, generator=self.generator)
        odds = self(start)
        depth, width = (self._draw(o, 1)[:, 0] for o in (odds.depth, odds.width))
        units = self._draw(odds.units.flatten(0, 1), max(self.widths)).view(count, max(self.depths), -1)
        chosen = [
            Architecture.of(
                [[self.library[u] for u in layer[: self.widths[w]]] for layer in t[: self.depths[d]]]
            )
            for d, w, t in zip(depth.tolist(), width.tolist(), units.tolist(), strict=True)
        ]
        return Draws(start, depth, width, units, chosen)

    def _draw(self, odds: Tensor, count: int) -> Tensor:
        return torch.multinomial(odds.exp(), count, replacement=True, generator=self.generator)

    def score(self, draws: Draws) -> tuple[Tensor, Tensor]:
        """Log-probability and entropy (b,) of draws under the present weights.

        The entropy is that of the depth, of the width and of one unit of each layer.
        """
        odds = self(draws.start)
        log_prob = odds.depth.gather(1, draws.depth[:, None])[:, 0]
        log_prob = log_prob + odds.width.gather(1, draws.width[:, None])[:, 0]
        layers = torch.arange(max(self.depths)) < torch.tensor(self.depths)[draws.depth][:, None]
        places = torch.arange(max(self.widths)) < torch.tensor(self.widths)[draws.width][:, None]
        each = odds.units.gather(2, draws.units)
        log_prob = log_prob + (each * (layers[:, :, None] & places[:, None, :])).sum((1, 2))
        entropy = _entropy(odds.depth) + _entropy(odds.width) + (_entropy(odds.units) * layers).sum(1)
        return log_prob, entropy


def _entropy(odds: Tensor) -> Tensor:
    return -(odds.exp() * odds).sum(-1)


class PolicyGradient:
    """Risk-seeking policy gradient: only the best of a batch teach (Petersen et al. 2021; Li et al. 2024).

    Parameters
    ----------
    controller : Controller
    rate : float
        Of Adam.
    risk : float
        Share of a batch that teaches.
    entropy : float
        Weight of the entropy.
    """

    def __init__(self, controller: Controller, rate: float, risk: float, entropy: float) -> None:
        self.controller, self.risk, self.entropy = controller, risk, entropy
        self.optimizer = torch.optim.Adam(controller.parameters(), rate)

    def update(self, draws: Draws, rewards: Tensor) -> float:
        """One step along ``mean((R - R_q) log p + entropy) over R > R_q``; the loss, NaN when none is above.

        The sums are divided by the expected number of draws above the quantile R_q, as in the code, which
        also limits each to a million.
        """
        threshold = torch.quantile(rewards, 1 - self.risk)
        best = torch.nonzero(rewards > threshold)[:, 0]
        if not len(best):
            return float("nan")
        log_prob, entropy = self.controller.score(draws.take(best.tolist()))
        gain = ((rewards[best] - threshold) * log_prob).sum().clamp(-1e6, 1e6)
        loss = -(gain + (self.entropy * entropy.sum()).clamp(-1e6, 1e6)) / (self.risk * len(rewards))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())
