"""Compiled evaluation of batches of expressions, with derivatives and least-squares constants.

Programs are concatenated (`Packed`) and evaluated over blocks of rows that stay in the processor's first
cache; each operator is one vectorised loop over a block. Values follow IEEE arithmetic like
`Expression.evaluate`. Data is given by columns, shape (d, n): ``X.T`` of the usual table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions._kernels import ARITY, run, values
from symnum.expressions._loops import least_squares
from symnum.expressions.expression import Expression

BLOCK = 128
"""Rows evaluated at once: the rows in use of a workspace of such blocks stay in a 32 KiB cache."""
Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Packed:
    """Postfix programs, concatenated.

    Attributes
    ----------
    codes : int16 array, shape (total,)
        Codes of all programs; see `Expression`.
    offsets : int64 array, shape (m + 1,)
        Program ``i`` is ``codes[offsets[i]:offsets[i + 1]]``.
    constants : float64 array, shape (k,)
        Constants of all programs.
    const_offsets : int64 array, shape (m + 1,)
        Constants of program ``i`` are ``constants[const_offsets[i]:const_offsets[i + 1]]``.

    Raises
    ------
    InvalidInput
        When a program is no complete postfix program or its constants do not fit.
    """

    codes: NDArray[np.int16]
    offsets: NDArray[np.int64]
    constants: Float
    const_offsets: NDArray[np.int64]

    def __post_init__(self) -> None:
        for name, dtype in (
            ("codes", np.int16),
            ("offsets", np.int64),
            ("constants", np.float64),
            ("const_offsets", np.int64),
        ):
            array = np.require(getattr(self, name), dtype, ["C", "W"])
            object.__setattr__(self, name, array.reshape(-1))
        _check(self)

    def __len__(self) -> int:
        return self.offsets.size - 1

    @property
    def width(self) -> int:
        """Columns needed: one more than the highest variable index."""
        return -int(min(self.codes.min(initial=0), 0))


class ConstantsFit(NamedTuple):
    """What `fit_constants` found.

    Attributes
    ----------
    constants : float64 array, shape (k,)
        Best constants of all programs, laid out like `Packed.constants`.
    loss : float64 array, shape (m,)
        Weighted mean squared error; inf where no start gives finite values.
    evaluations : int64 array, shape (m,)
        Evaluations (values and derivatives on all rows) spent on each program.
    """

    constants: Float
    loss: Float
    evaluations: NDArray[np.int64]


def pack(expressions: Iterable[Expression]) -> Packed:
    """Concatenate expressions; variables are read by column index."""
    items = list(expressions)
    sizes = [(len(e), e.constants.size) for e in items]
    offsets = np.cumsum([(0, 0), *sizes], axis=0, dtype=np.int64)
    return Packed(
        np.concatenate([np.empty(0, np.int16), *(e.codes for e in items)]),
        offsets[:, 0],
        np.concatenate([np.empty(0), *(e.constants for e in items)]),
        offsets[:, 1],
    )


def evaluate_batch(expressions: Packed | Iterable[Expression], X: ArrayLike, n_jobs: int = 1) -> Float:
    """Values of many expressions on the same rows.

    Parameters
    ----------
    expressions : Packed or iterable of Expression
        ``m`` programs.
    X : array_like, shape (d, n)
        One row per variable: the transpose of the usual table.
    n_jobs : int
        Threads; the result does not depend on it.

    Returns
    -------
    float64 array, shape (m, n)
        IEEE values: NaN or infinity where a formula is undefined.

    Raises
    ------
    InvalidInput
        When X is not 2-D or has fewer rows than a formula has variables.
    """
    packed = expressions if isinstance(expressions, Packed) else pack(expressions)
    columns = _columns(X, packed)
    out = np.empty((len(packed), columns.shape[1]))

    def work(first: int, last: int) -> None:
        values(*_arrays(packed), first, last, *_workspace(packed, columns, 0), len(columns), out)

    _in_threads(work, packed, n_jobs)
    return out


def evaluate_with_jacobian(codes: ArrayLike, constants: ArrayLike, X: ArrayLike) -> tuple[Float, Float]:
    """Values of one program and their derivatives by its constants.

    Parameters
    ----------
    codes : array_like of int, shape (length,)
        Postfix program.
    constants : array_like, shape (k,)
        Its constants in postfix order.
    X : array_like, shape (d, n)
        One row per variable.

    Returns
    -------
    values : float64 array, shape (n,)
    jacobian : float64 array, shape (k, n)
        Forward-mode derivatives, exact up to rounding.
    """
    k = np.size(constants)
    packed = Packed(np.asarray(codes), np.array([0, np.size(codes)]), np.asarray(constants), np.array([0, k]))
    columns = _columns(X, packed)
    n = columns.shape[1]
    value, jacobian = np.empty(n), np.empty((k, n))
    fit = ConstantsFit(np.empty(k), np.empty(1), np.zeros(1, np.int64))
    start = packed.constants.reshape(1, -1)
    data = np.concatenate([columns, np.zeros((1, n)), np.ones((1, n))])
    _least_squares(packed, data, (0, 1), start, 0, fit, value, jacobian)
    return value, jacobian


def fit_constants(
    expressions: Packed | Iterable[Expression],
    X: ArrayLike,
    y: ArrayLike,
    starts: ArrayLike | None = None,
    max_iter: int = 50,
    weights: ArrayLike | None = None,
    n_jobs: int = 1,
) -> ConstantsFit:
    """Least-squares constants of many programs, from one or several starts each.

    Parameters
    ----------
    expressions : Packed or iterable of Expression
        ``m`` programs with ``k`` constants in all.
    X : array_like, shape (d, n)
        One row per variable.
    y : array_like, shape (n,)
        Target.
    starts : array_like, shape (s, k), optional
        Start values, each row laid out like `Packed.constants`; left out: the constants as they are.
    max_iter : int
        Steps tried from each start.
    weights : array_like, shape (n,), optional
        Nonnegative weights of the squared errors.
    n_jobs : int
        Threads; the result does not depend on it.

    Returns
    -------
    ConstantsFit
        The best constants over the starts, their weighted mean squared error and the evaluations spent.

    Notes
    -----
    Levenberg-Marquardt with Marquardt's scaling [1]_ on the normal equations: damping from 1e-3, divided by
    10 after a step that lowers the loss and multiplied by 10 otherwise. Ends when a step that was not damped
    much lowers the loss by less than 1e-12 of it. A step to values that are not finite is refused; a constant
    without finite derivative is held still.

    References
    ----------
    .. [1] D. Marquardt, An algorithm for least-squares estimation of nonlinear parameters, J. SIAM 11, 1963.
    """
    packed = expressions if isinstance(expressions, Packed) else pack(expressions)
    columns = _columns(X, packed)
    n = columns.shape[1]
    target = _vector(y, n, "y")
    weight = np.ones(n) if weights is None else _vector(weights, n, "weights")
    if not (np.all(weight >= 0) and 0 < weight.sum() < np.inf):
        raise InvalidInput("weights must be finite, not negative and not all zero")
    first = packed.constants[None] if starts is None else np.asarray(starts, dtype=np.float64)
    if first.ndim != 2 or first.shape[1] != packed.constants.size or not len(first):
        raise InvalidInput(f"starts must have shape (s, {packed.constants.size}), got {first.shape}")
    first = np.require(first, np.float64, ["C", "W"])
    data = np.concatenate([columns, [target], [weight]])
    fit = ConstantsFit(first[0].copy(), np.empty(len(packed)), np.zeros(len(packed), np.int64))

    def work(begin: int, end: int) -> None:
        _least_squares(packed, data, (begin, end), first, max_iter, fit)

    _in_threads(work, packed, n_jobs)
    return fit._replace(loss=fit.loss / weight.sum())


# ------------------------------------------------------------------------------------------- helpers
_NONE, _NO_ROWS = np.empty(0), np.empty((0, 0))


def _least_squares(
    packed: Packed,
    data: Float,
    span: tuple[int, int],
    starts: Float,
    max_iter: int,
    fit: ConstantsFit,
    value: Float = _NONE,
    jacobian: Float = _NO_ROWS,
) -> None:
    """Compiled fit of a range of programs; ``data`` (d + 2, n) ends with target and weights."""
    most = int(np.diff(packed.const_offsets).max(initial=0))
    w, levels, base = _workspace(packed, data, most)
    # The padding of the last block must not count.
    w[-1, (data.shape[1] - 1) % BLOCK + 1 :] = 0.0
    matrices = [np.empty((most, most)) for _ in range(3)]
    least_squares(
        run, *_arrays(packed), *span, w, levels, base, len(data) - 2, np.empty(2 * levels, np.int64),
        data.shape[1], starts, max_iter, matrices[0], matrices[1], matrices[2],
        np.empty((5, most)), *fit, value, jacobian,
    )  # fmt: skip


def _arrays(packed: Packed) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    return packed.codes, packed.offsets, packed.constants, packed.const_offsets


def _vector(values: ArrayLike, n: int, name: str) -> Float:
    array = np.require(values, np.float64, ["C", "W"])
    if array.shape != (n,):
        raise InvalidInput(f"{name} must have shape ({n},) like the rows of X, got {array.shape}")
    return array


def _columns(X: ArrayLike, packed: Packed) -> Float:
    columns = np.require(X, np.float64, ["C", "W"])
    if columns.ndim != 2:
        raise InvalidInput(f"X must be 2-D with one row per variable, got shape {columns.shape}")
    if columns.shape[0] < packed.width:
        raise InvalidInput(
            f"a formula uses variable {packed.width - 1} but X has {columns.shape[0]} rows; "
            "X has one row per variable, shape (d, n)"
        )
    return columns


def _workspace(packed: Packed, data: Float, constants: int) -> tuple[Float, int, int]:
    """Workspace with the data in place, its stack levels and its first row of data."""
    d, n = data.shape
    longest = int(np.diff(packed.offsets).max(initial=1))
    levels = (longest + 1) // 2 + 1  # a program of this length never stacks more
    base = 3 * levels + 2 + constants
    blocks = -(-n // BLOCK)
    size = (base + d * blocks) * BLOCK
    raw = np.empty(size + 8)
    skip = (-raw.ctypes.data % 64) // 8  # rows begin on cache lines
    w = raw[skip : skip + size].reshape(-1, BLOCK)
    padded = w[base:].reshape(blocks, d, BLOCK)
    whole = n // BLOCK * BLOCK
    padded[: n // BLOCK] = data[:, :whole].reshape(d, -1, BLOCK).swapaxes(0, 1)
    if whole < n:
        padded[-1, :, : n - whole] = data[:, whole:]
        padded[-1, :, n - whole :] = data[:, -1:]
    return w, levels, base


def _check(packed: Packed) -> None:
    """Refuse what compiled loops could not walk safely."""
    codes, offsets, constants, const_offsets = _arrays(packed)
    for name, array, total in (
        ("offsets", offsets, codes.size),
        ("const_offsets", const_offsets, constants.size),
    ):
        if (
            array.size != offsets.size
            or not array.size
            or array[0]
            or array[-1] != total
            or np.any(np.diff(array) < 0)
        ):
            raise InvalidInput(f"{name} must rise from 0 to {total}, got {array}")
    if codes.size and codes.max() >= ARITY.size:
        raise InvalidInput(f"unknown operator code {codes.max()}")
    # Stack depth after every code; each program must stay above 0 and end with 1.
    gain = np.where(codes > 0, 1 - ARITY[np.maximum(codes, 0)], 1)
    depth = np.concatenate([[0], np.cumsum(gain)])
    size = np.diff(offsets)
    inside = depth[1:] - np.repeat(depth[offsets[:-1]], size)
    held = np.diff(np.concatenate([[0], np.cumsum(codes == 0)])[offsets])
    bad = (size == 0) | (np.diff(depth[offsets]) != 1) | (held != np.diff(const_offsets))
    if codes.size and (bad.any() or inside.min() < 1):
        raise InvalidInput("codes hold an incomplete postfix program, or constants that do not fit")


def _in_threads(work: Callable[[int, int], None], packed: Packed, n_jobs: int) -> None:
    """Run ``work(first, last)`` over equal ranges of programs."""
    m = len(packed)
    jobs = max(1, min(n_jobs, m))
    edges = [m * i // jobs for i in range(jobs + 1)]
    if jobs == 1:
        work(0, m)
        return
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(work, edges[:-1], edges[1:]))
