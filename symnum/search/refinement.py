"""Constants of formulas that networks gave: fitted in batches, superfluous ones taken away, made simple.

Constants are fitted by Levenberg-Marquardt on compiled programs instead of BFGS on a symbolic sum over the
rows. What to take away is asked of the second derivatives (LeCun, Denker and Solla 1990; Hassibi and Stork
1993): the error that removing a constant costs when all others adapt is c^2/(2 [H^-1]_cc).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions.canonical import canonical
from symnum.expressions.compiled import evaluate_with_jacobian, fit_constants, pack
from symnum.expressions.expression import Expression
from symnum.expressions.operators import CONSTANT, OPERATORS, Operator
from symnum.expressions.rebuild import rebuild
from symnum.search import constants
from symnum.search.folding import folded
from symnum.search.mdl import description_length

MOST_CONSTANTS = 30
"""Formulas of more are not fitted: they fit anything."""
_STEPS = 40
_FIRST_STEPS, _FIRST_ROWS = 8, 100
_TRIED, _ROUNDS = 3, 4
_CLASSES = (3, 6, 9, 13, 18)
_GO_ON = 6
_NEAR = 40.0  # bits
_WAVES = ("sin", "cos")
_TURN = 0.02
_HUGE = 1e100
_AT_ONCE = 64


@dataclass(frozen=True)
class Data:
    """Rows that constants are fitted on.

    Attributes
    ----------
    X : ndarray (n, d)
    y : ndarray (n,)
    weights : ndarray (n,) or None
    bits : callable
        Description length of a formula on these rows.
    charge : callable
        Told how many evaluations were spent.
    stop : callable
        Whether to end as soon as possible.
    n_jobs : int
    """

    X: NDArray[np.float64]
    y: NDArray[np.float64]
    weights: NDArray[np.float64] | None
    bits: Callable[[Expression], float]
    charge: Callable[[int], None] = lambda count: None
    stop: Callable[[], bool] = lambda: False
    n_jobs: int = 1

    def about(self, f: Fitted) -> float:
        """Description length of a fitted formula as it is spelled: `bits` spells it canonically first."""
        return description_length(f.expression, f.loss, len(self.y), self.scale)

    @cached_property
    def scale(self) -> float:
        """Root mean square of the target."""
        return float(np.sqrt(np.average(self.y**2, weights=self.weights)))


class Fitted(NamedTuple):
    """A formula with fitted constants, its weighted mean squared error, and which of the given ones it is."""

    place: int
    expression: Expression
    loss: float


def fitted(
    formulas: Sequence[Expression], data: Data, steps: int = _STEPS, rows: int | None = None
) -> list[Fitted]:
    """Formulas with fitted constants; undefined ones and those of too many constants are left out.

    Parameters
    ----------
    formulas : sequence of Expression
    data : Data
    steps : int
        Of Levenberg-Marquardt.
    rows : int, optional
        Use about so many rows, evenly spaced.
    """
    places = [i for i, e in enumerate(formulas) if len(e.constants) <= MOST_CONSTANTS]
    if not places:
        return []
    packed = pack([formulas[i] for i in places])
    some = slice(None, None, 1 if rows is None else max(1, len(data.y) // rows))
    columns = np.ascontiguousarray(data.X[some].T)
    w = None if data.weights is None else data.weights[some]
    if w is not None and not w.any():
        return []
    fit = fit_constants(packed, columns, data.y[some], None, steps, w, data.n_jobs)
    data.charge(int(fit.evaluations.sum()) + len(places))
    made = []
    for k, place in enumerate(places):
        values = fit.constants[packed.const_offsets[k] : packed.const_offsets[k + 1]]
        if np.isfinite(fit.loss[k]) and np.all(np.isfinite(values)):
            made.append(Fitted(place, formulas[place].with_constants(values), float(fit.loss[k])))
    return made


def shortened(e: Expression, data: Data) -> Expression:
    """Constants taken away one at a time, the others fitted again, while the description gets shorter."""
    best = canonical(e)
    for _ in range(_ROUNDS):
        before = best
        # Factors of factors are one constant only in the canonical form, which is dear.
        best = canonical(_eliminated(before, data))
        if best == before or data.stop():
            break
    return best


def _eliminated(e: Expression, data: Data) -> Expression:
    best, cost = e, np.inf
    trials = [e]
    while trials and not data.stop():
        made = [(data.about(f), f.expression) for f in fitted(trials, data)]
        bits, shortest = min(made, key=lambda m: m[0], default=(np.inf, e))
        if bits >= cost - 1e-6:
            break
        best, cost = shortest, bits
        trials = list(_without_one(best, data)) if len(best.constants) else []
    for f in fitted(list(_turned(best)), data):
        if data.about(f) < cost:
            return f.expression
    return best


def _without_one(e: Expression, data: Data) -> Iterator[Expression]:
    """The formula without each of the constants that the second derivatives say are least needed."""
    order = np.argsort(_saliency(e, data), kind="stable")
    for k in order[:_TRIED]:
        values = e.constants.copy()
        for simple in (0.0, 1.0) if abs(values[k] - 1) < 0.5 else (0.0,):
            values[k] = simple
            try:
                made = folded(e.with_constants(values))
            except InvalidInput:  # a part became infinite
                continue
            if made.variables and len(made.constants) < len(e.constants):
                yield made


def _saliency(e: Expression, data: Data) -> NDArray[np.float64]:
    """Rise of the error when each constant is taken away and the others adapt, to second order."""
    _, jacobian = evaluate_with_jacobian(e.codes, e.constants, np.ascontiguousarray(data.X.T))
    jacobian = np.clip(np.nan_to_num(jacobian, nan=0.0, posinf=0.0, neginf=0.0), -_HUGE, _HUGE)
    if data.weights is not None:
        jacobian = jacobian * np.sqrt(data.weights)
    size = np.maximum(np.linalg.norm(jacobian, axis=1), 1e-300)
    scaled = jacobian / size[:, None]
    hessian = scaled @ scaled.T + 1e-9 * np.eye(len(scaled))
    spread = np.diag(np.linalg.pinv(hessian, hermitian=True))
    return np.abs(e.constants) * size / np.sqrt(np.maximum(spread, 1e-300))  # the root: same order


def _turned(e: Expression) -> Iterator[Expression]:
    """The formula with sin(a + k*pi/2) and cos(a + k*pi/2) written without the shift, where there are any."""
    turns = 0

    def turned(op: Operator, args: Sequence[Expression]) -> Expression:
        nonlocal turns
        made = _without_shift(op.name, args[0]) if op.name in _WAVES else None
        turns += made is not None
        return Expression.apply(op, *args) if made is None else made

    made = rebuild(e, turned)
    if turns:
        yield made


def _without_shift(name: str, arg: Expression) -> Expression | None:
    """Sine or cosine of a sum with a multiple of pi/2, written without it; None where there is none."""
    codes, starts = arg.codes.tolist(), []
    for i, code in enumerate(codes):
        first = i
        for _ in range(OPERATORS.by_code[code].arity if code > 0 else 0):
            first = starts[first - 1]
        starts.append(first)
    found = _addend(codes, starts, len(codes) - 1, 1)
    if found is None or len(codes) == 1:
        return None
    k, sign = codes[: found[0]].count(CONSTANT), found[1]
    quarters = round(sign * float(arg.constants[k]) / (np.pi / 2))
    if abs(sign * arg.constants[k] - quarters * np.pi / 2) > _TURN:
        return None
    values = arg.constants.copy()
    values[k] = 0.0
    place = (_WAVES.index(name) + quarters) % 4
    turned = Expression.apply(("sin", "cos")[place % 2], folded(arg.with_constants(values)))
    return -turned if place >= 2 else turned


def _addend(codes: list[int], starts: list[int], i: int, sign: int) -> tuple[int, int] | None:
    """Place and sign of a constant among the terms of the sum that ends at `i`."""
    if codes[i] == CONSTANT:
        return i, sign
    name = OPERATORS.by_code[codes[i]].name if codes[i] > 0 else ""
    if name == "neg":
        return _addend(codes, starts, i - 1, -sign)
    if name not in ("add", "sub"):
        return None
    left = _addend(codes, starts, starts[i - 1] - 1, sign)
    return left or _addend(codes, starts, i - 1, -sign if name == "sub" else sign)


def leaders(made: Sequence[Fitted], most: int) -> list[Fitted]:
    """The best `most` of each class of number of constants: formulas of many fit anything."""
    classes: dict[int, list[Fitted]] = {}
    for f in sorted(made, key=lambda f: f.loss):
        kept = classes.setdefault(int(np.searchsorted(_CLASSES, len(f.expression.constants))), [])
        if len(kept) < most:
            kept.append(f)
    return [f for _, kept in sorted(classes.items()) for f in kept]


def refined(
    formulas: Sequence[Expression], data: Data, shorten: int, best: Callable[[], float]
) -> Iterator[tuple[int, Expression | None, float]]:
    """The promising formulas fitted; the best of them shortened, then with simple numbers.

    Parameters
    ----------
    formulas : sequence of Expression
    data : Data
    shorten : int
        Formulas of each class of number of constants that are shortened; with 0 all formulas are fitted and
        left at that.
    best : callable
        Shortest description so far: simple numbers are looked for where a formula comes near it.

    Yields
    ------
    tuple of (int, Expression or None, float)
        Which of the given formulas, what became of it if it is worth judging, its description length.
    """
    some: list[tuple[int, Expression]] = list(enumerate(formulas))
    if shorten:
        tried: list[Fitted] = []
        for a in range(0, len(formulas), _AT_ONCE):
            if a and data.stop():
                break
            made = fitted(formulas[a : a + _AT_ONCE], data, _FIRST_STEPS, _FIRST_ROWS)
            tried += [f._replace(place=a + f.place) for f in made]
        some = [(f.place, f.expression) for f in leaders(tried, _GO_ON * shorten)]
    made = [f._replace(place=some[f.place][0]) for f in fitted([e for _, e in some], data)]
    best_few = leaders(made, shorten) if shorten else made
    for f in made:
        if f not in best_few:
            yield f.place, None, data.about(f)
    for place, e, _ in best_few:
        if not shorten or data.stop():
            yield place, e, data.bits(e)
            continue
        short = shortened(e, data)
        bits = data.bits(short)
        yield place, short, bits
        if bits < best() + _NEAR and not data.stop():
            simple = constants.polish(short, data.X, data.y, data.weights, data.bits, data.stop)
            yield place, simple, data.bits(simple)
