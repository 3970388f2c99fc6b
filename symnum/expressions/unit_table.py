"""The units that text may use: SI base and derived units, units accepted beside them, and SI prefixes."""

from __future__ import annotations

import math
from difflib import get_close_matches
from functools import lru_cache
from typing import NamedTuple

from symnum.exceptions import UnitError

BASE = ("m", "kg", "s", "A", "K", "mol", "cd")
"""Base units, in the order of a unit's exponents."""


class TableUnit(NamedTuple):
    """Scale to SI base units and the exponents of m, kg, s, A, K, mol, cd."""

    scale: float
    exponents: tuple[int, ...]


def _unit(
    scale: float, m: int = 0, kg: int = 0, s: int = 0, A: int = 0, K: int = 0, mol: int = 0, cd: int = 0
) -> TableUnit:
    return TableUnit(scale, (m, kg, s, A, K, mol, cd))


PREFIXES = {
    "Q": 1e30, "R": 1e27, "Y": 1e24, "Z": 1e21, "E": 1e18, "P": 1e15, "T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3,
    "h": 1e2, "da": 1e1, "d": 1e-1, "c": 1e-2, "m": 1e-3, "µ": 1e-6, "μ": 1e-6,
    "u": 1e-6, "n": 1e-9, "p": 1e-12,
    "f": 1e-15, "a": 1e-18, "z": 1e-21, "y": 1e-24, "r": 1e-27, "q": 1e-30,
}  # fmt: skip
"""SI prefixes; micro in its three spellings."""

_AU = 149_597_870_700.0
_OHM = _unit(1, 2, 1, -3, -2)
_DAY, _YEAR = _unit(86_400, s=1), _unit(31_557_600, s=1)
_LITRE = _unit(1e-3, 3)

PREFIXED = {
    "m": _unit(1, 1), "g": _unit(1e-3, kg=1), "s": _unit(1, s=1), "A": _unit(1, A=1), "K": _unit(1, K=1),
    "mol": _unit(1, mol=1), "cd": _unit(1, cd=1), "rad": _unit(1), "sr": _unit(1),
    "Hz": _unit(1, s=-1), "N": _unit(1, 1, 1, -2), "Pa": _unit(1, -1, 1, -2), "J": _unit(1, 2, 1, -2),
    "W": _unit(1, 2, 1, -3), "C": _unit(1, s=1, A=1), "V": _unit(1, 2, 1, -3, -1),
    "F": _unit(1, -2, -1, 4, 2),
    "ohm": _OHM, "Ω": _OHM, "S": _unit(1, -2, -1, 3, 2), "Wb": _unit(1, 2, 1, -2, -1),
    "T": _unit(1, 0, 1, -2, -1), "H": _unit(1, 2, 1, -2, -2), "lm": _unit(1, cd=1), "lx": _unit(1, -2, cd=1),
    "Bq": _unit(1, s=-1), "Gy": _unit(1, 2, 0, -2), "Sv": _unit(1, 2, 0, -2), "kat": _unit(1, s=-1, mol=1),
    "L": _LITRE, "l": _LITRE, "bar": _unit(1e5, -1, 1, -2), "eV": _unit(1.602176634e-19, 2, 1, -2),
    "pc": _unit(_AU * 648_000 / math.pi, 1), "yr": _YEAR, "cal": _unit(4.184, 2, 1, -2),
    "Wh": _unit(3600, 2, 1, -2), "Ah": _unit(3600, s=1, A=1),
}  # fmt: skip
"""Units that take SI prefixes. A year is the Julian year, a calorie the thermochemical one."""

