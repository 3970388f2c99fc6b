"""Batches for PROSE: windows of cached trajectories, noise, guesses, query times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from symnum.exceptions import InvalidInput
from symnum.expressions.tokenizer import ExpressionTokenizer
from symnum.synthesis.families.pde_families import PDE_FAMILIES
from symnum.synthesis.families.shards import Progress
from symnum.synthesis.families.trajectories import (
    EquationData,
    TrajectoryConfig,
    add_noise,
    family_names,
)
from symnum.training.prose_cache import TrajectoryCache

SETTINGS = ("known", "skeleton", "unknown")


@dataclass(frozen=True)
class ProseData:
    """Which samples.

    Parameters
    ----------
    families : tuple of str
        Families or groups of them (`symnum.synthesis.families.trajectories.GROUPS`).
    held_out_families : tuple of str
        Left out of training.
    weights : mapping of str to float
        How much more often a family or group is drawn; 1 where nothing is said.
    setting : {"known", "skeleton", "unknown"}
        What the guess is: the equations with their numbers, their skeleton, or the skeleton with at most one
        term added or left out (with probability 0.15 each).
    unguessed : float
        Share of samples without a guess.
    equations, trajectories : int
        Of each family in the cache.
    held_out : int
        Equations of each family to measure on, with two trajectories each.
    spread : float
        Share of its central value by which a coefficient differs at most.
    window, points : int
        Times that are given, and times of a trajectory.
    varied : float
        Share of samples with a window of random place and length, and times left out at random.
    noise : (float, float)
        Range of the noise of the given states, relative to the norm of the trajectory.
    noisy_targets : bool
        Whether the states asked for have the noise too, as in the reference code.
    queries : int
        Query times of a sample, drawn from those after the window; 0 for all.
    frames, cells : int
        Times and places of fields.
    batch_size, pool : int
        Samples a batch, and batches whose samples are sorted by the length of their equations.
    seed, held_out_seed : int
    """

    families: tuple[str, ...] = ("all_odes",)
    held_out_families: tuple[str, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    setting: str = "unknown"
    unguessed: float = 0.0
    equations: int = 1000
    trajectories: int = 5
    held_out: int = 32
    spread: float = 0.1
    window: int = 64
    points: int = 192
    varied: float = 0.25
    noise: tuple[float, float] = (0.02, 0.02)
    noisy_targets: bool = False
    queries: int = 32
    frames: int = 64
    cells: int = 128
    batch_size: int = 64
    pool: int = 4
    seed: int = 0
    held_out_seed: int = 1_000_003

    def __post_init__(self) -> None:
        if self.setting not in SETTINGS:
            raise InvalidInput(f"setting is one of {', '.join(SETTINGS)}, got {self.setting!r}")
        for name in ("unguessed", "varied"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidInput(f"{name} is a share from 0 to 1, got {getattr(self, name)}")
        if len(self.noise) != 2 or not 0 <= self.noise[0] <= self.noise[1]:
            raise InvalidInput(f"noise is a range of shares of the norm, got {self.noise}")
        if (
            min(self.batch_size, self.pool, self.equations, self.trajectories, self.held_out) < 1
            or self.queries < 0
        ):
            raise InvalidInput("batch_size, equations, trajectories and held_out must be 1 or more")
        if not 8 <= self.window < self.steps:
            raise InvalidInput(
                f"window must be 8 to {self.steps - 1}, the times before the end, got {self.window}"
            )
        kinds = {f in PDE_FAMILIES for f in self.names}
        if len(kinds) != 1:
            raise InvalidInput("families must be all of states or all of fields, and not all held out")

    @property
    def names(self) -> tuple[str, ...]:
        """Families to train on."""
        left_out = set(family_names(self.held_out_families))
        return tuple(f for f in family_names(self.families) if f not in left_out)

    @property
    def is_pde(self) -> bool:
        """Whether the families are of fields."""
        return self.names[0] in PDE_FAMILIES

    @property
    def steps(self) -> int:
        """Times of a trajectory."""
        return self.frames if all(f in PDE_FAMILIES for f in family_names(self.families)) else self.points

    @property
    def shares(self) -> NDArray[np.float64]:
        """Probability of each family."""
        table = {f: float(w) for key, w in self.weights.items() for f in family_names((key,))}
        raw = np.array([table.get(f, 1.0) for f in self.names])
        if np.any(raw < 0) or raw.sum() <= 0:
            raise InvalidInput(f"weights are numbers of at least 0, not all 0; got {dict(self.weights)}")
        return raw / raw.sum()

    def cache(
        self, folder: Path, held_out: bool = False, workers: int = 1, tell: Any = None
    ) -> TrajectoryCache:
        """Trajectories to train on or to measure on; made where they are missing."""
        config = TrajectoryConfig(
            seed=self.held_out_seed if held_out else self.seed,
            trajectories=2 if held_out else self.trajectories,
            spread=self.spread, points=self.points, frames=self.frames, cells=self.cells,
        )  # fmt: skip
        count = self.held_out if held_out else self.equations
        return TrajectoryCache.make(
            folder / ("held-out" if held_out else "training"), config, self.names, count, workers, tell
        )


def show(progress: Progress) -> None:
    """Print how far the cache is, some ten times."""
    if progress.done % max(1, progress.total // 10) and progress.done < progress.total:
        return
    print(  # noqa: T201
        f"cache: {progress.done} of {progress.total} shards, {progress.trajectories:,} trajectories",
        flush=True,
    )


class SampleMaker:
    """Makes batches out of equations and their trajectories.

    Parameters
    ----------
    data : ProseData
    tokenizer : ExpressionTokenizer
    values : int
        Columns of the values: most states, or cells of a field.
    """

    def __init__(self, data: ProseData, tokenizer: ExpressionTokenizer, values: int) -> None:
        self.data, self.tokenizer, self.values = data, tokenizer, values
        self._targets: dict[tuple[str, int, int], list[int]] = {}

    def batch(
        self, items: list[tuple[EquationData, int]], rng: np.random.Generator, plain: bool = False
    ) -> dict[str, Tensor]:
        """Inputs of `PROSEModel` for equations and the numbers of their trajectories.

        With `plain` the windows are the first times and all later times are asked for.
        """
        n = len(items)
        windows = [self._window(item, k, rng, plain) for item, k in items]
        m, q = (max(len(w[name]) for w in windows) for name in ("t", "tq"))
        arrays: dict[str, NDArray[Any]] = {
            "data_times": np.zeros((n, m), np.float32),
            "data_values": np.zeros((n, m, self.values), np.float32),
            "data_mask": np.zeros((n, m), bool),
            "dim_mask": np.zeros((n, self.values), bool),
            "query_times": np.zeros((n, q), np.float32),
            "data_labels": np.zeros((n, q, self.values), np.float32),
        }
        for i, w in enumerate(windows):
            length, d = w["u"].shape
            arrays["data_times"][i, :length], arrays["data_values"][i, :length, :d] = w["t"], w["u"]
            arrays["data_mask"][i, :length], arrays["dim_mask"][i, :d] = True, True
            arrays["query_times"][i], arrays["data_labels"][i, :, :d] = w["tq"], w["uq"]
        guesses = [self._guess(item, rng) for item, _ in items]
        arrays["input_ids"] = _padded(guesses, self.tokenizer.pad_id)
        arrays["attention_mask"] = arrays["input_ids"] != self.tokenizer.pad_id
        arrays["labels"] = _padded([self._target(item) for item, _ in items], self.tokenizer.pad_id)
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def _window(
        self, item: EquationData, k: int, rng: np.random.Generator, plain: bool
    ) -> dict[str, NDArray[Any]]:
        """Times and states given and asked for; times count from the window's beginning."""
        data = self.data
        clean = np.asarray(item.values[k], np.float64)
        level = rng.uniform(*data.noise)
        noisy = add_noise(clean[None], level, rng)[0]
        steps, window = len(clean), data.window
        begin, length, last = 0, window, steps
        if not plain and rng.random() < data.varied:
            length = int(rng.integers(window // 2, min(3 * window // 2, steps - 8) + 1))
            begin = int(rng.integers(0, steps - length - 7))
            last = min(steps, begin + 3 * length)
        chosen = np.arange(begin, begin + length)
        if length > window or (not plain and length != window and rng.random() < 0.5):
            kept = min(window, length, max(8, int(rng.integers(length // 2, length + 1))))
            chosen = np.sort(rng.choice(chosen, kept, replace=False))
        asked = np.arange(begin + length, last)
        if not plain and data.queries:
            asked = np.sort(rng.choice(asked, data.queries, replace=len(asked) < data.queries))
        begin_time = item.times[chosen[0]]
        source = noisy if data.noisy_targets else clean
        return {
            "t": item.times[chosen] - begin_time, "u": noisy[chosen],
            "tq": item.times[asked] - begin_time, "uq": source[asked],
        }  # fmt: skip

    def _guess(self, item: EquationData, rng: np.random.Generator) -> list[int]:
        if rng.random() < self.data.unguessed:
            return [self.tokenizer.placeholder_id]
        if self.data.setting == "known":
            return self.tokenizer.encode(item.equations, frame=False)
        system = item.guess(rng).equations if self.data.setting == "unknown" else item.equations
        return self.tokenizer.encode(system, skeleton=True, frame=False)

    def length(self, item: EquationData) -> int:
        """Words of the equations."""
        return len(self._target(item))

    def _target(self, item: EquationData) -> list[int]:
        key = (item.family, item.index, item.seed)
        if key not in self._targets:
            self._targets[key] = self.tokenizer.encode(item.equations)
        return self._targets[key]


def _padded(rows: list[list[int]], pad: int) -> NDArray[np.int64]:
    ids = np.full((len(rows), max(len(r) for r in rows)), pad, np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
    return ids


class ProseStream(IterableDataset):
    """Endless batches; the batch of a number is always the same, whoever makes it.

    Parameters
    ----------
    maker : SampleMaker
    cache : TrajectoryCache
    rank, world_size : int
        Number of this process among those that train together; each gets batches of its own.
    """

    def __init__(
        self, maker: SampleMaker, cache: TrajectoryCache, rank: int = 0, world_size: int = 1
    ) -> None:
        super().__init__()
        self.maker, self.cache, self.rank, self.world_size = maker, cache, rank, world_size
        self.batch_size = maker.data.batch_size
        self._shares = maker.data.shares
        self._done = 0

    def state_dict(self, batches: int, workers: int = 0) -> dict[str, int]:
        """State after `batches` batches, however many processes made them."""
        return {"batches": int(batches)}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on where the state was taken: the next batch is the one that would have come."""
        self._done = int(state["batches"])

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        info = get_worker_info()
        workers, worker = (info.num_workers, info.id) if info else (1, 0)
        number = self._done + worker  # a loader asks its workers in turn, beginning with worker 0
        while True:
            yield self.batch(number * self.world_size + self.rank)
            number += workers

    def batch(self, number: int) -> dict[str, Tensor]:
        """Batch of a number: targets of similar length out of a pool, so that little is padding."""
        data, cache = self.maker.data, self.cache
        pool, place = divmod(number, data.pool)
        rng = np.random.default_rng([data.seed, pool])
        # Families in proportion, the fractions at random.
        count = self.batch_size * data.pool
        drawn = np.searchsorted(np.cumsum(self._shares), (np.arange(count) + rng.random()) / count)
        samples = []
        for f in np.minimum(drawn, len(data.names) - 1).tolist():
            item = cache[data.names[f], int(rng.integers(cache.equations(data.names[f])))]
            samples.append((item, int(rng.integers(len(item.values)))))
        samples.sort(key=lambda s: self.maker.length(s[0]))  # stable: equal lengths keep their order
        first = int(rng.permutation(data.pool)[place]) * self.batch_size
        own = np.random.default_rng([data.seed, pool, place])
        return self.maker.batch(samples[first : first + self.batch_size], own)
