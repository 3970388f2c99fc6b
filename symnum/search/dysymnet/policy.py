"""A controller that has seen formulas: pre-training on their smallest networks, and its file.

The published controller begins with about equal odds and learns from a few dozen networks an epoch. Within
seconds there are a handful of epochs, so that the odds it begins with decide. Here they are fitted by
maximum likelihood to the smallest networks that hold synthetic formulas.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from symnum.exceptions import InvalidInput
from symnum.expressions.expression import Expression
from symnum.expressions.operators import CONSTANT, OPERATORS
from symnum.search.dysymnet.architecture import Architecture
from symnum.search.dysymnet.controller import Controller

SHIPPED = "policy.safetensors"
"""Weights beside this file, made by ``pretrain/dysymnet_policy.py``."""
_BATCH, _RATE, _SPARE = 512, 1e-2, 2

Units = frozenset[int]
"""What a value is a linear combination of, beside columns and a constant."""


class _Network:
    """Units that a formula needs, each with what it reads."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.reads: list[Units] = []
        self.known: dict[Any, int] = {}

    def unit(self, name: str, key: Any, *args: Units) -> Units:
        """A unit over linear combinations; the same one where the same value was asked for before."""
        found = self.known.setdefault((name, key), len(self.names))
        if found == len(self.names):
            self.names.append(name)
            self.reads.append(frozenset().union(*args))
        return frozenset({found})

    def layers(self, output: Units) -> list[list[str]]:
        """Units by layer, each as late as its readers allow; identities carry it on to later readers."""
        level = []
        for reads in self.reads:
            level.append(1 + max((level[u] for u in reads), default=0))
        depth = max((level[u] for u in output), default=0)
        first, last = [depth] * len(level), [depth if u in output else 0 for u in range(len(level))]
        for u in reversed(range(len(level))):  # readers come after what they read
            for v in self.reads[u]:
                first[v] = min(first[v], first[u] - 1)
                last[v] = max(last[v], first[u] - 1)
        made: list[list[str]] = [[] for _ in range(depth)]
        for u, name in enumerate(self.names):
            for k in range(first[u], last[u] + 1):
                made[k - 1].append(name if k == first[u] else "id")
        return made


def smallest_network(e: Expression) -> Architecture | None:
    """Architecture whose network of "fast" units can hold a formula; None where there is none.

    Sums and factors that are constant cost nothing. Powers are written as ``exp(c*log(a))``, hyperbolic
    functions with exponentials, tangents as quotients.
    """
    net, stack, numbers = _Network(), [], iter(e.constants.tolist())
    for code in e.codes.tolist():
        if code <= 0:
            stack.append((frozenset(), (code, next(numbers) if code == CONSTANT else 0.0), code == CONSTANT))
            continue
        op = OPERATORS.by_code[code]
        args = stack[-op.arity :]
        del stack[-op.arity :]
        key = (op.name, *(k for _, k, _ in args))
        constant = all(c for _, _, c in args)
        made = frozenset() if constant else _value(net, op.name, key, args)
        if made is None:
            return None
        stack.append((made, key, constant))
    layers = net.layers(stack[0][0])
    return Architecture.of(layers) if layers else None


def _value(net: _Network, name: str, key: Any, args: Sequence[tuple[Units, Any, bool]]) -> Units | None:
    units = [u for u, _, _ in args]
    constant = [c for _, _, c in args]
    a, b = units[0], units[-1]
    match name:
        case "add" | "sub" | "neg":
            return a | b
        case "mul" if any(constant):
            return a | b
        case "div" if constant[1]:
            return a
        case "mul" | "div":
            return net.unit(name, key, a, b)
        case "inv":
            return net.unit("div", key, a)
        case "square" | "sqrt" | "exp" | "log" | "sin" | "cos":
            return net.unit(name, key, a)
        case "cube":
            return net.unit("mul", key, a, net.unit("square", ("square", key[1]), a))
        case "abs":
            return net.unit("sqrt", key, net.unit("square", ("square", key[1]), a))
        case "cbrt":
            return net.unit("exp", key, net.unit("log", ("log", key[1]), a))
        case "pow" if constant[0]:
            return net.unit("exp", key, b)
        case "pow":
            log = net.unit("log", ("log", key[1]), a)
            return net.unit("exp", key, log if constant[1] else net.unit("mul", key, log, b))
        case "tan":
            parts = [net.unit(n, (n, key[1]), a) for n in ("sin", "cos")]
            return net.unit("div", key, *parts)
        case "sinh" | "cosh":
            return net.unit("exp", ("exp", key[1]), a) | net.unit("exp", ("exp", "-", key[1]), a)
        case "tanh":
            return net.unit("div", key, net.unit("exp", ("exp", key[1], 2), a))
    return None


