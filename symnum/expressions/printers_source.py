"""Source code of an Expression: numpy and JAX, C, Julia, MATLAB, a spreadsheet formula.

Every source computes what `Expression.evaluate` computes: IEEE arithmetic, NaN where the formula is
undefined. Languages that would stop or answer with a complex number there get small helper functions. A
spreadsheet knows no NaN and shows an error instead.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from symnum.exceptions import InvalidInput
from symnum.expressions.operators import OPERATORS
from symnum.expressions.printers import array_source

if TYPE_CHECKING:
    from symnum.expressions.expression import Expression

_WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_LONGEST_CELL = 8192  # characters that Excel takes in one cell


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How a language spells operators, and the frame around the formula.

    `operators` holds templates in ``{0}``, ``{1}``; ``@`` before a word is the name of the function and an
    underscore, and a template that starts with ``@`` names a helper of `helpers`.
    """

    operators: Mapping[str, str]
    helpers: Mapping[str, str]
    keywords: frozenset[str]
    frame: Callable[[str, list[str], str, list[str], str], str]
    forbidden: frozenset[str] = frozenset()

    def words(self) -> frozenset[str]:
        """Words that an argument's name would hide."""
        texts = " ".join([*self.operators.values(), *self.helpers.values()])
        return self.keywords | self.forbidden | frozenset(_WORD.findall(texts))


_INFIX = {
    "add": "({0} + {1})", "sub": "({0} - {1})", "mul": "({0} * {1})", "div": "({0} / {1})",
    "neg": "(-{0})", "inv": "(1.0 / {0})",
}  # fmt: skip
_PLAIN = {n: f"{n}({{0}})" for n in "sqrt cbrt exp log sin cos tan asin acos atan sinh cosh tanh".split()}


# ------------------------------------------------------------------------------------------------- C
def _frame_c(function: str, arguments: list[str], body: str, helpers: list[str], text: str) -> str:
    head = ", ".join(f"double {a}" for a in arguments) or "void"
    comment = text.replace("*/", "* /").replace("/*", "/ *")
    parts = [
        f"/* {comment}\n * Compile without -ffast-math: undefined values are NaN. */\n#include <math.h>\n",
        *(f"{h}\n" for h in helpers),
        f"double {function}({head}) {{\n    return {body};\n}}\n",
    ]
    return "\n".join(parts)


_C = _Dialect(
    operators=_INFIX | _PLAIN | {
        "abs": "fabs({0})", "pow": "pow({0}, {1})", "sign": "@sign({0})", "min": "@min({0}, {1})",
        "max": "@max({0}, {1})", "square": "@square({0})", "cube": "@cube({0})",
    },
    helpers={
        "sign": "static double @sign(double a) { return a != a ? a : (double)((a > 0) - (a < 0)); }",
        "min": "static double @min(double a, double b) { return a != a || a < b ? a : b; }",
        "max": "static double @max(double a, double b) { return a != a || a > b ? a : b; }",
        "square": "static double @square(double a) { return a * a; }",
        "cube": "static double @cube(double a) { return a * a * a; }",
    },
    keywords=frozenset(
        "auto bool break case char const constexpr continue default do double else enum extern false float "
        "for goto if inline int long nullptr register restrict return short signed sizeof static "
        "static_assert struct switch thread_local true typedef typeof union unsigned void volatile while "
        "asm class delete new private public this template try catch main".split()
    ),
    frame=_frame_c,
)  # fmt: skip


# ------------------------------------------------------------------------------------------------- Julia
def _frame_julia(function: str, arguments: list[str], body: str, helpers: list[str], text: str) -> str:
    lines = [*helpers, "", f"# {text}"] if helpers else [f"# {text}"]
    lines += [f"function {function}({', '.join(f'{a}::Real' for a in arguments)})"]
    lines += [f"    {a} = float({a})" for a in arguments]
    return "\n".join([*lines, f"    return {body}", "end", ""])


