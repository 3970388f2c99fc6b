"""A Pratt parser over the operator table: text to Expression, nothing is ever executed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence

from symnum.exceptions import InvalidInput, ParseError
from symnum.expressions.expression import MAX_NODES, Expression, infer_names
from symnum.expressions.operators import (
    ALIASES,
    CONSTANT,
    NAMED_CONSTANTS,
    OPERATORS,
    PRECEDENCE_ADD,
    PRECEDENCE_MUL,
    PRECEDENCE_NEG,
    PRECEDENCE_POW,
)

MAX_LENGTH = 100_000
MAX_DEPTH = 150  # bounds recursion; a formula that a person reads is far below

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    | `(?P<quoted>(?:[^`]|``)+)`(?!`)
    | (?P<name>[^\W\d]\w*)
    | (?P<symbol>\*\*|[-+*/^(),−·×])
    )""",
    re.VERBOSE,
)
_SYMBOLS = {"^": "**", "−": "-", "·": "*", "×": "*"}
_BINARY = {
    "+": PRECEDENCE_ADD,
    "-": PRECEDENCE_ADD,
    "*": PRECEDENCE_MUL,
    "/": PRECEDENCE_MUL,
    "**": PRECEDENCE_POW,
}
_CODES = {"+": "add", "-": "sub", "*": "mul", "/": "div", "**": "pow"}
# Functions that text may use although they are no operators: written out over the table.
_DERIVED = {"cot": ("cos", "sin"), "sec": (None, "cos"), "csc": (None, "sin")}


Functions = Mapping[str, Callable[[Sequence[Expression]], Expression]]
"""Functions beyond the table: arguments to the expression that the call stands for, over the same names."""


def parse(text: str, names: Sequence[str] | None = None, functions: Functions | None = None) -> Expression:
    """Read a formula; see `Expression.parse`.

    Parameters
    ----------
    text : str
    names : sequence of str, optional
    functions : mapping of str to callable, optional
        Further functions; a call is replaced by what the callable makes of the arguments.
    """
    if not isinstance(text, str):
        raise ParseError(f"a formula is text, got {type(text).__name__}")
    if not text.strip():
        raise ParseError("the formula is empty; expected something like 'x0 + sin(x1)'")
    if len(text) > MAX_LENGTH:
        raise ParseError(f"the formula has {len(text)} characters, at most {MAX_LENGTH} are read")
    tokens = _tokenise(text)
    if names is None:
        calls = {i for i, t in enumerate(tokens[:-1]) if t[0] == "name" and tokens[i + 1][1] == "("}
        names = infer_names(
            [
                value
                for i, (kind, value, _) in enumerate(tokens)
                if kind == "quoted"
                or (
                    kind == "name"
                    and i not in calls
                    and value not in NAMED_CONSTANTS
                    and value not in OPERATORS
                )
            ]
        )
    return _Reader(text, tokens, tuple(str(n) for n in names), {} if functions is None else functions).read()


def _tokenise(text: str) -> list[tuple[str, str, int]]:
    tokens: list[tuple[str, str, int]] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            start = position + len(text[position:]) - len(text[position:].lstrip())
            raise ParseError(f"unexpected character {text[start]!r}", text, start)
        kind = str(match.lastgroup)
        value = match.group(kind)
        if kind == "quoted":
            value = value.replace("``", "`")
        elif kind == "name" and not value.isidentifier():
            raise ParseError(
                f"{value!r} is no name: write a power as x**2, or put the name in backticks",
                text,
                match.start(kind),
            )
        tokens.append((kind, _SYMBOLS.get(value, value), match.start(kind)))
        position = match.end()
    tokens.append(("end", "", len(text)))
    return tokens


