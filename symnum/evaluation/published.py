"""Results that others published: facts from CSV files, shown beside our own runs, never mixed with them."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from symnum.exceptions import InvalidInput

_COLUMNS = ("source", "method", "suite", "noise", "measure", "value", "problems", "budget", "note")


class Published(NamedTuple):
    """One method's figures on one suite and noise, from one source.

    ``values`` maps names of `symnum.evaluation.aggregate.MEASURES`, and ``reported_size``, to numbers.
    """

    source: str
    method: str
    suite: str
    noise: float
    problems: str
    budget: str
    note: str
    values: dict[str, float]

    def value(self, measure: str) -> float:
        """A figure, NaN where it was not published; sizes are those the methods report themselves."""
        own = self.values.get(measure, math.nan)
        return self.values.get("reported_size", own) if measure == "sympy_size" else own


def read_published(folder: str | Path | None) -> list[Published]:
    """Read all CSV files of a folder, in the order of their names.

    Raises
    ------
    InvalidInput
        When a file lacks a column or holds something else than a number where one belongs.
    """
    found: dict[tuple[str, str, str, str], Published] = {}
    for path in sorted(Path(folder).glob("*.csv")) if folder is not None else []:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            if missing := [c for c in _COLUMNS if c not in (rows.fieldnames or ())]:
                raise InvalidInput(
                    f"{path} lacks the columns {missing}; published results have {list(_COLUMNS)}"
                )
            for row in rows:
                _add(found, row, path)
    return list(found.values())


def default_folder() -> Path | None:
    """Folder of this project's published results, where the package lies in a checkout."""
    place = Path(__file__).resolve().parents[2] / "eval" / "results" / "published"
    return place if place.is_dir() else None


def best_first(entries: Sequence[Published], measure: str) -> list[Published]:
    """Sorted by a measure, those without it last."""
    return sorted(entries, key=lambda entry: -entry.value(measure) if measure in entry.values else math.inf)


def _add(found: dict[tuple[str, str, str, str], Published], row: dict[str, str], path: Path) -> None:
    key = (row["source"], row["method"], row["suite"], row["noise"])
    try:
        noise, value = float(row["noise"]), float(row["value"])
    except ValueError:
        raise InvalidInput(f"{path}: noise and value must be numbers in the row {row}") from None
    if key not in found:
        found[key] = Published(
            row["source"], row["method"], row["suite"], noise, row["problems"], row["budget"], row["note"], {}
        )
    found[key].values[row["measure"]] = value
