"""Search backends "snip", "snip-latent" and "tpsr", imported without torch and run with it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from symnum.exceptions import InvalidInput, MissingExtra, WeightsNotFound
from symnum.problem import Problem
from symnum.search.budget import Budget
from symnum.search.candidate import Candidate, HallOfFame
from symnum.search.stages import Stage

WEIGHTS = "snip-decoder-small"


def missing() -> str:
    """What the searches lack to run here, empty when nothing."""
    if lacking := _packages():
        return lacking
    from symnum.models.weights import find_weights

    try:
        find_weights(WEIGHTS)
    except WeightsNotFound as error:
        return str(error).splitlines()[0]
    return ""


def _packages() -> str:
    lacking = [n for n in ("torch", "transformers", "safetensors") if importlib.util.find_spec(n) is None]
    return (
        f"{', '.join(lacking)} not installed: pip install -c constraints.txt -e '.[neural]'"
        if lacking
        else ""
    )


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

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Constructor parameters, as scikit-learn wants them."""
        return {n: getattr(self, n) for n in self.parameters}

    def prepare(self) -> None:
        """Load libraries and network, seconds in a new process; called before the clock starts.

        Raises
        ------
        MissingExtra
            Without torch.
        WeightsNotFound
            Naming the places looked at.
        InvalidInput
            For an unknown device or damaged weights.
        """
        self._ready()
        from symnum.search.snip.sampling import load

        load(self.weights, self.device)

    def _ready(self) -> None:
        if lacking := _packages():
            raise MissingExtra(f"search={self.name!r} cannot run: {lacking}")


class SNIPSearch(_DecoderSearch):
    """Search backend "snip": what the decoder writes, with constants fitted; needs the extra ``neural``.

    Beams first, then samples at changing temperature until the budget ends, a formula is exact, or only noise
    is left. Kamienny et al. 2022 and Meidani et al. 2024, section 4. The network is also shown the problem
    with fewer variables (where a regression says that it can be had), with the logarithm, square and inverse
    of the target, and what the best formula so far leaves of the target.

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
        MissingExtra, WeightsNotFound, InvalidInput
            As `prepare`; the last also for operators without words.
        """
        self._ready()
        if self.samples < 1:
            raise InvalidInput(f"samples must be 1 or more, got {self.samples!r}")
        from symnum.search.snip.sampling import Sampling

        yield from Sampling(self, problem, budget, rng, hall, ledger).run()


class SNIPLatentSearch(_DecoderSearch):
    """Search backend "snip-latent": among the embeddings of SNIP; needs the extra ``neural``.

    A population of embeddings is decoded, the constants are fitted, and the bits of the formula and of its
    errors on rows held back say how good a place is. Meidani et al. 2024, section 4.2.

    Parameters
    ----------
    operators, n_jobs, weights, device
        See `SNIPSearch`.
    optimiser : {"gwo", "cma"}
        Grey wolves (the paper's) or CMA-ES.
    population : int
        Places; the paper has 50.
    steps : int
        After so many the population begins anew; the paper has 80.
    samples : int
        Formulas of a place: the likeliest word by word, the others drawn.

    Notes
    -----
    Other than in the reference code, targets of the first positions do get their noise; a skeleton that was
    met before keeps its fitness instead of counting as worthless; fitness is measured on rows held back and
    knows the length of a formula; no R2 ends the search but exactness; noise on the embedding is in units of
    its root mean square, as embeddings have length 1 here.
    """

    name = "snip-latent"
    parameters = (*_DecoderSearch.parameters, "optimiser", "population", "steps", "samples")

    def __init__(
        self,
        operators: Sequence[str] | None = None,
        n_jobs: int = 1,
        weights: Any = WEIGHTS,
        device: str | None = None,
        optimiser: str = "gwo",
        population: int = 24,
        steps: int = 10,
        samples: int = 2,
    ) -> None:
        super().__init__(operators, n_jobs, weights, device)
        self.optimiser, self.population, self.steps, self.samples = optimiser, population, steps, samples

    def run(self, problem: Problem, budget: Budget, rng: np.random.Generator, hall: HallOfFame,
            ledger: list[Stage]) -> Iterator[Candidate]:  # fmt: skip
        """Yield each candidate that enters the hall of fame; see `SNIPSearch.run`."""
        self._ready()
        from symnum.search.snip.latent import LatentSearch
        from symnum.search.snip.optimisers import OPTIMISERS

        if self.optimiser not in OPTIMISERS:
            raise InvalidInput(f"optimiser={self.optimiser!r} is unknown; use one of {', '.join(OPTIMISERS)}")
        if self.population < 3 or self.steps < 1 or self.samples < 1:
            raise InvalidInput(
                f"population, steps and samples are at least 3, 1 and 1, got {self.population!r}, "
                f"{self.steps!r} and {self.samples!r}"
            )
        yield from LatentSearch(self, problem, budget, rng, hall, ledger).run()


class TPSRSearch(_DecoderSearch):
    """Search backend "tpsr": the decoder's words planned by tree search; needs the extra ``neural``.

    Monte-Carlo tree search, Shojaee et al. 2023 (arXiv:2303.06833): every leaf is completed by the likeliest
    words, its constants are fitted, and the reward is ``1/(1 + e) + length_weight * exp(-words/200)``, where
    e is the relative error.

    Parameters
    ----------
    operators, n_jobs, weights, device
        See `SNIPSearch`.
    rollouts : int
        Leaves that are grown before the next word is settled; the paper has 3.
    width : int
        Likeliest words that a leaf is grown by.
    together : int
        Leaves that are grown at once.
    length_weight : float
        Of the length in the reward.
    exploration : float
        Factor of the confidence bound.

    Notes
    -----
    Where the paper ends with its sequence, this goes on from the first word with all that is known. Rewards
    are not asked of test rows. There is a tree for each view of the problem (see `SNIPSearch`); a word is
    settled in one after the other.
    """

    name = "tpsr"
    parameters = (
        *_DecoderSearch.parameters, "rollouts", "width", "together", "length_weight", "exploration",
    )  # fmt: skip

    def __init__(
        self,
        operators: Sequence[str] | None = None,
        n_jobs: int = 1,
        weights: Any = WEIGHTS,
        device: str | None = None,
        rollouts: int = 8,
        width: int = 3,
        together: int = 8,
        length_weight: float = 0.1,
        exploration: float = 1.0,
    ) -> None:
        super().__init__(operators, n_jobs, weights, device)
        self.rollouts, self.width, self.together = rollouts, width, together
        self.length_weight, self.exploration = length_weight, exploration

    def run(self, problem: Problem, budget: Budget, rng: np.random.Generator, hall: HallOfFame,
            ledger: list[Stage]) -> Iterator[Candidate]:  # fmt: skip
        """Yield each candidate that enters the hall of fame; see `SNIPSearch.run`."""
        self._ready()
        if min(self.rollouts, self.width, self.together) < 1:
            raise InvalidInput(
                f"rollouts, width and together are 1 or more, got {self.rollouts!r}, {self.width!r} and "
                f"{self.together!r}"
            )
        from symnum.search.snip.planning import Planning

        yield from Planning(self, problem, budget, rng, hall, ledger).run()
