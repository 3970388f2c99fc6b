"""The bank: sub-expressions enumerated by cost, each distinct function kept once.

Columns are evaluated on a few fixed rows; a value hash of those rows, blind to the sign, decides whether a
function is new (semantic de-duplication; Kronberger et al., PPSN 2024, measured how few expressions are).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from symnum.expressions.expression import Expression
from symnum.expressions.operators import CONSTANT, OPERATORS, Operator
from symnum.search.macros import Macro
from symnum.search.rules import Rules
from symnum.search.shapes import Shapes

UNARY_COST = {
    "square": 1, "sqrt": 1, "inv": 1, "exp": 2, "log": 2, "sin": 2, "cos": 2, "tan": 3, "asin": 3, "acos": 3,
    "atan": 3, "tanh": 3,
}  # fmt: skip
"""What a unary operator adds to the cost of its argument: rarer functions enter later."""
DEFAULT_UNARY = tuple(UNARY_COST)
DEFAULT_BINARY = ("add", "sub", "mul", "div")
"""What is enumerated when nobody lists operators."""
TRANSCENDENTAL = frozenset(
    {"exp", "log", "sin", "cos", "tan", "asin", "acos", "atan", "tanh", "sinh", "cosh"}
)
_ONE_ORDER = ("add", "sub", "mul", "min", "max")
"""Exchanging the operands gives the same function, up to the sign."""
_UNDONE_BY = {"inv": ("inv",), "square": ("inv", "sqrt"), "sqrt": ("inv", "square", "sqrt")}
_BLOCK = 40_000
_LEAF_VARIABLE, _LEAF_ONE = -1, -2


@njit("int64(float64[:,::1], int64, float64[:,::1], int64[::1], int64, float64[:,::1], int64[::1])",
      cache=True, nogil=True)  # fmt: skip
def _insert(block, count, store, table, start, probes, taken):  # noqa: ANN001, ANN202
    """Append the new functions of a block to the store; their places in the block go to `taken`."""
    rows = block.shape[1]
    mask = table.shape[0] - 1
    new = 0
    for i in range(count):
        low, high, total, p0, p1 = np.inf, -np.inf, 0.0, 0.0, 0.0
        good = True
        for r in range(rows):
            v = block[i, r]
            if not np.isfinite(v):
                good = False
                break
            low = min(low, v)
            high = max(high, v)
            total += abs(v)
            p0 += v * probes[0, r]
            p1 += v * probes[1, r]
        if not good:
            continue
        top = max(abs(low), abs(high))
        # Too large or small, almost constant, or ruled by one row: such columns fake matches.
        if not (1e-9 < top < 1e9) or high - low < 1e-5 * top or top > 0.995 * total:
            continue
        if p0 < 0.0:
            p0, p1 = -p0, -p1
        scale = total / rows
        # Round at 2^-34 of the column's size, so that rounding differences fall into one key.
        k0 = np.int64(np.rint(p0 / scale * 1.7e10))
        k1 = np.int64(np.rint(p1 / scale * 1.7e10))
        k2 = np.int64(np.rint(np.log2(scale) * 1e9))
        key = (k0 * np.int64(-7046029254386353131)) ^ (k1 * np.int64(-4417276706812531889))
        key ^= k2 * np.int64(7809847782465536322) + (key >> 29)
        key *= np.int64(-4658895280553007687)
        key ^= key >> 32
        if key == 0:
            key = 1
        at = key & mask
        while table[at] != 0 and table[at] != key:
            at = (at + 1) & mask
        if table[at] == key:
            continue
        if start + new >= store.shape[0]:
            break
        table[at] = key
        for r in range(rows):
            store[start + new, r] = block[i, r]
        taken[new] = i
        new += 1
    return new


@dataclass(slots=True)
class Bank:
    """Distinct functions of the columns of X, ordered by cost.

    Attributes
    ----------
    values : ndarray (size, rows) of float64
        Columns on the bank's rows.
    op, left, right : ndarray (size,)
        Last operator (or leaf mark) and the elements it was applied to.
    cost : ndarray (size,)
        Enumeration cost.
    members : ndarray (size,)
        Variables of each element, as bits.
    generated : int
        How many expressions were formed, duplicates included.
    dims : ndarray (size, b) of int16, optional
        Exponents of base units, scaled to whole numbers; only what is consistent in them was formed.
    late : mapping
        What names of operators and indices of columns cost beyond their due.
    """

    X: NDArray[np.float64]
    unary: Sequence[str | Macro]
    binary: Sequence[str | Macro]
    values: NDArray[np.float64]
    op: NDArray[np.int16]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    cost: NDArray[np.int16]
    nested: NDArray[np.bool_]
    members: NDArray[np.int32]
    names: tuple[str, ...]
    allowed: NDArray[np.bool_] | None = None
    size: int = 0
    generated: int = 0
    levels: list[int] = field(default_factory=lambda: [0, 0])
    complete: bool = False
    dims: NDArray[np.int16] | None = None
    shapes: Shapes | None = None
    late: Mapping[Any, int] = field(default_factory=dict)
    _leaf_dims: NDArray[np.int16] | None = None
    _most: NDArray[np.int16] | None = None
    _table: NDArray[np.int64] = field(default_factory=lambda: np.zeros(2, np.int64))
    _probes: NDArray[np.float64] = field(default_factory=lambda: np.zeros((2, 1)))

    @classmethod
    def start(
        cls,
        X: NDArray[np.float64],
        names: Sequence[str],
        unary: Sequence[str | Macro],
        binary: Sequence[str | Macro],
        capacity: int,
        dims: NDArray[np.int16] | None = None,
        rules: Rules | None = None,
        groups: Sequence[Sequence[int]] | None = None,
        late: Mapping[Any, int] | None = None,
    ) -> Bank:
        """Bank of the columns of X (rows, d) and the number one.

        With `dims` (d, b), the scaled exponents of the columns' units (`Dimensions.scaled`), sums are formed
        of like dimensions, functions of pure numbers, and roots where the exponents can be halved. The one is
        a pure number: constants with units are not in the bank. Products whose exponents exceed the largest
        of a column by more than the smallest one are left out (not so their squares). Elements that break
        the `rules` on sizes, depth and nesting are not formed.
        With `groups` only functions whose variables all lie in one of the groups are formed.
        What is named in `late`, operators by name and columns by index, costs so much more.
        """
        rows = X.shape[0]
        bits = int(np.ceil(np.log2(max(capacity, 16) * 2)))
        # Fixed probe weights: the bank of the same rows is the same bank, whatever the seed.
        probes = np.random.default_rng(12_345).normal(size=(2, rows))
        bank = cls(
            X, tuple(unary), tuple(binary), np.empty((capacity, rows)), np.zeros(capacity, np.int16),
            np.full(capacity, -1, np.int32), np.full(capacity, -1, np.int32), np.zeros(capacity, np.int16),
            np.zeros(capacity, np.bool_), np.zeros(capacity, np.int32), tuple(names),
            _within(groups, X.shape[1]), late=late or {}, _leaf_dims=dims,
            _table=np.zeros(2**bits, np.int64), _probes=probes,
        )  # fmt: skip
        if dims is not None:
            bank.dims = np.zeros((capacity, dims.shape[1]), np.int16)
            size = np.abs(dims)
            step = np.where(size > 0, size, np.iinfo(np.int16).max).min(
                axis=0, initial=np.iinfo(np.int16).max
            )
            largest = size.max(axis=0, initial=0)
            bank._most = largest + np.minimum(step, largest)
        if rules is not None and Shapes.wanted(rules):
            bank.shapes = Shapes(rules, capacity)
        bank.values[0] = 1.0
        bank.op[0], bank.cost[0], bank.size = _LEAF_ONE, 1, 1
        for j in range(X.shape[1]):
            if not bank.late.get(j):
                block, op, left, right, nested = bank._leaf(j)
                bank._append(block, op, left, right, 1, nested)
        bank.levels = [0, 0, bank.size]
        return bank

    def _leaf(self, j: int) -> tuple:
        column = np.ascontiguousarray(self.X[:, j][None, :])
        return column, _LEAF_VARIABLE, np.array([j]), np.array([-1]), np.array([False])

    def _append(
        self, block: NDArray, op: int, left: NDArray, right: NDArray, cost: int, nested: NDArray
    ) -> None:
        taken = np.empty(len(block), np.int64)
        new = _insert(block, len(block), self.values, self._table, self.size, self._probes, taken)
        at, kept = slice(self.size, self.size + new), taken[:new]
        self.op[at], self.left[at], self.right[at] = op, left[kept], right[kept]
        self.cost[at], self.nested[at] = cost, nested[kept]
        if op == _LEAF_VARIABLE:
            self.members[at] = 1 << left[kept]
        else:
            parts = right[kept] if np.any(right >= 0) else left[kept]
            self.members[at] = self.members[left[kept]] | self.members[parts]
        if self.dims is not None and op == _LEAF_VARIABLE and self._leaf_dims is not None:
            self.dims[at] = self._leaf_dims[left[kept]]
        elif self.dims is not None and op != _LEAF_ONE:
            self.dims[at] = self._dims_of(self.operator(op).name, left[kept], right[kept])
        if self.shapes is not None and op not in (_LEAF_ONE, _LEAF_VARIABLE):
            self.shapes.append(at, self.operator(op), left[kept], right[kept])
        self.size += new
        self.generated += len(block)

    @property
    def full(self) -> bool:
        """Whether the capacity is used up."""
        return self.size >= len(self.values)

    def grow(self, limit: int, stop: Callable[[], bool], workers: ThreadPoolExecutor | None = None) -> None:
        """Enumerate by rising cost until `limit` elements, `stop()`, or nothing is new.

        Blocks are formed in worker threads and inserted in order: the result does not depend on their number.
        """
        limit = min(limit, len(self.values))
        while self.size < limit and not self.complete:
            cost = len(self.levels) - 1
            before = self.size
            for made in in_order(self._jobs(cost), workers):
                block, op, left, right, nested = made
                self._append(block, op, left, right, cost, nested)
                if self.size >= limit or stop():
                    # The level stays open: what was cut off is not enumerated again.
                    self.levels.append(self.size)
                    return
            self.levels.append(self.size)
            if self.size == before and cost > 12:
                self.complete = True

    def _jobs(self, cost: int) -> Iterator[Callable[[], tuple]]:
        """Blocks of new columns of one cost, cheapest operators first."""
        bounds, late = self.levels, self.late
        for j in range(self.X.shape[1]):
            if late.get(j) and cost == 1 + late[j]:
                yield partial(self._leaf, j)
        for name in self.unary:
            due = UNARY_COST.get(name, 2 if isinstance(name, Macro) else 3)
            below = cost - due - late.get(name, 0)
            if below >= 1 and below + 1 < len(bounds):
                for i in range(bounds[below], bounds[below + 1], _BLOCK):
                    yield _unary_job(self, name, i, min(i + _BLOCK, bounds[below + 1]))
        for delay in sorted({late.get(name, 0) for name in self.binary}):
            names = [name for name in self.binary if late.get(name, 0) == delay]
            yield from self._binary_jobs(names, cost - delay)

    def _binary_jobs(self, names: Sequence[str | Macro], cost: int) -> Iterator[Callable[[], tuple]]:
        bounds = self.levels
        for small in range(1, (cost - 1) // 2 + 1):
            large = cost - 1 - small
            if large + 1 >= len(bounds):
                continue
            a, b = (bounds[small], bounds[small + 1]), (bounds[large], bounds[large + 1])
            for name in names:
                step = max(1, _BLOCK // max(1, b[1] - b[0]))
                for i in range(a[0], a[1], step):
                    for j in range(b[0], b[1], _BLOCK):
                        span = (i, min(i + step, a[1])), (j, min(j + _BLOCK, b[1]))
                        yield _binary_job(self, name, *span, small == large)
                        if name not in _ONE_ORDER:
                            yield _binary_job(self, name, *span, small == large, reverse=True)

    def operator(self, code: int) -> Operator | Macro:
        """Operator of the table or macro with that code."""
        macros = (m for m in (*self.unary, *self.binary) if isinstance(m, Macro))
        return OPERATORS.by_code.get(code) or next(m for m in macros if m.code == code)

    def _dims_of(self, name: str, left: NDArray, right: NDArray) -> NDArray[np.int16]:
        """Dimensions of an operator's results by the operator table; the operands are known to fit."""
        dims, rule = self.dims, OPERATORS[name].unit
        if dims is None or rule in ("number", "sign", "power"):
            return np.zeros((len(left), 0 if dims is None else dims.shape[1]), np.int16)
        first = dims[left]
        if rule in ("mul", "div"):
            return first + dims[right] if rule == "mul" else first - dims[right]
        if rule in ("same", "keep"):
            return first
        power = Fraction(rule)
        return first * power.numerator // power.denominator

    def fitting(self, name: str, left: NDArray, right: NDArray) -> NDArray[np.bool_]:
        """Which operands an operator may take by their dimensions."""
        dims, most, rule = self.dims, self._most, OPERATORS[name].unit
        if dims is None or most is None or rule in ("keep", "sign"):
            return np.ones(len(left), bool)
        if rule == "same":
            return np.all(dims[left] == dims[right], axis=1)
        if rule in ("number", "power"):
            return ~np.any(dims[left], axis=1) & ~np.any(dims[right], axis=1)
        if rule in ("mul", "div"):
            return np.all(np.abs(self._dims_of(name, left, right)) <= most, axis=1)
        power = Fraction(rule)
        # What is raised must be of usual size; what it becomes need not be.
        small = np.all(np.abs(dims[left]) <= most, axis=1) if abs(power) > 1 else True
        return small & np.all(dims[left] % power.denominator == 0, axis=1)

    def expression(self, index: int) -> Expression:
        """Element as an Expression over the bank's names; macros are written out."""
        if any(isinstance(m, Macro) for m in (*self.unary, *self.binary)):
            return self._written_out(int(index))
        codes: list[int] = []
        count = 0
        stack = [(int(index), False)]
        while stack:
            at, ready = stack.pop()
            op = int(self.op[at])
            if op == _LEAF_VARIABLE:
                codes.append(-(int(self.left[at]) + 1))
            elif op == _LEAF_ONE:
                codes.append(CONSTANT)
                count += 1
            elif ready:
                codes.append(op)
            else:
                stack.append((at, True))
                if self.right[at] >= 0:
                    stack.append((int(self.right[at]), False))
                stack.append((int(self.left[at]), False))
        return Expression(codes, np.ones(count), self.names)

    def _written_out(self, at: int) -> Expression:
        op = int(self.op[at])
        if op == _LEAF_VARIABLE:
            return Expression.variable(int(self.left[at]), self.names)
        if op == _LEAF_ONE:
            return Expression.constant(1.0, self.names)
        args = [self._written_out(int(i)) for i in (self.left[at], self.right[at]) if i >= 0]
        found = self.operator(op)
        return found.apply(args) if isinstance(found, Macro) else Expression.apply(found, *args)


