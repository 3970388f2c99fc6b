"""Writes ``_kernels.py``, the compiled form of the operator table.

Run ``python -m symnum.expressions.codegen`` after changing `symnum.expressions.operators`.
"""

from __future__ import annotations

import re
from pathlib import Path

from symnum.expressions.operators import OPERATORS, Operator

TARGET = Path(__file__).with_name("_kernels.py")

_FUNCTIONS = {
    "power": "vpow",
    "minimum": "vmin",
    "maximum": "vmax",
    "abs": "abs",
    **{
        name: "v" + name
        for name in "exp log sin cos tan asin acos atan sinh cosh tanh sqrt cbrt sign".split()
    },
}
_VALUES = {"a": "w[a, j]", "b": "w[b, j]", "r": "w[r, j]"}

_HEADER = '''"""Kernels of the operator table, one loop over a block of rows each.

Written by ``python -m symnum.expressions.codegen``; do not edit.
"""
'''

_APPLY = '''
@njit(nogil=True, error_model="numpy")
def apply(code, w, r, a, b, n):
    """Row ``r`` of the workspace becomes the operator's value on rows ``a`` and ``b``."""
'''

_PARTIALS = '''
@njit(nogil=True, error_model="numpy")
def partials(code, w, r, a, b, pa, pb, need_a, need_b, n):
    """Rows ``pa`` and ``pb`` become the partial derivatives that are needed; bits of the result: written."""
    done = 0
'''


def translate(source: str) -> str:
    """Kernel source over the scalars a, b, r as source over workspace rows."""
    words = _FUNCTIONS | _VALUES
    return re.sub(r"[A-Za-z_]\w*(?!\.)", lambda m: words.get(m[0], m[0]), source)


def _branches(operators: list[Operator], body: dict[int, str], depth: int = 1) -> str:
    """Binary search on the code: every operator is a few well-predicted comparisons away."""
    pad = "    " * depth
    if len(operators) == 1:
        return "".join(f"{pad}{line}\n" for line in body[operators[0].code].splitlines())
    middle = len(operators) // 2
    return (
        f"{pad}if code < {operators[middle].code}:\n{_branches(operators[:middle], body, depth + 1)}"
        f"{pad}else:\n{_branches(operators[middle:], body, depth + 1)}"
    )


def _chain(operators: list[Operator], body: dict[int, str]) -> str:
    """Comparisons in a chain, which LLVM turns into one jump table."""
    out = ""
    for i, op in enumerate(operators):
        lines = "".join(f"        {line}\n" for line in body[op.code].splitlines())
        out += f"    {'elif' if i else 'if'} code == {op.code}:  # {op.name}\n{lines}"
    return out


def _loop(target: str, source: str) -> str:
    if (
        source.startswith("(1.0 if")
        or source.startswith("(-1.0 if")
        or source.startswith("(r")
        or source.startswith("(0.0 if")
    ):
        source = source[1:-1]
    return f"for j in range(n):\n    w[{target}, j] = {translate(source)}"


def _partial_body(op: Operator) -> str:
    parts = []
    for bit, (name, grad) in enumerate(zip("ab", op.grad, strict=False)):
        if grad != "1.0":
            body = "".join(f"    {line}\n" for line in _loop("p" + name, grad).splitlines())
            parts.append(f"if need_{name}:\n{body}    done |= {bit + 1}")
    return "\n".join(parts)


def generate() -> str:
    """Source text of ``_kernels.py``."""
    ops = sorted(OPERATORS, key=lambda op: op.code)
    values = _chain(ops, {op.code: _loop("r", op.kernel) for op in ops})
    bodies = {op.code: _partial_body(op) for op in ops}
    grads = _chain([op for op in ops if bodies[op.code]], bodies)
    text = _APPLY + values + "\n" + _PARTIALS + grads + "    return done\n"
    used = sorted({name for name in _FUNCTIONS.values() if name != "abs" and name + "(" in text})
    imports = "from numba import njit\n\nfrom symnum.expressions._fastmath import (\n"
    imports += "".join(f"    {name},\n" for name in used) + ")\n\n"
    return _HEADER + "\nfrom __future__ import annotations\n\n" + imports + text


def main() -> None:
    """Rewrite ``_kernels.py``."""
    TARGET.write_text(generate(), encoding="utf-8")


if __name__ == "__main__":
    main()
