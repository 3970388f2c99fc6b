"""Samples on disk: numbered Parquet shards and a manifest, written by several processes, resumable.

A shard holds a fixed range of sample numbers and depends on the generator alone, not on the number of
processes. The manifest is rewritten after every shard; running the same export again keeps what is finished
and whole, and does the rest.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import symnum
from symnum.exceptions import InvalidInput, SymnumError
from symnum.synthesis.generator import EquationGenerator
from symnum.synthesis.parquet import file_checksum, read_batch, read_table, require_pyarrow, write_batch
from symnum.synthesis.sample import Batch
from symnum.synthesis.uniqueness import SeenFunctions

MANIFEST = "manifest.json"
FORMAT, VERSION = "symnum-samples", 1
SHARD = 2048
"""Sample numbers of a shard."""

Report = Callable[[int, int], None]
"""Called with the samples finished so far and the samples asked for."""


@dataclass
class Manifest:
    """What a folder of samples holds.

    Attributes
    ----------
    generator : dict
        `EquationGenerator.to_dict`.
    config_hash : str
        `EquationGenerator.config_hash`.
    n : int
        Samples asked for.
    shards : dict of int to dict
        By number: file, start, stop, sha256, outcomes of the attempts, and the rows that do not count
        (functions that occurred before, surplus of the last shard).
    versions : dict of str to str
        Of symnum, numpy, numba and Python.
    """

    generator: dict[str, Any]
    config_hash: str
    n: int
    shards: dict[int, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def samples(self) -> int:
        """Rows that count."""
        return sum(s["stop"] - s["start"] - len(s["dropped"]) for s in self.shards.values())

    def outcomes(self) -> Counter[str]:
        """What became of all attempts."""
        total: Counter[str] = Counter()
        for shard in self.shards.values():
            total.update(shard["outcomes"])
        return total

    def write(self, folder: Path) -> None:
        """Replace the folder's manifest at once."""
        data = {
            "format": FORMAT,
            "version": VERSION,
            "config_hash": self.config_hash,
            "n": self.n,
            "samples": self.samples(),
            "outcomes": dict(self.outcomes()),
            "versions": self.versions,
            "generator": self.generator,
            "shards": [self.shards[k] for k in sorted(self.shards)],
        }
        partial = folder / (MANIFEST + ".partial")
        partial.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        partial.replace(folder / MANIFEST)

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Manifest of a folder; raises InvalidInput when there is none or it cannot be read."""
        path = folder / MANIFEST
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InvalidInput(f"no {MANIFEST} in {folder}; write samples with `symnum synth`") from None
        except (OSError, ValueError) as error:
            raise InvalidInput(f"{path} cannot be read: {error}") from error
        if not isinstance(data, dict) or data.get("format") != FORMAT or data.get("version") != VERSION:
            raise InvalidInput(f"{path} is no manifest of samples of version {VERSION}")
        try:
            shards = {s["start"] // SHARD: s for s in data["shards"]}
            return cls(data["generator"], data["config_hash"], data["n"], shards, data["versions"])
        except (KeyError, TypeError) as error:
            raise InvalidInput(f"{path} is damaged: {error!r}") from error


def export_samples(
    generator: EquationGenerator,
    folder: str | Path,
    n: int,
    workers: int = 1,
    report: Report | None = None,
) -> Manifest:
    """Write samples 0, 1, 2, ... into a folder until n of them count.

    Parameters
    ----------
    generator : EquationGenerator
        Where it is `unique`, functions that occurred before do not count.
    folder : path
        Made when missing. A folder that holds a part of the same export is completed, broken shards are
        redone.
    n : int
        Number of samples.
    workers : int
        Processes. The samples do not depend on it.
    report : callable, optional
        Called after every shard.

    Raises
    ------
    InvalidInput
        When the folder cannot be written or holds something else.
    MissingExtra
        When pyarrow is not installed.

    Notes
    -----
    With several workers, a script that calls this needs the usual ``if __name__ == "__main__":``.
    """
    require_pyarrow()
    if not isinstance(n, (int, np.integer)) or n < 1:
        raise InvalidInput(f"n must be 1 or more, got {n!r}")
    if not isinstance(workers, (int, np.integer)) or not 1 <= workers <= 1024:
        raise InvalidInput(f"workers must be 1 to 1024, got {workers!r}")
    path = Path(folder)
    run = _Export(generator, path, int(n), _open(path, generator, int(n)), report)
    generator.tokenizer.save(path)
    if workers == 1:
        run.finish(lambda k: _done(_make_shard(generator, path, *run.range(k))), 1)
        return run.manifest
    generator.batch(0, 1)  # compiles here, once; the workers find it on disk
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start_worker, (generator.to_dict(), str(path))) as pool:
        try:
            run.finish(lambda k: pool.submit(_work, *run.range(k)), workers + 1)
        except BrokenProcessPool:
            raise SymnumError(
                "a worker process was ended from outside (out of memory?); run the same export again to go on"
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return run.manifest


class _Export:
    """Shards in order: those there already, those being made, which rows count."""

    def __init__(
        self, generator: EquationGenerator, folder: Path, n: int, manifest: Manifest, report: Report | None
    ) -> None:
        self.unique, self.folder, self.n, self.manifest = generator.unique, folder, n, manifest
        self.report = report or (lambda done, total: None)
        self.seen = SeenFunctions()
        self.kept = 0

    def range(self, k: int) -> tuple[int, int]:
        """Sample numbers of shard k; the last one is shorter where every sample counts."""
        return k * SHARD, (k + 1) * SHARD if self.unique else min((k + 1) * SHARD, self.n)

    def finish(self, start: Callable[[int], Future[dict[str, Any]]], ahead: int) -> None:
        """Make all shards that are missing, up to ``ahead`` at a time, and take them in order."""
        pending: dict[int, Future[dict[str, Any]]] = {}
        k = begun = 0
        while self.kept < self.n:
            last = k + ahead if self.unique else min(k + ahead, -(-self.n // SHARD))
            for j in range(max(begun, k), last):
                if not self.is_whole(j):
                    pending[j] = start(j)
            begun = max(begun, last)
            if k in pending:
                self.manifest.shards[k] = pending.pop(k).result()
            self.take(k)
            k += 1
        for j in [j for j in self.manifest.shards if j >= k]:
            del self.manifest.shards[j]
        self.manifest.write(self.folder)
        for future in pending.values():
            if not future.cancel():
                future.result()
        self.remove_surplus(k)

    def is_whole(self, k: int) -> bool:
        """Whether a shard of an earlier run is there as it should be."""
        entry = self.manifest.shards.get(k)
        path = self.folder / shard_name(k)
        if entry is None or (entry["start"], entry["stop"]) != self.range(k) or not path.is_file():
            return False
        return file_checksum(path) == entry["sha256"]

    def take(self, k: int) -> None:
        """Settle which rows of shard k count."""
        entry = self.manifest.shards[k]
        size = entry["stop"] - entry["start"]
        keep = np.ones(size, np.bool_)
        if self.unique:
            hashes = read_table(self.folder / shard_name(k), ["value_hash"])["value_hash"].to_numpy()
            keep = self.seen.new(hashes)
            keep &= np.cumsum(keep) <= self.n - self.kept
        entry["dropped"] = np.flatnonzero(~keep).tolist()
        self.kept += int(keep.sum())
        self.manifest.write(self.folder)
        self.report(self.kept, self.n)

    def remove_surplus(self, shards: int) -> None:
        """Delete shards beyond the last one, begun before that was known or by a longer export."""
        for path in self.folder.glob("shard-*.parquet"):
            number = path.stem.removeprefix("shard-")
            if number.isdigit() and int(number) >= shards:
                path.unlink()


def _open(folder: Path, generator: EquationGenerator, n: int) -> Manifest:
    """Folder made and tried, and the manifest of what is there of this export."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".write-test-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise InvalidInput(f"cannot write to folder {str(folder)!r}: {error.strerror or error}") from error
    manifest = Manifest(generator.to_dict(), generator.config_hash, n, versions=_versions())
    if (folder / MANIFEST).exists():
        before = Manifest.read(folder)
        if before.config_hash != generator.config_hash:
            raise InvalidInput(
                f"folder {str(folder)!r} holds samples of another seed or law; choose an empty folder"
            )
        manifest.shards = before.shards
    elif any(folder.glob("shard-*.parquet")):
        raise InvalidInput(f"folder {str(folder)!r} holds shards but no {MANIFEST}; choose an empty folder")
    return manifest


