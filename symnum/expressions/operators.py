"""The operator table: one entry drives parser, printers, evaluator, units, tokens and search.

Adding an operator is one entry in ``_TABLE`` followed by ``python -m symnum.expressions.codegen``, which
regenerates the compiled kernels from the ``kernel`` and ``grad`` fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from symnum.exceptions import InvalidInput

CONSTANT = 0
"""Postfix code of a constant leaf; it takes the next entry of the constants array."""

# Binding strength in infix text, weakest first.
PRECEDENCE_ADD, PRECEDENCE_MUL, PRECEDENCE_NEG, PRECEDENCE_POW, PRECEDENCE_ATOM = 1, 2, 3, 4, 5


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of the shared language.

    Attributes
    ----------
    name : str
        Canonical name, also the function name in text.
    code : int
        Postfix code (int16, > 0). Codes are stable: they are stored in files.
    arity : int
        1 or 2.
    numpy : callable
        Reference implementation on float64 arrays (IEEE semantics, nothing protected).
    kernel : str
        Scalar source in ``a``, ``b`` for the compiled evaluator.
    grad : tuple of str
        Partial derivatives in ``a``, ``b`` and the result ``r``.
    sympy : callable
        ``(sympy module, *args) -> sympy expression``.
    latex : str
        Template with ``{0}``, ``{1}``.
    torch : str
        Name of the function in torch.
    token : str
        Token name used by the SNIP vocabulary.
    domain : str
        Where the result is a finite real number, in words.
    unit : str
        Unit rule: same, keep, mul, div, power, number (dimensionless in and out), sign, or an exponent
        such as ``2`` or ``1/2``.
    infix : str
        Symbol between operands, or empty for function spelling.
    precedence : int
        Binding strength of the infix spelling.
    complexity : int
        Nodes it counts for.
    commutative : bool
        Whether the operands may be exchanged.
    """

    name: str
    code: int
    arity: int
    numpy: Callable[..., Any]
    kernel: str
    grad: tuple[str, ...]
    sympy: Callable[..., Any]
    latex: str
    torch: str
    token: str
    domain: str = "everywhere"
    unit: str = "number"
    infix: str = ""
    precedence: int = PRECEDENCE_ATOM
    complexity: int = 1
    commutative: bool = False

    def __str__(self) -> str:
        return self.name


def _inv(a: Any) -> Any:
    return 1.0 / a


def _cube(a: Any) -> Any:
    return a * a * a


