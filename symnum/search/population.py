"""The population of the genetic search: distinct functions, the best few of every length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import SymnumError
from symnum.expressions.canonical import canonical
from symnum.expressions.compiled import evaluate_batch, fit_constants
from symnum.expressions.operators import CONSTANT
from symnum.search.library import Library
from symnum.search.semantics import Floats, Program, expression_of, joined, packed, program_of

PER_LENGTH = 20
_MOST_CONSTANTS = 8
_FIT_STEPS = 8


@dataclass(slots=True, eq=False)
class Member:
    """A formula of the population, up to scale and offset.

    Attributes
    ----------
    program : Program
    loss : float
        Weighted mean squared error over the target's variance, with the best scale and offset.
    scale, offset : float
    tries : int
        How often it was a parent.
    """

    program: Program
    loss: float
    scale: float
    offset: float
    tries: int = 0


@dataclass(eq=False)
class Population:
    """A population and its data.

    Parameters
    ----------
    X : ndarray (d, n)
        Rows that members are judged on, one row per variable.
    y, weights : ndarray (n,)
    names : tuple of str
    library : Library
    rng : Generator
    max_length : int
        Longest program.
    seeds : sequence of Program
    unary, binary : tuple of str
        Operators that children may be made with.
    """

    X: Floats
    y: Floats
    weights: Floats
    names: tuple[str, ...]
    library: Library
    rng: np.random.Generator
    max_length: int
    unary: tuple[str, ...]
    binary: tuple[str, ...]
    seeds: Sequence[Program] = ()
    bins: dict[int, list[Member]] = field(default_factory=dict)
    seen: dict[tuple[int, ...], int] = field(default_factory=dict)
    shortest: dict[tuple[int, int], Member] = field(default_factory=dict)
    tidied: set[Program] = field(default_factory=set)
    evaluations: int = 0

    def __post_init__(self) -> None:
        self.weights = self.weights / self.weights.sum()
        self.centered = self.y - self.weights @ self.y
        self.variance = float(self.weights @ self.centered**2)
        self.probes = np.random.default_rng(5).normal(size=(2, len(self.y)))
        self._begin()

    # ---------------------------------------------------------------- population
    def _begin(self) -> None:
        """Seeds, the best library elements of every cost, and random pairs of elements."""
        library = self.library
        with np.errstate(all="ignore"):
            losses = self.scaled(library.columns)[0]
        first: list[Program] = list(self.seeds)
        for cost in np.unique(library.cost):
            group = np.flatnonzero(library.cost == cost)
            first += [library.element(int(k)) for k in group[np.argsort(losses[group], kind="stable")[:6]]]
        for _ in range(200):
            a, b = (library.element(self.any_element()) for _ in range(2))
            first.append(joined(a, b, self.binary[self.rng.integers(len(self.binary))]))
        self.insert(first)

    def members(self) -> list[Member]:
        """All members, by length and error."""
        return [m for _, group in sorted(self.bins.items()) for m in group]

    def best(self) -> Member:
        """Member of least error."""
        return min(self.members(), key=lambda m: m.loss)

    def front(self) -> list[Member]:
        """Members that are better than all shorter ones."""
        found: list[Member] = []
        for _, group in sorted(self.bins.items()):
            if not found or group[0].loss < 0.98 * found[-1].loss:
                found.append(group[0])
        return found

    def insert(self, programs: Sequence[Program]) -> None:
        """Judge programs; those that are new functions and good for their length stay, constants fitted."""
        programs = [p for p in dict.fromkeys(programs) if len(p) <= self.max_length]
        promising = []
        for p, member in zip(programs, self._judged(programs), strict=True):
            if member is not None and member.loss < 1.5 * self._bar(len(p)):
                promising.append(member)
        free = [m for m in promising if 0 < m.program.codes.count(CONSTANT) <= _MOST_CONSTANTS]
        fixed = [m for m in promising if not m.program.codes.count(CONSTANT)]
        fitted = self._fitted(free)
        for member, key in zip([*fixed, *fitted], self._kinds([*fixed, *fitted]), strict=True):
            # Fitted constants bring different programs to one function: the shortest is enough.
            known = self.shortest.get(key)
            if known is not None and len(member.program) >= len(known.program):
                continue
            placed = self._place(member)
            if placed is not None:
                self.shortest[key] = placed
                group = self.bins.get(len(known.program), []) if known is not None else []
                if known in group and len(group) > 1:
                    group.remove(known)

    def _kinds(self, members: Sequence[Member]) -> list[tuple[int, int]]:
        """Coarse keys of functions: constants are fitted to a few digits."""
        if not members:
            return []
        values = evaluate_batch(packed([m.program for m in members]), self.X)
        with np.errstate(all="ignore"):
            return [(int(a), int(b)) for a, b in self._keys(values, 1e5)]

    def _bar(self, length: int) -> float:
        group = self.bins.get(length, ())
        return group[-1].loss if len(group) >= PER_LENGTH else np.inf

    def _place(self, member: Member) -> Member | None:
        length = len(member.program)
        if member.loss >= self._bar(length):
            return None
        if length not in self.bins or member.loss < 0.95 * self.bins[length][0].loss:
            # Algebra costs as much as hundreds of evaluations: only what leads is written shorter.
            member = self._shortened(member)
        group = self.bins.setdefault(len(member.program), [])
        group.append(member)
        group.sort(key=lambda m: m.loss)
        del group[PER_LENGTH:]
        return member

    def _judged(self, programs: Sequence[Program]) -> list[Member | None]:
        if not programs:
            return []
        values = evaluate_batch(packed(programs), self.X)
        self.evaluations += len(programs)
        with np.errstate(all="ignore"):
            losses, slopes, offsets = self.scaled(values)
            keys = self._keys(values)
        out: list[Member | None] = []
        for i, p in enumerate(programs):
            key = tuple(keys[i].tolist())
            if not np.isfinite(losses[i]) or len(p) >= self.seen.get(key, self.max_length + 1):
                out.append(None)
                continue
            self.seen[key] = len(p)
            out.append(Member(p, float(losses[i]), float(slopes[i]), float(offsets[i])))
        return out

    def scaled(self, values: Floats) -> tuple[Floats, Floats, Floats]:
        """Error over variance, scale and offset of each row of values (m, n)."""
        mean = values @ self.weights
        moved = values - mean[:, None]
        var = moved**2 @ self.weights
        slope = (moved * self.centered) @ self.weights / var
        loss = (self.centered - slope[:, None] * moved) ** 2 @ self.weights / self.variance
        bad = ~np.isfinite(loss) | ~(var > 1e-12 * mean**2)
        loss[bad] = np.inf
        return loss, slope, self.weights @ self.y - slope * mean

    def _keys(self, values: Floats, digits: float = 1e7) -> NDArray[np.int64]:
        """What tells functions apart up to scale and offset; the length of values rounds away."""
        moved = values - (values @ self.weights)[:, None]
        moved /= np.sqrt(np.sum(moved**2, axis=1))[:, None]
        seen = moved @ self.probes.T
        seen *= np.sign(seen[:, :1])
        seen[~np.isfinite(seen)] = 0.0
        return np.rint(seen * digits).astype(np.int64)

    def _fitted(self, members: list[Member]) -> list[Member]:
        """Members with their constants, scale and offset fitted together."""
        if not members:
            return []
        whole = packed([joined(m.program, m.scale, "mul", m.offset, "add") for m in members])
        fit = fit_constants(whole, self.X, self.y, max_iter=_FIT_STEPS, weights=self.weights)
        self.evaluations += int(fit.evaluations.sum())
        out = []
        for i, m in enumerate(members):
            numbers = fit.constants[whole.const_offsets[i] : whole.const_offsets[i + 1]]
            loss = float(fit.loss[i]) / self.variance
            if not np.all(np.isfinite(numbers)) or not loss <= m.loss:
                out.append(m)
                continue
            inner = iter(numbers[:-2].tolist())
            values = tuple(next(inner) if c == CONSTANT else 0.0 for c in m.program.codes)
            program = Program(m.program.codes, values)
            out.append(Member(program, loss, float(numbers[-2]), float(numbers[-1])))
        return out

    def _shortened(self, m: Member) -> Member:
        try:
            program = program_of(canonical(expression_of(m.program, self.names)))
        except SymnumError:
            return m
        # Algebra may take a factor or a sign out: scale and offset are measured again.
        values = evaluate_batch(packed([program]), self.X)
        loss, scale, offset = (float(a[0]) for a in self.scaled(values))
        return Member(program, loss, scale, offset) if loss <= 1.001 * m.loss + 1e-15 else m

    def any_element(self) -> int:
        """Index of a library element, cheap ones more often."""
        return int(self.library.size * self.rng.random() ** 3)
