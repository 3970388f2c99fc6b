"""Elements of a bank as they are, for lists of operators that allow no factor in front of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.expression import Expression
from symnum.search.approximate import bank_on
from symnum.search.bank import Bank

_PER_COST = 3


def plain(
    bank: Bank, X: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray[np.float64] | None
) -> Iterator[Expression]:
    """The elements nearest to y of each cost, as they are and with a constant added.

    Parameters
    ----------
    bank : Bank
    X, y, weights : ndarray (n, d), (n,), (n,) or None
        Rows that decide.
    """
    values = bank_on(bank, X, bank.size)
    share = np.full(len(y), 1 / len(y)) if weights is None else weights / weights.sum()
    with np.errstate(all="ignore"):
        gap = y - values
        shift = gap @ share
        left = (gap - shift[:, None]) ** 2 @ share
        raw = gap**2 @ share
    for cost in np.unique(bank.cost[: bank.size]):
        members = np.flatnonzero(bank.cost[: bank.size] == cost)
        for loss, shifted in ((raw, False), (left, True)):
            good = members[np.isfinite(loss[members])]
            for k in good[np.argsort(loss[good], kind="stable")[:_PER_COST]]:
                e = bank.expression(int(k))
                yield e + float(shift[k]) if shifted else e
