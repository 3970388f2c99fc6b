"""Random numbers inside kernels: one independent stream for every (seed, index).

A stream is two 64-bit words, a state and an odd increment, as in Steele, Lea and Flood, "Fast splittable
pseudorandom number generators", OOPSLA 2014 (SplitMix64). Normal numbers: Marsaglia and Tsang's ziggurat
(2000), 256 layers.
"""

from __future__ import annotations

import math

import numpy as np

from symnum.synthesis._compile import part

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_A1, _A2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_B1, _B2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_S8, _S9, _S11, _S27, _S29, _S30, _S31, _S32, _S33 = (
    np.uint64(s) for s in (8, 9, 11, 27, 29, 30, 31, 32, 33)
)
_ONE, _BYTE, _MANTISSA = np.uint64(1), np.uint64(0xFF), np.uint64((1 << 52) - 1)
_HALF_BIT = np.uint64(1 << 28)
_TO_UNIT = 2.0**-53


def _ziggurat() -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Acceptance limits (of 52 bits), widths and heights of the layers, and where the tail begins."""
    tail = 3.6541528853610088
    area = tail * math.exp(-0.5 * tail**2) + math.sqrt(math.pi / 2) * math.erfc(tail / math.sqrt(2))
    edge = np.empty(257)  # right end of each layer; layer 0 is the base with the tail
    edge[0], edge[1] = area / math.exp(-0.5 * tail**2), tail
    for i in range(2, 256):
        edge[i] = math.sqrt(-2 * math.log(area / edge[i - 1] + math.exp(-0.5 * edge[i - 1] ** 2)))
    edge[256] = 0.0
    limit = (edge[1:] / edge[:-1] * 2.0**52).astype(np.uint64)
    return limit, edge[:-1] * 2.0**-52, np.exp(-0.5 * edge**2), tail


_LIMIT, _WIDTH, _HEIGHT, _TAIL = _ziggurat()


@part
def mix(z):
    """Bijective scrambling of 64 bits (Stafford's variant 13)."""
    z = (z ^ (z >> _S30)) * _A1
    z = (z ^ (z >> _S27)) * _A2
    return z ^ (z >> _S31)


@part
def rounded(value):
    """Bits of a number rounded to a 23-bit mantissa, for hashes; all that is not finite is one."""
    if not abs(value) < np.inf:
        return _ONE
    return (np.float64(value + 0.0).view(np.uint64) + _HALF_BIT) >> _S29


@part
def start_stream(rng, seed, index):
    """Set the stream to the beginning of sample ``index`` of ``seed`` (both uint64)."""
    key = mix(mix(seed + _GOLDEN) ^ (index * _GOLDEN + _GOLDEN))
    rng[0] = mix(key)
    gamma = key + _GOLDEN
    gamma = (gamma ^ (gamma >> _S33)) * _B1
    gamma = (gamma ^ (gamma >> _S33)) * _B2
    rng[1] = (gamma ^ (gamma >> _S33)) | _ONE


@part
def bits(rng):
    """Next 64 random bits."""
    rng[0] += rng[1]
    return mix(rng[0])


@part
def uniform(rng):
    """Uniform number in [0, 1)."""
    return (bits(rng) >> _S11) * _TO_UNIT


@part
def below(rng, n):
    """Uniform integer in 0..n-1, n < 2**31; the probabilities are even to 2**-32."""
    return np.int64(((bits(rng) >> _S32) * np.uint64(n)) >> _S32)


@part
def choose(rng, cumulative):
    """Index drawn by cumulative probabilities that end with 1."""
    u = uniform(rng)
    i = 0
    while i < cumulative.size - 1 and u >= cumulative[i]:
        i += 1
    return i


@part
def normal(rng):
    """Standard normal number."""
    while True:
        r = bits(rng)
        layer = np.int64(r & _BYTE)
        negative = (r >> _S8) & _ONE
        r = (r >> _S9) & _MANTISSA
        x = r * _WIDTH[layer]
        if r >= _LIMIT[layer]:
            if layer == 0:
                while True:
                    a = -math.log1p(-uniform(rng)) / _TAIL
                    b = -math.log1p(-uniform(rng))
                    if b + b > a * a:
                        break
                x = _TAIL + a
            elif _HEIGHT[layer] + (_HEIGHT[layer + 1] - _HEIGHT[layer]) * uniform(rng) >= math.exp(
                -0.5 * x * x
            ):
                continue
        return -x if negative else x
