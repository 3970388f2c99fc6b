"""Search backends "snip", "snip-latent" and "tpsr", imported without torch and run with it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from symnum.exceptions import InvalidInput, MissingExtra
from symnum.problem import Problem
from symnum.search.budget import Budget
from symnum.search.candidate import Candidate, HallOfFame
from symnum.search.stages import Stage

WEIGHTS = "snip-decoder-small"


class _DecoderSearch:
    """What the three searches share."""

    name: str
    parameters: tuple[str, ...] = ("operators", "n_jobs", "weights", "device")

    def __init__(
        self,
        operators: Sequence[str] | None = None,
        n_jobs: int = 1,
        weights: Any = WEIGHTS,
        device: str | None = None,
    ) -> None:
        self.operators, self.n_jobs, self.weights, self.device = operators, n_jobs, weights, device

    def get_params(self, deep: bool = True) -> dict:
        """Constructor parameters, as scikit-learn wants them."""
        return {n: getattr(self, n) for n in self.parameters}

    def _ready(self) -> None:
        lacking = [n for n in ("torch", "transformers", "safetensors") if importlib.util.find_spec(n) is None]
        if lacking:
            raise MissingExtra(
                f"search={self.name!r} cannot run: {', '.join(lacking)} not installed: "
                "pip install -c constraints.txt -e '.[neural]'"
            )


class SNIPSearch(_DecoderSearch):
    """Search backend "snip": what the decoder writes, with constants fitted; needs the extra ``neural``.

    Beams first, then samples at changing temperature until the budget ends or a formula is exact. Kamienny et
    al. 2022 and Meidani et al. 2024, section 4.

    Parameters
    ----------
    operators : sequence of str, optional
        Operators of the formulas; all that the weights know when left out.
    n_jobs : int
        Threads; the result does not depend on it unless the clock ends the search.
    weights : str, path or SNIPDecoderModel
        Name or folder, see `symnum.models.find_weights`.
    device : str, optional
        Of torch; a CUDA device where there is one when left out.
    samples : int
        Formulas of a round.

    Notes
    -----
    One evaluation is one formula written, or one evaluation of one formula with its derivatives.
    """

    name = "snip"
    parameters = (*_DecoderSearch.parameters, "samples")

    def __init__(
        self,
        operators: Sequence[str] | None = None,
        n_jobs: int = 1,
        weights: Any = WEIGHTS,
        device: str | None = None,
        samples: int = 192,
    ) -> None:
        super().__init__(operators, n_jobs, weights, device)
        self.samples = samples

    def run(self, problem: Problem, budget: Budget, rng: np.random.Generator, hall: HallOfFame,
            ledger: list[Stage]) -> Iterator[Candidate]:  # fmt: skip
        """Yield each candidate that enters the hall of fame; stops at the budget's end or on exactness.

        Raises
        ------
        MissingExtra
            Without torch.
        WeightsNotFound
            Naming the places looked at.
        InvalidInput
            For an unknown device, operators without words, or damaged weights.
        """
        self._ready()
        if self.samples < 1:
            raise InvalidInput(f"samples must be 1 or more, got {self.samples!r}")
        from symnum.search.snip.sampling import Sampling

        yield from Sampling(self, problem, budget, rng, hall, ledger).run()
