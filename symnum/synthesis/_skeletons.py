"""Value-hash of a skeleton, the same for all spellings, constants' values and names of variables.

A program is read as a set of terms per node, coefficients dropped: a sum unites the terms of its operands and
remembers whether there is an added constant; a product multiplies terms out or, the other of two ways, is one
term. What is left of the constants is one fixed number, 1. A term is kept as its values at probe points. The
first point has a different number for every variable and serves to recognise equal terms. At the others all
variables are equal but one (points 2 ...) or two (the rest), so that renaming variables only permutes the
values: sorted, they are the hash.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from symnum.expressions.operators import OPERATORS
from symnum.synthesis._compile import kernel, part
from symnum.synthesis._evaluate import ARITY
from symnum.synthesis._random import mix, rounded

MAX_VARIABLES = 10
MAX_TERMS = 48
MAX_LEVELS = 24
PROBES = 2 + MAX_VARIABLES + MAX_VARIABLES * (MAX_VARIABLES - 1)

Skeleton = namedtuple("Skeleton", "points values terms counts plus row")
"""Arrays that reading a skeleton needs."""
_SKELETON = "float64[:, ::1], float64[::1], float64[:, :, ::1], int64[::1], boolean[::1], float64[::1]"


def make_skeleton(points: int) -> Skeleton:
    """Arrays for that many probe points: 2 for `base_hash`, PROBES for `full_hash`."""
    levels = MAX_LEVELS + 2
    return Skeleton(
        np.zeros((PROBES, MAX_VARIABLES)),
        np.zeros(points),
        np.zeros((levels, MAX_TERMS, points)),
        np.zeros(levels, np.int64),
        np.zeros(levels, np.bool_),
        np.zeros(points),
    )


_BASE, _FIRST, _SECOND = -0.7193, 1.3137, 0.4871
_GENERIC = np.array([0.8317, -1.2273, 1.7411, -0.4519, 0.6737, 1.1129, -0.9283, 1.4951, -0.3361, 0.5477])
_ANY_POWER = 0.7310  # stands for every exponent that is no simple fraction
_CODE = {name: op.code for name, op in OPERATORS.by_name.items()}
_ADD, _SUB, _NEG, _MUL, _DIV, _POW = (_CODE[n] for n in ("add", "sub", "neg", "mul", "div", "pow"))
_INV, _ABS, _SQRT, _CBRT, _EXP, _LOG = (_CODE[n] for n in ("inv", "abs", "sqrt", "cbrt", "exp", "log"))
_SIN, _COS, _TAN, _ASIN, _ACOS, _ATAN = (_CODE[n] for n in ("sin", "cos", "tan", "asin", "acos", "atan"))
_SINH, _COSH, _TANH, _SQUARE, _CUBE = (_CODE[n] for n in ("sinh", "cosh", "tanh", "square", "cube"))
_MIN, _MAX = _CODE["min"], _CODE["max"]
_SAME = 1e-9
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@part
def probe_values(dim, points):
    """Numbers of the variables at the probe points, (PROBES, dim); returns how many points are used."""
    used = 2 + dim + dim * (dim - 1)
    for v in range(dim):
        for p in range(used):
            points[p, v] = _BASE
        points[0, v] = _GENERIC[v]
        points[2 + v, v] = _FIRST
    p = 2 + dim
    for v in range(dim):
        for u in range(dim):
            if u != v:
                points[p, v], points[p, u] = _FIRST, _SECOND
                p += 1
    return used


@part
def _total(terms, counts, plus, s, p):
    """Value of the node at stack place s: all terms and the constant."""
    total = 1.0 if plus[s] else 0.0
    for t in range(counts[s]):
        total += terms[s, t, p]
    return total


@part
def _include(terms, counts, s, values, points):
    """Add a term to the node at place s unless it is there; False when there is no room."""
    for t in range(counts[s]):
        if abs(terms[s, t, 0] - values[0]) <= _SAME * (abs(values[0]) + abs(terms[s, t, 0])):
            return True
    if counts[s] == MAX_TERMS:
        return False
    for p in range(points):
        terms[s, counts[s], p] = values[p]
    counts[s] += 1
    return True


@part
def _collapse(terms, counts, plus, s, points):
    """Make the node at place s one term, its value."""
    if counts[s] == 0 or (counts[s] == 1 and not plus[s]):
        return
    for p in range(points):
        terms[s, 0, p] = _total(terms, counts, plus, s, p)
    counts[s], plus[s] = 1, False


@part
def _multiply(terms, counts, plus, a, b, out, points, row):
    """Product of the nodes at places a and b, multiplied out, at place ``out``; False: no room."""
    counts[out], plus[out] = 0, plus[a] and plus[b]
    for s in range(counts[a] + 1):
        if s == counts[a] and not plus[a]:
            continue
        for t in range(counts[b] + 1):
            if t == counts[b] and (not plus[b] or s == counts[a]):
                continue
            for p in range(points):
                left = terms[a, s, p] if s < counts[a] else 1.0
                right = terms[b, t, p] if t < counts[b] else 1.0
                row[p] = left * right
            if not _include(terms, counts, out, row, points):
                return False
    return True


@part
def _copy(terms, counts, plus, source, target, points):
    counts[target], plus[target] = counts[source], plus[source]
    for t in range(counts[source]):
        for p in range(points):
            terms[target, t, p] = terms[source, t, p]


@part
def _product(terms, counts, plus, a, b, expand, points, row):
    """Node a becomes a * b, multiplied out if wanted; without room both count as one term."""
    spare = MAX_LEVELS
    if counts[b] == 0:
        return
    if counts[a] == 0:
        _copy(terms, counts, plus, b, a, points)
        return
    done = False
    while not done:
        if not expand:
            for s in (a, b):
                _collapse(terms, counts, plus, s, points)
        done = _multiply(terms, counts, plus, a, b, spare, points, row)
        expand = False
    _copy(terms, counts, plus, spare, a, points)


@part
def _power(value, exponent):
    """Power of the size of a number, negative where ``x**int(exponent) * abs(x)**rest`` is."""
    if value == 0.0:
        return 0.0
    size = abs(value) ** exponent
    return -size if value < 0.0 and np.trunc(exponent) % 2.0 != 0.0 else size


@part
def _simple(exponent):
    """The exponent if twelve times it is whole, else the one number that stands for all others."""
    whole = abs(exponent * 12.0 - np.rint(exponent * 12.0)) <= 1e-9
    return exponent if whole and abs(exponent) <= 20.0 else _ANY_POWER


@part
def _scalar(code, a):
    """Unary function of a number, continued to all numbers where it has a domain."""
    if code == _ABS:
        return abs(a)
    if code == _LOG:
        return math.log(abs(a)) if a != 0.0 else 0.0
    if code == _SIN:
        return math.sin(a)
    if code == _COS:
        return math.cos(a)
    if code == _TAN:
        return math.tan(a)
    if code in (_ASIN, _ACOS):
        return math.asin(a) if abs(a) <= 1.0 else math.asin(1.0 / a) + 3.0
    if code == _ATAN:
        return math.atan(a)
    if code == _EXP:
        return math.exp(a) if a < 700.0 else np.inf
    if code == _SINH:
        return math.sinh(a) if abs(a) < 700.0 else np.inf
    if code == _COSH:
        return math.cosh(a) if abs(a) < 700.0 else np.inf
    if code == _TANH:
        return math.tanh(a)
    return 1.0 if a > 0.0 else -1.0  # sign


@part
def _unary(code, terms, counts, plus, s, points):
    """Node at place s becomes the operator's value; returns how often to multiply it by itself yet."""
    if counts[s] == 0 or code == _NEG:
        return 0
    if code in (_SQUARE, _CUBE):
        return 1 if code == _SQUARE else 2
    exponent = -1.0 if code == _INV else 0.5 if code == _SQRT else 1.0 / 3.0 if code == _CBRT else 0.0
    if code == _EXP:
        plus[s] = False  # exp(c + f) is a multiple of exp(f)
    if code == _COS and plus[s]:
        code = _SIN  # cos(c + f) is sin(c' + f)
    _collapse(terms, counts, plus, s, points)
    for p in range(points):
        value = terms[s, 0, p]
        terms[s, 0, p] = _power(value, exponent) if exponent != 0.0 else _scalar(code, value)
    plus[s] = code == _ACOS  # a constant minus the inverse sine
    return 0