def _versions() -> dict[str, str]:
    import numba
    import pyarrow

    return {
        "symnum": symnum.__version__,
        "numpy": np.__version__,
        "numba": numba.__version__,
        "pyarrow": pyarrow.__version__,
        "python": platform.python_version(),
    }


def shard_name(k: int) -> str:
    """File name of shard k."""
    return f"shard-{k:06d}.parquet"


def _make_shard(generator: EquationGenerator, folder: Path, start: int, stop: int) -> dict[str, Any]:
    batch = generator.batch(start, stop - start)
    name = shard_name(start // SHARD)
    try:
        checksum = write_batch(batch, folder / name)
    except OSError as error:
        raise InvalidInput(f"cannot write {name} to {str(folder)!r}: {error.strerror or error}") from error
    outcomes = {k: v for k, v in batch.outcomes.items() if v}
    return {
        "file": name,
        "start": start,
        "stop": stop,
        "sha256": checksum,
        "outcomes": outcomes,
        "dropped": [],
    }


def _done(result: dict[str, Any]) -> Future[dict[str, Any]]:
    future: Future[dict[str, Any]] = Future()
    future.set_result(result)
    return future


_worker: tuple[EquationGenerator, Path] | None = None  # of this process, set when it starts


def _start_worker(generator: dict[str, Any], folder: str) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the run
    _worker = EquationGenerator.from_dict(generator), Path(folder)


def _work(start: int, stop: int) -> dict[str, Any]:
    if _worker is None:
        raise RuntimeError("the worker process was not started by export_samples")
    return _make_shard(*_worker, start, stop)


# ------------------------------------------------------------------------------------------------- reading
def read_shards(folder: str | Path, check: bool = False) -> Iterator[Batch]:
    """Samples of a folder that count, a batch for every shard, in order.

    Parameters
    ----------
    folder : path
        Where `export_samples` wrote.
    check : bool
        Compare every file with its checksum first.

    Raises
    ------
    InvalidInput
        When a shard is missing, broken or (with `check`) was changed.
    """
    path = Path(folder)
    manifest = Manifest.read(path)
    generator = EquationGenerator.from_dict(manifest.generator)
    for k in sorted(manifest.shards):
        entry = manifest.shards[k]
        file = path / entry["file"]
        if check and (not file.is_file() or file_checksum(file) != entry["sha256"]):
            raise InvalidInput(f"{file} is missing or was changed; run the same export again to redo it")
        batch = read_batch(file, generator._writer, generator.law.dims[1], generator.law.n_points)
        keep: NDArray[np.bool_] = np.ones(len(batch), np.bool_)
        keep[entry["dropped"]] = False
        yield batch if keep.all() else batch.take(keep)
