"""Properties of functions and formulas: what embeddings are asked about.

The four numerical properties follow the code of SNIP (Meidani et al. 2024, section 4 and appendix), its
quirks included: see each function. They are meant for one variable and y from 0 to 1 (preset ``snip-1d``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.expression import Expression
from symnum.expressions.operators import OPERATORS
from symnum.synthesis import EquationGenerator
from symnum.synthesis.sample import Batch

Floats = NDArray[np.float64]
THRESHOLD = 1e-3  # smaller steps of y are flat
TRIPLES = 1000


def non_convexity_ratio(x: Floats, y: Floats, rng: np.random.Generator) -> Floats:
    """Share of random triples of points whose middle one lies above the chord, shape (n,).

    0 for convex functions, 1 for concave ones. A Monte Carlo estimate of 1,000 triples, so its standard error
    is up to 0.016.

    Parameters
    ----------
    x, y : arrays, shape (n, points)
        Each row sorted by x.
    rng : Generator
    """
    n, points = y.shape
    found = np.empty(n)
    for i in range(n):
        # Three different places each: the first three of a random order.
        place = np.argpartition(rng.random((TRIPLES, points)), 3, axis=1)[:, :3]
        a, b, c = np.sort(place, axis=1).T
        with np.errstate(divide="ignore", invalid="ignore"):
            chord = ((x[i, b] - x[i, a]) * y[i, c] + (x[i, c] - x[i, b]) * y[i, a]) / (x[i, c] - x[i, a])
        found[i] = 1 - np.mean(y[i, b] <= chord + 1e-9)
    return found


def upwardness(x: Floats, y: Floats, rng: np.random.Generator) -> Floats:
    """Steps up minus steps down over the number of points (not of steps), shape (n,)."""
    steps = np.diff(y, axis=1)
    return ((steps > THRESHOLD).sum(1) - (steps < -THRESHOLD).sum(1)) / y.shape[1]


def average(x: Floats, y: Floats, rng: np.random.Generator) -> Floats:
    """Mean of y mapped to [0, 1], shape (n,)."""
    low, high = y.min(1, keepdims=True), y.max(1, keepdims=True)
    return ((y - low) / (high - low + 1e-12)).mean(1)


def oscillation(x: Floats, y: Floats, rng: np.random.Generator) -> Floats:
    """Logarithm of one plus the number of changes of direction, shape (n,).

    Flat steps keep the direction; a flat first step counts as down.
    """
    steps = np.diff(y, axis=1)
    up = steps > THRESHOLD
    moves = up | (steps < -THRESHOLD)
    moves[:, 0] = True
    last = np.maximum.accumulate(np.where(moves, np.arange(steps.shape[1]), 0), axis=1)
    direction = np.take_along_axis(up, last, axis=1)
    return np.log1p((direction[:, 1:] != direction[:, :-1]).sum(1))


PROPERTIES: dict[str, Callable[[Floats, Floats, np.random.Generator], Floats]] = {
    "ncr": non_convexity_ratio,
    "upwardness": upwardness,
    "average": average,
    "oscillation": oscillation,
}
"""Numerical properties by name."""


@dataclass(frozen=True)
class PropertySamples:
    """Formulas of one variable and their properties.

    Attributes
    ----------
    tokens, token_lengths
        Padded ids (n, longest) and their numbers (n,).
    targets : dict of str to float64 array, shape (n,)
    """

    tokens: NDArray[np.int16]
    token_lengths: NDArray[np.int32]
    targets: dict[str, Floats]

    def take(self, rows: slice) -> PropertySamples:
        """Some of the samples."""
        return PropertySamples(
            self.tokens[rows], self.token_lengths[rows], {k: v[rows] for k, v in self.targets.items()}
        )


def property_samples(
    generator: EquationGenerator, n: int, names: Sequence[str] = tuple(PROPERTIES)
) -> PropertySamples:
    """Samples 0 to n - 1 of a generator of formulas of one variable, with their properties."""
    batch = generator.batch(0, n)
    order = np.argsort(batch.X[:, 0], axis=1)
    x = np.take_along_axis(batch.X[:, 0], order, axis=1)
    y = np.take_along_axis(batch.y, order, axis=1)
    rng = np.random.default_rng(generator.seed)
    targets = {name: PROPERTIES[name](x, y, rng) for name in names}
    return PropertySamples(batch.tokens.copy(), batch.token_lengths.copy(), targets)


# ---------------------------------------------------------------------------------------------- of formulas
OPERATOR_NAMES = ("exp", "log", "sqrt", "sin", "cos", "abs", "square", "inv", "div")
SYMMETRIES = ("even", "odd", "exchange")


def formula_properties(batch: Batch, seed: int = 0) -> dict[str, Floats]:
    """What data is asked about its formula: ``has_sin`` ..., ``complexity``, symmetries; 0 or 1 but for one.

    Symmetries hold at random points of both signs: ``even`` and ``odd`` when all variables change their
    sign, ``exchange`` when some two variables change places. Where the formula is undefined they do not hold.
    """
    found: dict[str, Floats] = {f"has_{name}": np.zeros(len(batch)) for name in OPERATOR_NAMES}
    found |= {"complexity": np.zeros(len(batch))} | {name: np.zeros(len(batch)) for name in SYMMETRIES}
    code = {name: OPERATORS[name].code for name in OPERATOR_NAMES}
    points = np.random.default_rng(seed).normal(size=(32, batch.X.shape[1]))
    for i in range(len(batch)):
        expression = batch.expression(i)
        used = set(expression.codes.tolist())
        for name, number in code.items():
            found[f"has_{name}"][i] = number in used
        found["complexity"][i] = expression.complexity
        for name, holds in _symmetries(expression, points[:, : int(batch.dims[i])]).items():
            found[name][i] = holds
    return found


def _symmetries(expression: Expression, points: Floats) -> dict[str, bool]:
    value = expression.evaluate(points)
    scale = np.abs(value).max()

    def equal(other: Floats) -> bool:
        return bool(np.all(np.abs(other - value) <= 1e-9 * scale))  # NaN is not equal

    mirrored = expression.evaluate(-points)
    exchanged = False
    for i in range(points.shape[1]):
        for j in range(i):
            order = np.arange(points.shape[1])
            order[[i, j]] = j, i
            exchanged = exchanged or equal(expression.evaluate(points[:, order]))
    return {"even": equal(mirrored), "odd": equal(-mirrored), "exchange": exchanged}
