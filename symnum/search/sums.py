"""Sums of many terms: chosen by least squares, completed exactly by a join, grown on the residual."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.expression import Expression
from symnum.expressions.operators import OPERATORS
from symnum.search import forms
from symnum.search.bank import Bank
from symnum.search.exact import bank_rows
from symnum.search.growth import Growth, data_of, pool_of
from symnum.search.joins import SPARE, Dictionary, collisions, distinct, null_projection
from symnum.search.pool import columns
from symnum.search.solving import Column, solve_sum
from symnum.search.view import View

MOST_TERMS = 6
_WIDTH, _EXACT_WIDTH = 6, 16
_BANK = 3_000
_EXACT_BANK = 20_000
_PREFIXES = 60
_MONOMIALS = 12_000
_FIT_ROWS = 400
_CHOICE_ROWS = 400


@dataclass(slots=True)
class Choice:
    """Columns chosen for a sum.

    Attributes
    ----------
    members : tuple of int
        Places in the pool, in the order of choice.
    loss : float
        Mean squared residual.
    press : float
        Mean squared leave-one-out residual.
    coefficients : ndarray
        Of the constant 1, then of the members.
    """

    members: tuple[int, ...]
    loss: float
    press: float
    coefficients: NDArray[np.float64]


def choose_terms(
    values: NDArray[np.float64],
    y: NDArray[np.float64],
    weights: NDArray[np.float64],
    most: int,
    width: int,
    stop: Callable[[], bool],
) -> list[Choice]:
    """Sparse least squares ``y = c0 + sum(c_k * column_k)``: beam search forward, then exchanges.

    Parameters
    ----------
    values : ndarray (p, n)
        Columns, none of them constant.
    y, weights : ndarray (n,)
    most : int
        Terms of the longest sum.
    width : int
        Sums of each length that are followed.
    stop : callable

    Returns
    -------
    list of Choice
        By length, then by loss.

    Notes
    -----
    Orthogonal least squares (Chen, Billings and Luo, Int. J. Control 50, 1989) with a beam in place of the
    single best, and single exchanges as in Miller, Subset Selection in Regression, 2002, chapter 3.
    Leave-one-out residuals are ``e_i / (1 - h_i)`` (Allen 1974), h the leverages.
    """
    pool = _Columns(values, y, weights)
    beam: list[tuple[int, ...]] = [()]
    made: list[Choice] = []
    for _ in range(min(most, len(y) // 3)):
        if stop():
            break
        trials: dict[frozenset[int], float] = {}
        for members in beam:
            gain, loss = pool.gains(members)
            for k in _largest(gain, width):
                if gain[k] > 1e-9 * loss:
                    trials.setdefault(frozenset((*members, k)), loss - float(gain[k]))
        ranked = sorted(trials, key=lambda s: (trials[s], sorted(s)))[:width]
        if not ranked:
            break
        # The sets as they grew are followed as well: exchanges can trade true terms for a better fit so far.
        grown = [tuple(sorted(s)) for s in ranked]
        beam = list(dict.fromkeys([*(pool.exchanged(s) for s in grown), *grown]))
        found = sorted((pool.solve(members) for members in beam), key=lambda c: c.loss)
        made += found
        if found[0].loss <= 1e-26 * pool.scale:
            break
    return made


class _Columns:
    """Weighted columns and what is left of them beside the chosen ones."""

    def __init__(self, values: NDArray, y: NDArray, weights: NDArray) -> None:
        self.root = np.sqrt(weights)
        self.size = np.maximum(np.sqrt(np.mean(values**2, axis=1)), 1e-300)
        self.columns = values / self.size[:, None] * self.root
        self.squares = np.einsum("ij,ij->i", self.columns, self.columns)
        self.y = y * self.root
        self.scale = float(np.mean(self.y**2))

    def _basis(self, members: Sequence[int]) -> NDArray:
        design = np.column_stack([self.root, *self.columns[list(members)]])
        return np.linalg.qr(design)[0]

    def gains(self, members: Sequence[int]) -> tuple[NDArray, float]:
        """Fall of the sum of squares by each column added, and the sum of squares before."""
        basis = self._basis(members)
        residual = self.y - basis @ (basis.T @ self.y)
        residual -= basis @ (basis.T @ residual)
        onto = self.columns @ basis
        rest = self.squares - np.einsum("ij,ij->i", onto, onto)
        dot = self.columns @ residual
        with np.errstate(all="ignore"):
            gain = dot**2 / rest
        # A column that hardly differs from the chosen ones would win by cancellation.
        return np.where(rest > 1e-6 * self.squares, gain, 0.0), float(residual @ residual)

    def exchanged(self, members: tuple[int, ...]) -> tuple[int, ...]:
        """Members after exchanging one at a time while the loss falls."""
        best = self.gains(members)[1]
        improved = len(members) > 1
        rounds = 0
        while improved and rounds < 4:
            improved, rounds = False, rounds + 1
            for place in range(len(members)):
                fewer = members[:place] + members[place + 1 :]
                gain, loss = self.gains(fewer)
                k = int(np.argmax(gain))
                if loss - gain[k] < best * (1 - 1e-6) and k not in members:
                    members, best, improved = tuple(sorted((*fewer, k))), loss - float(gain[k]), True
                    break
        return members

    def solve(self, members: tuple[int, ...]) -> Choice:
        """Coefficients and errors of a sum."""
        design = np.column_stack([self.root, *self.columns[list(members)]])
        basis, triangle = np.linalg.qr(design)
        error = self.y - basis @ (basis.T @ self.y)
        leverage = np.minimum(np.einsum("ij,ij->i", basis, basis), 1 - 1e-9)
        c = np.linalg.lstsq(triangle, basis.T @ self.y, rcond=None)[0]
        c = np.r_[c[0], c[1:] / self.size[list(members)]]
        press = float(np.mean((error / (1 - leverage)) ** 2))
        return Choice(members, float(np.mean(error**2)), press, c)


def _largest(values: NDArray, count: int) -> list[int]:
    some = np.argpartition(-values, min(count, len(values)) - 1)[:count]
    return [int(k) for k in some[np.lexsort((some, -values[some]))]]


# -------------------------------------------------------------------------------------------------- stages
class SumSearch:
    """Sums of terms for data without a short exact formula, and whatever grows from them.

    Parameters
    ----------
    view : View
    weights : ndarray (n,) or None
        Of the squared errors.
    unary, binary : sequence of str
        Operators allowed; with "max" among them terms may have a bend.
    most : int
        Nodes of the longest formula.
    rng : Generator
    n_jobs : int
    charge : callable
        Told how many formulas were fitted.
    """

    def __init__(
        self,
        view: View,
        weights: NDArray[np.float64] | None,
        unary: Sequence[str],
        binary: Sequence[str],
        most: int,
        rng: np.random.Generator,
        n_jobs: int,
        charge: Callable[[int], None],
    ) -> None:
        self.view, self.most, self.charge = view, most, charge
        # In this order the first rows, which score insertions, are a fair sample of a sorted table as well.
        order = view.rows(len(view.y))
        self.data = data_of(view.X[order], view.y[order], None if weights is None else weights[order])
        terms = [*columns(view.X, view.names, unary, binary), *_bank_terms(view, unary, binary)]
        self.pool = pool_of(terms, self.data)
        self.growth = Growth(self.data, view.names, self.pool, most, unary, rng, n_jobs, charge)
        self.seeds = [Expression.constant(float(np.average(view.y, weights=weights)), view.names)]

    def run(self, stop: Callable[[], bool]) -> Iterator[Expression]:
        """Formulas, each the best of its length so far; a later call goes on where this one stopped."""
        if len(self.pool.size) and len(self.seeds) == 1:
            for e in self._sums(stop):
                self.seeds.append(e)
                yield e
            yield from self.growth.start(self.seeds)
        yield from self.growth.run(stop)

    def _sums(self, stop: Callable[[], bool]) -> Iterator[Expression]:
        pool, data = self.pool, self.data
        m = pool.values.shape[1]
        made = choose_terms(pool.values, data.y[:m], data.weights[:m], MOST_TERMS, _WIDTH, stop)
        self.charge(len(made) * len(pool.size))
        best = np.inf
        for choice in made:
            if choice.press >= best:
                continue
            best = choice.press
            parts = [Expression(*pool.programs[k], self.view.names) for k in choice.members]
            c = choice.coefficients.copy()
            c[1:] /= pool.scale[list(choice.members)]
            e = forms.combination([float(v) for v in c], [None, *parts])
            if e.complexity <= self.most:
                yield e


def _bank_terms(view: View, unary: Sequence[str], binary: Sequence[str]) -> list[Expression]:
    """Cheapest elements of a bank."""
    rows = bank_rows(view)
    plain = [b for b in binary if b in ("add", "sub", "mul", "div")]
    bank = Bank.start(np.ascontiguousarray(view.X[rows]), view.names, unary, plain, _BANK)
    bank.grow(_BANK, lambda: False)
    cheap = np.flatnonzero(bank.cost[: bank.size] <= 4)[1:500]
    return [bank.expression(int(k)) for k in cheap]


def exact_sums(
    view: View, unary: Sequence[str], binary: Sequence[str], stop: Callable[[], bool]
) -> Iterator[Expression]:
    """Exact sums of three to five terms and a constant: some terms by least squares, the last two by a join.

    The join of `symnum.search.joins` finds every pair of columns that completes a background exactly. Here
    the background holds terms that orthogonal least squares chose; of a true sum any of its terms will do.
    """
    made = _ExactSums(view, unary, binary, stop)
    yield from made.search(stop)


class _ExactSums:
    def __init__(
        self, view: View, unary: Sequence[str], binary: Sequence[str], stop: Callable[[], bool]
    ) -> None:
        self.view = view
        fit = view.rows(_FIT_ROWS)
        self.X, self.y = view.X[fit], view.y[fit]
        rows = bank_rows(view)
        plain = [b for b in binary if b in ("add", "sub", "mul", "div")]
        bank = Bank.start(np.ascontiguousarray(view.X[rows]), view.names, unary, plain, _EXACT_BANK)
        bank.grow(_EXACT_BANK, stop)
        self.bank, self.rows = bank, rows
        self.monomials = _monomials(view.X.shape[1], bool(np.all(view.X > 0)), "div" in binary)
        powers = _power_columns(view.X[rows], self.monomials)
        # Sums among the columns would be chosen before their terms.
        sums = np.isin(bank.op[: bank.size], [OPERATORS["add"].code, OPERATORS["sub"].code])
        self.single = np.flatnonzero(~sums)[1:]
        self.values = np.concatenate([bank.values[self.single], powers])
        cost = [int(np.sum(np.abs(p)) + np.count_nonzero(p)) for p in self.monomials]
        self.cost = np.concatenate([bank.cost[self.single], np.array(cost, np.int16)])

    def column(self, k: int) -> Column:
        """Values on the fit rows, and the formula, of a column."""
        if k < len(self.single):
            e = self.bank.expression(int(self.single[k]))
        else:
            exponents = self.monomials[k - len(self.single)]
            used = np.flatnonzero(exponents)
            e = forms.product(
                1.0, [self.view.variables[j] for j in used], [float(exponents[j]) for j in used]
            )
        return e.evaluate(self.X), e

    def search(self, stop: Callable[[], bool]) -> Iterator[Expression]:
        t = self.view.y[self.rows]
        whole = Dictionary(
            self.values,
            np.arange(len(self.values), dtype=np.int32),
            np.zeros(len(self.values), np.int8),
            self.cost,
        )
        few = 4 + 1 + SPARE
        projection = null_projection(np.ones((few, 1)))
        if projection is None or len(self.rows) < few + 3:
            return
        whole = distinct(
            Dictionary(whole.columns[:, :few], whole.element, whole.kind, whole.cost), projection
        )
        for prefix in self._prefixes(whole.element, stop):
            if stop():
                return
            background = np.column_stack([np.ones(few), *self.values[list(prefix), :few], t[:few]])
            projection = null_projection(background)
            if projection is None:
                continue
            singles, pairs = collisions(whole, projection, 40)
            for members in (*singles[:6, None], *pairs[:6]):
                chosen = dict.fromkeys([*prefix, *(int(whole.element[k]) for k in members)])
                parts = [self.column(k) for k in chosen]
                e = solve_sum(self.y, [(np.ones(len(self.y)), None), *parts])
                if e is not None:
                    yield e
                    return

    def _prefixes(self, elements: NDArray, stop: Callable[[], bool]) -> Iterator[tuple[int, ...]]:
        """Sets of one to three terms that belong to a sparse approximation."""
        good = [int(k) for k in elements[np.argsort(self.cost[elements], kind="stable")][:3_000]]
        columns = [self.column(k)[0][:_CHOICE_ROWS] for k in good]
        keep = [i for i, v in enumerate(columns) if np.all(np.isfinite(v)) and np.ptp(v) > 0]
        if not keep:
            return
        values, index = np.stack([columns[i] for i in keep]), [good[i] for i in keep]
        y = self.y[:_CHOICE_ROWS]
        made = choose_terms(values, y, np.ones(len(y)), 5, _EXACT_WIDTH, stop)
        seen: set[frozenset[int]] = set()
        singles = [(k,) for k in _largest(_Columns(values, y, np.ones(len(y))).gains(())[0], _PREFIXES)]
        for members in [*singles, *(c.members for c in made)]:
            for count in range(1, 4):
                for part in combinations(members, count):
                    key = frozenset(part)
                    if key not in seen:
                        seen.add(key)
                        yield tuple(index[k] for k in part)


def _monomials(d: int, positive: bool, quotients: bool) -> list[NDArray]:
    """Exponents of products of up to three variables, simple ones first."""
    powers = [1, 2, 3] + ([-1, -2] if quotients else []) + ([0.5] if positive else [])
    made = []
    for count in (1, 2, 3):
        for used in combinations(range(d), count):
            for exponents in product(powers, repeat=count):
                p = np.zeros(d)
                p[list(used)] = exponents
                made.append(p)
        if len(made) > _MONOMIALS:
            break
    made.sort(key=lambda p: float(np.sum(np.abs(p)) + np.count_nonzero(p)))
    return made[:_MONOMIALS]


def _power_columns(X: NDArray, exponents: Sequence[NDArray]) -> NDArray:
    """Monomials on rows of X, shape (count, n); those that are undefined are zero."""
    with np.errstate(all="ignore"):
        out = np.stack([np.prod(X**p, axis=1) for p in exponents])
    out[~np.all(np.isfinite(out), axis=1)] = 0.0
    return out
