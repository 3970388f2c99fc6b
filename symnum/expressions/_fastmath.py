"""Elementary functions without branches for loops over many numbers.

Worst error seen over millions of arguments: 1 ulp in exp, log and pow, 1.7 in sin, cos and the inverse
functions, 2.6 in tan, sinh, cosh and tanh.

Each function is written over `Lanes` and serves twice: on whole vectors in the evaluator, and as
``vexp``, ``vlog``, ... on scalars in other compiled loops, where LLVM can vectorise it. NaN,
infinities, zeros, overflow and subnormal numbers give what IEEE 754 and C99 ask for. ``vsin``, ``vcos``
and ``vtan`` give NaN beyond `TRIG_LIMIT`, where neighbouring floats are 0.1 apart; the evaluator calls
the C library there.

Reductions follow Cody and Waite with fused multiply-add, which makes the first step exact. Coefficients:
FDLIBM (log, tan, asin), Cephes (atan), own minimax fits (the rest).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from numba.core import types
from numba.extending import intrinsic

from symnum.expressions._lanes import Bits, Lanes, Mask, where

TRIG_LIMIT = 2.0**49
"""Largest argument of sin, cos and tan with accurate reduction."""

_INF, _NAN = math.inf, math.nan
_MAGIC = 1.5 * 2.0**52  # a whole number added to this stands in the low bits
_MAGIC_BITS = 0x4338000000000000
_LN2, _LN2_REST = 0.6931471805599453, 2.3190468138462996e-17
_LN2_SHORT, _LN2_SHORT_REST = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # 33 bits and the rest
_PIO2 = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33)
_PI = (math.pi, 1.2246467991473532e-16, -2.9947698097183397e-33)

_EXP = (
    0.5, 0.16666666666666677, 0.0416666666666667, 0.008333333333321615, 0.0013888888888866845,
    0.00019841269886158172, 2.4801587360541845e-05, 2.7557244182254675e-06, 2.755724276990778e-07,
    2.510904478479179e-08, 2.0924440866863745e-09,
)  # fmt: skip
_LOG = (
    6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01,
    1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01,
)  # fmt: skip
_ATANH = (
    0.1999999999999999, 0.1428571428572261, 0.11111111108755276, 0.09090909436749112, 0.07692278326758499,
    0.06668162898833818, 0.05837324092295663, 0.05995216856051696,
)  # fmt: skip
_SIN = (
    8.33333333332248946124e-03, -1.98412698298579493134e-04, 2.75573137070700676789e-06,
    -2.50507602534068634195e-08, 1.58969099521155010221e-10,
)  # fmt: skip
_SIN_WIDE = (
    -0.16666666666666666, 0.008333333333333194, -0.00019841269841209213, 2.7557319211136005e-06,
    -2.5052106872682067e-08, 1.6058939699683463e-10, -7.642991323434604e-13, 2.72117317461139e-15,
)  # fmt: skip
_SIN_1 = -1.66666666666666324348e-01
_COS = (
    4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05,
    -2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11,
)  # fmt: skip
_ASIN_P = (
    1.66666666666666657415e-01, -3.25565818622400915405e-01, 2.01212532134862925881e-01,
    -4.00555345006794114027e-02, 7.91534994289814532176e-04, 3.47933107596021167570e-05,
)  # fmt: skip
_ASIN_Q = (
    1.0, -2.40339491173441421878e00, 2.02094576023350569471e00, -6.88283971605453293030e-01,
    7.70381505559019352791e-02,
)  # fmt: skip
_ATAN_P = (
    -6.485021904942025371773e01, -1.228866684490136173410e02, -7.500855792314704667340e01,
    -1.615753718733365076637e01, -8.750608600031904122785e-01,
)  # fmt: skip
_ATAN_Q = (
    1.945506571482613964425e02, 4.853903996359136964868e02, 4.328810604912902668951e02,
    1.650270098316988542046e02, 2.485846490142306297962e01, 1.0,
)  # fmt: skip


# ------------------------------------------------------------------------------- exponential and logarithm
def _power_of_two(k: Lanes) -> Lanes:
    """2**k for whole k from -1022 to 1023."""
    return ((k + (_MAGIC + 1023.0)).bits() << 52).as_float()


def _scale(a: Lanes, k: Lanes) -> Lanes:
    """``a * 2**k`` for whole k from -1080 to 1023, rounded once where the result is subnormal."""
    tiny = k < -1020.0
    value = a * _power_of_two(where(tiny, k + 64.0, k))
    return where(tiny, value * 2.0**-64, value)


def _clamp(a: Lanes, low: float, high: float) -> Lanes:
    """NaN stays NaN."""
    a = where(a > high, high, a)
    return where(a < low, low, a)


def _reduced_expm1(a: Lanes) -> tuple[Lanes, Lanes]:
    """Whole k and expm1(r) where ``a = k ln 2 + r``, abs(r) <= ln(2) / 2."""
    k = a.fma(1.0 / _LN2, _MAGIC) - _MAGIC
    r = (-k).fma(_LN2, a)
    r = (-k).fma(_LN2_REST, r)
    return k, (r * r).fma(r.horner(_EXP), r)


def exp(a: Lanes) -> Lanes:
    """Exponential."""
    k, e = _reduced_expm1(_clamp(a, -746.0, 710.0))
    return _scale(e.fma(2.0, 2.0), k - 1.0)


def _half_exp(a: Lanes) -> Lanes:
    """``exp(a) / 2`` for a >= 0, finite where sinh and cosh are."""
    k, e = _reduced_expm1(_clamp(a, 0.0, 711.0))
    return e.fma(4.0, 4.0) * _power_of_two(k - 3.0)


def _expm1(a: Lanes) -> Lanes:
    """``exp(a) - 1`` for abs(a) <= 45."""
    k, e = _reduced_expm1(a)
    power = _power_of_two(k)
    return e.fma(power, power - 1.0)


def sinh(a: Lanes) -> Lanes:
    """Hyperbolic sine."""
    x = abs(a)
    e, h = _expm1(_clamp(x, 0.0, 1.0)), _half_exp(x)
    near = (e + e / (e + 1.0)) * 0.5
    return where(x < 1.0, near, h - 0.25 / h).copysign(a)


def cosh(a: Lanes) -> Lanes:
    """Hyperbolic cosine."""
    h = _half_exp(abs(a))
    return h + 0.25 / h


def tanh(a: Lanes) -> Lanes:
    """Hyperbolic tangent."""
    e = _expm1(_clamp(abs(a) * 2.0, 0.0, 40.0))
    return (e / (e + 2.0)).copysign(a)


def _split(a: Lanes) -> tuple[Lanes, Lanes]:
    """Mantissa in [sqrt(1/2), sqrt(2)) and exponent of finite a > 0, subnormal numbers included."""
    tiny = a < 2.2250738585072014e-308
    bits = where(tiny, a * 2.0**54, a).bits()
    exponent = (bits - 0x3FE6A09E667F3BCD) >> 52
    mantissa = (bits - (exponent << 52)).as_float()
    e = (exponent + _MAGIC_BITS).as_float() - _MAGIC
    return mantissa, where(tiny, e - 54.0, e)


def log(a: Lanes) -> Lanes:
    """Natural logarithm."""
    m, e = _split(a)
    f = m - 1.0
    s = f / (f + 2.0)
    z = s * s
    half = f * f * 0.5
    tail = s * (half + z * z.horner(_LOG)) + e * _LN2_SHORT_REST
    result = e * _LN2_SHORT - ((half - tail) - f)
    return where((a > 0.0) & (a < _INF), result, where(a == 0.0, -_INF, where(a > 0.0, a, _NAN)))


def _long_log(a: Lanes) -> tuple[Lanes, Lanes]:
    """Natural logarithm of finite a > 0 as an unevaluated sum with about 68 correct bits."""
    m, e = _split(a)
    f = m - 1.0
    d = m + 1.0
    s = f / d
    s_rest = (-s).fma(m - (d - 1.0), (-s).fma(d, f)) / d
    z = s * s
    z_rest = s.fma(s, -z) + 2.0 * s * s_rest
    # v = atanh(s) / s - 1 = z / 3 + z**2 / 5 + ...; its first term needs both parts.
    t = z * z.horner(_ATANH)
    u = t + 1.0 / 3.0
    u_rest = t - (u - 1.0 / 3.0) + 1.850371707708594e-17
    v = z * u
    v_rest = z.fma(u, -v) + (z * u_rest + z_rest * u)
    s2, s2_rest = s * 2.0, s_rest * 2.0
    w = s2 * v
    w_rest = s2.fma(v, -w) + (s2 * v_rest + s2_rest * v)
    big = e * _LN2_SHORT
    one = big + s2
    two = one + w
    rest = (s2 - (one - big)) + (w - (two - one)) + (s2_rest + w_rest + e * _LN2_SHORT_REST)
    high = two + rest
    return high, rest - (high - two)


def power(a: Lanes, b: Lanes) -> Lanes:
    """``a ** b`` as C99 defines it."""
    x = abs(a)
    high, low = _long_log(x)
    p = b * high
    rest = b.fma(high, -p) + b * low
    rest = where(abs(p) < 800.0, rest, 0.0)
    p = _clamp(p, -746.0, 710.0)
    k = p.fma(1.0 / _LN2, _MAGIC) - _MAGIC
    r = (-k).fma(_LN2, p)
    rest = (-k).fma(_LN2_REST, rest)
    t = r + rest
    rest = rest - (t - r)
    value = _scale((t + (t * t).fma(t.horner(_EXP), rest)).fma(2.0, 2.0), k - 1.0)
    # Zero and infinite bases, then signs, then what is 1 whatever the other argument.
    up = where((b > 0.0) ^ (x > 1.0), 0.0, _INF)
    value = where((x == 0.0) | (x == _INF), where(b == b, up, b), value)
    whole = (b == b.rint()) & (abs(b) < _INF)
    odd = whole & ((b * 0.5) != (b * 0.5).rint())
    value = where(odd, value.copysign(a), value)
    value = where((a < 0.0) & (x < _INF) & ~whole & (abs(b) < _INF), _NAN, value)
    value = where((a != a), a, value)
    return where((b == 0.0) | (a == 1.0) | ((x == 1.0) & (abs(b) == _INF)), 1.0, value)


# ------------------------------------------------------------------------------------------- trigonometry
def _sine_cosine(a: Lanes) -> tuple[Lanes, Lanes, Any]:
    """Sine and cosine of the remainder by pi/2, and the quadrant as bits."""
    k = (a * (2.0 / math.pi)).rint()
    n = -k
    x = n.fma(_PIO2[0], a)  # exact
    p = k * _PIO2[1]
    p_rest = k.fma(_PIO2[1], -p)
    h = x - p
    back = h - x
    y = (x - (h - back)) - (p + back)
    y = n.fma(_PIO2[2], y - p_rest)
    r = h + y
    y = y - (r - h)
    z = r * r
    v = z * r
    sine = r - ((z * (0.5 * y - v * z.horner(_SIN)) - y) - v * _SIN_1)
    half = z * 0.5
    w = 1.0 - half
    cosine = w + (((1.0 - w) - half) + (z * z * z.horner(_COS) - r * y))
    return sine, cosine, (k + _MAGIC).bits()


def _half_turns(a: Lanes, k: Lanes, sign: Bits, name: str) -> Lanes:
    """Sine of ``a - k pi``, at most pi/2 in size, negated where the lowest bit of ``sign`` is set."""
    r = a
    for part in _PI:
        r = (-k).fma(part, r)
    z = r * r
    value = (r * z).fma(z.horner(_SIN_WIDE), r)
    value = (value.bits() ^ (sign << 63)).as_float()
    value = value if name == "cos" else where(a == 0.0, a, value)
    return value.unless(abs(a) > TRIG_LIMIT, lambda: a.libm(name))


def sin(a: Lanes) -> Lanes:
    """Sine."""
    t = a.fma(1.0 / math.pi, _MAGIC)
    return _half_turns(a, t - _MAGIC, t.bits(), "sin")


def cos(a: Lanes) -> Lanes:
    """Cosine."""
    t = a.fma(1.0 / math.pi, -0.5) + _MAGIC
    return _half_turns(a, (t - _MAGIC) + 0.5, t.bits() + 1, "cos")


def tan(a: Lanes) -> Lanes:
    """Tangent."""
    sine, cosine, quadrant = _sine_cosine(a)
    odd = (quadrant & 1).nonzero()
    value = where(odd, cosine, sine) / where(odd, -sine, cosine)
    value = where(a == 0.0, a, value)
    return value.unless(abs(a) > TRIG_LIMIT, lambda: a.libm("tan"))


def _asin_parts(a: Lanes) -> tuple[Mask, Lanes, Lanes, Lanes]:
    """Whether abs(a) < 1/2, and s, its rounding error and s R(s**2) with asin(s) = s + s R."""
    x = abs(a)
    near = x < 0.5
    half = 0.5 - x * 0.5
    z = where(near, x * x, half)
    s = z.sqrt()
    rest = where(s > 0.0, (-s).fma(s, z) / (s + s), 0.0)
    s, rest = where(near, x, s), where(near, 0.0, rest)
    return near, s, rest, s * (z * z.horner(_ASIN_P) / z.horner(_ASIN_Q))


def asin(a: Lanes) -> Lanes:
    """Inverse sine; NaN outside [-1, 1]."""
    near, s, rest, tail = _asin_parts(a)
    far = _PIO2[0] - (2.0 * s - (_PIO2[1] - 2.0 * (tail + rest)))
    return where(near, s + tail, far).copysign(a)


def acos(a: Lanes) -> Lanes:
    """Inverse cosine; NaN outside [-1, 1]."""
    near, s, rest, tail = _asin_parts(a)
    inner = _PIO2[0] - ((s + tail).copysign(a) - _PIO2[1])
    right = 2.0 * (s + (tail + rest))
    left = _PI[0] - (2.0 * s - (_PI[1] - 2.0 * (tail + rest)))
    return where(near, inner, where(a > 0.0, right, left))


def atan(a: Lanes) -> Lanes:
    """Inverse tangent."""
    x = abs(a)
    big, middle = x > 2.414213562373095, x > 0.66
    upper = where(big, -1.0, where(middle, x - 1.0, x))
    lower = where(big, x, where(middle, x + 1.0, 1.0))
    t = upper / lower
    z = t * t
    value = t.fma(z * z.horner(_ATAN_P) / z.horner(_ATAN_Q), t)
    base = where(big, _PIO2[0], where(middle, 0.5 * _PIO2[0], 0.0))
    rest = where(big, _PIO2[1], where(middle, 0.5 * _PIO2[1], 0.0))
    return (base + (value + rest)).copysign(a)


# --------------------------------------------------------------------------------------------- the rest
def sqrt(a: Lanes) -> Lanes:
    """Square root."""
    return a.sqrt()


def cbrt(a: Lanes) -> Lanes:
    """Cube root."""
    return a.libm("cbrt")


def minimum(a: Lanes, b: Lanes) -> Lanes:
    """Smaller number, NaN if either is."""
    return where((a <= b) | (a != a), a, b)


def maximum(a: Lanes, b: Lanes) -> Lanes:
    """Larger number, NaN if either is."""
    return where((a >= b) | (a != a), a, b)


def sign(a: Lanes) -> Lanes:
    """-1, 0 or 1; NaN of NaN."""
    return where(a > 0.0, 1.0, where(a < 0.0, -1.0, a))


def _scalar(function: Callable[..., Lanes]) -> Any:
    """The function on single float64 numbers, callable from compiled code."""

    def unary(typing_context: Any, a: Any) -> Any:
        return types.float64(types.float64), build

    def binary(typing_context: Any, a: Any, b: Any) -> Any:
        return types.float64(types.float64, types.float64), build

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return function(*(Lanes(builder, v) for v in args)).value

    return intrinsic(binary if function is power else unary)


vexp, vlog, vpow = _scalar(exp), _scalar(log), _scalar(power)
vsin, vcos, vtan = _scalar(sin), _scalar(cos), _scalar(tan)
vasin, vacos, vatan = _scalar(asin), _scalar(acos), _scalar(atan)
vsinh, vcosh, vtanh = _scalar(sinh), _scalar(cosh), _scalar(tanh)
