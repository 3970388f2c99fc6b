"""Dimensional analysis: what units say about a formula before and while it is searched.

Buckingham's theorem (Phys. Rev. 4, 345, 1914): a formula that is consistent in units and has no constants
with units is ``y = monomial * F(pi_1, ..., pi_k)`` with dimensionless monomials ``pi`` of the columns, as
many as there are columns beyond the rank of the matrix of their exponents. The smaller problem for F is a
`View`. All exponents are exact fractions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import combinations
from math import lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import SymnumError
from symnum.expressions.canonical import canonical
from symnum.expressions.expression import Expression
from symnum.expressions.unit import Unit
from symnum.search import homogeneous, vocabulary
from symnum.search.view import View

Exponents = tuple[Fraction, ...]
MOST_BASES = 2_000
"""Choices of repeating columns that are looked at."""
_HUGE = 4_000  # squares of products of two such exponents stay within int16


@dataclass(frozen=True)
class Dimensions:
    """Dimensions of the columns and of the target.

    Attributes
    ----------
    columns : tuple of tuple of Fraction
        Exponents of the base units, one tuple a column.
    target : tuple of Fraction
    """

    columns: tuple[Exponents, ...]
    target: Exponents

    @classmethod
    def of(cls, units: Sequence[Unit]) -> Dimensions:
        """Dimensions of units: those of the columns and, last, the target's."""
        return cls(tuple(u.dimension for u in units[:-1]), units[-1].dimension)

    @property
    def trivial(self) -> bool:
        """Whether everything is a pure number: units say nothing then."""
        return not any(any(v) for v in (*self.columns, self.target))

    @cached_property
    def basis(self) -> tuple[int, ...]:
        """Columns that are independent and span the others, the first ones in order."""
        chosen: list[int] = []
        for j, column in enumerate(self.columns):
            if solve([self.columns[i] for i in chosen], column) is None:
                chosen.append(j)
        return tuple(chosen)

    @cached_property
    def reachable(self) -> bool:
        """Whether some product of powers of the columns has the target's dimension."""
        return self.missing is None

    @cached_property
    def missing(self) -> Exponents | None:
        """Dimension of the constant that the target needs beside the columns; None when it needs none."""
        span = [self.columns[i] for i in self.basis]
        if solve(span, self.target) is not None:
            return None
        # The fewest base units that, with the columns, span the target.
        units = [tuple(Fraction(i == k) for i in range(len(self.target))) for k in range(len(self.target))]
        for count in range(1, len(units) + 1):
            for some in combinations(range(len(units)), count):
                found = solve([*span, *(units[k] for k in some)], self.target)
                if found is not None:
                    rest = [Fraction(0)] * len(units)
                    for k, power in zip(some, found[len(span) :], strict=True):
                        rest[k] = power
                    return tuple(rest)
        raise AssertionError("base units span every dimension")

    def scaled(self) -> tuple[NDArray[np.int16], NDArray[np.int16]] | None:
        """Exponents of columns (d, b) and target (b,) as whole numbers; None where they would be huge.

        A common denominator is multiplied in, times four, so that roots of roots stay whole; base units that
        occur nowhere are left out.
        """
        rows = [*self.columns, self.target]
        used = [k for k in range(len(self.target)) if any(row[k] for row in rows)]
        factor = 4 * lcm(*(row[k].denominator for row in rows for k in used), 1)
        whole = np.array([[int(row[k] * factor) for k in used] for row in rows]).reshape(len(rows), len(used))
        if np.abs(whole).max(initial=0) > _HUGE:
            return None
        whole = whole.astype(np.int16)
        return whole[:-1], whole[-1]

    def kernel(self) -> list[Exponents]:
        """Independent dimensionless monomials: exponents of the columns, one tuple a group."""
        return [g for g in self.groups(self.basis)[1] if g is not None]

    def groups(self, basis: Sequence[int]) -> tuple[Exponents | None, list[Exponents]]:
        """Monomial of the target's dimension over the repeating columns, and a group for each other column.

        Returns
        -------
        tuple of Fraction or None
            Exponents of all columns; None when the target is out of reach.
        list of tuple of Fraction
            Exponents of the dimensionless groups ``x_j / monomial(basis)``.
        """
        span = [self.columns[i] for i in basis]
        d = len(self.columns)

        def spread(powers: Sequence[Fraction], sign: int) -> list[Fraction]:
            full = [Fraction(0)] * d
            for i, p in zip(basis, powers, strict=True):
                full[i] = sign * p
            return full

        found = solve(span, self.target)
        made = []
        for j in range(d):
            if j not in basis:
                powers = solve(span, self.columns[j])
                if powers is None:
                    raise ValueError(f"columns {list(basis)} do not span column {j}")
                group = spread(powers, -1)
                group[j] = Fraction(1)
                made.append(tuple(group))
        return None if found is None else tuple(spread(found, 1)), made