def fit_policy(controller: Controller, architectures: Sequence[Architecture], steps: int, seed: int) -> float:
    """Maximise the likelihood of architectures; the mean negative logarithm of it in the last steps.

    A network may be wider than the smallest one: up to two units more are as likely as none.
    """
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.Adam(controller.parameters(), _RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    some = [a for a in architectures if a.depth in controller.depths and a.width <= max(controller.widths)]
    if not some:
        raise InvalidInput("no architecture has a depth and width that the controller knows")
    losses = []
    for _ in range(steps):
        chosen = [some[i] for i in rng.integers(len(some), size=_BATCH)]
        loss = -_log_likelihood(controller, chosen, rng).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
    return float(np.mean(losses[-50:]))


def _log_likelihood(c: Controller, chosen: Sequence[Architecture], rng: np.random.Generator) -> Tensor:
    start = torch.rand(len(chosen), c.inputs, generator=c.generator)
    odds = c(start)
    widths = np.array(c.widths)
    spare = rng.integers(_SPARE + 1, size=len(chosen))
    wide = np.minimum([a.width for a in chosen] + spare, widths.max())
    depth = torch.tensor([c.depths.index(a.depth) for a in chosen])
    total = odds.depth.gather(1, depth[:, None])[:, 0]
    total = total + odds.width.gather(1, torch.from_numpy(np.searchsorted(widths, wide))[:, None])[:, 0]
    counts = np.zeros((len(chosen), max(c.depths), len(c.library)), dtype=np.float32)
    index = {name: k for k, name in enumerate(c.library)}
    for i, a in enumerate(chosen):
        for k, layer in enumerate(a.layers):
            for name in layer:
                counts[i, k, index[name]] += 1
    return total + (odds.units * torch.from_numpy(counts)).sum((1, 2))


def save_policy(controller: Controller, path: Path) -> None:
    """Write weights and what they are for as safetensors."""
    about = {n: json.dumps(list(getattr(controller, n))) for n in ("library", "depths", "widths")}
    save_file(controller.state_dict(), path, {"format": "pt", **about})


def load_policy(controller: Controller, path: str | Path) -> None:
    """Give a controller the weights of a file; it may know fewer units than the file.

    Raises
    ------
    InvalidInput
        When the file is none of `save_policy`, or of other depths, widths or units.
    """
    path = Path(__file__).with_name(SHIPPED) if path == "shipped" else Path(path)
    try:
        with safe_open(path, "pt") as file:
            about = {k: json.loads(v) for k, v in (file.metadata() or {}).items() if k != "format"}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        rows = [about["library"].index(name) for name in controller.library]
        same = all(about[n] == list(getattr(controller, n)) for n in ("depths", "widths"))
        for name in ("unit_head.weight", "unit_head.bias"):
            state[name] = state[name][rows]
        state["feedback.weight"] = state["feedback.weight"][:, rows]
        if not same:
            raise ValueError(f"depths {about['depths']}, widths {about['widths']}")
        controller.load_state_dict(state)
    except (OSError, SafetensorError, ValueError, KeyError, IndexError, RuntimeError) as error:
        raise InvalidInput(
            f"{path} holds no policy for units {', '.join(controller.library)}, depths "
            f"{list(controller.depths)} and widths {list(controller.widths)} ({error}); make one with "
            "pretrain/dysymnet_policy.py, or take a preset with policy=None"
        ) from None
