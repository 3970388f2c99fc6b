"""The parts that the genetic search builds with: columns of a bank, and functions of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.operators import OPERATORS
from symnum.search.approximate import bank_on
from symnum.search.bank import TRANSCENDENTAL, Bank
from symnum.search.semantics import Floats, Program, joined, program_of, times

BLOCK = 4_000
"""Elements compared at once."""
_PLAIN = 24_000
_SCALED = 200
_NESTED = 1_000
_WRAPPED = {"sin": 4_000, "cos": 4_000, "exp": 1_500}
_FACTORS = (0.5, 1.5, 2.0, 3.0, 4.0, np.pi, 2 * np.pi)
_EXPONENTS = (-1.0, *(s * c for c in _FACTORS for s in (1.0, -1.0)))


class Library:
    """Columns among which a wanted part is looked for.

    Parameters
    ----------
    columns : ndarray (m, n)
        Finite; one row per element, the cheap ones first.
    programs : callable
        Program of an element by index.
    cost : ndarray (m,)
        Length of each element.
    """

    def __init__(self, columns: Floats, programs: Callable[[int], Program], cost: NDArray) -> None:
        # Single precision is enough to rank; what is chosen is fitted again in double precision.
        scale = np.sqrt(np.mean(columns**2, axis=1))
        self.columns, self.cost = columns, cost.astype(np.float64)
        self.size = len(cost)
        self.blocks = max(1, round(self.size / BLOCK))
        unit = (columns / scale[:, None]).astype(np.float32)
        # Every block has a share of the cheap elements.
        self._parts = [np.ascontiguousarray(unit[b :: self.blocks].T) for b in range(self.blocks)]
        self._squares = [part**2 for part in self._parts]
        self._programs, self._known = programs, {}

    def element(self, index: int) -> Program:
        """Program of an element."""
        if index not in self._known:
            self._known[index] = self._programs(index)
        return self._known[index]

    def match(
        self, targets: Floats, weights: Floats, beside: Sequence[Floats], penalty: float, block: int
    ) -> list[list[tuple[int, Floats]]]:
        """For each target elements a with ``target ~ c1*a + c0 + c2*beside[0] + ...``.

        Parameters
        ----------
        targets, weights : ndarray (b, n)
            Rows of weight 0 do not count; their targets must be finite. Weights of a target add up to 1.
        beside : sequence of ndarray (b, n)
            Columns that are fitted as well; 0 where there is none.
        penalty : float
            Fall of log error that a node must be worth.
        block : int
            Part of the library that is looked at.

        Returns
        -------
        list of lists of (element, coefficients)
            The best with an offset, without one (when nothing stands beside), and of at most half the cost of
            the first; coefficients (c1, c0, c2, ...).
        """
        cost = self.cost[block :: self.blocks]
        with np.errstate(all="ignore"):
            rest, bare_rest = self._rests(targets, weights, beside, block)
            full = np.log(rest) + penalty * (cost + 2)
            bare = np.log(bare_rest) + penalty * cost
        full[~np.isfinite(full)] = np.inf
        bare[~np.isfinite(bare)] = np.inf
        out = []
        for i in range(len(targets)):
            first, second = int(np.argmin(full[i])), int(np.argmin(bare[i]))
            short = np.where(cost <= cost[first] / 2, full[i], np.inf)
            third = int(np.argmin(short))
            picks = {
                (first, True): full[i, first],
                (second, False): bare[i, second],
                (third, True): short[third],
            }
            found = []
            for (k, shifted), value in picks.items():
                if np.isfinite(value):
                    place = block + k * self.blocks
                    terms = [self.columns[place], np.full(targets.shape[1], float(shifted))]
                    c = _coefficients([*terms, *(z[i] for z in beside)], targets[i], weights[i])
                    if np.all(np.isfinite(c)) and c[0] != 0:
                        found.append((place, c))
            out.append(found)
        return out

    def _rests(
        self, targets: Floats, weights: Floats, beside: Sequence[Floats], block: int
    ) -> tuple[Floats, Floats]:
        """Weighted errors with and without an offset, relative to the target's energy, (b, m)."""
        part, squares = self._parts[block], self._squares[block]

        def average(v: Floats) -> Floats:
            return np.sum(weights * v, axis=1, keepdims=True)

        def onto(v: Floats, columns: NDArray[np.float32]) -> Floats:
            return ((weights * v).astype(np.float32) @ columns).astype(np.float64)

        targets = targets / np.sqrt(average(targets**2))
        ones = np.ones_like(targets)
        mean, s1, s2, b1 = average(targets), onto(ones, part), onto(ones, squares), onto(targets, part)
        moved = targets - mean
        spread, var, cov = average(moved**2), s2 - s1**2, b1 - mean * s1
        taken = np.zeros((len(targets), 1), bool)
        aside: list[Floats] = []
        for z in beside:
            rest = z - average(z)
            size = average(rest**2)
            for q in aside:
                rest = rest - average(q * rest) * q
            left = average(rest**2)
            new = left > 1e-9 * size
            q = np.where(new, rest / np.sqrt(np.where(new, left, 1.0)), 0.0)
            aside.append(q)
            along, cross = average(q * moved), onto(q, part)
            spread, var, cov = spread - along**2, var - cross**2, cov - along * cross
            taken |= new
        full = np.where(var > 1e-4 * s2, spread - cov**2 / var, np.inf)
        bare = np.where(taken, np.inf, 1 - b1**2 / s2)
        return np.maximum(full, 1e-12), np.maximum(bare, 1e-12)


