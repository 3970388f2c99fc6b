"""What counts as a small error: squared, absolute, Huber and other losses, and constants refined for them.

The search itself solves least-squares problems in closed form. Another loss enters as row weights
(iteratively reweighted least squares), decides which formula is kept, and has the constants of those refined.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

from symnum.exceptions import InvalidInput
from symnum.expressions.compiled import evaluate_with_jacobian, fit_constants
from symnum.expressions.expression import Expression

Float = NDArray[np.float64]
Pointwise = Callable[[Float, Float], Float]

NAMES = ("squared", "absolute", "huber", "logcosh", "quantile", "relative")
"""Losses with a name; "huber(d)" and "quantile(q)" take a number."""
_TEXT = re.compile(r"\s*(\w+)\s*(?:\(\s*([-+.\deE]+)\s*\))?\s*")
_ROUNDS = 20
_FAR = 5.0


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss of single rows.

    Attributes
    ----------
    name : str
    value : callable
        ``(y, prediction) -> (n,)``, not negative.
    slope : callable
        Its derivative by the prediction, ``(y, prediction) -> (n,)``.
    power : int
        The value grows like this power of a small error.
    """

    name: str
    value: Pointwise
    slope: Pointwise
    power: int = 2

    @property
    def squared(self) -> bool:
        """Whether this is plain least squares."""
        return self.name == "squared"

    def error(self, mean: float) -> float:
        """Mean loss in the units of an error."""
        return max(mean, 0.0) ** (1 / self.power)

    def mean(self, y: Float, prediction: Float, weights: Float | None = None) -> float:
        """Weighted mean; infinite where a row that counts is not finite."""
        with np.errstate(all="ignore"):
            rows = self.value(y, prediction)
            if weights is not None:
                rows = np.where(weights > 0, rows * weights, 0.0)
            total = float(np.sum(rows) / (len(y) if weights is None else np.sum(weights)))
        return total if np.isfinite(total) else np.inf

    def weights(self, y: Float, prediction: Float, floor: float) -> Float:
        """Weights of squared errors with the same slope; errors below `floor` count as if they were it."""
        gap = prediction - y
        gap = np.where(np.abs(gap) < floor, np.where(gap < 0, -floor, floor), gap)
        with np.errstate(all="ignore"):
            made = self.slope(y, y + gap) / (2 * gap)
        return np.where(np.isfinite(made), np.maximum(made, 0.0), 0.0)


def make_loss(loss: str | Callable, X: Float, y: Float) -> Loss:
    """Loss for the `loss` parameter.

    Parameters
    ----------
    loss : str or callable
        One of `NAMES`, with a number in brackets where it has one, or ``(y, prediction) -> (n,)``.
    X, y : ndarray (n, d), (n,)
        The data: a Huber loss without a number takes its width from their noise.

    Raises
    ------
    InvalidInput
        For an unknown name, a number out of range, a callable with another result, and zeros in y with a
        relative loss.
    """
    if callable(loss):
        return _own(loss, y)
    match = _TEXT.fullmatch(loss) if isinstance(loss, str) else None
    name, number = (match[1], match[2]) if match else ("", None)
    if name not in NAMES or (number is not None and name not in ("huber", "quantile")):
        raise InvalidInput(
            f"loss={loss!r} is unknown; use {', '.join(NAMES)}, with a number as in 'huber(0.5)' and "
            "'quantile(0.9)', or a function of y and prediction"
        )
    try:
        value = None if number is None else float(number)
    except ValueError:
        raise InvalidInput(f"loss={loss!r}: {number!r} is no number") from None
    if name == "squared":
        return SQUARED
    if name == "absolute":
        return Loss(loss, lambda y, p: np.abs(p - y), lambda y, p: np.sign(p - y), 1)
    if name == "logcosh":
        return Loss(loss, _logcosh, lambda y, p: np.tanh(p - y))
    if name == "relative":
        if np.any(y == 0):
            raise InvalidInput(
                f"loss='relative' divides by y, and y is 0 in {int(np.sum(y == 0))} rows; drop them or take "
                "another loss"
            )
        return Loss(loss, lambda y, p: ((p - y) / y) ** 2, lambda y, p: 2 * (p - y) / y**2)
    if name == "quantile":
        return _quantile(0.5 if value is None else value)
    return _huber(1.35 * noise(X, y) if value is None else value)


