"""Trajectories on disk: shards of numbers with a manifest, written by several processes, resumable."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, overload

import numpy as np

from symnum.exceptions import InvalidInput
from symnum.expressions import Expression
from symnum.synthesis.families.pde_families import PDE_FAMILIES
from symnum.synthesis.families.residual import LEAVES
from symnum.synthesis.families.trajectories import (
    FAMILIES,
    EquationData,
    TrajectoryConfig,
    make_equations,
)

MANIFEST = "manifest.json"
FORMAT, VERSION = "symnum-trajectories", 1
_ARRAYS = ("index", "coefficients", "times", "values", "equations")


@dataclass(frozen=True)
class Progress:
    """What `write_shards` reports after every shard.

    Attributes
    ----------
    done, total : int
        Shards that are finished, and all of them.
    trajectories : int
        Trajectories written so far, earlier runs included.
    rejected : Counter
        Why trajectories and members were drawn again, and how often.
    """

    done: int
    total: int
    trajectories: int
    rejected: Counter[str]


@dataclass(frozen=True)
class _Task:
    name: str
    family: str
    first: int
    count: int


def write_shards(
    folder: str | Path,
    config: TrajectoryConfig,
    families: Sequence[str],
    equations: int,
    per_shard: int = 64,
    workers: int = 1,
    progress: Callable[[Progress], None] | None = None,
) -> Progress:
    """Make trajectories and keep them in a folder; a second call finishes what an interrupted one began.

    Parameters
    ----------
    folder : path
        Made when missing.
    config : TrajectoryConfig
        Laws and sizes.
    families : sequence of str
        Names of `symnum.synthesis.families.trajectories.FAMILIES`, each of which gets as many equations.
    equations : int
        Equations per family.
    per_shard : int
        Equations in a file.
    workers : int
        Processes.
    progress : callable, optional
        Called in this process after every shard.

    Returns
    -------
    Progress
        The final state.

    Raises
    ------
    InvalidInput
        When the folder cannot be written, holds something else, or was begun with other settings.

    Notes
    -----
    A shard appears under its name when it is complete; the manifest has its size and SHA-256, and a shard
    that does not match is made again. Files do not depend on the number of workers.
    """
    tasks = _tasks(families, equations, per_shard)
    root = Path(folder)
    manifest = _open(root, config, families, equations, per_shard)
    shards = manifest["shards"]
    for name in [n for n, entry in shards.items() if _fault(root, n, entry) is not None]:
        del shards[name]
    rejected: Counter[str] = Counter()
    for entry in shards.values():
        rejected.update(entry["rejected"])

    def state() -> Progress:
        return Progress(
            len(shards), len(tasks), sum(e["trajectories"] for e in shards.values()), Counter(rejected)
        )

    todo = [t for t in tasks if t.name not in shards]
    for name, entry in _run(root, config, todo, workers):
        shards[name] = entry
        rejected.update(entry["rejected"])
        _write(root / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
        if progress is not None:
            progress(state())
    return state()


class TrajectoryShards(Sequence[EquationData]):
    """Equations and their trajectories, read from a folder that `write_shards` filled.

    Parameters
    ----------
    folder : path
        Where the manifest is.

    Raises
    ------
    InvalidInput
        When there is no manifest, it is damaged or, on reading an item, its shard is missing or broken.

    Notes
    -----
    Families come one after the other, members in order. The last few shards read are kept in memory.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.manifest = _read_manifest(self.folder)
        self.config = _read_config(self.manifest, self.folder)
        order = {f: i for i, f in enumerate(self.manifest["families"])}
        self._shards = sorted(
            self.manifest["shards"].items(), key=lambda s: (order[s[1]["family"]], s[1]["first"])
        )
        self._ends = np.cumsum([entry["equations"] for _, entry in self._shards])
        self._load = lru_cache(maxsize=4)(self._read)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    @overload
    def __getitem__(self, index: int) -> EquationData: ...
    @overload
    def __getitem__(self, index: slice) -> list[EquationData]: ...
    def __getitem__(self, index: int | slice) -> EquationData | list[EquationData]:
        """One equation with its trajectories, or a list of them."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(f"{len(self)} equations, no number {index}")
        shard = int(np.searchsorted(self._ends, place, side="right"))
        first = int(self._ends[shard - 1]) if shard else 0
        return self._item(shard, place - first)

    def __iter__(self) -> Iterator[EquationData]:
        for shard, (_, entry) in enumerate(self._shards):
            for row in range(entry["equations"]):
                yield self._item(shard, row)

    def check(self) -> list[str]:
        """What is wrong with each broken shard, in words; empty when all are whole."""
        faults = (_fault(self.folder, name, entry) for name, entry in self._shards)
        return [f for f in faults if f is not None]

    def _item(self, shard: int, row: int) -> EquationData:
        data = self._load(shard)
        family = self._shards[shard][1]["family"]
        d = data["values"].shape[3]
        names = LEAVES if family in PDE_FAMILIES else tuple(f"u_{i}" for i in range(d))
        return EquationData(
            family,
            int(data["index"][row]),
            tuple(Expression.parse(str(text), names) for text in data["equations"][row]),
            data["coefficients"][row],
            data["times"][row],
            data["values"][row],
            Counter(),  # counted for the whole shard, in the manifest
            self.config.seed,
        )

    def _read(self, shard: int) -> dict[str, np.ndarray]:
        name, entry = self._shards[shard]
        fault = _fault(self.folder, name, entry)
        if fault is not None:
            raise InvalidInput(f"{fault}; run write_shards with the same settings to make it again")
        try:
            with np.load(self.folder / name, allow_pickle=False) as file:
                return {key: file[key] for key in _ARRAYS}
        except (OSError, ValueError, KeyError) as error:
            raise InvalidInput(f"{self.folder / name} is no shard of trajectories: {error}") from error


# ------------------------------------------------------------ making
def _tasks(families: Sequence[str], equations: int, per_shard: int) -> list[_Task]:
    unknown = [f for f in families if f not in FAMILIES]
    if unknown or not families or len(set(families)) < len(families):
        raise InvalidInput(
            f"families must be different names of FAMILIES, got {unknown or list(families)}; "
            f"known: {', '.join(FAMILIES)}"
        )
    if equations < 1 or per_shard < 1:
        raise InvalidInput(f"equations and per_shard must be at least 1, got {equations} and {per_shard}")
    starts = range(0, equations, per_shard)
    return [  # round robin over the families, so that an unfinished folder is balanced
        _Task(f"{family}-{i:06d}.npz", family, start, min(per_shard, equations - start))
        for i, start in enumerate(starts)
        for family in families
    ]


def _run(
    root: Path, config: TrajectoryConfig, tasks: Sequence[_Task], workers: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    if workers <= 1 or len(tasks) <= 1:
        yield from (_make(root, config, task) for task in tasks)
        return
    from joblib import Parallel, delayed

    pool = Parallel(n_jobs=workers, return_as="generator_unordered")
    made: Any = pool(delayed(_make)(root, config, task) for task in tasks)
    yield from made


def _make(root: Path, config: TrajectoryConfig, task: _Task) -> tuple[str, dict[str, Any]]:
    """Make one shard and write it; its name and manifest entry."""
    data = make_equations(config, task.family, range(task.first, task.first + task.count))
    arrays = {
        "index": np.array([d.index for d in data]),
        "coefficients": np.array([d.coefficients for d in data]),
        "times": np.array([d.times for d in data]),
        "values": np.array([d.values for d in data]),
        "equations": np.array([[str(e) for e in d.equations] for d in data]),
    }
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    content = buffer.getvalue()
    _write(root / task.name, content)
    rejected = sum((d.rejected for d in data), Counter())
    return task.name, {
        "family": task.family,
        "first": task.first,
        "equations": task.count,
        "trajectories": int(np.prod(arrays["values"].shape[:2])),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "rejected": dict(rejected),
    }


def _write(path: Path, content: bytes) -> None:
    """Write a whole file or nothing."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise InvalidInput(
            f"cannot write {path}: {error.strerror or error}; choose another folder"
        ) from error
    finally:
        part.unlink(missing_ok=True)


