"""SRBench's own symbolic check and its model sizes, re-implemented as they are, defects included.

From cavalab/srbench at tag v2.0 (``assess_symbolic_model.py``, ``symbolic_utils.py``). Two things differ: the
formula comes as a tree with the right variable at every leaf, where SRBench renames by replacing text, and it
runs in a process that can be killed. Nothing here is bounded: call it through `symnum.evaluation.sizes`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from symnum.expressions.expression import Expression
from symnum.expressions.operators import OPERATORS

if TYPE_CHECKING:
    import sympy

_PI = "3.1415926535"
R2_NEEDED = 0.5


def plain_tree(e: Expression) -> sympy.Expr:
    """Tree as sympy's parser makes it of text: symbols without assumptions, decimals as Floats, short pi."""
    import sympy

    symbols = [sympy.Symbol(name) for name in e.names]
    stack: list[Any] = []
    for code, value in e.walk():
        if value is not None:
            stack.append(_number(value))
        elif code < 0:
            stack.append(symbols[-code - 1])
        else:
            op = OPERATORS.by_code[code]
            args = stack[-op.arity :]
            del stack[-op.arity :]
            if op.name in ("sqrt", "log") and args[0].is_Float and args[0] < 0:
                args = [sympy.Abs(args[0])]  # its protected root and logarithm, which protect numbers alone
            stack.append(op.sympy(sympy, *args))
    return stack[0]


def _number(value: float) -> sympy.Expr:
    import sympy

    if abs(value) == math.pi:
        return sympy.Float(_PI) if value > 0 else -sympy.Float(_PI)
    return sympy.Integer(int(value)) if value == int(value) and abs(value) < 2**53 else sympy.Float(value)


def round_floats(tree: sympy.Expr) -> sympy.Expr:
    """Every Float below 1e-4 becomes 0, any other is rounded to three decimals."""
    import sympy

    result = tree
    for node in sympy.preorder_traversal(tree):
        if isinstance(node, sympy.Float):
            if abs(node) < 0.0001:
                result = result.subs(node, sympy.Integer(0))
            else:
                result = result.subs(node, sympy.Float(round(node, 3), 3))
    return result


def nodes(tree: sympy.Basic) -> int:
    """Nodes in preorder: SRBench's size of a model."""
    import sympy

    return sum(1 for _ in sympy.preorder_traversal(tree))


def model_size(e: Expression) -> int:
    """SRBench 2025's model size: nodes of the rounded tree, without simplification."""
    return nodes(round_floats(plain_tree(e)))


def simplified(e: Expression) -> sympy.Expr:
    """Rounded and simplified prediction, of which SRBench 2021 takes the nodes."""
    import sympy

    return sympy.simplify(round_floats(plain_tree(e)), ratio=1)


def symbolic_solution(prediction: sympy.Expr, truth: Expression) -> dict[str, bool]:
    """SRBench's flags for a simplified prediction whose test R2 is above 0.5.

    Returns
    -------
    dict
        ``zero``, ``constant``, ``fraction``: the difference is 0, the difference is constant, the fraction is
        constant; ``solved``: one of them, and the prediction is not 0 or nan.
    """
    import sympy

    true = round_floats(plain_tree(truth))
    difference = round_floats(true - prediction)
    fraction = round_floats(prediction / true)
    if not difference.is_constant() or fraction.is_constant():
        difference = round_floats(sympy.simplify(difference, ratio=1))
    flags = {
        "zero": str(difference) == "0",
        "constant": bool(difference.is_constant()),
        "fraction": bool(fraction.is_constant()),
    }
    return flags | {"solved": any(flags.values()) and str(prediction) not in ("0", "nan")}
