"""What every method of the harness offers: prepare, fit under a budget, answer."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import SymnumError
from symnum.expressions.expression import Expression


class NotApplicable(SymnumError):
    """The method does not treat problems of this kind."""


class FitTimeout(Exception):
    """Raised inside a fit that goes on long after its budget."""


@dataclass(frozen=True)
class Training:
    """What a method is given.

    Attributes
    ----------
    X : ndarray (n, d)
    y : ndarray (n,)
    names : tuple of str
    max_time : float
        Wall-clock seconds.
    n_jobs : int
        Threads.
    seed : int
    units : tuple of str or None
        Of the columns and, last, of the target; most methods do not look at them.
    trajectory : tuple or None
        Times of the rows and numbers of their trajectories, where the rows are states of a system.
    """

    X: NDArray[np.float64]
    y: NDArray[np.float64]
    names: tuple[str, ...]
    max_time: float
    n_jobs: int = 1
    seed: int = 0
    units: tuple[str, ...] | None = None
    trajectory: tuple[NDArray[np.float64], NDArray[np.int64]] | None = None


@dataclass
class Answer:
    """What a fitted method says.

    Attributes
    ----------
    predict : callable
        (m, d) -> (m,), the method's own predictions.
    expression : Expression or None
        The chosen formula over the names of the training data; None when the method has no formula or it
        cannot be written with symnum's operators.
    text : str or None
        The method's own spelling.
    front : list of Expression
    history : list of (seconds, Expression)
        When each formula first entered the front, counted from the start of the fit; None when not recorded.
    fit_seconds : float or None
        Duration of the fit as measured by the method, where it ran in a process of its own.
    reported_size, evaluations, stop_reason, note
        As the method gives them.
    """

    predict: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    expression: Expression | None = None
    text: str | None = None
    front: list[Expression] = field(default_factory=list)
    history: list[tuple[float, Expression]] | None = None
    fit_seconds: float | None = None
    reported_size: int | None = None
    evaluations: int | None = None
    stop_reason: str = ""
    note: str = ""


class Method(ABC):
    """One way to answer a problem.

    The harness calls `load` (imports, untimed), `fit` (timed) and `answer` (untimed), in this order and once.
    """

    name: str = ""
    distribution: str = ""
    """Package whose version is recorded."""
    extra: str = "symnum-discovery[eval]"
    """What to install when `requires` is missing."""
    requires: tuple[str, ...] = ()
    """Modules that must be importable."""
    start_seconds: float = 0.0
    """What `fit` may take beside the budget: starting another process, compiling there."""

    def missing(self) -> str:
        """Why this method cannot run here, "" when it can."""
        absent = [m for m in self.requires if importlib.util.find_spec(m) is None]
        return f"{', '.join(absent)} not installed (pip install '{self.extra}')" if absent else ""

    @property
    def version(self) -> str:
        """Version of the method's package, "" when there is none."""
        try:
            return importlib.metadata.version(self.distribution) if self.distribution else ""
        except importlib.metadata.PackageNotFoundError:
            return ""

    def load(self) -> None:
        """Import what the fit needs, so that imports are not timed."""
        for module in self.requires:
            importlib.import_module(module)

    @abstractmethod
    def fit(self, training: Training) -> Any:
        """Search; whatever it returns is handed to `answer`.

        Raises
        ------
        NotApplicable
            When the method does not treat problems of this kind.
        """

    @abstractmethod
    def answer(self, fitted: Any, training: Training) -> Answer:
        """Formula, predictions and book-keeping of a fit."""
