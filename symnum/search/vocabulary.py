"""Words that units suggest: distances, norms and differences of like columns as columns of their own.

QDSR (Bruneton 2025) puts such combinations into its alphabet: a target gets shorter by more than the larger
alphabet costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.expression import Expression
from symnum.search.view import View

MOST = 8
"""Columns that are added at most: distances and norms first, then differences."""


def enlarged(view: View) -> View | None:
    """The view with combinations of like columns beside its own; None when there are none.

    Parameters
    ----------
    view : View
        With dimensions; columns of pure numbers are not combined.
    """
    if view.dims is None:
        return None
    columns, target = view.dims
    added: list[tuple[Expression, NDArray[np.int16]]] = []
    groups = _groups(columns)
    for words in (_distances, _norms, _differences):
        for group in groups:
            added += [(word, columns[group[0]]) for word in words(view.variables, group)]
    kept: list[tuple[str, Expression, NDArray[np.float64], NDArray[np.int16]]] = []
    for word, dims in added:
        with np.errstate(all="ignore"):
            values = word.evaluate(view.X)
        if len(kept) < MOST and np.all(np.isfinite(values)) and np.ptp(values) > 1e-9 * np.abs(values).max():
            kept.append((_name(len(kept), view.names), word, values, dims))
    if not kept:
        return None
    names = (*view.names, *(name for name, *_ in kept))
    meaning = {name: word for name, word, *_ in kept}

    def restore(e: Expression) -> Expression:
        return view.restore(e.with_names(names).substitute(meaning).with_names(view.names))

    X = np.column_stack([view.X, *(values for _, _, values, _ in kept)])
    dims = np.concatenate([columns, np.stack([d for *_, d in kept])])
    words_ = "with " + ", ".join(str(word) for word in meaning.values())
    return View(X, view.y, names, restore, (*view.path, words_), view.scale, (dims, target))


def _groups(columns: NDArray[np.int16]) -> list[list[int]]:
    """Columns of one dimension, pure numbers left out, in groups of two or more."""
    found: dict[bytes, list[int]] = {}
    for j, row in enumerate(columns):
        if row.any():
            found.setdefault(row.tobytes(), []).append(j)
    return [group for group in found.values() if len(group) > 1]


def _norm(parts: list[Expression]) -> Expression:
    total = parts[0] ** 2
    for part in parts[1:]:
        total = total + part**2
    return Expression.apply("sqrt", total)


def _distances(x: list[Expression], group: list[int]) -> Iterator[Expression]:
    """Distances of two points in a plane, for each way that four columns can be two points."""
    if len(group) == 4:
        a, *rest = group
        for b in rest:
            c, d = (k for k in rest if k != b)
            yield _norm([x[a] - x[b], x[c] - x[d]])


def _norms(x: list[Expression], group: list[int]) -> Iterator[Expression]:
    """Norms of two or three columns, and the leg of a right triangle."""
    if len(group) <= 3:
        for count in range(2, len(group) + 1):
            for some in combinations(group, count):
                yield _norm([x[j] for j in some])
        for a, b in combinations(group, 2):
            yield Expression.apply("sqrt", x[a] ** 2 - x[b] ** 2)
            yield Expression.apply("sqrt", x[b] ** 2 - x[a] ** 2)


def _differences(x: list[Expression], group: list[int]) -> Iterator[Expression]:
    for a, b in combinations(group, 2):
        yield x[a] - x[b]


def _name(index: int, names: tuple[str, ...]) -> str:
    head = "w"
    while any(n.startswith(head) for n in names):
        head += "_"
    return f"{head}{index}"
