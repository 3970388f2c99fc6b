"""Search "snip": what the decoder writes for the data, by beams and by samples."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from symnum.expressions.expression import Expression
from symnum.models.decoder.formulas import expressions_of
from symnum.models.decoder.generation import Formulas, banned_words, beam, sample
from symnum.models.decoder.modeling import Encoding, SNIPDecoderModel
from symnum.problem import Problem
from symnum.search.budget import Budget
from symnum.search.candidate import Candidate, HallOfFame, fit_rows
from symnum.search.snip.judging import Judge
from symnum.search.snip.readings import KINDS, Reading, bags, choose_columns, readings
from symnum.search.snip.views import other_targets, reduced, remainders
from symnum.search.stages import Stage, recorded
from symnum.search.torch_devices import device_of, threads
from symnum.search.view import View, original

_BAGS = 4
_REDUCED = 8
_BEAM = 16
_TEMPERATURES = (1.0, 0.7, 1.0, 1.4)
_FEW = 0.05  # share of new skeletons below which samples are drawn hotter


@lru_cache(maxsize=2)
def _loaded(name: str, device: str) -> SNIPDecoderModel:
    return SNIPDecoderModel.from_pretrained(name).to(device).eval()  # type: ignore[arg-type]


def load(weights: Any, device: str | None) -> SNIPDecoderModel:
    """Model of a name, a folder, or the model itself."""
    if isinstance(weights, SNIPDecoderModel):
        return weights.eval()
    return _loaded(str(Path(weights).expanduser()) if isinstance(weights, Path) else str(weights),
                   str(device_of(device)))  # fmt: skip


class DecoderRun:
    """State of a search with the decoder: the model, what it reads, who judges what it writes."""

    stage = "samples"

    def __init__(
        self,
        search: Any,
        problem: Problem,
        budget: Budget,
        rng: np.random.Generator,
        hall: HallOfFame,
        ledger: list[Stage],
    ) -> None:
        self.search, self.problem, self.budget, self.rng = search, problem, budget, rng
        self.hall, self.ledger = hall, ledger
        self.model = load(search.weights, search.device)
        self.banned = banned_words(self.model, None if search.operators is None else list(search.operators))
        self.generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        self.judge = Judge(problem, budget, hall, search.n_jobs)

    def run(self) -> Iterator[Candidate]:
        """The whole search."""
        y = self.problem.y
        mean = Expression.constant(float(np.average(y, weights=self.problem.weights)), self.problem.names)
        yield from self.judge.add(mean, "constant")
        if np.ptp(y) == 0 or not np.any(np.ptp(self.problem.X, axis=0) > 0):
            self.budget.stop("target or features are constant")
            return
        with recorded(self.stage, self.budget, self.hall, self.ledger):
            yield from self.rounds()

    def rounds(self) -> Iterator[Candidate]:
        """What a search does until its budget ends."""
        raise NotImplementedError

    @contextmanager
    def network(self) -> Iterator[None]:
        """Threads of torch while the network works: several only where the clock decides anyway."""
        with threads(self.search.n_jobs if self.budget.max_time is not None else 1):
            yield

    def read(self) -> list[Reading]:
        """What the network is shown."""
        rows = fit_rows(self.problem)
        chosen = choose_columns(self.problem, self.model.config.max_dim)
        found = bags(rows, self.model.config.rows, _BAGS, self.rng)
        return readings(self.problem, chosen, found)

    def read_otherwise(self, rows: NDArray[np.int64]) -> list[list[Reading]]:
        """The same problem with fewer variables, and with other targets; see `symnum.search.snip.views`."""
        view = original(self.problem.X[rows], self.problem.y[rows], self.problem.names)
        found = [self._read_views(reduced(view, _REDUCED, self.judge.late)),
                 self._read_views(other_targets(view))]  # fmt: skip
        return [group for group in found if group]

    def read_rest(self, rows: NDArray[np.int64]) -> list[Reading]:
        """What the best formula so far leaves to be explained."""
        view = original(self.problem.X[rows], self.problem.y[rows], self.problem.names)
        best = min(self.hall.best.values(), key=lambda c: c.bits)
        return self._read_views(remainders(view, best.expression.with_names(self.problem.names)))

    def _read_views(self, views: list[View]) -> list[Reading]:
        made: list[Reading] = []
        for v in views:
            if self.judge.late():
                break
            few = [np.sort(v.rows(self.model.config.rows))]
            made += readings(v, choose_columns(v, self.model.config.max_dim)[:1], few, KINDS[:2])
        return made

    def encode(self, shown: list[Reading]) -> tuple[Encoding, torch.Tensor]:
        """Encodings of readings and their numbers of columns."""
        columns = torch.tensor([len(r.columns) for r in shown])
        with self.network():
            return self.model.read_tables([r.table for r in shown]), columns

    def formulas(self, drawn: Formulas, shown: list[Reading]) -> list[Expression]:
        """Distinct formulas over the columns of the problem; what is not complete is left out."""
        self.budget.charge(drawn.scores.numel())
        made: list[Expression] = []
        for i, reading in enumerate(shown):
            real = torch.isfinite(drawn.scores[i])
            written = expressions_of(self.model, drawn.tokens[i][real], drawn.values[i][real])
            made += self.judge.fresh(reading.restore(e) for e in written)
        return made


def _kinds(shown: list[Reading]) -> set[str]:
    return {r.kind for r in shown}


class Sampling(DecoderRun):
    """Beams, then samples; the problem as it is and in other views, in turn."""

    def rounds(self) -> Iterator[Candidate]:
        """Beams when readings are met first, samples from then on."""
        rows, heat = fit_rows(self.problem), 1.0
        shown = self.read()
        yield from self._beams([r for k, r in enumerate(shown) if r.kind not in _kinds(shown[:k])])
        groups = [(shown, self.encode(shown))]
        for lap in count():
            # The problem itself before each of its other views.
            turns = [g for other in groups[1:] for g in (groups[0], other)] or groups
            rest = self.read_rest(rows) if lap else []
            for shown, read in [*turns, *([(rest, self.encode(rest))] if rest else [])]:
                if self.judge.settled():
                    return
                made, asked = self._samples(shown, read, heat * _TEMPERATURES[lap % len(_TEMPERATURES)])
                if len(made) < _FEW * asked:
                    heat = min(1.2 * heat, 3.0)
                yield from self.judge.offer(made, self.stage)
            if not lap and not self.judge.settled():
                for other in self.read_otherwise(rows):
                    if self.judge.late():
                        return
                    groups.append((other, self.encode(other)))
                    yield from self._beams(other)

    def _samples(
        self, shown: list[Reading], read: tuple[Encoding, torch.Tensor], temperature: float
    ) -> tuple[list[Expression], int]:
        """New formulas that were drawn for readings, and how many were drawn."""
        encoding, columns = read
        each = self._affordable(max(1, self.search.samples // len(shown)), len(shown))
        with self.network():
            drawn = sample(
                self.model, encoding, columns, each, self.generator, temperature, banned=self.banned,
                stop=self.judge.late,
            )  # fmt: skip
        return self.formulas(drawn, shown), drawn.scores.numel()

    def _beams(self, shown: list[Reading]) -> Iterator[Candidate]:
        if self.judge.settled():
            return
        encoding, columns = self.encode(shown)
        width = self._affordable(_BEAM, len(shown))
        with self.network():
            drawn = beam(self.model, encoding, columns, width, banned=self.banned, stop=self.judge.late)
        yield from self.judge.offer(self.formulas(drawn, shown), "beam")

    def _affordable(self, most: int, readings: int) -> int:
        return max(1, min(most, self.budget.evals_left() // (4 * readings)))
