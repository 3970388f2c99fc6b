"""One physical unit: seven SI exponents and a scale, read from text and printed."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from symnum.exceptions import UnitError
from symnum.expressions.unit_table import BASE, look_up

MAX_LENGTH = 200
MAX_EXPONENT = 1000
_SAME_SCALE = 1e-12
_ZERO = (Fraction(0),) * len(BASE)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<name>(?:[^\W\d_⁰¹²³⁴⁵⁶⁷⁸⁹]|[%°])+)
    | (?P<raised>[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)
    | (?P<symbol>\*\*|[-+*/^()·⋅×−])
    )""",
    re.VERBOSE,
)
_SPELLINGS = {"**": "^", "·": "*", "⋅": "*", "×": "*", "−": "-"}
_LATEX = {"%": r"\%", "µ": r"\mu ", "μ": r"\mu ", "Ω": r"\Omega ", "Å": r"\AA ", "°": r"{}^\circ "}


@dataclass(frozen=True, eq=False)
class Unit:
    """A product of named units to rational powers, times a number.

    Parameters
    ----------
    factors : tuple of (str, Fraction)
        Symbols of the unit table with their exponents; symbols are distinct and exponents not 0.
    number : float
        Positive factor in front, such as the 100 of ``100 km``.

    Notes
    -----
    Two units are equal when they have the same dimension and, to 12 digits, the same scale. Unit checks
    compare dimensions alone (`same_dimension`): convert columns with `scale` before mixing km and m.

    Examples
    --------
    >>> Unit.parse("kg*m^2/s^2") == Unit.parse("J")
    True
    >>> Unit.parse("km/h").scale
    0.2777777777777778
    """

    factors: tuple[tuple[str, Fraction], ...] = ()
    number: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Unit:
        """Read a unit such as ``kg*m^2/s^2``, ``m s^-1``, ``m^(1/2)`` or ``µm``.

        ``1``, ``-`` and an empty text mean a pure number.

        Raises
        ------
        UnitError
            When the text holds an unknown unit (near matches are named) or can be read in two ways.
        """
        return _Reader(text).read()

    @classmethod
    def from_vector(cls, exponents: ArrayLike) -> Unit:
        """Unit of the base-unit exponents (m, kg, s, A, K, mol, cd), shape (7,)."""
        values = [_fraction(v) for v in np.asarray(exponents, dtype=object).reshape(-1)]
        if len(values) != len(BASE):
            raise UnitError(f"a unit vector holds {len(BASE)} exponents {BASE}, got {len(values)}")
        return _merge(zip(BASE, values, strict=True), 1.0)

    @cached_property
    def dimension(self) -> tuple[Fraction, ...]:
        """Exponents of m, kg, s, A, K, mol, cd."""
        total = list(_ZERO)
        for symbol, power in self.factors:
            for i, base in enumerate(look_up(symbol).exponents):
                total[i] += base * power
        return tuple(total)

    @cached_property
    def scale(self) -> float:
        """Size in SI base units: a value times this is the value in SI."""
        return self.number * math.prod(look_up(s).scale ** float(p) for s, p in self.factors)

    @property
    def vector(self) -> NDArray[np.float64]:
        """Exponents of m, kg, s, A, K, mol, cd as float64, shape (7,)."""
        return np.array([float(e) for e in self.dimension])

    @property
    def dimensionless(self) -> bool:
        """Whether all exponents vanish (rad, % and 1 are dimensionless)."""
        return self.dimension == _ZERO

    def same_dimension(self, other: Unit) -> bool:
        """Whether the exponents agree; scales may differ (km and m do agree)."""
        return self.dimension == other.dimension

    @property
    def si(self) -> Unit:
        """Same dimension written in SI base units, scale 1."""
        return _merge(zip(BASE, self.dimension, strict=True), 1.0)

    def __mul__(self, other: Unit) -> Unit:
        return _merge([*self.factors, *other.factors], self.number * other.number)

    def __truediv__(self, other: Unit) -> Unit:
        return self * other**-1

    def __pow__(self, power: float | Fraction) -> Unit:
        exponent = _fraction(power)
        return _merge(
            [(s, p * exponent) for s, p in self.factors], _finite_power(self.number, exponent, str(self))
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Unit):
            return NotImplemented
        return self.dimension == other.dimension and math.isclose(
            self.scale, other.scale, rel_tol=_SAME_SCALE
        )

    def __hash__(self) -> int:
        return hash(self.dimension)  # scales that are equal within rounding must hash alike

    def __str__(self) -> str:
        parts = [s if p == 1 else f"{s}^{p}" if p.denominator == 1 else f"{s}^({p})" for s, p in self.factors]
        number = "" if self.number == 1 else f"{self.number:.17g}" if parts else f"{self.number!r}"
        return " ".join(t for t in (number, "*".join(parts)) if t) or "1"

    def latex(self) -> str:
        """LaTeX with upright symbols and thin spaces; 1 for a number."""
        parts = [
            rf"\mathrm{{{''.join(_LATEX.get(c, c) for c in s)}}}" + ("" if p == 1 else f"^{{{p}}}")
            for s, p in self.factors
        ]
        if self.number != 1:
            mantissa, _, exponent = f"{self.number:.12g}".partition("e")
            parts.insert(0, mantissa + (rf" \cdot 10^{{{int(exponent)}}}" if exponent else ""))
        return r"\,".join(parts) or "1"


DIMENSIONLESS = Unit()
"""The unit of a pure number."""


