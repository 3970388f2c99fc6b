"""Pool of nodes for rewriting programs, and the rewriting that changes nothing."""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from symnum.synthesis._compile import kernel

DIGITS = 4
"""Significant digits of rewritten constants: as many as tokens hold."""

Nodes = namedtuple("Nodes", "op left right value key size lowest")
"""Pool of nodes: code (0 constant, negative variable), operands, value, hash, size, lowest variable."""
_NODES = "int64[::1], int64[::1], int64[::1], float64[::1], uint64[::1], int64[::1], int64[::1]"
REWRITE = f"UniTuple(int64, 2)(int64[::1], int64, float64[::1], int64, int64, {_NODES}, int64[::1])"
"""Signature of `leave` and of `symnum.synthesis._simplify.simplify`."""


def make_nodes(max_nodes: int) -> Nodes:
    """Room for one pass over a program of that length; a rule adds at most four nodes."""
    room = 5 * max_nodes
    return Nodes(
        *(
            np.zeros(room, t)
            for t in (np.int64, np.int64, np.int64, np.float64, np.uint64, np.int64, np.int64)
        )
    )


@kernel(REWRITE)
def leave(codes, begin, constants, count, digits, op, left, right, value, key, size, lowest, todo):
    """Rewriting that changes nothing; the answer is where the program begins and its number of constants."""
    return begin, count
