"""Constants and initial state of a proposed system, fitted to a noisy window by multiple shooting."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from symnum.equations_of_motion.choice import LEVELS
from symnum.equations_of_motion.fitting import refine
from symnum.equations_of_motion.flow import Flow
from symnum.equations_of_motion.motion import IntegralForm, Motion, prepare
from symnum.equations_of_motion.recordings import Recording
from symnum.equations_of_motion.shooting import (
    Prior,
    ShootingFit,
    Windows,
    lengthen,
    normal_equations,
    shoot,
)
from symnum.equations_of_motion.solution import draw_deviations
from symnum.expressions import Expression
from symnum.synthesis.families.integrate import integrate

Float = NDArray[np.float64]
_RTOL = 1e-6
_DRAWS = 40
_QUIET, _LOUD = 0.3, 3.0
"""Mean squared residuals, in units of the estimated noise, between which a fit is believed at once."""
_EXPLODED = 1e4
_SURE = 0.5
"""Bits below which a proposal that fits is taken without a look at the others: 71 % of the draws or more."""


@dataclass(frozen=True)
class Proposal:
    """A system that may be behind a trajectory, and what is known of its constants.

    Attributes
    ----------
    equations : tuple of Expression
        Right-hand sides over the states; their constants are the most likely ones.
    covariance : float64 array, shape (p, p), optional
        Of the free constants (`Flow.theta`); without it they are fitted to the data alone.
    bits : float
        How unlikely the system is beforehand; the others are not fitted when one of less than half a
        bit fits.
    source : str
        Where it comes from.
    """

    equations: tuple[Expression, ...]
    covariance: Float | None = None
    bits: float = 0.0
    source: str = ""

    def prior(self, theta: Float) -> Prior | None:
        """Law of the constants."""
        if self.covariance is None:
            return None
        return Prior(theta, np.linalg.inv(self.covariance))


@dataclass(frozen=True)
class Refit:
    """A system fitted to a window.

    Attributes
    ----------
    equations : tuple of Expression
    start : float64 array, shape (d,)
        State at the first time.
    time : float
        That time.
    noise : float64 array, shape (d,)
        Standard deviation of the residuals of each state.
    covariance : float64 array, shape (p + d, p + d)
        Of the free constants and the start.
    bits : float
        How unlikely the system is beforehand and by the data together: smaller is better; comparable for
        proposals for the same window.
    bound : float
        Magnitude beyond which a trajectory counts as exploded.
    source : str
        Where the proposal came from.
    """

    equations: tuple[Expression, ...]
    start: Float
    time: float
    noise: Float
    covariance: Float
    bits: float
    bound: float
    source: str = ""

    def forecast(self, times: Float) -> Float:
        """States (m, d) of the fitted trajectory at times not before its start; NaN after an explosion."""
        return _run(self.equations, self.start[None], self._grid(times), None, self.bound)[0, 1:]

    def spread(self, times: Float, rng: np.random.Generator) -> tuple[Float, Float]:
        """Mean and standard deviation (m, d) of forecasts over constants and starts as likely as the fitted.

        The mean has the least expected squared error; it is no trajectory of the system once these have
        lost each other.
        """
        best = self.forecast(times)
        if not np.all(np.isfinite(self.covariance)):
            return best, np.full_like(best, np.nan)
        drawn = draw_deviations(self.covariance, _DRAWS, rng)
        flow = Flow(self.equations)
        p = len(flow.theta)
        made = _run(
            flow.programs, self.start + drawn[:, p:], self._grid(times), flow.theta + drawn[:, :p], self.bound
        )[:, 1:]
        made = made[np.isfinite(made).all(axis=(1, 2))]
        if len(made) < _DRAWS // 2:
            return best, np.full_like(best, np.nan)
        return made.mean(axis=0), made.std(axis=0)

    def _grid(self, times: Float) -> Float:
        return np.concatenate([[self.time], np.asarray(times, dtype=np.float64)])


def refit(
    t: Float, U: Float, proposals: Sequence[Proposal], seconds: float = 20.0, motion: Motion | None = None
) -> list[Refit]:
    """Fit every proposed system to a window and sort them, the most likely first.

    Parameters
    ----------
    t : float64 array, shape (m,)
        Increasing times.
    U : float64 array, shape (m, d)
        States with noise; NaN where one is missing.
    proposals : sequence of Proposal
    seconds : float
        For all of them; what is reached by then is used.
    motion : Motion, optional
        What `window_motion` made of the same data.

    Notes
    -----
    Windows grow from short pieces to the whole trajectory (Bock 1983). The noise of each state is estimated
    from the residuals and the fit repeated, and where the first answer does not fit the data, fits from
    other constants (those of the integral form) and other weights are tried too. Systems that cannot be
    integrated along the window are left out. Integrations are limited by their number of steps.
    """
    motion = window_motion(t, U, proposals[0].equations[0].names) if motion is None else motion
    began = time.perf_counter()
    found: list[Refit] = []
    for k, proposal in enumerate(proposals):
        until = began + seconds * (k + 1) / len(proposals)
        one = _fit(motion, proposal, lambda until=until: time.perf_counter() > until)
        if one is not None:
            found.append(one)
            if proposal.bits < _SURE and _is_plausible(motion, one.noise):
                break
    return sorted(found, key=lambda r: r.bits)


def window_motion(t: Float, U: Float, names: Sequence[str]) -> Motion:
    """Smoothed states and noise of one window."""
    return prepare([Recording(np.asarray(t, np.float64), np.asarray(U, np.float64))], names)


@dataclass(frozen=True)
class _Attempt:
    fit: ShootingFit
    windows: Windows
    noise: Float
    cost: float


def _fit(motion: Motion, proposal: Proposal, stop: Callable[[], bool]) -> Refit | None:
    best: _Attempt | None = None
    known = proposal.prior(Flow(proposal.equations).theta)
    used = known
    # What the network believes of the constants may be wrong: without it in the second round.
    for prior in (known, None) if known is not None else (None,):
        for equations, noise in _beginnings(motion, proposal.equations):
            attempt = _climb(motion, Flow(equations), noise, prior, stop)
            if attempt is not None and (best is None or attempt.cost < best.cost):
                best, used = attempt, prior
            if stop() or (best is not None and _is_plausible(motion, best.noise)):
                break
        if stop() or (best is not None and _is_plausible(motion, best.noise)):
            break
    if best is None:
        return None
    found = _result(best, used)
    return replace(found, bits=found.bits + proposal.bits, source=proposal.source)


def _beginnings(motion: Motion, equations: Sequence[Expression]) -> Iterator[tuple[list[Expression], Float]]:
    """Constants to start from, and the noise to start with."""
    noise = np.median(motion.noise[0], axis=0)
    pooled = np.full_like(
        noise, np.sqrt(np.mean(np.clip(noise, np.median(noise) / 5, 5 * np.median(noise)) ** 2))
    )
    yield list(equations), noise
    yield list(equations), pooled
    solved = []
    for i, e in enumerate(equations):
        found = refine(IntegralForm(motion, i), e)
        solved.append(e if found is None else found.expression)
    yield solved, noise
    yield solved, pooled


def _is_plausible(motion: Motion, noise: Float) -> bool:
    ratio = (noise / np.median(motion.noise[0], axis=0)) ** 2
    return bool(np.all((ratio > _QUIET) & (ratio < _LOUD)))


def _climb(
    motion: Motion, flow: Flow, noise: Float, prior: Prior | None, stop: Callable[[], bool]
) -> _Attempt | None:
    """Fit on longer and longer windows, then with the noise that the residuals show."""
    fit, windows = None, None
    for pieces in LEVELS:
        longer = _weighted(motion.windows(pieces), noise)
        longer = longer if fit is None or windows is None else lengthen(fit, windows, longer)
        trial = shoot(flow, longer, 12, stop, _RTOL, prior)
        if not np.isfinite(trial.total):
            break
        fit, windows, flow = trial, longer, trial.flow
    if fit is None or windows is None or len(windows.times) > 1:
        return None
    rows = np.maximum((windows.weights > 0).sum(axis=(0, 1)), 1)
    floor = 1e-6 * np.maximum(motion.scales, 1e-300)
    for _ in range(3):
        before = noise
        noise = np.maximum(np.sqrt(fit.squares / rows) * noise, floor)
        windows = replace(_weighted(windows, noise), starts=fit.starts)
        fit = shoot(fit.flow, windows, 8, stop, _RTOL, prior)
        if stop() or np.allclose(noise, before, rtol=0.02):
            break
    # Constants that nothing is known of cost what the data say of them (Schwarz 1978).
    free = len(fit.flow.theta) * float(np.log(rows.sum()))
    penalty = free if prior is None else prior.penalty(fit.flow.theta)
    cost = float(np.sum(rows * np.log(noise)) + 0.5 * fit.total + 0.5 * penalty)
    return _Attempt(fit, windows, noise, cost)


def _weighted(windows: Windows, noise: Float) -> Windows:
    return replace(windows, weights=np.where(windows.weights > 0, 1 / noise, 0.0))


def _result(attempt: _Attempt, prior: Prior | None) -> Refit:
    fit, windows = attempt.fit, attempt.windows
    flow = fit.flow
    normal = normal_equations(flow, windows, flow.theta, fit.starts, fit.states, _RTOL, prior)
    p, d = len(flow.theta), flow.dimension
    covariance = np.full((p + d, p + d), np.nan)
    if normal is not None:
        H = np.block([[normal[0], normal[2][0]], [normal[2][0].T, normal[1][0]]])
        scale = np.sqrt(np.maximum(np.diag(H), 1e-300))
        covariance = np.linalg.pinv(H / np.outer(scale, scale), rcond=1e-12, hermitian=True)
        covariance /= np.outer(scale, scale)
    bits = attempt.cost / np.log(2)
    bound = _EXPLODED * max(float(np.max(np.abs(windows.data))), 1e-300)
    return Refit(
        flow.equations, fit.starts[0], float(windows.times[0, 0]), attempt.noise, covariance, bits, bound
    )


def _run(
    equations: Sequence[Expression], starts: Float, times: Float, theta: Float | None, bound: float
) -> Float:
    """States (n, m, d); the implicit method where the explicit one needs too many steps."""
    made = integrate(equations, starts, times, theta, bound=bound, max_steps=5000)
    states = made.values
    stiff = np.flatnonzero(made.status == 2)[:3]
    if stiff.size:
        part = theta[stiff] if theta is not None else None
        states[stiff] = integrate(
            equations, starts[stiff], times, part, "LSODA", bound=bound, max_steps=20_000
        ).values
    return states
