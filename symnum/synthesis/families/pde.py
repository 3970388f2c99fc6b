"""One symbolic definition of a family of partial differential equations, and everything made from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions import OPERATORS, Expression
from symnum.expressions.floats import PROSE_FLOATS
from symnum.expressions.tokenizer import ExpressionTokenizer
from symnum.expressions.vocabulary import Vocabulary
from symnum.synthesis.families.forms import from_tree, insert_numbers, prose_form, readable, to_tree
from symnum.synthesis.families.initial import LAWS
from symnum.synthesis.families.integrate import Trajectories
from symnum.synthesis.families.residual import LEAVES, Residual
from symnum.synthesis.families.system import Coefficients

Float = NDArray[np.float64]
LENGTH = 2.0
"""Length of the interval."""
T_RANGE = 2.0
"""Times in the text and in the data go from 0 to this; a family with another horizon is stretched to it."""
_PRINTED = {
    "u": "u",
    "ut": "u_t",
    "utt": "u_tt",
    "ux": "u_x",
    "uxx": "u_xx",
    "uxxx": "u_xxx",
    "uxxxx": "u_xxxx",
}
EDIT_LEAVES = ("u", "ut", "ux", "uxx", "uxxx", "uxxxx")
"""Leaves of the terms that `symnum.synthesis.families.edits.add_term` may add to a residual."""


@dataclass(frozen=True)
class PDEFamily:
    """Family of equations ``residual = 0`` for u(t, x) on an interval.

    Parameters
    ----------
    name : str
        Identifier.
    residual : str
        Text over `LEAVES`, the coefficients' names and ``k``, the factor by which time is stretched, before
        ut (``k2``, its square, before utt).
    coefficients : Coefficients
        Law of the coefficients.
    initial : str
        Law of the initial fields, a name in `symnum.synthesis.families.initial.LAWS`.
    horizon : float
        Time of the equation at which the data ends.
    solver : {"spectral", "volumes"}
        Fourier modes, for smooth solutions on a periodic interval, or finite volumes.
    refine : int
        Cells computed for each cell of the data; odd.
    step : float
        Largest time step of the spectral solver for nonlinear equations, in times of the data.
    norm : (float, float)
        Norms of 64 x 128 fields that are kept as data.
    source : str
        Where the equation comes from, and where it departs from PROSE's code.
    """

    name: str
    residual: str
    coefficients: Coefficients = field(default_factory=Coefficients)
    initial: str = "sines4"
    horizon: float = T_RANGE
    solver: Literal["spectral", "volumes"] = "spectral"
    refine: int = 1
    step: float = 0.01
    norm: tuple[float, float] = (0.0, np.inf)
    source: str = ""

    @cached_property
    def symbol(self) -> Expression:
        """Residual over leaves and then coefficients, as defined."""
        return Expression.parse(self.residual, (*LEAVES, *self.coefficients.names, "k", "k2"))

    # ---------------------------------------------------------------- one member
    def target(self, values: ArrayLike) -> list[Expression]:
        """Residual as PROSE writes it, in a list like that of a system.

        Parameters
        ----------
        values : array_like, shape (k,)
            Coefficients, in the order of ``coefficients.names``.
        """
        numbers = np.asarray(values, dtype=np.float64).reshape(-1).tolist()
        names = self.coefficients.names
        if len(numbers) != len(names):
            raise InvalidInput(f"{self.name} has coefficients {list(names)}, got {len(numbers)} values")
        tree = insert_numbers(to_tree(self.symbol), dict(zip(names, numbers, strict=True)) | self._clock)
        return [from_tree(prose_form(tree, powers=False), LEAVES)]

    def bind(self, values: ArrayLike) -> list[Expression]:
        """Residual for people to read."""
        return [from_tree(readable(to_tree(e)), LEAVES) for e in self.target(values)]

    def skeleton(self) -> list[Expression]:
        """Target with every number set to 1, to be written as placeholders."""
        return [e.skeleton() for e in self.target(self.coefficients.central())]

    def latex(self, values: ArrayLike | None = None) -> list[str]:
        """LaTeX of the equation, with the coefficients' names (time not stretched) or with numbers."""
        if values is None:
            tree = insert_numbers(to_tree(self.symbol), {"k": 1.0, "k2": 1.0})
            side = from_tree(readable(tree), self.symbol.names)
        else:
            side = self.bind(values)[0]
        return [f"{side.rename([_PRINTED.get(n, n) for n in side.names]).latex()} = 0"]

    @cached_property
    def _clock(self) -> dict[str, float]:
        k = T_RANGE / self.horizon
        clock = {"k": k, "k2": k * k}
        if any(PROSE_FLOATS.round(v) != v for v in clock.values()):
            raise InvalidInput(f"{self.name}: {T_RANGE}/{self.horizon} squared needs more than three digits")
        return clock

    # ---------------------------------------------------------------- fields
    def places(self, points: int = 128, refined: bool = False) -> Float:
        """Centres of the cells of the data, or of the cells that are computed."""
        cells = points * (self.refine if refined else 1)
        return (np.arange(cells, dtype=np.float64) + 0.5) * (LENGTH / cells)

    def draw_initial(
        self, rng: np.random.Generator, count: int, points: int = 128, law: str | None = None
    ) -> Float:
        """Initial fields on the cells that are computed, shape (count, points * refine)."""
        if (law or self.initial) not in LAWS:
            raise InvalidInput(f"unknown law of initial fields {law!r}; expected one of {', '.join(LAWS)}")
        return LAWS[law or self.initial](rng, self.places(points, refined=True), LENGTH, count)

    def solve(
        self, values: ArrayLike, initial: ArrayLike, times: ArrayLike, periodic: bool = True
    ) -> Trajectories:
        """Fields of one member of the family.

        Parameters
        ----------
        values : array_like, shape (k,)
            Coefficients.
        initial : array_like, shape (n, points * refine)
            Fields at the first time, such as `draw_initial` makes.
        times : array_like, shape (m,)
            Ascending times of the data, 0 to `T_RANGE`.
        periodic : bool
            Whether the ends meet; only finite volumes can do without.

        Returns
        -------
        Trajectories
            ``values`` of shape (n, m, points): at the cells' centres, or their averages for finite volumes.

        Raises
        ------
        InvalidInput
            When shapes do not fit, times fall or the solver needs a periodic interval.
        """
        fields, grid = np.asarray(initial, dtype=np.float64), np.asarray(times, dtype=np.float64)
        if fields.ndim != 2 or fields.shape[1] % self.refine or not np.all(np.isfinite(fields)):
            raise InvalidInput(
                f"initial must be finite, of shape (n, points * {self.refine}), got {fields.shape}"
            )
        if grid.ndim != 1 or not grid.size or np.any(np.diff(grid) < 0):
            raise InvalidInput("times must be one or more numbers that do not decrease")
        residual = Residual.split(self.target(values)[0])
        if self.solver == "volumes":
            from symnum.synthesis.families.volumes import solve_volumes

            found = solve_volumes(residual, fields, grid, LENGTH, periodic)
            shape = (*found.values.shape[:2], -1, self.refine)
            return found._replace(values=found.values.reshape(shape).mean(axis=3))
        if not periodic:
            raise InvalidInput(f"{self.name} is solved by Fourier modes, on a periodic interval only")
        from symnum.synthesis.families.spectral import solve_spectral

        with np.errstate(over="ignore", invalid="ignore"):  # an explosion is reported through the status
            out = solve_spectral(residual, fields, grid, LENGTH, self.step)
        bad = ~np.isfinite(out).all(axis=(1, 2))
        status = np.where(bad, 3, 0).astype(np.int8)
        return Trajectories(out[:, :, self.refine // 2 :: self.refine], status, np.zeros(len(out), np.int64))


def pde_tokenizer() -> ExpressionTokenizer:
    """Tokenizer of PROSE-PDE: the leaves of a residual, the operators of PROSE and powers."""
    operators = ("add", "sub", "mul", "div", "neg", "inv", "sin", "cos", "square", "cube", "pow")
    words = {name: OPERATORS[name].token for name in operators}
    variables = (*(f"{leaf}_0" for leaf in LEAVES[:-1]), "x")
    roles = {r: f"<{r.upper()}>" for r in ("bos", "eos", "pad", "placeholder")} | {"separator": "|"}
    return ExpressionTokenizer(
        Vocabulary(
            name="prose-pde",
            words=(*roles.values(), *words.values(), *variables, *PROSE_FLOATS.vocabulary()),
            operators=words,
            variables=variables,
            constants={},
            floats=PROSE_FLOATS,
            roles=roles,
            write_constants=False,
            collapse=False,
        )
    )
