"""Formulas of the parts of a separable target, put together again or taken off one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product

import numpy as np

from symnum.exceptions import SymnumError
from symnum.expressions.expression import Expression
from symnum.search import constants
from symnum.search.separation import Group, Structure
from symnum.search.view import View, errors_through, original

_COMBINATIONS = 64
Forms = Callable[[View], list[Expression]]


def components(groups: Sequence[Group]) -> list[list[int]]:
    """Indices of groups that are connected by shared variables, together."""
    found: list[tuple[set[int], list[int]]] = []
    for k, group in enumerate(groups):
        touching = [c for c in found if c[0] & set(group)]
        merged = set(group).union(*(c[0] for c in touching))
        members = sorted([k, *(m for c in touching for m in c[1])])
        found = [c for c in found if c not in touching] + [(merged, members)]
    return [c[1] for c in found]


def part_views(view: View, structure: Structure) -> list[View]:
    """One small problem for each independent part: its variables, and the part's estimated values.

    For a product the values are those of the factor itself, up to its scale.
    """
    made = []
    for members in components(structure.groups):
        columns = sorted({j for k in members for j in structure.groups[k]})
        values = structure.parts[members].sum(axis=0)
        X = view.X[np.ix_(structure.rows, columns)]
        y = np.exp(np.clip(values, -300, 300)) if structure.log else values
        made.append(original(X, y, tuple(view.names[j] for j in columns)))
    return made


def assemble(
    view: View, structure: Structure, forms: Sequence[Sequence[Expression]], n_jobs: int
) -> Iterator[Expression]:
    """Sums or products of one formula for each part, all constants fitted together.

    Parameters
    ----------
    view : View
    structure : Structure
    forms : sequence of sequence of Expression
        Candidates for each of `part_views`, best first.
    n_jobs : int
        Threads.
    """
    if any(not f for f in forms) or len(forms) < 2:
        return
    choices = sorted(product(*(range(len(f)) for f in forms)), key=lambda c: (sum(c), c))
    made: list[Expression] = []
    for choice in choices[:_COMBINATIONS]:
        chosen = [f[k].with_names(view.names) for f, k in zip(forms, choice, strict=True)]
        try:
            made.append(_joined(chosen, structure.log, view))
        except SymnumError:
            continue
    rows = view.rows(400)
    yield from constants.refit(made, view.X[rows], view.y[rows], None, n_jobs)


def _joined(parts: Sequence[Expression], log: bool, view: View) -> Expression:
    whole = parts[0]
    for part in parts[1:]:
        whole = whole * part if log else whole + part
    rows = view.rows(400)
    with np.errstate(all="ignore"):
        values = whole.evaluate(view.X[rows])
    if log:
        # Only |y| was decomposed: the sign and the scale come from the data.
        scale = float(np.median(np.abs(view.y[rows]) / np.maximum(np.abs(values), 1e-300)))
        sign = 1.0 if float(np.sum(values * view.y[rows])) >= 0 else -1.0
        return (sign * scale) * whole
    return whole + float(np.mean(view.y[rows] - values))


def peel(view: View, structure: Structure, which: Sequence[int], forms: Sequence[Expression]) -> View | None:
    """What is left when some parts are known: their variables are gone, y is divided by or less them."""
    parts = components(structure.groups)
    gone = {j for w in which for k in parts[w] for j in structure.groups[k]}
    keep = [j for j in range(len(view.names)) if j not in gone]
    known = forms[0].with_names(view.names)
    for form in forms[1:]:
        form = form.with_names(view.names)
        known = known * form if structure.log else known + form
    with np.errstate(all="ignore"):
        values = known.evaluate(view.X)
        y = view.y / values if structure.log else view.y - values
    if not keep or not np.all(np.isfinite(y)) or np.ptp(y) == 0:
        return None

    def restore(e: Expression) -> Expression:
        e = e.with_names(view.names)
        return view.restore(e * known if structure.log else e + known)

    names = tuple(view.names[j] for j in keep)
    step = ("divided by " if structure.log else "less ") + known.text(4)
    scale = errors_through(view, np.abs(values)) if structure.log else view.scale
    return View(view.X[:, keep], y, names, restore, (*view.path, step), scale)
