"""The search itself: sample networks, train them together, read formulas out, reward the controller."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from symnum.expressions.expression import Expression
from symnum.problem import Problem
from symnum.search.budget import Budget
from symnum.search.candidate import Candidate, HallOfFame, fit_rows
from symnum.search.dysymnet.architecture import Architecture
from symnum.search.dysymnet.controller import Controller, Draws, PolicyGradient
from symnum.search.dysymnet.functions import library
from symnum.search.dysymnet.network import Networks
from symnum.search.dysymnet.policy import load_policy
from symnum.search.dysymnet.presets import preset
from symnum.search.dysymnet.readout import read_out
from symnum.search.dysymnet.training import Trained, train
from symnum.search.refinement import Data, refined
from symnum.search.stages import Stage, recorded
from symnum.search.torch_devices import device_of, threads

if TYPE_CHECKING:
    from symnum.search.dysymnet.backend import DySymNetSearch

_BITS = 20.0
"""Bits saved in each row that are a reward of 1: a relative error of a millionth."""
_RESERVE = 0.1
"""Share of the time that is kept for the formulas of networks whose training was cut short."""


class Rows:
    """Rows that networks are trained on, scaled, and the way back to the columns.

    Parameters
    ----------
    problem : Problem
    most, columns : int
        Rows and columns at most.
    scale, bias : bool
        See `Preset`.
    device : torch.device
    """

    def __init__(
        self, problem: Problem, most: int, columns: int, scale: bool, bias: bool, device: torch.device
    ) -> None:
        rows = fit_rows(problem, most)
        w = np.ones(len(rows)) if problem.weights is None else problem.weights[rows]
        X, y = problem.X[rows], problem.y[rows]
        self.columns = most_correlated(X, y, w, columns)
        X = X[:, self.columns]
        self.x_scale = _root_mean_square(X, w) if scale else np.ones(X.shape[1])
        self.y_scale = float(_root_mean_square(y[:, None], w)[0]) if scale else 1.0
        self.inputs: list[Expression | float] = [Expression.variable(j, problem.names) for j in self.columns]
        table = X / self.x_scale
        if bias:
            table = np.column_stack([table, np.ones(len(table))])
            self.x_scale = np.append(self.x_scale, 1.0)
            self.inputs.append(1.0)
        self.x = torch.tensor(table.T.copy(), dtype=torch.float32, device=device)
        self.y = torch.tensor(y / self.y_scale, dtype=torch.float32, device=device)
        self.weights = torch.tensor(w / w.sum(), dtype=torch.float32, device=device)

    def formula(
        self, networks: Networks, weights: NDArray[np.float64], k: int, plain: bool
    ) -> Expression | None:
        """Formula of network `k` of a batch with its weights (layout.size,), in the units of the problem."""
        layout, own = networks.layout, weights.copy()
        for of_x, _ in layout.blocks:
            if of_x.stop > of_x.start:
                own[of_x] = (own[of_x].reshape(-1, layout.columns) / self.x_scale).ravel()
        own[layout.blocks[-1][0].start :] *= self.y_scale
        return read_out(networks.architectures[k], layout, own, self.inputs, plain)


def _root_mean_square(X: NDArray, w: NDArray) -> NDArray[np.float64]:
    size = np.sqrt(np.average(X**2, axis=0, weights=w))
    return np.where((size > 0) & np.isfinite(size), size, 1.0)


def most_correlated(X: NDArray, y: NDArray, w: NDArray, most: int) -> list[int]:
    """Columns of the largest ``|Pearson r|`` with the target, in ascending order; all when they are few."""
    if X.shape[1] <= most:
        return list(range(X.shape[1]))
    centred = X - np.average(X, axis=0, weights=w)
    target = y - np.average(y, weights=w)
    spread = np.sqrt(np.average(centred**2, axis=0, weights=w))
    shared = np.abs(np.average(centred * target[:, None], axis=0, weights=w))
    strength = np.where(spread > 0, shared / np.maximum(spread, 1e-300), 0.0)
    return sorted(np.argsort(-strength, kind="stable")[:most].tolist())


class Epochs:
    """State of one search."""

    def __init__(
        self,
        search: DySymNetSearch,
        problem: Problem,
        budget: Budget,
        rng: np.random.Generator,
        hall: HallOfFame,
        ledger: list[Stage],
    ) -> None:
        self.search, self.problem, self.budget = search, problem, budget
        self.hall, self.ledger = hall, ledger
        self.preset = preset(search.preset)
        self.device = device_of(search.device)
        units = library(self.preset.library, None if search.operators is None else set(search.operators))
        self.generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        self.controller = Controller(units, self.preset.depths, self.preset.widths, self.generator)
        if self.preset.policy is not None:
            load_policy(self.controller, self.preset.policy)
        self.policy = PolicyGradient(self.controller, self.preset.rate, self.preset.risk, self.preset.entropy)
        self.rewards: dict[Architecture, list[float]] = {}
        rows = fit_rows(problem)
        X, y = problem.X[rows], problem.y[rows]
        w = None if problem.weights is None else problem.weights[rows]
        self.data = Data(X, y, w, lambda e: hall.bits(e, X, y, w), budget.charge, self._late, search.n_jobs)

    def run(self) -> Iterator[Candidate]:
        """All epochs."""
        y = self.problem.y
        mean = Expression.constant(float(np.average(y, weights=self.problem.weights)), self.problem.names)
        yield from self._offer(mean, "constant")
        if np.ptp(y) == 0 or not np.any(np.ptp(self.problem.X, axis=0) > 0):
            self.budget.stop("target or features are constant")
            return
        p = self.preset
        self.rows = Rows(self.problem, p.rows, p.columns, p.scale, p.bias, self.device)
        self.plain_bits = self.data.bits(mean)
        count = p.first_batch
        with recorded("networks", self.budget, self.hall, self.ledger):
            while not self.budget.expired():
                yield from self._epoch(min(count, self._affordable()))
                count = min(2 * count, p.batch)
                self._judge()

    def _affordable(self) -> int:
        steps = sum(phase.steps for phase in self.preset.phases)
        return min(self.preset.batch, max(1, self.budget.evals_left() // steps))

    def _late(self) -> bool:
        return self.budget.max_time is not None and self.budget.left() <= 0

    def _judge(self) -> None:
        """Whether what was found is enough."""
        if self.hall.exact() is not None:
            self.budget.stop("exact formula found")
        enough = self.preset.enough
        if enough is not None and max((c.r2 for c in self.hall.best.values()), default=0.0) > enough:
            self.budget.stop(f"R2 above {enough}")

    def _epoch(self, count: int) -> Iterator[Candidate]:
        """Sample, train, read out, refine, reward."""
        draws = self._sample(count)
        self.budget.charge(count)  # the search ends even where nothing new is drawn
        fresh = [i for i, a in enumerate(draws.architectures) if self._wanted(a)]
        rewards = np.array([max(self.rewards.get(a, [0.0])) for a in draws.architectures])
        if fresh:
            given = draws.take(fresh)
            made: dict[int, float] = {}
            with threads(self.search.n_jobs):
                networks, places = self._trained(given.architectures)
            formulas = self._formulas(networks, places)
            for place, e, bits in refined(
                [e for _, e in formulas], self.data, self.preset.shorten, self._shortest
            ):
                source = formulas[place][0]
                made[source] = max(made.get(source, 0.0), self._reward(e, bits))
                if e is not None:
                    yield from self._offer(e, "networks")
            for k, i in enumerate(fresh):
                reward = made.get(k, 0.0)
                self.rewards.setdefault(draws.architectures[i], []).append(reward)
                rewards[i] = max(rewards[i], reward)
        with threads(1):
            self.policy.update(draws, torch.tensor(rewards, dtype=torch.float32))

    def _shortest(self) -> float:
        return min((c.bits for c in self.hall.best.values()), default=np.inf)

    def _sample(self, count: int) -> Draws:
        draws = self.controller.sample(count)
        order = sorted(range(count), key=lambda i: -draws.architectures[i].depth)
        return draws.take(order)

    def _wanted(self, a: Architecture) -> bool:
        return len(self.rewards.get(a, ())) < self.preset.repeats

    def _trained(self, architectures: list[Architecture]) -> tuple[list[Networks], list[list[int]]]:
        """Networks trained to the end, in one batch or, after failures, several."""
        p = self.preset
        waiting = list(range(len(architectures)))
        done: list[Networks] = []
        places: list[list[int]] = []
        for _ in range(p.retries + 1):
            some = Networks.create(
                [architectures[i] for i in waiting], len(self.rows.inputs), p.skip, self.generator,
                device=str(self.device), spread=p.spread, links=p.links,
            )  # fmt: skip
            result: Trained = train(
                some, self.rows.x, self.rows.y, self.rows.weights, p.phases, p.clip, p.limit, p.check,
                self._training_ends,
            )  # fmt: skip
            self.budget.charge(result.steps)
            done.append(result.networks)
            places.append([waiting[i] for i in result.rows])
            failed = [waiting[i] for i, v in enumerate(result.loss.tolist()) if not v <= p.limit]
            if not failed or self._training_ends():
                break
            waiting = failed
        return done, places

    def _training_ends(self) -> bool:
        timed = self.budget.max_time is not None
        return timed and self.budget.left() <= _RESERVE * (self.budget.max_time or 0.0)

    def _formulas(self, done: list[Networks], places: list[list[int]]) -> list[tuple[int, Expression]]:
        """Formulas of networks at all degrees of pruning, without repetitions, as many as time allows."""
        found: dict[Expression, int] = {}
        for networks, where in zip(done, places, strict=True):
            weights = networks.weights.cpu().numpy().astype(np.float64)
            output = networks.layout.blocks[-1][0].start
            for k, source in enumerate(where):
                if found and self._late():
                    break
                for hidden, last in self.preset.thresholds:
                    own = weights[k]
                    size = np.abs(own)
                    least = np.where(np.arange(len(own)) < output, hidden, last)
                    e = self.rows.formula(networks, np.where(size < least, 0.0, own), k, self.preset.plain)
                    if e is not None:
                        found.setdefault(e, source)
        return [(source, e) for e, source in found.items()]

    def _reward(self, e: Expression | None, bits: float) -> float:
        if self.preset.bits or e is None:
            return float(np.clip((self.plain_bits - bits) / len(self.data.y) / _BITS, 0.0, 1.0))
        with np.errstate(all="ignore"):
            error = np.average((e.evaluate(self.data.X) - self.data.y) ** 2, weights=self.data.weights)
        return float(1 / (1 + error)) if np.isfinite(error) else 0.0

    def _offer(self, e: Expression, label: str) -> Iterator[Candidate]:
        candidate = self.hall.add(e, label, self.budget.elapsed)
        if candidate is not None:
            yield candidate
