"""The fifteen right-hand sides written by hand in numpy, in the factored forms of the literature."""

import numpy as np


def thomas(u, b):
    x, y, z = u
    return [np.sin(y) - b * x, np.sin(z) - b * y, np.sin(x) - b * z]


def lorenz_3d(u, sigma, rho, beta):
    x, y, z = u
    return [sigma * (y - x), x * (rho - z) - y, x * y - beta * z]


def aizawa(u, a, b, c, d, f):
    x, y, z = u
    return [(z - b) * x - d * y, d * x + (z - b) * y, c + a * z - z**3 / 3 - x**2 + f * z * x**3]


def chen_lee(u, a, d):
    x, y, z = u
    return [a * x - y * z, -10 * y + x * z, d * z + x * y / 3]


def dadras(u, a, b, c, d, e):
    x, y, z = u
    return [y / 2 - a * x + b * y * z, c * y - x * z / 2 + z / 2, d * x * y - e * z]


def rossler(u, a, b, c):
    x, y, z = u
    return [-y - z, x + a * y, b + z * (x - c)]


def halvorsen(u, a):
    x, y, z = u
    return [
        a * x - y - z - (y / 2) ** 2,
        a * y - z - x - (z / 2) ** 2,
        a * z - x - y - (x / 2) ** 2,
    ]


def fabrikant(u, gamma, alpha2):
    x, y, z = u
    return [
        y * (z - 1 + x**2) + gamma * x,
        x * (3 * z + 1 - x**2) + gamma * y,
        -2 * z * (-alpha2 / 2 + x * y),
    ]


def sprott_B(u, a, b, c):
    x, y, z = u
    return [a * y * z, x - b * y, c - x * y]


def sprott_linz_F(u, a):
    x, y, z = u
    return [y + z, -x + a * y, x**2 - z]


def four_wing(u, a, b, c):
    x, y, z = u
    return [a * x + y * z, b * x + c * y - x * z, -z - x * y]


def duffing(u, alpha, beta, gamma, delta, omega):
    clock, x, v = u
    return [np.ones_like(clock), v, delta * v + alpha * x + beta * x**3 + gamma * np.cos(omega * clock)]


def _lorenz_96(u, F):
    u = np.asarray(u)
    return (np.roll(u, -1, 0) - np.roll(u, 2, 0)) * np.roll(u, 1, 0) - u + F


lorenz_96_4d = lorenz_96_5d = _lorenz_96


def double_pendulum(u, k1, k2, k3):
    """Angles and angular velocities of two equal masses on equal rods; k1 = -3g/l, k2 = -g/l, k3 = 4g/l."""
    p, q, dp, dq = u
    below = 3 - np.cos(2 * p - 2 * q)
    s, c = np.sin(p - q), np.cos(p - q)
    return [
        dp,
        dq,
        (k1 * np.sin(p) + k2 * np.sin(p - 2 * q) - 2 * s * (dq**2 + dp**2 * c)) / below,
        s * (4 * dp**2 + k3 * np.cos(p) + dq**2 * c) / below,
    ]
