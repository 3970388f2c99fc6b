"""Text forms of an Expression: infix that parses back, LaTeX, numpy source."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from symnum.expressions.operators import (
    OPERATORS,
    PRECEDENCE_ADD,
    PRECEDENCE_ATOM,
    PRECEDENCE_MUL,
    PRECEDENCE_NEG,
    PRECEDENCE_POW,
    RESERVED,
)

if TYPE_CHECKING:
    from symnum.expressions.expression import Expression

_PLAIN_NAME = re.compile(r"[^\W\d]\w*\Z")
_GREEK = frozenset((
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu",
    "nu", "xi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega", "Gamma", "Delta", "Theta",
    "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega",
))  # fmt: skip
_INFIX_SYMBOL = {"add": " + ", "sub": " - ", "mul": "*", "div": "/", "pow": "**"}


def quote_name(name: str) -> str:
    """Name as text can use it: in backticks unless it is a plain word with no other meaning."""
    if _PLAIN_NAME.match(name) and name.isidentifier() and name not in RESERVED:
        return name
    return f"`{name.replace('`', '``')}`"


def number_text(value: float, digits: int | None = None, named: bool = True) -> str:
    """Shortest text that reads back as the same float64, or rounded to `digits` significant digits.

    With `named` pi is written by its name.
    """
    if digits is not None:
        rounded = float(f"{value:.{digits}g}")
        value = rounded if math.isfinite(rounded) else value  # the largest floats round up to infinity
    elif named and math.pi == abs(value):
        return "pi" if value > 0 else "-pi"
    if value == int(value) and abs(value) < 1e15:
        return str(int(value)) if value or math.copysign(1, value) > 0 else "-0.0"
    return repr(value)


def to_text(expression: Expression, digits: int | None = None) -> str:
    """Infix text with the fewest parentheses that keep the tree."""
    names = [quote_name(n) for n in expression.names]
    named = "pi" not in expression.names
    stack: list[tuple[str, int]] = []

    def wrap(item: tuple[str, int], minimum: int) -> str:
        return item[0] if item[1] >= minimum else f"({item[0]})"

    for code, value in expression.walk():
        if value is not None:
            text = number_text(value, digits, named)
            stack.append((text, PRECEDENCE_NEG if text.startswith("-") else PRECEDENCE_ATOM))
            continue
        if code < 0:
            stack.append((names[-code - 1], PRECEDENCE_ATOM))
            continue
        op = OPERATORS.by_code[code]
        args = stack[-op.arity :]
        del stack[-op.arity :]
        if not op.infix:
            stack.append((f"{op.name}({', '.join(a[0] for a in args)})", PRECEDENCE_ATOM))
        elif op.name in ("square", "cube"):
            stack.append(
                (f"{wrap(args[0], PRECEDENCE_ATOM)}**{'2' if op.name == 'square' else '3'}", PRECEDENCE_POW)
            )
        elif op.name == "inv":
            stack.append((f"1/{wrap(args[0], PRECEDENCE_NEG)}", PRECEDENCE_MUL))
        elif op.name == "neg":
            stack.append((f"-{wrap(args[0], PRECEDENCE_NEG)}", PRECEDENCE_NEG))
        elif op.name == "pow":
            stack.append(
                (f"{wrap(args[0], PRECEDENCE_ATOM)}**{wrap(args[1], PRECEDENCE_NEG)}", PRECEDENCE_POW)
            )
        else:
            left, right = wrap(args[0], op.precedence), wrap(args[1], op.precedence + 1)
            stack.append((f"{left}{_INFIX_SYMBOL[op.name]}{right}", op.precedence))
    return stack[0][0]


def name_latex(name: str) -> str:
    """LaTeX of a column name: Greek words, numbers as subscripts, anything else upright and escaped."""
    match = re.fullmatch(r"([A-Za-z]+?)_?(\d+)", name) or re.fullmatch(r"([A-Za-z]+)_([A-Za-z0-9]+)", name)
    if match:
        lower = match.group(2)
        return f"{name_latex(match.group(1))}_{{{lower if len(lower) < 3 else _upright(lower)}}}"
    if name in _GREEK:
        return f"\\{name}"
    return name if len(name) == 1 and name.isalpha() else _upright(name)


def _upright(text: str) -> str:
    # Spellings that both LaTeX and matplotlib draw; there is none for an ampersand.
    escapes = {"\\": r"\backslash{}", "_": r"\_", "%": r"\%", "#": r"\#", "$": r"\$", "{": r"\{",
               "}": r"\}", "^": r"\hat{}", "~": r"\sim{}", " ": r"\ ", '"': "''", "`": "'",
               "&": r"\ and\ "}  # fmt: skip
    return r"\mathrm{" + "".join(escapes.get(c, c) for c in text) + "}"


def power_of_ten(text: str) -> str:
    """LaTeX of a number's text: ``1e-05`` as a product with a power of ten."""
    mantissa, sign, exponent = text.partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if sign else text


