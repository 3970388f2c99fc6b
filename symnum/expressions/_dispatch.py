"""Turns a table of operators written over `Lanes` into two functions that numba code can call.

Both are one jump table over operator codes; each entry is a loop over a row of the workspace, a vector at a
time. An operand is a row number, or ``~row`` for a row whose first vector stands for the whole row
(a constant).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from symnum.expressions._lanes import I64, VECTOR, WIDTH, Lanes

Formula = Callable[..., Lanes | float]
"""Value from the operands a, b and, in derivatives, the operator's own result r."""
Table = Mapping[int, tuple[Any, ...]]
"""Code -> formulas of value and partial derivatives; None for a derivative that is 1 everywhere."""

_INTP = types.int64


class _Rows:
    """Rows of the workspace array of the function being built."""

    def __init__(self, context: Any, builder: Any, kind: Any, array: Any) -> None:
        struct = context.make_array(kind)(context, builder, array)
        self.builder = builder
        self.data = struct.data
        self.stride = builder.extract_value(struct.shape, 1)

    def operand(self, row: Any) -> tuple[Any, Any]:
        """First number of a row and a mask of the index into it, 0 for a constant."""
        b = self.builder
        sign = b.ashr(row, ir.Constant(I64, 63))
        start = b.gep(self.data, [b.mul(b.xor(row, sign), self.stride)])
        return start, b.not_(sign)

    def loop(self, n: Any, target: Any, operands: Sequence[Any], formula: Formula) -> None:
        """``target[j] = formula(*operands[j])`` for j below ``n``, a positive multiple of the width."""
        b = self.builder
        rows = [self.operand(row) for row in operands]
        out, _ = self.operand(target)
        before, body, after = b.block, b.append_basic_block("lanes"), b.append_basic_block("done")
        b.branch(body)
        b.position_at_end(body)
        j = b.phi(I64)
        j.add_incoming(ir.Constant(I64, 0), before)
        values = [
            Lanes(b, b.load(b.bitcast(b.gep(start, [b.and_(j, mask)]), VECTOR.as_pointer()), align=8))
            for start, mask in rows
        ]
        result = formula(*values)
        value = result.value if isinstance(result, Lanes) else ir.Constant(VECTOR, [result] * WIDTH)
        b.store(value, b.bitcast(b.gep(out, [j]), VECTOR.as_pointer()), align=8)
        following = b.add(j, ir.Constant(I64, WIDTH))
        j.add_incoming(following, b.block)
        b.cbranch(b.icmp_signed("<", following, n), body, after)
        b.position_at_end(after)


def _switch(builder: Any, code: Any, cases: Mapping[int, Callable[[], None]]) -> None:
    """Run the case of the code; other codes do nothing."""
    after = builder.append_basic_block("after")
    switch = builder.switch(code, after)
    for value, build in cases.items():
        block = builder.append_basic_block("operator")
        switch.add_case(ir.Constant(I64, value), block)
        builder.position_at_end(block)
        build()
        builder.branch(after)
    builder.position_at_end(after)


def make_apply(table: Table) -> Any:
    """Function ``apply(w, code, r, a, b, n)``: row r becomes the operator's value on operands a and b.

    Row r may be the row of an operand, but no constant's.
    """

    @intrinsic
    def apply(typing_context: Any, w: Any, code: Any, r: Any, a: Any, b: Any, n: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            rows = _Rows(context, builder, signature.args[0], args[0])
            _, code, r, a, b, n = args

            def case(value: Formula) -> Callable[[], None]:
                return lambda: rows.loop(n, r, (a, b), lambda x, y: value(x, y, x))

            _switch(builder, code, {key: case(value) for key, (value, *_) in table.items()})
            return context.get_dummy_value()

        return types.void(w, *[_INTP] * 5), build

    return apply


def make_partial(table: Table, side: int) -> Any:
    """Function ``partial(w, code, p, a, b, r, n)``: row p becomes the derivative by one operand.

    Returns 0 and leaves the row alone where the derivative is 1 everywhere, else 1.
    """

    @intrinsic
    def partial(typing_context: Any, w: Any, code: Any, p: Any, a: Any, b: Any, r: Any, n: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            rows = _Rows(context, builder, signature.args[0], args[0])
            _, code, p, a, b, r, n = args
            written = builder.alloca(I64)
            builder.store(ir.Constant(I64, 0), written)

            def case(formula: Formula) -> Callable[[], None]:
                def body() -> None:
                    rows.loop(n, p, (a, b, r), formula)
                    builder.store(ir.Constant(I64, 1), written)

                return body

            grads = {key: g[side] for key, (_, *g) in table.items() if len(g) > side}
            _switch(builder, code, {key: case(g) for key, g in grads.items() if g is not None})
            return builder.load(written)

        return _INTP(w, *[_INTP] * 6), build

    return partial


def make_multiply() -> Any:
    """Function ``multiply(w, r, a, n)``: row r times row a."""

    @intrinsic
    def multiply(typing_context: Any, w: Any, r: Any, a: Any, n: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            rows = _Rows(context, builder, signature.args[0], args[0])
            _, r, a, n = args
            rows.loop(n, r, (r, a), lambda x, y: x * y)
            return context.get_dummy_value()

        return types.void(w, *[_INTP] * 3), build

    return multiply