_WAVES = {n: f"@{n}(a) = isinf(a) ? NaN : {n}(a)" for n in ("sin", "cos", "tan")}
_JULIA = _Dialect(
    operators=_INFIX | _PLAIN | {
        n: f"@{n}({{0}})" for n in ("sin", "cos", "tan", "sqrt", "log", "asin", "acos", "cube")
    } | {
        "abs": "abs({0})", "sign": "sign({0})", "min": "min({0}, {1})", "max": "max({0}, {1})",
        "square": "abs2({0})", "pow": "@pow({0}, {1})",
    },
    # Julia throws a DomainError where the others answer NaN.
    helpers=_WAVES | {
        "sqrt": "@sqrt(a) = a < 0 ? NaN : sqrt(a)",
        "log": "@log(a) = a < 0 ? NaN : log(a)",
        "asin": "@asin(a) = abs(a) > 1 ? NaN : asin(a)",
        "acos": "@acos(a) = abs(a) > 1 ? NaN : acos(a)",
        "cube": "@cube(a) = a * a * a",
        "pow": "@pow(a, b) = a < 0 && isfinite(b) && !isinteger(b) ? "
               "(isinf(a) ? (b > 0 ? Inf : 0.0) : NaN) : a^b",
    },
    keywords=frozenset(
        "baremodule begin break catch const continue do else elseif end export false finally for function "
        "global if import let local macro module primitive quote return struct true try type using while in "
        "isa where abstract mutable float Real pi im".split()
    ),
    frame=_frame_julia,
)  # fmt: skip


# ------------------------------------------------------------------------------------------------- MATLAB
def _frame_matlab(function: str, arguments: list[str], body: str, helpers: list[str], text: str) -> str:
    head = f"function r = {function}({', '.join(arguments)})\n% {text}\n    r = {body};\nend\n"
    return "\n".join([head, *(f"{h}\n" for h in helpers)])


def _matlab_helper(name: str, undefined: str) -> str:
    return f"function r = @{name}(a)\n    a({undefined}) = NaN;\n    r = {name}(a);\nend"


def _matlab_extreme(name: str) -> str:
    return f"function r = @{name}(a, b)\n    r = {name}(a, b);\n    r(isnan(a) | isnan(b)) = NaN;\nend"


_MATLAB = _Dialect(
    operators=_INFIX | _PLAIN | {
        "mul": "({0} .* {1})", "div": "({0} ./ {1})", "inv": "(1 ./ {0})", "abs": "abs({0})",
        "sign": "sign({0})", "cbrt": "nthroot({0}, 3)", "square": "({0} .^ 2)", "cube": "({0} .^ 3)",
        "sqrt": "@sqrt({0})", "log": "@log({0})", "asin": "@asin({0})", "acos": "@acos({0})",
        "pow": "@pow({0}, {1})", "min": "@min({0}, {1})", "max": "@max({0}, {1})",
    },
    # MATLAB and Octave turn to complex numbers where the others answer NaN, and min and max skip NaN.
    helpers={
        "sqrt": _matlab_helper("sqrt", "a < 0"), "log": _matlab_helper("log", "a < 0"),
        "asin": _matlab_helper("asin", "abs(a) > 1"), "acos": _matlab_helper("acos", "abs(a) > 1"),
        "min": _matlab_extreme("min"), "max": _matlab_extreme("max"),
        "pow": "function r = @pow(a, b)\n    a = a + zeros(size(b));\n    b = b + zeros(size(a));\n"
               "    root = a < 0 & b ~= fix(b);\n    a(root & ~isinf(a)) = NaN;\n"
               "    a(root) = abs(a(root));\n    r = a .^ b;\nend",
    },
    keywords=frozenset(
        "break case catch classdef continue else elseif end for function global if otherwise parfor "
        "persistent return spmd switch try while r pi i j ans Inf inf nan eps".split()
    ),
    frame=_frame_matlab,
)  # fmt: skip

_DIALECTS = {"c": _C, "julia": _JULIA, "matlab": _MATLAB}
LANGUAGES = ("python", "jax", "c", "julia", "matlab", "excel")
"""Names that `to_source` takes."""


def to_source(expression: Expression, language: str, function: str = "formula") -> str:
    """Source of a function of the columns in use, in the order of the table.

    Parameters
    ----------
    expression : Expression
    language : {"python", "jax", "c", "julia", "matlab", "excel"}
        "numpy" is "python"; "excel" gives the text of one cell, see `to_excel`.
    function : str
        Name of the function; not used for a spreadsheet.

    Raises
    ------
    InvalidInput
        For an unknown language, or a name that is none in that language.
    """
    language = {"numpy": "python", "octave": "matlab"}.get(language, language)
    if language not in LANGUAGES:
        raise InvalidInput(f"language {language!r} is unknown; choose one of {', '.join(LANGUAGES)}")
    if language == "excel":
        return to_excel(expression)
    dialect = _DIALECTS.get(language)
    taken = dialect.words() if dialect else frozenset(keyword.kwlist) | {"np", "jnp"}
    if not _WORD.fullmatch(function) or function in taken or function.startswith("_"):
        raise InvalidInput(f"{function!r} cannot be the name of a {language} function; name another")
    if dialect is None:
        return array_source(expression, function, language)
    arguments = _arguments(expression, taken | {function} | {f"{function}_{h}" for h in dialect.helpers})
    body, used = _spell(expression, dialect.operators, arguments, _number)
    own = [dialect.helpers[n].replace("@", f"{function}_") for n in dialect.helpers if n in used]
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in expression.text(6))
    return dialect.frame(function, list(arguments.values()), body.replace("@", f"{function}_"), own, text)


