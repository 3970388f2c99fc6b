"""Whether two formulas are the same function: several verdicts side by side, never merged into one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions.canonical import canonical
from symnum.expressions.expression import Expression
from symnum.expressions.operators import OPERATORS
from symnum.expressions.tree_distance import tree_distance

Symbolic = Literal["equal", "different", "unknown"]
Bounds = tuple[ArrayLike, ArrayLike]

_QUANTILE = 0.99
_FEWEST = 20  # defined points for a verdict
_WIDE = 100.0  # a positive range over this ratio is sampled on the logarithmic scale too
_REFIT_TOLERANCE = 1e-6
_AFFINE_TOLERANCE = 1e-8
_REFIT_ROWS = 400
_HUGE = 1e150  # the fit squares residuals in float64


@dataclass(frozen=True)
class Equivalence:
    """Verdicts on a found formula against the true one.

    Attributes
    ----------
    numeric_in, numeric_out : bool or None
        Agreement on random points of the box, and of the box widened by half its width on both sides; None
        when the truth is defined at too few of them.
    symbolic : {"equal", "different", "unknown"}
        Verdict of exact algebra on the box (columns with positive bounds are positive symbols). It is
        "different" for constants that differ by more than rounding, and "unknown" when time ran out.
    refitted : bool or None
        Whether `found` agrees once all its constants are refitted to the noise-free truth: its form holds the
        truth, the constants may be imperfect (a superfluous term counts when its factor refits to 0). None
        when not asked for.
    affine : (float, float) or None
        ``(a, b)`` when the truth is ``a*found + b``, in and out of the box.
    distance : float
        Normalised tree edit distance of the canonical forms, constants alike: 0 is the same form.
    """

    numeric_in: bool | None
    numeric_out: bool | None
    symbolic: Symbolic
    refitted: bool | None
    affine: tuple[float, float] | None
    distance: float

    @property
    def recovered(self) -> bool:
        """Same function in the box and, where the truth is defined there at all, around it."""
        return self.numeric_in is True and self.numeric_out is not False


def compare(
    found: Expression,
    truth: Expression,
    bounds: Bounds,
    seed: int = 0,
    tolerance: float = 1e-6,
    n: int = 2000,
    symbolic_timeout: float = 5.0,
    symbolic: bool = True,
    refit: bool = True,
) -> Equivalence:
    """Compare a found formula with the true one.

    Parameters
    ----------
    found, truth : Expression
        Columns are matched by name; `found` may not use columns that `truth.names` lacks.
    bounds : (low, high)
        Ranges of the columns of `truth.names`, arrays of shape (d,) or two numbers for all columns.
    seed : int
        Seed of the random points.
    tolerance : float
        Largest relative error that counts as agreement. 1e-6 allows for constants fitted in float64; use 1e-8
        for claims of exactness.
    n : int
        Points in the box, and as many around it.
    symbolic_timeout : float
        Seconds for sympy.
    symbolic, refit : bool
        Whether to spend time on these verdicts.

    Raises
    ------
    InvalidInput
        When the bounds do not fit or `found` uses an unknown column.

    Notes
    -----
    The error at a point is ``|found - truth| / max(|truth|, s)``, s the median of ``|truth|`` on all points.
    Two formulas agree when its 99 % quantile is at most `tolerance`. Points where the truth is undefined (no
    finite number) count only in the box, as agreement when `found` is undefined too and as infinite error
    otherwise; outside they are left out. Points where only `found` is undefined have infinite error. So
    ``abs(x)`` for ``x`` on a positive box agrees inside and, once the widened box reaches below zero, not
    outside: it is not the same function. Values are computed in extended precision where the machine has it.
    """
    found = _aligned(found, truth)
    low, high = _box(bounds, truth)
    rng = np.random.default_rng(seed)
    inside, outside = _inside(rng, low, high, n), _outside(rng, low, high, n)
    views = [_View(truth, X, keep) for X, keep in ((inside, True), (outside, False)) if len(X)]
    verdicts = [view.verdict(view.values(found), tolerance) for view in views]
    return Equivalence(
        numeric_in=verdicts[0],
        numeric_out=verdicts[1] if len(verdicts) > 1 else None,
        symbolic=_symbolic(found, truth, low, inside, symbolic_timeout) if symbolic else "unknown",
        refitted=_refitted(found, views) if refit else None,
        affine=_affine(found, views),
        distance=tree_distance(canonical(found), canonical(truth)),
    )


def is_recovery(
    found: Expression, truth: Expression, bounds: Bounds, seed: int = 0, factor: float = 1.5
) -> dict[str, Any]:
    """Whether a found formula recovers the truth: the same function, in a short form.

    Parameters
    ----------
    found, truth, bounds, seed
        As in `compare`.
    factor : float
        How many times the truth's `sympy_size` the found formula may have, as returned by the search.

    Returns
    -------
    dict
        ``recovered``: bool, the conjunction of the next two; ``same_function``: bool; ``short``: bool;
        ``numeric_in``, ``numeric_out``: bool or None; ``sympy_size``, ``truth_sympy_size``: int.
    """
    verdict = compare(found, truth, bounds, seed, symbolic=False, refit=False)
    size, truth_size = found.sympy_size(), truth.sympy_size()
    short = size <= factor * truth_size
    return {
        "recovered": verdict.recovered and short,
        "same_function": verdict.recovered,
        "short": short,
        "numeric_in": verdict.numeric_in,
        "numeric_out": verdict.numeric_out,
        "sympy_size": size,
        "truth_sympy_size": truth_size,
    }


# -------------------------------------------------------------------------------------------------- points
def _aligned(found: Expression, truth: Expression) -> Expression:
    missing = [found.names[i] for i in found.variables if found.names[i] not in truth.names]
    if missing:
        raise InvalidInput(
            f"the found formula uses {missing}, but the truth's columns are {list(truth.names)}; "
            "parse both with the same names"
        )
    return found.with_names(truth.names)


def _box(bounds: Bounds, truth: Expression) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    d = len(truth.names)
    try:
        low, high = (np.broadcast_to(np.asarray(b, dtype=np.float64), (d,)) for b in bounds)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"bounds are (low, high) with {d} values each, got {bounds!r}") from error
    if not (np.all(np.isfinite(low)) and np.all(np.isfinite(high)) and np.all(low <= high)):
        raise InvalidInput(f"bounds need finite low <= high in every column, got {low} and {high}")
    return low, high


def _inside(rng: np.random.Generator, low: NDArray, high: NDArray, n: int) -> NDArray[np.float64]:
    """Uniform points; half of them log-uniform in columns that span orders of magnitude."""
    X = rng.uniform(low, high, (n, low.size))
    for j in np.flatnonzero((low > 0) & (high > _WIDE * low)):
        X[::2, j] = np.exp(rng.uniform(np.log(low[j]), np.log(high[j]), X[::2].shape[0]))
    return X


def _outside(rng: np.random.Generator, low: NDArray, high: NDArray, n: int) -> NDArray[np.float64]:
    """Points of the box widened by half its width on both sides that lie outside of it."""
    half = (high - low) / 2
    if not np.any(half > 0):
        return np.empty((0, low.size))
    X = rng.uniform(low - half, high + half, (4 * n, low.size))
    for j in np.flatnonzero((low > 0) & (high > _WIDE * low)):
        reach = np.sqrt(high[j] / low[j])
        X[::2, j] = np.exp(rng.uniform(np.log(low[j] / reach), np.log(high[j] * reach), X[::2].shape[0]))
    return X[np.any((low > X) | (high < X), axis=1)][:n]


class _View:
    """The truth on one set of points."""

    def __init__(self, truth: Expression, X: NDArray[np.float64], keep_undefined: bool) -> None:
        values = _evaluate(truth, X)
        defined = np.isfinite(values)
        if not keep_undefined:
            X, values, defined = X[defined], values[defined], defined[defined]
        self.X, self.truth, self.defined = X, values, defined
        self.enough = np.count_nonzero(defined) >= _FEWEST
        self.scale = np.maximum(np.abs(values), np.median(np.abs(values[defined])) if self.enough else 0.0)
        self.scale[self.scale == 0] = 1.0  # the truth is 0 nearly everywhere

    def values(self, e: Expression) -> NDArray[np.longdouble]:
        return _evaluate(e, self.X)

    def error(self, values: NDArray) -> float:
        """99 % quantile of the relative error."""
        with np.errstate(all="ignore"):
            error = np.abs(values - self.truth) / self.scale
        error[~np.isfinite(error)] = np.inf
        error[~self.defined & ~np.isfinite(values)] = 0.0
        return float(np.quantile(error, _QUANTILE, method="higher"))

    def verdict(self, values: NDArray, tolerance: float) -> bool | None:
        return self.error(values) <= tolerance if self.enough else None


def _evaluate(e: Expression, X: NDArray[np.float64]) -> NDArray[np.longdouble]:
    """Values in extended precision: neither rounding nor overflow of a step may decide a verdict."""
    columns = X.astype(np.longdouble).T
    stack: list[Any] = []
    with np.errstate(all="ignore"):
        for code, value in e.walk():
            if value is not None:
                stack.append(np.longdouble(value))
            elif code < 0:
                stack.append(columns[-code - 1])
            else:
                op = OPERATORS.by_code[code]
                args = stack[-op.arity :]
                del stack[-op.arity :]
                stack.append(op.numpy(*args))
    result = np.empty(len(X), dtype=np.longdouble)
    result[:] = stack[0]
    return result


# -------------------------------------------------------------------------------------------------- verdicts
def _symbolic(
    found: Expression, truth: Expression, low: NDArray, inside: NDArray, timeout: float
) -> Symbolic:
    if canonical(found) == canonical(truth):
        return "equal"
    from symnum.expressions import worker

    names = truth.names
    payload = {
        "found": found.to_dict(),
        "truth": truth.to_dict(),
        "positive": [name for name, value in zip(names, low, strict=True) if value > 0],
        "points": [dict(zip(names, (repr(float(v)) for v in row), strict=True)) for row in inside[:12]],
    }
    result = worker.run("compare", payload, timeout)
    return result.value if result.status == "ok" and result.value is not None else "unknown"


def _refitted(found: Expression, views: list[_View]) -> bool | None:
    """Fit all constants from where they are, judge on points that the fit has not seen."""
    inside = views[0]
    if not inside.enough:
        return None
    fitted = _fit_constants(found, inside)
    verdicts = [view.verdict(view.values(fitted), _REFIT_TOLERANCE) for view in views]
    return all(v is not False for v in verdicts)


def _fit_constants(found: Expression, view: _View) -> Expression:
    start = found.constants
    usable = view.defined & np.isfinite(view.values(found)) & (np.abs(view.truth) < _HUGE)
    if start.size == 0 or np.count_nonzero(usable) < max(_FEWEST, start.size):
        return found
    from scipy.optimize import least_squares

    rows = np.flatnonzero(usable)[:_REFIT_ROWS]
    X, y, scale = view.X[rows], view.truth[rows].astype(float), view.scale[rows].astype(float)

    def residuals(constants: NDArray[np.float64]) -> NDArray[np.float64]:
        if not np.all(np.isfinite(constants)):
            return np.full(rows.size, 1e6)
        values = (found.with_constants(constants).evaluate(X) - y) / scale
        return np.where(np.isfinite(values), np.clip(values, -1e6, 1e6), 1e6)

    unit = np.where(start == 0, 1.0, np.abs(start))
    fit = least_squares(
        residuals, start, jac="3-point", x_scale=unit, xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=200
    )
    return found.with_constants(fit.x)


def _affine(found: Expression, views: list[_View]) -> tuple[float, float] | None:
    """Weighted least squares of truth = a*found + b in the box, checked in and around it."""
    inside = views[0]
    if not inside.enough:
        return None
    values = inside.values(found)
    usable = inside.defined & np.isfinite(values) & (np.abs(inside.truth) < _HUGE) & (np.abs(values) < _HUGE)
    if np.count_nonzero(usable) < _FEWEST:
        return None
    f, t, w = (v[usable] for v in (values, inside.truth, 1 / inside.scale))
    # Closed form about the weighted means, in extended precision.
    w = w * w / np.sum(w * w)
    f_mean, t_mean = np.sum(w * f), np.sum(w * t)
    spread = np.sum(w * (f - f_mean) ** 2)
    if not spread > 1e-24 * f_mean * f_mean:
        return None  # a constant explains nothing
    a = np.sum(w * (f - f_mean) * (t - t_mean)) / spread
    b = t_mean - a * f_mean
    if not np.isfinite(a) or not np.isfinite(b) or a == 0:
        return None
    b = 0.0 if abs(b) < 1e-14 * np.sum(w * np.abs(t)) else b
    agree = [view.verdict(a * view.values(found) + b, _AFFINE_TOLERANCE) for view in views]
    return (float(a), float(b)) if all(v is not False for v in agree) else None
