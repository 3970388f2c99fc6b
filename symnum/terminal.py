"""The Pareto front in a terminal: a table that grows while the search runs, or once at its end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table

    from symnum.expressions import Expression

_WIDE = 120  # columns when the output goes to a file or a pipe, where nothing can be measured


class Scored(Protocol):
    """What a row needs: an expression and how well it fits."""

    @property
    def expression(self) -> Expression: ...  # noqa: D102
    @property
    def complexity(self) -> int: ...  # noqa: D102
    @property
    def loss(self) -> float: ...  # noqa: D102
    @property
    def r2(self) -> float: ...  # noqa: D102


class Event(Protocol):
    """What the estimator tells its callbacks."""

    @property
    def front(self) -> Sequence[Scored]: ...  # noqa: D102
    @property
    def evaluations(self) -> int: ...  # noqa: D102
    @property
    def stage(self) -> str: ...  # noqa: D102


def make_console(*, stderr: bool = False) -> Console:
    """Console of the house: no guessing at numbers, wide lines where nobody watches."""
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, emoji=False)
    if not console.is_terminal:
        console = Console(stderr=stderr, highlight=False, emoji=False, width=_WIDE)
    return console


def front_table(
    front: Sequence[Scored], target: str, selected: int | None = None, *, first: int = 0
) -> Table:
    """Pareto front as a rich table from row `first` on, the selected row marked by a star."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE, pad_edge=False)
    for name in ("", "row", "complexity", "loss", "R2"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(Text(f"{target} ="), overflow="fold")
    for place, point in enumerate(front[first:], start=first):
        numbers = str(place), str(point.complexity), f"{point.loss:.3g}", f"{point.r2:.6f}"
        chosen = place == selected
        formula = Text(point.expression.text(6))
        table.add_row("*" if chosen else "", *numbers, formula, style="bold" if chosen else "")
    return table


class LiveFront:
    """Context manager and callback: shows the front while a search runs, in a terminal only.

    Parameters
    ----------
    console : rich.console.Console
        Where to draw; nothing is drawn unless it is a terminal.
    target : str
        Name of what is sought.

    Examples
    --------
    >>> with LiveFront(console, "T") as live:                                   # doctest: +SKIP
    ...     SymbolicRegressor(callbacks=[live]).fit(X, y)
    """

    def __init__(self, console: Console, target: str) -> None:
        self.console, self.target = console, target
        self._event: Event | None = None
        self._live: Any = None
        self._began = time.monotonic()

    def __enter__(self) -> LiveFront:
        self._began = time.monotonic()
        if self.console.is_terminal:
            from rich.live import Live

            # Gone at the end: the final table with the selected row takes its place.
            self._live = Live(self, console=self.console, refresh_per_second=4, transient=True)
            self._live.__enter__()
        return self

    def __exit__(self, *details: Any) -> None:
        if self._live is not None:
            self._live.__exit__(*details)

    def __call__(self, event: Event) -> None:
        """Take the newest front; drawing is left to the refreshing thread."""
        self._event = event

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the newest front, its upper rows left out where the terminal is too low."""
        event = self._event
        seconds = f"{time.monotonic() - self._began:.0f} s"
        if event is None:
            yield f"searching ... {seconds}"
            return
        hidden = max(len(event.front) - max(console.height - 6, 3), 0)
        yield front_table(event.front, self.target, first=hidden)
        count = f"{event.evaluations:,} expressions formed"
        yield f"{seconds}, {count}, {event.stage}; Ctrl-C keeps what was found"