def solve(span: Sequence[Exponents], wanted: Exponents) -> list[Fraction] | None:
    """Powers of independent vectors whose product has the wanted dimension; None when there are none."""
    rows = [[*(v[k] for v in span), wanted[k]] for k in range(len(wanted))]
    n = len(span)
    for c in range(n):
        pivot = next((r for r in range(c, len(rows)) if rows[r][c]), None)
        if pivot is None:
            return None  # dependent vectors
        rows[c], rows[pivot] = rows[pivot], rows[c]
        head = rows[c][c]
        rows[c] = [v / head for v in rows[c]]
        for r, row in enumerate(rows):
            if r != c and row[c]:
                factor = row[c]
                rows[r] = [v - factor * w for v, w in zip(row, rows[c], strict=True)]
    return [rows[r][n] for r in range(n)] if not any(row[n] for row in rows[n:]) else None


def effort(exponents: Exponents) -> float:
    """How long a monomial is to write: factors and powers; odd roots are rare in physics."""
    return float(sum(abs(e) + {1: 0, 2: 1}.get(e.denominator, 4) for e in exponents))


@dataclass(frozen=True)
class Grouping:
    """One way to write ``y = monomial * F(groups)``.

    Attributes
    ----------
    monomial : tuple of Fraction
        Exponents of the columns in the factor with the target's dimension.
    groups : tuple of tuple of Fraction
        Exponents of the columns in each dimensionless group.
    """

    monomial: Exponents
    groups: tuple[Exponents, ...]

    @property
    def effort(self) -> float:
        """Length of all monomials together."""
        return effort(self.monomial) + sum(effort(g) for g in self.groups)

    def distance(self, other: Grouping) -> int:
        """How many groups and monomials of this one the other one lacks, inverses counted as the same."""
        theirs = {_either(g) for g in other.groups}
        return sum(_either(g) not in theirs for g in self.groups) + (self.monomial != other.monomial)


def _either(group: Exponents) -> Exponents:
    negative = tuple(-e for e in group)
    return max(group, negative)


def groupings(dimensions: Dimensions, most: int = 3) -> list[Grouping]:
    """The simplest ways to write ``y = monomial * F(groups)``, those after the first unlike the ones before.

    Every choice of repeating columns is one (up to `MOST_BASES`); another is made of the shortest independent
    groups there are, which need not share repeating columns. Ratios of columns of one dimension are the
    shortest groups, so they come first. Empty when the target is out of reach or nothing has a unit.
    """
    if dimensions.trivial or not dimensions.reachable:
        return []
    # Pure numbers never repeat.
    columns = [j for j, v in enumerate(dimensions.columns) if any(v)]
    made: dict[tuple, Grouping] = {}
    for count, basis in enumerate(combinations(columns, len(dimensions.basis))):
        if count >= MOST_BASES:
            break
        if solve([dimensions.columns[i] for i in basis], dimensions.target) is None:
            continue
        monomial, groups = dimensions.groups(basis)
        if monomial is None:
            continue
        # Eleventh roots are no physics.
        if all(homogeneous.UNIT % e.denominator == 0 for g in (monomial, *groups) for e in g):
            grouping = Grouping(monomial, tuple(groups))
            made.setdefault((monomial, frozenset(_either(g) for g in groups)), grouping)
    ranked = sorted(made.values(), key=_rank)
    if ranked:
        ranked.insert(1, _shortest_groups(ranked, len(dimensions.columns) - len(dimensions.basis)))
    chosen: list[Grouping] = []
    for grouping in ranked:
        if len(chosen) == most:
            break
        if all(2 * grouping.distance(c) > len(grouping.groups) for c in chosen):
            chosen.append(grouping)
    return chosen


def _rank(grouping: Grouping) -> tuple:
    return grouping.effort, grouping.monomial, grouping.groups


def _shortest_groups(made: Sequence[Grouping], count: int) -> Grouping:
    """The shortest monomial of the target's dimension with the shortest independent groups.

    Taking the shortest one that is independent of those before is exact: independent sets form a matroid.
    """
    monomial = min((g.monomial for g in made), key=lambda m: (effort(m), m))
    every = {_whole_powers(g) for grouping in made for g in grouping.groups}
    chosen: list[Exponents] = []
    for group in sorted(every, key=lambda g: (effort(g), g)):
        if len(chosen) == count:
            break
        if solve(chosen, group) is None:
            chosen.append(group)
    return Grouping(monomial, tuple(chosen))


def _whole_powers(group: Exponents) -> Exponents:
    """Power of a group with whole exponents, the first one positive."""
    factor = lcm(*(e.denominator for e in group))
    first = next(e for e in group if e)
    return tuple(e * (factor if first > 0 else -factor) for e in group)


