"""Exact relations of one view: monomials, polynomials, and the span-collision joins over a bank."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations_with_replacement
from math import comb
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.expression import Expression
from symnum.search.bank import Bank, in_order
from symnum.search.joins import SPARE, Dictionary, collisions, distinct, null_projection
from symnum.search.solving import Column, solve_product, solve_quotient, solve_sum, through
from symnum.search.transforms import Transform, transforms_of
from symnum.search.view import View

FIT_ROWS = 400
PLAIN, TIMES_TARGET, LOGARITHM = 0, 1, 2
"""How a dictionary column was made from a bank element: itself, times T(y), its logarithm."""
_HITS = 12
_SPARE_ROWS = 9


def bank_rows(view: View, count: int = 36) -> NDArray[np.int64]:
    """Rows on which the bank is evaluated: a fixed shuffle's first ones, as many as the joins need."""
    need = 2 * (view.X.shape[1] + 1) + SPARE + 3
    return view.rows(max(24, min(count, need)))


class ExactSearch:
    """The joins over one bank of one view.

    Parameters
    ----------
    view : View
    bank : Bank
        Built on the rows `rows` of the view.
    rows : ndarray
    workers : ThreadPoolExecutor, optional
    """

    def __init__(self, view: View, bank: Bank, rows: NDArray, workers: ThreadPoolExecutor | None) -> None:
        self.view, self.bank, self.rows, self.workers = view, bank, rows, workers
        fit = view.rows(FIT_ROWS)
        self.X, self.y = view.X[fit], view.y[fit]
        self.variables = view.variables
        self._cache: dict[tuple[int, int], Dictionary] = {}
        self._columns: dict[int, tuple[NDArray, Expression]] = {}
        self._lock = Lock()

    # ---------------------------------------------------------------- searches, each yields formulas for y
    def sums_and_quotients(self, transform: Transform, linear: bool = True) -> Iterator[Expression]:
        """T(y) as a sum of two columns, or a quotient of two affine forms, over 1 and the variables."""
        t_rows, t_fit = transform.apply(self.view.y[self.rows]), transform.apply(self.y)
        if t_rows is None or t_fit is None:
            return
        d = self.X.shape[1] if linear else 0
        like = self._like(transform)
        if like is not None and not like.any():
            return
        for quotient in (False, True):
            m = (2 if quotient else 1) * (d + 1) + (0 if quotient else 1) + SPARE
            if m > len(self.rows):
                return
            base = np.column_stack([np.ones(m), self.view.X[self.rows[:m], :d]])
            target = t_rows[:m]
            dictionary = self._distinct(PLAIN, m, base)
            if like is not None and not quotient:
                dictionary = dictionary.take(np.flatnonzero(like[dictionary.element]))
            if quotient:
                timed = Dictionary(
                    dictionary.columns * target, dictionary.element,
                    np.full(len(dictionary.cost), TIMES_TARGET, np.int8), dictionary.cost,
                )  # fmt: skip
                dictionary = Dictionary.join(dictionary, timed)
                background = np.column_stack([base, base * target[:, None]])
            else:
                background = np.column_stack([base, target])
            solve = self._quotient_solver(dictionary, transform, t_fit, d, quotient)
            yield from self._solve(dictionary, background, solve)

    def products(self, transform: Transform) -> Iterator[Expression]:
        """T(y) as a monomial times powers of two columns, or times the exponential of one."""
        t_rows, t_fit = transform.apply(self.view.y[self.rows]), transform.apply(self.y)
        X = self.view.X[self.rows]
        if t_rows is None or t_fit is None or np.any(t_rows == 0):
            return
        if self.view.dims is not None and transform.dims(self.view.dims[1]) is None:
            return
        usable = [j for j in range(X.shape[1]) if np.all(X[:, j] != 0)]
        m = len(usable) + 2 + SPARE
        if m > len(self.rows):
            return
        base = np.column_stack([np.ones(m), np.log(np.abs(X[:m, usable]))])
        dictionary = self._distinct(LOGARITHM, m, base)
        background = np.column_stack([base, np.log(np.abs(t_rows[:m]))])
        bases: list[Column] = [(self.X[:, j], self.variables[j]) for j in usable]

        def solve(members: NDArray) -> Expression | None:
            powers, rates = list(bases), []
            for k in members:
                values, e = self._element(int(dictionary.element[k]))
                (powers if dictionary.kind[k] == LOGARITHM else rates).append((values, e))
            return through(transform, lambda: solve_product(t_fit, powers, rates))

        yield from self._solve(dictionary, background, solve)

    def polynomials(self, transform: Transform) -> Iterator[Expression]:
        """T(y) as a sparse polynomial, or a quotient of two small ones."""
        t = transform.apply(self.y)
        if t is None or (self.view.dims is not None and transform.dims(self.view.dims[1]) is None):
            return
        d = self.X.shape[1]
        # Of one variable any degree up to 10 that leaves rows to tell chance from exactness.
        most = min(150, len(self.y) // 3) if d > 1 else len(self.y) - _SPARE_ROWS
        degrees = (1, 2, 3, 4, 6) if d > 1 else (1, 2, 3, 4, 6, 8, 10)
        degree = max(k for k in degrees if _count_monomials(d, k) <= most or k == 1)
        if _count_monomials(d, degree) <= len(self.y) - _SPARE_ROWS:
            e = through(transform, lambda: solve_sum(t, list(self._monomials(degree))))
            if e is not None:
                yield e
        small = 3 if d == 1 else 2
        if 2 * _count_monomials(d, small) <= min(60, len(self.y) // 3):
            part = list(self._monomials(small))
            e = through(transform, lambda: solve_quotient(t, part, part))
            if e is not None:
                yield e

    def monomial(self) -> Iterator[Expression]:
        """Y as a constant times powers of the variables."""
        usable = [(self.X[:, j], v) for j, v in enumerate(self.variables) if np.all(self.X[:, j] != 0)]
        e = solve_product(self.y, usable, []) if np.all(self.y != 0) else None
        if e is not None:
            yield e

    def everything(self, stop: Callable[[], bool]) -> Iterator[Expression]:
        """All searches, the plain target first; with workers a few run ahead, results keep their order."""
        yield from self.monomial()
        jobs: list[Callable[[], list[Expression]]] = []
        for transform in transforms_of(self.view.scale is not None):
            if transform.sums:
                jobs.append(lambda t=transform: list(self.polynomials(t)))
        for transform in transforms_of(self.view.scale is not None):
            if transform.products:
                jobs.append(lambda t=transform: list(self.products(t)))
            if transform.sums:
                jobs.append(lambda t=transform: list(self.sums_and_quotients(t)))
        for made in in_order(iter(jobs), self.workers, ahead=1):
            yield from made
            if stop():
                return

    # ---------------------------------------------------------------- parts
    def _like(self, transform: Transform) -> NDArray[np.bool_] | None:
        """Bank elements of the dimension of T(y), none when it has no meaning; None without units."""
        if self.view.dims is None or self.bank.dims is None:
            return None
        wanted = transform.dims(self.view.dims[1])
        if wanted is None:
            return np.zeros(self.bank.size, bool)
        return np.all(self.bank.dims[: self.bank.size] == wanted, axis=1)

    def _distinct(self, kind: int, m: int, background: NDArray) -> Dictionary:
        """Columns that differ by more than a factor and the background, kept for the next transform."""
        key = (kind, background.shape[1] * 1000 + m)
        with self._lock:
            if key not in self._cache:
                self._cache[key] = self._classes(kind, m, background)
            return self._cache[key]

    def _classes(self, kind: int, m: int, background: NDArray) -> Dictionary:
        size = self.bank.size
        values = self.bank.values[:size, :m]
        element = np.arange(size, dtype=np.int32)
        made = Dictionary(values, element, np.full(size, PLAIN, np.int8), self.bank.cost[:size])
        if kind == LOGARITHM:
            nonzero = np.flatnonzero(np.all(values != 0, axis=1)).astype(np.int32)
            logs = Dictionary(
                np.log(np.abs(values[nonzero])), nonzero, np.full(len(nonzero), LOGARITHM, np.int8),
                self.bank.cost[nonzero],
            )  # fmt: skip
            made = Dictionary.join(logs, made)
        projection = null_projection(background)
        return made.take(np.arange(0)) if projection is None else distinct(made, projection)

    def _solve(
        self, dictionary: Dictionary, background: NDArray, solve: Callable[[NDArray], Expression | None]
    ) -> Iterator[Expression]:
        projection = null_projection(background)
        if projection is None or len(dictionary.cost) == 0:
            return
        singles, pairs = collisions(dictionary, projection)
        found = 0
        for members in (*singles[:_HITS, None], *pairs[: 3 * _HITS]):
            e = solve(members)
            if e is not None:
                yield e
                found += 1
                if found >= _HITS:
                    return

    def _quotient_solver(
        self, dictionary: Dictionary, transform: Transform, target: NDArray, d: int, quotient: bool
    ) -> Callable[[NDArray], Expression | None]:
        plain: list[Column] = [(np.ones(len(target)), None)]
        plain += [(self.X[:, j], self.variables[j]) for j in range(d)]

        def solve(members: NDArray) -> Expression | None:
            upper, lower = list(plain), list(plain)
            for k in members:
                column = self._element(int(dictionary.element[k]))
                (lower if dictionary.kind[k] == TIMES_TARGET else upper).append(column)
            if quotient:
                return through(transform, lambda: solve_quotient(target, upper, lower))
            return through(transform, lambda: solve_sum(target, upper))

        return solve

    def _element(self, index: int) -> tuple[NDArray, Expression]:
        """Values on the fit rows and the expression of a bank element."""
        if index not in self._columns:
            e = self.bank.expression(index)
            self._columns[index] = (e.evaluate(self.X), e)
        return self._columns[index]

    def _monomials(self, degree: int) -> Iterator[Column]:
        yield np.ones(len(self.y)), None
        for k in range(1, degree + 1):
            for combo in combinations_with_replacement(range(self.X.shape[1]), k):
                values = np.prod(self.X[:, combo], axis=1)
                powers = [(self.variables[j], combo.count(j)) for j in sorted(set(combo))]
                e = None
                for base, p in powers:
                    factor = base if p == 1 else base**p
                    e = factor if e is None else e * factor
                yield values, e


def _count_monomials(d: int, degree: int) -> int:
    return comb(d + degree, degree)
