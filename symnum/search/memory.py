"""How much memory a search may use: what the limit of the process leaves beside libraries and table."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from symnum.exceptions import InvalidInput

JOIN, READOUT, LIBRARY, PLAIN = 3_000, 22_000, 12_000, 40_000
"""Bytes of a bank element at the peak of a stage: 650 to 2,100, 12,300 to 17,700, 6,300 measured, and more.

Columns of 36, 256, 200 and 1,000 numbers are the smaller part: beside them stand copies in other forms. Joins
are measured with threads, two transforms at a time: the number of threads must not decide the result.
"""
_BASE = 550_000_000
"""Python, libraries and compiled code (300 to 330 MB), and what a stage takes at any size (up to 240 MB)."""
_LEAST = 140_000_000
_COPIES = 3
"""The table as given, as contiguous float64, and the copies of a moment (its sizes, its units changed)."""
_UNITS = {"": 1, "b": 1} | {
    p + e: f**k for k, p in enumerate("kmgt", start=1) for e, f in (("", 1000), ("b", 1000), ("ib", 1024))
}
_TEXT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", re.IGNORECASE)


def read_memory(given: Any) -> float:
    """Bytes from a number of bytes or a text such as "2GB" or "1.5 GiB".

    Raises
    ------
    InvalidInput
        For anything else, and for what is not positive.
    """
    if isinstance(given, str):
        found = _TEXT.fullmatch(given)
        factor = _UNITS.get(found[2].lower()) if found else None
        value = float(found[1]) * factor if found and factor else 0.0
    else:
        number = isinstance(given, int | float | np.integer | np.floating) and not isinstance(given, bool)
        value = float(given) if number else 0.0
    if not 0 < value < float("inf"):
        raise InvalidInput(
            f"max_memory must be a number of bytes or a text such as '2GB' or '1.5GiB', got {given!r}"
        )
    return value


def search_room(max_memory: Any, X: Any) -> float | None:
    """Bytes that a search may use for its columns, None without a limit.

    It is worked out, not measured: the same limit gives the same search, whatever else the process holds.

    Parameters
    ----------
    max_memory : int, float, str or None
        Limit of the process, as `read_memory` reads it.
    X : array_like
        Table as it was given.

    Raises
    ------
    InvalidInput
        When the table leaves too little for a search.
    """
    if max_memory is None:
        return None
    table = 8.0 * np.size(X)
    room = read_memory(max_memory) - _BASE - _COPIES * table
    if room < _LEAST:
        least = _BASE + _LEAST + _COPIES * table
        raise InvalidInput(
            f"max_memory={max_memory!r} is too small: a table of {table / 1e6:,.0f} MB needs at least "
            f"{np.ceil(least / 1e7) / 100:.2f}GB ({_BASE / 1e6:.0f} MB for libraries, {_COPIES} copies of "
            f"the table, {_LEAST / 1e6:.0f} MB for the search); raise it, or fit a sample of the rows"
        )
    return room
