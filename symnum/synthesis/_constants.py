"""Random values of constants, decimal numbers that tokens hold without loss."""

from __future__ import annotations

import math

import numpy as np

from symnum.synthesis._compile import part
from symnum.synthesis._random import below, uniform

_POWERS = np.array([float(f"1e{k}") for k in range(23)])  # exact in float64
_HIGHEST_WHOLE = 10


@part
def decimal(mantissa, exponent):
    """Float64 nearest to ``mantissa * 10**exponent``, for exponents from -22 to 22 and exact mantissas."""
    if exponent < 0:
        return mantissa / _POWERS[-exponent]
    return mantissa * _POWERS[exponent]


@part
def round_digits(value, digits):
    """Nearest number of that many significant digits; very large and very small numbers stay as they are."""
    size = abs(value)
    if not 1e-100 < size < 1e100:
        return value
    exponent = math.floor(math.log10(size)) - digits + 1
    if abs(exponent) >= _POWERS.size:
        return value
    mantissa = value * _POWERS[-exponent] if exponent < 0 else value / _POWERS[exponent]
    return decimal(np.rint(mantissa), exponent)


@part
def draw_constant(rng, law):
    """Constant by the law (digits, log-uniform or not, low, high, negative, whole)."""
    digits, log_uniform, low, high, negative, whole = law
    if whole > 0.0 and uniform(rng) < whole:
        value = 1.0 + below(rng, _HIGHEST_WHOLE)
    elif log_uniform:
        value = round_digits(10.0 ** (low + (high - low) * uniform(rng)), digits)
    else:
        mantissa = 1 + below(rng, np.int64(_POWERS[digits]) - 1)
        value = decimal(np.float64(mantissa), low + below(rng, high - low + 1))
    return -value if uniform(rng) < negative else value


@part
def draw_constants(rng, law, codes, begin, constants):
    """Values for the constants of a program that begins at ``begin``; returns their number."""
    count = 0
    for k in range(begin, codes.size):
        if codes[k] == 0:
            constants[count] = draw_constant(rng, law)
            count += 1
    return count
