"""Which functions occurred before, in memory that does not grow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SLOTS = 2**22


class SeenFunctions:
    """Memory of the value-hashes of a run, 32 MiB.

    Each hash has one slot, and a later one takes it over: a function that occurred is recognised until
    another of the same slot comes, so nothing is ever called seen wrongly, and a repetition is missed with a
    probability of about the number of functions in between over four million.
    """

    def __init__(self) -> None:
        self._slots = np.zeros(SLOTS, np.uint64)

    def new(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Whether each hash is new; all become known, in their order."""
        order = np.zeros(hashes.size, np.bool_)
        order[np.unique(hashes, return_index=True)[1]] = True
        slot = hashes % np.uint64(SLOTS)
        fresh = order & (self._slots[slot] != hashes)
        self._slots[slot] = hashes
        return fresh
