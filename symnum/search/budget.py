"""How long a search may go on: seconds, evaluations, or until told to stop."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Budget:
    """Limits of one search and what it has used.

    Parameters
    ----------
    max_time : float, optional
        Wall-clock seconds from `start`.
    max_evals : int, optional
        Expressions formed. With this limit alone nothing depends on the clock.
    room : float, optional
        Bytes for the columns of a stage; `symnum.search.memory` works them out.
    """

    max_time: float | None = None
    max_evals: int | None = None
    evaluations: int = 0
    reason: str = ""
    room: float | None = None
    _began: float = field(default_factory=time.perf_counter)

    def start(self) -> Budget:
        """Set the clock to zero."""
        self._began = time.perf_counter()
        return self

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._began

    def charge(self, evaluations: int) -> None:
        """Count expressions formed."""
        self.evaluations += int(evaluations)

    def stop(self, reason: str) -> None:
        """End the search for a reason of its own (first reason given stays)."""
        self.reason = self.reason or reason

    def expired(self) -> bool:
        """Whether the search must end now; `reason` says why."""
        if not self.reason:
            if self.max_evals is not None and self.evaluations >= self.max_evals:
                self.reason = "max_evals"
            elif self.max_time is not None and self.elapsed >= self.max_time:
                self.reason = "max_time"
        return bool(self.reason)

    def part(self, share: float) -> Budget:
        """Budget of a share of what is left, on the same clock; `take_back` adds what it has used."""
        time_limit = None if self.max_time is None else self.elapsed + share * self.left()
        evals = None if self.max_evals is None else self.evaluations + int(share * self.evals_left())
        return Budget(time_limit, evals, self.evaluations, room=self.room, _began=self._began)

    def take_back(self, part: Budget) -> None:
        """Count the evaluations of a part."""
        self.evaluations = max(self.evaluations, part.evaluations)

    def elements(self, count: int, each: float) -> int:
        """At most `count` elements of so many bytes each: as many as there is memory for."""
        return count if self.room is None else min(count, int(self.room // each))

    def left(self) -> float:
        """Seconds left, infinite without a time limit."""
        return float("inf") if self.max_time is None else max(0.0, self.max_time - self.elapsed)

    def evals_left(self) -> int:
        """Evaluations left, very many without a limit."""
        return 2**62 if self.max_evals is None else max(0, self.max_evals - self.evaluations)