def _huber(d: float) -> Loss:
    if not d > 0:
        raise InvalidInput(f"the width of a Huber loss must be positive, got {d!r}")

    def value(y: Float, p: Float) -> Float:
        size = np.abs(p - y)
        return np.where(size <= d, size**2, d * (2 * size - d))

    return Loss("huber", value, lambda y, p: 2 * np.clip(p - y, -d, d))


def _quantile(q: float) -> Loss:
    if not 0 < q < 1:
        raise InvalidInput(f"a quantile lies between 0 and 1, got {q!r}")
    return Loss(
        "quantile",
        lambda y, p: np.where(p < y, q * (y - p), (1 - q) * (p - y)),
        lambda y, p: np.where(p < y, -q, 1 - q),
        1,
    )


def _logcosh(y: Float, p: Float) -> Float:
    size = np.abs(p - y)
    # Near zero the general form subtracts equal numbers.
    return np.where(size < 1e-3, size**2 / 2, size + np.log1p(np.exp(-2 * size)) - np.log(2.0))


def _own(function: Callable, y: Float) -> Loss:
    name = getattr(function, "__name__", type(function).__name__)

    def value(y: Float, p: Float) -> Float:
        made = np.asarray(function(y, p), dtype=np.float64)
        if made.shape != np.shape(y):
            raise InvalidInput(
                f"the loss {name} gave shape {made.shape} for {len(y)} rows; expected one value a row"
            )
        return made

    if not np.all(np.isfinite(value(y, y))):
        raise InvalidInput(f"the loss {name} is not finite for predictions that are equal to y")
    spread = float(np.std(y)) or 1.0

    def slope(y: Float, p: Float) -> Float:
        step = 1e-6 * np.maximum(np.abs(p - y), 1e-4 * spread)
        return (value(y, p + step) - value(y, p - step)) / (2 * step)

    # How the loss grows with a small error: like its square, or more like its size.
    with np.errstate(all="ignore"):
        grown = value(y, y + 2e-3 * spread) / value(y, y + 1e-3 * spread)
        power = float(np.median(np.log2(grown[np.isfinite(grown)]))) if np.isfinite(grown).any() else 2.0
    return Loss(name, value, slope, 1 if power < 1.5 else 2)


SQUARED = Loss("squared", lambda y, p: (p - y) ** 2, lambda y, p: 2 * (p - y))


# --------------------------------------------------------------------------------------- constants for a loss
def refine(
    e: Expression,
    loss: Loss,
    X: Float,
    y: Float,
    weights: Float | None,
    stop: Callable[[], bool],
    thorough: bool = True,
) -> Expression:
    """Formula with its constants moved to lower the loss; `e` itself when nothing is gained.

    Iteratively reweighted least squares [1]_, then, when `thorough`, quasi-Newton steps on the loss itself.

    References
    ----------
    .. [1] P. W. Holland, R. E. Welsch, Robust regression using iteratively reweighted least-squares, 1977.
    """
    count = len(e.constants)
    if not 0 < count <= 12:
        return e
    base = np.ones(len(y)) if weights is None else weights
    columns = np.ascontiguousarray(X.T)
    best, prediction = e, _values(e, X)
    lowest = first = loss.mean(y, prediction, weights)
    for _ in range(_ROUNDS if thorough else 4):
        if stop() or not np.isfinite(lowest):
            break
        floor = 1e-4 * float(np.median(np.abs(prediction - y))) + 1e-14 * float(np.max(np.abs(y)))
        row = base * loss.weights(y, prediction, floor or 1e-300)
        if not np.any(row > 0):
            break
        fit = fit_constants([best], columns, y, max_iter=20, weights=row / row.max())
        if not np.all(np.isfinite(fit.constants)):
            break
        trial = best.with_constants(fit.constants)
        values = _values(trial, X)
        mean = loss.mean(y, values, weights)
        if not mean < lowest or len(trial.constants) != count:
            break
        gained = lowest - mean
        best, prediction, lowest = trial, values, mean
        if gained < 1e-7 * lowest:
            break
    if thorough and not stop() and np.isfinite(lowest):
        best, lowest = _descend(best, loss, columns, y, base, lowest)
    return best if lowest < first else e


