"""Methods that find whole systems from a trajectory."""

from __future__ import annotations

import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput, SymnumError
from symnum.expressions.expression import Expression

Float = NDArray[np.float64]

_EXACT = 1e-4
"""Share of the variance below which a misfit counts as none: the differentiation makes it, not the terms."""


class SystemMethod(ABC):
    """One way to find a system."""

    name = ""

    @abstractmethod
    def fit(self, t: Float, U: Float, names: Sequence[str], max_time: float, seed: int) -> list[Expression]:
        """Right-hand sides from times (n,) and states (n, d)."""


class SymnumDynamics(SystemMethod):
    """`DynamicsRegressor` with its settings as they come."""

    name = "symnum"

    def fit(self, t: Float, U: Float, names: Sequence[str], max_time: float, seed: int) -> list[Expression]:
        """See `SystemMethod.fit`."""
        from symnum.dynamics import DynamicsRegressor

        model = DynamicsRegressor(max_time=max_time, random_state=seed).fit(t, U, names=list(names))
        return list(model.expressions_)


class SindySystem(SystemMethod):
    """PySINDy as its users tune it.

    Every combination of a library (polynomials to the second and third degree, and with sine and cosine), a
    way to differentiate and a threshold is fitted; kept is the one whose simulation from the first state has
    the least BIC on the data, or where none can be simulated the one with the least BIC on the derivatives.
    """

    name = "pysindy"
    thresholds = (0.005, 0.02, 0.05, 0.1, 0.3)

    def fit(self, t: Float, U: Float, names: Sequence[str], max_time: float, seed: int) -> list[Expression]:
        """See `SystemMethod.fit`."""
        import pysindy as ps

        libraries: list[Any] = [
            ps.PolynomialLibrary(2),
            ps.PolynomialLibrary(3),
            ps.ConcatLibrary([ps.PolynomialLibrary(3), ps.FourierLibrary(n_frequencies=1)]),
        ]
        width = max(5, min(21, len(t) // 10 | 1))
        differentiations: list[Any] = [
            ps.FiniteDifference(),
            ps.SmoothedFiniteDifference(smoother_kws={"window_length": width, "polyorder": 3}),
        ]
        best: tuple[tuple[int, float], list[Expression]] | None = None
        for differentiation in differentiations:
            for library in libraries:
                for threshold in self.thresholds:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        model = ps.SINDy(ps.STLSQ(threshold=threshold), library, differentiation)
                        model.fit(U, t=t, feature_names=list(names))
                        equations = _equations(model, names)
                    score = _score(equations, t, U, int(np.count_nonzero(model.coefficients())), model)
                    if best is None or score < best[0]:
                        best = (score, equations)
        assert best is not None  # noqa: S101
        return best[1]


def make_system_method(name: str) -> SystemMethod:
    """Method of a name.

    Raises
    ------
    InvalidInput
        When there is none.
    """
    found = {m.name: m for m in (SymnumDynamics, SindySystem)}
    if name not in found:
        raise InvalidInput(f"no method {name!r} for whole systems; choose one of {', '.join(found)}")
    return found[name]()


def simulate(equations: Sequence[Expression], start: Float, t: Float) -> Float | None:
    """Trajectory of a system, shape (n, d); None when it cannot be integrated."""
    from symnum.synthesis.families.integrate import integrate

    bound = 1e4 * max(1.0, float(np.max(np.abs(start))))
    try:
        made = integrate(equations, start[None], t, bound=bound)
        if made.status[0] == 2:
            made = integrate(equations, start[None], t, method="LSODA", bound=bound, max_steps=50_000)
    except SymnumError:
        return None
    return made.values[0] if made.ok[0] else None


def _score(equations: Sequence[Expression], t: Float, U: Float, terms: int, model: Any) -> tuple[int, float]:
    n = U.size
    made = simulate(equations, U[0], t)
    if made is not None:
        spread = float(np.sum((U - U.mean(axis=0)) ** 2))
        error = float(np.sum((U - made) ** 2))
        if error < spread:
            return 0, n * np.log((error + _EXACT * spread) / n) + terms * np.log(n)
    slopes = model.differentiation_method(U, t)
    with np.errstate(all="ignore"):
        error = float(np.sum((slopes - np.stack([e.evaluate(U) for e in equations], axis=1)) ** 2))
    return 1, n * np.log(error / n + 1e-300) + terms * np.log(n)


def _equations(model: Any, names: Sequence[str]) -> list[Expression]:
    """Sums of the terms that are left."""
    terms = [
        Expression.parse(re.sub(r"(?<=[\w)]) (?=\w)", "*", text).replace("^", "**"), names)
        for text in model.get_feature_names()
    ]
    found = []
    for row in np.asarray(model.coefficients(), dtype=float):
        total: Expression | None = None
        for factor, term in zip(row, terms, strict=True):
            if factor != 0:
                constant = len(term) == 1 and len(term.constants) == 1
                part = Expression.constant(float(factor), names) if constant else float(factor) * term
                total = part if total is None else total + part
        found.append(Expression.constant(0.0, names) if total is None else total)
    return found
