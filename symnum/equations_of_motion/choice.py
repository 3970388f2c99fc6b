"""Joint choice: which candidates, integrated together, explain the data with the shortest description."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from symnum.equations_of_motion.fitting import Scored, bits_of, cancellation_bits, tidy
from symnum.equations_of_motion.flow import Flow
from symnum.equations_of_motion.motion import Motion
from symnum.equations_of_motion.shooting import ShootingFit, Windows, lengthen, shoot
from symnum.exceptions import SymnumError
from symnum.expressions.expression import Expression

Float = NDArray[np.float64]
LEVELS = (10, 3, 1)
"""Windows of the fits, from many short ones to whole trajectories."""


@dataclass(frozen=True)
class Fitted:
    """A system with constants and starts fitted, and its description length.

    Attributes
    ----------
    equations : tuple of Expression
        The sought right-hand sides.
    fit : ShootingFit
    windows : Windows
        Of the last level that was reached.
    level : int
        Index into `LEVELS`.
    bits : float
        Of the formulas and the residuals.
    total : float
        The same and the bits of the starts of all windows, which makes levels comparable.
    losses : float64 array, shape (q,)
        Mean squared residuals in units of the noise.
    """

    equations: tuple[Expression, ...]
    fit: ShootingFit
    windows: Windows
    level: int
    bits: float
    total: float
    losses: Float


class Judge:
    """Fits whole systems and remembers which were tried.

    Parameters
    ----------
    motion : Motion
    stop : callable
        A true result ends fits early.
    """

    def __init__(self, motion: Motion, stop: Callable[[], bool]) -> None:
        self.motion, self.stop = motion, stop
        self.windows = [motion.windows(pieces) for pieces in LEVELS]
        runs = len(motion.recordings)
        # With many trajectories the levels may be the same.
        self.levels = [
            k for k, w in enumerate(self.windows) if k == len(LEVELS) - 1 or len(w.times) > 1.5 * runs
        ]
        last = self.windows[-1]
        there = last.weights > 0
        self.rows = there.sum(axis=(0, 1))
        relative = np.where(there, last.data * last.weights, 0.0)
        self.signal = np.sqrt(np.sum(relative**2, axis=(0, 1)) / np.maximum(self.rows, 1))
        noise = 1 / np.maximum(np.median(self.signal), 1.0)
        self.rtol = float(np.clip(1e-3 * noise, 1e-9, 1e-6))
        self.columns = np.ascontiguousarray(np.concatenate(motion.states)[::3].T)
        self.tried: dict[tuple, float] = {}

    def flow(self, equations: Sequence[Expression]) -> Flow:
        """System of the motion with these right-hand sides."""
        return Flow(self.motion.system(equations), self.motion.is_free)

    def bits(self, equations: Sequence[Expression], squares: Float) -> float:
        """Description length of a system: its formulas and its residuals."""
        if not np.all(np.isfinite(squares)):
            return np.inf
        return sum(
            bits_of(e, float(s) / n, int(n)) + cancellation_bits(e, self.columns)
            for e, s, n in zip(equations, squares, self.rows, strict=True)
        )

    def fit(
        self, equations: Sequence[Expression], level: int, before: Fitted | None = None, steps: int = 10
    ) -> Fitted | None:
        """Fit at one level of windows; None when the system cannot be integrated there."""
        windows = self.windows[level]
        if before is not None:
            windows = lengthen(before.fit, before.windows, windows)
        return self._fitted(self.flow(equations), windows, level, steps)

    def fit_flow(self, flow: Flow, windows: Windows, level: int, starts: Float) -> Fitted | None:
        """Fit of a flow of one's own making, its starts begun elsewhere."""
        return self._fitted(flow, replace(windows, starts=starts), level, 6)

    def _fitted(self, flow: Flow, windows: Windows, level: int, steps: int) -> Fitted | None:
        try:
            fit = shoot(flow, windows, steps, self.stop, self.rtol)
        except (SymnumError, FloatingPointError):
            return None
        made = tuple(fit.flow.equations[j] for j in self.motion.sought)
        bits = self.bits(made, fit.squares)
        if not np.isfinite(bits):
            return None
        starts = len(windows.times) * int(windows.movable.sum())
        total = bits + 0.5 * starts * float(np.log2(max(self.rows.sum(), 2)))
        return Fitted(made, fit, windows, level, bits, total, fit.squares / self.rows)

    def climb(
        self, equations: Sequence[Expression], known: Fitted | None = None, steps: int = 10
    ) -> Fitted | None:
        """Fit level by level up to whole trajectories; ends early when it falls behind a known system."""
        found: Fitted | None = None
        for level in self.levels:
            new = self.fit(equations if found is None else found.equations, level, found, steps)
            if new is None or (found is not None and self.lost(found, new)):
                return found
            found = new
            # Short windows are easier to fit: what is worse there will not win on whole trajectories.
            if known is not None and found.bits > known.bits + 10 and level != self.levels[-1]:
                return None
            if self.stop():
                break
        return found

    def lost(self, before: Fitted, after: Fitted) -> bool:
        """Whether longer windows lost the trajectory: chaos, or a local minimum."""
        return bool(np.any(after.losses > 25 * np.maximum(before.losses, 1.0)))


def key_of(e: Expression) -> tuple:
    """What two candidates have in common when only their fitted constants differ."""
    return tuple(tidy(e).codes.tolist())


def better(a: Fitted | None, b: Fitted | None) -> bool:
    """Whether `a` is the better system."""
    return a is not None and (b is None or a.total < b.total - 1e-3)


def choose(
    judge: Judge,
    pools: Sequence[Sequence[Scored]],
    start: Fitted | None,
    most: int,
    tell: Callable[[Fitted], None],
) -> Fitted | None:
    """Exchange one equation at a time for other candidates until no exchange shortens the description.

    Parameters
    ----------
    judge : Judge
    pools : sequence of sequences of Scored
        Candidates for each sought equation, best first.
    start : Fitted, optional
        System to begin with; the best candidates when left out.
    most : int
        Candidates tried for each equation.
    tell : callable
        Told of each improvement, so that an interrupted search has a result.
    """
    best = start
    if best is None:
        for rank in range(max(len(p) for p in pools)):
            best = judge.climb([p[min(rank, len(p) - 1)].expression for p in pools])
            if best is not None:
                tell(best)
                break
            if judge.stop():
                return None
    if best is None:
        return None
    changed = True
    while changed and not judge.stop():
        changed = False
        for i, pool in enumerate(pools):
            for candidate in pool[:most]:
                if judge.stop():
                    return best
                trial = [*best.equations]
                trial[i] = candidate.expression
                key = tuple(key_of(e) for e in trial)
                if key in judge.tried:
                    continue
                found = judge.climb(trial, best)
                judge.tried[key] = np.inf if found is None else found.bits
                if better(found, best):
                    best, changed = found, True
                    tell(best)  # type: ignore[arg-type]
    return best
