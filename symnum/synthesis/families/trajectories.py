"""Trajectories of the families: any of them again from (seed, family, index)."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from symnum.exceptions import InvalidInput, SymnumError
from symnum.expressions import Expression
from symnum.synthesis.families.edits import Edit, edit
from symnum.synthesis.families.initial import RIEMANN
from symnum.synthesis.families.integrate import STATUS
from symnum.synthesis.families.ode_families import CHAOTIC_3D, ODE_FAMILIES
from symnum.synthesis.families.pde import EDIT_LEAVES, T_RANGE, PDEFamily
from symnum.synthesis.families.pde_families import PDE_FAMILIES
from symnum.synthesis.families.random_odes import (
    MAX_DIMENSION,
    RandomODELaw,
    benchmark_of,
    draw_system,
    is_interesting,
)
from symnum.synthesis.families.system import ODESystem

Float = NDArray[np.float64]
RANDOM_FAMILIES = tuple(f"random_{d}d" for d in range(1, MAX_DIMENSION + 1))
"""Families of random systems, by count of states."""
FAMILIES = (*ODE_FAMILIES, *PDE_FAMILIES, *RANDOM_FAMILIES)
"""Names of all families."""
GROUPS = MappingProxyType(
    {
        "chaotic_3d": CHAOTIC_3D,
        "all_odes": tuple(ODE_FAMILIES),
        "all_pdes": tuple(PDE_FAMILIES),
        "random": RANDOM_FAMILIES,
    }
)
"""Names for several families at once."""
CANDIDATES = 10  # initial conditions tried, at most, for each trajectory wanted
REDRAWS = 200  # members of a family tried before giving up


def family_names(names: Sequence[str]) -> tuple[str, ...]:
    """Families, with those of the groups (`GROUPS`) written out, each once."""
    return tuple(dict.fromkeys(f for name in names for f in GROUPS.get(name, (name,))))


@dataclass(frozen=True)
class TrajectoryConfig:
    """What trajectories are made; together with a family and an index it determines every number.

    Parameters
    ----------
    seed : int
        Seed of everything.
    trajectories : int
        Initial conditions per equation.
    spread : float
        Share of its central value by which a coefficient differs at most.
    points : int
        Times of ODEs, from 0 to the family's horizon.
    frames, cells : int
        Times and places of PDEs.
    irregular : bool
        Draw the times but the first uniformly, for every equation anew, instead of spacing them equally.
    initial : str or None
        Law of the initial fields of PDEs; the family's own when None. Riemann problems ("shock",
        "rarefaction", "two_shocks") are for families solved by finite volumes.

    Raises
    ------
    InvalidInput
        When a count or share is out of range.
    """

    seed: int = 0
    trajectories: int = 20
    spread: float = 0.1
    points: int = 192
    frames: int = 64
    cells: int = 128
    irregular: bool = False
    initial: str | None = None

    def __post_init__(self) -> None:
        counts = {"trajectories": 1, "points": 2, "frames": 2, "cells": 8}
        for name, least in counts.items():
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise InvalidInput(f"{name} must be a whole number of at least {least}, got {value!r}")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise InvalidInput(f"seed must be a whole number >= 0, got {self.seed!r}")
        if not 0 <= self.spread < 1:
            raise InvalidInput(f"spread must be at least 0 and less than 1, got {self.spread}")


@dataclass(frozen=True)
class EquationData:
    """One equation or system and trajectories of it.

    Attributes
    ----------
    family, index : str, int
        Which family, and which member of it.
    equations : tuple of Expression
        Right-hand sides, or the residual of a PDE, as PROSE writes them.
    coefficients : float64 array, shape (k,)
        Numbers of the member, in the family's order.
    times : float64 array, shape (m,)
        Times of all trajectories.
    values : float32 array, shape (n, m, d)
        States, or for PDEs the field at d places.
    rejected : Counter
        Why trajectories and members were drawn again, and how often.
    seed : int
        Seed it was made with.
    """

    family: str
    index: int
    equations: tuple[Expression, ...]
    coefficients: Float
    times: Float
    values: NDArray[np.float32]
    rejected: Counter[str] = field(default_factory=Counter)
    seed: int = 0

    @cached_property
    def skeleton(self) -> tuple[Expression, ...]:
        """Equations with every number set to 1."""
        return tuple(e.skeleton() for e in self.equations)

    def guess(self, rng: np.random.Generator, add: float = 0.15, delete: float = 0.15) -> Edit:
        """Equations with at most one term added or left out; see `symnum.synthesis.families.edits.edit`."""
        pde = self.family in PDE_FAMILIES
        at = ODE_FAMILIES[self.family].edit_at if self.family in ODE_FAMILIES else None
        return edit(self.equations, rng, add, delete, EDIT_LEAVES if pde else None, at)

    def observe(self, noise: float) -> NDArray[np.float32]:
        """Values with relative noise in the Euclidean norm of each trajectory, the same at every call."""
        rng = np.random.default_rng(_seed(self.seed, self.family, self.index, "noise"))
        return add_noise(self.values, noise, rng)


class SynthesisFailed(SymnumError):
    """No member of a family gave enough trajectories."""


def add_noise(values: ArrayLike, noise: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Add Gaussian noise of exactly ``noise`` times the norm of each trajectory.

    Parameters
    ----------
    values : array_like, shape (n, m, d)
        Trajectories.
    noise : float
        Norm of the noise over the norm of the trajectory (PROSE: 0.02).
    rng : numpy.random.Generator
        Source of the noise.
    """
    clean = np.asarray(values, dtype=np.float64)
    if not noise >= 0:
        raise InvalidInput(f"noise is a share of the norm, at least 0, got {noise}")
    direction = rng.standard_normal(clean.shape)
    axes = tuple(range(1, clean.ndim))
    norm = np.sqrt((clean**2).sum(axis=axes, keepdims=True))
    length = np.sqrt((direction**2).sum(axis=axes, keepdims=True))
    return (clean + noise * norm / length * direction).astype(np.float32)


