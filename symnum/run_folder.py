"""The folder of a run: what a search has found so far is on disk within a second, whatever happens next."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symnum import persistence
from symnum.fitted import set_results
from symnum.search.candidate import Candidate, HallOfFame

MODEL = "model.json"
UNFINISHED = "unfinished run"
_PAUSE = 0.5
"""Seconds between two checkpoints; more when writing one takes long."""


def open_folder(folder: str | Path, goes_on: bool) -> Path:
    """Folder that takes files; the model of an earlier run in it is kept under a number.

    Parameters
    ----------
    folder : str or Path
        Made when missing.
    goes_on : bool
        Whether this run goes on from the model in the folder; then the model stays where it is.

    Raises
    ------
    InvalidInput
        When the folder cannot be made or written to.
    """
    folder = persistence.writable_folder(Path(folder), "output_directory=", "name another folder")
    for partial in folder.glob(".*.new"):  # of a run that was killed while it wrote
        partial.unlink(missing_ok=True)
    if not goes_on and (folder / MODEL).exists():
        number = 1
        while (folder / f"model-{number}.json").exists():
            number += 1
        (folder / MODEL).rename(folder / f"model-{number}.json")
    return folder


def write_whole(model: Any, folder: Path) -> None:
    """Write model.json and equations.csv so that a reader finds the old files or the new, never a part."""
    persistence.write(model, folder / MODEL)
    beside = folder / ".equations.csv.new"
    try:
        _write_table(model, beside)
        beside.replace(folder / "equations.csv")
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def _write_table(model: Any, path: Path) -> None:
    if hasattr(model, "outputs_"):
        import pandas as pd

        tables = [part.equations_.rename_axis("row") for part in model.outputs_]
        pd.concat(tables, keys=range(len(tables)), names=["output"]).to_csv(path)
    else:
        model.equations_.to_csv(path, index_label="row")


class Checkpoints:
    """Writes the front of a running search to its folder, from a thread of its own.

    Parameters
    ----------
    model : SymbolicRegressor
        Being fitted; its parameters are written too.
    hall : HallOfFame
        Of the search.
    folder : Path
        From `open_folder`.
    """

    def __init__(self, model: Any, hall: HallOfFame, folder: Path) -> None:
        self.model: Any = model
        self.hall: HallOfFame = hall
        self.folder: Path = folder
        self._state: tuple[Any, ...] | None = None
        self._news, self._end = threading.Event(), threading.Event()
        self.failure: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="symnum-checkpoints", daemon=True)
        self._thread.start()

    def show(
        self, front: Sequence[Candidate], ledger: Sequence[Any], history: Sequence[Any], seconds: float
    ) -> None:
        """Take the newest state; it is on disk within a second."""
        self._state = (list(front), list(ledger), list(history), seconds)
        self._news.set()

    def close(self) -> None:
        """Stop writing; a state that was not written yet is left to the final model."""
        self._end.set()
        self._news.set()
        self._thread.join()

    def _work(self) -> None:
        while True:
            self._news.wait()
            if self._end.is_set():
                return
            self._news.clear()
            try:
                self._write()
            except Exception as error:  # a full disk must not end the search; it is told at the end
                self.failure = error
            self._end.wait(_PAUSE)

    def _write(self) -> None:
        state = self._state
        if state is None:
            return
        front, ledger, history, seconds = state
        model = self.model
        partial = type(model)(**model.get_params(deep=False))
        partial.n_features_in_ = model.n_features_in_
        partial._next_seed = vars(model).get("_next_seed")
        if hasattr(model, "feature_names_in_"):
            partial.feature_names_in_ = np.array(model.feature_names_in_, dtype=object)
        set_results(partial, self.hall, front, ledger, history, seconds, UNFINISHED)
        write_whole(partial, self.folder)
