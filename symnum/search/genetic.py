"""Genetic search: populations of distinct functions that grow by what their parts should be.

For data that enumeration cannot explain. A child is made by carrying the target down to one node of its
parent and looking up, in a library of many thousand columns at once, what should stand there (semantic
backpropagation; `semantics`, `library`), beside crossover and random changes. Several populations that differ
in longest formula and in their seeds run in turn, and begin anew when they stand still.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import SymnumError
from symnum.expressions.canonical import canonical
from symnum.expressions.expression import Expression
from symnum.search import constants
from symnum.search.bank import Bank, in_order
from symnum.search.island import Island
from symnum.search.library import Library, build
from symnum.search.mdl import description_length
from symnum.search.population import Member
from symnum.search.semantics import expression_of, joined, program_of

ROWS = 200
BANK = 24_000
SLICE = 8
"""Batches of children between two looks at the results."""
PATIENCE = 12
"""Slices without progress after which a population begins anew."""
KINDS = ((15, False), (25, False), (25, True), (40, True))
"""Longest program of each population, and whether it begins with the seeds."""
_PROGRESS = 0.98
_MOST_SEEDS = 60


def evolve(
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    names: tuple[str, ...],
    weights: NDArray[np.float64] | None,
    unary: Sequence[str],
    binary: Sequence[str],
    seeds: Sequence[Expression],
    rng: np.random.Generator,
    stop: Callable[[], bool],
    late: Callable[[], bool],
    charge: Callable[[int], None],
    workers: ThreadPoolExecutor | None = None,
    size: int = BANK,
) -> Iterator[Expression]:
    """Formulas for y, ever better, until `stop()`.

    Parameters
    ----------
    X, y : ndarray (n, d), (n,)
        Rows that constants are fitted on; populations are judged on `ROWS` of them.
    names : tuple of str
    weights : ndarray (n,), optional
    unary, binary : sequence of str
        Operators of the formulas.
    seeds : sequence of Expression
        Formulas found so far: two of the populations begin with them.
    rng : Generator
    stop : callable
        Asked between slices, in an order that does not depend on the workers.
    late : callable
        Asked all the time; may look at the clock, not at what was charged.
    charge : callable
        Told how many formulas were evaluated.
    workers : ThreadPoolExecutor, optional
        Runs populations at the same time; the result is the same.
    size : int
        Bank elements that parts are looked up among.

    Yields
    ------
    Expression
        In canonical form, with constants fitted, and again with simple numbers where the description gets
        shorter.
    """
    populations = Populations(X, y, names, weights, unary, binary, seeds, rng)
    yield from populations.run(stop, late, charge, workers, size)


class Populations:
    """The populations of one search; parameters as those of `evolve`."""

    def __init__(
        self,
        X: NDArray[np.float64],
        y: NDArray[np.float64],
        names: tuple[str, ...],
        weights: NDArray[np.float64] | None,
        unary: Sequence[str],
        binary: Sequence[str],
        seeds: Sequence[Expression],
        rng: np.random.Generator,
    ) -> None:
        self.X, self.y, self.names, self.weights = X, y, names, weights
        self.unary, self.binary = tuple(unary), tuple(binary)
        self.seed = int(rng.integers(2**62))
        self.born: dict[int, int] = {}
        rows = rng.permutation(len(y))[:ROWS]
        self.few_X, self.few_y = X[rows], y[rows]
        self.few_weights = np.ones(len(rows)) if weights is None else weights[rows]
        self.seeds = list(seeds)[:_MOST_SEEDS]
        self.elite: dict[int, list[Expression]] = {}
        self.told: dict[int, dict[int, float]] = {}
        self.best_bits = np.inf
        self.scale = float(np.sqrt(np.average(y**2, weights=weights)))

    def run(
        self,
        stop: Callable[[], bool],
        late: Callable[[], bool],
        charge: Callable[[int], None],
        workers: ThreadPoolExecutor | None = None,
        size: int = BANK,
    ) -> Iterator[Expression]:
        """Formulas that are better than all shorter ones of their population."""
        bank = Bank.start(np.ascontiguousarray(self.few_X[:64]), self.names, self.unary, self.binary, size)
        bank.grow(size, late)
        charge(bank.generated)
        library = build(bank, self.few_X, self.unary)
        if library.size == 0:
            return  # columns so large or small that no part of them is kept
        islands: dict[int, Island] = {}
        state = [(np.inf, 0)] * len(KINDS)  # best sum of log errors, slices since

        def jobs() -> Iterator[Callable[[], tuple[int, list[Member], int]]]:
            while not stop():
                for k in range(len(KINDS)):
                    if k not in islands:
                        islands[k] = self._island(k, library)
                    yield lambda k=k: (k, *_slice(islands[k], late))

        for k, front, used in in_order(jobs(), workers, ahead=len(KINDS) - 1):
            charge(used)
            yield from self._finished(k, front, late)
            level = float(sum(np.log(max(m.loss, 1e-30)) for m in front))
            best, age = state[k]
            state[k] = (level, 0) if level < best + np.log(_PROGRESS) else (best, age + 1)
            if state[k][1] > PATIENCE:
                islands[k], state[k] = self._island(k, library), (np.inf, 0)
            if stop():
                return

    def _island(self, k: int, library: Library) -> Island:
        longest, seeded = KINDS[k]
        seeds = []
        born = self.born.get(k, 0)
        if seeded:
            # A first population may be made before or after the others report: it looks at none of them.
            best = [e for front in self.elite.values() for e in front] if born else []
            seeds = [program_of(e) for e in [*self.seeds, *best]]
        self.told[k] = {}
        self.born[k] = born + 1
        return Island(
            np.ascontiguousarray(self.few_X.T), self.few_y, self.few_weights, self.names, library,
            np.random.default_rng([self.seed, k, born]), longest, self.unary, self.binary, seeds,
        )  # fmt: skip

    # ---------------------------------------------------------------- results
    def _finished(self, k: int, front: list[Member], late: Callable[[], bool]) -> Iterator[Expression]:
        """New members of a front, with scale and offset, fitted on all rows given."""
        told = self.told[k]
        new = [m for m in front if m.loss < 0.999 * told.get(len(m.program), np.inf)]
        told.update({len(m.program): m.loss for m in new})
        made = []
        for m in new:
            whole = joined(m.program, m.scale, "mul", m.offset, "add")
            try:
                made.append(canonical(expression_of(whole, self.names)))
            except SymnumError:
                continue
        fitted = constants.refit(made, self.X, self.y, self.weights, 1)
        fitted += [e for e in made if not len(e.constants)]
        self.elite[k] = fitted or self.elite.get(k, [])
        for e in fitted:
            yield e
            bits = self._bits(e)
            if bits < self.best_bits:
                simple = constants.polish(e, self.X, self.y, self.weights, self._bits, late)
                bits = self._bits(simple)
                if simple is not e:
                    yield simple
            self.best_bits = min(self.best_bits, bits)

    def _bits(self, e: Expression) -> float:
        with np.errstate(all="ignore"):
            loss = float(np.average((e.evaluate(self.X) - self.y) ** 2, weights=self.weights))
        if not np.isfinite(loss):
            return np.inf
        return description_length(canonical(e), loss, len(self.y), self.scale)


def _slice(island: Island, late: Callable[[], bool]) -> tuple[list[Member], int]:
    before = island.evaluations
    for _ in range(SLICE):
        if late():
            break
        island.step()
    if not late():
        island.tidy()
    return island.front(), island.evaluations - before
