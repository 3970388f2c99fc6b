"""Benchmark formulas kept out of training data, found by the value-hash of their skeletons.

Two formulas have the same skeleton when they are the same function up to the values of their constants, an
added constant and a factor of the whole, and the names of the variables: ``0.3 - 2*x1*x0**2`` is ``m*c**2``.
Constants that meet are merged first (``2*(x + 3*y + 1) - 5`` is ``x + y + 1``), a difference counts as a sum.
Skeletons are compared in two ways, with products multiplied out and with products as they stand; either match
counts. An added constant inside a function counts: ``sqrt(1 + x)`` is not ``sqrt(x)``. Simple fractions in
exponents are part of the skeleton. Rare coincidences are possible where functions agree whenever all
variables but two are equal; they exclude too much, never too little.

The list ships as ``benchmark_hashes.json``; ``benchmarks/exclusion_list.py`` writes it from the catalogues of
the repository.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions.expression import Expression

LIST = Path(__file__).with_name("benchmark_hashes.json")
FORMAT, VERSION = "symnum-benchmark-skeletons", 1


def skeleton_hashes(expressions: Sequence[Expression]) -> NDArray[np.uint64]:
    """Hashes of skeletons, shape (n, 2, 2): multiplied out and as they stand, quick and full ones.

    0 where there is none: formulas of more than ten variables, without variables or too large.
    """
    from symnum.synthesis._skeletons import PROBES, hash_skeleton, make_skeleton

    few, many = make_skeleton(2), make_skeleton(PROBES)
    hashes = np.zeros((len(expressions), 2, 2), np.uint64)
    for i, e in enumerate(expressions):
        # Only variables that occur count, numbered without gaps.
        place = {v: k for k, v in enumerate(e.variables)}
        codes = np.array([c if c >= 0 else -place[-c - 1] - 1 for c in e.codes.tolist()], np.int64)
        constants = e.constants.copy()
        for way in range(2) if place else ():
            hashes[i, way, 0] = hash_skeleton(codes, 0, constants, len(place), way == 0, False, *few)
            hashes[i, way, 1] = hash_skeleton(codes, 0, constants, len(place), way == 0, True, *many)
    return hashes


@cache
def benchmark_list() -> dict[int, tuple[str, ...]]:
    """Full hash of every excluded skeleton, either way, and the benchmark formulas that have it."""
    return {full: names for _, full, names in _entries()}


def benchmark_names(expression: Expression) -> tuple[str, ...]:
    """Benchmark formulas with the same skeleton as the expression; empty when there are none.

    Examples
    --------
    >>> benchmark_names(Expression.parse("0.3 - 2.5*a*b"))[:1]
    ('feynman/I.12.1',)
    """
    found: set[str] = set()
    for full in skeleton_hashes([expression])[0, :, 1].tolist():
        found.update(benchmark_list().get(full, ()))
    return tuple(sorted(found))


@cache
def hash_arrays() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Quick and full hashes, each sorted, for the kernels."""
    entries = _entries()
    quick = np.unique(np.array([e[0] for e in entries], np.uint64))
    return quick, np.unique(np.array([e[1] for e in entries], np.uint64))


@cache
def _entries() -> tuple[tuple[int, int, tuple[str, ...]], ...]:
    data = json.loads(LIST.read_text(encoding="utf-8"))
    if data.get("format") != FORMAT or data.get("version") != VERSION:
        raise InvalidInput(
            f"{LIST.name} is no list of benchmark skeletons of version {VERSION}; reinstall the package"
        )
    names = data["names"]
    return tuple(
        (int(quick, 16), int(full, 16), tuple(names[k] for k in places))
        for quick, full, places in data["skeletons"]
    )
