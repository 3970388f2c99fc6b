"""What formulas may look like: operators, nesting, sizes of arguments, depth, and what nodes cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from symnum.exceptions import InvalidInput
from symnum.expressions.expression import Expression
from symnum.expressions.operators import CONSTANT, OPERATORS

SYMBOLS = {"+": "add", "-": "sub", "*": "mul", "/": "div", "^": "pow", "**": "pow"}
"""Spellings of operators that text between operands uses."""
# What can be written with other operators counts as allowed: x*x is shown as x**2, x - y as a sum with -1*y.
_WRITTEN_WITH: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("square", ("mul",)),
    ("square", ("pow",)),
    ("cube", ("mul",)),
    ("cube", ("pow",)),
    ("neg", ("sub",)),
    ("neg", ("mul",)),
    ("sub", ("add", "mul")),
    ("sub", ("add", "neg")),
    ("inv", ("div",)),
    ("inv", ("pow",)),
    ("div", ("mul", "inv")),
    ("sqrt", ("pow",)),
    ("cbrt", ("pow",)),
    ("abs", ("sqrt", "square")),
)
_MUL, _DIV, _POW = (OPERATORS[n].code for n in ("mul", "div", "pow"))


def operator_name(name: str) -> str:
    """Name in the operator table for a name, another spelling of it, or a symbol such as ``+``."""
    return OPERATORS[SYMBOLS.get(name, name)].name


def closure(names: Sequence[str]) -> frozenset[str]:
    """The operators and those that can be written with them."""
    found = set(names)
    while True:
        more = {name for name, parts in _WRITTEN_WITH if name not in found and found.issuperset(parts)}
        if not more:
            return frozenset(found)
        found |= more


@dataclass(frozen=True)
class Rules:
    """Constraints on formulas, in the terms of PySR.

    Attributes
    ----------
    operators : frozenset of str or None
        Allowed operators, those included that can be written with them; None allows all.
    costs : mapping of str to int
        Nodes that an operator counts for, where it is not 1.
    nesting : mapping of str to mapping of str to int
        ``{"sin": {"cos": 1}}``: within an argument of sin at most one cos above another.
    sizes : mapping of str to tuple of int
        Largest complexity of each argument, -1 for any.
    max_depth : int or None
        Longest path from the root to a leaf, in edges.
    macros : tuple of Macro
        Operators of the user's own, see `symnum.search.macros`.
    """

    operators: frozenset[str] | None = None
    costs: Mapping[str, int] = field(default_factory=dict)
    nesting: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    max_depth: int | None = None
    macros: tuple[Any, ...] = ()

    @property
    def free(self) -> bool:
        """Whether everything is allowed and counts for what the operator table says."""
        return not (self.costs or self.nesting or self.sizes) and self.operators is self.max_depth is None

    def complexity(self, e: Expression) -> int:
        """Node count with the costs of these rules."""
        if not self.costs:
            return e.complexity
        return sum(self._cost(code) for code in e.codes.tolist())

    def _cost(self, code: int) -> int:
        if code <= 0:
            return 1
        op = OPERATORS.by_code[code]
        return self.costs.get(op.name, op.complexity)

    def allows(self, e: Expression) -> bool:
        """Whether a formula keeps all rules."""
        if self.free:
            return True
        if self.max_depth is not None and e.depth > self.max_depth:
            return False
        if self.operators is not None and not self._written(e):
            return False
        return not (self.nesting or self.sizes) or self._shape(e)

    def _written(self, e: Expression) -> bool:
        """Whether every node can be written with the allowed operators."""
        allowed = self.operators or frozenset()
        values = iter(e.constants.tolist())
        stack: list[float | None] = []  # the value of an operand that is a number
        for code in e.codes.tolist():
            if code <= 0:
                stack.append(next(values) if code == CONSTANT else None)
                continue
            op = OPERATORS.by_code[code]
            args = stack[-op.arity :]
            del stack[-op.arity :]
            stack.append(None)
            if op.name in allowed or all(a is not None for a in args):
                continue
            # A constant factor is a product, or a quotient; a whole power is a product too.
            if code in (_MUL, _DIV) and args[1] is not None and not allowed.isdisjoint(("mul", "div")):
                continue
            if code == _MUL and args[0] is not None and "div" in allowed:
                continue
            if code == _POW and args[1] is not None and _product_power(args[1], allowed):
                continue
            return False
        return True

    def _shape(self, e: Expression) -> bool:
        """Whether arguments are small enough and operators not nested too often."""
        inner = {name for limits in self.nesting.values() for name in limits}
        stack: list[tuple[int, dict[str, int]]] = []  # size, and how often operators stand above each other
        for code in e.codes.tolist():
            if code <= 0:
                stack.append((1, {}))
                continue
            op = OPERATORS.by_code[code]
            args = stack[-op.arity :]
            del stack[-op.arity :]
            limits = self.sizes.get(op.name, ())
            if any(0 <= most < size for most, (size, _) in zip(limits, args, strict=False)):
                return False
            levels = {name: max(a[1].get(name, 0) for a in args) for name in inner}
            if any(levels[name] > most for name, most in self.nesting.get(op.name, {}).items()):
                return False
            if op.name in levels:
                levels[op.name] += 1
            stack.append((self._cost(code) + sum(size for size, _ in args), levels))
        return True


def _product_power(exponent: float, allowed: frozenset[str]) -> bool:
    for q, parts in ((1, ()), (2, ("sqrt",)), (3, ("cbrt",))):
        p = exponent * q
        if p == round(p) and abs(p) <= 12 and allowed.issuperset(("mul", *parts)):
            return p > 0 or "div" in allowed
    return False


def make_rules(
    operators: Sequence[str] | None,
    costs: Mapping[str, int] | None,
    nesting: Mapping[str, Mapping[str, int]] | None,
    sizes: Mapping[str, Any] | None,
    max_depth: int | None,
    macros: Sequence[Any] = (),
) -> Rules:
    """Rules from what a user writes.

    Parameters
    ----------
    operators : sequence of str, optional
        Names or symbols.
    costs, nesting, sizes, max_depth
        See `Rules`; a size may be one number for all arguments.
    macros : sequence of Macro
        Operators of the user's own.

    Raises
    ------
    InvalidInput
        For unknown operators and numbers out of range.
    """
    allowed = None if operators is None else closure([operator_name(n) for n in operators])
    if allowed is not None and not allowed:
        raise InvalidInput("operators is empty; name at least one, or leave it out")
    if max_depth is not None and not _whole(max_depth, 0):
        raise InvalidInput(f"max_depth must be a whole number from 0 on, got {max_depth!r}")
    return Rules(
        allowed,
        {name: _at_least(value, 1, f"complexity_of_operators of {name}") for name, value in _items(costs)},
        {outer: {name: _at_least(most, 0, f"nested_constraints of {outer}") for name, most in _items(limits)}
         for outer, limits in _items(nesting)},
        {name: _sizes(name, value) for name, value in _items(sizes)},
        None if max_depth is None else int(max_depth),
        tuple(macros),
    )  # fmt: skip


def _items(given: Any) -> list[tuple[str, Any]]:
    if given is None:
        return []
    if not isinstance(given, Mapping):
        raise InvalidInput(f"constraints are given as {{operator: ...}}, got {given!r}")
    return [(operator_name(name), value) for name, value in given.items()]


def _whole(value: Any, low: int) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= low


def _at_least(value: Any, low: int, what: str) -> int:
    if not _whole(value, low):
        raise InvalidInput(f"{what} must be a whole number from {low} on, got {value!r}")
    return int(value)


def _sizes(name: str, value: Any) -> tuple[int, ...]:
    arity = OPERATORS[name].arity
    made = (value,) * arity if np.ndim(value) == 0 else tuple(value)
    if len(made) != arity or not all(_whole(v, -1) for v in made):
        raise InvalidInput(
            f"constraints of {name} are {arity} whole number(s), the largest size of each argument or -1, "
            f"got {value!r}"
        )
    return tuple(int(v) for v in made)
