"""Templates: a formula with unknown functions and named numbers, such as ``A*exp(-f(t)) + g(x, y)``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions.expression import Expression
from symnum.expressions.operators import CONSTANT, OPERATORS, RESERVED, Operator
from symnum.expressions.parser import parse

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Slot:
    """A place where an unknown function stands.

    Attributes
    ----------
    name : str
        The call as text; a variable of that name stands for it in the template's body.
    function : str
    arguments : tuple of Expression
        Over the columns.
    """

    name: str
    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A formula with unknown parts.

    Attributes
    ----------
    body : Expression
        Over the columns, the parameters and the slots, in this order.
    columns : tuple of str
    parameters : tuple of str
        Names that are no columns: numbers to be fitted.
    slots : tuple of Slot
    """

    body: Expression
    columns: tuple[str, ...]
    parameters: tuple[str, ...]
    slots: tuple[Slot, ...]

    @property
    def functions(self) -> tuple[str, ...]:
        """Names of the unknown functions."""
        return tuple(dict.fromkeys(s.function for s in self.slots))

    @property
    def literals(self) -> tuple[float, ...]:
        """Distinct numbers that the template itself holds."""
        parts = (self.body, *(a for s in self.slots for a in s.arguments))
        return tuple(dict.fromkeys(float(c) for e in parts for c in e.constants))

    def first(self, function: str) -> Slot:
        """The first place of an unknown function."""
        return next(s for s in self.slots if s.function == function)

    def compose(self, bodies: Mapping[str, Expression], parameters: Mapping[str, float]) -> Expression:
        """The formula over the columns with all parts put in.

        Parameters
        ----------
        bodies : mapping of str to Expression
            Of each unknown function, its arguments being its columns in their order.
        parameters : mapping of str to float
        """
        values: dict[str, Expression | float] = dict(parameters)
        for slot in self.slots:
            values[slot.name] = put_in(bodies[slot.function], slot.arguments, self.columns)
        return self.body.substitute(values).with_names(self.columns)


def put_in(body: Expression, arguments: Sequence[Expression], columns: tuple[str, ...]) -> Expression:
    """Formula with its columns replaced by expressions over other columns."""
    labels = tuple(f"argument {i}" for i in range(len(arguments)))
    inner = dict(zip(labels, arguments, strict=True))
    return body.rename((*labels, *body.names[len(labels) :])).substitute(inner).with_names(columns)


class _Calls(Mapping):
    """Every call that is no known function is one of an unknown function."""

    def __init__(self, known: Mapping[str, Callable], make: Callable) -> None:
        self.known, self.make = known, make

    def __contains__(self, name: object) -> bool:
        return name in self.known or name not in RESERVED

    def __getitem__(self, name: str) -> Callable:
        return self.known.get(name) or (lambda args: self.make(name, args))

    def __iter__(self) -> Iterator[str]:
        return iter(self.known)

    def __len__(self) -> int:
        return len(self.known)


def read_template(text: str, columns: Sequence[str], known: Mapping[str, Callable]) -> Template:
    """Template from text.

    Parameters
    ----------
    text : str
        A formula; calls of functions that do not exist are unknown functions of the arguments given, names
        that are no columns are numbers.
    columns : sequence of str
    known : mapping of str to callable
        Functions of the user's own, as the parser takes them.

    Raises
    ------
    InvalidInput
        When the text is no formula, nothing in it is unknown, or a name looks like a misspelt one.
    """
    if not isinstance(text, str):
        raise InvalidInput(f"template is a formula as text, got {type(text).__name__}")
    columns = tuple(columns)
    try:
        return _read(text, columns, known)
    except InvalidInput as error:
        raise InvalidInput(f"template {text!r} cannot be used: {error}") from None


def _read(text: str, columns: tuple[str, ...], known: Mapping[str, Callable]) -> Template:
    blank = parse(text, None, _Calls(known, lambda name, args: Expression.constant(1.0, args[0].names)))
    parameters = tuple(
        n for n in blank.names if n not in columns and re.search(rf"(?<!\w){re.escape(n)}(?!\w)", text)
    )
    for name in parameters:
        near = get_close_matches(name, columns, 1, 0.8) if len(name) > 2 else []
        if near or re.fullmatch(r"x\d+", name):
            raise InvalidInput(f"{name!r} is no column; the columns are {', '.join(columns)}")
    found: dict[str, Slot] = {}
    limit = text.count("(")
    names = (*columns, *parameters, *(f"slot {i}" for i in range(limit)))

    def call(name: str, args: Sequence[Expression]) -> Expression:
        near = get_close_matches(name, [*OPERATORS.by_name, *known], 1, 0.75) if len(name) > 2 else []
        if near:
            raise InvalidInput(f"{name} is no known function; did you mean {near[0]}?")
        for arg in args:
            wrong = [names[i] for i in arg.variables if i >= len(columns)]
            if wrong:
                raise InvalidInput(f"arguments hold columns only, {arg} holds {wrong[0]}")
        inner = tuple(a.with_names(columns) for a in args)
        if len(set(inner)) != len(inner) or not all(a.variables for a in inner):
            raise InvalidInput("arguments must be different functions of the columns")
        label = f"{name}({', '.join(str(a) for a in inner)})"
        slot = found.setdefault(label, Slot(f"slot {len(found)}", name, inner))
        arities = {len(s.arguments) for s in found.values() if s.function == name}
        if len(arities) > 1:
            raise InvalidInput(f"{name} is used with {' and '.join(map(str, sorted(arities)))} arguments")
        return Expression.variable(slot.name, names)

    body = parse(text, names, _Calls(known, call))
    slots = tuple(found.values())
    if not slots and not parameters:
        raise InvalidInput("nothing in it is unknown; write f(x) for an unknown function, A for a number")
    return Template(
        body.with_names((*columns, *parameters, *(s.name for s in slots))), columns, parameters, slots
    )


