"""Domains of sampled problems: how each variable is drawn, and the box around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions.expression import Expression

KINDS = ("uniform", "log", "log_signed", "integer", "step", "linspace")
_ROUNDS = 200
_EXTREME = 100.0


@dataclass(frozen=True, slots=True)
class Rule:
    """How one variable is drawn.

    Attributes
    ----------
    kind : str
        ``uniform`` on [low, high]; ``log``-uniform; ``log_signed``, the same for the magnitude, with a random
        sign; ``integer``, uniform and rounded; ``step`` and ``linspace``, the grids low, low + last, ... and
        `last` equally spaced values.
    low, high : float
    last : float
        Step or number of values of a grid, else number of rows of the original problem (0: unknown).
    """

    kind: str
    low: float
    high: float
    last: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS or not self.low <= self.high:
            raise InvalidInput(
                f"no sampling rule: {self.kind} {self.low} {self.high}; kinds: {', '.join(KINDS)}"
            )

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Read ``kind low high last``."""
        kind, *values = text.split()
        return cls(kind, *(float(v) for v in values))

    @property
    def grid(self) -> NDArray[np.float64] | None:
        """Values of a grid, None for a random variable."""
        if self.kind == "linspace":
            return np.linspace(self.low, self.high, int(self.last))
        if self.kind == "step":
            count = int(np.floor((self.high - self.low) / self.last + 1e-9)) + 1
            return self.low + self.last * np.arange(count, dtype=np.float64)
        return None

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Random values, shape (n,); those of a grid are drawn uniformly between its ends."""
        if self.kind in ("log", "log_signed"):
            values = np.exp(rng.uniform(np.log(self.low), np.log(self.high), n))
            return values * rng.choice([-1.0, 1.0], n) if self.kind == "log_signed" else values
        values = rng.uniform(self.low, self.high, n)
        return np.round(values) if self.kind == "integer" else values

    def widened(self) -> Rule:
        """Same rule on a range longer by half its width at both ends (the width of logarithms, where log)."""
        if self.kind in ("log", "log_signed"):
            factor = np.sqrt(self.high / self.low)
            return Rule(self.kind, self.low / factor, self.high * factor)
        half = (self.high - self.low) / 2
        kind = "integer" if self.kind == "integer" else "uniform"
        return Rule(kind, self.low - half, self.high + half)

    def inside(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether values lie in the range."""
        size = np.abs(values) if self.kind == "log_signed" else values
        return (size >= self.low) & (size <= self.high)


@dataclass(frozen=True)
class Domain:
    """Box of a problem: one rule a variable.

    Attributes
    ----------
    rules : tuple of Rule
    """

    rules: tuple[Rule, ...]

    @classmethod
    def box(cls, low: Sequence[float], high: Sequence[float]) -> Domain:
        """Uniform box."""
        return cls(tuple(Rule("uniform", float(a), float(b)) for a, b in zip(low, high, strict=True)))

    @classmethod
    def around(cls, X: NDArray[np.float64]) -> Domain:
        """Smallest box that holds the rows."""
        return cls.box(X.min(axis=0), X.max(axis=0))

    def widened(self) -> Domain:
        """Every range longer by half its width at both ends."""
        return Domain(tuple(rule.widened() for rule in self.rules))

    def inside(self, X: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Rows of which every value lies in its range, shape (n,)."""
        return np.logical_and.reduce([rule.inside(X[:, j]) for j, rule in enumerate(self.rules)])

    def grid(self) -> NDArray[np.float64] | None:
        """Full product of the grids, None when a variable is random."""
        axes = [rule.grid for rule in self.rules]
        if any(axis is None for axis in axes):
            return None
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))  # type: ignore[arg-type]

    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest value of every variable, shape (d,) each."""
        low = [-rule.high if rule.kind == "log_signed" else rule.low for rule in self.rules]
        return np.array(low), np.array([rule.high for rule in self.rules])

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Random rows, shape (n, d)."""
        return np.column_stack([rule.draw(n, rng) for rule in self.rules])


def draw_real(
    truth: Expression, domain: Domain, n: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows of the domain where the truth is a finite number, and its values there.

    Returns
    -------
    X : ndarray (n, d)
    y : ndarray (n,)

    Raises
    ------
    InvalidInput
        When hardly any draw is real.
    """
    return _collect(truth, domain, n, rng, lambda X, y: np.isfinite(y), needed=n)


def draw_outside(
    truth: Expression, domain: Domain, n: int, rng: np.random.Generator, largest: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows of the widened box that lie outside the domain and where the truth is real.

    Parameters
    ----------
    largest : float
        Largest magnitude of the target inside. Rows beyond a hundred times that, near a pole, are left out: a
        score over them would measure nothing but the nearest one.

    Returns
    -------
    X : ndarray (m, d)
        With m = n, or fewer where the truth is hardly ever real outside.
    y : ndarray (m,)
    """

    def wanted(X: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        return np.isfinite(y) & ~domain.inside(X) & (np.abs(y) <= _EXTREME * largest)

    return _collect(truth, domain.widened(), n, rng, wanted, needed=0)


def _collect(truth, domain, n, rng, wanted, needed):  # noqa: ANN001, ANN202 - private; see the callers
    X_parts, y_parts, have = [], [], 0
    for _ in range(_ROUNDS):
        X = domain.draw(max(n, 64), rng)
        with np.errstate(all="ignore"):
            y = truth.evaluate(X)
            keep = wanted(X, y)
        X_parts.append(X[keep])
        y_parts.append(y[keep])
        have += int(np.count_nonzero(keep))
        if have >= n:
            break
    if have < needed:
        raise InvalidInput(f"only {have} of {_ROUNDS * max(n, 64)} draws give a finite {truth}")
    return np.concatenate(X_parts)[:n], np.concatenate(y_parts)[:n]
