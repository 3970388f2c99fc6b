"""Size, depth and nesting of bank elements, so that what breaks a rule is not even formed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.operators import Operator
from symnum.search.macros import Macro
from symnum.search.rules import Rules

Index = NDArray[np.int64]


class Shapes:
    """Arrays beside a bank's, one entry an element.

    Parameters
    ----------
    rules : Rules
    capacity : int
        Of the bank.
    """

    def __init__(self, rules: Rules, capacity: int) -> None:
        self.rules = rules
        self.nodes = np.ones(capacity, np.int32)
        self.depth = np.zeros(capacity, np.int16)
        inner = {name for limits in rules.nesting.values() for name in limits}
        self.levels = {name: np.zeros(capacity, np.int16) for name in sorted(inner)}

    @staticmethod
    def wanted(rules: Rules) -> bool:
        """Whether the rules speak of shapes at all."""
        return bool(rules.sizes or rules.nesting or rules.max_depth is not None)

    def append(self, at: slice, op: Operator | Macro, left: Index, right: Index) -> None:
        """Shapes of new elements made by an operator."""
        args = [left, right][: op.arity]
        macro = isinstance(op, Macro)
        own = op.body.complexity - op.arity if macro else self.rules.costs.get(op.name, op.complexity)
        self.nodes[at] = own + sum(self.nodes[a] for a in args)
        self.depth[at] = (op.body.depth if macro else 1) + np.max([self.depth[a] for a in args], axis=0)
        for name, levels in self.levels.items():
            levels[at] = (op.name == name) + np.max([levels[a] for a in args], axis=0)

    def fitting(self, op: Operator | Macro, left: Index, right: Index) -> NDArray[np.bool_]:
        """Which operands keep the rules under an operator."""
        args = [left, right][: op.arity]
        keep = np.ones(len(left), bool)
        for most, a in zip(self.rules.sizes.get(op.name, ()), args, strict=False):
            if most >= 0:
                keep &= self.nodes[a] <= most
        for name, most in self.rules.nesting.get(op.name, {}).items():
            for a in args:
                keep &= self.levels[name][a] <= most
        if self.rules.max_depth is not None:
            for a in args:
                keep &= self.depth[a] < self.rules.max_depth
        return keep
