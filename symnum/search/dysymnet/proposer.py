"""Parts of the formulas of networks, as columns for another search: FePySR's idea."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from symnum.expressions.expression import Expression
from symnum.problem import Problem
from symnum.search.budget import Budget
from symnum.search.dysymnet.backend import DySymNetSearch
from symnum.search.guesses import parts_found


def features(
    problem: Problem,
    budget: Budget,
    rng: np.random.Generator,
    operators: Sequence[str] | None = None,
    n_jobs: int = 1,
    preset: Any = "fast",
    most: int = 9,
) -> Iterator[Expression]:
    """Sub-expressions of pruned networks, those of the best formulas first; none is a column or a number.

    Parameters
    ----------
    problem : Problem
    budget : Budget
        What the networks may spend; they use all of it unless a formula is exact.
    rng : Generator
    operators : sequence of str, optional
    n_jobs : int
    preset : str or Preset
    most : int
        Sub-expressions at most.
    """
    yield from parts_found(DySymNetSearch(operators, n_jobs, preset), problem, budget, rng, most)
