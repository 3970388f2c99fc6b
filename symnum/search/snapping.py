"""Fitted numbers to the numbers a person would write: integers, fractions, multiples of pi and roots."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

NAMED_FACTORS = (
    np.pi, 1 / np.pi, np.pi**2, 1 / np.pi**2, np.sqrt(2), np.sqrt(3), np.sqrt(np.pi), 1 / np.sqrt(np.pi),
    np.sqrt(2 * np.pi), 1 / np.sqrt(2 * np.pi),
)  # fmt: skip


def snap(value: float, tolerance: float = 1e-9, most: int = 60) -> float:
    """Nearest simple number within a relative tolerance, else the value itself.

    Simple is ``p/q`` with q <= `most`, alone or times a power of pi, a root of 2, 3, pi or 2 pi, the smallest
    p*q first. A match by chance is unlikely while `tolerance` times the number of candidates is far below 1.
    """
    if value == 0 or not np.isfinite(value):
        return value
    found: list[tuple[float, float]] = []
    for penalty, factor in enumerate((1.0, *NAMED_FACTORS)):
        ratio = value / factor
        if not 1e-7 < abs(ratio) < 1e7:
            continue
        limit = most if penalty == 0 else 16
        fraction = Fraction(ratio).limit_denominator(limit)
        if abs(float(fraction) - ratio) <= tolerance * abs(ratio):
            size = fraction.denominator * (abs(fraction.numerator) if penalty else 1) + 20 * (penalty > 0)
            found.append((size, float(fraction) * factor))
    return min(found)[1] if found else value


def snap_exponent(value: float, tolerance: float = 1e-6) -> float:
    """Nearest multiple of 1/2, 1/3, 1/4 or 1/5 within an absolute tolerance, else the value itself."""
    for q in (1, 2, 3, 4, 5):
        rounded = round(value * q) / q
        if abs(rounded - value) <= tolerance:
            return rounded
    return value
