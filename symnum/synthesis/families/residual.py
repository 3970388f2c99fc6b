"""A partial differential equation ``residual = 0`` with numbers: what solvers need, read off its tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions import Expression
from symnum.expressions.compiled import evaluate_batch
from symnum.synthesis.families.forms import Tree, factors, from_tree, join, terms, to_tree

Float = NDArray[np.float64]
LEAVES = ("u", "ut", "utt", "ux", "uxx", "uxxx", "uxxxx", "x")
"""Columns of a residual: the field, its derivatives and the place."""
ORDERS = {"u": 0, "ux": 1, "uxx": 2, "uxxx": 3, "uxxxx": 4}
"""Order of the derivative by x of a leaf without derivative by t."""


@dataclass(frozen=True)
class Residual:
    """The equation ``scale * d^order u/dt^order + sum of linear terms + rest = 0``.

    Attributes
    ----------
    expression : Expression
        The whole left-hand side over `LEAVES`.
    order : int
        1 or 2, order of the derivative by time.
    scale : float
        Number in front of it.
    linear : mapping of str to float
        Leaves without derivative by time that occur alone, and their numbers.
    rest : Expression or None
        All other terms.
    """

    expression: Expression
    order: int
    scale: float
    linear: Mapping[str, float]
    rest: Expression | None

    @classmethod
    def split(cls, expression: Expression) -> Residual:
        """Read a residual; raises InvalidInput unless it has one time derivative, alone in its term."""
        if expression.names != LEAVES:
            raise InvalidInput(f"a residual has the columns {LEAVES}, got {expression.names}")
        linear: dict[str, float] = {}
        others: list[tuple[str, Tree]] = []
        for operator, term in terms(to_tree(expression)):
            found = _number_times_leaf(term)
            if found is None:
                others.append((operator, term))
            else:
                number, leaf = found
                linear[leaf] = linear.get(leaf, 0.0) + (number if operator == "add" else -number)
        clocks = {leaf: linear.pop(leaf) for leaf in ("ut", "utt") if leaf in linear}
        rest = from_tree(join(others), LEAVES) if others else None
        hidden = rest is not None and {1, 2} & set(rest.variables)
        if len(clocks) != 1 or hidden or not all(clocks.values()):
            raise InvalidInput(
                f"a residual needs ut or utt once, times a number, as a term of its sum: {expression}"
            )
        (leaf, scale), *_ = clocks.items()
        return cls(expression, len(leaf) - 1, scale, linear, rest)

    def evaluate(self, **columns: ArrayLike) -> Float:
        """Left-hand side for values of some leaves, the others zero; arrays are broadcast."""
        arrays = np.broadcast_arrays(*columns.values())
        table = np.zeros((len(LEAVES), arrays[0].size))
        for name, array in zip(columns, arrays, strict=True):
            table[LEAVES.index(name)] = array.reshape(-1)
        return evaluate_batch([self.expression], table).reshape(arrays[0].shape)


def _number_times_leaf(term: Tree) -> tuple[float, str] | None:
    """Number and leaf when the term is nothing else."""
    number, leaf = 1.0, None
    for part in factors(term):
        if isinstance(part, tuple) and part[0] == "neg":
            number, part = -number, part[1]
        if isinstance(part, float):
            number *= part
        elif isinstance(part, str) and part != "x" and leaf is None:
            leaf = part
        else:
            return None
    return None if leaf is None else (number, leaf)
