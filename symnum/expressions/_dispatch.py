"""Turns a table of operators written over `Lanes` into functions that numba code can call.

Each is an LLVM function of its own with one jump table over operator codes, so that registers and
constants are arranged per operator; each entry is a loop over a row of the workspace, a vector at a
time. An operand is a row number, or ``~row`` for a row whose first vector stands for the whole row (a
constant).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from symnum.expressions._lanes import F64, I64, VECTOR, WIDTH, Lanes

Formula = Callable[..., Lanes | float]
"""Value from the operands a, b and, in derivatives, the operator's own result r."""
Table = Mapping[int, tuple[Any, ...]]
"""Code -> formulas of value and partial derivatives; None for a derivative that is 1 everywhere."""


class _Rows:
    """Rows of the workspace inside the function being built."""

    def __init__(self, builder: Any, data: Any, stride: Any) -> None:
        self.builder = builder
        self.data = data
        self.stride = stride

    def operand(self, row: Any) -> tuple[Any, Any]:
        """First number of a row and the step to its next vector, 0 for a constant."""
        b = self.builder
        sign = b.ashr(row, ir.Constant(I64, 63))
        start = b.gep(self.data, [b.mul(b.xor(row, sign), self.stride)])
        return start, b.and_(b.not_(sign), ir.Constant(I64, WIDTH))

    def loop(self, n: Any, target: Any, operands: Sequence[Any], formula: Formula) -> None:
        """``target[j] = formula(*operands[j])`` for j below ``n``, a positive multiple of the width."""
        b = self.builder
        places = [(self.operand(target)[0], ir.Constant(I64, WIDTH)), *map(self.operand, operands)]
        before, body, after = b.block, b.append_basic_block("lanes"), b.append_basic_block("done")
        b.branch(body)
        b.position_at_end(body)
        indices = [b.phi(I64) for _ in places]
        vectors = [
            b.bitcast(b.gep(start, [i]), VECTOR.as_pointer())
            for (start, _), i in zip(places, indices, strict=True)
        ]
        result = formula(*(Lanes(b, b.load(v, align=8)) for v in vectors[1:]))
        value = result.value if isinstance(result, Lanes) else ir.Constant(VECTOR, [result] * WIDTH)
        b.store(value, vectors[0], align=8)
        following = [b.add(i, step) for i, (_, step) in zip(indices, places, strict=True)]
        for index, successor in zip(indices, following, strict=True):
            index.add_incoming(ir.Constant(I64, 0), before)
            index.add_incoming(successor, b.block)
        b.cbranch(b.icmp_signed("<", following[0], n), body, after)
        b.position_at_end(after)


def _function(name: str, count: int, fill: Callable[..., Any]) -> Any:
    """Function ``name(w, *integers) -> int64`` for numba, built by ``fill(rows, *integers)``."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(I64, [F64.as_pointer(), I64, *[I64] * count])
        function = builder.module.globals.get(name)
        if function is None:
            function = ir.Function(builder.module, kind, name)
            function.linkage = "internal"
            function.attributes.add("noinline")
            inside = ir.IRBuilder(function.append_basic_block("entry"))
            rows = _Rows(inside, *function.args[:2])
            inside.ret(fill(rows, *function.args[2:]))
        array = context.make_array(signature.args[0])(context, builder, args[0])
        stride = builder.extract_value(array.shape, 1)
        return builder.call(function, [array.data, stride, *args[1:]])

    def kind(w: Any) -> Any:
        return types.int64(w, *[types.int64] * count), build

    # numba reads the number of arguments off the signature.
    typings = {
        3: lambda typing_context, w, r, a, n: kind(w),
        5: lambda typing_context, w, code, r, a, b, n: kind(w),
        6: lambda typing_context, w, code, p, a, b, r, n: kind(w),
    }
    return intrinsic(typings[count])


def _switch(rows: _Rows, code: Any, cases: Mapping[int, Callable[[], None]]) -> Any:
    """Run the case of the code; the value is 1 if there was one, else 0."""
    b = rows.builder
    after = b.append_basic_block("after")
    switch = b.switch(code, after)
    found = [(ir.Constant(I64, 0), b.block)]
    for key, build in cases.items():
        block = b.append_basic_block("operator")
        switch.add_case(ir.Constant(I64, key), block)
        b.position_at_end(block)
        build()
        b.branch(after)
        found.append((ir.Constant(I64, 1), b.block))
    b.position_at_end(after)
    phi = b.phi(I64)
    for value, block in found:
        phi.add_incoming(value, block)
    return phi


def make_apply(table: Table) -> Any:
    """Function ``apply(w, code, r, a, b, n)``: row r becomes the operator's value on operands a and b.

    Row r may be the row of an operand, but no constant's.
    """

    def fill(rows: _Rows, code: Any, r: Any, a: Any, b: Any, n: Any) -> Any:
        def case(value: Formula) -> Callable[[], None]:
            return lambda: rows.loop(n, r, (a, b), lambda x, y: value(x, y, x))

        return _switch(rows, code, {key: case(value) for key, (value, *_) in table.items()})

    return _function("symnum.apply", 5, fill)


def make_partial(table: Table, side: int) -> Any:
    """Function ``partial(w, code, p, a, b, r, n)``: row p becomes the derivative by one operand.

    Returns 0 and leaves the row alone where the derivative is 1 everywhere, else 1.
    """

    def fill(rows: _Rows, code: Any, p: Any, a: Any, b: Any, r: Any, n: Any) -> Any:
        def case(formula: Formula) -> Callable[[], None]:
            return lambda: rows.loop(n, p, (a, b, r), formula)

        grads = {key: formulas[side] for key, (_, *formulas) in table.items() if len(formulas) > side}
        return _switch(rows, code, {key: case(g) for key, g in grads.items() if g is not None})

    return _function(f"symnum.partial{side}", 6, fill)


def make_multiply() -> Any:
    """Function ``multiply(w, r, a, n)``: row r times row a."""

    def fill(rows: _Rows, r: Any, a: Any, n: Any) -> Any:
        rows.loop(n, r, (r, a), lambda x, y: x * y)
        return ir.Constant(I64, 1)

    return _function("symnum.multiply", 3, fill)


def _broadcast(typing_context: Any, w: Any, r: Any, value: Any) -> Any:
    """Function ``broadcast(w, r, value)``: the first vector of row r becomes the value."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, args[0])
        rows = _Rows(builder, array.data, builder.extract_value(array.shape, 1))
        vector = ir.Constant(VECTOR, ir.Undefined)
        for i in range(WIDTH):
            vector = builder.insert_element(vector, args[2], ir.Constant(ir.IntType(32), i))
        start, _ = rows.operand(args[1])
        builder.store(vector, builder.bitcast(start, VECTOR.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(w, types.int64, types.float64), build


broadcast: Any = intrinsic(_broadcast)
