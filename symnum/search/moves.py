"""Changes of a formula that no derivative predicts: parts left out, wrapped in a function, exchanged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.operators import CONSTANT, OPERATORS
from symnum.search.programs import Program, derivatives, folded, spans

_ADD, _MUL = OPERATORS["add"].code, OPERATORS["mul"].code
_MOST_SWAPS = 60


def deletions(program: Program, X: NDArray[np.float64]) -> list[Program]:
    """Programs with a part replaced by one of its arguments or by a number.

    Parameters
    ----------
    program : Program
    X : ndarray (d, n)
        Rows whose median value of the part is that number.
    """
    codes = program.codes
    begins, firsts = spans(codes)
    node_values = derivatives(program, X)[3]
    made = []
    for at, code in enumerate(codes):
        if code == CONSTANT or (at == len(codes) - 1 and code < 0):
            continue
        parts = [Program([CONSTANT], [float(np.median(node_values[at]))])]
        child = at - 1
        for _ in range(OPERATORS.by_code[code].arity if code > 0 else 0):
            parts.append(_part(program, begins[child], firsts[child], child))
            child = begins[child] - 1
        made += [folded(_replaced(program, begins[at], firsts[at], at, part)) for part in parts]
    return made


def wrappings(program: Program, unary: Sequence[str]) -> list[Program]:
    """Programs with a function of a part in the place of the part, alone and as ``a*h(part) + b``."""
    codes = program.codes
    begins, firsts = spans(codes)
    made = []
    for at, code in enumerate(codes):
        if code == CONSTANT or len(codes) == 1:
            continue
        part = _part(program, begins[at], firsts[at], at)
        around = [codes[p] for p in range(at + 1, len(codes)) if begins[p] <= at]
        for name in unary:
            h = OPERATORS[name].code
            if h in part.codes or h in around:
                continue  # a function of itself is hardly ever meant
            for tail, values in (([], []), ([CONSTANT, _MUL, CONSTANT, _ADD], [1.0, 0.0])):
                new = Program([*part.codes, h, *tail], [*part.constants, *values])
                made.append(_replaced(program, begins[at], firsts[at], at, new))
    return made


def exchanges(program: Program, d: int, rng: np.random.Generator) -> list[Program]:
    """Programs with one variable exchanged for another, a random choice where there are very many."""
    places = [
        (at, j) for at, code in enumerate(program.codes) if code < 0 for j in range(d) if -code - 1 != j
    ]
    if len(places) > _MOST_SWAPS:
        places = [places[k] for k in np.sort(rng.permutation(len(places))[:_MOST_SWAPS])]
    return [
        Program([*program.codes[:at], -(j + 1), *program.codes[at + 1 :]], program.constants)
        for at, j in places
    ]


def _part(program: Program, begin: int, first: int, end: int) -> Program:
    codes = program.codes[begin : end + 1]
    return Program(codes, program.constants[first : first + codes.count(CONSTANT)])


def _replaced(program: Program, begin: int, first: int, end: int, part: Program) -> Program:
    codes, constants = program
    last = first + codes[begin : end + 1].count(CONSTANT)
    return Program(
        [*codes[:begin], *part.codes, *codes[end + 1 :]],
        [*constants[:first], *part.constants, *constants[last:]],
    )
