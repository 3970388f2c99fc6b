"""Changes of variables that lower the dimension, found by regression on held-out rows.

A hypothesis such as "y = x1^p h(x0/x2, x3)" is tested by kernel regression of log|y| (or y) on the fewer
inputs: if it holds, the held-out error does not grow. The exponent needs no grid: held-out residuals are
linear in the target, so the best p is the slope of the residual of log|y| on the residual of log|x1|.
AI Feynman (Udrescu & Tegmark 2020) tests such symmetries with a neural network's values; regression is
cheaper, and accepts noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist

from symnum.expressions.expression import Expression
from symnum.search.snapping import snap_exponent
from symnum.search.view import View, errors_through

TRAIN, HELD = 320, 160
_PAIRS: dict[str, tuple[Callable, Callable[[Expression, Expression], Expression]]] = {
    "ratio": (lambda a, b: a / b, lambda a, b: a / b),
    "product": (lambda a, b: a * b, lambda a, b: a * b),
    "difference": (lambda a, b: a - b, lambda a, b: a - b),
    "sum": (lambda a, b: a + b, lambda a, b: a + b),
    "squares": (lambda a, b: a * a + b * b, lambda a, b: a**2 + b**2),
    "square difference": (lambda a, b: a * a - b * b, lambda a, b: a**2 - b**2),
    "ratio to square": (lambda a, b: a / (b * b), lambda a, b: a / b**2),
    "product with square": (lambda a, b: a * b * b, lambda a, b: a * b**2),
}


@dataclass(slots=True)
class Proposal:
    """A reduced view, and how well its inputs predict the target on held-out rows."""

    view: View
    error: float
    gain: float


class _Smoother:
    """Gaussian-kernel regression on standardised inputs, factorised once for many targets."""

    def __init__(self, Z: NDArray, settings: tuple[float, float]) -> None:
        stretch, jitter = settings
        spread = np.std(Z, axis=0)
        Z = (Z - np.mean(Z, axis=0)) / np.where(spread > 0, spread, 1.0)
        self.train = min(TRAIN, 2 * len(Z) // 3)
        known, new = Z[: self.train], Z[self.train :]
        width = 2.0 * stretch**2 * max(1, Z.shape[1])
        kernel = np.exp(-cdist(known, known, "sqeuclidean") / width)
        kernel[np.diag_indices(self.train)] += jitter
        self.cross = np.exp(-cdist(new, known, "sqeuclidean") / width)
        self.factor = cho_factor(kernel, overwrite_a=True, check_finite=False)

    def residuals(self, targets: NDArray) -> NDArray:
        """Held-out residuals (h, k) of targets (n, k)."""
        mean = targets[: self.train].mean(axis=0)
        weights = cho_solve(self.factor, targets[: self.train] - mean, check_finite=False)
        return targets[self.train :] - mean - self.cross @ weights


SETTINGS = tuple((s, j) for s in (0.7, 1.5, 3.0, 6.0) for j in (1e-10, 1e-6, 1e-2, 1e-1))


def propose(
    view: View, most: int = 3, tolerance: float = 1.3, stop: Callable[[], bool] = lambda: False
) -> list[Proposal]:
    """Reductions that keep the held-out error, best first.

    Parameters
    ----------
    view : View
        At least 40 rows and two variables, else nothing is proposed.
    most : int
        How many to return.
    tolerance : float
        Factor by which the held-out error may exceed that of all inputs.
    stop : callable
        Asked before every hypothesis; those that are left are not tried when it says so.
    """
    n, d = view.X.shape
    if d < 2 or n < 40:
        return []
    rows = view.rows(TRAIN + HELD)
    X, y = view.X[rows], view.y[rows]
    best = _best_smoother(X, y)
    if best is None or not np.isfinite(best[0]) or best[0] > 0.5:
        return []
    full, use_log, stretched, settings = best
    target = np.log(np.abs(y)) if use_log else y
    found: list[Proposal] = []
    for inputs, factors, make in _hypotheses(view, X, use_log):
        if stop():
            break
        Z = np.log(inputs) if stretched and np.all(inputs > 0) else inputs
        columns = [target, *(np.log(np.abs(f)) if use_log else f for f in factors)]
        if not all(np.all(np.isfinite(c)) for c in columns) or not np.all(np.isfinite(Z)):
            continue
        left = _residuals(Z, settings, np.stack(columns, axis=1))
        slope = 0.0
        if factors:
            norm = float(left[:, 1] @ left[:, 1])
            slope = snap_exponent(float(left[:, 0] @ left[:, 1]) / norm, 0.03) if norm > 0 else 0.0
        if factors and not use_log and abs(slope) * np.std(factors[0]) < 1e-9 * np.std(target):
            slope = 0.0  # rounding, not a term
        error = _relative((left[:, 0] - slope * left[:, 1])[:, None] if factors else left, target)
        if error < tolerance * full + 1e-12:
            made = make(slope)
            if made is not None:
                found.append(Proposal(made, error, full / max(error, 1e-15)))
    found.sort(key=lambda p: (p.error * (1.0 + 0.02 * len(p.view.names)), p.view.path))
    return found[:most]


def predictability(view: View) -> float:
    """Held-out error of the best smoother of y or log|y| relative to the spread; 0 with few rows."""
    if len(view.y) < 60 or view.X.shape[1] == 0:
        return 0.0
    rows = view.rows(TRAIN + HELD)
    best = _best_smoother(view.X[rows], view.y[rows])
    return 1.0 if best is None else best[0]


def _best_smoother(X: NDArray, y: NDArray) -> tuple[float, bool, bool, tuple[float, float]] | None:
    """(error, logarithm of y, logarithms of X, settings) of the smallest held-out error."""
    best: tuple[float, bool, bool, tuple[float, float]] | None = None
    logs = bool(np.all(y > 0) or np.all(y < 0))
    for use_log in (False, True) if logs else (False,):
        target = np.log(np.abs(y)) if use_log else y
        for stretched in (False, True) if np.all(X > 0) else (False,):
            Z = np.log(X) if stretched else X
            for settings in SETTINGS:
                error = _relative(_residuals(Z, settings, target[:, None]), target)
                if best is None or error < best[0]:
                    best = (error, use_log, stretched, settings)
    return best


def unpredictable(X: NDArray[np.float64], residual: NDArray[np.float64]) -> bool:
    """Whether no smooth function of X predicts held-out residuals: what is left looks like noise.

    Needs 60 rows; with fewer the answer is False (not known to be noise).
    """
    order = np.random.default_rng(len(residual)).permutation(len(residual))[: TRAIN + HELD]
    Z, r = X[order], residual[order]
    spread = float(np.std(r))
    if len(r) < 60 or spread == 0:
        return False
    # Heavy tails would hide structure in the middle.
    r = np.clip(r, np.median(r) - 3 * spread, np.median(r) + 3 * spread)
    inputs = [Z, np.log(Z)] if np.all(Z > 0) else [Z]
    held = len(r) - min(TRAIN, 2 * len(r) // 3)
    total = float(np.mean((r[-held:] - r[:-held].mean()) ** 2))
    best = min(
        float(np.mean(_residuals(z, (stretch, jitter), r[:, None])[:, 0] ** 2))
        for z in inputs for stretch in (0.7, 1.5, 3.0) for jitter in (1e-6, 1e-2, 1.0)
    )  # fmt: skip
    # Of many smoothers the best gains a little by chance, more with fewer held-out rows.
    return best > (1 - 1.5 / np.sqrt(held)) * total


def _residuals(Z: NDArray, settings: tuple[float, float], targets: NDArray) -> NDArray:
    if Z.shape[1] == 0:
        cut = min(TRAIN, 2 * len(targets) // 3)
        return targets[cut:] - targets[:cut].mean(axis=0)
    try:
        return _Smoother(Z, settings).residuals(targets)
    except np.linalg.LinAlgError:
        return np.full((len(targets) // 3, targets.shape[1]), np.inf)


def _relative(residual: NDArray, target: NDArray) -> float:
    # The median square: a few rows in a corner of the box may extrapolate badly without telling anything.
    spread = float(np.std(target))
    return float(np.sqrt(np.median(residual[:, 0] ** 2))) / spread if spread > 0 else np.inf


def _hypotheses(
    view: View, X: NDArray, use_log: bool
) -> Iterator[tuple[NDArray, list[NDArray], Callable[[float], View | None]]]:
    """(reduced inputs, columns whose coefficient or exponent is fitted, slope to reduced view)."""
    d = X.shape[1]
    for i in range(d):
        others = [j for j in range(d) if j != i]
        if np.all(X[:, i] != 0):
            yield X[:, others], [X[:, i]], _peel(view, i, use_log)
    for name, (values, form) in _PAIRS.items():
        ordered = name in ("ratio to square", "product with square")
        for i in range(d):
            for j in range(d):
                if i == j or (j < i and not ordered):
                    continue
                with np.errstate(all="ignore"):
                    merged = values(X[:, i], X[:, j])
                if not np.all(np.isfinite(merged)) or np.ptp(merged) == 0:
                    continue
                rest = [k for k in range(d) if k not in (i, j)]
                inputs = np.column_stack([merged, X[:, rest]])
                # A power of x_j in front is allowed where it makes sense: y = x_j^p h(x_i/x_j, ...).
                factors = [X[:, j]] if use_log and np.all(X[:, j] != 0) else []
                yield inputs, factors, _merge(view, i, j, name, values, form)


def _peel(view: View, i: int, use_log: bool) -> Callable[[float], View | None]:
    def make(slope: float) -> View | None:
        keep = [j for j in range(len(view.names)) if j != i]
        names = tuple(view.names[j] for j in keep)
        variable = Expression.variable(i, view.names)
        x = view.X[:, i]
        with np.errstate(all="ignore"):
            y = view.y / np.abs(x) ** slope if use_log else view.y - slope * x
        if not np.all(np.isfinite(y)) or np.ptp(y) == 0:
            return None

        def restore(e: Expression) -> Expression:
            e = e.with_names(view.names)
            if slope == 0:
                return view.restore(e)
            if use_log:
                base = variable if np.all(x > 0) else Expression.apply("abs", variable)
                factor = base ** abs(slope) if abs(slope) != 1 else base
                return view.restore(e * factor if slope > 0 else e / factor)
            return view.restore(e + slope * variable if slope > 0 else e - (-slope) * variable)

        step = f"{view.names[i]}^{slope:g}" if use_log else f"{slope:g}*{view.names[i]}"
        scale = errors_through(view, np.abs(x) ** slope) if use_log and slope else view.scale
        return View(view.X[:, keep], y, names, restore, (*view.path, step), scale)

    return make


def _merge(
    view: View,
    i: int,
    j: int,
    name: str,
    values: Callable,
    form: Callable[[Expression, Expression], Expression],
) -> Callable[[float], View | None]:
    def make(slope: float) -> View | None:
        rest = [k for k in range(len(view.names)) if k not in (i, j)]
        label = f"u{len(view.path)}"
        while label in view.names:
            label += "_"
        names = (label, *(view.names[k] for k in rest))
        a, b = Expression.variable(i, view.names), Expression.variable(j, view.names)
        x = view.X[:, j]
        with np.errstate(all="ignore"):
            merged = values(view.X[:, i], x)
            y = view.y / np.abs(x) ** slope
        if not np.all(np.isfinite(y)) or not np.all(np.isfinite(merged)) or np.ptp(y) == 0:
            return None

        def restore(e: Expression) -> Expression:
            e = e.substitute({label: form(a, b)}).with_names(view.names)
            if slope:
                base = b if np.all(x > 0) else Expression.apply("abs", b)
                factor = base ** abs(slope) if abs(slope) != 1 else base
                e = e * factor if slope > 0 else e / factor
            return view.restore(e)

        step = f"{name} {view.names[i]}, {view.names[j]}" + (
            f" times {view.names[j]}^{slope:g}" if slope else ""
        )
        X = np.column_stack([merged, view.X[:, rest]])
        scale = errors_through(view, np.abs(x) ** slope) if slope else view.scale
        return View(X, y, names, restore, (*view.path, step), scale)

    return make