class _Reader:
    """Recursive descent by binding strength; emits postfix codes directly."""

    def __init__(
        self,
        text: str,
        tokens: list[tuple[str, str, int]],
        names: tuple[str, ...],
        functions: Functions,
    ) -> None:
        self.text, self.tokens, self.names, self.functions = text, tokens, names, functions
        self.index = {n: i for i, n in enumerate(names)}
        self.at = 0
        self.codes: list[int] = []
        self.values: list[float] = []

    def read(self) -> Expression:
        self.expression(0, 0)
        kind, value, place = self.tokens[self.at]
        if kind != "end":
            raise ParseError(f"expected an operator or the end, found {value!r}", self.text, place)
        if len(self.codes) > MAX_NODES:
            raise ParseError(f"the formula has {len(self.codes)} nodes, at most {MAX_NODES} are read")
        return Expression(self.codes, self.values, self.names)

    def emit(self, operator: str) -> None:
        self.codes.append(OPERATORS[operator].code)

    def number(self, value: float, place: int) -> None:
        if not math.isfinite(value):
            raise ParseError("the number is too large for a float64", self.text, place)
        self.codes.append(CONSTANT)
        self.values.append(value)

    def expression(self, strength: int, depth: int) -> None:
        """Read operators that bind stronger than `strength`."""
        if depth > MAX_DEPTH:
            raise ParseError(f"more than {MAX_DEPTH} nested levels", self.text, self.tokens[self.at][2])
        self.operand(depth)
        while True:
            kind, value, _ = self.tokens[self.at]
            binding = _BINARY.get(value, -1) if kind == "symbol" else -1
            if binding <= strength:
                return
            self.at += 1
            # ** groups to the right and lets a sign follow: a**-b**c is a**(-(b**c)).
            self.expression(binding - 1 if value == "**" else binding, depth + 1)
            self.emit(_CODES[value])

    def operand(self, depth: int) -> None:
        kind, value, place = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            self.number(float(value), place)
        elif kind == "quoted" or (kind == "name" and self.tokens[self.at][1] != "("):
            self.name(value, place, quoted=kind == "quoted")
        elif kind == "name":
            self.call(value, place, depth)
        elif value in ("-", "+") and kind == "symbol":
            self.expression(PRECEDENCE_NEG, depth + 1)
            if value == "-":
                self.emit("neg")
        elif value == "(":
            self.expression(0, depth + 1)
            self.expect(")")
        else:
            found = repr(value) if value else "the end"
            raise ParseError(f"expected a number, a name or '(', found {found}", self.text, place)

    def expect(self, symbol: str) -> None:
        kind, value, place = self.tokens[self.at]
        if kind != "symbol" or value != symbol:
            raise ParseError(f"expected {symbol!r}, found {value or 'the end'!r}", self.text, place)
        self.at += 1

    def name(self, name: str, place: int, quoted: bool) -> None:
        if not quoted and name in NAMED_CONSTANTS and name in self.index:
            raise ParseError(
                f"{name} is a number and a column: put the column in backticks, write digits for the number",
                self.text,
                place,
            )
        if name in self.index:
            self.codes.append(-(self.index[name] + 1))
        elif not quoted and name in NAMED_CONSTANTS:
            self.number(NAMED_CONSTANTS[name], place)
        elif not quoted and name in OPERATORS:
            raise ParseError(f"{name} is a function: write {name}(...)", self.text, place)
        else:
            shown = ", ".join(self.names[:12]) + (", ..." if len(self.names) > 12 else "")
            raise ParseError(f"unknown variable {name!r}; the columns are: {shown}", self.text, place)

    def call(self, name: str, place: int, depth: int) -> None:
        if name not in OPERATORS and name not in _DERIVED and name not in self.functions:
            known = ", ".join([*self.functions, *OPERATORS.by_name, *ALIASES, *_DERIVED])
            raise ParseError(f"unknown function {name!r}; known: {known}", self.text, place)
        self.at += 1
        start = len(self.codes), len(self.values)
        edges = [start]
        self.expression(0, depth + 1)
        while self.tokens[self.at][1] == "," and self.tokens[self.at][0] == "symbol":
            self.at += 1
            edges.append((len(self.codes), len(self.values)))
            self.expression(0, depth + 1)
        self.expect(")")
        if name in self.functions:
            self.defined(name, edges, place)
            return
        count = len(edges)
        arity = 1 if name in _DERIVED else OPERATORS[name].arity
        if count != arity:
            raise ParseError(f"{name} takes {arity} argument(s), got {count}", self.text, place)
        if name in _DERIVED:
            self.derived(name, *start)
        else:
            self.emit(name)

    def defined(self, name: str, edges: list[tuple[int, int]], place: int) -> None:
        """Call of a function beyond the table: its arguments give way to what it makes of them."""
        ends = [*edges[1:], (len(self.codes), len(self.values))]
        args = [
            Expression(self.codes[a:c], self.values[b:d], self.names)
            for (a, b), (c, d) in zip(edges, ends, strict=True)
        ]
        try:
            made = self.functions[name](args).with_names(self.names)
        except InvalidInput as error:
            raise ParseError(f"{name}: {error}", self.text, place) from None
        if edges[0][0] + len(made) > MAX_NODES:
            raise ParseError(f"the formula has more than {MAX_NODES} nodes")
        del self.codes[edges[0][0] :], self.values[edges[0][1] :]
        self.codes += made.codes.tolist()
        self.values += made.constants.tolist()

    def derived(self, name: str, code_start: int, value_start: int) -> None:
        """cot, sec, csc as quotients; the argument just read is written once or twice."""
        upper, lower = _DERIVED[name]
        codes, values = self.codes[code_start:], self.values[value_start:]
        if upper is not None:
            if len(self.codes) + len(codes) > MAX_NODES:  # nested calls double the program each time
                raise ParseError(f"the formula has more than {MAX_NODES} nodes")
            self.emit(upper)
            self.codes += codes
            self.values += values
        self.emit(lower)
        self.emit("inv" if upper is None else "div")
