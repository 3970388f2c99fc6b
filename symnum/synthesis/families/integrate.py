"""Integration of systems of expressions: trajectories of many initial conditions at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions import Expression
from symnum.expressions.compiled import Packed, evaluate_batch, pack

Float = NDArray[np.float64]
COMPILED = "DOPRI5"
METHODS = (COMPILED, "RK45", "RK23", "DOP853", "Radau", "BDF", "LSODA")
STATUS = ("ok", "bound", "steps", "not finite")
"""What a trajectory's status number says: it arrived, left the bound, took too many steps (stiff, or a
singularity), or left the domain of the equations."""


class Trajectories(NamedTuple):
    """What `integrate` found.

    Attributes
    ----------
    values : float64 array, shape (n, m, d)
        States at the times asked for; NaN from where a trajectory failed.
    status : int8 array, shape (n,)
        Index into `STATUS`, 0 when the trajectory arrived.
    steps : int64 array, shape (n,)
        Steps tried (evaluations of the right-hand side for scipy's methods).
    """

    values: Float
    status: NDArray[np.int8]
    steps: NDArray[np.int64]

    @property
    def ok(self) -> NDArray[np.bool_]:
        """Which trajectories arrived."""
        return self.status == 0


@dataclass(frozen=True)
class RightHandSide:
    """Compiled right-hand side of an autonomous system.

    Parameters
    ----------
    equations : sequence of Expression
        One per state; column ``i`` of their names is state ``i``.
    """

    equations: tuple[Expression, ...]
    packed: Packed

    def __init__(self, equations: Sequence[Expression]) -> None:
        object.__setattr__(self, "equations", tuple(equations))
        object.__setattr__(self, "packed", pack(equations))
        if not self.equations or self.packed.width > self.dimension:
            raise InvalidInput(
                f"{self.dimension} equations use {self.packed.width} states; expected one equation per state"
            )

    @property
    def dimension(self) -> int:
        """Count of states."""
        return len(self.equations)

    def __call__(self, t: float, u: ArrayLike) -> Float:
        """Derivatives of states, shape (d,) or (d, n), in the signature of `scipy.integrate.solve_ivp`."""
        states = np.asarray(u, dtype=np.float64)
        columns = states.reshape(self.dimension, -1)
        return evaluate_batch(self.packed, columns).reshape(states.shape)


def integrate(
    equations: Sequence[Expression],
    initial: ArrayLike,
    times: ArrayLike,
    parameters: ArrayLike | None = None,
    method: str = COMPILED,
    rtol: float = 1e-8,
    atol: float = 1e-10,
    bound: float = np.inf,
    max_steps: int = 20_000,
) -> Trajectories:
    """Trajectories of du/dt = f(u, parameters) from many initial conditions.

    Parameters
    ----------
    equations : sequence of Expression
        ``d`` right-hand sides over the same columns: the states first, then the parameters.
    initial : array_like, shape (n, d)
        States at the first time.
    times : array_like, shape (m,) or (n, m)
        Times that do not decrease; the first is where `initial` holds.
    parameters : array_like, shape (p,) or (n, p), optional
        Values of the columns after the states, for all or for each trajectory.
    method : str
        "DOPRI5", the compiled explicit method, or a method of `scipy.integrate.solve_ivp` ("BDF", "LSODA" or
        "Radau" for stiff systems).
    rtol, atol : float
        Local error allowed, relative and absolute.
    bound : float
        A trajectory ends as failed once a state's magnitude is larger.
    max_steps : int
        Steps tried per trajectory (for scipy's methods: evaluations of the right-hand side). Counted, not
        timed, so that the same trajectories fail everywhere.

    Returns
    -------
    Trajectories
        Failed trajectories are marked, not raised.

    Raises
    ------
    InvalidInput
        When shapes do not fit, times decrease, numbers are not finite or the method is unknown.

    Notes
    -----
    DOPRI5 is the pair of Dormand and Prince with a quartic interpolant for the times asked for; a trajectory
    does not depend on the others it is computed with, bit for bit.
    """
    packed = pack(equations)
    start = np.ascontiguousarray(initial, dtype=np.float64)
    d = len(packed)
    if start.ndim != 2 or start.shape[1] != d or not d:
        raise InvalidInput(f"initial must have shape (n, {d}), one column per equation, got {start.shape}")
    n = len(start)
    grid = _rows(times, n, "times")
    values = _rows(np.empty(0) if parameters is None else parameters, n, "parameters")
    if packed.width > d + values.shape[1]:
        raise InvalidInput(
            f"the equations use {packed.width} columns, but there are {d} states and {values.shape[1]} "
            "parameters"
        )
    for name, array in (("initial", start), ("times", grid), ("parameters", values)):
        if not np.all(np.isfinite(array)):
            raise InvalidInput(f"{name} must be finite numbers")
    if not grid.shape[1] or np.any(np.diff(grid, axis=1) < 0):
        raise InvalidInput("times must be one or more numbers that do not decrease")
    if not (rtol > 0 and atol > 0 and bound > 0 and max_steps > 0):
        raise InvalidInput("rtol, atol, bound and max_steps must be positive")
    if method == COMPILED:
        return _compiled(packed, start, grid, values, rtol, atol, bound, max_steps)
    if method not in METHODS:
        raise InvalidInput(f"unknown method {method!r}; expected one of {', '.join(METHODS)}")
    return _scipy(packed, start, grid, values, method, rtol, atol, bound, max_steps)


def _rows(array: ArrayLike, n: int, name: str) -> Float:
    rows = np.asarray(array, dtype=np.float64)
    if rows.ndim == 1:
        rows = np.broadcast_to(rows, (n, rows.size))
    if rows.ndim != 2 or len(rows) != n:
        raise InvalidInput(f"{name} must have shape (k,) or ({n}, k), got {np.shape(array)}")
    return np.ascontiguousarray(rows)


def _compiled(
    packed: Packed, initial: Float, times: Float, parameters: Float, rtol: float, atol: float, bound: float,
    max_steps: int,
) -> Trajectories:  # fmt: skip
    from symnum.expressions._kernels import run
    from symnum.synthesis.families import _dopri5 as kernel

    n, d = initial.shape
    longest = int(np.diff(packed.offsets).max())
    levels = (longest + 1) // 2 + 1
    base = 3 * levels + 2
    workspace = np.zeros((base + d + parameters.shape[1], kernel.LANES))
    out = np.full((n, times.shape[1], d), np.nan)
    status, steps = np.zeros(n, np.int8), np.zeros(n, np.int64)
    kernel.integrate(
        run, packed.codes, packed.offsets, packed.constants, packed.const_offsets, initial, parameters, times,
        float(rtol), float(atol), float(bound), int(max_steps), kernel.STAGES, kernel.ERROR,
        kernel.DENSE, workspace, levels, base, out, status, steps,
    )  # fmt: skip
    status[(status == 0) & (np.abs(out).max(axis=(1, 2)) > bound)] = 1
    return Trajectories(out, status, steps)


class _Stop(Exception):
    """Ends an integration by scipy from inside the right-hand side."""


def _scipy(
    packed: Packed, initial: Float, times: Float, parameters: Float, method: str, rtol: float, atol: float,
    bound: float, max_steps: int,
) -> Trajectories:  # fmt: skip
    n, d = initial.shape
    out = np.full((n, times.shape[1], d), np.nan)
    status, steps = np.zeros(n, np.int8), np.zeros(n, np.int64)
    for i in range(n):
        columns = np.empty((d + parameters.shape[1], 1))
        columns[d:, 0] = parameters[i]

        def slope(t: float, u: Float, i: int = i, columns: Float = columns) -> Float:
            steps[i] += 1
            if steps[i] > max_steps:
                raise _Stop
            columns[:d, 0] = u
            return evaluate_batch(packed, columns)[:, 0]

        try:
            arrived, states = _solve(slope, initial[i], times[i], method, rtol, atol)
        except _Stop:
            status[i] = 2
            continue
        out[i, : len(states)] = states
        if not arrived or not np.all(np.isfinite(states)):
            status[i] = 3
        elif np.abs(states).max() > bound:
            status[i] = 1
    return Trajectories(out, status, steps)


def _solve(
    slope: Callable[[float, Float], Float],
    initial: Float,
    times: Float,
    method: str,
    rtol: float,
    atol: float,
) -> tuple[bool, Float]:
    """Whether `solve_ivp` arrived, and states at the times it reached, shape (k, d)."""
    import warnings

    from scipy.integrate import solve_ivp

    if times[-1] == times[0]:
        return True, np.tile(initial, (times.size, 1))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # failure is reported through the status
        try:
            # Repeated times would stop solve_ivp: ask once for each.
            distinct, place = np.unique(times, return_inverse=True)
            answer = solve_ivp(
                slope, (times[0], times[-1]), initial, method=method, t_eval=distinct, rtol=rtol, atol=atol
            )
        except (ValueError, np.linalg.LinAlgError):  # not finite in a Jacobian or its factors
            return False, initial[None]
    states = np.asarray(answer.y).T
    if not answer.success or len(states) < distinct.size:
        return False, states
    return True, states[place]
