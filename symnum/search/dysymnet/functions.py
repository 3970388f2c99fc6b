"""What the units of a network compute: values, slopes, and the same as an Expression.

The forms are those of DySymNet's code: ``log(|a| + 1e-6)``, ``sqrt(|a|)``, ``a/(b + 1e-6)``, and ``10*a*b``
under the name "product"; "mul" is the plain one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from symnum.exceptions import InvalidInput
from symnum.expressions.expression import Expression

GUARD = 1e-6
"""Keeps logarithms and quotients finite while a network is trained."""
GAIN = 10.0
"""Factor of "product"."""


class Function(NamedTuple):
    """One kind of unit.

    Attributes
    ----------
    arity : int
        1 or 2.
    operators : frozenset of str
        Operators of the table that formulas hold where the unit is used.
    value : callable
        Tensors (one for each argument) to a tensor.
    slopes : callable
        Arguments and value to the derivative by each argument.
    form : callable
        Expressions to the expression of exactly `value`, or without the guard when `plain` is true.
    """

    arity: int
    operators: frozenset[str]
    value: Callable[..., Tensor]
    slopes: Callable[..., tuple[Tensor, ...]]
    form: Callable[..., Expression]


def _unary(name: str, value: Callable, slope: Callable) -> Function:
    return Function(
        1, frozenset({name}), value, lambda a, r: (slope(a, r),), lambda a, plain: Expression.apply(name, a)
    )


def _power(exponent: int) -> Function:
    def form(a: Expression, plain: bool) -> Expression:
        return a ** float(exponent)

    def slopes(a: Tensor, r: Tensor) -> tuple[Tensor]:
        return (exponent * a ** (exponent - 1),)

    name = {2: "square", 3: "cube"}.get(exponent, "pow")
    return Function(1, frozenset({name}), lambda a: a**exponent, slopes, form)


def _guarded(e: Expression, plain: bool) -> Expression:
    return e if plain else e + GUARD


def _absolute(e: Expression) -> Expression:
    return Expression.apply("abs", e)


FUNCTIONS: dict[str, Function] = {
    "id": Function(1, frozenset(), lambda a: a, lambda a, r: (torch.ones_like(a),), lambda a, plain: a),
    "sin": _unary("sin", torch.sin, lambda a, r: torch.cos(a)),
    "cos": _unary("cos", torch.cos, lambda a, r: -torch.sin(a)),
    "tan": _unary("tan", torch.tan, lambda a, r: 1 + r * r),
    "exp": _unary("exp", torch.exp, lambda a, r: r),
    "tanh": _unary("tanh", torch.tanh, lambda a, r: 1 - r * r),
    "log": Function(
        1,
        frozenset({"log"}),
        lambda a: torch.log(a.abs() + GUARD),
        lambda a, r: (torch.sign(a) / (a.abs() + GUARD),),
        lambda a, plain: Expression.apply("log", _guarded(_absolute(a), plain)),
    ),
    "sqrt": Function(
        1,
        frozenset({"sqrt"}),
        lambda a: a.abs().sqrt(),
        # Infinite at 0 otherwise, where a unit without inputs stands.
        lambda a, r: (0.5 * torch.sign(a) / r.clamp(min=GUARD),),
        lambda a, plain: Expression.apply("sqrt", _absolute(a)),
    ),
    "square": _power(2),
    "cube": _power(3),
    "pow4": _power(4),
    "pow5": _power(5),
    "pow6": _power(6),
    "add": Function(
        2, frozenset({"add"}), torch.add, lambda a, b, r: (torch.ones_like(a),) * 2, lambda a, b, plain: a + b
    ),
    "sub": Function(
        2,
        frozenset({"sub"}),
        torch.sub,
        lambda a, b, r: (torch.ones_like(a), -torch.ones_like(b)),
        lambda a, b, plain: a - b,
    ),
    "mul": Function(
        2, frozenset({"mul"}), torch.mul, lambda a, b, r: (b, a), lambda a, b, plain: a * b
    ),
    "product": Function(
        2,
        frozenset({"mul"}),
        lambda a, b: GAIN * a * b,
        lambda a, b, r: (GAIN * b, GAIN * a),
        lambda a, b, plain: GAIN * a * b,
    ),
    "div": Function(
        2,
        frozenset({"div"}),
        lambda a, b: a / (b + GUARD),
        lambda a, b, r: (1 / (b + GUARD), -r / (b + GUARD)),
        lambda a, b, plain: a / _guarded(b, plain),
    ),
}  # fmt: skip
"""All units by name; the order of a library is the order of the controller's outputs."""


def library(names: tuple[str, ...], operators: set[str] | None) -> tuple[str, ...]:
    """Units of a library that a search limited to some operators may use.

    Raises
    ------
    InvalidInput
        When none but the identity is left.
    """
    if operators is None:
        return names
    allowed = tuple(n for n in names if FUNCTIONS[n].operators <= operators)
    if not any(FUNCTIONS[n].operators for n in allowed):
        raise InvalidInput(
            f"search='dysymnet' has no unit for the operators {sorted(operators)} alone; allow one of"
            f" {sorted(set().union(*(FUNCTIONS[n].operators for n in names)))}"
        )
    return allowed
