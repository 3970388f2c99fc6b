"""Multiple shooting: constants and initial conditions by least squares on trajectories."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from symnum.equations_of_motion.flow import Flow

Float = NDArray[np.float64]
_STEP = 1e-5
_BOUND = 30.0


@dataclass(frozen=True, slots=True)
class Windows:
    """Pieces of trajectories, each with a start of its own.

    Attributes
    ----------
    times : float64 array, shape (w, m)
        The start's time, then the data's; the last is repeated in pieces that are shorter.
    data, weights : float64 arrays, shape (w, m, q)
        Observed states and the inverse standard deviations of their noise, 0 where there is no datum.
    starts : float64 array, shape (w, d)
        First guess of the starts, all states.
    movable : bool array, shape (d,)
        Which states of a start may be adjusted.
    origins : int64 array, shape (w, 2)
        Trajectory and row of each start.
    """

    times: Float
    data: Float
    weights: Float
    starts: Float
    movable: NDArray[np.bool_]
    origins: NDArray[np.int64]

    @property
    def bound(self) -> float:
        """Magnitude beyond which a trajectory has exploded."""
        return _BOUND * max(float(np.max(np.abs(self.data))), float(np.max(np.abs(self.starts))), 1e-12)

    @property
    def count(self) -> int:
        """Number of data."""
        return int(np.count_nonzero(self.weights))


@dataclass(frozen=True, slots=True)
class ShootingFit:
    """What `shoot` found.

    Attributes
    ----------
    flow : Flow
        System with fitted constants.
    starts : float64 array, shape (w, d)
    squares : float64 array, shape (q,)
        Weighted sums of squared residuals of each observed state; infinite when the system cannot be
        integrated.
    states : float64 array, shape (w, m, d)
        Fitted states at the windows' times.
    covariance : float64 array, shape (p, p)
        Inverse of the reduced normal matrix: covariance of the constants for weights that are true.
    """

    flow: Flow
    starts: Float
    squares: Float
    states: Float
    covariance: Float

    @property
    def total(self) -> float:
        """Sum over the observed states."""
        return float(self.squares.sum())


@dataclass(frozen=True, slots=True)
class Prior:
    """What is known of the constants before the data: a normal law.

    Attributes
    ----------
    mean : float64 array, shape (p,)
    precision : float64 array, shape (p, p)
        Inverse covariance; zeros where nothing is known.
    """

    mean: Float
    precision: Float

    def penalty(self, theta: Float) -> float:
        """Squared distance from the mean in units of the covariance."""
        return float((theta - self.mean) @ self.precision @ (theta - self.mean))


def shoot(
    flow: Flow,
    windows: Windows,
    steps: int = 12,
    stop: Callable[[], bool] = lambda: False,
    rtol: float = 1e-7,
    prior: Prior | None = None,
) -> ShootingFit:
    """Fit constants and starts by Levenberg-Marquardt.

    Parameters
    ----------
    flow : Flow
    windows : Windows
    steps : int
        Steps tried.
    stop : callable
        A true result ends the fit with what it has.
    rtol : float
        Relative tolerance of the integrations.
    prior : Prior, optional
        With it the fit is the one of largest posterior density instead of likelihood.

    Notes
    -----
    Multiple shooting (Bock 1983): short windows keep the problem close to a linear one, and starts are
    eliminated from the normal equations window by window. Derivatives are differences of trajectories that
    are integrated side by side.
    """
    theta, starts = flow.theta.copy(), windows.starts.copy()
    states = flow.run(starts, windows.times, theta, windows.bound, rtol)
    squares = _squares(states, windows)
    damping, normal = 1e-3, None
    prior = Prior(theta, np.zeros((len(theta),) * 2)) if prior is None else prior
    best = squares.sum() + prior.penalty(theta)
    if not np.isfinite(best) or steps == 0 or (len(theta) == 0 and not windows.movable.any()):
        p = len(theta)
        return ShootingFit(flow, starts, squares, states, np.full((p, p), np.inf))
    for _ in range(steps):
        if normal is None:
            normal = normal_equations(flow, windows, theta, starts, states, rtol, prior)
            if normal is None:
                break
        if stop():
            break
        d_theta, d_starts = _step(*normal, damping)
        trial_theta, trial_starts = theta + d_theta, starts.copy()
        trial_starts[:, windows.movable] += d_starts
        trial = flow.run(trial_starts, windows.times, trial_theta, windows.bound, rtol)
        trial_squares = _squares(trial, windows)
        total = trial_squares.sum() + prior.penalty(trial_theta)
        if total < best:
            gain = (best - total) / best
            theta, starts, states, squares, best = trial_theta, trial_starts, trial, trial_squares, total
            damping, normal = max(damping / 10, 1e-12), None
            if gain < 1e-5:
                break
        else:
            if damping > 1e6 or (np.isfinite(total) and total - best < 1e-8 * best):
                break
            damping *= 10
    normal = normal or normal_equations(flow, windows, theta, starts, states, rtol, prior)
    p = len(theta)
    covariance = np.full((p, p), np.inf) if normal is None else _covariance(*normal[:3])
    return ShootingFit(flow.with_theta(theta), starts, squares, states, covariance)


def _squares(states: Float, windows: Windows) -> Float:
    q = windows.data.shape[2]
    with np.errstate(all="ignore"):
        residual = np.where(windows.weights > 0, (states[:, :, :q] - windows.data) * windows.weights, 0.0)
        squares = np.sum(residual * residual, axis=(0, 1))
    return np.where(np.isfinite(squares), squares, np.inf)


def normal_equations(
    flow: Flow, windows: Windows, theta: Float, starts: Float, states: Float, rtol: float,
    prior: Prior | None = None,
) -> tuple[Float, Float, Float, Float, Float] | None:  # fmt: skip
    """Blocks of the normal equations: constants, starts (by window), both; and right-hand sides."""
    w, m, q = windows.data.shape
    p, free = len(theta), np.flatnonzero(windows.movable)
    k = p + len(free)
    typical = np.maximum(np.mean(np.abs(starts), axis=0), 1e-3 * max(float(np.max(np.abs(starts))), 1e-12))
    h = np.concatenate([_STEP * np.maximum(np.abs(theta), 1e-3), _STEP * typical[free]])
    many_theta = np.tile(theta, (k, w, 1))
    many_starts = np.tile(starts, (k, 1, 1))
    for j in range(p):
        many_theta[j, :, j] += h[j]
    for j, i in enumerate(free):
        many_starts[p + j, :, i] += h[p + j]
    moved = flow.run(
        many_starts.reshape(k * w, -1),
        np.tile(windows.times, (k, 1)),
        many_theta.reshape(k * w, -1),
        windows.bound * 2,
        rtol,
    ).reshape(k, w, m, -1)[..., :q]
    base = states[None, ..., :q]
    weights = windows.weights
    J = np.where(weights > 0, (moved - base) / h[:, None, None, None] * weights, 0.0).reshape(k, w, m * q)
    if not np.all(np.isfinite(J)):
        return None
    r = np.where(weights > 0, (states[..., :q] - windows.data) * weights, 0.0).reshape(w, m * q)
    Jt, Jx = J[:p], J[p:]
    H_tt = np.einsum("awn,bwn->ab", Jt, Jt, optimize=True)
    H_xx = np.einsum("awn,bwn->wab", Jx, Jx, optimize=True)
    H_tx = np.einsum("awn,bwn->wab", Jt, Jx, optimize=True)
    g_t = np.einsum("awn,wn->a", Jt, r, optimize=True)
    g_x = np.einsum("awn,wn->wa", Jx, r, optimize=True)
    if prior is not None:
        H_tt, g_t = H_tt + prior.precision, g_t + prior.precision @ (theta - prior.mean)
    return H_tt, H_xx, H_tx, g_t, g_x


def _step(
    H_tt: Float, H_xx: Float, H_tx: Float, g_t: Float, g_x: Float, damping: float
) -> tuple[Float, Float]:
    """Damped step with the starts eliminated (Schur complement)."""
    w, f = g_x.shape
    p = len(g_t)
    if f == 0:
        return _solve(_damped(H_tt, damping), -g_t), np.zeros((w, 0))
    inner = np.stack([_damped(H, damping) for H in H_xx])
    right = np.concatenate([np.swapaxes(H_tx, 1, 2), g_x[:, :, None]], axis=2)
    solved = np.stack([_solve(H, b) for H, b in zip(inner, right, strict=True)])
    reduced = _damped(H_tt, damping) - np.einsum("wab,wbc->ac", H_tx, solved[:, :, :p])
    gradient = g_t - np.einsum("wab,wb->a", H_tx, solved[:, :, p])
    d_theta = _solve(reduced, -gradient) if p else np.empty(0)
    d_starts = -solved[:, :, p] - solved[:, :, :p] @ d_theta
    return d_theta, d_starts


def _damped(H: Float, damping: float) -> Float:
    diagonal = np.diag(H)
    floor = 1e-14 * max(float(diagonal.max(initial=0.0)), 1e-300)
    return H + np.diag(damping * np.maximum(diagonal, floor) + floor)


def _solve(A: Float, b: Float) -> Float:
    try:
        return np.linalg.solve(A, b)
    except np.linalg.LinAlgError:
        return np.linalg.lstsq(A, b, rcond=None)[0]


def _covariance(H_tt: Float, H_xx: Float, H_tx: Float) -> Float:
    reduced = H_tt.copy()
    if H_xx.shape[1]:
        for H, C in zip(H_xx, H_tx, strict=True):
            reduced -= C @ np.linalg.pinv(H, hermitian=True) @ C.T
    return np.linalg.pinv(reduced, hermitian=True)


def lengthen(fit: ShootingFit, old: Windows, new: Windows) -> Windows:
    """Other windows, begun from fitted states where a fitted window passed through their first row."""
    place = {tuple(o): i for i, o in enumerate(old.origins.tolist())}
    found = [place.get(tuple(o), -1) for o in new.origins.tolist()]
    starts = np.stack([fit.starts[i] if i >= 0 else s for i, s in zip(found, new.starts, strict=True)])
    return replace(new, starts=starts)
