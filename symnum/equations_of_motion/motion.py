"""The task: trajectories, their states, what is known, and smoothed states between the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_simpson

from symnum.equations_of_motion.recordings import Recording
from symnum.equations_of_motion.shooting import Windows
from symnum.equations_of_motion.smoothing import Smoothed, smooth
from symnum.expressions.expression import Expression

Float = NDArray[np.float64]
_GRID = 400
"""Times of the grid of one trajectory, at least; the data's times are among them."""


@dataclass(frozen=True)
class Motion:
    """Trajectories and the system sought for them.

    Attributes
    ----------
    recordings : list of Recording
    names : tuple of str
        All states: the observed ones, then velocities (`order` 2), then the time where it is explicit.
    observed : int
        How many states are observed.
    order : {1, 2}
        Whether the equations sought are those of the states or of their velocities.
    timed : bool
        Whether time is a state of its own.
    grids : list of float64 arrays, shape (m,)
    rows : list of int arrays, shape (n,)
        Places of the data's times on the grid.
    states : list of float64 arrays, shape (m, S)
        Smoothed states on the grid.
    slopes, deviations : list of float64 arrays, shape (m, F)
        Smoothed derivatives that the sought equations give, and their standard deviations.
    noise : list of float64 arrays, shape (n, observed)
        Standard deviations of the data.
    """

    recordings: list[Recording]
    names: tuple[str, ...]
    observed: int
    order: int
    timed: bool
    grids: list[Float]
    rows: list[NDArray[np.int64]]
    states: list[Float]
    slopes: list[Float]
    deviations: list[Float]
    noise: list[Float]
    scales: Float = field(init=False)

    def __post_init__(self) -> None:
        everything = np.concatenate(self.states)
        object.__setattr__(self, "scales", np.sqrt(np.mean(everything**2, axis=0)))

    @property
    def sought(self) -> tuple[int, ...]:
        """States whose equations are sought."""
        first = self.observed if self.order == 2 else 0
        return tuple(range(first, first + self.observed))

    def system(self, chosen: Sequence[Expression]) -> list[Expression]:
        """Right-hand sides of all states from those sought."""
        known: list[Expression] = []
        if self.order == 2:
            known = [Expression.variable(self.observed + j, self.names) for j in range(self.observed)]
        clock = [Expression.constant(1.0, self.names)] if self.timed else []
        return [*known, *chosen, *clock]

    @property
    def is_free(self) -> list[bool]:
        """Which equations of `system` hold constants to be fitted."""
        sought = set(self.sought)
        return [j in sought for j in range(len(self.names))]

    @property
    def movable(self) -> NDArray[np.bool_]:
        """Which states of a start are to be fitted: all but the time."""
        return np.array([not (self.timed and j == len(self.names) - 1) for j in range(len(self.names))])

    def windows(self, pieces: int) -> Windows:
        """Every trajectory cut into windows, about `pieces` in all or one each; neighbours share a datum."""
        total = sum(len(r.t) for r in self.recordings)
        spans: list[tuple[int, int, int]] = []
        for k, r in enumerate(self.recordings):
            own = max(1, min(round(pieces * len(r.t) / total), (len(r.t) - 1) // 4))
            edges = np.linspace(0, len(r.t) - 1, own + 1).astype(int).tolist()
            spans += [(k, a, b) for a, b in pairwise(edges)]
        longest = max(b - a + 1 for _, a, b in spans)
        w, q = len(spans), self.observed
        times, data, weights = np.empty((w, longest)), np.zeros((w, longest, q)), np.zeros((w, longest, q))
        starts = np.empty((w, len(self.names)))
        for i, (k, a, b) in enumerate(spans):
            r, count = self.recordings[k], b - a + 1
            times[i, :count], times[i, count:] = r.t[a : b + 1], r.t[b]
            there = np.isfinite(r.U[a : b + 1])
            data[i, :count] = np.where(there, r.U[a : b + 1], 0.0)
            # A datum shared by two windows counts once.
            own = there & (np.arange(count) + a < (b if b < len(r.t) - 1 else b + 1))[:, None]
            weights[i, :count] = np.where(own, 1 / self.noise[k][a : b + 1], 0.0)
            starts[i] = self.states[k][self.rows[k][a]]
        origins = np.array([(k, a) for k, a, _ in spans])
        return Windows(times, data, weights, starts, self.movable, origins)

    def replaced(self, states: Sequence[Float]) -> Motion:
        """Same task with other states on the grid, those of a model."""
        return replace(self, states=list(states))


def prepare(recordings: Sequence[Recording], names: Sequence[str], order: int = 1, timed: bool = False,
            time_name: str = "t") -> Motion:  # fmt: skip
    """Smooth the trajectories and lay out the states."""
    d = len(names)
    grids, rows = zip(*(_grid(r.t) for r in recordings), strict=True)
    smoothed: list[list[Smoothed]] = []
    for j in range(d):
        there = [np.isfinite(r.U[:, j]) for r in recordings]
        smoothed.append(
            smooth([r.t[k] for r, k in zip(recordings, there, strict=True)],
                   [r.U[k, j] for r, k in zip(recordings, there, strict=True)], grids, order + 1)
        )  # fmt: skip
    states, slopes, deviations, noise = [], [], [], []
    for k, r in enumerate(recordings):
        columns = [smoothed[j][k].values[0] for j in range(d)]
        if order == 2:
            columns += [smoothed[j][k].values[1] for j in range(d)]
        if timed:
            columns.append(grids[k])
        states.append(np.stack(columns, axis=1))
        slopes.append(np.stack([smoothed[j][k].values[order] for j in range(d)], axis=1))
        deviations.append(np.stack([smoothed[j][k].deviations[order] for j in range(d)], axis=1))
        noise.append(_noise(r, [smoothed[j][k] for j in range(d)]))
    velocities = [f"d{n}_dt" for n in names] if order == 2 else []
    everything = (*names, *velocities, *([time_name] if timed else []))
    return Motion(
        list(recordings),
        everything,
        d,
        order,
        timed,
        list(grids),
        list(rows),
        states,
        slopes,
        deviations,
        noise,
    )


def _noise(r: Recording, smoothed: Sequence[Smoothed]) -> Float:
    """Standard deviation of every datum; never so small that integration errors matter."""
    out = np.empty(r.U.shape)
    for j, s in enumerate(smoothed):
        there = np.isfinite(r.U[:, j])
        floor = 1e-6 * max(float(np.nanstd(r.U[:, j])), 1e-3 * float(np.nanmax(np.abs(r.U[:, j]))), 1e-12)
        out[:, j] = np.inf
        out[there, j] = np.maximum(s.noise, floor)
    return out


def _grid(t: Float) -> tuple[Float, NDArray[np.int64]]:
    """Times with the data's among them, the gaps divided, and the places of the data."""
    width = (t[-1] - t[0]) / _GRID
    pieces = np.maximum(1, np.ceil(np.diff(t) / width)).astype(int)
    pieces = np.minimum(pieces, 60)
    parts = [a + (b - a) * np.arange(p) / p for a, b, p in zip(t[:-1], t[1:], pieces, strict=True)]
    return np.concatenate([*parts, t[-1:]]), np.concatenate([[0], np.cumsum(pieces)])


class IntegralForm:
    """Right-hand sides judged without differentiating data: their integrals against the data themselves.

    For an equation ``du/dt = f`` the data of a window are ``u0`` plus the integral of ``f`` along the
    smoothed states, for ``d2u/dt2 = f`` a straight line plus the double integral; ``u0`` or the line are
    projected out (Schaeffer & McCalla, Sparse model selection via integral terms, Phys. Rev. E 96, 2017).

    Parameters
    ----------
    motion : Motion
    place : int
        Which of the sought equations.
    """

    def __init__(self, motion: Motion, place: int) -> None:
        self.motion = motion
        self.columns = np.ascontiguousarray(np.concatenate(motion.states).T)
        self._offsets = np.concatenate([[0], np.cumsum([len(g) for g in motion.grids])])
        self._windows: list[tuple[int, NDArray[np.int64], Float, Float]] = []
        parts = []
        for k, r in enumerate(motion.recordings):
            there = np.flatnonzero(np.isfinite(r.U[:, place]))
            pieces = max(1, min(6, len(there) // 12))
            for own in np.array_split(there, pieces):
                if len(own) <= motion.order + 1:
                    continue
                weights = 1 / motion.noise[k][own, place]
                basis = (r.t[own] - r.t[own[0]])[:, None] ** np.arange(motion.order) * weights[:, None]
                self._windows.append((k, motion.rows[k][own], weights, np.linalg.qr(basis)[0]))
                parts.append(r.U[own, place])
        self.target = np.concatenate([
            self._project(y * w, q) for y, (_, _, w, q) in zip(parts, self._windows, strict=True)
        ])  # fmt: skip
        self.rows = len(self.target)

    @staticmethod
    def _project(values: Float, basis: Float) -> Float:
        return values - (values @ basis) @ basis.T

    def integrals(self, values: Float) -> Float:
        """Integrals of values on the grid (k, m), as rows that compare with `target`, shape (k, rows)."""
        values = np.atleast_2d(values)
        sums = []
        for k, grid in enumerate(self.motion.grids):
            part = values[:, self._offsets[k] : self._offsets[k + 1]]
            for _ in range(self.motion.order):
                part = cumulative_simpson(part, x=grid, axis=1, initial=0)
            sums.append(part)
        return np.concatenate(
            [self._project(sums[k][:, rows] * w, q) for k, rows, w, q in self._windows], axis=1
        )