PLAIN = {
    "%": _unit(1e-2), "ppm": _unit(1e-6), "deg": _unit(math.pi / 180), "°": _unit(math.pi / 180),
    "arcmin": _unit(math.pi / 10_800), "arcsec": _unit(math.pi / 648_000),
    "sec": _unit(1, s=1), "min": _unit(60, s=1), "h": _unit(3600, s=1), "hr": _unit(3600, s=1),
    "hour": _unit(3600, s=1), "d": _DAY, "day": _DAY, "year": _YEAR,
    "t": _unit(1e3, kg=1), "kt": _unit(1e6, kg=1), "Mt": _unit(1e9, kg=1), "Gt": _unit(1e12, kg=1),
    "AU": _unit(_AU, 1), "au": _unit(_AU, 1), "ly": _unit(9_460_730_472_580_800, 1), "Å": _unit(1e-10, 1),
    "angstrom": _unit(1e-10, 1), "ha": _unit(1e4, 2), "atm": _unit(101_325, -1, 1, -2),
    "mmHg": _unit(133.322387415, -1, 1, -2), "Torr": _unit(101_325 / 760, -1, 1, -2),
}  # fmt: skip
"""Units without prefixes (the tonne has its common ones: ft or pt would be misread)."""

REFUSED = {
    "degC": "temperatures with an offset are not units: convert to K (differences are in K already)",
    "°C": "temperatures with an offset are not units: convert to K (differences are in K already)",
    "degF": "temperatures with an offset are not units: convert to K",
    "°F": "temperatures with an offset are not units: convert to K",
    "dB": "decibels are logarithms: convert to a linear quantity, or write 1",
    "pH": "acidity is a logarithm and a pure number: write 1 (for picohenry write 1e-12 H)",
}
"""Spellings that have no multiplicative meaning or two meanings."""

_WORDS = {
    "meter": "m", "metre": "m", "meters": "m", "metres": "m", "gram": "g", "kilogram": "kg", "second": "s",
    "seconds": "s", "minute": "min", "minutes": "min", "hours": "h", "days": "d", "years": "yr",
    "ampere": "A",
    "amp": "A", "kelvin": "K", "candela": "cd", "mole": "mol", "newton": "N", "joule": "J", "watt": "W",
    "volt": "V", "pascal": "Pa", "hertz": "Hz", "coulomb": "C", "tesla": "T", "farad": "F", "henry": "H",
    "litre": "L", "liter": "L", "degree": "deg", "degrees": "deg", "radian": "rad", "radians": "rad",
    "percent": "%", "parsec": "pc", "celsius": "K", "tonne": "t",
}  # fmt: skip


@lru_cache(maxsize=4096)
def look_up(symbol: str) -> TableUnit:
    """Unit of a symbol, the whole symbol before prefix and unit; raises UnitError when it is not known."""
    if symbol in REFUSED:
        raise UnitError(REFUSED[symbol])
    found = PLAIN.get(symbol) or PREFIXED.get(symbol)
    if found is not None:
        return found
    for length in (2, 1):
        prefix, rest = symbol[:length], symbol[length:]
        if prefix in PREFIXES and rest in PREFIXED:
            unit = PREFIXED[rest]
            # kg is the base unit: 1000 * 0.001 is exactly 1.
            return TableUnit(PREFIXES[prefix] * unit.scale, unit.exponents)
    raise UnitError(_explain_unknown(symbol))


def _explain_unknown(symbol: str) -> str:
    """Why a symbol is not read, with near matches."""
    known = [*PLAIN, *PREFIXED, *(p + u for p in PREFIXES for u in PREFIXED)]
    near = [_WORDS[symbol.lower()]] if symbol.lower() in _WORDS else []
    near += [k for k in known if k.lower() == symbol.lower()]
    near += get_close_matches(symbol, [*PLAIN, *PREFIXED, *(f"k{u}" for u in PREFIXED)], n=3, cutoff=0.5)
    hint = f" Did you mean {', '.join(dict.fromkeys(near[:5]))}?" if near else ""
    return (
        f"unknown unit {symbol!r}.{hint} Known: SI base and derived units with prefixes, "
        f"{', '.join(PLAIN)}; 1 for a pure number"
    )
