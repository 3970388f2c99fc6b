"""One population of the genetic search and how it breeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from symnum.expressions.operators import CONSTANT, OPERATORS
from symnum.search.population import Member, Population
from symnum.search.semantics import ARITY, UNARY, Floats, Program, joined, node_values, times, wanted

_BATCH = 48
_BACKWARD = 0.7  # part of the children whose new part is looked up, not drawn
_FROM_FRONT = 0.4  # part of the parents that no shorter member beats
_SUMS = 0.3  # part of the batches that add several terms
_TERMS = 3
_EXACT = 1e-12
_NEGLIGIBLE = 1e-8
_CODE = {op.name: op.code for op in OPERATORS}
_Mode = Callable[[Floats, Floats, Floats, bool], tuple[str, Floats, Floats]]


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


class Island(Population):
    """A population that breeds; parameters as those of `Population`."""

    def step(self) -> None:
        """Breed and judge one batch."""
        with np.errstate(all="ignore"):
            if not self.bins:
                return
            count = int(_BATCH * _BACKWARD)
            children = self._backward([self._parent() for _ in range(count)])
            children += [self._random(self._parent()) for _ in range(_BATCH - count)]
            self.insert(children)

    def tidy(self) -> None:
        """Look for a shorter way to write the shortest exact member: every part of it is looked up anew."""
        exact = next((m for m in self.front() if m.loss < _EXACT), None)
        if exact is None or exact.program in self.tidied:
            return
        self.tidied.add(exact.program)
        with np.errstate(all="ignore"):
            found = (
                self._job(exact, node, fitted) for node in range(len(exact.program)) for fitted in (0, 1)
            )
            jobs = [job for job in found if job is not None]
            for block in range(self.library.blocks if jobs else 0):
                for job in jobs:
                    job.beside.clear()
                self.insert([p for p in self._looked_up(jobs, 0.2, block) if len(p) < len(exact.program)])

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
        found = (
            self._job(m, int(self.rng.integers(len(m.program))), self.rng.random() < 0.5, self._mode)
            for m in parents
        )
        jobs = [job for job in found if job is not None]
        if not jobs:
            return []
        penalty = float(self.rng.choice([0.0, 0.05, 0.2]))
        children: list[Program] = []
        # In some batches more terms are added, all coefficients fitted together each time.
        for _ in range(_TERMS if self.rng.random() < _SUMS else 1):
            children += self._looked_up(jobs, penalty, int(self.rng.integers(self.library.blocks)))
        return children

    def _looked_up(self, jobs: Sequence[Job], penalty: float, block: int) -> list[Program]:
        """Children from one part of the library; what was found stands beside the next."""
        targets, weights = np.array([j.target for j in jobs]), np.array([j.weight for j in jobs])
        depth = max(len(j.beside) for j in jobs)
        beside = [
            np.array([j.beside[d][1] if d < len(j.beside) else np.zeros_like(j.target) for j in jobs])
            for d in range(depth)
        ]
        matches = self.library.match(targets, weights, beside, penalty, block)
        self.evaluations += len(jobs)
        children = []
        for job, found in zip(jobs, matches, strict=True):
            children += [self._child(job, k, c) for k, c in found]
            if found:
                k = found[0][0]
                job.beside.append((self.library.element(k), self.library.columns[k]))
        return children

    def _job(self, m: Member, node: int, fitted: bool, mode: _Mode | None = None) -> Job | None:
        """A part of a parent, how to renew it, and what should stand there; None where that is unclear.

        The target is that of the whole with its scale and offset (`fitted`) or as it is: a fitted scale hides
        what is exact.
        """
        p = m.program
        starts, values = p.starts(), node_values(p, self.X)
        root = (self.y - m.offset) / m.scale if fitted else self.y
        found = wanted(p, values, starts, node, root)
        if found is None:
            return None
        how, target, slope = mode(values[node], *found, node == len(p) - 1) if mode else ("", *found)
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
        terms = [(c[0], self.library.element(element), self.library.columns[element])]
        terms += [(f, *term) for f, term in zip(c[2:], job.beside, strict=False)]
        # Terms that only carry rounding errors of the others are left out.
        least = _NEGLIGIBLE * float(np.sqrt(job.weight @ job.target**2))
        kept = [times(float(f), part) for f, part, v in terms if np.sqrt(job.weight @ (f * v) ** 2) > least]
        if abs(c[1]) > least or not kept:
            kept.append(joined(float(c[1])))
        new = kept[0]
        for part in kept[1:]:
            new = joined(new, part, "add")
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
            return p.replaced(starts[node], node, self.library.element(self.any_element()))
        if draw < 0.7:  # a part of it alone, in place of a larger one
            inner = int(rng.integers(starts[node], node + 1))
            return p.replaced(starts[node], node, p.part(starts[inner], inner))
        if draw < 0.8:
            name = self.unary[rng.integers(len(self.unary))] if self.unary else "neg"
            return p.replaced(starts[node], node, joined(p.part(starts[node], node), name))
        return self._changed(p, node)

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
