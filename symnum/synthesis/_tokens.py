"""Token ids of many programs and points at once, the same that `symnum.expressions.tokenizer` writes."""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from symnum.synthesis._compile import kernel, part
from symnum.synthesis._evaluate import ARITY

Words = namedtuple(
    "Words",
    "operators variables plus minus mantissas exponents bos eos pad input_pad "
    "decades thresholds scales powers max_exponent digits",
)
"""Ids of words, and the float codec's tables by binade and by decade."""

_TIE = 1e-7


@part
def _write_number(value, words, ids):
    """Sign, mantissa and exponent; False where the quick rounding is not certain."""
    size = abs(value)
    binade = np.float64(size).view(np.int64) >> 52
    place = words.decades[binade]
    if size >= words.thresholds[binade]:
        place += 1
    product = size * words.scales[place]
    whole = np.rint(product)
    exponent = words.powers[place]
    if value == 0.0:
        whole, exponent = 0.0, 1 - words.digits
    elif not abs(product - whole) < 0.5 - _TIE:
        return False
    mantissa = np.int64(whole)
    if mantissa == words.mantissas.size:
        mantissa //= 10
        exponent += 1
    ids[0] = words.minus if value < 0.0 else words.plus
    ids[1] = words.mantissas[mantissa]
    ids[2] = words.exponents[exponent + words.max_exponent]
    return True


@kernel()
def write_points(X, y, dims, rows, chosen, words, ids, hard):
    """Ids (k, rows, 3 * (D + 1)) of the points of chosen samples (k,) of X (n, D, N) and y (n, N), rows <= N.

    Missing columns get the input padding, missing rows the padding. Returns how many numbers need exact
    rounding; their place in ``chosen``, row and column go to ``hard`` as far as it reaches.
    """
    count = 0
    width = X.shape[1]
    for k in range(chosen.size):
        i = chosen[k]
        for r in range(ids.shape[1]):
            for v in range(width + 1):
                spot = ids[k, r, 3 * v : 3 * v + 3]
                if r >= rows[i]:
                    spot[:] = words.pad
                elif v >= dims[i] and v < width:
                    spot[:] = words.input_pad
                elif not _write_number(X[i, v, r] if v < width else y[i, r], words, spot):
                    if count < hard.shape[0]:
                        hard[count, 0], hard[count, 1], hard[count, 2] = k, r, v
                    count += 1
    return count


@kernel()
def write_programs(codes, lengths, constants, words, ids, counts, hard):
    """Prefix ids of postfix programs, framed and padded, (n, longest); ``counts`` becomes their numbers.

    Returns how many constants need exact rounding; their sample, place in ``ids`` and index go to ``hard``.
    """
    missed = 0
    longest = codes.shape[1]
    size = np.empty(longest, np.int64)
    number = np.empty(longest, np.int64)
    todo = np.empty(longest + 1, np.int64)
    for i in range(codes.shape[0]):
        k = 0
        for j in range(lengths[i]):
            c = codes[i, j]
            size[j] = 1
            at = j - 1
            for _ in range(ARITY[c] if c > 0 else 0):
                size[j] += size[at]
                at -= size[at]
            number[j] = k
            k += c == 0
        ids[i, 0] = words.bos
        out = 1
        top = 1
        todo[0] = lengths[i] - 1
        while top:
            top -= 1
            j = todo[top]
            c = codes[i, j]
            if c == 0:
                if not _write_number(constants[i, number[j]], words, ids[i, out : out + 3]):
                    if missed < hard.shape[0]:
                        hard[missed, 0], hard[missed, 1], hard[missed, 2] = i, out, number[j]
                    missed += 1
                out += 3
                continue
            ids[i, out] = words.operators[c] if c > 0 else words.variables[-c - 1]
            out += 1
            if c > 0:
                # The right operand waits below the left one.
                todo[top] = j - 1
                top += 1
                if ARITY[c] == 2:
                    todo[top] = j - 1 - size[j - 1]
                    top += 1
        ids[i, out] = words.eos
        counts[i] = out + 1
        for j in range(out + 1, ids.shape[1]):
            ids[i, j] = words.pad
    return missed
