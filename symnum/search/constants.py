"""Inner constants: skeletons made from bank columns, fitted by batched Levenberg-Marquardt, then snapped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.compiled import fit_constants, pack
from symnum.expressions.expression import Expression
from symnum.expressions.operators import CONSTANT, OPERATORS
from symnum.search.bank import TRANSCENDENTAL, Bank
from symnum.search.snapping import snap
from symnum.search.view import View

ROWS = 200
_BATCH = 32
_STARTS = 6
_MOST_CONSTANTS = 8
_SHIFTED = frozenset({"sin", "cos", "tan", "log", "sqrt", "tanh", "atan", "square", "inv"})


def skeleton(e: Expression, background: Sequence[Expression]) -> Expression | None:
    """``c0 + c1*e + sum(c*background)`` with a factor, and where it matters a shift, in every inner argument.

    None when `e` has no place for an inner constant.
    """
    stack: list[tuple[Expression, bool]] = []
    inner = 0
    for code, value in e.walk():
        if value is not None:
            stack.append((Expression.constant(1.0, e.names), False))
            inner += 1
        elif code < 0:
            stack.append((Expression.variable(-code - 1, e.names), False))
        else:
            op = OPERATORS.by_code[code]
            args = stack[-op.arity :]
            del stack[-op.arity :]
            if op.arity == 1 and (op.name in TRANSCENDENTAL or op.name in _SHIFTED) and not args[0][1]:
                a = args[0][0]
                if op.name not in ("square", "sqrt", "inv", "log"):
                    a = 1.0 * a  # log, powers and inverses pass a factor through to the outside
                    inner += 1
                if op.name in _SHIFTED:
                    a = a + 1.0
                    inner += 1
                stack.append((Expression.apply(op, a), True))
            else:
                stack.append((Expression.apply(op, *(a for a, _ in args)), any(m for _, m in args)))
    body = stack[0][0]
    if inner == 0 or len(body.constants) + 2 + len(background) > _MOST_CONSTANTS:
        return None
    result = 1.0 * body
    for term in background:
        result = result + 1.0 * term
    return result + 1.0


def search(
    view: View,
    bank: Bank,
    limit: int,
    rng: np.random.Generator,
    stop: Callable[[], bool],
    n_jobs: int,
    charge: Callable[[int], None],
) -> Iterator[Expression]:
    """Fit the skeletons of the cheapest bank elements; yields the fitted ones that are the best so far."""
    rows = view.rows(ROWS)
    X, y = view.X[rows].T.copy(), view.y[rows]
    weights = None if view.scale is None else view.scale[rows] ** 2
    scale = float(np.sqrt(np.mean(y**2))) or 1.0
    variables = view.variables if len(view.names) <= 3 else []
    best = np.inf

    def skeletons() -> Iterator[Expression]:
        for index in range(min(limit, bank.size)):
            if index % 64 == 0 and stop():  # making thousands of them takes seconds
                return
            e = bank.expression(index)
            s = skeleton(e, [v for v in variables if v != e])
            if s is not None:
                yield s

    source = skeletons()
    while batch := list(islice(source, _BATCH)):
        if stop():
            return
        packed = pack(batch)
        starts = _starts(packed.const_offsets, rng, scale)
        fit = fit_constants(packed, X, y, starts, max_iter=60, weights=weights, n_jobs=n_jobs)
        charge(len(batch) * _STARTS)
        for k in np.argsort(fit.loss, kind="stable")[:4]:
            if fit.loss[k] < 0.9 * best and np.isfinite(fit.loss[k]):
                best = float(fit.loss[k])
                where = slice(packed.const_offsets[k], packed.const_offsets[k + 1])
                yield from variants(batch[k].with_constants(fit.constants[where]), view, rows)


def _starts(offsets: NDArray, rng: np.random.Generator, scale: float) -> NDArray:
    """Start values (starts, total constants): ones, then signed log-uniform draws."""
    total = int(offsets[-1])
    size = np.exp(rng.uniform(np.log(0.2), np.log(5.0), (_STARTS, total)))
    starts = size * rng.choice([-1.0, 1.0], (_STARTS, total))
    starts[0] = 1.0
    return starts


def refit(
    expressions: Sequence[Expression], X: NDArray, y: NDArray, weights: NDArray | None, n_jobs: int
) -> list[Expression]:
    """Constants of given formulas fitted from the values they have."""
    some = [e for e in expressions if 0 < len(e.constants) <= 12]
    if not some:
        return []
    packed = pack(some)
    fit = fit_constants(
        packed, X.T.copy(), y, packed.constants[None, :], max_iter=40, weights=weights, n_jobs=n_jobs
    )
    out = []
    for k, e in enumerate(some):
        values = fit.constants[packed.const_offsets[k] : packed.const_offsets[k + 1]]
        if np.isfinite(fit.loss[k]) and np.all(np.isfinite(values)):
            out.append(e.with_constants(values))
    return out


def variants(e: Expression, view: View, rows: NDArray) -> Iterator[Expression]:
    """The fitted formula, then with constants dropped or snapped where the data allow."""
    yield e
    X, y = view.X[rows], view.y[rows]
    loss = _loss(e, X, y)
    pruned = e
    values = e.constants.copy()
    for k in range(len(values)):
        for simple in (
            0.0,
            1.0,
            -1.0,
            snap(float(values[k]), 1e-5),
            float(f"{values[k]:.2g}"),
            float(f"{values[k]:.3g}"),
        ):
            trial = values.copy()
            trial[k] = simple
            new = _raw_constants(pruned, trial)
            if new is not None and _loss(new, X, y) <= 1.02 * loss + 1e-20 * float(np.mean(y**2)):
                values, pruned = trial, new
                break
    if pruned is not e:
        yield pruned


def _raw_constants(e: Expression, values: NDArray) -> Expression | None:
    made = e.with_constants(values)
    return made if len(made.constants) == len(values) else None


def _loss(e: Expression, X: NDArray, y: NDArray) -> float:
    with np.errstate(all="ignore"):
        value = float(np.mean((e.evaluate(X) - y) ** 2))
    return value if np.isfinite(value) else np.inf


def polish(
    e: Expression,
    X: NDArray,
    y: NDArray,
    weights: NDArray | None,
    bits: Callable[[Expression], float],
    stop: Callable[[], bool] = lambda: False,
) -> Expression:
    """Constants made simple one at a time, the others fitted again, while the description gets shorter.

    Parameters
    ----------
    e : Expression
    X, y, weights : ndarray (n, d), (n,), (n,) or None
    bits : callable
        Description length of a formula, the measure that must fall.
    stop : callable
        Asked before every fit.
    """
    best, cost = e, bits(e)
    improved = True
    while improved and 0 < len(best.constants) <= _MOST_CONSTANTS:
        improved = False
        for k in range(len(best.constants)):
            for simple in _simple(float(best.constants[k])):
                if stop():
                    return best
                trial = _with_fixed(best, k, simple, X, y, weights)
                value = bits(trial) if trial is not None else np.inf
                if value < cost - 1e-6:
                    best, cost, improved = trial, value, True
                    break
            if improved:
                break
    return best


def _simple(value: float) -> list[float]:
    """Simpler numbers near a fitted one, simplest first."""
    options = [float(np.sign(value)), round(value), round(2 * value) / 2, snap(value, 1e-3, 12)]
    options += [float(f"{value:.{digits}g}") for digits in (1, 2, 3, 4)]
    close = [v for v in dict.fromkeys(options) if abs(v - value) <= 0.1 * abs(value) + 1e-12 and v != value]
    return [*close, 0.0] if value != 0 else close


def _with_fixed(
    e: Expression, k: int, value: float, X: NDArray, y: NDArray, weights: NDArray | None
) -> Expression | None:
    """Formula with constant `k` held at a value and the other fitted constants adjusted."""
    simple = [j == k or float(c) == round(float(c) * 2) / 2 for j, c in enumerate(e.constants)]
    values = e.constants.copy()
    values[k] = value
    # Held constants become columns, so that the fit leaves them alone.
    held = [j for j in range(len(values)) if simple[j]]
    free = [j for j in range(len(values)) if not simple[j]]
    fixed = _raw_constants(e, values)
    if fixed is None or not free:
        return e.with_constants(values)
    d = len(e.names)
    codes = e.codes.astype(np.int64)
    for j, at in enumerate(np.flatnonzero(codes == CONSTANT)):
        if simple[j]:
            codes[at] = -(d + 1 + held.index(j))
    names = (*e.names, *(f"held{j}" for j in held))
    program = Expression(codes, values[free], names)
    if len(program.constants) != len(free):
        return fixed
    columns = np.concatenate([X.T, np.repeat(values[held][:, None], len(X), axis=1)])
    fit = fit_constants([program], columns, y, max_iter=20, weights=weights)
    if not np.isfinite(fit.loss[0]):
        return None
    values[free] = fit.constants
    return e.with_constants(values)
