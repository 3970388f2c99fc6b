"""How far a campaign is, on a terminal or as a line now and then."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from symnum.evaluation.task import Task

if TYPE_CHECKING:
    from rich.console import Console

_LINE_EVERY = 30.0  # seconds between lines where nothing can be redrawn


class Progress:
    """Counts of runs and an estimate of the time left.

    Parameters
    ----------
    waiting : iterable of Task
        What is going to be run.
    stored : int
        Runs that are there already.
    console : rich Console, optional
        Nothing is shown without one.
    """

    def __init__(self, waiting: Iterable[Task], stored: int, console: Console | None) -> None:
        waiting = list(waiting)
        self._left = Counter(task.method for task in waiting)
        self._budget = {task.method: task.max_time for task in waiting}
        self._spent: dict[str, list[float]] = {}
        self._stored, self._total = stored, stored + len(waiting)
        self._statuses: Counter[str] = Counter()
        self._console = console
        self._began = self._shown = time.monotonic()
        self._live: Any = None

    def __enter__(self) -> Progress:
        self._began = self._shown = time.monotonic()
        if self._console is not None and self._console.is_terminal:
            from rich.live import Live

            self._live = Live(self, console=self._console, refresh_per_second=2)
            self._live.__enter__()
        elif self._console is not None:
            self._print()
        return self

    def __exit__(self, *details: object) -> None:
        if self._live is not None:
            self._live.__exit__(*details)
        elif self._console is not None:
            self._print()

    def advance(self, row: Mapping[str, Any]) -> None:
        """Count a finished run."""
        method = row["method"]
        self._left[method] -= 1
        self._statuses[row["status"]] += 1
        self._spent.setdefault(method, []).append(row.get("run_seconds") or 0.0)
        if self._live is None and self._console is not None:
            now = time.monotonic()
            if now - self._shown > _LINE_EVERY:
                self._shown = now
                self._print()

    def seconds_left(self) -> float | None:
        """Estimate: what each method's runs took so far, at the pace of the lanes; None before the first."""
        work_done = sum(sum(seconds) for seconds in self._spent.values())
        if not work_done:
            return None
        work_left = 0.0
        for method, count in self._left.items():
            spent = self._spent.get(method)
            work_left += count * (sum(spent) / len(spent) if spent else self._budget[method])
        return work_left * (time.monotonic() - self._began) / work_done

    def line(self) -> str:
        """Everything in a line of text."""
        finished = self._statuses.total()
        done = self._stored + finished
        parts = [f"{done:,} of {self._total:,} runs"]
        if self._stored:
            parts.append(f"{self._stored:,} from before")
        parts += [f"{count:,} {status}" for status, count in sorted(self._statuses.items()) if status != "ok"]
        parts.append(f"{_duration(time.monotonic() - self._began)} so far")
        left = self.seconds_left()
        if left is not None and done < self._total:
            parts.append(f"about {_duration(left)} to go")
        return ", ".join(parts)

    def _print(self) -> None:
        assert self._console is not None  # noqa: S101
        self._console.print(self.line(), markup=False, soft_wrap=True)

    def __rich__(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        bar = ProgressBar(max(self._total, 1), self._stored + self._statuses.total(), width=60)
        return Group(bar, Text(self.line()))


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
