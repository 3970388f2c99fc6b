"""From the weights of a network to the formula that it computes, and fewer weights first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput, SymnumError
from symnum.expressions.expression import Expression
from symnum.search import forms
from symnum.search.dysymnet.architecture import Architecture
from symnum.search.dysymnet.functions import FUNCTIONS
from symnum.search.dysymnet.network import Layout

MOST_NODES = 400
"""Longest formula that is written out: a dense network is one of tens of thousands of nodes."""

Value = Expression | float
"""What a unit computes: a formula, or a number where none of its inputs is left."""


def read_out(
    a: Architecture,
    layout: Layout,
    weights: NDArray[np.float64],
    inputs: Sequence[Value],
    plain: bool = False,
    most: int = MOST_NODES,
) -> Expression | None:
    """Formula of a network; None when it is longer than `most` nodes, undefined, or a number.

    Parameters
    ----------
    a : Architecture
    layout : Layout
    weights : ndarray (layout.size,)
        Weights that are 0 leave no trace.
    inputs : sequence of Expression or float
        What the columns are, e.g. variables divided by their scales, and 1 for the constant.
    plain : bool
        Leave out what keeps logarithms and quotients finite in training.
    most : int
    """
    h: list[Value] = []
    try:
        for k, layer in enumerate(a.layers):
            of_x, of_h = layout.blocks[k]
            rows_x = weights[of_x].reshape(-1, layout.columns) if of_x.stop > of_x.start else None
            rows_h = weights[of_h].reshape(-1, layout.width) if k else None
            sums: list[Value] = []
            for slot in range(a.slots(k)):
                terms = [] if rows_x is None else list(zip(rows_x[slot], inputs, strict=True))
                if rows_h is not None:
                    terms += zip(rows_h[slot, : len(h)], h, strict=True)
                sums.append(_combination(terms, most))
            h, at = [], 0
            for name in layer:
                arity = FUNCTIONS[name].arity
                h.append(_apply(name, sums[at : at + arity], plain))
                at += arity
        of_x, of_h = layout.blocks[-1]
        terms = list(zip(weights[of_h][: len(h)], h, strict=True))
        if of_x.stop > of_x.start:
            terms += zip(weights[of_x], inputs, strict=True)
        made = _combination(terms, most)
    except SymnumError:
        return None
    return made if isinstance(made, Expression) and made.variables else None


def _combination(terms: Sequence[tuple[float, Value]], most: int) -> Value:
    """Sum of weighted values.

    Raises
    ------
    InvalidInput
        When it grows too long or is not finite.
    """
    number = sum(float(w) * v for w, v in terms if w != 0 and not isinstance(v, Expression))
    kept = [(float(w), v) for w, v in terms if w != 0 and isinstance(v, Expression)]
    if sum(len(v) + 2 for _, v in kept) > most or not np.isfinite([number, *(w for w, _ in kept)]).all():
        raise InvalidInput("the formula of this network is too long or not finite")
    if not kept:
        return number
    return forms.combination([*(w for w, _ in kept), number], [*(v for _, v in kept), None])


def _apply(name: str, args: Sequence[Value], plain: bool) -> Value:
    function = FUNCTIONS[name]
    made = function.form(*(v if isinstance(v, Expression) else Expression.constant(v) for v in args), plain)
    if made.variables:
        return made
    with np.errstate(all="ignore"):
        return float(made.evaluate(np.zeros((1, 1)))[0])
