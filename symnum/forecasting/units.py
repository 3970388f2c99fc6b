"""Times and states put in the range that a network was trained on, and equations taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from symnum.equations_of_motion.fitting import tidy
from symnum.expressions import Expression

Float = NDArray[np.float64]


@dataclass(frozen=True)
class WindowUnits:
    """Units in which a window lies in the range that the network knows.

    Attributes
    ----------
    time : float
        Unit of the time; the network sees ``t / time``.
    state : float
        Unit of all states.
    """

    time: float = 1.0
    state: float = 1.0

    @classmethod
    def of(
        cls, t: Float, U: Float, spans: tuple[float, float] | None, sizes: tuple[float, float] | None
    ) -> WindowUnits:
        """Units for a window: 1 where it is in range already, so that equations need no change.

        Parameters
        ----------
        t, U : float64 arrays, shape (m,) and (m, d)
        spans, sizes : (low, high), optional
            Lengths of windows and root mean squares of states in training.
        """
        span = float(t[-1] - t[0])
        size = float(np.sqrt(np.nanmean(U**2)))
        return cls(_unit(span, spans), _unit(size, sizes))

    @property
    def is_one(self) -> bool:
        """Whether nothing changes."""
        return self.time == 1.0 and self.state == 1.0

    def back(self, equations: Sequence[Expression]) -> tuple[Expression, ...]:
        """Equations in the user's units from those the network sees: with ``u = s v``, ``s/t f(u/s)``."""
        if self.is_one:
            return tuple(equations)
        names = equations[0].names
        inverse = {n: Expression.variable(n, names) * (1 / self.state) for n in names}
        factor = self.state / self.time
        return tuple(tidy((factor * e.substitute(inverse)).with_names(names)) for e in equations)


def _unit(value: float, known: tuple[float, float] | None) -> float:
    if known is None or value <= 0 or known[0] <= value <= known[1]:
        return 1.0
    return value / float(np.sqrt(known[0] * known[1]))
