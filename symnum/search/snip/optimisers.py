"""Minimisers without gradients that ask for a whole population at a time: grey wolves, CMA-ES."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput, MissingExtra

Float = NDArray[np.float64]


class Optimiser(Protocol):
    """Minimiser of a function of a population."""

    def ask(self) -> Float:
        """Positions (n, d) to be valued."""
        ...

    def tell(self, values: Float) -> None:
        """Values (n,) of the positions that were asked for."""
        ...


class GreyWolves:
    """Grey Wolf Optimiser (Mirjalili et al. 2014), as SNIP's latent search uses it.

    Every position moves to the mean of three points around the best three positions ever seen, the leaders;
    how far around falls linearly to zero over the steps. Positions are kept within the range of the numbers
    of the first population.

    Parameters
    ----------
    population : float64 array, shape (n, d)
        First positions; at least three.
    steps : int
        After so many the wolves stand still; `tell` may be called further.
    rng : Generator
    """

    def __init__(self, population: Float, steps: int, rng: np.random.Generator) -> None:
        if population.ndim != 2 or len(population) < 3 or steps < 1:
            raise InvalidInput(
                f"grey wolves need 3 positions or more and 1 step or more, got {population.shape}, {steps}"
            )
        self.positions, self.steps, self.rng = population.astype(np.float64), steps, rng
        self.low, self.high = float(population.min()), float(population.max())
        self.leaders = np.repeat(self.positions[:1], 3, axis=0)
        self.values = np.full(3, np.inf)
        self.step = 0

    def ask(self) -> Float:
        """Positions (n, d) to be valued."""
        return self.positions

    def tell(self, values: Float) -> None:
        """Values (n,) of the positions; those that are not finite count as infinitely bad."""
        values = np.where(np.isfinite(values), values, np.inf)
        every = np.concatenate([self.values, values])
        where = np.concatenate([self.leaders, self.positions])
        best = np.argsort(every, kind="stable")[:3]
        self.leaders, self.values = where[best].copy(), every[best]
        a = max(0.0, 2.0 - 2.0 * self.step / self.steps)
        moved = np.zeros_like(self.positions)
        for leader in self.leaders:
            r1, r2 = self.rng.random((2, *self.positions.shape))
            moved += leader - a * (2 * r1 - 1) * np.abs(2 * r2 * leader - self.positions)
        self.positions = np.clip(moved / 3, self.low, self.high)
        self.step += 1


class CMA:
    """CMA-ES (Hansen and Ostermeier 2001) of package ``cma``, with a generator of its own.

    Parameters
    ----------
    population : float64 array, shape (n, d)
        Valued first; the search begins at the best of them.
    spread : float
        First step length.
    rng : Generator

    Raises
    ------
    MissingExtra
        When the package is not installed.
    """

    def __init__(self, population: Float, spread: float, rng: np.random.Generator) -> None:
        if importlib.util.find_spec("cma") is None:
            raise MissingExtra(
                "the optimiser 'cma' is not installed: pip install -c constraints.txt -e '.[neural]'"
            )
        self.positions, self.spread, self.rng = population.astype(np.float64), spread, rng
        self._strategy: Any = None

    def ask(self) -> Float:
        """Positions (n, d) to be valued."""
        if self._strategy is not None:
            self.positions = np.array(self._strategy.ask())
        return self.positions

    def tell(self, values: Float) -> None:
        """Values (n,) of the positions; those that are not finite count as worse than all others."""
        known = np.isfinite(values)
        worst = float(values[known].max()) if known.any() else 0.0
        values = np.where(known, values, worst + 1.0)
        if self._strategy is None:
            import cma

            options = {
                "popsize": len(self.positions), "randn": self._normal, "seed": np.nan, "verbose": -9,
                "CMA_diagonal": True,
            }  # fmt: skip
            start = self.positions[int(np.argmin(values))]
            self._strategy = cma.CMAEvolutionStrategy(start, self.spread, options)
        else:
            self._strategy.tell(list(self.positions), values.tolist())

    def _normal(self, *shape: int) -> Float:
        return self.rng.standard_normal(shape)


OPTIMISERS: dict[str, Callable[[Float, int, np.random.Generator], Optimiser]] = {
    "gwo": GreyWolves,
    "cma": lambda population, steps, rng: CMA(population, 0.5 * float(population.std(axis=0).mean()), rng),
}
"""By name: from a first population, a number of steps and a generator."""
