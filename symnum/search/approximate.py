"""Closed-form readouts for data with noise: the best few columns of a bank by least squares.

Ranks single columns, pairs (Gram matrix, all pairs at once) and products in log space for every output
transform; residuals are weighted by |dT/dy|^-1 so that a fit of T(y) minimises errors of y.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.expression import Expression
from symnum.search import forms
from symnum.search.bank import Bank
from symnum.search.transforms import IDENTITY, Transform, transforms_of
from symnum.search.view import View

ROWS = 256
_PER_COST = 4
_PAIR_POOL = 800
_SCALED_POOL = 1_000
_BLOCK = 250


def bank_on(bank: Bank, X: NDArray[np.float64], limit: int) -> NDArray[np.float64]:
    """Columns (limit, n) of the first `limit` elements on other rows."""
    limit = min(limit, bank.size)
    out = np.empty((limit, len(X)))
    op, left, right = bank.op[:limit], bank.left[:limit], bank.right[:limit]
    # Elements stand in runs of one operator; their parts are of lower cost.
    edges = np.flatnonzero(np.diff(op) | np.diff(bank.cost[:limit])) + 1
    with np.errstate(all="ignore"):
        for a, b in zip(np.r_[0, edges], np.r_[edges, limit], strict=True):
            code = int(op[a])
            if code == -2:
                out[a:b] = 1.0
            elif code == -1:
                out[a:b] = X[:, left[a:b]].T
            elif bank.operator(code).arity == 1:
                out[a:b] = bank.operator(code).numpy(out[left[a:b]])
            else:
                out[a:b] = bank.operator(code).numpy(out[left[a:b]], out[right[a:b]])
    return out


@dataclass(frozen=True, slots=True)
class Proposal:
    """A readout not yet written as a formula.

    Attributes
    ----------
    loss : float
        Mean squared error of y that the weighted fit of T(y) promises.
    cost : int
        Of the bank elements used.
    kind : str
        Costs and promises are compared within a kind: a product's free exponents are not in its cost.
    make : callable
        The formulas to try.
    """

    loss: float
    cost: int
    kind: str
    make: Callable[[], list[Expression]]


class ApproximateSearch:
    """Least-squares readouts over a bank evaluated on up to `ROWS` rows of a view."""

    def __init__(self, view: View, bank: Bank, weights: NDArray[np.float64] | None, limit: int) -> None:
        rows = view.rows(ROWS)
        self.view, self.bank = view, bank
        self.X, self.y = view.X[rows], view.y[rows]
        self.weights = np.ones(len(rows)) if weights is None else weights[rows]
        if view.scale is not None:
            self.weights = self.weights * view.scale[rows] ** 2
        self.weights = self.weights / self.weights.mean()
        values = bank_on(bank, self.X, limit)
        with np.errstate(all="ignore"):
            spread = np.ptp(values, axis=1)
            good = np.all(np.isfinite(values), axis=1) & (spread > 1e-7 * np.max(np.abs(values), axis=1))
        self.index = np.flatnonzero(good)
        self.values = values[self.index]
        self.cost = bank.cost[self.index].astype(np.int64)
        self.dims = None if bank.dims is None else bank.dims[self.index]

    def everything(
        self, stop: Callable[[], bool], transforms: Sequence[Transform] = ()
    ) -> Iterator[Expression]:
        """Formulas for y: of each cost the readouts that promise the least error, whatever the transform.

        All transforms are tried that suit the view when none are given.
        """
        yield from self.powers()
        proposals: list[Proposal] = []
        for transform in transforms or transforms_of(self.view.scale is not None):
            if stop():
                break
            target = transform.apply(self.y)
            if target is None or (self.dims is not None and self._wanted(transform) is None):
                continue
            weight = np.sqrt(self.weights) / np.maximum(transform.slope(self.y), 1e-12)
            if transform.sums:
                proposals += self._sums(transform, target, weight)
                proposals += self._scaled(transform, target, weight)
            if transform.products and np.all(target != 0):
                proposals += self._products(transform, target, weight)
        order = sorted(range(len(proposals)), key=lambda k: (proposals[k].cost, proposals[k].loss, k))
        count: dict[tuple[str, int], int] = {}
        best: dict[str, float] = {}
        for k in order:
            proposal = proposals[k]
            place = count.get((proposal.kind, proposal.cost), 0)
            # Within its kind a dearer readout must promise more than the cheaper ones before it.
            bound = (1.0 if place == 0 else 1.3) * best.get(proposal.kind, np.inf)
            if place >= _PER_COST or proposal.loss > bound:
                continue
            count[proposal.kind, proposal.cost] = place + 1
            best[proposal.kind] = min(best.get(proposal.kind, np.inf), proposal.loss)
            yield from proposal.make()
            if stop():
                return

    def powers(self) -> Iterator[Expression]:
        """A monomial with real and with rounded exponents, where the target keeps its sign."""
        usable = self._positive()
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

    # ---------------------------------------------------------------- kinds of readouts
    def _sums(self, transform: Transform, target: NDArray, weight: NDArray) -> list[Proposal]:
        """``T = c0 + c1 a``, ``T = c0 + c1 a + c2 s`` and ``T = (c0 + c1 a)/(1 + c2 s)``."""
        group = "" if transform is IDENTITY else " of T"
        wanted = self._wanted(transform)
        # A constant that is added must have the target's unit: a pure number's, where units count.
        constant = wanted is None or not wanted.any()
        pool = _Pool(weight[:, None] if constant else np.empty((len(target), 0)), target * weight)
        like, pure = self._of(wanted), self._of(None if wanted is None else 0 * wanted)
        if pool.total <= 0 or len(like) == 0:
            return []
        plain = pool.project(self.values[like] * weight)
        made = [
            Proposal(
                loss, int(self.cost[like[k]]), "sum" + group,
                partial(self._sum, transform, target, weight, [int(like[k])]),
            )
            for k, loss in pool.best_single(plain, self.cost[like])
        ]  # fmt: skip
        chosen = pool.choose(plain, self.cost[like], _PAIR_POOL)
        upper_at = lower_at = like[chosen]
        if wanted is not None and wanted.any():
            lower_at = pure[np.argsort(self.cost[pure], kind="stable")[:_PAIR_POOL]]
        timed = pool.project(self.values[lower_at] * (target * weight))
        columns = np.concatenate([plain[chosen], timed])
        cost = np.concatenate([self.cost[upper_at], self.cost[lower_at] + 2])
        skip = len(upper_at)
        for i, j, loss, total in pool.best_pairs(columns, cost, skip=skip):
            upper = [int(upper_at[k]) for k in (i, j) if k < skip]
            lower = [int(lower_at[k - skip]) for k in (i, j) if k >= skip]
            if lower:
                job = partial(self._quotient, transform, target, weight, upper, lower)
            else:
                job = partial(self._sum, transform, target, weight, upper)
            made.append(Proposal(loss, total, ("quotient" if lower else "sum") + group, job))
        return made

    def _wanted(self, transform: Transform) -> NDArray[np.int16] | None:
        """Scaled dimension of T(y); None without units, or where they forbid the transform."""
        return None if self.view.dims is None or self.dims is None else transform.dims(self.view.dims[1])

    def _of(self, wanted: NDArray[np.int16] | None) -> NDArray[np.int64]:
        """Columns of a dimension, all without units."""
        if wanted is None or self.dims is None:
            return np.arange(len(self.values))
        return np.flatnonzero(np.all(self.dims == wanted, axis=1))

    def _scaled(self, transform: Transform, target: NDArray, weight: NDArray) -> list[Proposal]:
        """``T = a (c1 + c2 s)`` for all pairs at once: three matrix products give every residual."""
        group = "" if transform is IDENTITY else " of T"
        total = float(np.sum((target * weight) ** 2))
        wanted = self._wanted(transform)
        cheap = self._cheapest(self._of(wanted))
        a = self.values[cheap] * weight
        size = np.linalg.norm(a, axis=1)
        keep = np.isfinite(size) & (size > 0)
        cheap, a = cheap[keep], a[keep] / size[keep, None]
        factors = cheap if wanted is None else self._cheapest(self._of(0 * wanted))
        if len(cheap) == 0 or len(factors) == 0:
            return []
        s = self.values[factors]
        s = s / np.linalg.norm(s, axis=1)[:, None] * np.sqrt(len(target))
        with np.errstate(all="ignore"):
            cross, square = (a * a) @ s.T, (a * a) @ (s * s).T
            onto, both = a @ (target * weight), (a * (target * weight)) @ s.T
            rest = square - cross**2  # of a*s beside a
            gain = (both - cross * onto[:, None]) ** 2 / rest
            explained = (onto[:, None] ** 2 + gain) / total
        explained[~(rest > 1e-6 * square)] = -1
        cost = self.cost[cheap][:, None] + self.cost[factors][None, :] + 1
        made = []
        for k in _best_per_cost(explained.ravel(), cost.ravel(), _PER_COST):
            i, j = divmod(int(k), len(factors))
            loss = (1 - float(explained[i, j])) * total / len(target)
            job = partial(self._scaled_sum, transform, target, weight, int(cheap[i]), int(factors[j]))
            made.append(Proposal(loss, int(cost[i, j]), "scaled" + group, job))
        return made

    def _cheapest(self, columns: NDArray) -> NDArray[np.int64]:
        return columns[np.argsort(self.cost[columns], kind="stable")[:_SCALED_POOL]]

    def _products(self, transform: Transform, target: NDArray, weight: NDArray) -> list[Proposal]:
        """``T = c x^p a^q s^r`` and ``T = c x^p a^q exp(r s)`` in log space."""
        group = "" if transform is IDENTITY else " of T"
        usable = self._positive()
        weight = weight * np.abs(target)  # an error of log T is one of T relative to T
        base = np.column_stack([np.ones(len(target)), np.log(self.X[:, usable])]) * weight[:, None]
        pool = _Pool(base, np.log(np.abs(target)) * weight)
        if pool.total <= 0 or len(target) <= base.shape[1] + 3:
            return []
        positive = np.flatnonzero(np.all(self.values > 0, axis=1))
        logs = pool.project(np.log(self.values[positive]) * weight)
        raws = pool.project(self.values * weight)
        columns = np.concatenate([logs, raws])
        member = np.concatenate([positive, np.arange(len(self.values))])
        is_log = np.arange(len(member)) < len(positive)
        cost = self.cost[member] + 1
        made = []
        for k, loss in pool.best_single(columns, cost):
            job = partial(
                self._product, transform, target, weight, usable, [(int(member[k]), bool(is_log[k]))]
            )
            made.append(Proposal(loss, int(cost[k]) + 1, "product" + group, job))
        chosen = pool.choose(columns, cost, _PAIR_POOL)
        for i, j, loss, total in pool.best_pairs(columns[chosen], cost[chosen]):
            parts = [(int(member[chosen[k]]), bool(is_log[chosen[k]])) for k in (i, j)]
            job = partial(self._product, transform, target, weight, usable, parts)
            # A rate in an exponential is a free number more than a power, which is mostly a whole number.
            kind = f"products {sum(log for _, log in parts)}" + group
            made.append(Proposal(loss, total + 1, kind, job))
        return made

    # ---------------------------------------------------------------- writing them
    def _positive(self) -> list[int]:
        return [j for j in range(self.X.shape[1]) if np.all(self.X[:, j] > 0)]

    def _part(self, k: int) -> Expression:
        return self.bank.expression(int(self.index[k]))

    def _sum(
        self, transform: Transform, target: NDArray, weight: NDArray, members: list[int]
    ) -> list[Expression]:
        parts = [self._part(m) for m in members]
        made = []
        for constant in (True, False):
            design = np.column_stack([*self.values[members], *([np.ones(len(target))] if constant else [])])
            c = _weighted(design, target, weight)
            if np.all(np.isfinite(c)):
                terms = [*parts, *([None] if constant else [])]
                made.append(transform.inverse(forms.combination([float(v) for v in c], terms)))
        return made

    def _quotient(
        self, transform: Transform, target: NDArray, weight: NDArray, upper: list[int], lower: list[int]
    ) -> list[Expression]:
        columns = [np.ones(len(target)), *self.values[upper], *(-target * v for v in self.values[lower])]
        c = _weighted(np.column_stack(columns), target, weight)
        if not np.all(np.isfinite(c)):
            return []
        cut = 1 + len(upper)
        top = forms.combination([float(v) for v in c[:cut]], [None, *(self._part(m) for m in upper)])
        bottom = forms.combination(
            [1.0, *(float(v) for v in c[cut:])], [None, *(self._part(m) for m in lower)]
        )
        return [transform.inverse(top / bottom)]

    def _scaled_sum(
        self, transform: Transform, target: NDArray, weight: NDArray, a: int, s: int
    ) -> list[Expression]:
        design = np.column_stack([self.values[a], self.values[a] * self.values[s]])
        c = _weighted(design, target, weight)
        if not np.all(np.isfinite(c)):
            return []
        inner = forms.combination([float(v) for v in c], [None, self._part(s)])
        return [transform.inverse(self._part(a) * inner)]

    def _product(
        self,
        transform: Transform,
        target: NDArray,
        weight: NDArray,
        usable: list[int],
        parts: list[tuple[int, bool]],
    ) -> list[Expression]:
        columns = [np.log(self.values[k]) if log else self.values[k] for k, log in parts]
        design = np.column_stack([np.ones(len(target)), np.log(self.X[:, usable]), *columns])
        solution = _weighted(design, np.log(np.abs(target)), weight)
        variables = [self.view.variables[j] for j in usable]
        made = []
        for q in (1, 2, 0):
            powers, rates, bases, exponents = [], [], list(variables), list(solution[1 : 1 + len(usable)])
            for c, (k, log) in zip(solution[1 + len(usable) :], parts, strict=True):
                if log:
                    bases.append(self._part(k))
                    exponents.append(c)
                    powers.append(self.values[k])
                else:
                    rates.append((float(c), k))
            rounded = np.array(exponents) if q == 0 else np.round(np.array(exponents) * q) / q
            if not np.all(np.isfinite(rounded)) or np.max(np.abs(rounded), initial=0) > 9:
                continue
            with np.errstate(all="ignore"):
                grown = np.exp(sum((r * self.values[k] for r, k in rates), np.zeros(len(target))))
                factors = [*self.X[:, usable].T, *powers]
                shape = grown * np.prod([v**p for v, p in zip(factors, rounded, strict=True)], axis=0)
                w = (weight / np.abs(target)) ** 2
                factor = float(np.sum(w * shape * target) / np.sum(w * shape * shape))
            if not np.isfinite(factor) or factor == 0:
                continue
            if rates:
                inner = forms.combination([r for r, _ in rates], [self._part(k) for _, k in rates])
                bases = [*bases, Expression.apply("exp", inner)]
                rounded = np.append(rounded, 1.0)
            made.append(transform.inverse(forms.product(factor, bases, [float(v) for v in rounded])))
        return made


class _Pool:
    """Columns with a background projected out, and how much of a target they explain."""

    def __init__(self, background: NDArray, target: NDArray) -> None:
        self.basis, _ = np.linalg.qr(background)
        self.target = target - self.basis @ (self.basis.T @ target)
        self.total = float(self.target @ self.target)
        self.rows = len(target)

    def project(self, columns: NDArray) -> NDArray:
        """Unit columns (n, rows) without background; zero where hardly anything is left."""
        with np.errstate(all="ignore"):
            raw = np.sqrt(np.einsum("ij,ij->i", columns, columns))
            left = columns - (columns @ self.basis) @ self.basis.T
            norm = np.sqrt(np.einsum("ij,ij->i", left, left))
            # A column that hardly differs from the background would win by cancellation.
            good = (norm > 1e-4 * raw) & np.isfinite(norm) & (norm > 0)
            return np.where(good[:, None], left / np.where(good, norm, 1.0)[:, None], 0.0)

    def best_single(self, columns: NDArray, cost: NDArray) -> list[tuple[int, float]]:
        """(column, mean squared residual) of the best of each cost."""
        explained = (columns @ self.target) ** 2
        return [
            (k, (self.total - float(explained[k])) / self.rows)
            for k in _best_per_cost(explained, cost, _PER_COST)
        ]

    def choose(self, columns: NDArray, cost: NDArray, count: int) -> NDArray:
        """Half the best, half the cheapest columns."""
        explained = (columns @ self.target) ** 2
        usable = np.flatnonzero(np.einsum("ij,ij->i", columns, columns) > 0.5)
        best = usable[np.argsort(-explained[usable], kind="stable")[: count // 2]]
        cheap = usable[np.argsort(cost[usable], kind="stable")[: count // 2]]
        return np.union1d(best, cheap)

    def best_pairs(
        self, columns: NDArray, cost: NDArray, skip: int | None = None
    ) -> list[tuple[int, int, float, int]]:
        """(i, j, mean squared residual, cost) of the best pairs of each cost.

        Pairs of two columns from `skip` on are left out.
        """
        dot = columns @ self.target
        found: list[tuple[int, int, float, int]] = []
        for a in range(0, len(columns), _BLOCK):
            rows = np.arange(a, min(a + _BLOCK, len(columns)))
            if skip is not None:
                rows = rows[rows < skip]
            if len(rows) == 0:
                break
            gram = columns[rows] @ columns.T
            with np.errstate(all="ignore"):
                gap = 1 - gram**2
                both = (
                    dot[rows, None] ** 2 + dot[None, :] ** 2 - 2 * gram * dot[rows, None] * dot[None, :]
                ) / gap
            both[~(gap > 1e-4) | (np.arange(len(columns))[None, :] <= rows[:, None])] = -1
            total = cost[rows, None] + cost[None, :]
            for k in _best_per_cost(both.ravel(), total.ravel(), _PER_COST):
                i, j = divmod(int(k), len(columns))
                if both[i, j] > 0:
                    loss = (self.total - float(both[i, j])) / self.rows
                    found.append((int(rows[i]), j, loss, int(total[i, j])))
        return found


def _weighted(design: NDArray, target: NDArray, weight: NDArray) -> NDArray:
    scaled = design * weight[:, None]
    size = np.maximum(np.linalg.norm(scaled, axis=0), 1e-300)
    return np.linalg.lstsq(scaled / size, target * weight, rcond=1e-12)[0] / size


def _best_per_cost(value: NDArray, cost: NDArray, count: int) -> list[int]:
    """Indices of the `count` highest values of each cost that beat every cheaper one, cheap costs first."""
    chosen: list[int] = []
    best = -np.inf
    for c in np.unique(cost):
        same = np.flatnonzero(cost == c)
        if len(same) > count:
            same = same[np.argpartition(-value[same], count - 1)[:count]]
        same = same[np.lexsort((same, -value[same]))]
        chosen += [int(k) for k in same if value[k] > best]
        best = max(best, float(value[same[0]]))
    return chosen
