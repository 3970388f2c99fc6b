"""Separability: which variables interact, and a search for the parts of a sum or a product.

``T(y) = sum_C f_C(x_C)`` over groups C of variables is tested by kernel regression with additive kernels
(functional ANOVA; Durrande et al. 2012): variables i and j do not interact when functions of all inputs but i
plus functions of all but j predict held-out rows as well as functions of all inputs. The maximal cliques of
the graph of interactions are the groups. AI Feynman (Udrescu & Tegmark 2020) tests separability by the values
of a network in two disjoint groups; here groups may share variables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist

from symnum.expressions.expression import Expression
from symnum.search.reduction import HELD, SETTINGS, TRAIN
from symnum.search.view import View, errors_through

Group = tuple[int, ...]
_TOLERANCES = (1.15, 1.8)
"""How much the held-out error may grow: a strict answer, and one for targets that are hard to regress."""
_HOPELESS = 0.35
"""Relative held-out error of the full model beyond which nothing can be said."""


@dataclass(frozen=True, slots=True)
class Structure:
    """A decomposition that the data do not contradict.

    Attributes
    ----------
    log : bool
        Whether log|y| is the sum (so that |y| is a product), else y.
    groups : tuple of tuple of int
        Columns of each part.
    parts : ndarray (groups, n)
        Estimated value of each part, without its mean, on the rows `rows` of the view.
    rows : ndarray (n,) of int
    error : float
        Relative held-out error of the additive model.
    """

    log: bool
    groups: tuple[Group, ...]
    parts: NDArray[np.float64]
    rows: NDArray[np.int64]
    error: float

    def text(self, names: Sequence[str]) -> str:
        """The decomposition in words."""
        return (" * " if self.log else " + ").join(
            "f(" + ", ".join(names[j] for j in g) + ")" for g in self.groups
        )


class _Additive:
    """Kernel regression with a sum of Gaussian kernels, one for each group of standardised columns.

    Functions of fewer variables are learnt at shorter length scales: the better of two is taken.
    """

    def __init__(self, Z: NDArray, settings: tuple[float, float], scales: Sequence[float] = (1.0,)) -> None:
        spread = np.std(Z, axis=0)
        self.Z = (Z - np.mean(Z, axis=0)) / np.where(spread > 0, spread, 1.0)
        self.stretch, self.jitter = settings
        self.scales = scales
        self.train = min(TRAIN, 2 * len(Z) // 3)
        self.known: dict[tuple[Group, float], NDArray] = {}

    def kernel(self, groups: Sequence[Group], scale: float) -> NDArray:
        """Sum of the kernels (n, train) of some groups; each is kept for the next question."""
        for group in groups:
            if (group, scale) not in self.known:
                Z = self.Z[:, list(group)]
                width = 2.0 * (scale * self.stretch) ** 2 * max(1, len(group))
                self.known[group, scale] = np.exp(-cdist(Z, Z[: self.train], "sqeuclidean") / width)
        return sum(self.known[g, scale] for g in groups) / len(groups)

    def error(self, groups: Sequence[Group], target: NDArray) -> float:
        """Relative held-out error of a sum of functions of the groups."""
        return min(self.fit(groups, target, scale)[1] for scale in self.scales)

    def parts(self, groups: Sequence[Group], target: NDArray) -> NDArray[np.float64]:
        """Estimated values (groups, n) of the parts, each without its mean."""
        scale = min(self.scales, key=lambda s: self.fit(groups, target, s)[1])
        weights, _ = self.fit(groups, target, scale)
        parts = np.stack([self.kernel([g], scale) @ weights / len(groups) for g in groups])
        return parts - parts.mean(axis=1, keepdims=True)

    def fit(self, groups: Sequence[Group], target: NDArray, scale: float) -> tuple[NDArray, float]:
        """Weights (train,) of the additive model and its relative held-out error."""
        kernel = self.kernel(groups, scale)
        mean = target[: self.train].mean()
        square = kernel[: self.train].copy()
        square[np.diag_indices(self.train)] += self.jitter
        try:
            factor = cho_factor(square, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:
            return np.zeros(self.train), np.inf
        weights = cho_solve(factor, target[: self.train] - mean, check_finite=False)
        residual = target[self.train :] - mean - kernel[self.train :] @ weights
        spread = float(np.std(target))
        return weights, float(np.sqrt(np.median(residual**2))) / spread if spread > 0 else np.inf


def structures(view: View, logs: bool = True, stop: Callable[[], bool] = lambda: False) -> list[Structure]:
    """Decompositions of y and of log|y| into two or more groups, the better supported first.

    Needs 60 rows and two columns, else nothing is found. What was not done when `stop` said so is left out.
    """
    n, d = view.X.shape
    if d < 2 or n < 60:
        return []
    found = []
    for log in (False, True) if logs and np.all(view.y != 0) else (False,):
        rows = _central(view, log)
        X, y = view.X[rows], view.y[rows]
        target = np.log(np.abs(y)) if log else y
        best = _best_model(X, target)
        if best is None or best[0] > _HOPELESS:
            continue
        full, model = best
        pairs = _pair_errors(model, target, stop)
        if pairs is None:
            break
        seen: set[tuple[Group, ...]] = set()
        for tolerance in _TOLERANCES if logs else _TOLERANCES[:1]:
            groups = tuple(sorted(_cliques(pairs > tolerance * full + 1e-12)))
            if len(groups) < 2 or groups in seen:
                continue
            seen.add(groups)
            error = model.error(groups, target)
            # Fewer inputs in each part: a true decomposition is seldom worse than the full model.
            if error <= tolerance * full + 1e-12:
                found.append(Structure(log, groups, model.parts(groups, target), rows, error))
    return sorted(found, key=lambda s: s.error)


def multiplied(view: View, most: int = 2, stop: Callable[[], bool] = lambda: False) -> list[View]:
    """Views of y times or divided by a power of one variable that are sums of smaller parts than y itself."""
    base = _load(structures(view, logs=False, stop=stop), len(view.names))
    found: list[tuple[float, float, View]] = []
    for j, name in enumerate(view.names):
        x = view.X[:, j]
        if np.any(x == 0):
            continue
        for power in (1, -1, 2, -2):
            if stop():
                break
            y = view.y * x**power
            if not np.all(np.isfinite(y)) or np.ptp(y) == 0:
                continue
            step = f"times {name}^{power}"
            new = View(
                view.X, y, view.names, _divided(view, j, power), (*view.path, step),
                errors_through(view, np.abs(x) ** -float(power)),
            )  # fmt: skip
            made = structures(new, logs=False, stop=stop)
            load = _load(made, len(view.names))
            if load < base:
                found.append((load, made[0].error, new))
    found.sort(key=lambda f: f[:2])
    return [f[2] for f in found[:most]]


def _load(found: list[Structure], d: int) -> float:
    """How large the parts are: enumeration grows by a power of the number of variables."""
    return sum(4.0 ** len(g) for g in found[0].groups) if found else 4.0**d


def _divided(view: View, j: int, power: int) -> Callable[[Expression], Expression]:
    def restore(e: Expression) -> Expression:
        x = Expression.variable(j, view.names)
        factor = x if abs(power) == 1 else x ** abs(power)
        e = e.with_names(view.names)
        return view.restore(e / factor if power > 0 else e * factor)

    return restore


def _central(view: View, log: bool) -> NDArray[np.int64]:
    """Rows for the tests; for logarithms without the tails of |y|, where zeros and poles would dominate."""
    rows = view.rows(len(view.y))
    mixed = log and np.any(view.y > 0) and np.any(view.y < 0)
    if mixed or _heavy(view.y):
        size = np.abs(view.y[rows])
        low, high = np.quantile(size, [0.15, 0.9])
        rows = rows[(size >= low) & (size <= high)]
    return rows[: TRAIN + HELD]


def _heavy(y: NDArray[np.float64]) -> bool:
    low, mid, high = np.quantile(np.abs(y), [0.25, 0.5, 0.99])
    return bool(high > 30 * mid or low < mid / 30)


def _best_model(X: NDArray, target: NDArray) -> tuple[float, _Additive] | None:
    everything = tuple(range(X.shape[1]))
    best: tuple[float, _Additive] | None = None
    for Z in (X, np.log(X)) if np.all(X > 0) else (X,):
        for settings in SETTINGS:
            model = _Additive(Z, settings)
            error = model.error([everything], target)
            if best is None or error < best[0]:
                best = error, model
    if best is not None:
        best[1].scales = (0.5, 1.0)
    return best


def _pair_errors(model: _Additive, target: NDArray, stop: Callable[[], bool]) -> NDArray[np.float64] | None:
    """Held-out error (d, d) of a model in which two variables do not interact; infinite on the diagonal.

    None when it was stopped.
    """
    d = model.Z.shape[1]
    errors = np.full((d, d), np.inf)
    for i, j in combinations(range(d), 2):
        if stop():
            return None
        without = [tuple(k for k in range(d) if k != out) for out in (i, j)]
        errors[i, j] = errors[j, i] = model.error(without, target)
    return errors


def _cliques(joined: NDArray[np.bool_]) -> list[Group]:
    """Maximal cliques (Bron & Kerbosch 1973); at most a handful of variables."""
    found: list[Group] = []

    def extend(chosen: Group, open_: set[int], closed: set[int]) -> None:
        if not open_ and not closed:
            found.append(tuple(sorted(chosen)))
        for v in sorted(open_):
            near = {int(u) for u in np.flatnonzero(joined[v])} - {v}
            extend((*chosen, v), open_ & near, closed & near)
            open_ = open_ - {v}
            closed = closed | {v}

    extend((), set(range(len(joined))), set())
    return found
