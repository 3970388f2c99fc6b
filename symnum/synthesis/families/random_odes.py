"""Random small systems of ordinary differential equations, beside the fixed families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions import Expression
from symnum.expressions.floats import PROSE_FLOATS
from symnum.synthesis.families.system import ODESystem

Float = NDArray[np.float64]
MAX_DIMENSION = 4
_DIGITS = 4  # of the shortest text of a number with three significant digits


@dataclass(frozen=True)
class RandomODELaw:
    """How random right-hand sides are drawn.

    Parameters
    ----------
    max_terms : int
        Terms of an equation, 1 to this, each number alike.
    degree : tuple of float
        Weights of constants, linear, quadratic, ... terms among the polynomial ones.
    rational, trigonometric : float
        Shares of terms like ``c*u/(K + v**2)`` and ``c*sin(w*u)``; the others are polynomial.
    damped : float
        Share of equations that get a term ``-c*u_i`` of their own state if they have none.
    magnitude : (float, float)
        Magnitudes of coefficients, uniform in their logarithm.

    Raises
    ------
    InvalidInput
        When a number makes no sense as what it stands for.
    """

    max_terms: int = 4
    degree: tuple[float, ...] = (1.0, 4.0, 4.0, 2.0)
    rational: float = 0.15
    trigonometric: float = 0.15
    damped: float = 0.6
    magnitude: tuple[float, float] = (0.1, 5.0)

    def __post_init__(self) -> None:
        low, high = self.magnitude
        shares = (self.rational, self.trigonometric, self.damped)
        if (
            self.max_terms < 1
            or not (0 < low <= high < 1000)
            or min(shares) < 0
            or self.rational + self.trigonometric > 1
            or self.damped > 1
            or not 2 <= len(self.degree) <= 6
            or min(self.degree) < 0
            or not sum(self.degree[1:])
        ):
            raise InvalidInput(f"no law of random systems: {self}")


def draw_system(
    rng: np.random.Generator, dimension: int, law: RandomODELaw | None = None, name: str = "random"
) -> ODESystem:
    """Random system in which every state occurs.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all choices.
    dimension : int
        Count of states, 1 to 4.
    law : RandomODELaw, optional
        How terms are drawn.
    name : str
        Name of the system.
    """
    law = law or RandomODELaw()
    if not 1 <= dimension <= MAX_DIMENSION:
        raise InvalidInput(f"random systems have 1 to {MAX_DIMENSION} states, got {dimension}")
    while True:
        sums = [_equation(rng, i, dimension, law) for i in range(dimension)]
        text = [" + ".join(parts) for parts in sums]
        if all(f"u_{i}" in " ".join(text) for i in range(dimension)):
            return ODESystem(name, tuple(text), bound=100.0, source="drawn at random")


def benchmark_of(equations: Sequence[Expression]) -> str | None:
    """Benchmark system (ODEBench, Strogatz) whose equations include all these; None when there is none.

    Skeletons are compared by value-hash, equation by equation, whatever the states are called: that excludes
    too much rather than too little.
    """
    from symnum.synthesis.exclusion import benchmark_names

    shared: set[str] | None = None
    for equation in equations:
        names = {_system_name(n) for n in benchmark_names(equation)} - {""}
        shared = names if shared is None else shared & names
        if not shared:
            return None
    return min(shared) if shared else None


def is_interesting(values: Float) -> bool:
    """Whether trajectories (n, m, d) move: every state varies, and some state does so in the second half."""
    late = values[:, values.shape[1] // 2 :]
    spread = np.ptp(values, axis=1).max(axis=0)
    return bool(np.all(spread > 0.05) and np.ptp(late, axis=1).max() > 0.02)


# ------------------------------------------------------------ helpers
def _system_name(name: str) -> str:
    """Name of the system that a benchmark equation belongs to, empty for formulas of other kinds."""
    if name.startswith("odebench/"):
        return name.rsplit(".", 1)[0]
    return name.rstrip("0123456789") if name.startswith("strogatz/") else ""


def _equation(rng: np.random.Generator, own: int, dimension: int, law: RandomODELaw) -> list[str]:
    """Terms of one right-hand side, no two with the same form."""
    count = int(rng.integers(1, law.max_terms + 1))
    forms: dict[str, str] = {}
    if rng.random() < law.damped:
        forms[f"u_{own}"] = f"-{_number(rng, law)}*u_{own}"
    for _ in range(20):
        if len(forms) >= count:
            break
        form, text = _term(rng, dimension, law)
        forms.setdefault(form, text)
    order = rng.permutation(len(forms))
    texts = list(forms.values())
    return [texts[i] for i in order]


def _term(rng: np.random.Generator, dimension: int, law: RandomODELaw) -> tuple[str, str]:
    """Form of a term without its numbers, and its text."""
    sign = "-" if rng.random() < 0.5 else ""
    c = sign + _number(rng, law)
    first, second = (f"u_{i}" for i in rng.integers(0, dimension, 2))
    kind = rng.random()
    if kind < law.rational:
        power = int(rng.integers(1, 3))
        upper = first if power == 1 else f"{first}**2"
        return f"{upper}/{second}", f"{c}*{upper}/({_number(rng, law)} + {second}**2)"
    if kind < law.rational + law.trigonometric:
        function = "sin" if rng.random() < 0.5 else "cos"
        inside = first if rng.random() < 0.5 else f"{_number(rng, law)}*{first}"
        return f"{function} {first}", f"{c}*{function}({inside})"
    weights = np.array(law.degree) / sum(law.degree)
    degree = int(rng.choice(weights.size, p=weights))
    chosen = np.sort(rng.integers(0, dimension, degree))
    form = "*".join(f"u_{i}" for i in chosen)
    return form, f"{c}*{form}" if form else c


def _number(rng: np.random.Generator, law: RandomODELaw) -> str:
    low, high = np.log(law.magnitude)
    value = float(PROSE_FLOATS.round(np.exp(rng.uniform(low, high))))
    return f"{value:.{_DIGITS}g}"