def _operator(name: str | Macro) -> Operator | Macro:
    return name if isinstance(name, Macro) else OPERATORS[name]


def _within(groups: Sequence[Sequence[int]] | None, d: int) -> NDArray[np.bool_] | None:
    """For each set of variables, as bits, whether it lies in one group."""
    if groups is None:
        return None
    sets = np.arange(2**d)
    inside = [(sets & ~sum(1 << j for j in group)) == 0 for group in groups]
    return np.any(inside, axis=0)


def quietly(job: Callable[[], Any]) -> Any:
    """Result of a job; undefined values in trial formulas are expected and not worth a warning."""
    with np.errstate(all="ignore"):
        return job()


def in_order(
    jobs: Iterator[Callable[[], Any]], workers: ThreadPoolExecutor | None, ahead: int = 3
) -> Iterator[Any]:
    """Results of the jobs in their order, a few computed ahead of the reader."""
    if workers is None:
        for job in jobs:
            yield job()
        return
    pending: deque[Future] = deque()
    try:
        for job in jobs:
            pending.append(workers.submit(quietly, job))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


def _unary_job(bank: Bank, name: str | Macro, i0: int, i1: int) -> Callable[[], tuple]:
    op = _operator(name)

    def make() -> tuple:
        index = np.arange(i0, i1)
        nested = bank.nested[i0:i1]
        keep = bank.op[i0:i1] != _LEAF_ONE
        if name in TRANSCENDENTAL:
            keep &= ~nested
            nested = np.ones_like(nested)
        # Spellings of what is there already: (1/a)^2 is 1/a^2, the inverse of an inverse is its argument.
        keep &= ~np.isin(bank.op[i0:i1], [OPERATORS[n].code for n in _UNDONE_BY.get(name, ())])
        if bank.dims is not None:
            keep &= bank.fitting(name, index, index)
        if bank.shapes is not None:
            keep &= bank.shapes.fitting(op, index, index)
        index, nested = index[keep], nested[keep]
        with np.errstate(all="ignore"):
            block = op.numpy(bank.values[index])
        return np.ascontiguousarray(block), op.code, index, np.full(len(index), -1), nested

    return make


def _binary_job(
    bank: Bank, name: str | Macro, a: tuple, b: tuple, same: bool, reverse: bool = False
) -> Callable[[], tuple]:
    op = _operator(name)

    def make() -> tuple:
        left, right = np.meshgrid(np.arange(*a), np.arange(*b), indexing="ij")
        left, right = left.ravel(), right.ravel()
        keep = left < right if same else np.ones(len(left), bool)
        if name in ("mul", "div"):
            keep &= left != 0  # times one, divided by one: not new (inverses are a unary of their own)
            keep &= right != 0
        elif same and name == "add":
            keep |= left == right  # x + x is twice x
        if bank.allowed is not None:
            keep &= bank.allowed[bank.members[left] | bank.members[right]]
        left, right = left[keep], right[keep]
        first, second = (right, left) if reverse else (left, right)
        if bank.dims is not None:
            keep = bank.fitting(op.name, first, second)
            first, second = first[keep], second[keep]
        if bank.shapes is not None:
            keep = bank.shapes.fitting(op, first, second)
            first, second = first[keep], second[keep]
        with np.errstate(all="ignore"):
            block = op.numpy(bank.values[first], bank.values[second])
        return block, op.code, first, second, bank.nested[first] | bank.nested[second]

    return make