_A, _M = PRECEDENCE_ADD, PRECEDENCE_MUL
_TABLE = (
    Operator(
        "add",
        1,
        2,
        np.add,
        "a + b",
        ("1.0", "1.0"),
        lambda S, a, b: a + b,
        "{0} + {1}",
        "add",
        "add",
        unit="same",
        infix="+",
        precedence=_A,
        commutative=True,
    ),
    Operator(
        "sub",
        2,
        2,
        np.subtract,
        "a - b",
        ("1.0", "-1.0"),
        lambda S, a, b: a - b,
        "{0} - {1}",
        "sub",
        "sub",
        unit="same",
        infix="-",
        precedence=_A,
    ),
    Operator(
        "mul",
        3,
        2,
        np.multiply,
        "a * b",
        ("b", "a"),
        lambda S, a, b: a * b,
        r"{0} \cdot {1}",
        "mul",
        "mul",
        unit="mul",
        infix="*",
        precedence=_M,
        commutative=True,
    ),
    Operator(
        "div",
        4,
        2,
        np.divide,
        "a / b",
        ("1.0 / b", "-r / b"),
        lambda S, a, b: a / b,
        r"\frac{{{0}}}{{{1}}}",
        "div",
        "div",
        domain="b != 0",
        unit="div",
        infix="/",
        precedence=_M,
    ),
    Operator(
        "pow",
        5,
        2,
        np.power,
        "power(a, b)",
        ("b * power(a, b - 1.0)", "(r * log(a) if a != 0.0 else 0.0)"),
        lambda S, a, b: a**b,
        "{{{0}}}^{{{1}}}",
        "pow",
        "pow",
        domain="a > 0, or a any and b an integer (a != 0 if b < 0)",
        unit="power",
        infix="**",
        precedence=PRECEDENCE_POW,
    ),
    Operator(
        "min",
        6,
        2,
        np.minimum,
        "minimum(a, b)",
        ("(1.0 if a <= b else 0.0)", "(0.0 if a <= b else 1.0)"),
        lambda S, a, b: S.Min(a, b),
        r"\min\left({0}, {1}\right)",
        "minimum",
        "min",
        unit="same",
        commutative=True,
    ),
    Operator(
        "max",
        7,
        2,
        np.maximum,
        "maximum(a, b)",
        ("(1.0 if a >= b else 0.0)", "(0.0 if a >= b else 1.0)"),
        lambda S, a, b: S.Max(a, b),
        r"\max\left({0}, {1}\right)",
        "maximum",
        "max",
        unit="same",
        commutative=True,
    ),
    Operator(
        "neg",
        8,
        1,
        np.negative,
        "-a",
        ("-1.0",),
        lambda S, a: -a,
        "-{0}",
        "neg",
        "neg",
        unit="keep",
        infix="-",
        precedence=PRECEDENCE_NEG,
    ),
    Operator(
        "inv",
        9,
        1,
        _inv,
        "1.0 / a",
        ("-r * r",),
        lambda S, a: 1 / a,
        r"\frac{{1}}{{{0}}}",
        "reciprocal",
        "inv",
        domain="a != 0",
        unit="-1",
        infix="/",
        precedence=_M,
    ),
    Operator(
        "abs",
        10,
        1,
        np.abs,
        "abs(a)",
        ("(1.0 if a > 0.0 else (-1.0 if a < 0.0 else 0.0))",),
        lambda S, a: S.Abs(a),
        r"\left|{0}\right|",
        "abs",
        "abs",
        unit="keep",
    ),
    Operator(
        "sign",
        11,
        1,
        np.sign,
        "sign(a)",
        ("0.0",),
        lambda S, a: S.sign(a),
        r"\operatorname{{sign}}\left({0}\right)",
        "sign",
        "sign",
        unit="sign",
    ),
    Operator(
        "sqrt",
        12,
        1,
        np.sqrt,
        "sqrt(a)",
        ("0.5 / r",),
        lambda S, a: S.sqrt(a),
        r"\sqrt{{{0}}}",
        "sqrt",
        "sqrt",
        domain="a >= 0",
        unit="1/2",
    ),
    Operator(
        "cbrt",
        13,
        1,
        np.cbrt,
        "cbrt(a)",
        ("1.0 / (3.0 * r * r)",),
        lambda S, a: S.real_root(a, 3),
        r"\sqrt[3]{{{0}}}",
        "cbrt",
        "cbrt",
        unit="1/3",
    ),
    Operator("exp", 14, 1, np.exp, "exp(a)", ("r",), lambda S, a: S.exp(a), r"e^{{{0}}}", "exp", "exp"),
    Operator(
        "log",
        15,
        1,
        np.log,
        "log(a)",
        ("1.0 / a",),
        lambda S, a: S.log(a),
        r"\ln\left({0}\right)",
        "log",
        "log",
        domain="a > 0",
    ),
    Operator(
        "sin",
        16,
        1,
        np.sin,
        "sin(a)",
        ("cos(a)",),
        lambda S, a: S.sin(a),
        r"\sin\left({0}\right)",
        "sin",
        "sin",
    ),
    Operator(
        "cos",
        17,
        1,
        np.cos,
        "cos(a)",
        ("-sin(a)",),
        lambda S, a: S.cos(a),
        r"\cos\left({0}\right)",
        "cos",
        "cos",
    ),
    Operator(
        "tan",
        18,
        1,
        np.tan,
        "tan(a)",
        ("1.0 + r * r",),
        lambda S, a: S.tan(a),
        r"\tan\left({0}\right)",
        "tan",
        "tan",
        domain="a not an odd multiple of pi/2",
    ),
    Operator(
        "asin",
        19,
        1,
        np.arcsin,
        "asin(a)",
        ("1.0 / sqrt(1.0 - a * a)",),
        lambda S, a: S.asin(a),
        r"\arcsin\left({0}\right)",
        "asin",
        "arcsin",
        domain="-1 <= a <= 1",
    ),
    Operator(
        "acos",
        20,
        1,
        np.arccos,
        "acos(a)",
        ("-1.0 / sqrt(1.0 - a * a)",),
        lambda S, a: S.acos(a),
        r"\arccos\left({0}\right)",
        "acos",
        "arccos",
        domain="-1 <= a <= 1",
    ),
    Operator(
        "atan",
        21,
        1,
        np.arctan,
        "atan(a)",
        ("1.0 / (1.0 + a * a)",),
        lambda S, a: S.atan(a),
        r"\arctan\left({0}\right)",
        "atan",
        "arctan",
    ),
    Operator(
        "sinh",
        22,
        1,
        np.sinh,
        "sinh(a)",
        ("cosh(a)",),
        lambda S, a: S.sinh(a),
        r"\sinh\left({0}\right)",
        "sinh",
        "sinh",
    ),
    Operator(
        "cosh",
        23,
        1,
        np.cosh,
        "cosh(a)",
        ("sinh(a)",),
        lambda S, a: S.cosh(a),
        r"\cosh\left({0}\right)",
        "cosh",
        "cosh",
    ),
    Operator(
        "tanh",
        24,
        1,
        np.tanh,
        "tanh(a)",
        ("1.0 - r * r",),
        lambda S, a: S.tanh(a),
        r"\tanh\left({0}\right)",
        "tanh",
        "tanh",
    ),
    Operator(
        "square",
        25,
        1,
        np.square,
        "a * a",
        ("2.0 * a",),
        lambda S, a: a**2,
        "{{{0}}}^{{2}}",
        "square",
        "pow2",
        unit="2",
        infix="**",
        precedence=PRECEDENCE_POW,
    ),
    Operator(
        "cube",
        26,
        1,
        _cube,
        "a * a * a",
        ("3.0 * a * a",),
        lambda S, a: a**3,
        "{{{0}}}^{{3}}",
        "",
        "pow3",
        unit="3",
        infix="**",
        precedence=PRECEDENCE_POW,
    ),
)