def reduced(view: View, dimensions: Dimensions, grouping: Grouping) -> View | None:
    """The problem for F of ``y = monomial * F(groups)``; None where the data do not allow it.

    Parameters
    ----------
    view : View
        Its columns are those of `dimensions`.
    dimensions : Dimensions
    grouping : Grouping
    """
    positive = [bool(np.all(view.X[:, j] > 0)) for j in range(len(view.names))]
    with np.errstate(all="ignore"):
        factor = _values(view.X, grouping.monomial)
        y = view.y / factor
        X = np.stack([_values(view.X, g) for g in grouping.groups], axis=1) if grouping.groups else None
    if X is None or not np.all(np.isfinite(X)) or not np.all(np.isfinite(y)) or np.ptp(y) == 0:
        return None
    names = _fresh(len(grouping.groups), view.names)
    monomials = [homogeneous.monomial(g, view.names) for g in grouping.groups]
    outer = homogeneous.monomial(grouping.monomial, view.names)

    def restore(e: Expression) -> Expression:
        e = e.with_names(names)
        plain = e.substitute(dict(zip(names, monomials, strict=True))).with_names(view.names) * outer
        options = [homogeneous.written(e, grouping.groups, grouping.monomial, view.names, positive), plain]
        return view.restore(_shortest(options))

    scale = np.abs(factor) * (1.0 if view.scale is None else view.scale)
    words = f"{outer} times F({', '.join(str(m) for m in monomials)})"
    return View(X, y, names, restore, (*view.path, words), scale)


def _shortest(options: Sequence[Expression]) -> Expression:
    best: Expression | None = None
    for option in options:
        try:
            short = canonical(option)
        except SymnumError:
            continue
        if best is None or short.complexity < best.complexity:
            best = short
    return options[0] if best is None else best


def _values(X: NDArray, exponents: Exponents) -> NDArray:
    value = np.ones(len(X))
    for j, e in enumerate(exponents):
        if e:
            value = value * (X[:, j] ** int(e) if e.denominator == 1 else X[:, j] ** float(e))
    return value


def _fresh(count: int, names: Sequence[str]) -> tuple[str, ...]:
    head = "q"
    while any(n.startswith(head) for n in names):
        head += "_"
    return tuple(f"{head}{i}" for i in range(count))


def views(view: View, dimensions: Dimensions, most: int = 3) -> list[View]:
    """Dimensionless problems equivalent to a view, simplest first; see `groupings`."""
    made = [reduced(view, dimensions, g) for g in groupings(dimensions, most)]
    return [v for v in made if v is not None]


def starts(view: View, dimensions: Dimensions) -> list[View]:
    """Where a search that knows units begins.

    Dimensionless problems, the columns with their dimensions, and the same with distances and norms.
    """
    if not dimensions.reachable:
        return []
    scaled = dimensions.scaled()
    made = views(view, dimensions)
    if scaled is not None:
        told = replace(view, dims=scaled)
        made += [v for v in (told, vocabulary.enlarged(told)) if v is not None]
    return made


def constants_of(view: View, dimensions: Dimensions) -> list[Expression]:
    """Formulas ``c * monomial`` with the target's dimension: all there is when no group is left."""
    made = []
    for grouping in groupings(dimensions):
        with np.errstate(all="ignore"):
            shape = _values(view.X, grouping.monomial)
            factor = float(np.sum(shape * view.y) / np.sum(shape * shape))
        if np.isfinite(factor) and factor != 0:
            made.append(view.restore(factor * homogeneous.monomial(grouping.monomial, view.names)))
    return made


# ---------------------------------------------------------------- judging formulas
NEEDS_UNITS, CONTRADICTS = 12.0, 100.0
"""Bits that a formula pays when its constants must carry units, and when no units of constants can save it.

About what consistency is worth as evidence: of wrong formulas one in some hundred is consistent by chance,
and a formula with hidden units in its constants is one of the less likely kinds where the columns alone reach
the target. A better fit on a few dozen rows outweighs it."""


def unit_bits(e: Expression, units: Sequence[Unit]) -> float:
    """Bits by which units lengthen the description of a formula: 0 when it is consistent as it stands.

    Parameters
    ----------
    e : Expression
    units : sequence of Unit
        Those of its columns and, last, the target's.
    """
    from symnum.expressions.units import check_units

    if check_units(e, units[:-1], units[-1], "number"):
        return 0.0
    return NEEDS_UNITS if check_units(e, units[:-1], units[-1]) else CONTRADICTS


def statement(units: Sequence[Unit], names: Sequence[str]) -> str:
    """What is wrong with units that leave the target out of reach; empty when nothing is."""
    missing = Dimensions.of(units).missing
    if missing is None:
        return ""
    columns = ", ".join(f"{n} [{u}]" for n, u in zip(names, units, strict=False))
    constant = Unit.from_vector(np.array(missing, dtype=object))
    return (
        f"no product of powers of the columns has the unit of the target: {columns} do not combine to"
        f" [{units[-1]}]. A formula needs a constant of unit {constant}"
        " (times any product of the columns' units); check the units, or add the constant as a column"
    )


def of_problem(units: tuple[Any, ...] | None) -> Dimensions | None:
    """Dimensions of a problem's units; None without units or where nothing has one."""
    if units is None:
        return None
    dimensions = Dimensions.of(units)
    return None if dimensions.trivial else dimensions
