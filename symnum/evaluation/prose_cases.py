"""What forecasters like PROSE are tested on: windows of trajectories with noise, guesses, and the truth."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions import Expression
from symnum.synthesis.families.edits import add_term, delete_term
from symnum.synthesis.families.ode_families import ODE_FAMILIES
from symnum.synthesis.families.pde import EDIT_LEAVES
from symnum.synthesis.families.pde_families import PDE_FAMILIES
from symnum.synthesis.families.trajectories import (
    EquationData,
    TrajectoryConfig,
    add_noise,
    make_equations,
)

Float = NDArray[np.float64]
GUESSES = ("known", "skeleton", "unknown", "added", "deleted", "none")
"""The true equations with numbers, their skeleton, the skeleton with at most one term wrong (0.15 added, 0.15
missing), with one term added, with one missing, no guess."""
POINTS, BOX = 50, 5.0
FAILED = 1.0
"""Error of a route that gives no answer: that of predicting zero."""
_EXPLODED = 10.0


@dataclass(frozen=True)
class Condition:
    """One setting of the study.

    Attributes
    ----------
    guess : str
        One of `GUESSES`.
    noise : float
        Norm of the noise over that of the trajectory.
    spread : float
        Share of its central value by which a coefficient differs at most.
    """

    guess: str = "unknown"
    noise: float = 0.02
    spread: float = 0.1

    def __post_init__(self) -> None:
        if self.guess not in GUESSES:
            raise InvalidInput(f"guess is one of {', '.join(GUESSES)}, got {self.guess!r}")
        if not (self.noise >= 0 and 0 <= self.spread < 1):
            raise InvalidInput(f"noise is at least 0 and spread below 1, got {self.noise} and {self.spread}")


@dataclass(frozen=True)
class Case:
    """One window and what is true of it.

    Attributes
    ----------
    family, index : str, int
    t : float64 array, shape (n,)
        All times; the first `window` are given.
    truth : float64 array, shape (n, d)
        States without noise.
    shown : float64 array, shape (window, d)
        States with noise.
    equations : tuple of Expression
    guess : tuple of Expression or None
        Over the states; its numbers are true ones for "known", else 1.
    """

    family: str
    index: int
    t: Float
    truth: Float
    shown: Float
    equations: tuple[Expression, ...]
    guess: tuple[Expression, ...] | None

    @property
    def window(self) -> int:
        """Steps that are given."""
        return len(self.shown)

    @property
    def later(self) -> Float:
        """Times asked for."""
        return self.t[self.window :]


def make_cases(
    condition: Condition, families: Sequence[str], equations: int, seed: int, window: int, first: int = 0
) -> list[Case]:
    """Cases of every family, one trajectory of each equation; any of them again from its number.

    Parameters
    ----------
    condition : Condition
    families : sequence of str
    equations : int
        Of each family.
    seed : int
    window : int
        Steps that are given.
    first : int
        Number of the first equation.
    """
    config = TrajectoryConfig(seed=seed, trajectories=1, spread=condition.spread)
    numbers = range(first, first + equations)
    return [
        _case(data, condition, window)
        for family in families
        for data in make_equations(config, family, list(numbers))
    ]


def _case(data: EquationData, condition: Condition, window: int) -> Case:
    key = [data.seed, zlib.crc32(data.family.encode()), data.index]
    truth = data.values[0].astype(np.float64)
    noisy = add_noise(truth[None], condition.noise, np.random.default_rng([*key, 1]))[0].astype(np.float64)
    guess = _guess(data, condition.guess, np.random.default_rng([*key, 2]))
    return Case(data.family, data.index, data.times, truth, noisy[:window], data.equations, guess)


def _guess(data: EquationData, kind: str, rng: np.random.Generator) -> tuple[Expression, ...] | None:
    if kind == "none":
        return None
    if kind == "known":
        return data.equations
    leaves = EDIT_LEAVES if data.family in PDE_FAMILIES else None
    at = ODE_FAMILIES[data.family].edit_at if data.family in ODE_FAMILIES else None
    if kind == "added":
        found = add_term(data.equations, rng, leaves, at).equations
    elif kind == "deleted":
        found = delete_term(data.equations, rng, at).equations
    else:
        found = data.guess(rng).equations if kind == "unknown" else data.equations
    return tuple(e.skeleton() for e in found)


# ---------------------------------------------------------------------------------------- measures
def forecast_errors(case: Case, made: Float | None) -> tuple[float, float]:
    """Relative L2 errors over the first half of the times asked for and over all, against clean states.

    No answer, one that is not finite, and one more than ten times too large count as `FAILED`.
    """
    truth = case.truth[case.window :]
    if made is None or made.shape != truth.shape:
        return FAILED, FAILED
    half = len(truth) // 2
    return _relative(made[:half], truth[:half]), _relative(made, truth)


def expression_error(
    truth: Sequence[Expression], found: Sequence[Expression] | None, seed: int = 0
) -> tuple[float, bool]:
    """Relative L2 error of right-hand sides at random points of a box, and whether they are valid.

    Valid is a system of as many equations as the truth that is finite at all points (PROSE, section 4: fifty
    points, uniform in [-5, 5]; here they are the same for everybody). Invalid ones count as `FAILED`.
    """
    if found is None or len(found) != len(truth):
        return FAILED, False
    X = np.random.default_rng(seed).uniform(-BOX, BOX, (POINTS, len(truth[0].names)))
    with np.errstate(all="ignore"):
        a, b = (np.stack([e.evaluate(X) for e in side]) for side in (truth, found))
    if not np.all(np.isfinite(b)):
        return FAILED, False
    return float(np.sqrt(np.sum((a - b) ** 2) / (np.sum(a**2) + 1e-6))), True


def _relative(made: Float, truth: Float) -> float:
    error = float(np.sqrt(np.sum((made - truth) ** 2) / (np.sum(truth**2) + 1e-6)))
    return error if error < _EXPLODED else FAILED
