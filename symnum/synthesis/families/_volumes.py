# ruff: noqa: ANN001, ANN202  (numba infers the types)
"""Compiled finite volumes for u_t = -F(u)_x + P(u)_xx + S(u), one field after the other.

F, P, S, F' and P' are polynomials in z = (2u - lo - hi) / (hi - lo), which runs from -1 to 1.
"""

from __future__ import annotations

import numpy as np
from numba import njit

OK, BOUND, STEPS = 0, 1, 2


@njit(nogil=True, error_model="numpy", cache=True, inline="always")
def _polynomial(c, z):
    """Polynomial at one place (Horner)."""
    v = c[c.size - 1]
    for i in range(c.size - 2, -1, -1):
        v = v * z + c[i]
    return v


@njit(nogil=True, error_model="numpy", cache=True, inline="always")
def _limited(a, b):
    """Monotonised-central slope from the differences on both sides (van Leer 1977)."""
    if a * b <= 0.0:
        return 0.0
    s = min(2.0 * abs(a), 2.0 * abs(b), 0.5 * abs(a + b))
    return s if a > 0.0 else -s


@njit(nogil=True, error_model="numpy", cache=True)
def _tendency(u, out, slope, speed, pot, F, P, S, dF, mid, half, dx, periodic):
    """Rate of change of cell averages; the reconstruction is linear, the flux local Lax-Friedrichs."""
    n = u.size
    for i in range(n):
        left = u[i - 1] if i > 0 else (u[n - 1] if periodic else u[0])
        right = u[i + 1] if i < n - 1 else (u[0] if periodic else u[n - 1])
        z = (u[i] - mid) / half
        slope[i] = _limited(u[i] - left, right - u[i])
        speed[i] = abs(_polynomial(dF, z))
        pot[i] = _polynomial(P, z)
        out[i] = _polynomial(S, z)
    for f in range(n if periodic else n + 1):
        # Cells on both sides of the face; the border copies its cell when not periodic.
        i, j = f - 1, min(f, n - 1)
        if i < 0:
            i = n - 1 if periodic else 0
        if i == j:
            flux = _polynomial(F, (u[i] - mid) / half)
        else:
            a, b = u[i] + 0.5 * slope[i], u[j] - 0.5 * slope[j]
            flux = 0.5 * (_polynomial(F, (a - mid) / half) + _polynomial(F, (b - mid) / half))
            flux -= 0.5 * max(speed[i], speed[j]) * (b - a) + (pot[j] - pot[i]) / dx
        if periodic or f > 0:
            out[i] -= flux / dx
        if periodic or f < n:
            out[j] += flux / dx


@njit(nogil=True, error_model="numpy", cache=True)
def _largest(u, c, mid, half):
    """Largest magnitude of a polynomial over the cells."""
    top = 0.0
    for i in range(u.size):
        top = max(top, abs(_polynomial(c, (u[i] - mid) / half)))
    return top


@njit(nogil=True, error_model="numpy", cache=True)
def integrate(initial, times, F, P, S, dF, dP, lo, hi, dx, periodic, courant, max_steps, out, status, steps):
    """Fill ``out`` (n, m, cells), ``status`` and ``steps`` (n,); strong-stability Runge-Kutta of third order.

    The step keeps ``courant`` of what convection and diffusion together allow. A field that leaves [lo, hi],
    where the polynomials hold, ends with status BOUND.
    """
    n, cells = initial.shape
    mid, half = 0.5 * (lo + hi), 0.5 * (hi - lo)
    slope, rate, speed, pot = np.empty(cells), np.empty(cells), np.empty(cells), np.empty(cells)
    first, second = np.empty(cells), np.empty(cells)
    for row in range(n):
        u = initial[row].copy()
        out[row, 0] = u
        t = times[0]
        for m in range(1, times.size):
            while t < times[m]:
                inside = True
                for i in range(cells):
                    inside = inside and lo <= u[i] <= hi
                if not inside:
                    status[row] = BOUND
                elif steps[row] >= max_steps:
                    status[row] = STEPS
                if status[row] != OK:
                    break
                limit = _largest(u, dF, mid, half) / dx + 2.0 * _largest(u, dP, mid, half) / dx**2
                left = times[m] - t
                h = left if limit * left <= courant else courant / limit
                if h < left < 2.0 * h:
                    h = 0.5 * left  # no tiny last step
                _tendency(u, rate, slope, speed, pot, F, P, S, dF, mid, half, dx, periodic)
                for i in range(cells):
                    first[i] = u[i] + h * rate[i]
                _tendency(first, rate, slope, speed, pot, F, P, S, dF, mid, half, dx, periodic)
                for i in range(cells):
                    second[i] = 0.75 * u[i] + 0.25 * (first[i] + h * rate[i])
                _tendency(second, rate, slope, speed, pot, F, P, S, dF, mid, half, dx, periodic)
                for i in range(cells):
                    u[i] = u[i] / 3.0 + 2.0 / 3.0 * (second[i] + h * rate[i])
                t = times[m] if h == left else t + h
                steps[row] += 1
            if status[row] != OK:
                break
            out[row, m] = u
