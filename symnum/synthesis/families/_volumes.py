# ruff: noqa: ANN001, ANN202  (numba infers the types)
"""Compiled finite volumes for u_t = -F(u)_x + P(u)_xx + S(u), one field after the other.

F, P, S, F' and P' are polynomials in z = (2u - lo - hi) / (hi - lo), which runs from -1 to 1. Fields have two
ghost cells at both ends, so that the loops over cells are free of branches and run a vector at a time.
"""

from __future__ import annotations

import numpy as np
from numba import njit

OK, BOUND, STEPS = 0, 1, 2
GHOSTS = 2


@njit(nogil=True, error_model="numpy", cache=True)
def _polynomial(c, u, mid, scale, out):
    """Polynomial at (u - mid) * scale for all cells (Horner)."""
    top = c[c.size - 1]
    for i in range(u.size):
        out[i] = top
    for k in range(c.size - 2, -1, -1):
        b = c[k]
        for i in range(u.size):
            out[i] = out[i] * ((u[i] - mid) * scale) + b


@njit(nogil=True, error_model="numpy", cache=True)
def _fill_ghosts(u, periodic):
    """Cells beyond the ends: those of the other end, or copies of the outermost."""
    n = u.size - 2 * GHOSTS
    for g in range(GHOSTS):
        u[g] = u[n + g] if periodic else u[GHOSTS]
        u[n + GHOSTS + g] = u[GHOSTS + g] if periodic else u[n + GHOSTS - 1]


@njit(nogil=True, error_model="numpy", cache=True)
def _tendency(u, rate, work, F, P, S, dF, mid, scale, dx):
    """Rate of change of cell averages, local Lax-Friedrichs flux between linear reconstructions.

    Slopes are monotonised-central (van Leer 1977). ``work`` (7, cells with ghosts) is scratch.
    """
    lower, upper, speed, pot, left, right, flux = (
        work[0],
        work[1],
        work[2],
        work[3],
        work[4],
        work[5],
        work[6],
    )
    size = u.size
    for i in range(1, size - 1):
        a, b = u[i] - u[i - 1], u[i + 1] - u[i]
        c = 0.5 * (a + b)
        s = 2.0 * abs(a) if abs(a) < abs(b) else 2.0 * abs(b)
        s = s if s < abs(c) else abs(c)
        s = s if c > 0.0 else -s
        half = 0.5 * s if a * b > 0.0 else 0.0
        lower[i], upper[i] = u[i] - half, u[i] + half
    lower[0] = upper[0] = u[0]
    lower[size - 1] = upper[size - 1] = u[size - 1]
    _polynomial(dF, u, mid, scale, speed)
    _polynomial(P, u, mid, scale, pot)
    _polynomial(F, upper, mid, scale, left)
    _polynomial(F, lower, mid, scale, right)
    _polynomial(S, u, mid, scale, rate)
    for i in range(size - 1):  # between the cells i and i + 1
        a, b = abs(speed[i]), abs(speed[i + 1])
        fast = a if a > b else b
        flux[i] = (
            0.5 * (left[i] + right[i + 1] - fast * (lower[i + 1] - upper[i])) - (pot[i + 1] - pot[i]) / dx
        )
    for i in range(GHOSTS, size - GHOSTS):
        rate[i] -= (flux[i] - flux[i - 1]) / dx


@njit(nogil=True, error_model="numpy", cache=True)
def _largest(u, c, mid, scale, out):
    """Largest magnitude of a polynomial over the cells."""
    _polynomial(c, u, mid, scale, out)
    top = 0.0
    for i in range(u.size):
        top = max(top, abs(out[i]))
    return top


@njit(nogil=True, error_model="numpy", cache=True)
def integrate(initial, times, F, P, S, dF, dP, lo, hi, dx, periodic, courant, max_steps, out, status, steps):
    """Fill ``out`` (n, m, cells), ``status`` and ``steps`` (n,); strong-stability Runge-Kutta of third order.

    The step keeps ``courant`` of what convection and diffusion together allow. A field that leaves [lo, hi],
    where the polynomials hold, ends with status BOUND.
    """
    n, cells = initial.shape
    size = cells + 2 * GHOSTS
    inner = slice(GHOSTS, GHOSTS + cells)
    mid, scale = 0.5 * (lo + hi), 2.0 / (hi - lo)
    u, rate, work = np.empty(size), np.empty(size), np.empty((7, size))
    first, second = np.empty(size), np.empty(size)
    for row in range(n):
        u[inner] = initial[row]
        _fill_ghosts(u, periodic)
        out[row, 0] = initial[row]
        t = times[0]
        for m in range(1, times.size):
            while t < times[m]:
                if not (u.min() >= lo and u.max() <= hi):
                    status[row] = BOUND
                elif steps[row] >= max_steps:
                    status[row] = STEPS
                if status[row] != OK:
                    break
                limit = _largest(u, dF, mid, scale, rate) / dx
                limit += 2.0 * _largest(u, dP, mid, scale, rate) / dx**2
                remaining = times[m] - t
                h = remaining if limit * remaining <= courant else courant / limit
                if h < remaining < 2.0 * h:
                    h = 0.5 * remaining  # no tiny last step
                _tendency(u, rate, work, F, P, S, dF, mid, scale, dx)
                for i in range(size):
                    first[i] = u[i] + h * rate[i]
                _fill_ghosts(first, periodic)
                _tendency(first, rate, work, F, P, S, dF, mid, scale, dx)
                for i in range(size):
                    second[i] = 0.75 * u[i] + 0.25 * (first[i] + h * rate[i])
                _fill_ghosts(second, periodic)
                _tendency(second, rate, work, F, P, S, dF, mid, scale, dx)
                for i in range(size):
                    u[i] = u[i] / 3.0 + 2.0 / 3.0 * (second[i] + h * rate[i])
                _fill_ghosts(u, periodic)
                t = times[m] if h == remaining else t + h
                steps[row] += 1
            if status[row] != OK:
                break
            out[row, m] = u[inner]
