"""Filling a template: scan simple parts together, then search one unknown function at a time by inversion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import SymnumError
from symnum.expressions.compiled import Packed, fit_constants
from symnum.expressions.expression import Expression
from symnum.problem import Problem
from symnum.search.bank import DEFAULT_BINARY, DEFAULT_UNARY, Bank, quietly
from symnum.search.budget import Budget
from symnum.search.candidate import Candidate, HallOfFame
from symnum.search.filling import Filling, Program
from symnum.search.losses import left_out, row_weights
from symnum.search.macros import enumerated
from symnum.search.snapping import snap
from symnum.search.template import Template, invert, put_in, tree

Float = NDArray[np.float64]
_SCAN_ROWS, _SCAN, _STARTS, _BATCH = 200, 500, 4, 32
_BEST = 4
_CYCLES = 4


class TemplateSearch:
    """Search for the unknown parts of a template.

    Parameters
    ----------
    template : Template
    problem : Problem
        The rows that constants are fitted on.
    backend : object
        Searches for one unknown function at a time.
    operators : sequence of str, optional
        What the user lists.
    budget, rng, hall, ledger
        As any search takes them; `hall` judges whole formulas.
    """

    def __init__(
        self,
        template: Template,
        problem: Problem,
        backend: Any,
        operators: Sequence[str] | None,
        budget: Budget,
        rng: np.random.Generator,
        hall: HallOfFame,
        ledger: list[Any],
    ) -> None:
        self.template, self.problem, self.backend, self.operators = template, problem, backend, operators
        self.budget, self.rng, self.hall, self.ledger = budget, rng, hall, ledger
        self.weights = np.ones(len(problem.y)) if problem.weights is None else problem.weights
        if not hall.row_loss.squared:
            residual = left_out(problem.X, problem.y)
            self.weights = self.weights * row_weights(hall.row_loss, problem.y, residual)
        self.inputs = {
            f: np.column_stack([a.evaluate(problem.X) for a in template.first(f).arguments])
            for f in template.functions
        }
        self.best: Filling | None = None
        self.bits = np.inf

    def run(self, rules: Any) -> Iterator[Candidate]:
        """Yield candidates; `rules` hold for the unknown functions, the template itself is the user's."""
        self.rules = rules
        functions = self.template.functions
        for form in (_constant, _linear, _flexible):
            bodies = {f: form(self._names(f)) for f in functions}
            yield from self._offer([bodies], "template", starts=12 if functions else 60)
            if not functions:
                self.budget.stop("template filled")
                return
        for f in functions:
            if self.budget.expired():
                return
            yield from self._scan(f)
        yield from self._alternate(functions)
        self._done()
        self.budget.stop("template searched")

    def _done(self) -> bool:
        if self.hall.exact() is not None:
            self.budget.stop("exact formula found")
        return self.budget.expired()

    def _late(self) -> bool:
        return self.budget.max_time is not None and self.budget.left() <= 0

    def _names(self, function: str) -> tuple[str, ...]:
        return tuple(str(a) for a in self.template.first(function).arguments)

    # ---------------------------------------------------------------- simple parts, all at once
    def _scan(self, function: str) -> Iterator[Candidate]:
        """One function from the cheap elements of a bank with free factor and shift, the others flexible."""
        Z = np.ascontiguousarray(self.inputs[function][:36])
        unary, binary = enumerated(self.operators, self.rules.macros, DEFAULT_UNARY, DEFAULT_BINARY)
        size = max(0, min(_SCAN, self.budget.evals_left() // (4 * _STARTS)))
        if size < 5 or not np.all(np.isfinite(self.inputs[function])):
            return
        bank = Bank.start(Z, self._names(function), unary, binary, size, None, self.rules)
        quietly(lambda: bank.grow(size, self._late))
        others = {f: _flexible(self._names(f)) for f in self.template.functions if f != function}
        forms = [
            {**others, function: 1.0 * bank.expression(i) + 1.0} for i in range(1, bank.size)
        ]  # 0 is the number one
        yield from self._offer(forms, f"template: scan of {function}", _STARTS)

    def _offer(
        self, forms: Sequence[Mapping[str, Expression]], stage: str, starts: int
    ) -> Iterator[Candidate]:
        """Fit many fillings on some rows; the best few are fitted on all and judged."""
        rows = np.random.default_rng(len(self.problem.y)).permutation(len(self.problem.y))[:_SCAN_ROWS]
        fitted: list[tuple[float, int, Filling]] = []
        for a in range(0, len(forms), _BATCH):
            if self._late() or self.budget.expired():
                break
            for k, filling in enumerate(self._fit_batch(forms[a : a + _BATCH], rows, starts)):
                if np.isfinite(filling.loss):
                    fitted.append((filling.loss, a + k, filling))
        for _, _, filling in sorted(fitted, key=lambda f: f[:2])[:_BEST]:
            yield from self._judge(self._fit(filling), stage)

    def _fit_batch(
        self, forms: Sequence[Mapping[str, Expression]], rows: NDArray, starts: int
    ) -> list[Filling]:
        programs = [Program(self.template, bodies) for bodies in forms]
        self.budget.charge(len(forms) * starts)
        X, y, w = self.problem.X[rows], self.problem.y[rows], self.weights[rows]
        if not np.any(w > 0):
            return []
        if any(p.tied for p in programs):
            return [p.fit(X, y, w, self._draw(len(p.keys), max(1, starts // 2))) for p in programs]
        offsets = np.cumsum([0, *(len(p.codes) for p in programs)])
        counts = np.cumsum([0, *(len(p.owners) for p in programs)])
        packed = Packed(np.concatenate([p.codes for p in programs]), offsets, np.ones(counts[-1]), counts)
        data = programs[0].data(X)
        fit = quietly(
            lambda: fit_constants(packed, data, y, self._draw(int(counts[-1]), starts), 40, weights=w)
        )
        return [
            p.filling(fit.constants[counts[k] : counts[k + 1]], float(fit.loss[k]))
            for k, p in enumerate(programs)
        ]

    def _draw(self, count: int, starts: int) -> Float:
        size = np.exp(self.rng.uniform(np.log(0.1), np.log(5.0), (starts, count)))
        made = size * self.rng.choice([-1.0, 1.0], (starts, count))
        made[0] = 1.0
        return made

    def _fit(self, filling: Filling) -> Filling:
        """All constants and parameters together, from the values they have, on all fit rows."""
        program = Program(self.template, filling.bodies)
        start = program.values(filling.parameters)
        if not len(start):
            return filling
        fitted = program.fit(self.problem.X, self.problem.y, self.weights, start[None])
        return fitted if np.isfinite(fitted.loss) else filling

    def _judge(self, filling: Filling, stage: str) -> Iterator[Candidate]:
        """Hand a filling to the hall of fame; a promising one also with simple numbers."""
        candidate, bits = self._add(filling, stage)
        if candidate is not None:
            yield candidate
        if bits < self.bits + 10.0:
            simple = self._snapped(filling)
            candidate, fewer = (None, np.inf) if simple is None else self._add(simple, stage)
            if candidate is not None:
                yield candidate
            if simple is not None and fewer < bits:
                filling, bits = simple, fewer
        if bits < self.bits:
            self.best, self.bits = filling, bits

    def _add(self, filling: Filling, stage: str) -> tuple[Candidate | None, float]:
        """Candidate, if it enters the hall of fame, and description length of a filling."""
        if not all(self.rules.allows(b) for b in filling.bodies.values()):
            return None, np.inf
        try:
            e = self.template.compose(filling.bodies, filling.parameters)
        except SymnumError:
            return None, np.inf
        bits = quietly(lambda: self.hall.bits(e, self.problem.X, self.problem.y, self.weights))
        return quietly(lambda: self.hall.add(e, stage, self.budget.elapsed)), bits

    def _snapped(self, filling: Filling) -> Filling | None:
        """Numbers made simple one after the other, the rest fitted again, where the error hardly grows."""
        program = Program(self.template, filling.bodies)
        values = program.values(filling.parameters)
        if not 0 < len(values) <= 10 or not np.isfinite(filling.loss):
            return None
        X, y, w = self.problem.X, self.problem.y, self.weights
        bound = 1.01 * filling.loss + 1e-22 * float(np.mean(y**2))
        held: dict[int, float] = {}
        for k in np.argsort(np.abs(values - np.round(values)), kind="stable"):
            for simple in _simple(float(values[k])):
                trial = values.copy()
                trial[[*held, k]] = [*held.values(), simple]
                fitted = program.fit(X, y, w, trial[None], [*held, int(k)])
                if fitted.loss <= bound:
                    held[int(k)] = float(simple)
                    values = program.last
                    break
        return program.filling_of(values, bound) if held else None

    # ---------------------------------------------------------------- one function at a time
    def _alternate(self, functions: Sequence[str]) -> Iterator[Candidate]:
        """Solve the template for one function, search that, and go on to the next with what was found."""
        for cycle in range(_CYCLES):
            before = self.bits
            for k, f in enumerate(functions):
                # Parts that are exact together may each be longer than need be: all are searched once.
                if self.budget.expired() or (cycle > 0 and self._done()):
                    return
                left = (len(functions) - k) + (len(functions) if cycle == 0 and len(functions) > 1 else 0)
                yield from self._search(f, 1 / left)
            if self.bits >= before - 1.0:
                break

    def _search(self, function: str, share: float) -> Iterator[Candidate]:
        state = self.best
        inner = None if state is None else self._inverted(function, state)
        if state is None or inner is None:
            return
        part = self.budget.part(share)
        hall = HallOfFame(inner, self.hall.max_complexity, self.rules)
        try:
            for candidate in self.backend.run(inner, part, self.rng, hall, self.ledger):
                body = candidate.expression.rename(self._names(function))
                filled = replace(state, bodies={**state.bodies, function: body})
                yield from self._judge(self._fit(filled), f"template: {function}, {candidate.stage}")
        finally:
            self.budget.take_back(part)

    def _inverted(self, function: str, state: Filling) -> Problem | None:
        """The problem whose target is the values that one function should have."""
        template, X = self.template, self.problem.X
        slots = [s for s in template.slots if s.function == function]
        names = template.body.names
        leaf = -(names.index(slots[0].name) + 1)
        root = tree(template.body)
        if len(slots) != 1 or root.count(leaf) != 1:
            return None
        columns = [*X.T, *(np.full(len(X), state.parameters[p]) for p in template.parameters)]
        with np.errstate(all="ignore"):
            for slot in template.slots:
                body = put_in(state.bodies[slot.function], slot.arguments, template.columns)
                columns.append(body.evaluate(X))
        target = invert(root, leaf, self.problem.y, columns)
        if target is None:
            return None
        step = 1e-6 * (float(np.nanstd(target)) or 1.0)
        with np.errstate(all="ignore"):
            ends = []
            for side in (-step, step):
                columns[-leaf - 1] = target + side
                ends.append(root.evaluate(columns))
            # An error of the function counts as much as it moves the whole.
            weights = self.weights * ((ends[1] - ends[0]) / (2 * step)) ** 2
        Z = self.inputs[function]
        good = np.isfinite(target) & np.isfinite(weights) & np.all(np.isfinite(Z), axis=1) & (weights > 0)
        if np.sum(good) < max(10, 0.5 * np.sum(self.weights > 0)):
            return None
        top = float(np.quantile(weights[good], 0.9))
        weights = np.where(good, np.minimum(weights / top, 10.0), 0.0)
        flat = np.ptp(weights[good]) < 1e-6 and np.all(good)
        return Problem(
            np.where(good[:, None], Z, 1.0), np.where(good, target, 0.0),
            tuple(f"a{i}" for i in range(Z.shape[1])), None, None if flat else weights,
        )  # fmt: skip


def _simple(value: float) -> list[float]:
    """Simple numbers instead of a fitted one; 1 first, for a factor that another part can take over."""
    near = (round(value), snap(value, 1e-3, 12), float(f"{value:.2g}"), float(f"{value:.3g}"))
    return list(dict.fromkeys(float(v) for v in (np.sign(value), *near)))


def _variables(names: tuple[str, ...]) -> list[Expression]:
    return [Expression.variable(i, names) for i in range(len(names))]


def _constant(names: tuple[str, ...]) -> Expression:
    return Expression.constant(1.5, names)


def _linear(names: tuple[str, ...]) -> Expression:
    made = _constant(names)
    for v in _variables(names):
        made = made + 1.5 * v
    return made


def _flexible(names: tuple[str, ...]) -> Expression:
    """A polynomial that stands for a function nobody knows yet."""
    made, v = _linear(names), _variables(names)
    if len(v) == 1:
        return made + 1.5 * v[0] ** 2 + 1.5 * v[0] ** 3
    if len(v) == 2:
        made = made + 1.5 * (v[0] * v[1]) + 1.5 * v[0] ** 2 + 1.5 * v[1] ** 2
    return made
