"""An Expression as a tree in the DOT language, which graphviz and many editors draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symnum.expressions.operators import OPERATORS
from symnum.expressions.printers import number_text

if TYPE_CHECKING:
    from symnum.expressions.expression import Expression

_LABELS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**", "neg": "-", "inv": "1/"}
_LABELS |= {"square": "**2", "cube": "**3"}


def to_dot(expression: Expression, digits: int | None = 5) -> str:
    """Tree as DOT text: operators as ellipses, columns as boxes, constants plain.

    Parameters
    ----------
    expression : Expression
    digits : int, optional
        Significant digits of constants; all when None.
    """
    lines = ["digraph formula {", "  node [fontname=Helvetica];", "  edge [arrowhead=none];"]
    edges: list[str] = []
    stack: list[int] = []
    for place, (code, value) in enumerate(expression.walk()):
        if value is not None:
            text, shape = number_text(value, digits), "plaintext"
        elif code < 0:
            text, shape = expression.names[-code - 1], "box"
        else:
            op = OPERATORS.by_code[code]
            text, shape = _LABELS.get(op.name, op.name), "ellipse"
            edges += [f"  n{place} -> n{child};" for child in stack[-op.arity :]]
            del stack[-op.arity :]
        stack.append(place)
        lines.append(f'  n{place} [label="{_escaped(text)}", shape={shape}];')
    return "\n".join([*lines, *edges, "}"]) + "\n"


def _escaped(text: str) -> str:
    r"""Text inside quotes: backslashes too, which would start escapes such as \N."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ").replace("\0", " ")
