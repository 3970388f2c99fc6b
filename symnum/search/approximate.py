"""Closed-form readouts for data with noise: the best few columns of a bank by least squares.

Ranks single columns, pairs (Gram matrix, all pairs at once) and products in log space for every output
transform; residuals are weighted by |dT/dy|^-1 so that a fit of T(y) minimises errors of y.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.expression import Expression
from symnum.expressions.operators import OPERATORS
from symnum.search import forms
from symnum.search.bank import Bank
from symnum.search.transforms import TRANSFORMS, Transform
from symnum.search.view import View

ROWS = 400
_PER_COST = 4
_PAIR_POOL = 500


def bank_on(bank: Bank, X: NDArray[np.float64], limit: int) -> NDArray[np.float64]:
    """Columns (limit, n) of the first `limit` elements on other rows."""
    limit = min(limit, bank.size)
    out = np.empty((limit, len(X)))
    op, left, right = bank.op[:limit], bank.left[:limit], bank.right[:limit]
    # Elements stand in runs of one operator, after their parts.
    edges = np.flatnonzero(np.diff(op)) + 1
    with np.errstate(all="ignore"):
        for a, b in zip(np.r_[0, edges], np.r_[edges, limit], strict=True):
            code = int(op[a])
            if code == -2:
                out[a:b] = 1.0
            elif code == -1:
                out[a:b] = X[:, left[a:b]].T
            elif OPERATORS.by_code[code].arity == 1:
                out[a:b] = OPERATORS.by_code[code].numpy(out[left[a:b]])
            else:
                out[a:b] = OPERATORS.by_code[code].numpy(out[left[a:b]], out[right[a:b]])
    return out


class ApproximateSearch:
    """Least-squares readouts over a bank evaluated on up to `ROWS` rows of a view."""

    def __init__(self, view: View, bank: Bank, weights: NDArray[np.float64] | None, limit: int) -> None:
        rows = view.rows(ROWS)
        self.view, self.bank = view, bank
        self.X, self.y = view.X[rows], view.y[rows]
        self.weights = np.ones(len(rows)) if weights is None else weights[rows]
        values = bank_on(bank, self.X, limit)
        with np.errstate(all="ignore"):
            spread = np.ptp(values, axis=1)
            good = np.all(np.isfinite(values), axis=1) & (spread > 1e-7 * np.max(np.abs(values), axis=1))
        self.index = np.flatnonzero(good)
        self.values = values[self.index]
        self.cost = bank.cost[self.index]

    def everything(self, stop: Callable[[], bool]) -> Iterator[Expression]:
        """Formulas for y from all transforms, simple ones first."""
        yield from self.powers()
        for transform in TRANSFORMS:
            if stop():
                return
            target = transform.apply(self.y)
            if target is None:
                continue
            weight = np.sqrt(self.weights) / np.maximum(transform.slope(self.y), 1e-12)
            yield from self._sums(transform, target, weight / weight.max())
        if not stop() and np.all(self.y != 0):
            yield from self._products()

    def powers(self) -> Iterator[Expression]:
        """A monomial with real and with rounded exponents, where the target keeps its sign."""
        usable = [j for j in range(self.X.shape[1]) if np.all(self.X[:, j] > 0)]
        if not usable or not (np.all(self.y > 0) or np.all(self.y < 0)):
            return
        variables = self.view.variables
        weight = np.sqrt(self.weights) * np.abs(self.y)
        design = np.column_stack([np.ones(len(self.y)), np.log(self.X[:, usable])])
        solution = _weighted(design, np.log(np.abs(self.y)), weight)
        for q in (0, 1, 2, 3, 4):
            exponents = solution[1:] if q == 0 else np.round(solution[1:] * q) / q
            shape = np.prod(self.X[:, usable] ** exponents, axis=1)
            factor = float(np.sum(self.weights * shape * self.y) / np.sum(self.weights * shape * shape))
            if np.any(exponents != 0) and np.isfinite(factor) and factor != 0:
                yield forms.product(factor, [variables[j] for j in usable], exponents)

    def _sums(self, transform: Transform, target: NDArray, weight: NDArray) -> Iterator[Expression]:
        one = weight / np.linalg.norm(weight)
        y = target * weight
        y = y - one * (one @ y)
        total = float(y @ y)
        if total <= 0:
            return
        with np.errstate(all="ignore"):
            columns = self.values * weight
            raw = np.linalg.norm(columns, axis=1)
            columns = columns - (columns @ one)[:, None] * one
            norm = np.linalg.norm(columns, axis=1)
            # A column that hardly differs from a constant would win by cancellation.
            good = np.flatnonzero((norm > 1e-4 * raw) & np.isfinite(norm) & (norm > 0))
            columns = columns[good] / norm[good, None]
        explained = (columns @ y) ** 2 / total
        for k in _best_per_cost(explained, self.cost[good], _PER_COST):
            yield from self._fit(transform, target, weight, good[[k]])
        pool = np.union1d(
            np.argsort(-explained, kind="stable")[: _PAIR_POOL // 2],
            np.arange(min(_PAIR_POOL, len(good)))[: _PAIR_POOL // 2],
        )
        gram = columns[pool] @ columns[pool].T
        dot = columns[pool] @ y
        with np.errstate(all="ignore"):
            gap = 1 - gram**2
            both = (
                (dot[:, None] ** 2 + dot[None, :] ** 2 - 2 * gram * dot[:, None] * dot[None, :]) / gap / total
            )
        both[~(gap > 1e-4)] = -1
        i, j = np.triu_indices(len(pool), 1)
        cost = self.cost[good[pool[i]]] + self.cost[good[pool[j]]]
        for k in _best_per_cost(both[i, j], cost, _PER_COST):
            yield from self._fit(transform, target, weight, good[[pool[i[k]], pool[j[k]]]])

    def _fit(
        self, transform: Transform, target: NDArray, weight: NDArray, members: NDArray
    ) -> Iterator[Expression]:
        parts = [self.bank.expression(int(self.index[m])) for m in members]
        columns = self.values[members]
        for constant in (True, False):
            design = np.column_stack([*columns, *([np.ones(len(target))] if constant else [])])
            c = _weighted(design, target, weight)
            if np.all(np.isfinite(c)):
                terms = [*parts, *([None] if constant else [])]
                yield transform.inverse(forms.combination([float(v) for v in c], terms))

    def _products(self) -> Iterator[Expression]:
        usable = [j for j in range(self.X.shape[1]) if np.all(self.X[:, j] > 0)]
        weight = np.sqrt(self.weights) * np.abs(self.y)
        weight = weight / weight.max()
        base = np.column_stack([np.ones(len(self.y)), np.log(self.X[:, usable])]) * weight[:, None]
        basis, _ = np.linalg.qr(base)
        y = np.log(np.abs(self.y)) * weight
        y = y - basis @ (basis.T @ y)
        total = float(y @ y)
        positive = np.flatnonzero(np.all(self.values > 0, axis=1))
        if total <= 1e-20 or len(positive) == 0 or len(self.y) <= base.shape[1] + 3:
            return
        with np.errstate(all="ignore"):
            columns = np.log(self.values[positive]) * weight
            raw = np.linalg.norm(columns, axis=1)
            columns = columns - (columns @ basis) @ basis.T
            norm = np.linalg.norm(columns, axis=1)
            good = np.flatnonzero(norm > 1e-4 * raw)
            explained = (columns[good] @ y) ** 2 / (norm[good] ** 2 * total)
        variables = self.view.variables
        for k in _best_per_cost(explained, self.cost[positive[good]], 2 * _PER_COST):
            member = positive[good[k]]
            design = np.column_stack(
                [np.ones(len(self.y)), np.log(self.X[:, usable]), np.log(self.values[member])]
            )
            solution = _weighted(design, np.log(np.abs(self.y)), weight)
            part = self.bank.expression(int(self.index[member]))
            for q in (1, 2):
                exponents = np.round(solution[1:] * q) / q
                with np.errstate(all="ignore"):
                    shape = (
                        np.prod(self.X[:, usable] ** exponents[:-1], axis=1)
                        * self.values[member] ** exponents[-1]
                    )
                    factor = float(
                        np.sum(self.weights * shape * self.y) / np.sum(self.weights * shape * shape)
                    )
                if (
                    np.isfinite(factor)
                    and factor != 0
                    and exponents[-1] != 0
                    and np.max(np.abs(exponents)) <= 8
                ):
                    yield forms.product(factor, [*(variables[j] for j in usable), part], exponents)


def _weighted(design: NDArray, target: NDArray, weight: NDArray) -> NDArray:
    scaled = design * weight[:, None]
    size = np.maximum(np.linalg.norm(scaled, axis=0), 1e-300)
    return np.linalg.lstsq(scaled / size, target * weight, rcond=1e-12)[0] / size


def _best_per_cost(value: NDArray, cost: NDArray, count: int) -> list[int]:
    """Indices of the highest values of each cost, cheap costs first, while costs keep paying."""
    order = np.lexsort((-value, cost))
    chosen: list[int] = []
    best = -np.inf
    start = 0
    while start < len(order):
        same = cost[order[start]]
        stop = start + int(np.searchsorted(cost[order[start:]], same, side="right"))
        group = [int(k) for k in order[start : min(stop, start + count)] if value[k] > best]
        chosen += group
        best = max([best, *(value[k] for k in group)])
        start = stop
    return chosen