def make_equations(config: TrajectoryConfig, family: str, indices: Sequence[int]) -> list[EquationData]:
    """Members of a family and their trajectories.

    Parameters
    ----------
    config : TrajectoryConfig
        Laws and sizes.
    family : str
        A name of `FAMILIES`.
    indices : sequence of int
        Which members; each depends on (config, family, index) only, not on the others.

    Raises
    ------
    InvalidInput
        When the family is unknown or an index is negative.
    SynthesisFailed
        When `REDRAWS` members in a row do not give enough trajectories.
    """
    if family not in FAMILIES:
        from difflib import get_close_matches

        near = get_close_matches(str(family), FAMILIES, n=3)
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        raise InvalidInput(f"unknown family {family!r}.{hint} Known: {', '.join(FAMILIES)}.")
    if any(i < 0 for i in indices):
        raise InvalidInput("indices of members are whole numbers >= 0")
    if family in ODE_FAMILIES:
        return _systems(config, ODE_FAMILIES[family], [int(i) for i in indices])
    if family in PDE_FAMILIES:
        return [_fields(config, PDE_FAMILIES[family], int(i)) for i in indices]
    dimension = RANDOM_FAMILIES.index(family) + 1
    return [_random_system(config, family, dimension, int(i)) for i in indices]


def make_equation(config: TrajectoryConfig, family: str, index: int) -> EquationData:
    """One member; see `make_equations`."""
    return make_equations(config, family, [index])[0]


# ------------------------------------------------------------ helpers
def _seed(seed: int, family: str, index: int, purpose: str = "data") -> np.random.SeedSequence:
    key = (zlib.crc32(family.encode()), index, zlib.crc32(purpose.encode()))
    return np.random.SeedSequence(seed, spawn_key=key)


def _times(config: TrajectoryConfig, rng: np.random.Generator, count: int, horizon: float) -> Float:
    if not config.irregular:
        return np.linspace(0.0, horizon, count)
    return np.concatenate([[0.0], np.sort(rng.uniform(0.0, horizon, count - 1))])


class _Draw:
    """Coefficients, times and candidate initial conditions of a member of a family, and what came of them."""

    def __init__(self, config: TrajectoryConfig, system: ODESystem, index: int) -> None:
        self.config, self.system, self.index = config, system, index
        self.rng = np.random.default_rng(_seed(config.seed, system.name, index))
        self.rejected: Counter[str] = Counter()
        self.redraws = 0
        self.draw()

    def draw(self) -> None:
        config, system = self.config, self.system
        self.coefficients = system.coefficients.draw(self.rng, 1, config.spread)[0]
        self.times = _times(config, self.rng, config.points, system.horizon)
        self.candidates = system.draw_initial(self.rng, CANDIDATES * config.trajectories)
        self.tried = 0
        self.accepted: list[Float] = []

    @property
    def missing(self) -> int:
        return self.config.trajectories - len(self.accepted)

    def next_candidates(self) -> Float:
        """Initial conditions to try next; another member of the family when this one's are used up."""
        if self.tried >= len(self.candidates):
            self.rejected["member"] += 1
            self.redraws += 1
            if self.redraws >= REDRAWS:
                raise SynthesisFailed(
                    f"{self.system.name}: {REDRAWS} members in a row gave fewer than "
                    f"{self.config.trajectories} trajectories ({dict(self.rejected)}); widen the bound"
                )
            self.draw()
        return self.candidates[self.tried : self.tried + self.missing]

    def take(self, values: Float, status: NDArray[np.int8]) -> None:
        """Keep the trajectories that arrived."""
        self.tried += len(values)
        self.accepted += list(values[status == 0])
        self.rejected.update(STATUS[s] for s in status[status > 0].tolist())

    def result(self) -> EquationData:
        return EquationData(
            self.system.name,
            self.index,
            tuple(self.system.target(self.coefficients)),
            self.coefficients,
            self.times,
            np.array(self.accepted).astype(np.float32),
            self.rejected,
            self.config.seed,
        )