def _number_latex(value: float, digits: int | None) -> str:
    return power_of_ten(number_text(value, digits).replace("pi", r"\pi"))


def to_latex(expression: Expression, digits: int | None = None) -> str:
    """LaTeX with fractions and roots, no document around it."""
    stack: list[tuple[str, int]] = []

    def wrap(item: tuple[str, int], minimum: int) -> str:
        return item[0] if item[1] >= minimum else rf"\left({item[0]}\right)"

    for code, value in expression.walk():
        if value is not None:
            text = _number_latex(value, digits)
            weak = PRECEDENCE_NEG if text.startswith("-") else PRECEDENCE_ATOM
            stack.append((text, min(weak, PRECEDENCE_MUL) if "cdot" in text else weak))
            continue
        if code < 0:
            stack.append((name_latex(expression.names[-code - 1]), PRECEDENCE_ATOM))
            continue
        op = OPERATORS.by_code[code]
        args = stack[-op.arity :]
        del stack[-op.arity :]
        if op.name in ("div", "inv"):
            parts, strength = [a[0] for a in args], PRECEDENCE_ATOM - 1
        elif op.name in ("pow", "square", "cube"):
            parts, strength = [wrap(args[0], PRECEDENCE_ATOM), *(a[0] for a in args[1:])], PRECEDENCE_POW
        elif op.name in ("add", "sub", "mul"):
            # A sign may not follow an operator in print, so the right operand is wrapped from NEG up.
            right = args[1]
            signed = right[0].startswith("-")
            parts = [
                wrap(args[0], op.precedence),
                wrap(right, PRECEDENCE_ATOM if signed else op.precedence + 1),
            ]
            strength = op.precedence
        elif op.name == "neg":
            parts, strength = [wrap(args[0], PRECEDENCE_MUL)], PRECEDENCE_NEG
            strength = PRECEDENCE_ADD if args[0][1] < PRECEDENCE_NEG else strength
        else:
            parts, strength = (
                [a[0] for a in args],
                PRECEDENCE_ATOM - 1 if op.name == "exp" else PRECEDENCE_ATOM,
            )
        stack.append((op.latex.format(*parts), strength))
    return stack[0][0]


_MODULES = {"python": ("numpy", "np", "np.float64"), "jax": ("jax.numpy", "jnp", "jnp.asarray")}


def to_numpy_source(expression: Expression, function: str = "formula") -> str:
    """Python source of a function with one argument per used column; needs only numpy."""
    return array_source(expression, function)


def array_source(expression: Expression, function: str, library: str = "python") -> str:
    """Python source of a function of arrays, one per used column, for numpy ("python") or JAX ("jax")."""
    module, short, scalar = _MODULES[library]
    used = expression.variables
    args = {i: _argument(expression.names[i], i) for i in used}
    if len(set(args.values())) < len(args):
        args = {i: f"x{i}" for i in used}
    spelled = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "min": "minimum", "max": "maximum"}
    stack: list[str] = []
    literal: list[bool] = []  # whether an operand is a Python float, whose arithmetic raises or turns complex
    for code, value in expression.walk():
        if value is not None:
            stack.append(f"({value!r})" if value < 0 else repr(value))
            literal.append(True)
        elif code < 0:
            stack.append(args[-code - 1])
            literal.append(False)
        else:
            op = OPERATORS.by_code[code]
            parts = stack[-op.arity :]
            if all(literal[-op.arity :]) and op.infix:
                parts[0] = f"{scalar}({parts[0].strip('()')})"
            del stack[-op.arity :], literal[-op.arity :]
            literal.append(False)
            if op.name in _INFIX_SYMBOL:
                stack.append(f"({parts[0]} {_INFIX_SYMBOL[op.name].strip()} {parts[1]})")
            elif op.infix:
                form = {"neg": "(-{})", "inv": "(1.0 / {})", "square": "({} ** 2)", "cube": "({} ** 3)"}[
                    op.name
                ]
                stack.append(form.format(parts[0]))
            else:
                stack.append(f"{short}.{spelled.get(op.name, op.name)}({', '.join(parts)})")
    body = stack[0]
    lines = [
        f"def {function}({', '.join(args.values())}):",
        f'    """{_in_docstring(expression.text(6))}"""',
        f"    return {body}",
    ]
    return f"import {module} as {short}\n\n\n" + "\n".join(lines) + "\n"


def _in_docstring(text: str) -> str:
    """Text with everything escaped that could end the docstring or is no plain character."""
    return "".join(
        c
        if c.isprintable() and c not in '\\"'
        else c.encode("unicode_escape").decode()
        if c != '"'
        else r"\""
        for c in text
    )


def _argument(name: str, index: int) -> str:
    import keyword

    clean = re.sub(r"\W", "_", name, flags=re.ASCII)
    if not clean or clean[0].isdigit() or keyword.iskeyword(clean) or clean in ("np", "jnp"):
        clean = f"x{index}_{clean}" if clean else f"x{index}"
    return clean
