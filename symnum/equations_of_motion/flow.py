"""Systems with free constants, integrated for many starts and many values of the constants at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.expression import Expression
from symnum.expressions.operators import CONSTANT, OPERATORS
from symnum.synthesis.families.integrate import integrate

Float = NDArray[np.float64]
_POW = OPERATORS["pow"].code


class Flow:
    """Autonomous system whose constants are parameters.

    Parameters
    ----------
    equations : sequence of Expression
        One right-hand side per state, all over the states' names.
    free : sequence of bool, optional
        Equations whose constants may change; all when left out.

    Attributes
    ----------
    theta : float64 array, shape (p,)
        Values of the free constants. Exponents that are multiples of 1/2 are no free constants.
    """

    def __init__(self, equations: Sequence[Expression], free: Sequence[bool] | None = None) -> None:
        self.equations = tuple(equations)
        free = [True] * len(self.equations) if free is None else list(free)
        self.masks = [
            free_constants(e) if f else np.zeros(len(e.constants), bool)
            for e, f in zip(self.equations, free, strict=True)
        ]
        values = [e.constants[m] for e, m in zip(self.equations, self.masks, strict=True)]
        self.sizes = [len(v) for v in values]
        self.theta = np.concatenate([np.empty(0), *values])

    @property
    def dimension(self) -> int:
        """Count of states."""
        return len(self.equations)

    @cached_property
    def programs(self) -> tuple[Expression, ...]:
        """Right-hand sides over states and then parameters."""
        d = self.dimension
        names = (*self.equations[0].names, *(f"constant {j}" for j in range(len(self.theta))))
        made, place = [], 0
        for e, mask in zip(self.equations, self.masks, strict=True):
            codes, kept = e.codes.astype(np.int64), []
            for j, at in enumerate(np.flatnonzero(e.codes == CONSTANT)):
                if mask[j]:
                    codes[at] = -(d + 1 + place)
                    place += 1
                else:
                    kept.append(e.constants[j])
            made.append(Expression(codes, kept, names))
        return tuple(made)

    def with_theta(self, theta: Float) -> Flow:
        """Same system with other values of the free constants."""
        made, place = [], 0
        for e, mask in zip(self.equations, self.masks, strict=True):
            values = e.constants.copy()
            count = int(mask.sum())
            values[mask] = theta[place : place + count]
            place += count
            made.append(e.with_constants(values) if count else e)
        flow = Flow.__new__(Flow)
        flow.equations, flow.masks, flow.sizes = tuple(made), self.masks, self.sizes
        flow.theta = np.asarray(theta, dtype=np.float64)
        flow.__dict__["programs"] = self.programs
        return flow

    def slopes(self, states: Float) -> Float:
        """Right-hand sides at states (n, d), shape (n, d)."""
        with np.errstate(all="ignore"):
            return np.stack([e.evaluate(states) for e in self.equations], axis=1)

    def run(
        self,
        starts: Float,
        times: Float,
        theta: Float | None = None,
        bound: float = np.inf,
        rtol: float = 1e-7,
    ) -> Float:
        """States (n, m, d) from starts (n, d), at times (n, m) or (m,); NaN after a failure.

        Steps are limited by number, so that stiff or exploding systems end soon and everywhere alike.
        """
        theta = self.theta if theta is None else theta
        atol = rtol * 1e-2 * max(1e-8, min(1.0, float(np.median(np.abs(starts)))))
        limit = 500 + 20 * np.shape(times)[-1]
        return integrate(
            self.programs, starts, times, theta, rtol=rtol, atol=atol, bound=bound, max_steps=limit
        ).values


def free_constants(e: Expression) -> NDArray[np.bool_]:
    """Which constants may change: all but simple exponents."""
    free = np.ones(len(e.constants), dtype=bool)
    stack: list[int] = []  # number of the constant when an operand is one, else -1
    k = 0
    for code, value in e.walk():
        if value is not None:
            stack.append(k)
            k += 1
        elif code < 0:
            stack.append(-1)
        else:
            arity = OPERATORS.by_code[code].arity
            last = stack[-1]
            if code == _POW and last >= 0 and float(2 * e.constants[last]).is_integer():
                free[last] = False
            del stack[-arity:]
            stack.append(-1)
    return free
