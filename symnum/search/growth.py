"""Growing formulas one insertion at a time: each node is asked which column, added there, helps most.

To first order a formula f gains ``eps*(df/du)*g`` when ``eps*g`` is added at its node u. Regressing the
residual on that column, beside the derivatives by the constants, gives the error that the insertion promises,
for all nodes u and all columns g of a pool in a few matrix products. The most promising are fitted by
Levenberg-Marquardt with all constants free. At the root this is orthogonal least squares for a sum of terms
(Chen, Billings and Luo 1989); inside it finds products, quotients, shifts and compositions as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.compiled import evaluate_batch, fit_constants
from symnum.expressions.expression import Expression
from symnum.expressions.operators import CONSTANT, OPERATORS
from symnum.search.intervals import Box, bounds, box_of
from symnum.search.moves import deletions, exchanges, wrappings
from symnum.search.programs import Program, derivatives, pack_programs, program_of

SCORE_ROWS = 500
TRIAL_ROWS = 250
"""Rows of the first few steps of a fit, which decide whether it goes on."""
MOST_CONSTANTS = 14
_PER_SIZE, _TRIALS = 3, 40
_FIRST_STEPS, _LAST_STEPS = 6, 30
_WIDTH = 12  # formulas of one size that are kept, to be grown in turn
_FITTED = 4
_TIMES = 2
_WORTH_TELLING = 1e-3  # fall of the loss, as a share, for which a formula is yielded
_ADD, _MUL = OPERATORS["add"].code, OPERATORS["mul"].code


class Data(NamedTuple):
    """Rows that formulas are fitted to: X (n, d), y (n,), weights (n,) with mean one, and their box."""

    X: NDArray[np.float64]
    y: NDArray[np.float64]
    weights: NDArray[np.float64]
    box: Box


@dataclass(slots=True)
class Pool:
    """Columns that may be inserted, on the first `SCORE_ROWS` rows.

    Attributes
    ----------
    programs : list of Program
    values : ndarray (p, m)
        Of root mean square one.
    scale : ndarray (p,)
        What the values were divided by.
    size : ndarray (p,) of int64
        Nodes of each.
    """

    programs: list[Program]
    values: NDArray[np.float64]
    scale: NDArray[np.float64]
    size: NDArray[np.int64]


@dataclass(slots=True)
class Model:
    """A fitted formula of the archive."""

    program: Program
    loss: float
    tried: int = 0


class Growth:
    """Archive of the best few formulas of every size, and the moves that extend it.

    Parameters
    ----------
    data : Data
    names : tuple of str
        Of the columns.
    pool : Pool
    most : int
        Nodes of the longest formula wanted.
    unary : sequence of str
        Functions that a part may be wrapped in.
    rng : Generator
    n_jobs : int
    charge : callable
        Told how many formulas were fitted.
    """

    def __init__(
        self,
        data: Data,
        names: tuple[str, ...],
        pool: Pool,
        most: int,
        unary: Sequence[str],
        rng: np.random.Generator,
        n_jobs: int,
        charge: Callable[[int], None],
    ) -> None:
        self.data, self.names, self.pool, self.most = data, names, pool, most
        self.unary, self.rng = unary, rng
        self.n_jobs, self.charge = n_jobs, charge
        self.columns = np.ascontiguousarray(data.X.T)
        m = pool.values.shape[1]
        self.few = np.ascontiguousarray(data.X[:m].T)
        self.fewer = np.ascontiguousarray(self.few[:, :TRIAL_ROWS])
        self.root_weight = np.sqrt(data.weights[:m])
        self.pool_values = pool.values.astype(np.float32)
        self.pool_squares = self.pool_values**2
        self.archive: dict[int, list[Model]] = {}
        self.seen: set[int] = set()
        self.told: dict[int, float] = {}

    def start(self, seeds: Sequence[Expression]) -> Iterator[Expression]:
        """Enter formulas to begin with, a constant at least; yields those that are the best of their size."""
        yield from self.enter(self.fitted([program_of(e) for e in seeds]))

    def run(self, stop: Callable[[], bool]) -> Iterator[Expression]:
        """Formulas, each the best of its size so far, until nothing is left to try; may be called again."""
        while not stop():
            model = self.next()
            if model is None:
                return
            yield from self.enter(self.fitted(self._moves(model)))

    def _moves(self, model: Model) -> list[Program]:
        """What a formula is changed to: what derivatives promise the first time, the rest the second time."""
        model.tried += 1
        if model.tried == 1:
            return [*self.insertions(model), *deletions(model.program, self.few)]
        return [
            *wrappings(model.program, self.unary),
            *exchanges(model.program, len(self.names), self.rng),
        ]

    # ---------------------------------------------------------------- archive
    def next(self) -> Model | None:
        """Formula to grow next: the best of each size first, short before long, then the second best."""
        for tried in range(_TIMES):
            for rank in range(_WIDTH):
                best = np.inf
                for size in sorted(self.archive):
                    models = self.archive[size]
                    useful = models[0].loss < best * (1 - 1e-6)
                    best = min(best, models[0].loss)
                    if useful and rank < len(models) and models[rank].tried <= tried:
                        return models[rank]
        return None

    def enter(self, models: Sequence[Model]) -> Iterator[Expression]:
        """Keep what is among the best of its size; yields what improves on all that is not longer."""
        for model in sorted(models, key=lambda m: m.loss):
            # What costs time, the canonical form, is left to whoever judges the few that are yielded.
            size = len(model.program.codes)
            row = self.archive.get(size, [])
            if (
                not np.isfinite(model.loss)
                or size > self.most
                or len(model.program.constants) > MOST_CONSTANTS
            ):
                continue
            if len(row) == _WIDTH and model.loss >= row[-1].loss:
                continue
            if any(abs(m.loss - model.loss) <= 1e-7 * m.loss for m in row):
                continue  # another spelling, most likely
            e = Expression(*model.program, self.names)
            if bounds(e, self.data.box) is None:
                continue
            row = self.archive.setdefault(size, [])
            row.append(model)
            row.sort(key=lambda m: m.loss)
            del row[_WIDTH:]
            known = min((v for k, v in self.told.items() if k <= size), default=np.inf)
            if model.loss < known * (1 - _WORTH_TELLING):
                self.told[size] = model.loss
                yield e

    def fitted(self, programs: Sequence[Program]) -> list[Model]:
        """Programs with fitted constants: all by a few steps, the best to the end."""
        fresh = []
        for p in programs:
            key = hash((tuple(p.codes), tuple(float(f"{c:.3g}") for c in p.constants)))
            finite = all(map(np.isfinite, p.constants))
            if finite and key not in self.seen and len(p.constants) <= MOST_CONSTANTS + 2:
                self.seen.add(key)
                fresh.append(p)
        if not fresh:
            return []
        self.charge(len(fresh))
        first = self._fit(fresh, self.fewer, self.data.y[: self.fewer.shape[1]], _FIRST_STEPS)
        order = sorted(range(len(first)), key=lambda k: (first[k].loss, k))
        count: dict[int, int] = {}
        kept = []
        for k in order:
            size = len(first[k].program.codes)
            if np.isfinite(first[k].loss) and count.get(size, 0) < _FITTED:
                count[size] = count.get(size, 0) + 1
                kept.append(first[k].program)
        return self._fit(kept, self.columns, self.data.y, _LAST_STEPS) if kept else []

    def _fit(self, programs: Sequence[Program], X: NDArray, y: NDArray, steps: int) -> list[Model]:
        packed = pack_programs(programs)
        fit = fit_constants(packed, X, y, None, steps, self.data.weights[: len(y)], self.n_jobs)
        edges = packed.const_offsets
        return [
            Model(Program(p.codes, fit.constants[edges[k] : edges[k + 1]].tolist()), float(fit.loss[k]))
            for k, p in enumerate(programs)
        ]

    # ---------------------------------------------------------------- moves
    def insertions(self, model: Model) -> list[Program]:
        """The most promising insertions into a formula."""
        program = model.program
        codes = program.codes
        value, by_constant, by_node, node_values = derivatives(program, self.few)
        w = self.root_weight
        if not (np.all(np.isfinite(value)) and np.all(np.isfinite(by_node))):
            return []
        basis = orthonormal((by_constant * w).T)
        residual = (self.data.y[: len(value)] - value) * w
        residual = residual - basis @ (basis.T @ residual)
        total = float(residual @ residual)
        found: list[tuple[float, int, int, int]] = []  # promised loss, nodes added, node, column
        for at in range(len(codes)):
            weight = by_node[at] * w
            gain = self._gains(weight, residual, basis)
            added = self.pool.size + 3
            for g in _best_per_size(gain, added, _PER_SIZE):
                found.append((total - float(gain[g]), int(added[g]), at, int(g)))
            # A shift and a factor: the columns 1 and u itself.
            for kind, column in ((-1, weight), (-2, weight * node_values[at])):
                rest = column - basis @ (basis.T @ column)
                size = float(rest @ rest)
                if size > 1e-6 * float(column @ column):
                    shared = float(rest @ residual)
                    gained = shared * (shared / size)  # the square itself may be beyond float64
                    if np.isfinite(gained):
                        found.append((total - gained, 2, at, kind))
        found = [f for f in found if len(codes) + f[1] <= self.most + 4 and f[0] < total * (1 - 1e-4)]
        return [self._insert(program, at, g) for _, _, at, g in _spread(found)]

    def _gains(self, weight: NDArray, residual: NDArray, basis: NDArray) -> NDArray:
        """Fall of the weighted sum of squares promised by each column of the pool, inserted at one node."""
        sides = np.column_stack([residual * weight, basis * weight[:, None]]).astype(np.float32)
        onto = self.pool_values @ sides
        raw = self.pool_squares @ (weight * weight).astype(np.float32)
        rest = raw - np.einsum("ij,ij->i", onto[:, 1:], onto[:, 1:])
        with np.errstate(all="ignore"):
            gain = onto[:, 0] ** 2 / rest
        # A column that hardly differs from the others would win by cancellation.
        return np.where(rest > 1e-4 * raw, gain, 0.0)

    def _insert(self, program: Program, at: int, column: int) -> Program:
        """``u + eps*g`` at a node; ``u + eps`` and ``eps*u`` for the columns -1 and -2."""
        before = sum(c == CONSTANT for c in program.codes[: at + 1])
        head, tail = program.codes[: at + 1], program.codes[at + 1 :]
        if column == -1:
            middle, values = [CONSTANT, _ADD], [0.0]
        elif column == -2:
            middle, values = [CONSTANT, _MUL], [1.0]
        else:
            g = self.pool.programs[column]
            middle, values = [CONSTANT, *g.codes, _MUL, _ADD], [0.0, *g.constants]
        constants = [*program.constants[:before], *values, *program.constants[before:]]
        return Program([*head, *middle, *tail], constants)


# -------------------------------------------------------------------------------------------------- parts
def orthonormal(columns: NDArray) -> NDArray:
    """Orthonormal basis of the span of columns (n, k), dependent ones dropped."""
    size = np.linalg.norm(columns, axis=0)
    good = np.isfinite(size) & (size > 0)
    left, singular, _ = np.linalg.svd(columns[:, good] / size[good], full_matrices=False)
    return left[:, singular > 1e-7 * max(singular.max(initial=0.0), 1e-300)]


def _best_per_size(value: NDArray, size: NDArray, count: int) -> list[int]:
    chosen: list[int] = []
    for s in np.unique(size):
        same = np.flatnonzero(size == s)
        if len(same) > count:
            same = same[np.argpartition(-value[same], count - 1)[:count]]
        chosen += same.tolist()
    return chosen


def _spread(found: list[tuple[float, int, int, int]]) -> list[tuple[float, int, int, int]]:
    """The best of every size, then the best of all, without promising less for more nodes."""
    found.sort()
    count: dict[int, int] = {}
    kept = []
    best_shorter: dict[int, float] = {}
    for f in found:
        best_shorter[f[1]] = min(best_shorter.get(f[1], np.inf), f[0])
    for f in found:
        shorter = min((v for s, v in best_shorter.items() if s < f[1]), default=np.inf)
        if f[0] < shorter and count.get(f[1], 0) < 12:
            count[f[1]] = count.get(f[1], 0) + 1
            kept.append(f)
        if len(kept) == _TRIALS:
            break
    return kept


def data_of(X: NDArray, y: NDArray, weights: NDArray | None) -> Data:
    """Rows with weights of mean one and the box of the columns."""
    w = np.ones(len(y)) if weights is None else weights / weights.mean()
    return Data(X, y, w, box_of(X))


def pool_of(expressions: Sequence[Expression], data: Data) -> Pool:
    """Columns of formulas that are safe, vary, and are not ruled by a row or two."""
    rows = data.X[:SCORE_ROWS]
    safe = [e for e in expressions if bounds(e, data.box) is not None]
    programs = [program_of(e) for e in safe]
    values = evaluate_batch(pack_programs(programs), np.ascontiguousarray(rows.T))
    with np.errstate(all="ignore"):
        centred = values - values.mean(axis=1, keepdims=True)
        squares = centred**2
        total = squares.sum(axis=1)
        good = np.isfinite(total) & (total > 1e-12 * np.einsum("ij,ij->i", values, values))
        good &= squares.max(axis=1) < max(0.3, 3.0 / len(rows)) * total
    kept = np.flatnonzero(good)
    scale = np.sqrt(np.mean(values[kept] ** 2, axis=1))
    sizes = np.array([len(programs[k].codes) for k in kept], np.int64)
    return Pool([programs[k] for k in kept], values[kept] / scale[:, None], scale, sizes)
