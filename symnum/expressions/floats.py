"""Numbers as three tokens (sign, mantissa, exponent), whole arrays at a time.

Source of the format: d'Ascoli et al. 2022 and SNIP (4 digits, exponents to 100), PROSE (3 digits, exponents
to 10). A number is ``sign * mantissa * 10**exponent``, the mantissa an integer of `digits` digits, rounded as
``"%.3e"`` rounds (for 4 digits).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from symnum.exceptions import InvalidInput

IntArray = NDArray[np.int32]
_BINADES = 2048  # values of a float64's exponent field
_EXACT_POWER = 22  # powers of ten up to here are exact in float64
_TIE = 1e-7  # products closer than this to a half are rounded by decimal formatting instead


@dataclass(frozen=True)
class FloatCodec:
    """Sign, mantissa and exponent of float64 numbers.

    Parameters
    ----------
    digits : int
        Decimal digits of the mantissa, 1 to 7.
    max_exponent : int
        Exponents go from ``-max_exponent`` to ``max_exponent``. Smaller numbers become zero.
    overflow : {"error", "clip"}
        Larger numbers are an error, or become the largest number of the format with their sign.

    Notes
    -----
    As in the reference code zero has two spellings: 0.0 is ``+ N0000 E-3`` and a number too small for the
    format is ``+ N0000 E0``. The sign of a zero is dropped.

    Examples
    --------
    >>> FloatCodec().words(2.345678), FloatCodec(digits=3, max_exponent=10).words(-2.42)
    (['+', 'N2346', 'E-3'], ['-', 'N242', 'E-2'])
    """

    digits: int = 4
    max_exponent: int = 100
    overflow: Literal["error", "clip"] = "error"

    def __post_init__(self) -> None:
        if not 1 <= self.digits <= 7:
            raise InvalidInput(f"digits must be 1 to 7, got {self.digits}")
        if not self.digits <= self.max_exponent <= 280:
            raise InvalidInput(f"max_exponent must be {self.digits} (digits) to 280, got {self.max_exponent}")
        if self.overflow not in ("error", "clip"):
            raise InvalidInput(f"overflow is 'error' or 'clip', got {self.overflow!r}")

    @property
    def mantissas(self) -> int:
        """Count of mantissas, 0 to ``10**digits - 1``."""
        return 10**self.digits

    @property
    def exponents(self) -> int:
        """Count of exponents."""
        return 2 * self.max_exponent + 1

    @property
    def largest(self) -> float:
        """Largest number of the format."""
        return float(f"{self.mantissas - 1}e{self.max_exponent}")

    # ---------------------------------------------------------------- arrays
    def encode(self, values: ArrayLike) -> tuple[IntArray, IntArray, IntArray]:
        """Signs (1 or -1), mantissas and exponents of numbers of any shape.

        Raises
        ------
        InvalidInput
            On NaN and infinity, and on numbers beyond `largest` unless they are clipped.
        """
        array = np.asarray(values, dtype=np.float64)
        negative, mantissa, exponent = self.split(array.reshape(-1))
        sign = np.where(negative, np.int32(-1), np.int32(1))
        return sign.reshape(array.shape), mantissa.reshape(array.shape), exponent.reshape(array.shape)

    def split(self, values: NDArray[np.float64]) -> tuple[NDArray[np.bool_], IntArray, IntArray]:
        """Whether negative, mantissa and exponent of a 1-D array; `encode` without the shape."""
        decade, threshold, scale, exponents = self._tables
        magnitude = np.abs(values)
        binade = magnitude.view(np.int64) >> 52
        place = decade[binade]
        place += magnitude >= threshold[binade]
        product = magnitude * scale[place]
        rounded = np.rint(product)
        exponent = exponents[place]
        negative = values < 0
        product -= rounded
        np.abs(product, out=product)
        # False for near-ties and, through NaN in the table of scales, for everything out of range.
        plain = product < 0.5 - _TIE
        if not plain.all():
            self._split_rest(values, np.flatnonzero(~plain), negative, rounded, exponent)
        mantissa = rounded.astype(np.int32)
        if mantissa.size and mantissa.max() >= self.mantissas:
            carry = mantissa >= self.mantissas
            mantissa[carry] //= 10
            exponent[carry] += 1
            self._clip(values, np.flatnonzero(exponent > self.max_exponent), mantissa, exponent)
        return negative, mantissa, exponent

    def decode(self, sign: ArrayLike, mantissa: ArrayLike, exponent: ArrayLike) -> NDArray[np.float64]:
        """Numbers of signs, mantissas and exponents: the float64 nearest to the decimal number.

        Raises
        ------
        InvalidInput
            When a sign is not 1 or -1 or a mantissa or exponent lies outside the format.
        """
        signs, mantissas, powers = np.broadcast_arrays(
            *(np.asarray(a, dtype=np.int64) for a in (sign, mantissa, exponent))
        )
        for name, array, low, high in (
            ("mantissa", mantissas, 0, self.mantissas - 1),
            ("exponent", powers, -self.max_exponent, self.max_exponent),
        ):
            if array.size and (array.min() < low or array.max() > high):
                raise InvalidInput(f"{name} must be {low} to {high}, got {array.min()} to {array.max()}")
        if not np.all(np.abs(signs) == 1):
            raise InvalidInput("signs must be 1 or -1")
        size = np.minimum(np.abs(powers), _EXACT_POWER)
        factor = 10.0**size
        result = np.where(powers < 0, mantissas / factor, mantissas * factor)
        # One rounding at most so far; beyond the exact powers the decimal text is read instead.
        flat = np.ravel(result)
        for i in np.flatnonzero(np.abs(powers) > _EXACT_POWER).tolist():
            flat[i] = float(f"{mantissas.flat[i]}e{powers.flat[i]}")
        return flat.reshape(powers.shape) * signs

    def round(self, values: ArrayLike) -> NDArray[np.float64]:
        """Numbers as they come back from the format."""
        return self.decode(*self.encode(values))

    # ---------------------------------------------------------------- words
    def words(self, value: float) -> list[str]:
        """Three words of one number."""
        sign, mantissa, exponent = (int(a) for a in self.encode(value))
        return ["+" if sign > 0 else "-", f"N{mantissa:0{self.digits}d}", f"E{exponent}"]

    def vocabulary(self) -> list[str]:
        """All words: the signs, the mantissas ascending, the exponents ascending."""
        mantissas = [f"N{i:0{self.digits}d}" for i in range(self.mantissas)]
        return ["+", "-", *mantissas, *(f"E{i}" for i in range(-self.max_exponent, self.max_exponent + 1))]

    # ---------------------------------------------------------------- rare numbers
    @cached_property
    def _tables(self) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """By binade: decade index of its smallest number, and the power of ten inside it.

        By decade index: the scale that makes the mantissa (NaN outside the format) and the exponent.
        """
        decades = np.floor((np.arange(_BINADES) - 1023) * np.log10(2.0)).astype(np.int64)
        lowest = int(decades[0])
        powers = np.array([float(f"1e{d}") for d in range(lowest, int(decades[-1]) + 3)])
        shift = np.arange(lowest, lowest + powers.size) - (self.digits - 1)
        scale = np.array(
            [float(f"1e{-s}") if abs(s) <= self.max_exponent else np.nan for s in shift.tolist()]
        )
        return decades - lowest, powers[decades - lowest + 1], scale, shift.astype(np.int32)

    def _split_rest(
        self,
        values: NDArray[np.float64],
        rows: NDArray[np.intp],
        negative: NDArray[np.bool_],
        rounded: NDArray[np.float64],
        exponent: IntArray,
    ) -> None:
        """Fill in zeros, near-ties and numbers outside the format; refuse NaN and infinity."""
        rest = values[rows]
        if not np.isfinite(rest).all():
            bad = rows[~np.isfinite(rest)][0]
            raise InvalidInput(f"only finite numbers can be written as tokens, got {values[bad]} at {bad}")
        power, low = exponent[rows], -self.max_exponent
        rounded[rows] = 0
        # A number one decade below the format may round up into it: "9.9996e-98" is 1.000e-97.
        for i in rows[(power == low - 1) & (rest != 0)].tolist():
            digits, place = f"{abs(values[i]):.{self.digits - 1}e}".split("e")
            rounded[i], exponent[i] = int(digits.replace(".", "")), int(place) - self.digits + 1
        tie = (np.abs(power) <= self.max_exponent) & (rest != 0)
        rounded[rows[tie]] = self._round_ties(np.abs(rest[tie]), power[tie])
        small = rows[exponent[rows] < low]
        rounded[small] = exponent[small] = negative[small] = 0
        exponent[rows[rest == 0]] = 1 - self.digits
        self._clip(values, rows[exponent[rows] > self.max_exponent], rounded, exponent)

    def _round_ties(self, magnitude: NDArray[np.float64], power: IntArray) -> NDArray[np.float64]:
        exact = np.abs(power) <= _EXACT_POWER
        result = np.empty(magnitude.size)
        result[exact] = _round_exactly(magnitude[exact], power[exact])
        for i in np.flatnonzero(~exact).tolist():
            digits, place = f"{magnitude[i]:.{self.digits - 1}e}".split("e")
            result[i] = int(digits.replace(".", "")) * 10 ** (int(place) - self.digits + 1 - int(power[i]))
        return result

    def _clip(
        self, values: NDArray[np.float64], rows: NDArray[np.intp], mantissa: NDArray, exponent: IntArray
    ) -> None:
        if rows.size and self.overflow == "error":
            raise InvalidInput(
                f"{values[rows[0]]} is beyond the largest number of the format, {self.largest:g}; "
                "scale the data or use overflow='clip'"
            )
        mantissa[rows], exponent[rows] = self.mantissas - 1, self.max_exponent


def _round_exactly(magnitude: NDArray[np.float64], exponent: IntArray) -> NDArray[np.float64]:
    """``magnitude / 10**exponent`` rounded half to even without error, for exponents up to 22."""
    power = 10.0 ** np.abs(exponent)
    up = exponent <= 0
    quotient = np.where(up, magnitude * power, magnitude / power)
    # What the product (or the quotient times the power) is short of, exactly (Dekker 1971).
    factor = np.where(up, magnitude, quotient)
    error = _product_error(factor, power)
    short = np.where(up, error, (magnitude - factor * power) - error)
    whole = np.floor(quotient)
    over = quotient - whole
    half_up = (short > 0) | ((short == 0) & (whole % 2 == 1))
    return whole + ((over > 0.5) | ((over == 0.5) & half_up))


def _product_error(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Exact ``a * b`` minus its float64 value."""
    a_high, b_high = (134217729.0 * x - (134217729.0 * x - x) for x in (a, b))
    a_low, b_low = a - a_high, b - b_high
    return ((a_high * b_high - a * b) + a_high * b_low + a_low * b_high) + a_low * b_low


SNIP_FLOATS = FloatCodec(digits=4, max_exponent=100)
"""Format of E2E and SNIP."""

PROSE_FLOATS = FloatCodec(digits=3, max_exponent=10)
"""Format of PROSE."""
