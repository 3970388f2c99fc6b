"""Benchmark formulas kept out of training data, found by the value-hash of their skeletons.

Two formulas have the same skeleton when they are the same function up to the values of their constants, an
added constant and a factor of the whole, and the names of the variables: ``0.3 - 2*x1*x0**2`` is ``m*c**2``.
Constants that meet are merged first (``2*(x + 3*y + 1) - 5`` is ``x + y + 1``), products are multiplied out,
a difference counts as a sum. An added constant inside a function counts: ``sqrt(1 + x)`` is not ``sqrt(x)``.
Simple fractions in exponents are part of the skeleton. Rare coincidences are possible where functions agree
whenever all variables but two are equal; they exclude too much, never too little.

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
    """Two hashes of each skeleton, shape (n, 2): a quick one and the full one; 0 where there is none.

    Formulas of more than ten variables, without variables or too large have none. Equal skeletons have equal
    hashes.
    """
    from symnum.synthesis._skeletons import PROBES, hash_skeleton, make_skeleton

    few, many = make_skeleton(2), make_skeleton(PROBES)
    hashes = np.zeros((len(expressions), 2), np.uint64)
    for i, e in enumerate(expressions):
        # Only variables that occur count, numbered without gaps.
        place = {v: k for k, v in enumerate(e.variables)}
        codes = np.array([c if c >= 0 else -place[-c - 1] - 1 for c in e.codes.tolist()], np.int64)
        if place:
            constants = e.constants.copy()
            hashes[i, 0] = hash_skeleton(codes, 0, constants, len(place), False, *few)
            hashes[i, 1] = hash_skeleton(codes, 0, constants, len(place), True, *many)
    return hashes


@cache
def benchmark_list() -> dict[int, tuple[str, ...]]:
    """Full hash of every excluded skeleton, and the benchmark formulas that have it."""
    return {full: names for _, full, names in _entries()}


def benchmark_names(expression: Expression) -> tuple[str, ...]:
    """Benchmark formulas with the same skeleton as the expression; empty when there are none.

    Examples
    --------
    >>> benchmark_names(Expression.parse("0.3 - 2.5*a*b"))[:1]
    ('feynman/I.12.1',)
    """
    return benchmark_list().get(int(skeleton_hashes([expression])[0, 1]), ())


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
    return tuple((int(e["quick"], 16), int(e["full"], 16), tuple(e["names"])) for e in data["skeletons"])
