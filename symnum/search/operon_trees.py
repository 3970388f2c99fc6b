"""Translation between Operon's trees and Expressions.

Operon (Burlacu, Kronberger and Kommenda 2020, doi 10.1145/3377929.3398099) stores a tree as postfix nodes
with the first argument last. Every node has a value that its result is multiplied by: the weight of a
variable, 1 for operators unless somebody set it. Values are single precision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from symnum.exceptions import InvalidInput
from symnum.expressions.expression import Expression
from symnum.expressions.operators import CONSTANT, OPERATORS

_BINARY = {"+": "add", "-": "sub", "*": "mul", "/": "div", "pow": "pow", "fmin": "min", "fmax": "max"}
_UNARY = frozenset("sin cos tan asin acos atan sinh cosh tanh exp log sqrt cbrt abs square".split())
_SPELLED = {name: symbol for symbol, name in _BINARY.items()} | {name: name for name in _UNARY}


def from_operon(nodes: Sequence[Any], places: Mapping[int, int], names: tuple[str, ...]) -> Expression:
    """Expression of an Operon tree.

    Parameters
    ----------
    nodes : sequence of pyoperon.Node
        ``tree.Nodes``.
    places : mapping
        Hash of a variable -> its column.
    names : tuple of str
        Names of all columns.

    Raises
    ------
    InvalidInput
        For a constant that is no finite number, or a node without counterpart (floor, ceil).
    """
    stack: list[Expression] = []
    for node in nodes:
        if node.IsConstant:
            stack.append(Expression.constant(float(node.Value), names))
            continue
        if node.IsVariable:
            result = Expression.variable(places[node.HashValue], names)
        else:
            args = [stack.pop() for _ in range(node.Arity)]
            result = _applied(str(node.Name), args)
        if node.Value != 1.0:
            result = Expression.constant(float(node.Value), names) * result
        stack.append(result)
    return stack[0]


def _applied(name: str, args: list[Expression]) -> Expression:
    if name in _BINARY and len(args) >= 2:
        result = args[0]
        for arg in args[1:]:
            result = Expression.apply(_BINARY[name], result, arg)
        return result
    first = args[0]
    if len(args) == 1:
        if name in _UNARY:
            return Expression.apply(name, first)
        if name == "-":
            return -first
        if name == "/":
            return 1.0 / first
        if name == "log1p":
            return Expression.apply("log", 1.0 + first)
        if name in ("logabs", "sqrtabs"):
            return Expression.apply(name[:-3], Expression.apply("abs", first))
    elif name == "aq":
        return first / Expression.apply("sqrt", 1.0 + Expression.apply("square", args[1]))
    elif name == "powabs":
        return Expression.apply("pow", Expression.apply("abs", first), args[1])
    raise InvalidInput(f"Operon's {name!r} with {len(args)} arguments has no counterpart")


def to_operon(e: Expression, hashes: Sequence[int]) -> Any:
    """Operon tree of an Expression, up to single precision.

    Parameters
    ----------
    e : Expression
    hashes : sequence of int
        Operon's hash of each column.

    Returns
    -------
    pyoperon.Tree

    Raises
    ------
    InvalidInput
        For ``sign``, which Operon does not know.
    """
    import pyoperon

    stack: list[list[Any]] = []
    for code, value in e.walk():
        if code == CONSTANT:
            stack.append([pyoperon.Node.Constant(float(value))])
        elif code < 0:
            leaf = pyoperon.Node(pyoperon.NodeType.Variable, hashes[-code - 1])
            stack.append([leaf])
        else:
            op = OPERATORS.by_code[code]
            args = stack[-op.arity :]
            del stack[-op.arity :]
            if op.name == "cube":
                square = [*args[0], _node("square")]
                stack.append([*args[0], *square, _node("*")])
                continue
            arguments = [node for arg in reversed(args) for node in arg]
            stack.append([*arguments, *_operator(op.name)])
    return pyoperon.Tree(stack[0]).UpdateNodes()


def _operator(name: str) -> list[Any]:
    if name in ("neg", "inv"):
        node = _node("-" if name == "neg" else "/")
        node.Arity = 1
        return [node]
    if name not in _SPELLED:
        raise InvalidInput(f"Operon has no operator {name!r}; leave it out of the formula")
    return [_node(_SPELLED[name])]


def _node(symbol: str) -> Any:
    import pyoperon

    return pyoperon.Node(_types()[symbol])


def symbols(operators: Iterable[str]) -> int:
    """Operon's set of node types for operators of ours, with variables and constants.

    ``neg`` and ``cube`` need no node of their own there; ``inv`` is a division.

    Raises
    ------
    InvalidInput
        For an operator that Operon does not know, or when none is left.
    """
    wanted = [_SPELLED.get("div" if n == "inv" else n, n) for n in operators if n not in ("neg", "cube")]
    unknown = [name for name in wanted if name not in _types()]
    if unknown or not wanted:
        known = ", ".join(sorted(_SPELLED))
        raise InvalidInput(f"Operon cannot work with operators {list(operators)}; it knows {known}")
    chosen = {*wanted, "constant", "variable"}
    return sum(int(_types()[name]) for name in chosen)


@cache
def _types() -> dict[str, Any]:
    """Node types by the symbol of their nodes, which is what Operon computes (Fmin is called "fmax")."""
    import pyoperon

    return {str(pyoperon.Node(kind).Name): kind for kind in pyoperon.NodeType}
