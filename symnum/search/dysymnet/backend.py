"""Search backend "dysymnet" (Li et al. 2024, arXiv 2309.13705), imported without torch and run with it."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from symnum.exceptions import MissingExtra
from symnum.problem import Problem
from symnum.search.budget import Budget
from symnum.search.candidate import Candidate, HallOfFame
from symnum.search.stages import Stage


def missing() -> str:
    """What the search lacks to run here, empty when nothing."""
    if importlib.util.find_spec("torch") is None:
        return "torch is not installed: pip install -c constraints.txt -e '.[neural]'"
    return ""


class DySymNetSearch:
    """Search backend "dysymnet"; needs the extra ``neural``.

    Parameters
    ----------
    operators : sequence of str, optional
        Operators of the formulas; the preset's own when left out.
    n_jobs : int
        Threads; the result does not depend on it.
    preset : {"fast", "paper"} or Preset
    device : str, optional
        Of torch; a CUDA device where there is one when left out.

    Notes
    -----
    One evaluation is one step of one network, or one evaluation of one formula with its derivatives.

    Preset "paper" follows DySymNet's code, apart from

    - formulas without the first variable: the code rejects them;
    - columns: the code passes them in the order of an unordered set;
    - the refinement of constants, Levenberg-Marquardt on the numbers instead of BFGS on a symbolic sum over
      all rows, and the restarts of it, which all began at the same point;
    - the slope of the root of 0, which is not a number there;
    - an epoch in which no network is above the quantile: the code ends the search, here it goes on;
    - a network that fails in the second phase is trained again, as one that fails in the first;
    - weights of rows, which the code does not know;
    - noise, which is none of a search's business: the code adds one common offset to all rows.

    Kept are: no scaling of the target, the end at an R2 of 0.99, the penalty in both phases with a smooth
    part of 0.05, and the pruning of the output at 0.01.

    Preset "fast" differs in what networks are (every layer reads the columns and a constant, sums of
    every second network have three inputs at most, no sums as units, up to three layers), in their training
    (by the hundred, the best three of ten for 200 steps, the others for 60), in what is read out (two degrees
    of pruning, constants taken away while the description gets shorter, simple numbers) and in the reward
    (description length saved). What survives is chosen among networks of like size, and formulas of like
    many constants: large ones approximate anything.
    """

    def __init__(
        self,
        operators: Sequence[str] | None = None,
        n_jobs: int = 1,
        preset: Any = "fast",
        device: str | None = None,
    ) -> None:
        self.operators: Sequence[str] | None = operators
        self.n_jobs: int = n_jobs
        self.preset: Any = preset
        self.device: str | None = device

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Constructor parameters, as scikit-learn wants them."""
        return {n: getattr(self, n) for n in ("operators", "n_jobs", "preset", "device")}

    def prepare(self) -> None:
        """Load torch, which takes seconds in a new process; called before the clock starts.

        Raises
        ------
        MissingExtra
            Without torch.
        """
        self._ready()
        import torch

        importlib.import_module("symnum.search.dysymnet.epochs")
        torch.optim.Adam([torch.zeros(1)])  # the first optimiser loads half of it

    def run(self, problem: Problem, budget: Budget, rng: np.random.Generator, hall: HallOfFame,
            ledger: list[Stage]) -> Iterator[Candidate]:  # fmt: skip
        """Yield each candidate that enters the hall of fame; stops at the budget's end or on exactness.

        Raises
        ------
        MissingExtra
            Without torch.
        InvalidInput
            For an unknown preset or device, or operators that no unit has.
        """
        self._ready()
        from symnum.search.dysymnet.epochs import Epochs

        yield from Epochs(self, problem, budget, rng, hall, ledger).run()

    @staticmethod
    def _ready() -> None:
        if reason := missing():
            raise MissingExtra(f"search='dysymnet' cannot run: {reason}")