def _coefficients(terms: list[Floats], target: Floats, weight: Floats) -> Floats:
    """Weighted least squares; 0 for a term that is 0 everywhere."""
    root = np.sqrt(weight)
    used = [j for j, t in enumerate(terms) if np.any(t)]
    design = np.column_stack([terms[j] * root for j in used])
    size = np.sqrt(np.sum(design**2, axis=0))
    design /= size
    out = np.zeros(len(terms))
    try:
        out[used] = np.linalg.solve(design.T @ design, design.T @ (target * root)) / size
    except np.linalg.LinAlgError:
        out[0] = np.nan
    return out


def build(bank: Bank, X: Floats, unary: Sequence[str]) -> Library:
    """Library of a bank's elements; of sin, cos and exp of multiples of the cheapest; of nested functions.

    Parameters
    ----------
    bank : Bank
    X : ndarray (n, d)
        Rows of the columns.
    unary : sequence of str
        Operators allowed.
    """
    plain = bank_on(bank, X, _PLAIN)
    columns = [plain]
    made: list[tuple[str, float, int]] = [("", 1.0, k) for k in range(len(plain))]
    with np.errstate(all="ignore"):
        for name in [n for n in unary if n in TRANSCENDENTAL]:
            function = OPERATORS[name].numpy
            for c in _FACTORS if name in ("sin", "cos") else _EXPONENTS if name == "exp" else ():
                columns.append(function(c * plain[1:_SCALED]))
                made += [(name, c, k) for k in range(1, min(_SCALED, len(plain)))]
            # The bank holds functions of its cheapest elements alone, and none of functions.
            outer = np.arange(1, min(_WRAPPED.get(name, 1), len(plain)))
            inner = np.union1d(outer, np.flatnonzero(bank.nested[: len(plain)])[:_NESTED])
            columns.append(function(plain[inner]))
            made += [(name, 1.0, int(k)) for k in inner]
        values = np.concatenate(columns)
        size = np.max(np.abs(values), axis=1)
        good = np.all(np.isfinite(values), axis=1) & (size > 1e-9) & (size < 1e9)
        good &= np.ptp(values, axis=1) > 1e-7 * size
    length = _lengths(bank, len(plain))
    cost = np.array([length[k] + (name != "") + 2 * (c != 1.0) for name, c, k in made])
    order = np.flatnonzero(good)
    order = order[np.argsort(cost[order], kind="stable")]

    def program(index: int) -> Program:
        name, c, k = made[order[index]]
        base = program_of(bank.expression(k))
        return joined(times(c, base), name) if name else base

    return Library(values[order], program, cost[order])


def _lengths(bank: Bank, count: int) -> list[int]:
    """Nodes of each element."""
    out: list[int] = []
    for op, left, right in zip(
        bank.op[:count].tolist(), bank.left[:count].tolist(), bank.right[:count].tolist(), strict=True
    ):
        leaf = op < 0
        out.append(1 if leaf else 1 + out[left] + (out[right] if right >= 0 else 0))
    return out