def _merge(factors: Iterable[tuple[str, Fraction]], number: float) -> Unit:
    powers: dict[str, Fraction] = {}
    for symbol, power in factors:
        powers[symbol] = powers.get(symbol, Fraction(0)) + power
    kept = tuple((s, p) for s, p in powers.items() if p)
    if any(abs(p) > MAX_EXPONENT for _, p in kept):
        raise UnitError(f"a unit's exponent is beyond {MAX_EXPONENT}: {kept}")
    unit = Unit(kept, number)
    try:
        usable = math.isfinite(unit.scale) and unit.scale > 0
    except OverflowError:
        usable = False
    if not usable:
        raise UnitError(f"the scale of {unit} is no positive float64")
    return unit


def _finite_power(number: float, exponent: Fraction, where: str) -> float:
    try:
        return number ** float(exponent)
    except OverflowError:
        raise UnitError(f"the scale of ({where})^{exponent} is no positive float64") from None


def _fraction(value: Any) -> Fraction:
    """Exponent as a fraction: a float within 1e-9 of a small fraction is that fraction."""
    if isinstance(value, Fraction | int):
        return Fraction(value)
    number = float(value)
    if not math.isfinite(number):
        raise UnitError(f"a unit's exponent must be a finite number, got {value}")
    near = Fraction(number).limit_denominator(24)
    return near if abs(float(near) - number) <= 1e-9 * max(1.0, abs(number)) else Fraction(repr(number))


class _Reader:
    """Recursive descent over one unit text."""

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise UnitError(f"a unit is text such as 'm/s', got {type(text).__name__}")
        if len(text) > MAX_LENGTH:
            raise UnitError(f"a unit has at most {MAX_LENGTH} characters, got {len(text)}")
        self.text, self.at = text, 0
        self.tokens: list[tuple[str, str]] = []
        stripped = unicodedata.normalize("NFC", text).strip()  # the ohm and angstrom signs become letters
        position = 0
        while position < len(stripped):
            match = _TOKEN.match(stripped, position)
            if match is None:
                raise self.error(f"unexpected {stripped[position:].strip()[0]!r}")
            kind = str(match.lastgroup)
            self.tokens.append((kind, _SPELLINGS.get(match.group(kind), match.group(kind))))
            position = match.end()
        self.tokens.append(("end", ""))

    def error(self, message: str) -> UnitError:
        return UnitError(f"unit {self.text!r}: {message}")

    def read(self) -> Unit:
        if self.text.strip() in ("", "-", "dimensionless"):
            return DIMENSIONLESS
        unit = self.product(self.number() if self.tokens[0][0] == "number" else None)
        if self.tokens[self.at][0] != "end":
            raise self.error(f"unexpected {self.tokens[self.at][1]!r}")
        return unit

    def number(self) -> Unit:
        """Read the number in front."""
        value = float(self.tokens[0][1])
        self.at = 1
        if not (math.isfinite(value) and value > 0):
            raise self.error("the number in front must be positive")
        if self.tokens[1][1] == "^" or self.tokens[1][0] == "raised":
            raise self.error("a power of a number is not read; write the number itself")
        return Unit((), value)

    def product(self, left: Unit | None = None) -> Unit:
        divided = False
        left = self.power() if left is None else left
        while True:
            kind, value = self.tokens[self.at]
            if value in ("*", "/"):
                self.at += 1
                divided = divided or value == "/"
                right = self.power()
                left = left * right if value == "*" else left / right
            elif kind == "name" or value == "(":
                if divided:
                    raise self.error(
                        f"a space after '/' can be read in two ways; write a/(b*{value}) or a*{value}/b"
                    )
                left = left * self.power()
            else:
                return left

    def power(self) -> Unit:
        unit = self.atom()
        kind, value = self.tokens[self.at]
        if kind == "raised":
            self.at += 1
            return unit ** int(value.translate(_SUPERSCRIPTS))
        if value == "^":
            self.at += 1
            return unit ** self.exponent()
        if kind == "number" or value in ("-", "+"):
            raise self.error("a power is written with ^, as in m^2 or s^-1")
        return unit

    def atom(self) -> Unit:
        kind, value = self.tokens[self.at]
        self.at += 1
        if kind == "name":
            try:
                look_up(value)
            except UnitError as error:
                raise self.error(str(error)) from None
            return _merge([(value, Fraction(1))], 1.0)
        if value == "(":
            inner = self.product()
            self.expect(")")
            return inner
        if kind == "number":
            raise self.error("a number may only stand in front; a power such as a root is written m^(1/2)")
        raise self.error(f"expected a unit, found {value!r}" if value else "expected a unit, found the end")

    def expect(self, symbol: str) -> None:
        if self.tokens[self.at][1] != symbol:
            raise self.error(f"expected {symbol!r}, found {self.tokens[self.at][1] or 'the end'!r}")
        self.at += 1

    def exponent(self) -> Fraction:
        if self.tokens[self.at][1] == "(":
            self.at += 1
            value = self.signed()
            if self.tokens[self.at][1] == "/":
                self.at += 1
                below = self.signed()
                if below == 0:
                    raise self.error("an exponent divides by zero")
                value /= below
            self.expect(")")
            return value
        return self.signed()

    def signed(self) -> Fraction:
        sign = 1
        if self.tokens[self.at][1] in ("-", "+"):
            sign = -1 if self.tokens[self.at][1] == "-" else 1
            self.at += 1
        kind, value = self.tokens[self.at]
        # Fraction("1e9999") would build the integer: bound the value before it is made exact.
        if kind != "number" or not float(value) <= MAX_EXPONENT or "e" in value.lower():
            raise self.error(f"expected an exponent (a number up to {MAX_EXPONENT}), found {value!r}")
        self.at += 1
        return sign * Fraction(value)
