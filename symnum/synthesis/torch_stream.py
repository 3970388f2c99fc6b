"""Training batches of synthetic formulas as torch tensors; the only module here that imports torch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from symnum.exceptions import InvalidInput
from symnum.synthesis.generator import EquationGenerator
from symnum.synthesis.sample import Batch


class StreamState(TypedDict):
    """Where a stream stands: batches consumed, and the worker processes that made them."""

    batches: int
    workers: int


class EquationStream(IterableDataset):
    """Endless batches of samples, each of formulas of similar length.

    Give it to ``DataLoader(stream, batch_size=None, num_workers=W)``: it makes whole batches itself.

    Parameters
    ----------
    generator : EquationGenerator
    batch_size : int
        Samples a batch.
    pool : int
        Batches a pool. The samples of a pool are sorted by token length before they are cut into batches, and
        the batches come in random order, so little padding is needed.
    numbers : bool
        Whether batches hold X and y as float32 numbers besides the token ids.
    rank, world_size : int
        Number of this process among the processes that train together; each gets samples of its own.

    Notes
    -----
    Pool p is made of consecutive sample numbers, so no two workers, ranks or pools share a sample, and the
    sequence of batches depends on generator, sizes, ranks and number of workers alone. Where the generator is
    `unique`, functions that occur twice in a pool are replaced by others.

    A batch is a dictionary of

    ``tokens`` int16 (b, longest), ``token_lengths`` int32 (b,)
        Ids of the formulas, framed and padded.
    ``points`` int16 (b, rows, 3 * (max_dim + 1))
        Ids of the points; see ``ExpressionTokenizer.encode_points``.
    ``dims``, ``rows`` int32 (b,)
        Numbers of variables and of rows.
    ``indices`` int64 (b,)
        Sample numbers.
    ``hashes`` int64 (b,)
        Equal for equal functions.
    ``X`` float32 (b, rows, max_dim), ``y`` float32 (b, rows)
        With `numbers`; y beyond float32 becomes infinite.

    Ids are kept as int16 to move little memory: convert them on the device.
    """

    def __init__(
        self,
        generator: EquationGenerator,
        batch_size: int = 256,
        pool: int = 8,
        numbers: bool = False,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__()
        if batch_size < 1 or pool < 1:
            raise InvalidInput(f"batch_size and pool must be 1 or more, got {batch_size} and {pool}")
        if not 0 <= rank < world_size:
            raise InvalidInput(f"rank must be 0 to world_size - 1, got {rank} of {world_size}")
        self.generator, self.batch_size, self.pool, self.numbers = generator, batch_size, pool, numbers
        self.rank, self.world_size = rank, world_size
        needed = batch_size * pool
        # A few more sample numbers than samples where repeated functions are left out.
        self.span = needed + (needed + 7) // 8 if generator.unique else needed
        self._state: StreamState = {"batches": 0, "workers": 0}
        self._pool: Batch | None = None

    def state_dict(self, batches: int, workers: int = 0) -> StreamState:
        """State after `batches` batches from a loader with that many workers; `load_state_dict` takes it.

        The loader prefetches, so only the consumer knows how many batches it has seen.
        """
        if batches < 0 or workers < 0:
            raise InvalidInput(f"numbers of batches and workers are 0 or more, got {batches} and {workers}")
        return {"batches": int(batches), "workers": int(workers)}

    def load_state_dict(self, state: StreamState) -> None:
        """Go on where the state was taken: the next batch is the one that would have come."""
        self._state = self.state_dict(state["batches"], state["workers"])

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        info = get_worker_info()
        workers, worker = (info.num_workers, info.id) if info else (1, 0)
        done = self._state["batches"]
        if done and max(self._state["workers"], 1) != workers:
            raise InvalidInput(
                f"the state is one of {self._state['workers']} workers; go on with as many, not {workers}"
            )
        # A loader asks its workers in turn, beginning with worker 0.
        logical = (worker + done) % workers
        skip = done // workers + (logical < done % workers)
        place = logical + workers * (skip // self.pool)
        skip %= self.pool
        while True:
            yield from itertools.islice(self._batches(place * self.world_size + self.rank), skip, None)
            skip = 0
            place += workers

    def _batches(self, p: int) -> Iterator[dict[str, torch.Tensor]]:
        """Batches of pool p."""
        self._pool = batch = self.generator.batch(p * self.span, self.span, out=self._pool)
        needed = self.batch_size * self.pool
        chosen = np.arange(self.span)
        if self.generator.unique:
            first = np.zeros(self.span, np.bool_)
            first[np.unique(batch.hashes, return_index=True)[1]] = True
            # Repetitions come last, so they only fill up a pool that has too few functions.
            chosen = np.concatenate([np.flatnonzero(first), np.flatnonzero(~first)])[:needed]
        order = chosen[np.argsort(batch.token_lengths[chosen], kind="stable")]
        for k in np.random.default_rng([self.generator.seed, p]).permutation(self.pool):
            yield self._tensors(batch, order[k * self.batch_size : (k + 1) * self.batch_size])

    def _tensors(self, batch: Batch, rows: NDArray[np.integer]) -> dict[str, torch.Tensor]:
        lengths = batch.token_lengths[rows]
        points = batch.encode_points(rows)
        arrays: dict[str, NDArray[Any]] = {
            "tokens": batch.tokens[rows, : int(lengths.max())],
            "token_lengths": lengths,
            "points": points,
            "dims": batch.dims[rows],
            "rows": batch.rows[rows],
            "indices": batch.indices[rows],
            "hashes": batch.hashes[rows].view(np.int64),
        }
        if self.numbers:
            longest = points.shape[1]
            with np.errstate(over="ignore"):
                arrays["X"] = batch.X[rows, :, :longest].transpose(0, 2, 1).astype(np.float32)
                arrays["y"] = batch.y[rows, :longest].astype(np.float32)
        return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