@part
def _pow(terms, counts, plus, a, value, points):
    """Node at place a becomes its power by the node above; returns like `_unary`."""
    b = a + 1
    if counts[b] == 0:
        if value == 2.0 or value == 3.0 or value == 4.0:
            return int(value) - 1
        exponent = _simple(value)
        _collapse(terms, counts, plus, a, points)
        for p in range(points):
            terms[a, 0, p] = _power(terms[a, 0, p], exponent)
        return 0
    constant_base = counts[a] == 0
    if constant_base:
        plus[b] = False  # c**(k + f) is a multiple of exp(f)
    for s in (a, b):
        _collapse(terms, counts, plus, s, points)
    for p in range(points):
        size = 1.0 if constant_base else _scalar(_LOG, terms[a, 0, p])
        terms[a, 0, p] = _scalar(_EXP, size * terms[b, 0, p])
    counts[a], plus[a] = 1, False
    return 0


@part
def _extreme(code, terms, counts, plus, a, points):
    """Node at place a becomes the smaller or the larger of it and the node above."""
    b = a + 1
    for s in (a, b):
        if counts[s] == 0:
            counts[s], plus[s] = 1, False
            for p in range(points):
                terms[s, 0, p] = 1.0
        _collapse(terms, counts, plus, s, points)
    for p in range(points):
        left, right = terms[a, 0, p], terms[b, 0, p]
        terms[a, 0, p] = min(left, right) if code == _MIN else max(left, right)


