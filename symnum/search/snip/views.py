"""Other problems with the same answer, perhaps easier for a network: other targets, fewer variables, rest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from symnum.expressions.expression import Expression
from symnum.search.bank import quietly
from symnum.search.reduction import propose
from symnum.search.transforms import TRANSFORMS, Transform
from symnum.search.view import View

_TARGETS = ("log", "square")
_INVERSE = Transform("inverse", lambda y: 1 / y, lambda y: True, lambda e: 1.0 / e, lambda y: 1 / (y * y))
_DEEPEST = 6


def other_targets(view: View) -> list[View]:
    """Views of the logarithm, the square and the inverse of the target, where each of them is one to one."""
    made = []
    for transform in (*(t for t in TRANSFORMS if t.name in _TARGETS), _INVERSE):
        t = transform.apply(view.y)
        if t is not None:
            made.append(_with_target(view, t, transform.inverse, transform.name))
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
        Asked before every hypothesis of a reduction.
    """
    found: list[View] = []
    queue = [(0, view)]
    seen: set[frozenset[str]] = set()
    while queue and len(found) < most and not stop():
        depth, current = queue.pop(0)
        for proposal in quietly(lambda v=current, k=1 if depth else 2: propose(v, k, stop=stop)):
            key = frozenset(proposal.view.path)
            if key not in seen and len(found) < most:
                seen.add(key)
                found.append(proposal.view)
                if depth + 1 < _DEEPEST:
                    queue.append((depth + 1, proposal.view))
    return found


def remainders(view: View, e: Expression) -> list[View]:
    """Views of what a formula leaves: the difference to the target, and the ratio where that is finite."""
    with np.errstate(all="ignore"):
        values = e.evaluate(view.X)
        rest, ratio = view.y - values, view.y / values
    made = []
    if np.all(np.isfinite(rest)) and np.ptp(rest) > 1e-12 * np.ptp(view.y):
        made.append(_with_target(view, rest, lambda part: e + part.with_names(e.names), "rest"))
    if np.all(np.isfinite(ratio)) and np.ptp(ratio) > 1e-12 * np.abs(ratio).max():
        made.append(_with_target(view, ratio, lambda part: e * part.with_names(e.names), "ratio"))
    return made
