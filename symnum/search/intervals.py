"""Whether a formula stays defined between and a little beyond the rows it was fitted on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.expression import Expression
from symnum.expressions.operators import OPERATORS

_RISING = frozenset({"exp", "atan", "sinh", "tanh", "cube", "cbrt", "sign"})
_PERIODIC = frozenset({"sin", "cos"})
_MARGIN = 0.1
Interval = tuple[float, float]


class Box(NamedTuple):
    """Lowest and highest value that each column may take, two arrays (d,)."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]


def box_of(X: NDArray[np.float64]) -> Box:
    """Range of each column (n, d), a tenth wider on both sides; no column gets another sign than it has."""
    low, high = X.min(axis=0), X.max(axis=0)
    wider = _MARGIN * (high - low)
    down, up = low - wider, high + wider
    down = np.where((low > 0) & (down <= 0), low / 2, np.where(low == 0, 0.0, down))
    up = np.where((high < 0) & (up >= 0), high / 2, np.where(high == 0, 0.0, up))
    return Box(down, up)


def bounds(e: Expression, box: Box) -> Interval | None:
    """Interval that holds all values of a formula over a box; None when it may be undefined or infinite.

    Interval arithmetic (Moore 1966) treats every occurrence of a variable as another one, so None is a
    warning and not a proof. Keijzer (EuroGP 2003) uses it in the same way to refuse formulas.
    """
    stack: list[Interval] = []
    for code, value in e.walk():
        if value is not None:
            stack.append((value, value))
        elif code < 0:
            stack.append((float(box.low[-code - 1]), float(box.high[-code - 1])))
        else:
            op = OPERATORS.by_code[code]
            args = stack[-op.arity :]
            del stack[-op.arity :]
            with np.errstate(all="ignore"):
                made = _unary(op.name, *args[0]) if op.arity == 1 else _binary(op.name, *args)
            if made is None or not np.all(np.isfinite(made)):
                return None
            stack.append(made)
    return stack[0]


def _binary(name: str, a: Interval, b: Interval) -> Interval | None:
    if name == "add":
        return a[0] + b[0], a[1] + b[1]
    if name == "sub":
        return a[0] - b[1], a[1] - b[0]
    if name in ("min", "max"):
        f = min if name == "min" else max
        return f(a[0], b[0]), f(a[1], b[1])
    if name == "div" and b[0] <= 0 <= b[1]:
        return None
    if name == "pow":
        whole = b[0] == b[1] == round(b[0])
        if a[0] <= 0 and not (whole and b[0] > 0):
            return None
        if whole and b[0] % 2 == 0 and a[0] < 0 < a[1]:
            return 0.0, float(max(a[0] ** b[0], a[1] ** b[0]))
    f = OPERATORS[name].numpy
    corners = [float(f(np.float64(p), np.float64(q))) for p in a for q in b]
    return min(corners), max(corners)


def _unary(name: str, low: float, high: float) -> Interval | None:
    f = OPERATORS[name].numpy
    if name in _RISING:
        return float(f(low)), float(f(high))
    if name == "neg":
        return -high, -low
    if name in ("abs", "square"):
        ends = (float(f(low)), float(f(high)))
        return (0.0, max(ends)) if low <= 0 <= high else (min(ends), max(ends))
    if name == "inv":
        return None if low <= 0 <= high else (1 / high, 1 / low)
    if name in ("log", "sqrt"):
        bad = low <= 0 if name == "log" else low < 0
        return None if bad else (float(f(low)), float(f(high)))
    if name in _PERIODIC:
        return -1.0, 1.0
    if name in ("asin", "acos") and low >= -1 and high <= 1:
        ends = sorted((float(f(low)), float(f(high))))
        return ends[0], ends[1]
    if name == "tan" and np.floor(low / np.pi + 0.5) == np.floor(high / np.pi + 0.5):
        return float(np.tan(low)), float(np.tan(high))
    if name == "cosh":
        top = float(max(np.cosh(low), np.cosh(high)))
        return (1.0 if low <= 0 <= high else float(min(np.cosh(low), np.cosh(high)))), top
    return None