@part
def _sum(terms, counts, plus, a, points):
    """Node at place a becomes its sum with the node above."""
    b = a + 1
    plus[a] = plus[a] or plus[b]
    for t in range(counts[b]):
        if not _include(terms, counts, a, terms[b, t], points):
            # No room: what is there becomes one term, the rest is added to it.
            _collapse(terms, counts, plus, a, points)
            for u in range(t, counts[b]):
                for p in range(points):
                    terms[a, 0, p] += terms[b, u, p]
            return


@part
def _binary(code, terms, counts, plus, a, value, points):
    """Node at place a becomes the operator's value on places a and a + 1.

    ``value`` is the right operand if that is a constant. Returns how often the node is yet to be multiplied,
    by itself (power) or by the node above (product, quotient).
    """
    b = a + 1
    if code in (_ADD, _SUB):
        _sum(terms, counts, plus, a, points)
    elif code == _MUL:
        return 1
    elif code == _DIV:
        if counts[b] > 0:
            _collapse(terms, counts, plus, b, points)
            for p in range(points):
                terms[b, 0, p] = _power(terms[b, 0, p], -1.0)
        return 1
    elif counts[a] > 0 or counts[b] > 0:
        if code == _POW:
            return _pow(terms, counts, plus, a, value, points)
        _extreme(code, terms, counts, plus, a, points)
    return 0


@part
def base_hash(values, dim):
    """Hash of the one value at which all variables are equal: quick, and equal whenever `full_hash` is."""
    return mix(rounded(values[1]) + np.uint64(dim) * _GOLDEN)


@part
def full_hash(values, used, dim):
    """Hash of the values sorted within the points of one and of two variables; sorts ``values``."""
    state = base_hash(values, dim)
    for group in range(2):
        low, high = (2, 2 + dim) if group == 0 else (2 + dim, used)
        # Insertion sort: at most 90 numbers, and much quicker to compile than a library's.
        for p in range(low + 1, high):
            value = values[p]
            q = p
            while q > low and values[q - 1] > value:
                values[q] = values[q - 1]
                q -= 1
            values[q] = value
        for p in range(low, high):
            state = mix(state + rounded(values[p]) + _GOLDEN)
    return state


@part
def _fold(code, a, b):
    """Value of an operator on constants; only fractions in exponents matter."""
    if code == _NEG:
        return -a
    if code == _INV:
        return 1.0 / a
    if code == _ADD:
        return a + b
    if code == _SUB:
        return a - b
    if code == _MUL:
        return a * b
    return a / b if code == _DIV else _ANY_POWER


@kernel("uint64(int64[::1], int64, float64[::1], int64, boolean, boolean, " + _SKELETON + ")")
def hash_skeleton(codes, begin, constants, dim, expand, full, points, values, terms, counts, plus, row):
    """`full_hash` or `base_hash` of a program over the variables 0..dim-1, 0 where there is none.

    ``begin``: where the program begins in ``codes``; ``expand``: whether products are multiplied out; the
    last arguments are those of `make_skeleton`. An added constant and a factor of the whole are dropped.
    """
    if dim > MAX_VARIABLES:
        return np.uint64(0)
    used = probe_values(dim, points)
    if not full:
        used = 2
    sp = 0
    k = 0
    for i in range(begin, codes.size):
        c = codes[i]
        if c <= 0:
            if sp == MAX_LEVELS:
                return np.uint64(0)
            counts[sp], plus[sp] = 0, c == 0
            if c == 0:
                terms[sp, 0, 0] = constants[k]  # a node without terms keeps its value here
                k += 1
            else:
                counts[sp] = 1
                for p in range(used):
                    terms[sp, 0, p] = points[p, -c - 1]
            sp += 1
            continue
        sp -= ARITY[c] - 1
        a, b = sp - 1, sp - 2 + ARITY[c]
        if (c in (_INV, _DIV)) and codes[i - 1] == _EXP and counts[b] > 0:
            # Signs do not count, so 1/exp(f) is exp(f).
            c = _MUL if c == _DIV else _NEG
        constant = counts[a] == 0 and counts[b] == 0
        value = terms[b, 0, 0]
        if constant:
            terms[a, 0, 0] = _fold(c, terms[a, 0, 0], value)
            continue
        other = MAX_LEVELS + 1 if ARITY[c] == 1 or c == _POW else b
        if ARITY[c] == 1:
            times = _unary(c, terms, counts, plus, a, used)
        else:
            times = _binary(c, terms, counts, plus, a, value, used)
        if times > 0 and other != b:
            _copy(terms, counts, plus, a, other, used)
        for _ in range(times):
            _product(terms, counts, plus, a, other, expand, used, row)
    plus[0] = False
    for p in range(used):
        values[p] = _total(terms, counts, plus, 0, p)
        if not abs(values[p]) < 1e30:
            return np.uint64(0)
    key = full_hash(values, used, dim) if full else base_hash(values, dim)
    return key if expand else mix(key + _GOLDEN)
