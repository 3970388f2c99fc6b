"""Where benchmark data lies: the committed facts of ``datasets/`` and the tables of third parties."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symnum.exceptions import InvalidInput, MissingExtra, SymnumError

if TYPE_CHECKING:
    import pandas as pd

TARGET = "target"
_FIRST = "first_principles_"


class DataNotFound(SymnumError, FileNotFoundError):
    """A table or a catalogue is at none of the places looked at."""


def datasets_dir() -> Path:
    """Folder of the committed facts: ``$SYMNUM_DATASETS``, else ``datasets/`` beside the package.

    Raises
    ------
    DataNotFound
        When neither is there: the installed package does not contain them.
    """
    given = os.environ.get("SYMNUM_DATASETS")
    place = Path(given) if given else Path(__file__).resolve().parents[2] / "datasets"
    if not (place / "feynman" / "feynman.csv").is_file():
        raise DataNotFound(
            f"the benchmark facts are not at {place} (no feynman/feynman.csv there); they are part of the"
            " repository, not of the installed package: set SYMNUM_DATASETS to a checkout's folder datasets/"
        )
    return place


@lru_cache(maxsize=32)
def read_facts(path: str) -> tuple[dict[str, str], ...]:
    """Rows of a CSV below the facts' folder, as dictionaries of text."""
    with (datasets_dir() / path).open(encoding="utf-8", newline="") as handle:
        return tuple(csv.DictReader(handle))


@dataclass(frozen=True)
class Table:
    """A table of a third party.

    Attributes
    ----------
    features : DataFrame (n, d)
        Input columns as SRBench names them: stripped, with "." written "_".
    target : ndarray (n,)
        In the file's own dtype.
    source : str
        Where it was found, e.g. "$SYMNUM_DATA".
    """

    features: pd.DataFrame
    target: object
    source: str


def find_table(name: str) -> tuple[Path, str] | None:
    """Path of a PMLB table and the place's name, or None; looks at the disk alone."""
    for root, label in _places():
        places = [root / name / f"{name}.tsv.gz", root / f"{name}.tsv.gz", root / f"{name}.csv"]
        if name.startswith(_FIRST):
            places += [root / "first_principles" / f"{n}.csv" for n in (name, name.removeprefix(_FIRST))]
        for path in places:
            if path.is_file():
                return path, label
    return None


def load_table(name: str, download: bool | None = None) -> Table:
    """Read a table of PMLB from ``$SYMNUM_DATA``, the user's cache, or over the network if that is allowed.

    Parameters
    ----------
    name : str
        PMLB's name, e.g. "1027_ESL".
    download : bool, optional
        Whether the ``pmlb`` package may fetch it; left out, ``SYMNUM_ALLOW_DOWNLOAD=1`` decides.

    Raises
    ------
    DataNotFound
        When the table is at none of the places; the message lists them.
    MissingExtra
        When it may be downloaded but ``pmlb`` is not installed.
    """
    if "/" in name or "\\" in name or name.startswith("."):
        raise InvalidInput(f"{name!r} is no name of a table")
    found = find_table(name)
    if found is None:
        if download is None:
            download = os.environ.get("SYMNUM_ALLOW_DOWNLOAD", "") == "1"
        if not download:
            places = "; ".join(f"{root} ({label})" for root, label in _places())
            raise DataNotFound(
                f"the table {name} is at none of: {places}. Put it there as {name}/{name}.tsv.gz, or set"
                " SYMNUM_ALLOW_DOWNLOAD=1 to let the pmlb package fetch it"
            )
        _download(name)
        found = find_table(name)
        if found is None:
            raise DataNotFound(f"pmlb gave no table {name}")
    return _read(*found)


def _places() -> list[tuple[Path, str]]:
    given = [Path(p) for p in os.environ.get("SYMNUM_DATA", "").split(os.pathsep) if p]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "symnum" / "pmlb"
    return [*((p, "$SYMNUM_DATA") for p in given), (cache, "user cache")]


def _download(name: str) -> None:
    try:
        import pmlb  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MissingExtra("downloading tables needs pmlb: pip install 'symnum-discovery[eval]'") from error
    cache = _places()[-1][0]
    cache.mkdir(parents=True, exist_ok=True)
    pmlb.fetch_data(name, local_cache_dir=str(cache))


def _read(path: Path, label: str) -> Table:
    import pandas as pd

    # SRBench reads with pandas' python engine, which rounds decimals correctly. The fast engine does so by
    # itself since pandas 3.1 and had to be told before.
    version = tuple(int(part) for part in pd.__version__.split(".")[:2])
    exact: dict[str, Any] = {} if version >= (3, 1) else {"float_precision": "round_trip"}
    frame = pd.read_csv(path, sep="," if path.suffix == ".csv" else "\t", **exact)
    frame = frame.rename(columns={c: str(c).strip().replace(".", "_") for c in frame.columns})
    if TARGET not in frame.columns:
        raise InvalidInput(f"{path.name} has no column {TARGET!r}, so it is no table of PMLB")
    return Table(frame.drop(columns=TARGET), frame[TARGET].to_numpy(), label)
