"""Finite volumes for conservation laws with diffusion and reaction, fluxes read off the residual."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.synthesis.families.integrate import Trajectories
from symnum.synthesis.families.residual import Residual

Float = NDArray[np.float64]
NODES = 40
COURANT = 0.45


def solve_volumes(
    residual: Residual,
    initial: Float,
    times: Float,
    length: float,
    periodic: bool = True,
    max_steps: int = 200_000,
) -> Trajectories:
    """Cell averages at all times of an equation u_t + F(u)_x = P(u)_xx + S(u).

    Parameters
    ----------
    residual : Residual
        Equation of first order in time, with at most two derivatives by x. The flux F is the integral of what
        stands before ux, the diffusion P of what stands before uxx: nothing but the residual is needed.
    initial : float array, shape (n, cells)
        Cell averages at the first time.
    times : float array, shape (m,)
        Ascending times.
    length : float
        Length of the interval.
    periodic : bool
        Whether the ends meet; otherwise the outermost cells are copied outwards.
    max_steps : int
        Time steps for each field.

    Notes
    -----
    Linear reconstruction with the monotonised-central limiter (van Leer, J. Comput. Phys. 23, 1977), local
    Lax-Friedrichs flux, third-order strong-stability Runge-Kutta (Shu & Osher, J. Comput. Phys. 77, 1988).
    """
    from symnum.synthesis.families import _volumes as kernel

    if residual.order != 1 or {5, 6, 7} & set(residual.expression.variables):
        raise InvalidInput(f"finite volumes need ut, u, ux and uxx only: {residual.expression}")
    lo, hi = _range(residual, initial)
    series = [_fit(f, lo, hi) for f in (_speed(residual), _diffusivity(residual), _reaction(residual))]
    half = 0.5 * (hi - lo)
    flux, potential = (chebyshev.chebint(c, scl=half) for c in series[:2])
    # Horner's rule is quicker than Clenshaw's; at these degrees powers lose nothing that matters.
    speed, diffusivity, reaction, flux, potential = map(chebyshev.cheb2poly, (*series, flux, potential))
    n, cells = initial.shape
    out = np.full((n, times.size, cells), np.nan)
    status, steps = np.zeros(n, np.int8), np.zeros(n, np.int64)
    kernel.integrate(
        np.ascontiguousarray(initial), times, flux, potential, reaction, speed, diffusivity, lo, hi,
        length / cells, periodic, COURANT, max_steps, out, status, steps,
    )  # fmt: skip
    return Trajectories(out, status, steps)


def _range(residual: Residual, initial: Float) -> tuple[float, float]:
    """Where solutions can go: without a reaction no further than the initial fields."""
    low, high = float(initial.min()), float(initial.max())
    reacts = np.any(_reaction(residual)(np.linspace(low, high, 50)))
    room = max(high - low, 0.1) * (1.0 if reacts else 0.05)
    return low - room, high + room


def _speed(residual: Residual) -> Callable[[Float], Float]:
    """F'(u): what is odd in ux."""

    def speed(u: Float) -> Float:
        difference = residual.evaluate(u=u, ux=1.0) - residual.evaluate(u=u, ux=-1.0)
        return difference / (2 * residual.scale)

    return speed


def _diffusivity(residual: Residual) -> Callable[[Float], Float]:
    """P'(u): minus what stands before uxx."""
    return lambda u: (residual.evaluate(u=u) - residual.evaluate(u=u, uxx=1.0)) / residual.scale


def _reaction(residual: Residual) -> Callable[[Float], Float]:
    """S(u): minus what is left without derivatives."""
    return lambda u: -residual.evaluate(u=u) / residual.scale


def _fit(function: Callable[[Float], Float], lo: float, hi: float) -> Float:
    """Chebyshev series of a function on [lo, hi], as short as rounding allows."""
    z = chebyshev.chebpts1(NODES)
    c = chebyshev.chebvander(z, NODES - 1).T @ function(0.5 * (lo + hi) + 0.5 * (hi - lo) * z)
    c *= np.where(np.arange(NODES) == 0, 1.0, 2.0) / NODES
    small = 1e-10 * np.abs(c).max()
    significant = np.flatnonzero(np.abs(c) > small)
    if significant.size and significant[-1] == NODES - 1:
        raise InvalidInput(f"a coefficient of the equation is not smooth for {lo:g} <= u <= {hi:g}")
    return c[: significant[-1] + 1].copy() if significant.size else np.zeros(1)
