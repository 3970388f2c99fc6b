"""Parts of the formulas that the decoder writes, as columns for another search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from symnum.expressions.expression import Expression
from symnum.problem import Problem
from symnum.search.budget import Budget
from symnum.search.guesses import parts_found
from symnum.search.snip.backend import WEIGHTS, SNIPSearch


def features(
    problem: Problem,
    budget: Budget,
    rng: np.random.Generator,
    operators: Sequence[str] | None = None,
    n_jobs: int = 1,
    weights: Any = WEIGHTS,
    most: int = 9,
) -> Iterator[Expression]:
    """Sub-expressions of the decoder's formulas, constants fitted, those of the best formulas first.

    Give it to ``EnumerativeSearch(proposer=features)``. By default nothing is proposed.

    Parameters
    ----------
    problem : Problem
    budget : Budget
        What the decoder may spend; it uses all of it unless a formula is exact.
    rng : Generator
    operators : sequence of str, optional
    n_jobs : int
    weights : str, path or SNIPDecoderModel
    most : int
        Expressions at most.
    """
    yield from parts_found(SNIPSearch(operators, n_jobs, weights), problem, budget, rng, most)
