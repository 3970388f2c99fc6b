"""Operators of a user's own: a name for a formula of existing operators.

A macro is written out wherever it is used, so formulas that hold one stay readable by `Expression.parse`,
print in LaTeX and sympy, and are safe to load: nothing but the operator table is ever computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions.expression import Expression
from symnum.expressions.operators import OPERATORS, RESERVED, Operator
from symnum.expressions.parser import parse
from symnum.search.rules import closure, operator_name

FIRST_CODE = 1_000
"""Code of the first macro in a bank, above those of the operator table."""
_BINARY, _UNARY = ("pow", "min", "max"), ("neg", "cube", "square")


@dataclass(frozen=True, slots=True, eq=False)
class Macro:
    """A named formula of one or two arguments; looks like an operator to a bank.

    Attributes
    ----------
    name : str
    body : Expression
        Over its arguments.
    code : int
        Mark in a bank, never in an Expression.
    """

    name: str
    body: Expression
    code: int

    @property
    def arity(self) -> int:
        """How many arguments it takes."""
        return len(self.body.names)

    def __str__(self) -> str:
        return self.name

    def numpy(self, *args: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values for arrays of one shape."""
        columns = np.stack([np.ravel(a) for a in args], axis=1)
        return self.body.evaluate(columns).reshape(np.shape(args[0]))

    def apply(self, args: Sequence[Expression]) -> Expression:
        """The formula with its arguments put in."""
        if len(args) != self.arity:
            raise InvalidInput(f"{self.name} takes {self.arity} argument(s), got {len(args)}")
        inner = {f"argument {i}": a for i, a in enumerate(args)}
        # Names of arguments may be those of columns.
        return self.body.rename(tuple(inner)).substitute(inner).with_names(args[0].names)


def make_macros(given: Mapping[str, str] | None) -> tuple[Macro, ...]:
    """Macros from ``{"relu": "max(x, 0)"}`` or, with the order of arguments, ``{"gap(a, b)": "abs(a - b)"}``.

    Raises
    ------
    InvalidInput
        When a name is taken or no name, a formula cannot be read, or it has not one or two arguments.
    """
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        raise InvalidInput(
            f"extra_operators is a mapping of names to formulas like {{'relu': 'max(x, 0)'}}, got {given!r}"
        )
    made: list[Macro] = []
    for head, formula in given.items():
        name, _, inside = str(head).partition("(")
        name = name.strip()
        if not name.isidentifier() or name in RESERVED or name in {m.name for m in made}:
            raise InvalidInput(f"extra_operators: {head!r} is no free name for an operator")
        arguments = [a.strip() for a in inside.rstrip(") ").split(",")] if inside else None
        # An operator may use those defined before it.
        body = parse(formula, arguments, functions(made))
        body = body if arguments else body.with_names([body.names[i] for i in body.variables])
        if len(body.names) not in (1, 2) or len(body.variables) != len(body.names):
            raise InvalidInput(
                f"extra_operators: {name} = {formula} must have one or two arguments, found "
                f"{', '.join(body.names) or 'none'}; write {name + '(a, b)'!r} to name them"
            )
        made.append(Macro(name, body, FIRST_CODE + len(made)))
    return tuple(made)


def functions(macros: Iterable[Macro]) -> dict[str, Callable[[Sequence[Expression]], Expression]]:
    """What the parser needs to read formulas with these macros."""
    return {m.name: m.apply for m in macros}


def listed(operators: Sequence[Any] | None, macros: Sequence[Macro]) -> list[str] | None:
    """Names in the operator table of what a user lists; names of macros are left out.

    Raises
    ------
    InvalidInput
        For unknown names and for Operator objects that are not in the table.
    """
    if operators is None:
        return None
    if isinstance(operators, str):
        raise InvalidInput(f"operators is a list of names, got the text {operators!r}")
    own = {m.name for m in macros}
    found: list[str] = []
    for item in operators:
        if isinstance(item, Operator) and OPERATORS.by_code.get(item.code) is not item:
            raise InvalidInput(
                f"the operator {item.name} is not in the table; give operators of your own as formulas, "
                "extra_operators={'relu': 'max(x, 0)'}"
            )
        name = str(item)
        if name not in own:
            found.append(operator_name(name))
    return list(dict.fromkeys(found))


def inside(macros: Sequence[Macro]) -> list[str]:
    """Operators of the table that macros are made of."""
    return sorted({OPERATORS.by_code[c].name for m in macros for c in m.body.codes.tolist() if c > 0})


def enumerated(
    operators: Sequence[str] | None,
    macros: Sequence[Macro],
    unary: Sequence[str],
    binary: Sequence[str],
) -> tuple[list[Any], list[Any]]:
    """Unary and binary operators to enumerate.

    Parameters
    ----------
    operators : sequence of str or None
        What the user lists (names of the table); None takes all of `unary` and `binary`.
    macros : sequence of Macro
        Always taken.
    unary, binary : sequence of str
        The usual choice. Of these, what can be written with listed operators is taken too.
    """
    one = [m for m in macros if m.arity == 1]
    two = [m for m in macros if m.arity == 2]
    if operators is None:
        return [*unary, *one], [*binary, *two]
    names = [operator_name(n) for n in operators]
    allowed = closure(names)
    more = [n for n in names if OPERATORS[n].arity == 1 and n not in unary and n not in _UNARY]
    return (
        [*(n for n in unary if n in allowed), *more, *one],
        [*(n for n in binary if n in allowed), *(n for n in _BINARY if n in names), *two],
    )
