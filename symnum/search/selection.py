"""Which formula of a Pareto front to return."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.search.candidate import Candidate

RULES = ("best", "mdl", "bic", "score", "accuracy")
"""Selection rules; "best" is "mdl"."""
_PRECISION = 3e-12
"""Relative error that double arithmetic leaves in a formula: smaller errors are no better."""


def scores(front: Sequence[Candidate]) -> NDArray[np.float64]:
    """PySR's score of each entry: fall of log loss for each node added."""
    result = np.zeros(len(front))
    for i in range(1, len(front)):
        low, high = max(front[i].loss, 1e-300), max(front[i - 1].loss, 1e-300)
        result[i] = -(np.log(low) - np.log(high)) / (front[i].complexity - front[i - 1].complexity)
    return result


def constant_bits(value: float, rows: int) -> float:
    """Description length of one constant: whole numbers by their size, others to the data's precision."""
    if value == int(value) and abs(value) < 1e9:
        return 1.0 + np.log2(1.0 + abs(value))
    return 2.0 + 0.5 * np.log2(max(rows, 2)) + 3.0


def description_length(candidate: Candidate, rows: int, scale: float) -> float:
    """Bits for the formula plus bits for the residuals (MDL, two-part code).

    Parameters
    ----------
    candidate : Candidate
    rows : int
        Rows that the loss was computed on.
    scale : float
        Root mean square of the target: its rounding bounds the residual code.
    """
    expression = candidate.expression
    alphabet = 12 + len(expression.variables)
    structure = len(expression) * np.log2(alphabet)
    numbers = sum(constant_bits(float(c), rows) for c in expression.constants)
    floor = (_PRECISION * scale) ** 2
    return structure + numbers + 0.5 * rows * np.log2(max(candidate.loss, floor, 1e-300))


def select(front: Sequence[Candidate], rule: str, rows: int, scale: float) -> int:
    """Index of the chosen entry.

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
        floor = max((_PRECISION * scale) ** 2, 1e-300)
        count = np.array([c.complexity for c in front])
        return int(np.argmin(rows * np.log(np.maximum(losses, floor)) + np.log(max(rows, 2)) * count))
    return int(np.argmin([description_length(c, rows, scale) for c in front]))
