"""Gaussian processes for noisy trajectories: states, derivatives and the noise of the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, eigh
from scipy.optimize import minimize_scalar

Float = NDArray[np.float64]
SHAPES = (np.inf, 2.0, 0.5)
"""Shape parameters of the rational quadratic kernel tried; infinite is the Gaussian kernel."""
LEAST_NOISE = 1e-11
"""Smallest variance of the noise relative to the signal's: what rounding leaves."""
_RATIOS = np.geomspace(LEAST_NOISE, 10.0, 40)
_BLOCK = 400  # points solved at once; of longer series overlapping blocks
_OVERLAP = 60
_JUDGED = 180  # points of a stretch on which kernels are compared


@dataclass(frozen=True, slots=True)
class Kernel:
    """Rational quadratic kernel ``(1 + r**2/(2*shape*length**2))**-shape`` and its derivatives.

    Attributes
    ----------
    length, shape : float
    ratio : float
        Variance of the noise relative to the signal's.
    proportional : bool
        Whether the noise grows with the size of the state.
    """

    length: float
    shape: float
    ratio: float = 0.0
    proportional: bool = False

    def covariance(self, a: Float, b: Float, order: int = 0) -> Float:
        """Derivative of the given order by `a` of the kernel between times, shape (len(a), len(b))."""
        r = a[:, None] - b[None, :]
        s = r * r / (2 * self.length**2)
        ls = self.length**2
        if np.isinf(self.shape):
            k = np.exp(-s)
            return k if order == 0 else -r / ls * k if order == 1 else (r * r / ls - 1) / ls * k
        base = 1 + s / self.shape
        if order == 0:
            return base**-self.shape
        first = base ** (-self.shape - 1)
        if order == 1:
            return -r / ls * first
        return -first / ls + (self.shape + 1) / self.shape * r * r / ls**2 * base ** (-self.shape - 2)

    def variance_of_derivative(self, order: int) -> float:
        """Prior variance of a derivative, relative to the signal's."""
        if order == 0:
            return 1.0
        if order == 1:
            return 1 / self.length**2
        growth = 1.0 if np.isinf(self.shape) else (self.shape + 1) / self.shape
        return 3 * growth / self.length**4


@dataclass(frozen=True, slots=True)
class Smoothed:
    """One state of one trajectory after smoothing.

    Attributes
    ----------
    values, deviations : float64 arrays, shape (orders, m)
        Posterior mean and standard deviation of the state and its derivatives at the grid's times.
    noise : float64 array, shape (n,)
        Standard deviation of the noise of each datum.
    """

    values: Float
    deviations: Float
    noise: Float


def smooth(
    times: Sequence[Float], values: Sequence[Float], grids: Sequence[Float], orders: int = 2
) -> list[Smoothed]:
    """Smooth one state recorded in several trajectories, with one kernel for all of them.

    Parameters
    ----------
    times, values : sequences of float64 arrays, shape (n,) each
        Increasing times, and the data.
    grids : sequence of float64 arrays, shape (m,) each
        Where smoothed values are wanted.
    orders : int
        1 for values, 2 with first derivatives, 3 with second derivatives.

    Returns
    -------
    list of Smoothed
        One for each trajectory.

    Notes
    -----
    Kernel, length and noise maximise the marginal likelihood (Rasmussen & Williams, Gaussian Processes for
    Machine Learning, 2006, 5.4.1); the derivative of a process is one too (9.4), which gives standard
    deviations of derivatives for the weights of later fits.
    """
    level = float(np.mean(np.concatenate(list(values))))
    spread = float(np.std(np.concatenate(list(values))))
    if spread == 0:
        return [_still(level, len(t), len(g), orders) for t, g in zip(times, grids, strict=True)]
    data = [(y - level) / spread for y in values]
    sizes = [np.full(len(y), 1.0) for y in data]
    kernel, score = _best_kernel(times, data, sizes, False)
    # Noise in proportion to the state shows only where a state spans a wide range of sizes.
    rough = [_posterior(kernel, t, y, s, t, 1)[0][0] for t, y, s in zip(times, data, sizes, strict=True)]
    relative = [np.abs(m * spread + level) for m in rough]
    typical = float(np.sqrt(np.mean(np.concatenate(relative) ** 2)))
    if kernel.ratio > 1e-8 and typical > 0:
        uneven = [np.maximum(r / typical, 0.02) for r in relative]
        other, better = _best_kernel(times, data, uneven, True)
        if better > score + 2.0:
            kernel, sizes = other, uneven
    found = []
    for t, y, s, g in zip(times, data, sizes, grids, strict=True):
        mean, deviation, signal = _posterior(kernel, t, y, s, g, orders)
        mean = mean * spread
        mean[0] += level
        noise = np.sqrt(kernel.ratio * signal) * s * spread
        found.append(Smoothed(mean, deviation * spread, noise))
    return found


def _still(level: float, n: int, m: int, orders: int) -> Smoothed:
    values = np.zeros((orders, m))
    values[0] = level
    return Smoothed(values, np.zeros((orders, m)), np.zeros(n))


