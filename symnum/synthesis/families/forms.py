"""Forms of an expression as a tree: the nesting PROSE writes, and a form for people."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias

from symnum.expressions import OPERATORS, Expression

Tree: TypeAlias = "float | str | tuple"
"""A number, a variable name, or ``(operator name, *arguments)``."""


def to_tree(expression: Expression) -> Tree:
    """Nested form of an expression."""
    stack: list[Tree] = []
    for code, value in expression.walk():
        if value is not None:
            stack.append(value)
        elif code < 0:
            stack.append(expression.names[-code - 1])
        else:
            op = OPERATORS.by_code[code]
            arguments = stack[-op.arity :]
            del stack[-op.arity :]
            stack.append((op.name, *arguments))
    return stack[0]


def from_tree(tree: Tree, names: Sequence[str]) -> Expression:
    """Expression over the columns `names`."""
    flat: list[str | float] = []
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, tuple):
            flat.append(node[0])
            pending.extend(reversed(node[1:]))
        else:
            flat.append(node)
    return Expression.from_prefix(flat, names)


def insert_numbers(tree: Tree, table: Mapping[str, float]) -> Tree:
    """Tree with numbers for names; minus a number is a number."""
    if isinstance(tree, str):
        return table.get(tree, tree)
    if not isinstance(tree, tuple):
        return tree
    new = (tree[0], *(insert_numbers(a, table) for a in tree[1:]))
    return -new[1] if new[0] == "neg" and isinstance(new[1], float) else new


# ------------------------------------------------------------ sums and products
def terms(tree: Tree) -> list[tuple[str, Tree]]:
    """Terms of a left-nested sum with the operator before each, "add" or "sub"; the first has "add"."""
    signed: list[tuple[str, Tree]] = []
    while isinstance(tree, tuple) and tree[0] in ("add", "sub"):
        signed.append((tree[0], tree[2]))
        tree = tree[1]
    return [("add", tree), *reversed(signed)]


def join(signed: Sequence[tuple[str, Tree]]) -> Tree:
    """Left-nested sum of terms; the inverse of `terms` (a first term under "sub" is negated)."""
    operator, tree = signed[0]
    if operator == "sub":
        tree = ("neg", tree)
    for operator, term in signed[1:]:
        tree = (operator, tree, term)
    return tree


def factors(tree: Tree, powers: bool = True) -> list[Tree]:
    """Factors of a product, however nested; squares and cubes are written out when `powers`."""
    if isinstance(tree, tuple):
        if tree[0] == "mul":
            return factors(tree[1], powers) + factors(tree[2], powers)
        if powers and tree[0] in ("square", "cube"):
            return factors(tree[1], powers) * (2 if tree[0] == "square" else 3)
    return [tree]


def product(parts: Sequence[Tree]) -> Tree:
    """Right-nested product."""
    tree = parts[-1]
    for part in reversed(parts[:-1]):
        tree = ("mul", part, tree)
    return tree


# ------------------------------------------------------------ whole trees
def prose_form(tree: Tree, coefficients: Collection[str] = (), powers: bool = True) -> Tree:
    """Tree as PROSE nests it: sums to the left, products to the right.

    Parameters
    ----------
    tree : Tree
        Any expression.
    coefficients : collection of str
        Names that stand for numbers. A term subtracted that begins with one is added with the number negated:
        ``x - s*y`` becomes ``x + (-s)*y``.
    powers : bool
        Write squares and cubes as repeated products.
    """
    if not isinstance(tree, tuple):
        return tree
    if tree[0] in ("mul", "square", "cube"):
        parts = factors(tree, powers)
        if len(parts) > 1:
            return product([prose_form(p, coefficients, powers) for p in parts])
    tree = (tree[0], *(prose_form(a, coefficients, powers) for a in tree[1:]))
    if tree[0] == "sub":
        lead, *rest = factors(tree[2], powers=False)
        if isinstance(lead, str) and lead in coefficients:
            return ("add", tree[1], product([("neg", lead), *rest]))
    return tree


def readable(tree: Tree) -> Tree:
    """Tree for people: negative terms are subtracted, equal factors become powers, factors 1 are left out."""
    if not isinstance(tree, tuple):
        return tree
    tree = (tree[0], *(readable(a) for a in tree[1:]))
    if tree[0] == "mul":
        parts = factors(tree, powers=False)
        return _with_powers([p for p in parts if p != 1.0] or [1.0])
    if tree[0] in ("add", "sub"):
        opposite = "sub" if tree[0] == "add" else "add"
        positive = _negated(tree[2])
        return (opposite, tree[1], positive) if positive is not None else tree
    return tree


def _negated(term: Tree) -> Tree | None:
    """Minus the term when it begins with a minus sign, else None."""
    if isinstance(term, float):
        return -term if term < 0 else None
    if isinstance(term, tuple) and term[0] == "neg":
        return term[1]
    if isinstance(term, tuple) and term[0] in ("mul", "div"):
        lead = _negated(term[1])
        if lead is None:
            return None
        return term[2] if lead == 1.0 and term[0] == "mul" else (term[0], lead, *term[2:])
    return None


def _with_powers(parts: Sequence[Tree]) -> Tree:
    """Left-nested product in which neighbouring equal factors become one power."""
    grouped: list[tuple[Tree, int]] = []
    for part in parts:
        if grouped and grouped[-1][0] == part and not isinstance(part, float):
            grouped[-1] = (part, grouped[-1][1] + 1)
        else:
            grouped.append((part, 1))
    powers = [p if n == 1 else ("pow", p, float(n)) for p, n in grouped]  # Expression makes x**2 a square
    tree = powers[0]
    for power in powers[1:]:
        tree = ("mul", tree, power)
    return tree
