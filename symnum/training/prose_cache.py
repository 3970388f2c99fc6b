"""Cached trajectories, mapped into memory, with the words of their equations."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions import Expression
from symnum.synthesis.families.pde_families import PDE_FAMILIES
from symnum.synthesis.families.residual import LEAVES
from symnum.synthesis.families.shards import Progress, TrajectoryShards, write_shards
from symnum.synthesis.families.trajectories import EquationData, TrajectoryConfig

Float32 = NDArray[np.float32]
_LOCAL_HEADER = 30  # bytes of a member's header in a zip file before its name


@dataclass
class Shard:
    """Equations of one family, their trajectories mapped from disk.

    Attributes
    ----------
    values : float32 array, shape (equations, trajectories, m, values)
    times : float64 array, shape (equations, m)
    texts : array of str, shape (equations, expressions)
    coefficients, index : arrays
        See `EquationData`.
    """

    values: Float32
    times: NDArray[np.float64]
    texts: NDArray[np.str_]
    coefficients: NDArray[np.float64]
    index: NDArray[np.int64]


class TrajectoryCache:
    """Folder of trajectories that is made once and then mapped into memory.

    Parameters
    ----------
    folder : path
        What `TrajectoryCache.make` filled.

    Raises
    ------
    InvalidInput
        When there is no such folder, or a shard is broken.
    """

    def __init__(self, folder: str | Path) -> None:
        shards = TrajectoryShards(folder)
        faults = shards.check()
        if faults:
            raise InvalidInput(f"{faults[0]}; make the cache again with the same settings")
        self.folder, self.config = shards.folder, shards.config
        self.manifest: dict[str, Any] = shards.manifest
        self.families: tuple[str, ...] = tuple(self.manifest["families"])
        self._places: dict[str, list[tuple[int, int]]] = {f: [] for f in self.families}
        self._shards: list[Shard] = []
        for name, entry in sorted(self.manifest["shards"].items()):
            rows = range(entry["equations"])
            self._places[entry["family"]] += [(len(self._shards), row) for row in rows]
            self._shards.append(_map(self.folder / name))
        self._items: dict[tuple[str, int], EquationData] = {}

    @classmethod
    def make(
        cls,
        folder: str | Path,
        config: TrajectoryConfig,
        families: Sequence[str],
        equations: int,
        workers: int = 1,
        progress: Callable[[Progress], None] | None = None,
    ) -> TrajectoryCache:
        """Fill a folder, or finish filling it, and open it; see `write_shards`."""
        write_shards(folder, config, families, equations, workers=workers, progress=progress)
        return cls(folder)

    def equations(self, family: str) -> int:
        """Number of equations of a family."""
        return len(self._places[family])

    def __getitem__(self, place: tuple[str, int]) -> EquationData:
        """Equation of a family by number, its values a view of the file."""
        if place not in self._items:
            family, number = place
            k, row = self._places[family][number]
            shard = self._shards[k]
            d = shard.values.shape[3]
            names = LEAVES if family in PDE_FAMILIES else tuple(f"u_{i}" for i in range(d))
            self._items[place] = EquationData(
                family,
                int(shard.index[row]),
                tuple(Expression.parse(str(text), names) for text in shard.texts[row]),
                shard.coefficients[row],
                shard.times[row],
                shard.values[row],
                seed=self.config.seed,
            )
        return self._items[place]

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What decides the content."""
        keys = ("config", "families", "equations")
        return {k: self.manifest[k] for k in keys}


def _map(path: Path) -> Shard:
    """Arrays of an uncompressed npz file, the large one mapped."""
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        info = archive.getinfo("values.npy")
        file.seek(info.header_offset)
        name, extra = struct.unpack("<HH", file.read(_LOCAL_HEADER)[26:30])
        file.seek(info.header_offset + _LOCAL_HEADER + name + extra)
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = read(file)
        if fortran or dtype != np.float32 or info.compress_type != zipfile.ZIP_STORED:
            raise InvalidInput(f"{path} is no shard of trajectories; make the cache again")
        values = np.memmap(path, dtype, "r", file.tell(), shape)
    with np.load(path, allow_pickle=False) as rest:
        return Shard(values, rest["times"], rest["equations"], rest["coefficients"], rest["index"])
