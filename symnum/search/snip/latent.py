"""Search "snip-latent": embeddings whose decoded formulas fit the data (Meidani et al. 2024)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray

from symnum.expressions.expression import Expression
from symnum.models.decoder.formulas import expressions_of
from symnum.models.decoder.generation import sample
from symnum.models.decoder.modeling import Encoding
from symnum.search.candidate import Candidate, fit_rows
from symnum.search.refinement import Data, fitted
from symnum.search.snip.optimisers import OPTIMISERS
from symnum.search.snip.readings import Reading, choose_columns, readings
from symnum.search.snip.sampling import DecoderRun

_PARTS = (1, 15, 10, 24)
"""Of 50 first positions: the data, parts of its rows, noisy targets, the embedding with noise."""
_JUDGED = 0.25  # share of the rows that fitness is measured on
_TEMPERATURE = 0.5
_STEPS = 20  # of Levenberg-Marquardt, for each formula of a position
_ROWS = 200
_NOISE = (0.01, 0.028)  # of the spread of the target, least and most
_REACH = 2.0  # most noise on the embedding, in root mean squares of its numbers


class LatentSearch(DecoderRun):
    """Grey wolves or CMA-ES among embeddings, again from new first positions until the budget ends."""

    stage = "latent"

    def rounds(self) -> Iterator[Candidate]:
        """Lives of a population, one after the other, in each of the units that suit the data."""
        rows = self.rng.permutation(fit_rows(self.problem))
        judged = rows[: max(1, int(_JUDGED * len(rows)))] if len(rows) > 8 else rows
        self.given = rows[len(judged) :] if len(rows) > 8 else rows
        self.fitted_on, self.valid = (
            Data(
                self.problem.X[some], self.problem.y[some],
                None if self.problem.weights is None else self.problem.weights[some], lambda e: 0.0,
                self.budget.charge, self.judge.late, self.search.n_jobs,
            )
            for some in (self.given, judged)
        )  # fmt: skip
        self.fitness: dict[Expression, float] = {}
        chosen = choose_columns(self.problem, self.model.config.max_dim)
        shown = readings(self.problem, chosen, [self.given[: self.model.config.rows]])
        shown += [r for group in self.read_otherwise(self.given) for r in group]
        for lap in count():
            for reading in [*shown, *(self.read_rest(self.given) if lap else [])]:
                if self.judge.settled():
                    return
                yield from self._life(reading)

    def _life(self, reading: Reading) -> Iterator[Candidate]:
        """One population from its first positions to the end of its steps."""
        search = self.search
        found = OPTIMISERS[search.optimiser](self._population(reading), search.steps, self.rng)
        for _ in range(search.steps):
            positions = found.ask()
            formulas, owners = self._decode(positions, reading)
            new = self.judge.fresh(formulas)
            self._value(new)
            worth = np.full(len(positions), np.inf)
            for e, owner in zip(formulas, owners, strict=True):
                worth[owner] = min(worth[owner], self.fitness.get(e.skeleton(), np.inf))
            found.tell(worth)
            ranked = sorted(new, key=lambda e: self.fitness.get(e.skeleton(), np.inf))
            yield from self.judge.offer(ranked[: search.population // 2], self.stage)
            if self.judge.settled():
                return

    # ---------------------------------------------------------------- first positions
    def _population(self, reading: Reading) -> NDArray[np.float64]:
        """Embeddings of the data, of parts of its rows, of noisy targets, and with noise on the embedding.

        The paper's 1 + 15 + 10 + 24 in the same shares for other sizes; in the reference code the noisy
        targets are overwritten by clean ones, here they are not.
        """
        n = self.search.population
        parts = [max(1, round(n * p / sum(_PARTS))) for p in _PARTS[:3]]
        whole, table = self._rows_of(reading), reading.table
        size = len(whole)
        most = min(self.model.config.rows, max(2, size if size <= 8 else size // 2))
        tables = [table]
        for _ in range(parts[1]):
            tables.append(whole[np.sort(self.rng.choice(size, min(most, size), replace=False))])
        spread = float(whole[:, -1].std())
        for level in np.linspace(*_NOISE, parts[2]):
            some = whole[np.sort(self.rng.choice(size, min(most, size), replace=False))].copy()
            some[:, -1] += level * spread * self.rng.standard_normal(len(some))
            tables.append(some)
        with self.network():
            made = self.model.read_tables(tables).latent.cpu().numpy().astype(np.float64)
        rest = max(0, n - len(made))
        reach = self.rng.uniform(0, _REACH, (rest, 1)) * float(np.sqrt(np.mean(made[0] ** 2)))
        around = made[0] + reach * self.rng.standard_normal((rest, made.shape[1]))
        return np.concatenate([made, around])[: max(n, 3)]

    def _rows_of(self, reading: Reading) -> NDArray[np.float64]:
        """All rows that may be read, in the units of a reading."""
        if reading.view is None:
            table, y = self.problem.X[self.given], self.problem.y[self.given]
        else:
            table, y = reading.view.X, reading.view.y
        X = (table[:, list(reading.columns)] - reading.shift) / reading.scale
        return np.column_stack([X, y / reading.y_scale])

    # ---------------------------------------------------------------- fitness
    def _decode(self, positions: NDArray, reading: Reading) -> tuple[list[Expression], list[int]]:
        """Formulas of positions, the likeliest word by word and a few samples, and whose they are."""
        latent = torch.from_numpy(positions.astype(np.float32)).to(self.model.device)
        columns = torch.full((len(positions),), len(reading.columns))
        formulas: list[Expression] = []
        owners: list[int] = []
        encoding, stop = Encoding(latent), self.judge.late
        with self.network():
            drawn = [sample(self.model, encoding, columns, 1, None, 0.0, banned=self.banned, stop=stop)]
            if self.search.samples > 1:
                drawn.append(
                    sample(
                        self.model, encoding, columns, self.search.samples - 1, self.generator, _TEMPERATURE,
                        banned=self.banned, stop=stop,
                    )
                )  # fmt: skip
        for part in drawn:
            self.budget.charge(part.scores.numel())
            for i in range(len(positions)):
                real = torch.isfinite(part.scores[i])
                for e in expressions_of(self.model, part.tokens[i][real], part.values[i][real]):
                    restored = reading.restore(e)
                    if restored is not None:
                        formulas.append(restored)
                        owners.append(i)
        return formulas, owners

    def _value(self, formulas: list[Expression]) -> None:
        """Fitness of skeletons: bits of the formula and of its errors on rows that it was not fitted on.

        The reference code counts a skeleton that was met before as worthless; here its value is kept.
        """
        valid = self.valid
        for f in fitted(formulas, self.fitted_on, _STEPS, _ROWS):
            with np.errstate(all="ignore"):
                errors = (f.expression.evaluate(valid.X) - valid.y) ** 2
                loss = float(np.average(errors, weights=valid.weights))
            if np.isfinite(loss):
                self.fitness[formulas[f.place].skeleton()] = valid.about(f._replace(loss=loss))
