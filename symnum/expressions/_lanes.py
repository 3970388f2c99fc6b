"""Vectors of float64 as Python values that write LLVM code: the ground under `_fastmath` and `_kernels`.

A formula written once over `Lanes` becomes straight-line code for one number or for a whole vector, whatever
the processor's width. numba reaches it through its ``intrinsic`` extension point; nothing here runs per
number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir

WIDTH = 8
"""Numbers in a vector: one AVX-512 register, two of AVX2, four of SSE2 or NEON."""
F64, I64 = ir.DoubleType(), ir.IntType(64)
VECTOR = ir.VectorType(F64, WIDTH)


def _like(kind: ir.Type, scalar: ir.Type) -> ir.Type:
    return ir.VectorType(scalar, kind.count) if isinstance(kind, ir.VectorType) else scalar


def _constant(kind: ir.Type, value: float | int) -> ir.Constant:
    return ir.Constant(kind, [value] * kind.count if isinstance(kind, ir.VectorType) else value)


def _declare(builder: Any, name: str, kind: ir.FunctionType) -> Any:
    module = builder.module
    return module.globals.get(name) or ir.Function(module, kind, name)


class _Value:
    """An LLVM value together with the builder that made it."""

    __slots__ = ("builder", "value")

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder = builder
        self.value = value

    @property
    def kind(self) -> ir.Type:
        """LLVM type: a scalar or a vector."""
        return self.value.type

    def _coerce(self, other: Any) -> Any:
        return other.value if isinstance(other, _Value) else _constant(self.kind, other)

    def _op(self, name: str, left: Any, right: Any) -> Any:
        return type(self)(self.builder, getattr(self.builder, name)(self._coerce(left), self._coerce(right)))

    def _cast(self, kind: type[_Value], scalar: ir.Type) -> Any:
        return kind(self.builder, self.builder.bitcast(self.value, _like(self.kind, scalar)))


class Mask(_Value):
    """Truth values."""

    __slots__ = ()

    def __and__(self, other: Mask) -> Mask:
        return self._op("and_", self, other)

    def __or__(self, other: Mask) -> Mask:
        return self._op("or_", self, other)

    def __xor__(self, other: Mask) -> Mask:
        return self._op("xor", self, other)

    def __invert__(self) -> Mask:
        return Mask(self.builder, self.builder.not_(self.value))

    def any(self) -> Any:
        """LLVM i1: whether any lane is true."""
        if not isinstance(self.kind, ir.VectorType):
            return self.value
        bits = ir.IntType(self.kind.count)
        return self.builder.icmp_unsigned("!=", self.builder.bitcast(self.value, bits), ir.Constant(bits, 0))


class Bits(_Value):
    """64-bit integers, mostly the bits of floats."""

    __slots__ = ()

    def __add__(self, other: Bits | int) -> Bits:
        return self._op("add", self, other)

    def __sub__(self, other: Bits | int) -> Bits:
        return self._op("sub", self, other)

    def __and__(self, other: Bits | int) -> Bits:
        return self._op("and_", self, other)

    def __xor__(self, other: Bits | int) -> Bits:
        return self._op("xor", self, other)

    def __lshift__(self, count: int) -> Bits:
        return self._op("shl", self, count)

    def __rshift__(self, count: int) -> Bits:
        return self._op("ashr", self, count)

    def nonzero(self) -> Mask:
        """Lanes that are not 0."""
        return Mask(self.builder, self.builder.icmp_signed("!=", self.value, self._coerce(0)))

    def as_float(self) -> Lanes:
        """Floats with these bits."""
        return self._cast(Lanes, F64)


class Lanes(_Value):
    """float64 numbers; arithmetic is plain IEEE, no fast-math flag is ever set."""

    __slots__ = ()

    def __add__(self, other: Lanes | float) -> Lanes:
        return self._op("fadd", self, other)

    def __radd__(self, other: float) -> Lanes:
        return self._op("fadd", other, self)

    def __sub__(self, other: Lanes | float) -> Lanes:
        return self._op("fsub", self, other)

    def __rsub__(self, other: float) -> Lanes:
        return self._op("fsub", other, self)

    def __mul__(self, other: Lanes | float) -> Lanes:
        return self._op("fmul", self, other)

    def __rmul__(self, other: float) -> Lanes:
        return self._op("fmul", other, self)

    def __truediv__(self, other: Lanes | float) -> Lanes:
        return self._op("fdiv", self, other)

    def __rtruediv__(self, other: float) -> Lanes:
        return self._op("fdiv", other, self)

    def __neg__(self) -> Lanes:
        return Lanes(self.builder, self.builder.fneg(self.value))

    def __abs__(self) -> Lanes:
        return self.intrinsic("llvm.fabs")

    def _compare(self, sign: str, other: Lanes | float) -> Mask:
        # "Not equal" must hold for NaN, every other comparison must not.
        test = self.builder.fcmp_unordered if sign == "!=" else self.builder.fcmp_ordered
        return Mask(self.builder, test(sign, self.value, self._coerce(other)))

    def __lt__(self, other: Lanes | float) -> Mask:
        return self._compare("<", other)

    def __le__(self, other: Lanes | float) -> Mask:
        return self._compare("<=", other)

    def __gt__(self, other: Lanes | float) -> Mask:
        return self._compare(">", other)

    def __ge__(self, other: Lanes | float) -> Mask:
        return self._compare(">=", other)

    def __eq__(self, other: Lanes | float) -> Mask:  # type: ignore[override]
        return self._compare("==", other)

    def __ne__(self, other: Lanes | float) -> Mask:  # type: ignore[override]
        return self._compare("!=", other)

    __hash__ = None  # type: ignore[assignment]

    def bits(self) -> Bits:
        """Bits as integers."""
        return self._cast(Bits, I64)

    def intrinsic(self, name: str, *more: Lanes | float) -> Lanes:
        """LLVM intrinsic of this and more operands of the same type."""
        args = [self.value, *(self._coerce(m) for m in more)]
        suffix = f"v{self.kind.count}f64" if isinstance(self.kind, ir.VectorType) else "f64"
        function = _declare(
            self.builder, f"{name}.{suffix}", ir.FunctionType(self.kind, [self.kind] * len(args))
        )
        return Lanes(self.builder, self.builder.call(function, args))

    def fma(self, factor: Lanes | float, term: Lanes | float) -> Lanes:
        """``self * factor + term``, rounded once."""
        return self.intrinsic("llvm.fma", factor, term)

    def rint(self) -> Lanes:
        """Nearest whole number, ties to even."""
        return self.intrinsic("llvm.rint")

    def sqrt(self) -> Lanes:
        """Square root, correctly rounded."""
        return self.intrinsic("llvm.sqrt")

    def copysign(self, other: Lanes) -> Lanes:
        """Magnitude of this with the sign of the other."""
        return self.intrinsic("llvm.copysign", other)

    def horner(self, coefficients: tuple[float, ...]) -> Lanes:
        """Polynomial in this, constant term first."""
        total = Lanes(self.builder, _constant(self.kind, coefficients[-1]))
        for c in reversed(coefficients[:-1]):
            total = total.fma(self, c)
        return total

    def libm(self, name: str) -> Lanes:
        """The C library's function of one argument, lane by lane."""
        function = _declare(self.builder, name, ir.FunctionType(F64, [F64]))
        if not isinstance(self.kind, ir.VectorType):
            return Lanes(self.builder, self.builder.call(function, [self.value]))
        out = _constant(self.kind, 0.0)
        for i in range(self.kind.count):
            lane = ir.Constant(ir.IntType(32), i)
            value = self.builder.call(function, [self.builder.extract_element(self.value, lane)])
            out = self.builder.insert_element(out, value, lane)
        return Lanes(self.builder, out)

    def unless(self, rare: Mask, otherwise: Callable[[], Lanes]) -> Lanes:
        """Value, but ``otherwise()`` in the rare lanes; that code is skipped when there are none.

        A lone number gets NaN instead: a branch would keep loops over it from being vectorised.
        """
        if not isinstance(self.kind, ir.VectorType):
            return where(rare, math.nan, self)
        before = self.builder.block
        with self.builder.if_then(rare.any(), likely=False):
            other = where(rare, otherwise(), self).value
            inside = self.builder.block
        phi = self.builder.phi(self.kind)
        phi.add_incoming(self.value, before)
        phi.add_incoming(other, inside)
        return Lanes(self.builder, phi)


def where(mask: Mask, yes: Lanes | float, no: Lanes | float) -> Lanes:
    """``yes`` in the true lanes, ``no`` elsewhere."""
    kind = _like(mask.kind, F64)
    left, right = (v.value if isinstance(v, Lanes) else _constant(kind, v) for v in (yes, no))
    return Lanes(mask.builder, mask.builder.select(mask.value, left, right))
