"""From trajectories to a system: the schedule of candidates, joint choice and finishing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from symnum.equations_of_motion.choice import Fitted, Judge, better, choose, key_of
from symnum.equations_of_motion.finish import prune, snapped
from symnum.equations_of_motion.fitting import Scored, refine, tidy
from symnum.equations_of_motion.motion import IntegralForm, Motion
from symnum.equations_of_motion.searched import searched_candidates
from symnum.equations_of_motion.sparse import sparse_candidates
from symnum.equations_of_motion.terms import functions, polynomials, split, with_few_signs, without_factor
from symnum.expressions.expression import Expression

Float = NDArray[np.float64]
Proposals = Callable[[Motion, int], Iterable[Expression]]
"""More right-hand sides for one of the sought equations, from wherever they come (a guess, a network)."""
_TRIED = 24
_ROUNDS = 3


class Discovery:
    """One search for a system; `best` can be read at every moment.

    Parameters
    ----------
    motion : Motion
    seconds : float
        Time for everything, from now.
    rng : numpy.random.Generator
    proposals : sequence of callables
        Further sources of candidates.
    allowed : callable
        Whether a right-hand side may be the equation of a place (units).
    tell : callable
        Told of each better system with the stage that found it.
    """

    def __init__(
        self, motion: Motion, seconds: float, rng: np.random.Generator, proposals: Sequence[Proposals] = (),
        allowed: Callable[[int, Expression], bool] = lambda place, e: True,
        tell: Callable[[Fitted, str], None] = lambda fitted, stage: None,
    ) -> None:  # fmt: skip
        self.motion, self.rng, self.proposals, self.allowed, self.tell = motion, rng, proposals, allowed, tell
        self.began, self.seconds = time.perf_counter(), seconds
        self.best: Fitted | None = None
        self.stage, self.finishing, self.cut = "", False, False
        self.ledger: list[dict] = []
        self.judge = Judge(motion, self.late)
        self.forms = [IntegralForm(motion, i) for i in range(len(motion.sought))]
        self.pools: list[list[Scored]] = [[] for _ in self.forms]

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.began

    def late(self) -> bool:
        """Whether the time is up; the last touches, a few fits of one system, are always made."""
        return self.elapsed > (1.1 * self.seconds + 1.0 if self.finishing else 0.92 * self.seconds)

    # ---------------------------------------------------------------- schedule
    def run(self) -> Fitted | None:
        """All stages."""
        self._enter("sparse polynomials", lambda: self._sparse(self.forms, wide=False))
        self._enter("sparse library", lambda: self._sparse(self.forms, wide=True))
        self._enter("terms dropped", self._prune)
        for _ in range(_ROUNDS):
            if not self._enter("sparse library on the model's states", self._again):
                break
            self._enter("terms dropped", self._prune)
        self._enter("symbolic search", self._searched)
        self._enter("terms dropped", self._prune)
        self.cut, self.finishing = self.late(), True
        self._enter("canonical form", self._tidy)
        self._enter("simple numbers", self._snap)
        return self.best

    def _enter(self, stage: str, work: Callable[[], None]) -> bool:
        """Run one stage; returns whether it found a better system."""
        if self.late():
            return False
        self.stage, before, began = stage, self.best, self.elapsed
        tried = len(self.judge.tried)
        work()
        self.ledger.append({
            "stage": stage, "seconds": self.elapsed - began, "systems": len(self.judge.tried) - tried,
            "bits": np.nan if self.best is None else self.best.total,
        })  # fmt: skip
        return self.best is not before

    def _improve(self, found: Fitted | None) -> None:
        if found is not None and better(found, self.best):
            self.best = found
            self.tell(found, self.stage)

    # ---------------------------------------------------------------- stages
    def _sparse(self, forms: Sequence[IntegralForm], wide: bool) -> None:
        motion = forms[0].motion
        columns = len(motion.names)
        library = polynomials(motion.names, columns, 3 if columns <= 5 else 2)
        more = functions(motion.names, np.concatenate(motion.states)) if wide and columns <= 6 else []
        for i, form in enumerate(forms):
            if self.late() and self.pools[i]:
                break
            if more:
                plain = [t for t in more if not len(t.constants)]
                shared = self._terms_of_others(i)
                scored = sparse_candidates(form, [*library, *plain, *shared], 24, self.late)
                scored += sparse_candidates(form, [*library, *more, *shared], 40, self.late)
            else:
                scored = sparse_candidates(form, library, 16, self.late)
                scored += self._judged(i, [e for source in self.proposals for e in source(motion, i)])
            if form is not self.forms[i]:
                scored = self._judged(i, [s.expression for s in scored])
            self._add(i, scored)
        self._choose()

    def _terms_of_others(self, place: int) -> list[Expression]:
        """Terms of the other equations so far: what leaves one state often enters another."""
        found: dict[Expression, None] = {}
        for i, pool in enumerate(self.pools):
            if i != place:
                chosen = [s.expression for s in pool[:6]]
                chosen += [] if self.best is None else [self.best.equations[i]]
                found |= dict.fromkeys(without_factor(t) for e in chosen for t in split(e))
        return [t for t in found if len(t.constants) and len(t.variables)]

    def _again(self) -> None:
        """Sparse candidates once more, on states without the noise: those of the best system."""
        if self.best is None or np.any(self.best.losses > 6):
            return
        states = model_states(self.judge, self.best)
        if states is None:
            return
        motion = self.motion.replaced(states)
        forms = [IntegralForm(motion, i) for i in range(len(self.forms))]
        self._sparse(forms, wide=True)

    def _searched(self) -> None:
        share = 0.6 * (self.seconds - self.elapsed) / len(self.forms)
        for i in range(len(self.forms)):
            if self.late():
                break
            found = list(searched_candidates(self.motion, i, share, self.rng, self.late))
            self._add(i, self._judged(i, found))
        self._choose()

    def _prune(self) -> None:
        if self.best is not None:
            prune(self.judge, self.best, self._improve)

    def _tidy(self) -> None:
        """Equations in canonical form."""
        if self.best is None:
            return
        found = self.judge.fit(
            [with_few_signs(tidy(e)) for e in self.best.equations], self.best.level, self.best, 4
        )
        if found is not None and found.total < self.best.total + 1.0:
            self.best = found

    def _snap(self) -> None:
        if self.best is not None:
            self.best = snapped(self.judge, self.best)
            self.tell(self.best, self.stage)

    # ---------------------------------------------------------------- parts
    def _judged(self, place: int, expressions: Iterable[Expression]) -> list[Scored]:
        """Candidates from elsewhere, their constants fitted in the integral form."""
        scored = [refine(self.forms[place], e) for e in expressions]
        return [s for s in scored if s is not None]

    def _add(self, place: int, scored: Iterable[Scored]) -> None:
        known = {key_of(s.expression): s for s in self.pools[place]}
        for s in scored:
            key = key_of(s.expression)
            if self.allowed(place, s.expression) and (key not in known or s.bits < known[key].bits):
                known[key] = s
        self.pools[place] = sorted(known.values(), key=lambda s: s.bits)

    def _choose(self) -> None:
        if all(self.pools):
            choose(self.judge, self.pools, self.best, _TRIED, self._improve)


def model_states(judge: Judge, best: Fitted) -> list[Float] | None:
    """States of a fitted system on the grids of its motion; None where it cannot be integrated."""
    motion = judge.motion
    states = [s.copy() for s in motion.states]
    ends: dict[int, list[int]] = {}
    for k, row in best.windows.origins.tolist():
        ends.setdefault(k, []).append(row)
    for (k, row), start in zip(best.windows.origins.tolist(), best.fit.starts, strict=True):
        later = [r for r in ends[k] if r > row]
        first, last = motion.rows[k][row], motion.rows[k][min(later) if later else -1]
        times = motion.grids[k][first : last + 1]
        made = best.fit.flow.run(start[None], times, bound=best.windows.bound, rtol=judge.rtol)[0]
        if not np.all(np.isfinite(made)):
            return None
        states[k][first : last + 1] = made
    return states
