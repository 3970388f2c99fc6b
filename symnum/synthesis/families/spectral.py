"""Fourier solvers of residuals on a periodic interval: exact where linear, else exponential Runge-Kutta."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.compiled import evaluate_batch, pack
from symnum.synthesis.families.residual import LEAVES, ORDERS, Residual

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]


class Spectrum:
    """Derivatives by Fourier transform on ``points`` equal cells of a periodic interval of some length."""

    def __init__(self, points: int, length: float) -> None:
        self.points = points
        self.places = (np.arange(points) + 0.5) * (length / points)
        self.wave = 2 * np.pi / length * np.arange(points // 2 + 1)
        # Products of two fields are free of aliases when a third of the modes is left out (Orszag 1971).
        self.keep = np.arange(points // 2 + 1) < points / 3

    def symbol(self, order: int) -> Complex:
        """What the derivative of some order multiplies each mode with."""
        symbol = np.asarray((1j * self.wave) ** order, dtype=np.complex128)
        if order % 2 and self.points % 2 == 0:
            symbol[-1] = 0  # the derivative of the fastest mode vanishes on the grid
        return symbol

    def forward(self, u: Float) -> Complex:
        """Modes of fields, shape (n, points)."""
        return np.fft.rfft(u, axis=-1)

    def back(self, modes: Complex) -> Float:
        """Fields of modes."""
        return np.fft.irfft(modes, self.points, axis=-1)


def solve_spectral(residual: Residual, initial: Float, times: Float, length: float, step: float) -> Float:
    """Fields at all times, shape (n, m, points).

    Parameters
    ----------
    residual : Residual
        Equation with derivatives by x on a periodic interval.
    initial : float array, shape (n, points)
        Fields at the first time, at cell centres; at rest when the equation is of second order in time.
    times : float array, shape (m,)
        Ascending times.
    length : float
        Length of the interval.
    step : float
        Largest time step of nonlinear equations.

    Notes
    -----
    A linear equation is solved exactly, mode by mode. First order in time: ETDRK4 of Cox & Matthews with the
    contour integrals of Kassam & Trefethen, SIAM J. Sci. Comput. 26, 2005. Second order: the classical
    Runge-Kutta method on the integrating factor (Lawson 1967), whose linear part is a rotation of each mode.
    """
    grid = Spectrum(initial.shape[-1], length)
    symbol = -sum(
        (number * grid.symbol(ORDERS[leaf]) for leaf, number in residual.linear.items()),
        start=np.zeros(grid.wave.size, np.complex128),
    )
    symbol = symbol / residual.scale
    modes = grid.forward(initial)
    if residual.rest is None:
        spread = (times - times[0])[:, None]
        flow = np.exp(spread * symbol) if residual.order == 1 else np.cosh(spread * np.sqrt(symbol))
        return grid.back(flow * modes[:, None, :])
    source = _source(residual, grid)
    out = np.empty((len(initial), times.size, grid.points))
    out[:, 0] = initial
    state = modes if residual.order == 1 else np.stack([modes, np.zeros_like(modes)])
    make = _etdrk4 if residual.order == 1 else _lawson4
    advance, used = None, 0.0
    for i in range(1, times.size):
        span = times[i] - times[i - 1]
        count = max(1, int(np.ceil(span / step - 1e-9)))
        if advance is None or abs(span / count - used) > 1e-12 * used:
            used = span / count
            advance = make(symbol, source, used)
        for _ in range(count if span > 0 else 0):
            state = advance(state)
        out[:, i] = grid.back(state if residual.order == 1 else state[0])
    return out


def _source(residual: Residual, grid: Spectrum) -> Callable[[Complex], Complex]:
    """Modes of minus the nonlinear terms, over the scale, from modes of the field."""
    rest = residual.rest
    assert rest is not None  # noqa: S101 (asked for nonlinear equations only)
    used = [LEAVES[i] for i in rest.variables]
    program = pack([rest.with_names(used)])
    symbols = [grid.symbol(ORDERS[leaf]) for leaf in used if leaf != "x"]
    factor = grid.keep / -residual.scale

    def source(modes: Complex) -> Complex:
        table = np.empty((len(used), len(modes), grid.points))
        for row, symbol in zip(table, symbols, strict=False):  # x, if used, is the last
            row[:] = grid.back(symbol * modes)
        if used[-1] == "x":
            table[-1] = grid.places
        values = evaluate_batch(program, table.reshape(len(used), -1))
        return grid.forward(values.reshape(len(modes), grid.points)) * factor

    return source


def _etdrk4(symbol: Complex, source: Callable[[Complex], Complex], h: float) -> Callable[[Complex], Complex]:
    """One step of du/dt = symbol*u + source(u)."""
    full, half = np.exp(h * symbol), np.exp(h * symbol / 2)
    # Mean over a circle around h*symbol: the closed forms cancel badly near zero.
    circle = np.exp(1j * np.pi * (np.arange(1, 33) - 0.5) / 16)
    z = h * symbol[:, None] + circle
    e = np.exp(z)

    def mean(values: Complex) -> Complex:
        return h * values.mean(axis=1)

    q = mean((np.exp(z / 2) - 1) / z)
    f1 = mean((-4 - z + e * (4 - 3 * z + z**2)) / z**3)
    f2 = mean((2 + z + e * (z - 2)) / z**3)
    f3 = mean((-4 - 3 * z - z**2 + e * (4 - z)) / z**3)

    def advance(u: Complex) -> Complex:
        nu = source(u)
        a = half * u + q * nu
        na = source(a)
        nb = source(half * u + q * na)
        nc = source(half * a + q * (2 * nb - nu))
        return full * u + f1 * nu + 2 * f2 * (na + nb) + f3 * nc

    return advance


def _lawson4(symbol: Complex, source: Callable[[Complex], Complex], h: float) -> Callable[[Complex], Complex]:
    """One step of d2u/dt2 = symbol*u + source(u) on the pair (u, du/dt)."""
    root = np.sqrt(symbol)

    def rotation(t: float) -> Callable[[Complex], Complex]:
        cosine = np.cosh(t * root)
        # sinh(t r) / r, which tends to t
        sine = np.where(np.abs(root) < 1e-12, t, np.sinh(t * root) / np.where(root == 0, 1, root))

        def rotate(pair: Complex) -> Complex:
            return np.stack([cosine * pair[0] + sine * pair[1], symbol * sine * pair[0] + cosine * pair[1]])

        return rotate

    half = rotation(h / 2)

    def force(pair: Complex) -> Complex:
        return np.stack([np.zeros_like(pair[0]), source(pair[0])])

    def advance(pair: Complex) -> Complex:
        moved = half(pair)
        k1 = half(force(pair))
        k2 = force(moved + h / 2 * k1)
        k3 = force(moved + h / 2 * k2)
        k4 = force(half(moved + h * k3))
        return half(moved + h / 6 * (k1 + 2 * k2 + 2 * k3)) + h / 6 * k4

    return advance