# ------------------------------------------------------------ manifest
def _open(
    root: Path, config: TrajectoryConfig, families: Sequence[str], equations: int, per_shard: int
) -> dict[str, Any]:
    """Manifest of a new or an unfinished folder."""
    settings = {
        "format": FORMAT,
        "version": VERSION,
        "config": asdict(config),
        "families": list(families),
        "equations": equations,
        "per_shard": per_shard,
    }
    try:
        root.mkdir(parents=True, exist_ok=True)
        strangers = [p.name for p in root.iterdir() if not p.name.startswith(".")]
    except OSError as error:
        raise InvalidInput(f"cannot make the folder {root}: {error.strerror or error}") from error
    if not (root / MANIFEST).exists():
        if strangers:
            raise InvalidInput(f"{root} is not empty and has no {MANIFEST}; choose an empty or a new folder")
        manifest = settings | {"shards": {}}
        _write(root / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
        return manifest
    manifest = _read_manifest(root)
    other = [k for k, v in settings.items() if manifest.get(k) != v]
    if other:
        raise InvalidInput(
            f"{root} was begun with another {', '.join(other)}; use the same settings or another folder"
        )
    return manifest


def _read_manifest(root: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"no readable {MANIFEST} in {root}: {error.strerror or error}") from error
    except ValueError as error:
        raise InvalidInput(f"{root / MANIFEST} is damaged: {error}") from error
    keys = {"config", "families", "equations", "per_shard", "shards"}
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT or not keys <= set(manifest):
        raise InvalidInput(f"{root / MANIFEST} does not describe trajectories ({FORMAT})")
    if manifest["version"] != VERSION:
        raise InvalidInput(f"{root / MANIFEST} is of version {manifest['version']}, expected {VERSION}")
    return manifest


def _read_config(manifest: dict[str, Any], root: Path) -> TrajectoryConfig:
    known = {f.name for f in fields(TrajectoryConfig)}
    try:
        return TrajectoryConfig(**{k: v for k, v in manifest["config"].items() if k in known})
    except (AttributeError, TypeError) as error:
        raise InvalidInput(f"{root / MANIFEST} is damaged: {error}") from error


def _fault(root: Path, name: str, entry: dict[str, Any]) -> str | None:
    """What is wrong with a shard, in words; None when it is whole."""
    path = root / name
    try:
        content = path.read_bytes()
    except OSError as error:
        return f"shard {path} cannot be read ({error.strerror or error})"
    if len(content) != entry["bytes"]:
        return f"shard {path} is broken: {len(content)} bytes instead of {entry['bytes']}"
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        return f"shard {path} is broken: its checksum differs"
    return None if zipfile.is_zipfile(io.BytesIO(content)) else f"shard {path} is no npz file"
