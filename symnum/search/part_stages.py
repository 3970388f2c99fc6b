"""Stages for separable targets: joins over banks of parts, formulas of parts, what is left of a product."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from symnum.expressions.expression import Expression
from symnum.problem import Problem
from symnum.search import constants
from symnum.search.approximate import ApproximateSearch
from symnum.search.bank import quietly
from symnum.search.candidate import Candidate, HallOfFame
from symnum.search.exact import ExactSearch, bank_rows
from symnum.search.memory import READOUT
from symnum.search.parts import assemble, part_views, peel
from symnum.search.separation import Structure, structures
from symnum.search.stages import TIERS, Stages
from symnum.search.transforms import IDENTITY, TRANSFORMS
from symnum.search.view import View

PART_READOUT = 6_000
"""Elements of a bank of parts that the least-squares readouts use."""


class PartStages(Stages):
    """Stages that use separability."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.separable: list[tuple[View, Structure]] = []

    def _separate(self, view: View) -> Iterator[Candidate]:
        """Sums and products of parts over fewer variables."""
        before = self.budget.elapsed, self.budget.evaluations, len(self.hall.best)
        found = quietly(lambda: structures(view, stop=self._late))
        self._enter("separability", before)
        for structure in found:
            if self._done():
                return
            label = "parts: " + structure.text(view.names)
            before = self.budget.elapsed, self.budget.evaluations, len(self.hall.best)
            yield from self._part_joins(view, structure, label, TIERS[1])
            self.separable.append((view, structure))
            rest = None if self._done() else (yield from self._parts(view, structure, label))
            self._enter(label, before)
            if rest is not None and not self._done():
                yield from self._tier(rest, TIERS[0], "rest of " + label, part=12)
                yield from self._approximate(rest, "rest of " + label, TIERS[0] // 2)

    def _part_joins(self, view: View, structure: Structure, label: str, size: int) -> Iterator[Candidate]:
        """Joins and readouts over a bank that is not spent on functions of variables that do not interact."""
        size = self._affordable(view, self._share(size))
        if size < 10:
            return
        rows = bank_rows(view)
        bank = self._bank(view, rows, size, structure.groups)
        bank.grow(size, self._late, self.workers)
        self.budget.charge(bank.generated)
        search = ExactSearch(view, bank, rows, self.workers)
        made = search.products(IDENTITY) if structure.log else search.sums_and_quotients(IDENTITY)
        yield from self._offer(label, view, made)
        if size <= TIERS[1] and not self._done():
            # Beside the joins' columns, which stay: half of the memory.
            most = self.budget.elements(PART_READOUT, 2 * READOUT)
            readouts = quietly(lambda: ApproximateSearch(view, bank, self.weights, most))
            yield from self._offer(label, view, readouts.everything(self._late, (IDENTITY,)))
            yield from self._refined(label)

    def _parts(self, view: View, structure: Structure, label: str) -> Iterator[Candidate]:
        """Formulas of independent parts, joined; returns what is left without those of one variable."""
        smaller = part_views(view, structure)
        if len(smaller) < 2:
            return None
        forms = [self._forms(v) for v in smaller]
        yield from self._offer(label, view, assemble(view, structure, forms, self.search.n_jobs))
        known = [k for k, v in enumerate(smaller) if len(v.names) == 1 and forms[k]]
        return peel(view, structure, known, [forms[k][0] for k in known]) if known else None

    def _forms(self, view: View) -> list[Expression]:
        """Short formulas for an estimated part, the best description first."""
        hall = HallOfFame(Problem(view.X, view.y, view.names), 16)
        size = self._share(1_000 * len(view.names), each=READOUT)
        if size < 10:
            return []
        bank = self._bank(view, bank_rows(view), size)
        bank.grow(size, self._late, self.workers)
        self.budget.charge(bank.generated)
        search = quietly(lambda: ApproximateSearch(view, bank, None, size))
        for made in (
            search.everything(self._late, TRANSFORMS[:3]),
            constants.search(view, bank, 120, self.rng, self._late, self.search.n_jobs, self.budget.charge),
        ):
            while (e := quietly(lambda m=made: next(m, None))) is not None:
                hall.add(e)

        def bits(e: Expression) -> float:
            return hall.bits(e, view.X, view.y, None)

        ranked = [c.expression for c in sorted(hall.best.values(), key=lambda c: c.bits)[:5]]
        return [
            quietly(lambda e=e: constants.polish(e, view.X, view.y, None, bits, self._late)) for e in ranked
        ]

    def _larger_parts(self, size: int) -> Iterator[Candidate]:
        """The joins over banks of parts again, with more elements."""
        for view, structure in self.separable:
            if self._done():
                return
            label = "larger parts: " + structure.text(view.names)
            before = self.budget.elapsed, self.budget.evaluations, len(self.hall.best)
            yield from self._part_joins(view, structure, label, size)
            self._enter(label, before)
