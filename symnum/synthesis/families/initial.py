"""Initial fields on an interval: random sines, Gaussian processes, bumps, Riemann problems.

The sines are those of PDEBench (Takamoto et al., NeurIPS 2022), as PROSE-PDE (arXiv 2404.12355) uses them.
Its code removes the line between the first and the last cell from every field; here all laws but the Riemann
problems are periodic as they are, which leaves no kink where the ends meet.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput

Float = NDArray[np.float64]
Law = Callable[[np.random.Generator, Float, float, int], Float]
"""Fields, shape (count, points), from a generator, places (points,), the interval's length and a count."""


def sines(most: int, parts: int = 2) -> Law:
    """Sums of sine waves of 1 to ``most`` periods, sometimes folded or windowed, scaled to [0, 1]."""

    def law(rng: np.random.Generator, x: Float, length: float, count: int) -> Float:
        periods = rng.integers(1, most + 1, (count, parts, 1))
        amplitude = rng.uniform(0, 1, (count, parts, 1))
        phase = rng.uniform(0, 2 * np.pi, (count, parts, 1))
        u = (amplitude * np.sin(2 * np.pi * periods * x / length + phase)).sum(axis=1)
        folded = rng.random(count) < 0.1
        u[folded] = np.abs(u[folded])
        u *= rng.choice([-1.0, 1.0], (count, 1))
        windowed = rng.random(count) < 0.1
        edges = rng.uniform([0.1, 0.55], [0.45, 0.9], (count, 2)) * length
        rise, fall = (np.tanh((x - e[:, None]) / (0.01 * length)) for e in edges.T)
        u[windowed] *= (0.5 * (rise - fall))[windowed]
        return _normalised(u)

    return law


def gaussian_process(scale: float = 0.2) -> Law:
    """Periodic Gaussian process whose kernel is squared-exponential of length ``scale``, scaled to [0, 1].

    The distance is the chord of a circle as long as the interval, so that the ends meet smoothly.
    """

    def law(rng: np.random.Generator, x: Float, length: float, count: int) -> Float:
        chord = length / np.pi * np.sin(np.pi * (x[:, None] - x) / length)
        kernel = np.exp(-0.5 * (chord / scale) ** 2)
        # The kernel has rank far below its size: the eigenvectors that matter are few.
        values, vectors = np.linalg.eigh(kernel)
        keep = values > 1e-10 * values[-1]
        root = vectors[:, keep] * np.sqrt(values[keep])
        return _normalised(rng.standard_normal((count, keep.sum())) @ root.T)

    return law


def bump(rng: np.random.Generator, x: Float, length: float, count: int) -> Float:
    """One hill near the middle, scaled to [0, 1]."""
    steepness = rng.uniform(9, 11, (count, 1))
    centre, width = (rng.uniform(0.9, 1.1, (count, 1)) for _ in range(2))
    distance = (x / length * 2 - centre + 1) % 2 - 1
    return _normalised(np.exp(-steepness * distance**2 / (2 * width**2)))


RIEMANN = ("shock", "rarefaction", "two_shocks")
"""Laws whose fields are not periodic."""


def riemann(kind: str) -> Law:
    """Constant states with jumps: "shock" falls once, "rarefaction" rises once, "two_shocks" falls twice."""
    if kind not in RIEMANN:
        raise InvalidInput(f"unknown Riemann problem {kind!r}; expected one of {', '.join(RIEMANN)}")
    pieces = 3 if kind == "two_shocks" else 2

    def law(rng: np.random.Generator, x: Float, length: float, count: int) -> Float:
        levels = np.sort(rng.uniform(0, 1, (count, pieces)), axis=1)
        if kind != "rarefaction":
            levels = levels[:, ::-1]
        breaks = np.sort(rng.uniform(0.2, 0.8, (count, pieces - 1)), axis=1) * length
        piece = (x[None, :, None] > breaks[:, None, :]).sum(axis=2)
        return np.take_along_axis(levels, piece, axis=1)

    return law


def mapped(law: Law, low: float, high: float) -> Law:
    """Fields of another law with [0, 1] mapped to [low, high]."""
    return lambda rng, x, length, count: low + (high - low) * law(rng, x, length, count)


LAWS = MappingProxyType(
    {
        "sines2": sines(2),
        "sines4": sines(4),
        "one_sine": sines(2, parts=1),
        "half_sines": mapped(sines(2), 0.0, 0.5),
        "mixture": mapped(sines(2), -0.5, 0.5),
        "process": gaussian_process(),
        "bump": bump,
        **{kind: riemann(kind) for kind in RIEMANN},
    }
)
"""Laws by name."""


def _normalised(u: Float) -> Float:
    """Fields scaled to [0, 1]."""
    low, high = u.min(axis=1, keepdims=True), u.max(axis=1, keepdims=True)
    return (u - low) / np.maximum(high - low, 1e-12)
