"""One symbolic definition of a family of ordinary differential equations, and everything made from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions import Expression
from symnum.expressions.floats import PROSE_FLOATS
from symnum.expressions.printers import name_latex
from symnum.synthesis.families.forms import Tree, from_tree, insert_numbers, prose_form, readable, to_tree
from symnum.synthesis.families.integrate import COMPILED, RightHandSide, Trajectories, integrate

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Coefficients:
    """Named numbers of a family and the law they are drawn from.

    Parameters
    ----------
    centres : mapping of str to float
        Free coefficients and their central values.
    derived : mapping of str to str
        Coefficients computed from the free ones, as text; then the formula has these, not the free ones.
    choices : mapping of str to sequence of float
        Coefficients drawn from a list, each value alike.
    ranges : mapping of str to (low, high)
        Coefficients drawn uniformly between two numbers, whatever the spread.
    """

    centres: Mapping[str, float] = field(default_factory=dict)
    derived: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, derived ones last."""
        return (*self.centres, *self.choices, *self.ranges, *self.derived)

    @cached_property
    def _formulas(self) -> list[Expression]:
        free = (*self.centres, *self.choices, *self.ranges)
        return [Expression.parse(text, free) for text in self.derived.values()]

    def central(self) -> Float:
        """Values at the centre of the law, shape (k,), to three significant digits."""
        first = [*self.centres.values(), *(c[0] for c in self.choices.values())]
        return self._complete(np.array([[*first, *(0.5 * (a + b) for a, b in self.ranges.values())]]))[0]

    def draw(self, rng: np.random.Generator, count: int, spread: float = 0.1) -> Float:
        """Values of `count` members, shape (count, k), to three significant digits.

        Free coefficients are uniform within ``spread`` times their magnitude of the centre.
        """
        if not 0 <= spread < 1:
            raise InvalidInput(f"spread is a share of the central value, 0 <= spread < 1, got {spread}")
        centre = np.array([*self.centres.values()], dtype=np.float64).reshape(1, -1)
        columns = [centre + spread * np.abs(centre) * rng.uniform(-1.0, 1.0, (count, centre.size))]
        columns += [rng.choice(values, count)[:, None] for values in self.choices.values()]
        columns += [rng.uniform(low, high, count)[:, None] for low, high in self.ranges.values()]
        return self._complete(np.concatenate(columns, axis=1))

    def _complete(self, free: Float) -> Float:
        # The text has three digits: round what is in the text, so that text and data agree exactly.
        columns = [free, *(f.evaluate(free)[:, None] for f in self._formulas)]
        return PROSE_FLOATS.round(np.concatenate(columns, axis=1))


@dataclass(frozen=True)
class ODESystem:
    """Family of systems du/dt = f(u) with named coefficients.

    Parameters
    ----------
    name : str
        Identifier.
    equations : tuple of str
        Right-hand sides over ``u_0``, ``u_1``, ... and the coefficients' names.
    coefficients : Coefficients
        Law of the coefficients.
    initial : (float, float)
        Initial states are uniform between these numbers in every dimension.
    horizon : float
        Trajectories span the times 0 to this.
    bound : float
        States larger than this count as an explosion.
    method : str
        Method of `integrate` that makes the data.
    reference_method : str
        Method of scipy that PROSE uses for this family, with rtol 1e-5 and atol 1e-6.
    edit_at : mapping of int to tuple of int
        Where terms may be added or deleted: dimension to the path of arguments down to the sum. All
        dimensions at their root when empty.
    source : str
        Where the equations come from.
    """

    name: str
    equations: tuple[str, ...]
    coefficients: Coefficients = field(default_factory=Coefficients)
    initial: tuple[float, float] = (-2.0, 2.0)
    horizon: float = 6.0
    bound: float = 1e3
    method: str = COMPILED
    reference_method: str = "BDF"
    edit_at: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    source: str = ""

    @property
    def dimension(self) -> int:
        """Count of states."""
        return len(self.equations)

    @cached_property
    def states(self) -> tuple[str, ...]:
        """Names of the states."""
        return tuple(f"u_{i}" for i in range(self.dimension))

    @cached_property
    def symbols(self) -> tuple[Expression, ...]:
        """Right-hand sides over states and then coefficients, as defined."""
        names = (*self.states, *self.coefficients.names)
        return tuple(Expression.parse(text, names) for text in self.equations)

    # ---------------------------------------------------------------- one member
    def bind(self, values: ArrayLike) -> list[Expression]:
        """Right-hand sides with numbers for the coefficients, for people to read."""
        return [from_tree(readable(t), self.states) for t in self._insert(self.symbols, values)]

    def target(self, values: ArrayLike) -> list[Expression]:
        """Right-hand sides as PROSE writes them: the trees whose prefix words are the target.

        Parameters
        ----------
        values : array_like, shape (k,)
            Coefficients, in the order of ``coefficients.names``.
        """
        return [from_tree(t, self.states) for t in self._insert(self._prose_symbols, values)]

    def skeleton(self) -> list[Expression]:
        """Target with every number set to 1, to be written as placeholders."""
        return [e.skeleton() for e in self.target(self.coefficients.central())]

    def right_hand_side(self, values: ArrayLike) -> RightHandSide:
        """Compiled ``f(t, u)`` for states (d,) or (d, n)."""
        return RightHandSide(self.target(values))

    def latex(self, values: ArrayLike | None = None) -> list[str]:
        """LaTeX of the equations, with the coefficients' names or with numbers."""
        if values is None:
            sides = [from_tree(readable(to_tree(e)), e.names) for e in self.symbols]
        else:
            sides = self.bind(values)
        dots = [rf"\dot{{{name_latex(s)[0]}}}{name_latex(s)[1:]}" for s in self.states]
        return [f"{dot} = {side.latex()}" for dot, side in zip(dots, sides, strict=True)]

    @cached_property
    def _prose_symbols(self) -> tuple[Expression, ...]:
        names = self.coefficients.names
        return tuple(from_tree(prose_form(to_tree(e), names), e.names) for e in self.symbols)

    def _insert(self, symbols: Sequence[Expression], values: ArrayLike) -> list[Tree]:
        """Trees with numbers for the coefficients' names."""
        numbers = np.asarray(values, dtype=np.float64).reshape(-1).tolist()
        names = self.coefficients.names
        if len(numbers) != len(names):
            raise InvalidInput(f"{self.name} has coefficients {list(names)}, got {len(numbers)} values")
        table = dict(zip(names, numbers, strict=True))
        return [insert_numbers(to_tree(e), table) for e in symbols]

    # ---------------------------------------------------------------- trajectories
    def draw_initial(self, rng: np.random.Generator, count: int) -> Float:
        """Initial states, shape (count, d)."""
        return rng.uniform(*self.initial, (count, self.dimension))

    def integrate(
        self,
        values: ArrayLike,
        initial: ArrayLike,
        times: ArrayLike,
        method: str | None = None,
        rtol: float = 1e-8,
        atol: float = 1e-10,
        max_steps: int = 20_000,
    ) -> Trajectories:
        """Trajectories of members of the family.

        Parameters
        ----------
        values : array_like, shape (k,) or (n, k)
            Coefficients, of all or of each trajectory.
        initial : array_like, shape (n, d)
            Initial states.
        times : array_like, shape (m,) or (n, m)
            Times, the first where `initial` holds.
        method, rtol, atol, max_steps
            See `symnum.synthesis.families.integrate.integrate`; `method` is the family's own by default.
        """
        return integrate(
            self.symbols, initial, times, values, method or self.method, rtol, atol, self.bound, max_steps
        )