def _stretches(
    times: Sequence[Float], data: Sequence[Float], sizes: Sequence[Float]
) -> list[tuple[Float, Float, Float]]:
    """At most four stretches of data that kernels are compared on."""
    parts: list[tuple[Float, Float, Float]] = []
    for t, y, s in zip(times, data, sizes, strict=True):
        pieces = max(1, -(-len(t) // _JUDGED))
        parts += list(zip(*(np.array_split(a, pieces) for a in (t, y, s)), strict=True))
    if len(parts) > 4:
        parts = [parts[i] for i in np.unique(np.linspace(0, len(parts) - 1, 4).astype(int))]
    return parts


def _best_kernel(
    times: Sequence[Float], data: Sequence[Float], sizes: Sequence[Float], proportional: bool
) -> tuple[Kernel, float]:
    parts = [p for p in _stretches(times, data, sizes) if len(p[0]) > 1]
    step = float(np.median(np.concatenate([np.diff(t) for t, _, _ in parts])))
    span = max(float(np.ptp(t)) for t, _, _ in parts)
    best: tuple[float, Kernel] | None = None
    for shape in SHAPES:
        trial = partial(_evidence, shape=shape, parts=parts)
        lengths = np.geomspace(1.2 * step, max(1.5 * span, 3 * step), 9)
        results = [trial(x) for x in np.log(lengths)]
        top = int(np.argmax([r[0] for r in results]))
        low, high = np.log(lengths[max(top - 1, 0)]), np.log(lengths[min(top + 1, len(lengths) - 1)])
        fine = minimize_scalar(
            lambda x, f=trial: -f(x)[0], bounds=(low, high), method="bounded", options={"maxiter": 8}
        )
        score, ratio = trial(float(fine.x))
        if best is None or score > best[0]:
            best = (score, Kernel(float(np.exp(fine.x)), shape, ratio, proportional))
    assert best is not None  # noqa: S101
    return best[1], best[0]


def _evidence(
    log_length: float, shape: float, parts: Sequence[tuple[Float, Float, Float]]
) -> tuple[float, float]:
    """Largest log marginal likelihood over the signal's and the noise's variance, and their ratio."""
    kernel = Kernel(float(np.exp(log_length)), shape)
    quadratic, determinant = np.zeros(len(_RATIOS)), np.zeros(len(_RATIOS))
    count = sum(len(p[0]) for p in parts)
    for t, y, s in parts:
        values, vectors = eigh(kernel.covariance(t, t) / (s[:, None] * s[None, :]), check_finite=False)
        # A trend that the kernel cannot follow must not count as noise: the mean has a wide prior.
        shifted = np.maximum(values, 0.0)[None, :] + _RATIOS[:, None]
        rotated = vectors.T @ ((y - np.average(y)) / s)
        quadratic += np.sum(rotated**2 / shifted, axis=1)
        determinant += np.sum(np.log(shifted), axis=1) + 2 * np.sum(np.log(s))
    evidence = -0.5 * (count * np.log(np.maximum(quadratic, 1e-300) / count) + determinant)
    top = int(np.argmax(evidence))
    return float(evidence[top]), float(_RATIOS[top])


def _posterior(
    kernel: Kernel, t: Float, y: Float, s: Float, grid: Float, orders: int
) -> tuple[Float, Float, float]:
    """Posterior means and deviations (orders, m) on the grid, and the signal's variance."""
    mean, deviation = np.empty((orders, len(grid))), np.empty((orders, len(grid)))
    signals: list[float] = []
    for rows, wanted in _blocks(t, grid):
        m, v, signal = _solve(kernel, t[rows], y[rows], s[rows], grid[wanted], orders)
        mean[:, wanted], deviation[:, wanted] = m, np.sqrt(np.maximum(v, 0.0) * signal)
        signals.append(signal)
    signal = float(np.mean(signals))
    return mean, deviation, signal


def _solve(
    kernel: Kernel, t: Float, y: Float, s: Float, grid: Float, orders: int
) -> tuple[Float, Float, float]:
    level = float(np.mean(y))
    matrix = kernel.covariance(t, t) + np.diag(kernel.ratio * s * s)
    factor = _factor(matrix)
    solved = cho_solve(factor, y - level)
    signal = max(float((y - level) @ solved) / len(y), 1e-300)
    mean, variance = np.empty((orders, len(grid))), np.empty((orders, len(grid)))
    for order in range(orders):
        cross = kernel.covariance(grid, t, order)
        mean[order] = cross @ solved
        variance[order] = kernel.variance_of_derivative(order) - np.sum(
            cross * cho_solve(factor, cross.T).T, axis=1
        )
    mean[0] += level
    return mean, variance, signal


def _factor(matrix: Float) -> tuple[Float, bool]:
    jitter = 0.0
    while True:
        try:
            return cho_factor(matrix + jitter * np.eye(len(matrix)), lower=True)
        except np.linalg.LinAlgError:
            jitter = max(10 * jitter, 1e-12)


def _blocks(t: Float, grid: Float) -> list[tuple[slice, NDArray[np.bool_]]]:
    """Rows of data to use for which part of the grid."""
    n = len(t)
    if n <= _BLOCK + 2 * _OVERLAP:
        return [(slice(0, n), np.ones(len(grid), dtype=bool))]
    edges: list[int] = np.linspace(0, n, -(-n // _BLOCK) + 1).astype(int).tolist()
    found: list[tuple[slice, NDArray[np.bool_]]] = []
    for a, b in pairwise(edges):
        low = -np.inf if a == 0 else t[a]
        high = np.inf if b == n else t[b]
        found.append((slice(max(0, a - _OVERLAP), min(n, b + _OVERLAP)), (grid >= low) & (grid < high)))
    return found


Smoother = Callable[[Sequence[Float], Sequence[Float], Sequence[Float], int], list[Smoothed]]