def _descend(
    e: Expression, loss: Loss, columns: Float, y: Float, base: Float, lowest: float
) -> tuple[Expression, float]:
    total = float(base.sum())
    scale = np.maximum(np.abs(e.constants), 1e-3)

    def target(z: Float) -> tuple[float, Float]:
        values, jacobian = evaluate_with_jacobian(e.codes, z * scale, columns)
        if not np.all(np.isfinite(values[base > 0])):
            return 1e300, np.zeros_like(z)
        with np.errstate(all="ignore"):
            slope = np.where(base > 0, base * loss.slope(y, values), 0.0)
            gradient = np.where(slope != 0, jacobian * slope, 0.0).sum(axis=1) * scale / total
        return loss.mean(y, values, base) / lowest, np.nan_to_num(gradient) / lowest

    if lowest <= 0:
        return e, lowest
    options = {"maxiter": 80, "ftol": 1e-13, "gtol": 1e-9}
    found = minimize(target, e.constants / scale, jac=True, method="L-BFGS-B", options=options)
    if not found.fun < 1 or not np.all(np.isfinite(found.x)):
        return e, lowest
    made = e.with_constants(found.x * scale)
    return (made, found.fun * lowest) if len(made.constants) == len(e.constants) else (e, lowest)


def _values(e: Expression, X: Float) -> Float:
    with np.errstate(all="ignore"):
        return e.evaluate(X)


# ----------------------------------------------------------------------- rows before a formula is known
def noise(X: Float, y: Float) -> float:
    """Robust standard deviation of what no smooth function of X explains, in the units of y."""
    rows = _sample(len(y), 600)
    spread = 1.4826 * float(np.median(np.abs(left_out(X[rows], y[rows]))))
    return max(spread, 1e-6 * float(np.std(y)), 1e-300)


def row_weights(loss: Loss, y: Float, residual: Float) -> Float:
    """Weights for a least-squares search; rows that the loss all but ignores get none.

    Parameters
    ----------
    residual : ndarray (n,)
        ``y`` less what is known of it.
    """
    spread = 1.4826 * float(np.median(np.abs(residual)))
    floor = max(spread, 1e-12 * float(np.max(np.abs(y))), 1e-300)
    made = loss.weights(y, y - residual, floor)
    # The same row without its error tells whether the loss or the row itself makes its weight small.
    full = loss.weights(y, y - np.sign(residual) * floor, floor)
    made = np.where(made < full / _FAR, 0.0, made)
    return made / made.max() if made.max() > 0 else np.ones_like(made)


def left_out(X: Float, y: Float) -> Float:
    """Residual of every row by robust kernel regression on the others, shape (n,).

    The leave-one-out formula of kernel ridge regression, reweighted twice so that outliers do not bend the
    curve; width and ridge by the median absolute residual.
    """
    spread = np.std(X, axis=0)
    Z = (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    centre, size = float(np.median(y)), float(np.median(np.abs(y - np.median(y)))) or float(np.std(y)) or 1.0
    target = (y - centre) / size
    small = _sample(len(y), 300)
    _, chosen = min(
        (float(np.median(np.abs(_left_out(Z[small], target[small], s, j, 1)))), (s, j))
        for s in (0.5, 1.0, 3.0) for j in (1e-5, 1e-2)
    )  # fmt: skip
    return size * _left_out(Z, target, *chosen, 3)


def _left_out(Z: Float, target: Float, stretch: float, jitter: float, rounds: int) -> Float:
    kernel = np.exp(-cdist(Z, Z, "sqeuclidean") / (2 * stretch**2 * max(1, Z.shape[1])))
    weight = np.ones(len(target))
    residual = target
    for _ in range(rounds):
        try:
            factor = cho_factor(kernel + np.diag(jitter / weight))
        except np.linalg.LinAlgError:
            return np.full(len(target), np.inf)
        inverse = cho_solve(factor, np.eye(len(target)))
        residual = (inverse @ target) / np.diag(inverse)
        spread = 1.4826 * float(np.median(np.abs(residual))) or 1e-12
        weight = np.maximum(1 / np.maximum(1.0, (residual / (2 * spread)) ** 2), 1e-6)
    return residual


def _sample(n: int, most: int) -> NDArray[np.int64]:
    return np.sort(np.random.default_rng(n).permutation(n)[:most])