ALIASES = {
    "ln": "log",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "pow2": "square",
    "pow3": "cube",
    "absolute": "abs",
    "power": "pow",
    "minimum": "min",
    "maximum": "max",
    "Abs": "abs",
    "Min": "min",
    "Max": "max",
    "sgn": "sign",
}
"""Other spellings that the parser accepts for a function."""

NAMED_CONSTANTS = {"pi": float(np.pi)}
"""Constants with a name in text; everything else is a number."""


class OperatorTable:
    """Look-up of operators by name (aliases included) and by code."""

    def __init__(self, operators: tuple[Operator, ...]) -> None:
        self.by_name: dict[str, Operator] = {op.name: op for op in operators}
        self.by_code: dict[int, Operator] = {op.code: op for op in operators}
        if len(self.by_code) != len(operators) or len(self.by_name) != len(operators):
            raise SymnumTableError("two operators share a name or a code")

    def __getitem__(self, name: str) -> Operator:
        """Operator of that name or alias; raises InvalidInput naming near matches."""
        op = self.by_name.get(ALIASES.get(name, name))
        if op is None:
            from difflib import get_close_matches

            near = get_close_matches(name, self.by_name, n=3)
            hint = f" Did you mean {', '.join(near)}?" if near else ""
            raise InvalidInput(f"unknown operator {name!r}.{hint} Known: {', '.join(self.by_name)}.")
        return op

    def __contains__(self, name: str) -> bool:
        return ALIASES.get(name, name) in self.by_name

    def __iter__(self) -> Iterator[Operator]:
        return iter(self.by_code.values())

    def __len__(self) -> int:
        return len(self.by_code)


class SymnumTableError(RuntimeError):
    """The operator table contradicts itself (a programming error)."""


OPERATORS = OperatorTable(_TABLE)
"""The table of all operators."""

RESERVED = (
    frozenset(OPERATORS.by_name) | frozenset(ALIASES) | frozenset(NAMED_CONSTANTS) | {"cot", "sec", "csc"}
)
"""Words that text cannot use as a bare variable name; backticks make any name usable."""
