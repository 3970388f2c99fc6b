"""Callbacks that show a search: a bar for notebooks and terminals, scalars for TensorBoard.

Both are given to ``SymbolicRegressor(callbacks=[...])``; the live table in a terminal is
`symnum.terminal.LiveFront`.
"""

from __future__ import annotations

import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symnum.exceptions import MissingExtra

if TYPE_CHECKING:
    from symnum.monitor import SearchEvent, SearchStart

_REFRESH = 0.25  # seconds
_FORMULA = 60  # characters


class ProgressBar:
    """A tqdm bar over the time (or the evaluations) that a search may use, with its best formula beside.

    Parameters
    ----------
    **settings
        For tqdm: ``leave``, ``file``, ``disable``, ...

    Notes
    -----
    In a notebook the bar is a widget where ipywidgets is installed, else text. A search may end long before
    the bar is full: it stops at an exact formula or at the noise.

    Examples
    --------
    >>> SymbolicRegressor(callbacks=[ProgressBar()]).fit(X, y)  # doctest: +SKIP
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self._bar: Any = None
        self._event: SearchEvent | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def on_fit_begin(self, start: SearchStart) -> None:
        """Show an empty bar."""
        from tqdm import TqdmWarning
        from tqdm.auto import tqdm

        by_time = start.max_time is not None
        total = start.max_time if by_time else start.max_evals
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TqdmWarning)  # no ipywidgets: the bar is text then
            layout = "{l_bar}{bar}| {n:.0f}/{total:.0f} {unit}{postfix}"
            self._bar = tqdm(
                total=total, unit="s" if by_time else "formulas", bar_format=layout, **self.settings
            )
        self._event, self._over = None, threading.Event()
        arguments = (self._bar, by_time, time.monotonic(), self._over)
        self._thread = threading.Thread(target=self._refresh, args=arguments, daemon=True)
        self._thread.start()

    def __call__(self, event: SearchEvent) -> None:
        """Take the newest front; the refreshing thread draws it."""
        self._event = event

    def on_fit_end(self) -> None:
        """Draw the last state and leave the bar."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        if self._bar is not None:
            self._bar.close()

    def _refresh(self, bar: Any, by_time: bool, began: float, over: threading.Event) -> None:
        done = False
        while not done:
            done = over.wait(_REFRESH)
            event = self._event
            passed = time.monotonic() - began if by_time else getattr(event, "evaluations", 0)
            bar.n = min(passed, bar.total)
            if event is not None:
                best = min(event.front, key=lambda c: c.bits)
                text = best.expression.text(4)
                text = text if len(text) <= _FORMULA else text[: _FORMULA - 1] + "…"
                bar.set_postfix_str(f"R² {best.r2:.5f}: {text}", refresh=False)
            bar.refresh()


class TensorBoardLog:
    """Scalars of a search as event files for TensorBoard, by number of formulas formed.

    Parameters
    ----------
    folder : str or Path
        Takes the event files; with several outputs each gets a folder inside.

    Notes
    -----
    Needs the package tensorboard, not torch: ``pip install tensorboard``, then ``tensorboard --logdir``.

    Examples
    --------
    >>> SymbolicRegressor(callbacks=[TensorBoardLog("runs/first")]).fit(X, y)  # doctest: +SKIP
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder: Path = Path(folder)
        self._writer: Any = None

    def on_fit_begin(self, start: SearchStart) -> None:
        """Open the event file.

        Raises
        ------
        MissingExtra
            When tensorboard is not installed.
        """
        try:
            from tensorboard.summary import Writer
        except ImportError:
            raise MissingExtra("TensorBoardLog needs tensorboard: pip install tensorboard") from None
        folder = self.folder if start.output == 0 else self.folder / f"output-{start.output}"
        self._writer = Writer(str(folder))

    def __call__(self, event: SearchEvent) -> None:
        """Write the state of the front."""
        shortest = min(event.front, key=lambda c: c.bits)
        scalars = {
            "front/size": len(event.front),
            "most exact/1 - R2": max(1 - event.front[-1].r2, 0.0),
            "most exact/complexity": event.front[-1].complexity,
            "shortest description/bits": shortest.bits,
            "shortest description/1 - R2": max(1 - shortest.r2, 0.0),
            "shortest description/complexity": shortest.complexity,
            "time/seconds": event.elapsed,
        }
        for tag, value in scalars.items():
            self._writer.add_scalar(tag, value, event.evaluations)

    def on_fit_end(self) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
