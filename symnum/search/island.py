"""One population of the genetic search: distinct functions, the best few of every length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import SymnumError
from symnum.expressions.canonical import canonical
from symnum.expressions.compiled import evaluate_batch, fit_constants
from symnum.expressions.operators import CONSTANT, OPERATORS
from symnum.search.library import Library
from symnum.search.semantics import (
    ARITY,
    UNARY,
    Floats,
    Program,
    expression_of,
    joined,
    node_values,
    packed,
    program_of,
    times,
    wanted,
)

PER_LENGTH = 20
_BATCH = 48
_BACKWARD = 0.7  # part of the children whose new part is looked up, not drawn
_FROM_FRONT = 0.4  # part of the parents that no shorter member beats
_SUMS = 0.3  # part of the batches that add several terms
_TERMS = 3
_MOST_CONSTANTS = 8
_FIT_STEPS = 8
_CODE = {op.name: op.code for op in OPERATORS}


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


@dataclass(slots=True, eq=False)
class Job:
    """A part to be renewed.

    Attributes
    ----------
    program : Program
    begin, node : int
        Where the part begins and ends.
    how : str
        "" replaces it; "add" joins it with a new term, "mul" and "div" with a new factor; the name of a unary
        operator replaces it by that of something new.
    target, weight : ndarray (n,)
        Values of what is new, and what their errors count.
    beside : list of (Program, ndarray (n,))
        Terms that stand beside what is new.
    """

    program: Program
    begin: int
    node: int
    how: str
    target: Floats
    weight: Floats
    beside: list[tuple[Program, Floats]] = field(default_factory=list)


@dataclass(eq=False)
class Island:
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
    seen: set[tuple[int, ...]] = field(default_factory=set)
    shortest: dict[tuple[int, int], int] = field(default_factory=dict)
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
            losses = self._scaled(library.columns)[0]
        first: list[Program] = list(self.seeds)
        for cost in np.unique(library.cost):
            group = np.flatnonzero(library.cost == cost)
            first += [library.element(int(k)) for k in group[np.argsort(losses[group], kind="stable")[:6]]]
        for _ in range(200):
            a, b = (library.element(self._any_element()) for _ in range(2))
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
            if len(member.program) < self.shortest.get(key, self.max_length + 1) and self._place(member):
                self.shortest[key] = len(member.program)

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

    def _place(self, member: Member) -> bool:
        length = len(member.program)
        if member.loss >= self._bar(length):
            return False
        if length not in self.bins or member.loss < 0.95 * self.bins[length][0].loss:
            # Algebra costs as much as hundreds of evaluations: only what leads is written shorter.
            member = self._shortened(member)
        group = self.bins.setdefault(len(member.program), [])
        group.append(member)
        group.sort(key=lambda m: m.loss)
        del group[PER_LENGTH:]
        return True

    def _judged(self, programs: Sequence[Program]) -> list[Member | None]:
        if not programs:
            return []
        values = evaluate_batch(packed(programs), self.X)
        self.evaluations += len(programs)
        with np.errstate(all="ignore"):
            losses, slopes, offsets = self._scaled(values)
            keys = self._keys(values)
        out: list[Member | None] = []
        for i, p in enumerate(programs):
            key = tuple(keys[i].tolist())
            if not np.isfinite(losses[i]) or key in self.seen:
                out.append(None)
                continue
            self.seen.add(key)
            out.append(Member(p, float(losses[i]), float(slopes[i]), float(offsets[i])))
        return out

    def _scaled(self, values: Floats) -> tuple[Floats, Floats, Floats]:
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
        loss, scale, offset = (float(a[0]) for a in self._scaled(values))
        return Member(program, loss, scale, offset) if loss <= 1.001 * m.loss + 1e-15 else m

    # ---------------------------------------------------------------- variation
    def step(self) -> None:
        """Breed and judge one batch."""
        with np.errstate(all="ignore"):
            if not self.bins:
                return
            count = int(_BATCH * _BACKWARD)
            children = self._backward([self._parent() for _ in range(count)])
            children += [self._random(self._parent()) for _ in range(_BATCH - count)]
            self.insert(children)

    def _parent(self) -> Member:
        if self.rng.random() < _FROM_FRONT:
            front = self.front()
            chosen = front[int(self.rng.integers(len(front)))]
        else:
            lengths = list(self.bins)
            group = self.bins[lengths[self.rng.integers(len(lengths))]]
            a, b = (group[int(self.rng.integers(len(group)))] for _ in range(2))
            fresh = self.rng.random() < 0.5
            chosen = min(a, b, key=lambda m: m.tries if fresh else m.loss)
        chosen.tries += 1
        return chosen

    def _backward(self, parents: Sequence[Member]) -> list[Program]:
        """Children with one part replaced, or grown, by what the library has nearest to what it should be."""
        jobs = [job for m in parents if (job := self._job(m)) is not None]
        if not jobs:
            return []
        penalty = float(self.rng.choice([0.0, 0.05, 0.2]))
        children: list[Program] = []
        targets, weights = np.array([j.target for j in jobs]), np.array([j.weight for j in jobs])
        # In some batches more terms are added, all coefficients fitted together each time.
        for _ in range(_TERMS if self.rng.random() < _SUMS else 1):
            block = int(self.rng.integers(self.library.blocks))
            depth = max(len(j.beside) for j in jobs)
            beside = [
                np.array([j.beside[d][1] if d < len(j.beside) else np.zeros_like(j.target) for j in jobs])
                for d in range(depth)
            ]
            matches = self.library.match(targets, weights, beside, penalty, block)
            self.evaluations += len(jobs)
            for job, found in zip(jobs, matches, strict=True):
                children += [self._child(job, k, c) for k, c in found]
                if found:
                    k = found[0][0]
                    job.beside.append((self.library.element(k), self.library.columns[k]))
        return children

    def _job(self, m: Member) -> Job | None:
        """A node of a parent, how to renew it, and what should stand there; None where that is unclear."""
        p = m.program
        starts, values = p.starts(), node_values(p, self.X)
        # Half of the time the whole is taken as it is: a fitted scale hides what is exact.
        root = self.y if self.rng.random() < 0.5 else (self.y - m.offset) / m.scale
        node = int(self.rng.integers(len(p)))
        found = wanted(p, values, starts, node, root)
        if found is None:
            return None
        how, target, slope = self._mode(values[node], *found, root_node=node == len(p) - 1)
        ok = np.isfinite(target) & np.isfinite(slope) & (np.abs(target) < 1e9)
        weight = np.where(ok, self.weights * slope**2, 0.0)
        total = float(weight.sum())
        if ok.mean() < 0.8 or not 0 < total < 1e100 or float(weight.max()) > 0.2 * total:
            return None
        job = Job(p, starts[node], node, how, np.where(ok, target, 0.0), weight / total)
        # A sum gets a new term with the coefficients of both fitted together.
        if how == "add" and p.codes[node] != CONSTANT and np.all(np.isfinite(values[node])):
            job.beside.append((p.part(starts[node], node), values[node]))
        return job

    def _child(self, job: Job, element: int, c: Floats) -> Program:
        new = times(float(c[0]), self.library.element(element))
        size = abs(c[0]) * np.abs(self.library.columns[element]).max()
        for factor, (part, column) in zip(c[2:], job.beside, strict=False):
            if abs(factor) * np.abs(column).max() > 1e-9 * size:
                new = joined(times(float(factor), part), new, "add")
        if abs(c[1]) > 1e-9 * size:
            new = joined(new, float(c[1]), "add")
        if job.how in ("mul", "div"):
            new = joined(job.program.part(job.begin, job.node), new, job.how)
        elif job.how != "add" and job.how:
            new = joined(new, job.how)
        return job.program.replaced(job.begin, job.node, new)

    def _mode(
        self, now: Floats, target: Floats, slope: Floats, root_node: bool
    ) -> tuple[str, Floats, Floats]:
        """How the part is renewed: replaced, joined with something new, or wrapped; with target and slope."""
        draw = self.rng.random()
        if draw < 0.4 and not root_node:
            return "", target, slope
        if draw < 0.6:
            return "add", target, slope
        if draw < 0.75 and "mul" in self.binary:
            return "mul", target / now, slope * now
        if draw < 0.85 and "div" in self.binary:
            return "div", now / target, slope * target**2 / now
        names = [n for n in self.unary if n in UNARY and n not in ("neg", "inv")]
        if not names:
            return "add", target, slope
        name = names[self.rng.integers(len(names))]
        inverse, by = UNARY[name]
        inner = inverse(target, now)
        return name, inner, slope * by(inner, target)

    def _random(self, m: Member) -> Program:
        """Child by crossover or a random change."""
        rng, p = self.rng, m.program
        starts = p.starts()
        node = int(rng.integers(len(p)))
        draw = rng.random()
        if draw < 0.4:
            other = self._parent().program
            at = int(rng.integers(len(other)))
            return p.replaced(starts[node], node, other.part(other.starts()[at], at))
        if draw < 0.6:
            return p.replaced(starts[node], node, self.library.element(self._any_element()))
        if draw < 0.7:  # a part of it alone, in place of a larger one
            inner = int(rng.integers(starts[node], node + 1))
            return p.replaced(starts[node], node, p.part(starts[inner], inner))
        if draw < 0.8:
            name = self.unary[rng.integers(len(self.unary))] if self.unary else "neg"
            return p.replaced(starts[node], node, joined(p.part(starts[node], node), name))
        return self._changed(p, node)

    def _any_element(self) -> int:
        """Index of a library element, cheap ones more often."""
        return int(self.library.size * self.rng.random() ** 3)

    def _changed(self, p: Program, node: int) -> Program:
        """Another leaf or operator at one place."""
        code, value = p.codes[node], p.values[node]
        if code == CONSTANT:
            value *= float(np.exp(self.rng.normal(0, 0.5)))
        elif code < 0:
            code = -1 - int(self.rng.integers(len(self.names)))
        else:
            names = self.unary if ARITY[code] == 1 else self.binary
            if names:
                code = _CODE[names[self.rng.integers(len(names))]]
        return Program(
            (*p.codes[:node], code, *p.codes[node + 1 :]), (*p.values[:node], value, *p.values[node + 1 :])
        )
