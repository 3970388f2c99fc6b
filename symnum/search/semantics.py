"""What a part of a formula would have to be for the whole to fit: semantic backpropagation.

The target is carried down from the root to a node by inverting every operator on the way (Pawlak, Wieloch and
Krawiec, IEEE Trans. Evol. Comput. 19, 2015), with the slope of the whole by the node, so that errors of the
part can be weighted by what they do to the whole. `library` is then searched for the part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.compiled import Packed
from symnum.expressions.expression import Expression
from symnum.expressions.operators import CONSTANT, OPERATORS

Floats = NDArray[np.float64]
ARITY = {op.code: op.arity for op in OPERATORS}
_CODE = {op.name: op.code for op in OPERATORS}


@dataclass(frozen=True, slots=True)
class Program:
    """Postfix codes with, for each constant, its value at its place.

    Attributes
    ----------
    codes : tuple of int
        As in `Expression`.
    values : tuple of float
        Same length; used where the code is a constant.
    """

    codes: tuple[int, ...]
    values: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.codes)

    def starts(self) -> list[int]:
        """Where the part that ends at each place begins."""
        out: list[int] = []
        stack: list[int] = []
        for i, code in enumerate(self.codes):
            begin = i
            if code > 0:
                for _ in range(ARITY[code]):
                    begin = stack.pop()
            stack.append(begin)
            out.append(begin)
        return out

    def part(self, begin: int, end: int) -> Program:
        """Part that begins and ends (inclusive) at places given by `starts`."""
        return Program(self.codes[begin : end + 1], self.values[begin : end + 1])

    def replaced(self, begin: int, end: int, new: Program) -> Program:
        """The same with another part in its place."""
        return Program(
            self.codes[:begin] + new.codes + self.codes[end + 1 :],
            self.values[:begin] + new.values + self.values[end + 1 :],
        )


def program_of(e: Expression) -> Program:
    """Program of an Expression."""
    pairs = [(code, 0.0 if value is None else value) for code, value in e.walk()]
    return Program(tuple(c for c, _ in pairs), tuple(v for _, v in pairs))


def expression_of(program: Program, names: tuple[str, ...]) -> Expression:
    """Expression of a program."""
    numbers = [v for c, v in zip(program.codes, program.values, strict=True) if c == CONSTANT]
    return Expression(program.codes, numbers, names)


def joined(*parts: Program | str | float) -> Program:
    """Program from parts in postfix order: programs, operator names and numbers."""
    codes: list[int] = []
    values: list[float] = []
    for part in parts:
        if isinstance(part, Program):
            codes += part.codes
            values += part.values
        else:
            codes.append(_CODE[part] if isinstance(part, str) else CONSTANT)
            values.append(0.0 if isinstance(part, str) else float(part))
    return Program(tuple(codes), tuple(values))


def packed(programs: Sequence[Program]) -> Packed:
    """Programs for the compiled evaluator."""
    codes = np.array([c for p in programs for c in p.codes], np.int16)
    values = np.array([v for p in programs for v in p.values])
    ends = np.cumsum([0, *(len(p) for p in programs)])
    counts = np.concatenate([[0], np.cumsum(codes == CONSTANT)])
    return Packed(codes, ends, values[codes == CONSTANT], counts[ends])


def times(c: float, part: Program) -> Program:
    """``c * part``; without a factor where it is one."""
    if abs(c - 1) < 1e-9:
        return part
    if abs(c + 1) < 1e-9:
        return joined(part, "neg")
    return joined(float(c), part, "mul")


def node_values(program: Program, X: Floats) -> list[Floats]:
    """Values of the part that ends at each place; X has one row per variable."""
    out: list[Floats] = []
    stack: list[Floats] = []
    for code, value in zip(program.codes, program.values, strict=True):
        if code == CONSTANT:
            result = np.full(X.shape[1], value)
        elif code < 0:
            result = X[-code - 1]
        elif ARITY[code] == 1:
            result = OPERATORS.by_code[code].numpy(stack.pop())
        else:
            right = stack.pop()
            result = OPERATORS.by_code[code].numpy(stack.pop(), right)
        stack.append(result)
        out.append(result)
    return out


def _near(principal: Floats, now: Floats, period: float) -> Floats:
    """Branch of an inverse that lies nearest to the present value."""
    return principal + period * np.round((now - principal) / period)


def _sine(d: Floats, now: Floats) -> Floats:
    first = _near(np.arcsin(d), now, 2 * np.pi)
    second = _near(np.pi - np.arcsin(d), now, 2 * np.pi)
    return np.where(np.abs(first - now) <= np.abs(second - now), first, second)


def _cosine(d: Floats, now: Floats) -> Floats:
    first, second = _near(np.arccos(d), now, 2 * np.pi), _near(-np.arccos(d), now, 2 * np.pi)
    return np.where(np.abs(first - now) <= np.abs(second - now), first, second)


_Unary = tuple[Callable[[Floats, Floats], Floats], Callable[[Floats, Floats], Floats]]
# Of each operator the argument for a wanted result (nearest to the present argument where there are several),
# and the slope given argument and result.
UNARY: dict[str, _Unary] = {
    "neg": (lambda d, a: -d, lambda a, r: -np.ones_like(a)),
    "inv": (lambda d, a: 1 / d, lambda a, r: -r * r),
    "abs": (lambda d, a: np.where(d >= 0, np.copysign(d, a), np.nan), lambda a, r: np.sign(a)),
    "sqrt": (lambda d, a: np.where(d >= 0, d * d, np.nan), lambda a, r: 0.5 / r),
    "cbrt": (lambda d, a: d**3, lambda a, r: 1 / (3 * r * r)),
    "square": (lambda d, a: np.copysign(np.sqrt(d), a), lambda a, r: 2 * a),
    "cube": (lambda d, a: np.cbrt(d), lambda a, r: 3 * a * a),
    "exp": (lambda d, a: np.log(d), lambda a, r: r),
    "log": (lambda d, a: np.exp(d), lambda a, r: 1 / a),
    "sin": (_sine, lambda a, r: np.cos(a)),
    "cos": (_cosine, lambda a, r: -np.sin(a)),
    "tan": (lambda d, a: _near(np.arctan(d), a, np.pi), lambda a, r: 1 + r * r),
    "asin": (lambda d, a: np.where(np.abs(d) <= np.pi / 2, np.sin(d), np.nan),
             lambda a, r: 1 / np.sqrt(1 - a * a)),
    "acos": (lambda d, a: np.where(np.abs(d - np.pi / 2) <= np.pi / 2, np.cos(d), np.nan),
             lambda a, r: -1 / np.sqrt(1 - a * a)),
    "atan": (lambda d, a: np.where(np.abs(d) < np.pi / 2, np.tan(d), np.nan), lambda a, r: 1 / (1 + a * a)),
    "sinh": (lambda d, a: np.arcsinh(d), lambda a, r: np.cosh(a)),
    "cosh": (lambda d, a: np.copysign(np.arccosh(d), a), lambda a, r: np.sinh(a)),
    "tanh": (lambda d, a: np.arctanh(d), lambda a, r: 1 - r * r),
}  # fmt: skip
_Binary = tuple[Callable[[Floats, Floats], Floats], Callable[[Floats, Floats, Floats], Floats]]
# (operator, which argument): that argument for a wanted result and the other argument; slope by it.
BINARY: dict[tuple[str, int], _Binary] = {
    ("add", 0): (lambda d, o: d - o, lambda a, b, r: np.ones_like(r)),
    ("add", 1): (lambda d, o: d - o, lambda a, b, r: np.ones_like(r)),
    ("sub", 0): (lambda d, o: d + o, lambda a, b, r: np.ones_like(r)),
    ("sub", 1): (lambda d, o: o - d, lambda a, b, r: -np.ones_like(r)),
    ("mul", 0): (lambda d, o: d / o, lambda a, b, r: b),
    ("mul", 1): (lambda d, o: d / o, lambda a, b, r: a),
    ("div", 0): (lambda d, o: d * o, lambda a, b, r: 1 / b),
    ("div", 1): (lambda d, o: o / d, lambda a, b, r: -r / b),
    ("pow", 0): (lambda d, o: d ** (1 / o), lambda a, b, r: b * r / a),
    ("pow", 1): (lambda d, o: np.log(d) / np.log(o), lambda a, b, r: r * np.log(a)),
}


def wanted(
    program: Program, values: Sequence[Floats], starts: Sequence[int], node: int, target: Floats
) -> tuple[Floats, Floats] | None:
    """Values that the part ending at `node` should have, and the slope of the whole by it.

    Parameters
    ----------
    program : Program
    values : sequence of ndarray (n,)
        From `node_values`.
    starts : sequence of int
        From `Program.starts`.
    node : int
        Place where the part ends.
    target : ndarray (n,)
        Values the whole should have.

    Returns
    -------
    tuple of two ndarrays (n,), or None
        NaN where no value of the part gives the target; None when an operator on the way has no inverse
        (min, max, sign).
    """
    place, slope = len(program.codes) - 1, np.ones_like(target)
    while place != node:
        op = OPERATORS.by_code[program.codes[place]]
        last = place - 1
        if op.arity == 1:
            if op.name not in UNARY:
                return None
            inverse, by = UNARY[op.name]
            slope = slope * by(values[last], values[place])
            target, place = inverse(target, values[last]), last
            continue
        left = starts[last] - 1
        side = 1 if node >= starts[last] else 0
        if (op.name, side) not in BINARY:
            return None
        inverse2, by2 = BINARY[op.name, side]
        slope = slope * by2(values[left], values[last], values[place])
        target = inverse2(target, values[left if side else last])
        place = last if side else left
    return target, slope