# --------------------------------------------------------------------------------------------- inverting
class Node:
    """A sub-expression with its operands."""

    __slots__ = ("args", "code", "value")

    def __init__(self, code: int, value: float | None, args: Sequence[Node]) -> None:
        self.code, self.value, self.args = code, value, args

    def evaluate(self, columns: Sequence[Float]) -> Float:
        """Values from the columns of all variables."""
        if self.value is not None:
            return np.full_like(columns[0], self.value)
        if self.code < 0:
            return columns[-self.code - 1]
        return OPERATORS.by_code[self.code].numpy(*(a.evaluate(columns) for a in self.args))

    def count(self, code: int) -> int:
        """How often a leaf occurs."""
        return int(self.code == code) + sum(a.count(code) for a in self.args)


def tree(e: Expression) -> Node:
    """Expression as nested nodes."""
    stack: list[Node] = []
    for code, value in e.walk():
        arity = OPERATORS.by_code[code].arity if code > CONSTANT else 0
        args = stack[len(stack) - arity :]
        del stack[len(stack) - arity :]
        stack.append(Node(code, value, args))
    return stack[0]


def invert(root: Node, leaf: int, target: Float, columns: Sequence[Float]) -> Float | None:
    """Values of a leaf for which the tree has the target's values; NaN where there are none.

    Parameters
    ----------
    root : Node
    leaf : int
        Code of a variable that occurs once.
    target : ndarray (n,)
    columns : sequence of ndarray (n,)
        All variables; the leaf's own column says which branch of an inverse is meant.

    Returns
    -------
    ndarray (n,) or None
        None when an operator on the way has no inverse.
    """
    node, wanted = root, target
    with np.errstate(all="ignore"):
        while node.code != leaf:
            op = OPERATORS.by_code[node.code]
            place = next(i for i, a in enumerate(node.args) if a.count(leaf))
            near = node.args[place].evaluate(columns)
            other = node.args[1 - place].evaluate(columns) if op.arity == 2 else None
            made = _undo(op, place, wanted, other, near)
            if made is None:
                return None
            node, wanted = node.args[place], made
    return np.where(np.isfinite(wanted), wanted, np.nan)


_INVERSES: dict[str, Callable[[Float, Float], Float]] = {
    "neg": lambda t, near: -t,
    "inv": lambda t, near: 1 / t,
    "abs": lambda t, near: np.where(t >= 0, np.copysign(t, near), np.nan),
    "square": lambda t, near: np.copysign(np.sqrt(t), near),
    "cube": lambda t, near: np.cbrt(t),
    "sqrt": lambda t, near: np.where(t >= 0, t * t, np.nan),
    "cbrt": lambda t, near: t**3,
    "exp": lambda t, near: np.log(t),
    "log": lambda t, near: np.exp(t),
    "sin": lambda t, near: _nearest(np.arcsin(t), np.pi - np.arcsin(t), 2 * np.pi, near),
    "cos": lambda t, near: _nearest(np.arccos(t), -np.arccos(t), 2 * np.pi, near),
    "tan": lambda t, near: _nearest(np.arctan(t), np.arctan(t), np.pi, near),
    "asin": lambda t, near: np.where(np.abs(t) <= np.pi / 2, np.sin(t), np.nan),
    "acos": lambda t, near: np.where((t >= 0) & (t <= np.pi), np.cos(t), np.nan),
    "atan": lambda t, near: np.where(np.abs(t) < np.pi / 2, np.tan(t), np.nan),
    "sinh": lambda t, near: np.arcsinh(t),
    "cosh": lambda t, near: np.copysign(np.arccosh(t), near),
    "tanh": lambda t, near: np.arctanh(t),
}


def _nearest(first: Float, second: Float, period: float, near: Float) -> Float:
    """Of two solutions and their shifts by whole periods the one nearest to a value."""
    found = [a + period * np.round((near - a) / period) for a in (first, second)]
    return np.where(np.abs(found[0] - near) <= np.abs(found[1] - near), found[0], found[1])


def _undo(op: Operator, place: int, t: Float, other: Float | None, near: Float) -> Float | None:
    if other is None:
        inverse = _INVERSES.get(op.name)
        return None if inverse is None else inverse(t, near)
    if op.name == "pow" and place == 0:
        odd = (other == np.round(other)) & (other % 2 != 0)
        root = np.abs(t) ** (1 / other)
        return np.where(odd, np.copysign(root, t), np.where(t >= 0, np.copysign(root, near), np.nan))
    made = {
        ("add", 0): lambda: t - other,
        ("add", 1): lambda: t - other,
        ("sub", 0): lambda: t + other,
        ("sub", 1): lambda: other - t,
        ("mul", 0): lambda: t / other,
        ("mul", 1): lambda: t / other,
        ("div", 0): lambda: t * other,
        ("div", 1): lambda: other / t,
        ("pow", 1): lambda: np.log(t) / np.log(other),
    }.get((op.name, place))
    return None if made is None else made()