def to_excel(expression: Expression, cells: Mapping[str, str] | None = None) -> str:
    """Spreadsheet formula with references to cells, for Excel, LibreOffice and Google Sheets.

    Parameters
    ----------
    expression : Expression
    cells : mapping of str to str, optional
        The cell of each column in use, such as ``{"mass": "$B$3"}``. Left out: the columns stand from A on
        in the order of the table with their names in row 1, and the formula is for row 2.

    Raises
    ------
    InvalidInput
        When a column has no cell, a reference cannot be read, or the text is too long for a cell.

    Notes
    -----
    Function names are the English ones; where a formula is undefined a spreadsheet shows an error, also for
    ``0^0``, which is 1 elsewhere, and for values beyond 1.8e308.
    """
    used = {i: expression.names[i] for i in expression.variables}
    if cells is None:
        cells = {name: f"{_letters(i)}2" for i, name in used.items()}
    missing = [name for name in used.values() if name not in cells]
    if missing:
        raise InvalidInput(f"no cells were given for the columns {missing}")
    reference = re.compile(r"(?:(?:'(?:[^'\[\]*?:/\\]|'')+'|\w+)!)?\$?[A-Za-z]{1,3}\$?[1-9][0-9]{0,6}")
    wrong = [cells[name] for name in used.values() if not reference.fullmatch(cells[name])]
    if wrong:
        raise InvalidInput(f"{wrong[0]!r} is no reference to a cell; expected one like A2, $B$3 or Sheet1!A2")
    body, _ = _spell(expression, _EXCEL, {i: cells[n] for i, n in used.items()}, lambda v: _number(v).upper())
    text = f"={body}"
    if len(text) > _LONGEST_CELL:
        raise InvalidInput(
            f"as a spreadsheet formula it has {len(text)} characters, a cell takes {_LONGEST_CELL}"
        )
    return text


_EXCEL = {
    "add": "({0}+{1})", "sub": "({0}-{1})", "mul": "({0}*{1})", "div": "({0}/{1})", "pow": "({0}^{1})",
    "neg": "(-{0})", "inv": "(1/{0})", "square": "({0}^2)", "cube": "({0}^3)", "log": "LN({0})",
    "min": "MIN({0},{1})", "max": "MAX({0},{1})", "cbrt": "(SIGN({0})*ABS({0})^(1/3))",
} | {
    n: f"{n.upper()}({{0}})"
    for n in "abs sign sqrt exp sin cos tan asin acos atan sinh cosh tanh".split()
}  # fmt: skip


# ------------------------------------------------------------------------------------------------- parts
def _spell(
    expression: Expression,
    operators: Mapping[str, str],
    arguments: Mapping[int, str],
    number: Callable[[float], str],
) -> tuple[str, set[str]]:
    """Formula in a language, every operation in parentheses or a call, and the operators in use."""
    stack: list[str] = []
    used: set[str] = set()
    for code, value in expression.walk():
        if value is not None:
            stack.append(number(value))
        elif code < 0:
            stack.append(arguments[-code - 1])
        else:
            op = OPERATORS.by_code[code]
            used.add(op.name)
            parts = stack[-op.arity :]
            del stack[-op.arity :]
            stack.append(operators[op.name].format(*parts))
    return stack[0], used


def _number(value: float) -> str:
    text = repr(value)
    return f"({text})" if text.startswith("-") else text


def _arguments(expression: Expression, taken: frozenset[str] | set[str]) -> dict[int, str]:
    """Argument names by column: close to the columns' own, different, and hiding nothing."""
    made = {}
    for i in expression.variables:
        clean = re.sub(r"\W", "_", expression.names[i], flags=re.ASCII)
        bad = not _WORD.fullmatch(clean) or clean.startswith("_") or clean in taken or len(clean) > 50
        made[i] = f"x{i}_{clean[:40]}" if bad else clean
    if len(set(made.values())) < len(made) or taken & set(made.values()):
        return {i: f"column_{i}" for i in expression.variables}
    return made


def _letters(index: int) -> str:
    """Name of a spreadsheet's column: A, B, ..., Z, AA, ..."""
    text = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        text = chr(ord("A") + rest) + text
    return text
