"""What every test shares: a deterministic hypothesis profile, and a line saying which tests run."""

from __future__ import annotations

import time
from collections.abc import Iterator
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
