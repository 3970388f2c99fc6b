"""From a table to the files of a fit: the work behind `symnum fit` and `symnum demo`."""

from __future__ import annotations

import csv
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from symnum import persistence
from symnum.exceptions import InvalidInput
from symnum.tables import features_and_target, find_column, read_table
from symnum.terminal import LiveFront, front_table

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from symnum.regressor import SymbolicRegressor
    from symnum.report import Picture


@dataclass(frozen=True)
class Task:
    """A table split into what is given and what is sought."""

    X: pd.DataFrame
    y: NDArray[np.float64]
    target: str
    source: str
    notes: list[str] = field(default_factory=list)


def read_task(path: Path, target: str, features: Sequence[str] | None = None) -> Task:
    """Task from a file; `features` may hold several names separated by commas each."""
    table = read_table(path)
    names = None
    if features:
        names = [name for text in features for name in _column_list(table, text)]
    X, y, notes = features_and_target(table, target, names)
    return Task(X, y, target, path.name, [*table.attrs["notes"], *notes])


def read_units(text: str, task: Task) -> dict[str, Any]:
    """Keyword arguments of ``fit`` for units written as ``a=kg,b=m/s,T=N``.

    Raises
    ------
    InvalidInput
        When a part is no ``column=unit``, a column does not exist or has two units. Whether the units
        themselves can be read is checked by ``fit``.
    """
    units: dict[str, str] = {}
    for part in next(csv.reader([text], skipinitialspace=True)) or [text]:
        # From the right: names may hold an equals sign, units never do.
        name, sign, unit = (s.strip() for s in part.rpartition("="))
        if not sign or not name or not unit:
            raise InvalidInput(
                f"--units: {part!r} is not column=unit; expected e.g. --units 'a=kg,b=m/s,T=N'"
            )
        if name != task.target:
            find_column(task.X, name)
        if name in units:
            raise InvalidInput(f"--units names {name!r} twice")
        units[name] = unit
    return {"y_units": units.pop(task.target, None), "X_units": units or None}


def read_operators(text: str | None) -> list[str] | None:
    """Operators from text such as ``+,*,sin``; None for none.

    Raises
    ------
    InvalidInput
        When the text holds no name.
    """
    if text is None:
        return None
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names:
        raise InvalidInput(f"--operators: {text!r} names none; expected e.g. --operators '+,*,sin'")
    return names


def search_front(
    task: Task, console: Console, units: dict[str, Any] | None = None, **settings: Any
) -> SymbolicRegressor:
    """Fit with the front shown while it grows; Ctrl-C and SIGTERM end the search and keep what was found.

    Parameters
    ----------
    task : Task
    console : rich.console.Console
    units : dict, optional
        ``X_units`` and ``y_units`` of ``fit``.
    **settings
        Constructor arguments of `SymbolicRegressor`.

    Raises
    ------
    InvalidInput
        When a setting or a unit cannot be used.
    KeyboardInterrupt
        When the search was ended before it had found anything.
    """
    live = LiveFront(console, task.target)
    with live, interruptible(), warnings.catch_warnings():
        # Loading the search takes a second; the display is there first.
        from symnum.regressor import SymbolicRegressor

        warnings.filterwarnings("ignore", message="the search was interrupted")
        model = SymbolicRegressor(callbacks=[live], **settings)
        model.fit(task.X, task.y, **(units or {}))
    model.callbacks = None
    return model


def show_front(console: Console, model: SymbolicRegressor, target: str) -> None:
    """Print the table and the selected formula."""
    from symnum.plotting import front_points

    console.print(front_table(front_points(model), target, model.best_index_))
    console.print(f"{target} = {model.expressions_[model.best_index_].text(6)}", markup=False, soft_wrap=True)


def writable_folder(path: Path) -> Path:
    """Folder of a command's ``--out``; see `symnum.persistence.writable_folder`."""
    return persistence.writable_folder(path, "the folder ", "name another with --out")


def write_results(
    folder: Path, model: SymbolicRegressor, task: Task, pictures: Sequence[Picture] = ()
) -> list[Path]:
    """Write equations.csv, model.json, report.html and report.md; returns their paths."""
    from symnum.export import write_equations, write_model
    from symnum.report import write_report
    from symnum.report_markdown import write_markdown

    notes = list(task.notes)
    if model.stop_reason_ == "interrupted":
        notes.append("The search was interrupted; these are the formulas found until then.")
    described = {"target": task.target, "source": task.source, "notes": notes}
    with _signals(signal.SIG_IGN, signal.SIGINT, signal.SIGTERM):  # an impatient second Ctrl-C loses nothing
        return [
            write_equations(folder / "equations.csv", model),
            write_model(folder / "model.json", model, task.target),
            write_report(folder / "report.html", model, task.X, task.y, pictures=pictures, **described),
            write_markdown(folder / "report.md", model, **described),
        ]


def _column_list(table: pd.DataFrame, text: str) -> list[str]:
    """Names separated by commas; a text that is one column's name is that column."""
    if text in table.columns:
        return [text]
    return [name.strip() for name in next(csv.reader([text], skipinitialspace=True))] or [text]


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM, which `timeout` and batch systems send, ends a search like Ctrl-C does."""
    with _signals(_interrupt, signal.SIGTERM):
        yield


@contextmanager
def _signals(handler: Any, *signals: signal.Signals) -> Iterator[None]:
    """Handle signals in another way for a while; outside the main thread nothing can be changed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [signal.signal(number, handler) for number in signals]
    try:
        yield
    finally:
        for number, old in zip(signals, before, strict=True):
            signal.signal(number, old)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
