"""A found system that can be used: slopes, simulation, forecast and its band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from symnum.equations_of_motion.choice import Fitted, Judge
from symnum.equations_of_motion.finish import joint_covariance
from symnum.equations_of_motion.flow import Flow
from symnum.equations_of_motion.motion import prepare
from symnum.equations_of_motion.recordings import Recording
from symnum.equations_of_motion.shooting import shoot
from symnum.exceptions import InvalidInput
from symnum.expressions.expression import Expression
from symnum.synthesis.families.integrate import integrate

Float = NDArray[np.float64]
_DRAWS = 60


@dataclass(frozen=True)
class Begin:
    """Where a stretch of a fitted trajectory begins.

    Attributes
    ----------
    trajectory : int
    time : float
    state : float64 array, shape (S,)
    covariance : float64 array, shape (p + f, p + f)
        Of the free constants and the movable states of this start.
    """

    trajectory: int
    time: float
    state: Float
    covariance: Float


@dataclass(frozen=True)
class Solution:
    """System with fitted constants and starts.

    Attributes
    ----------
    names : tuple of str
        All states.
    equations : tuple of Expression
        Sought right-hand sides over all states.
    order, timed : int, bool
        See `Motion`.
    begins : tuple of Begin
    largest : float
        Largest magnitude of a state in the data.
    """

    names: tuple[str, ...]
    equations: tuple[Expression, ...]
    order: int
    timed: bool
    begins: tuple[Begin, ...]
    largest: float

    @property
    def observed(self) -> int:
        """Count of observed states."""
        return len(self.equations)

    @property
    def system(self) -> tuple[Expression, ...]:
        """Right-hand sides of all states."""
        known = [
            Expression.variable(self.observed + j, self.names)
            for j in range(self.observed * (self.order - 1))
        ]
        clock = [Expression.constant(1.0, self.names)] if self.timed else []
        return (*known, *self.equations, *clock)

    @property
    def flow(self) -> Flow:
        """System with its free constants."""
        first = self.observed * (self.order - 1)
        return Flow(self.system, [first <= j < first + self.observed for j in range(len(self.names))])

    @property
    def theta(self) -> Float:
        """Values of the free constants."""
        return self.flow.theta

    @property
    def owners(self) -> list[int]:
        """Number of the equation that each free constant is in."""
        first = self.observed * (self.order - 1)
        return [j - first for j, size in enumerate(self.flow.sizes) for _ in range(size)]

    @property
    def deviations(self) -> Float:
        """Standard deviations of the free constants."""
        p = len(self.theta)
        return np.sqrt(np.maximum(np.diag(self.begins[0].covariance)[:p], 0.0))

    def slopes(self, states: Float) -> Float:
        """Sought right-hand sides at states (n, S), shape (n, d)."""
        with np.errstate(all="ignore"):
            return np.stack([e.evaluate(states) for e in self.equations], axis=1)

    def simulate(self, start: Float, times: Float) -> Float:
        """States (m, S) from a start at ``times[0]``; NaN after the solution ended."""
        return _integrate(
            self.system, start, times, 1e6 * max(self.largest, float(np.max(np.abs(start))), 1e-300)
        )

    def begin(self, trajectory: int, time: float) -> Begin:
        """Last start of a trajectory that is not after a time."""
        own = [b for b in self.begins if b.trajectory == trajectory]
        if time < own[0].time:
            raise InvalidInput(
                f"forecasts begin at the first time of the data, t = {own[0].time:g}; got t = {time:g}"
            )
        return max((b for b in own if b.time <= time), key=lambda b: b.time)

    def forecast(self, times: Float, trajectory: int) -> Float:
        """States of a fitted trajectory, shape (m, S)."""
        out = np.full((len(times), len(self.names)), np.nan)
        begins = [self.begin(trajectory, t) for t in times]
        for begin in dict.fromkeys(id(b) for b in begins):
            rows = [i for i, b in enumerate(begins) if id(b) == begin]
            b = begins[rows[0]]
            out[rows] = self.simulate(b.state, np.concatenate([[b.time], times[rows]]))[1:]
        return out

    def band(self, times: Float, trajectory: int, rng: np.random.Generator) -> Float:
        """Standard deviations of a forecast, (m, S): spread of systems drawn from the covariance."""
        out = np.full((len(times), len(self.names)), np.nan)
        flow, p = self.flow, len(self.theta)
        movable = len(self.names) - int(self.timed)
        begins = [self.begin(trajectory, t) for t in times]
        for begin in dict.fromkeys(id(b) for b in begins):
            rows = [i for i, b in enumerate(begins) if id(b) == begin]
            b = begins[rows[0]]
            if not np.all(np.isfinite(b.covariance)):
                continue
            drawn = draw_deviations(b.covariance, _DRAWS, rng)
            starts = np.tile(b.state, (_DRAWS, 1))
            starts[:, :movable] += drawn[:, p:]
            grid = np.concatenate([[b.time], times[rows]])
            made = flow.run(starts, grid, flow.theta + drawn[:, :p], 1e6 * max(self.largest, 1e-300))[:, 1:]
            fine = np.isfinite(made).all(axis=(1, 2))
            if fine.sum() >= _DRAWS // 2:
                out[rows] = made[fine].std(axis=0)
        return out

    def score(self, recordings: Sequence[Recording]) -> float:
        """Mean over the states of R2 on trajectories whose starts are fitted."""
        motion = prepare(recordings, self.names[: self.observed], self.order, self.timed)
        windows = motion.windows(1)
        held = Flow(self.system, [False] * len(self.names))
        made = shoot(held, windows, 12).states[:, :, : self.observed]
        there = windows.weights > 0
        error = np.where(there, (made - windows.data) ** 2, 0.0).sum(axis=(0, 1))
        mean = np.where(there, windows.data, 0.0).sum(axis=(0, 1)) / there.sum(axis=(0, 1))
        spread = np.where(there, (windows.data - mean) ** 2, 0.0).sum(axis=(0, 1))
        return float(np.mean(1 - error / np.where(spread > 0, spread, 1.0)))


def draw_deviations(covariance: Float, count: int, rng: np.random.Generator) -> Float:
    """Draws (count, k) of the normal law with mean zero and a finite covariance (k, k), singular or not."""
    values, vectors = np.linalg.eigh(covariance)
    return rng.standard_normal((count, len(values))) * np.sqrt(np.maximum(values, 0.0)) @ vectors.T


def solution_of(judge: Judge, best: Fitted) -> Solution:
    """Solution from the end of a search."""
    motion = judge.motion
    free = Flow(motion.system(best.equations), motion.is_free)
    covariance = joint_covariance(judge, best, free)
    p, f = len(free.theta), int(motion.movable.sum())
    begins = []
    for i, (k, row) in enumerate(best.windows.origins.tolist()):
        chosen = np.concatenate([np.arange(p), p + i * f + np.arange(f)])
        begins.append(
            Begin(
                k,
                float(motion.recordings[k].t[row]),
                best.fit.starts[i].copy(),
                covariance[np.ix_(chosen, chosen)],
            )
        )
    largest = float(max(np.nanmax(np.abs(r.U)) for r in motion.recordings))
    return Solution(motion.names, best.equations, motion.order, motion.timed, tuple(begins), largest)


def _integrate(system: Sequence[Expression], start: Float, times: Float, bound: float) -> Float:
    """Explicit method first; the implicit one where it needs too many steps."""
    made = integrate(system, start[None], times, bound=bound)
    if made.status[0] == 2:
        made = integrate(system, start[None], times, method="LSODA", bound=bound, max_steps=100_000)
    states = made.values[0].copy()
    # What comes after the end of the solution is no state.
    gone = ~np.isfinite(states).all(axis=1)
    if gone.any():
        states[int(np.argmax(gone)) :] = np.nan
    return states