def _systems(config: TrajectoryConfig, system: ODESystem, indices: Sequence[int]) -> list[EquationData]:
    """Members of one family, integrated together."""
    draws = [_Draw(config, system, i) for i in indices]
    pending = draws
    while pending:
        batches = [d.next_candidates() for d in pending]
        sizes = [len(b) for b in batches]
        found = system.integrate(
            np.repeat([d.coefficients for d in pending], sizes, axis=0),
            np.concatenate(batches),
            np.repeat([d.times for d in pending], sizes, axis=0),
        )
        ends = np.cumsum(sizes)
        for d, end, size in zip(pending, ends, sizes, strict=True):
            d.take(found.values[end - size : end], found.status[end - size : end])
        pending = [d for d in pending if d.missing]
    return [d.result() for d in draws]


def _random_system(config: TrajectoryConfig, family: str, dimension: int, index: int) -> EquationData:
    """Random system with bounded, moving trajectories that is no benchmark."""
    rng = np.random.default_rng(_seed(config.seed, family, index))
    rejected: Counter[str] = Counter()
    law = RandomODELaw()
    for _ in range(REDRAWS * CANDIDATES):
        system = draw_system(rng, dimension, law, family)
        initial = system.draw_initial(rng, 2 * config.trajectories)
        times = _times(config, rng, config.points, system.horizon)
        found = system.integrate([], initial, times, max_steps=5000)
        rejected.update(STATUS[s] for s in found.status[found.status > 0].tolist())
        arrived = found.values[found.ok][: config.trajectories]
        if len(arrived) < config.trajectories:
            rejected["member"] += 1
        elif not is_interesting(arrived):
            rejected["at rest"] += 1
        elif benchmark_of(system.symbols):
            rejected["benchmark"] += 1
        else:
            equations = tuple(system.target([]))
            values = arrived.astype(np.float32)
            return EquationData(family, index, equations, np.empty(0), times, values, rejected, config.seed)
    raise SynthesisFailed(f"{family}: no system with bounded trajectories found ({dict(rejected)})")


def _fields(config: TrajectoryConfig, family: PDEFamily, index: int) -> EquationData:
    """Member of a family of PDEs."""
    rng = np.random.default_rng(_seed(config.seed, family.name, index))
    rejected: Counter[str] = Counter()
    wanted = config.trajectories
    # The norm of a field of other size than 64 x 128 differs by the root of the sizes.
    scale = np.sqrt(config.frames * config.cells / (64 * 128))
    low, high = (scale * v for v in family.norm)
    for _ in range(REDRAWS):
        coefficients = family.coefficients.draw(rng, 1, config.spread)[0]
        times = _times(config, rng, config.frames, T_RANGE)
        accepted: list[Float] = []
        for _ in range(CANDIDATES):
            count = wanted - len(accepted)
            initial = family.draw_initial(rng, count, config.cells, config.initial)
            found = family.solve(coefficients, initial, times, config.initial not in RIEMANN)
            size = np.sqrt((found.values**2).sum(axis=(1, 2)))
            fits = found.ok & (low <= size) & (size <= high)
            rejected.update(STATUS[s] for s in found.status[~found.ok].tolist())
            rejected["norm"] += int((found.ok & ~fits).sum())
            accepted += list(found.values[fits])
            if len(accepted) == wanted:
                equations = tuple(family.target(coefficients))
                values = np.array(accepted).astype(np.float32)
                return EquationData(
                    family.name, index, equations, coefficients, times, values, +rejected, config.seed
                )
        rejected["member"] += 1
    raise SynthesisFailed(f"{family.name}: {REDRAWS} members gave too few fields ({dict(rejected)})")
