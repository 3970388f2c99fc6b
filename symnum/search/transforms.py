"""Output transforms T: a formula for T(y) is turned into one for y by the inverse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.expression import Expression

_HALF_PI = np.pi / 2


@dataclass(frozen=True, slots=True)
class Transform:
    """One invertible change of the target.

    Attributes
    ----------
    name : str
    forward : callable
        ``T(y)``.
    valid : callable
        Whether every target value lies in the branch that `inverse` returns to.
    inverse : callable
        Expression for y from one for T(y).
    slope : callable
        ``|dT/dy|``, by which errors of y grow.
    products : bool
        Whether products of T(y) are worth a join of their own (powers of y are not: same logarithm).
    sums : bool
        Whether sums are (those of acos(y) are those of asin(y)).
    """

    name: str
    forward: Callable[[NDArray], NDArray]
    valid: Callable[[NDArray], bool]
    inverse: Callable[[Expression], Expression]
    slope: Callable[[NDArray], NDArray]
    products: bool = True
    sums: bool = True

    def dims(self, target: NDArray[np.int16]) -> NDArray[np.int16] | None:
        """Scaled dimension of T(y) for a target of one; None where units forbid the transform."""
        if self.name == "square":
            return 2 * target
        if self.name == "sqrt":
            return None if np.any(target % 2) else target // 2
        return None if self.name != "y" and np.any(target) else target

    def apply(self, y: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """T(y), or None where it does not apply or hardly varies."""
        if not self.valid(y):
            return None
        with np.errstate(all="ignore"):
            t = self.forward(y)
        return t if np.all(np.isfinite(t)) and np.ptp(t) > 1e-9 * np.max(np.abs(t)) else None


def _unary(name: str) -> Callable[[Expression], Expression]:
    return lambda e: Expression.apply(name, e)


def _within(limit: float) -> Callable[[NDArray], bool]:
    return lambda y: bool(np.abs(y).max() <= limit)


def _at_least(low: float, high: float = np.inf) -> Callable[[NDArray], bool]:
    return lambda y: bool(y.min() >= low and y.max() <= high)


_TINY = 1e-300  # keeps 1/0 out of slopes at the edge of a domain
IDENTITY = Transform("y", lambda y: y, lambda y: True, lambda e: e, np.ones_like)
TRANSFORMS = (
    IDENTITY,
    Transform("log", np.log, _at_least(_TINY), _unary("exp"), lambda y: 1 / np.abs(y)),
    Transform("square", np.square, _at_least(0), _unary("sqrt"), lambda y: 2 * np.abs(y), products=False),
    Transform(
        "asin", np.arcsin, _within(1), _unary("sin"), lambda y: 1 / np.sqrt(np.maximum(1 - y * y, 1e-12))
    ),
    Transform(
        "acos",
        np.arccos,
        _within(1),
        _unary("cos"),
        lambda y: 1 / np.sqrt(np.maximum(1 - y * y, 1e-12)),
        sums=False,
    ),
    Transform("sin", np.sin, _within(_HALF_PI), _unary("asin"), lambda y: np.abs(np.cos(y))),
    Transform("cos", np.cos, _at_least(0, np.pi), _unary("acos"), lambda y: np.abs(np.sin(y))),
    Transform("tan", np.tan, _within(_HALF_PI * (1 - 1e-9)), _unary("atan"), lambda y: 1 + np.tan(y) ** 2),
    Transform("exp", np.exp, _within(12), _unary("log"), np.exp),
    Transform(
        "sqrt",
        np.sqrt,
        _at_least(0),
        _unary("square"),
        lambda y: 0.5 / np.sqrt(np.maximum(y, _TINY)),
        products=False,
    ),
    Transform(
        "atanh", np.arctanh, _within(1 - 1e-12), _unary("tanh"), lambda y: 1 / np.maximum(1 - y * y, 1e-12)
    ),
)


def _not_zero(change: Callable[[NDArray], NDArray]) -> Callable[[NDArray], bool]:
    def valid(y: NDArray) -> bool:
        with np.errstate(all="ignore"):
            t = change(y)
        return bool(np.all(np.isfinite(t)) and (np.all(t > 0) or np.all(t < 0)))

    return valid


def _beside_one(
    name: str,
    forward: Callable[[NDArray], NDArray],
    inverse: Callable[[Expression], Expression],
    slope: Callable[[NDArray], NDArray],
    domain: Callable[[NDArray], bool] = lambda y: True,
) -> Transform:
    holds = _not_zero(forward)
    return Transform(name, forward, lambda y: domain(y) and holds(y), inverse, slope, sums=False)


_POSITIVE = _at_least(_TINY)
BESIDE_ONE = (
    _beside_one("y - 1", lambda y: y - 1, lambda e: e + 1.0, np.ones_like),
    _beside_one(
        "y^2 - 1",
        lambda y: y * y - 1,
        lambda e: Expression.apply("sqrt", e + 1.0),
        lambda y: 2 * y,
        _POSITIVE,
    ),
    _beside_one("1/y - 1", lambda y: 1 / y - 1, lambda e: 1.0 / (e + 1.0), lambda y: 1 / (y * y)),
    _beside_one(
        "1/y^2 - 1",
        lambda y: 1 / (y * y) - 1,
        lambda e: 1.0 / Expression.apply("sqrt", e + 1.0),
        lambda y: 2 / y**3,
        _POSITIVE,
    ),
    _beside_one("exp(y) - 1", np.expm1, lambda e: Expression.apply("log", e + 1.0), np.exp, _within(12)),
)
"""For pure numbers alone, and products alone: there ``1 + u`` is what a sum of two like terms has become."""


def transforms_of(pure: bool) -> tuple[Transform, ...]:
    """The transforms worth trying; `pure` for a target that was made a pure number."""
    return (*TRANSFORMS, *BESIDE_ONE) if pure else TRANSFORMS
