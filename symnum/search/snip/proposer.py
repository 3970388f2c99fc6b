"""What the decoder writes, for another search: parts of its formulas, and how often it uses what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.expression import Expression
from symnum.problem import Problem
from symnum.search.budget import Budget
from symnum.search.candidate import HallOfFame
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


def presence(
    problem: Problem,
    budget: Budget,
    rng: np.random.Generator,
    weights: Any = WEIGHTS,
    samples: int = 192,
) -> dict[str | int, float]:
    """Share of sampled formulas that an operator (by name) or a column (by index) occurs in.

    Give it to ``EnumerativeSearch(presence=presence)``: the bank then holds what is likely first. Operators
    without a word in the weights, and columns that the network was not shown, are left out.

    Parameters
    ----------
    problem, budget, rng, weights
        See `features`.
    samples : int
        Formulas that are drawn.
    """
    from symnum.models.decoder.generation import sample
    from symnum.search.snip.sampling import DecoderRun

    run = DecoderRun(SNIPSearch(weights=weights), problem, budget, rng, HallOfFame(problem), [])
    shown = run.read()
    encoding, columns = run.encode(shown)
    with run.network():
        drawn = sample(run.model, encoding, columns, -(-samples // len(shown)), run.generator,
                       stop=run.judge.late)  # fmt: skip
    budget.charge(drawn.scores.numel())
    tokens = drawn.tokens.numpy()
    words = run.model.tokenizer.vocabulary

    def share(rows: NDArray[np.int64], word: str) -> float:
        return float((rows == words.index[word]).any(-1).mean())

    found: dict[str | int, float] = {name: share(tokens, word) for name, word in words.operators.items()}
    for j in {j for reading in shown for j in reading.columns}:
        told = [(i, r.columns.index(j)) for i, r in enumerate(shown) if j in r.columns]
        found[j] = float(np.mean([share(tokens[i], words.variables[k]) for i, k in told]))
    return found
