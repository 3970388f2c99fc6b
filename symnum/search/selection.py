"""Which formula of a Pareto front to return."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.search.candidate import Candidate
from symnum.search.mdl import PRECISION

RULES = ("best", "mdl", "bic", "score", "accuracy")
"""Selection rules; "best" is "mdl"."""


def scores(front: Sequence[Candidate]) -> NDArray[np.float64]:
    """PySR's score of each entry: fall of log loss for each node added."""
    result = np.zeros(len(front))
    for i in range(1, len(front)):
        low, high = max(front[i].loss, 1e-300), max(front[i - 1].loss, 1e-300)
        result[i] = -(np.log(low) - np.log(high)) / (front[i].complexity - front[i - 1].complexity)
    return result


def select(front: Sequence[Candidate], rule: str, rows: int, scale: float, power: int = 2) -> int:
    """Index of the chosen entry.

    Parameters
    ----------
    front : sequence of Candidate
    rule : str
        One of `RULES`.
    rows : int
        Rows that the losses speak for.
    scale : float
        Size of the target.
    power : int
        The loss grows like this power of an error.

    Raises
    ------
    InvalidInput
        For an unknown rule or an empty front.
    """
    if rule not in RULES:
        raise InvalidInput(f"model_selection={rule!r} is unknown; choose one of {', '.join(RULES)}")
    if not front:
        raise InvalidInput("nothing was found to select from")
    losses = np.array([c.loss for c in front])
    if rule == "accuracy":
        return int(np.argmin(losses))
    if rule == "score":
        good = losses <= 1.5 * losses.min()
        return int(np.argmax(np.where(good, scores(front), -np.inf)))
    if rule == "bic":
        floor = max((PRECISION * scale) ** power, 1e-300)
        count = np.array([c.complexity for c in front])
        misfit = rows * np.log(np.maximum(losses, floor)) * (2 / power)
        return int(np.argmin(misfit + np.log(max(rows, 2)) * count))
    return int(np.argmin([c.bits for c in front]))
