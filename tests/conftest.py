"""What every test shares: a deterministic hypothesis profile, and a line saying which tests run."""

from __future__ import annotations

import signal
import time
import weakref
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from hypothesis import settings

# Same examples in every run: a red test is red for everybody. Compiling numba kernels makes the first call of
# a test slow, so single examples have no deadline; pytest-timeout guards the whole test.
settings.register_profile("symnum", derandomize=True, deadline=None, database=None)
settings.load_profile("symnum")


def pytest_report_header(config: pytest.Config) -> str:
    return f"selected markers: {config.option.markexpr or 'all'} (change with -m)"


class GivenSearch:
    """Search backend that proposes the formulas it was given: the estimator around it is tested at no cost.

    Parameters
    ----------
    *texts : str
        Formulas in the names of the columns, proposed in this order.
    pause : float
        Seconds before each.
    """

    def __init__(self, *texts: str, pause: float = 0.0) -> None:
        self.texts, self.pause = texts, pause

    def run(self, problem: Any, budget: Any, rng: Any, hall: Any, ledger: list) -> Iterator[Any]:
        """Yield each formula that enters the hall of fame."""
        from symnum import Expression

        for text in self.texts:
            time.sleep(self.pause)
            budget.charge(1)
            candidate = hall.add(Expression.parse(text, problem.names), "given", budget.elapsed)
            if candidate is not None:
                yield candidate
            if budget.expired():
                return


@pytest.fixture(scope="session")
def given_search() -> type[GivenSearch]:
    """The class `GivenSearch`."""
    return GivenSearch


class Alarm(Exception):
    """What the fixture `alarm` raises."""


def _swallowed(frame: FrameType | None) -> bool:
    """Whether Python would swallow an exception here: finalisers, callbacks of weak references and of the
    garbage collector (hypothesis has one)."""
    while frame is not None:
        if frame.f_code.co_filename == weakref.__file__ or frame.f_code.co_name in ("__del__", "gc_callback"):
            return True
        frame = frame.f_back
    return False


@pytest.fixture
def alarm() -> Iterator[Callable[[float], type[Alarm]]]:
    """Have SIGALRM raise the returned exception after so many seconds, later where it would be swallowed."""
    if not hasattr(signal, "SIGALRM"):
        pytest.skip("no SIGALRM here")

    def ring(_: int, frame: FrameType | None) -> None:
        if not _swallowed(frame):
            raise Alarm
        signal.setitimer(signal.ITIMER_REAL, 0.01)

    def after(seconds: float) -> type[Alarm]:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        return Alarm

    before = signal.signal(signal.SIGALRM, ring)
    yield after
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
