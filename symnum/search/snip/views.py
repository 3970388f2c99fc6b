"""Other problems with the same answer, which a network may find easier: other targets, fewer variables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from symnum.expressions.expression import Expression
from symnum.search.bank import quietly
from symnum.search.reduction import propose
from symnum.search.transforms import TRANSFORMS
from symnum.search.view import View

_TARGETS = ("log", "square")
_DEEPEST = 6


def other_targets(view: View) -> list[View]:
    """Views of the logarithm, the square and the inverse of the target, where each of them is one to one."""
    made = []
    for transform in TRANSFORMS:
        t = transform.apply(view.y) if transform.name in _TARGETS else None
        if t is not None:
            made.append(_with_target(view, t, transform.inverse, transform.name))
    with np.errstate(all="ignore"):
        inverse = 1 / view.y
    if np.all(np.isfinite(inverse)) and np.ptp(inverse) > 1e-9 * np.abs(inverse).max():
        made.append(_with_target(view, inverse, lambda e: 1.0 / e, "inverse"))
    return made


def _with_target(view: View, y: np.ndarray, inverse: Callable[[Expression], Expression], name: str) -> View:
    return View(view.X, y, view.names, lambda e: view.restore(inverse(e)), (*view.path, name))


def reduced(view: View, most: int, stop: Callable[[], bool] = lambda: False) -> list[View]:
    """Views of fewer variables, found by regression (`symnum.search.reduction.propose`).

    The two likeliest first reductions are followed, of each result the likeliest next one.

    Parameters
    ----------
    view : View
    most : int
        Views at most.
    stop : callable
        Asked before every reduction.
    """
    found: list[View] = []
    queue = [(0, view)]
    seen: set[frozenset[str]] = set()
    while queue and len(found) < most and not stop():
        depth, current = queue.pop(0)
        for proposal in quietly(lambda v=current, k=1 if depth else 2: propose(v, k)):
            key = frozenset(proposal.view.path)
            if key not in seen and len(found) < most:
                seen.add(key)
                found.append(proposal.view)
                if depth + 1 < _DEEPEST:
                    queue.append((depth + 1, proposal.view))
    return found
