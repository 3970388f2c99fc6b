"""Minimum description length of a formula and its residuals: the two-part code that selection rests on."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from symnum.expressions.expression import Expression
from symnum.search.snapping import NAMED_FACTORS

PRECISION = 3e-12
"""Relative error that double arithmetic leaves in a formula: smaller errors are no better."""
_OPERATORS = 14  # about as many symbols as a person chooses from, beside the variables


def constant_bits(value: float, precision: float) -> float:
    """Bits of one constant.

    Parameters
    ----------
    value : float
    precision : float
        Bits that a fitted real number needs so that rounding it does not show in the residuals.

    Returns
    -------
    float
        The shortest of the codes for whole numbers, fractions, short decimals and real numbers.
    """
    size = abs(value)
    if size == int(size) and size < 1e12:
        return 1.0 + 2 * np.log2(1.0 + size) if size < 1e3 else min(2 * np.log2(1 + size), 4.0 + precision)
    fraction = Fraction(size).limit_denominator(12)
    if abs(float(fraction) - size) < 1e-13 * size:
        exact = 2.0 + 2 * np.log2(1.0 + fraction.numerator) + 2 * np.log2(fraction.denominator)
    else:
        digits = len(f"{size:.12e}".split("e")[0].replace(".", "").rstrip("0"))
        exact = 4.0 + 3.33 * digits + 2 * abs(np.log10(size)) if digits <= 6 else np.inf
        exact = min([exact, *(6.0 + constant_bits(r, precision) for r in _named_ratios(size))])
    return float(min(exact, 4.0 + precision))


def _named_ratios(size: float) -> list[float]:
    """Small fractions that, times pi or a root, make up the number."""
    found = []
    for factor in NAMED_FACTORS:
        fraction = Fraction(size / factor).limit_denominator(12)
        if 0 < fraction.numerator <= 100 and abs(float(fraction) * factor - size) < 1e-13 * size:
            found.append(float(fraction))
    return found


def description_length(expression: Expression, loss: float, rows: int, scale: float) -> float:
    """Bits for the formula plus bits for its residuals.

    Parameters
    ----------
    expression : Expression
    loss : float
        Mean squared error.
    rows : int
        Rows that the loss was computed on.
    scale : float
        Root mean square of the target: its rounding bounds the residual code.

    Notes
    -----
    A real constant is coded as precisely as the residuals ask for, ``log2(scale*sqrt(rows)/rms)`` bits
    (Rissanen 1978; Udrescu et al. 2020 use the same idea), so that n free constants cannot buy an exact fit
    of n rows.
    """
    floor = PRECISION * scale
    error = max(np.sqrt(loss), floor, 1e-150)
    precision = max(2.0, float(np.log2(max(scale, 1e-150) * np.sqrt(rows) / error)))
    # Between spellings of one length the flatter one with positive numbers reads better.
    structure = len(expression) * np.log2(_OPERATORS + len(expression.variables)) + 0.25 * expression.depth
    numbers = sum(constant_bits(float(c), precision) + 0.25 * (c < 0) for c in expression.constants)
    return float(structure + numbers + rows * np.log2(error))
