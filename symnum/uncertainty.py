"""How well data determine the constants of a formula, and what follows for its predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from symnum.exceptions import InvalidInput
from symnum.expressions.compiled import evaluate_with_jacobian
from symnum.expressions.expression import Expression
from symnum.front_exports import FrontExports
from symnum.problem import Problem
from symnum.search import outputs
from symnum.search.candidate import fit_rows
from symnum.search.mdl import code_precision, constant_bits
from symnum.search.snapping import NAMED_FACTORS

Float = NDArray[np.float64]
_SMALLEST = 1e-12
"""Singular values of the scaled Jacobian, relative to the largest, below which data say nothing."""

_SIMPLE = 24
"""Most of (1 + p)*q for a fraction p/q that counts as part of the form: 22, 11/2, 7/3, 5/4, 3/5, 3/6."""


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """What a least-squares fit says about the constants of one formula.

    Attributes
    ----------
    fitted : tuple of int
        Places of the constants that are taken from the data; the others (`fitted_constants`) count as exact.
    covariance : float64 array, shape (k, k)
        Of the fitted constants.
    noise : float
        Standard deviation of a measurement of weight 1 about the formula.
    freedom : int
        Rows less fitted constants.
    """

    fitted: tuple[int, ...]
    covariance: Float
    noise: float
    freedom: int

    @property
    def deviations(self) -> Float:
        """Standard deviations of the fitted constants, shape (k,)."""
        return np.sqrt(np.diag(self.covariance))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "fitted": list(self.fitted),
            "covariance": self.covariance.tolist(),
            "noise": self.noise,
            "freedom": self.freedom,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Uncertainty:
        """Read what `to_dict` wrote.

        Raises
        ------
        ValueError
            When it does not fit together.
        """
        fitted = tuple(int(i) for i in data["fitted"])
        covariance = np.array(data["covariance"], dtype=np.float64).reshape(len(fitted), len(fitted))
        freedom = int(data["freedom"])
        if len(set(fitted)) != len(fitted) or abs(freedom) > 2**53:
            raise ValueError(f"constants {list(fitted)} with {freedom} degrees of freedom")
        return cls(fitted, covariance, float(data["noise"]), freedom)


def fitted_constants(expression: Expression, loss: float, rows: int, scale: float) -> tuple[int, ...]:
    """Places of the constants that count as measured, not as part of the form.

    Part of the form are small whole numbers and fractions, alone or times pi or a root, where the data are
    precise enough to tell them from their neighbours by description length (`symnum.search.mdl`). Decimals
    such as 0.84 count as measured also where the search has rounded them.
    """
    precision = code_precision(loss, rows, scale)
    values = expression.constants.tolist()
    return tuple(
        i
        for i, value in enumerate(values)
        if not _simple(abs(value)) or constant_bits(value, precision) >= 4.0 + precision
    )


def _simple(size: float) -> bool:
    if size == 0:
        return True
    denominators = np.arange(1, 7)
    upper = size / np.array([1.0, *NAMED_FACTORS])[:, None] * denominators
    whole = np.rint(upper)
    hit = (np.abs(upper - whole) < 1e-12 * upper) & (whole > 0)
    return bool(np.any(hit & ((1 + whole) * denominators <= _SIMPLE)))


def constants_uncertainty(
    expression: Expression,
    X: ArrayLike,
    y: ArrayLike,
    weights: ArrayLike | None = None,
    fitted: tuple[int, ...] | None = None,
) -> Uncertainty:
    """Covariance of the constants at a least-squares fit.

    Parameters
    ----------
    expression : Expression
        Formula with the constants that the fit gave.
    X : array_like (n, d)
        Table.
    y : array_like (n,)
        Target.
    weights : array_like (n,), optional
        Of the squared errors: 1/variance up to a common factor. Rows of weight 0 do not count.
    fitted : tuple of int, optional
        Places of the constants that were fitted; all when left out.

    Returns
    -------
    Uncertainty
        Infinite variances of constants that these rows do not determine.

    Notes
    -----
    ``s2*(J' W J)^-1`` with the Jacobian J by the constants and ``s2 = sum(w*r^2)/(n - k)`` (Seber and Wild
    2003, section 2.1.2), what ``scipy.optimize.curve_fit`` gives with ``sigma=1/sqrt(weights)``. It holds for
    one form that was known beforehand: that the form was chosen by the same data is not in it.
    """
    X, y = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    rows = w > 0
    fitted = tuple(range(expression.constants.size)) if fitted is None else fitted
    value, jacobian = evaluate_with_jacobian(expression.codes, expression.constants, X[rows].T)
    root = np.sqrt(w[rows])
    freedom = int(rows.sum()) - len(fitted)
    with np.errstate(all="ignore"):
        total = float(np.sum((root * (y[rows] - value)) ** 2))
        noise = float(np.sqrt(total / freedom)) if freedom > 0 else np.inf
        J = (jacobian[list(fitted)] * root).T
    return Uncertainty(fitted, _covariance(J, noise), noise, freedom)


def _covariance(J: Float, noise: float) -> Float:
    """``noise**2*(J'J)^-1`` by singular values of J with its columns scaled to length 1."""
    k = J.shape[1]
    if k == 0:
        return np.zeros((0, 0))
    length = np.linalg.norm(J, axis=0)
    if not np.all(np.isfinite(J)) or not np.isfinite(noise) or np.any(length == 0):
        return np.diag(np.full(k, np.inf))
    _, singular, rotation = np.linalg.svd(J / length, full_matrices=False)
    clear = singular > _SMALLEST * singular[0]
    half = rotation[clear] / singular[clear, None]
    made = noise**2 * (half.T @ half) / np.outer(length, length)
    # A constant with a share in a direction that the data leave open is not determined.
    open_shares = np.sqrt(np.sum(rotation[~clear] ** 2, axis=0)) if len(rotation) == k else np.ones(k)
    undetermined = open_shares > 1e-6
    made[undetermined] = made[:, undetermined] = 0.0
    made[undetermined, undetermined] = np.inf
    return made


def formula_deviation(expression: Expression, uncertainty: Uncertainty, X: ArrayLike) -> Float:
    """Standard deviation of the formula's values, from that of its constants to first order, shape (n,)."""
    X = np.asarray(X, dtype=np.float64)
    _, jacobian = evaluate_with_jacobian(expression.codes, expression.constants, X.T)
    J = jacobian[list(uncertainty.fitted)]
    if not np.all(np.isfinite(uncertainty.covariance)):
        return np.full(len(X), np.inf)
    with np.errstate(all="ignore"):
        return np.sqrt(np.maximum(np.einsum("in,ij,jn->n", J, uncertainty.covariance, J), 0.0))


def of_front(
    expressions: list[Expression], problem: Problem, losses: list[float], squared: bool
) -> list[Uncertainty | None]:
    """Uncertainty of every formula of a front, on the rows its constants were fitted on.

    None for other losses than the squared error, for which nothing is said.
    """
    if not squared:
        return [None] * len(expressions)
    rows = fit_rows(problem)
    X, y = problem.X[rows], problem.y[rows]
    weights = None if problem.weights is None else problem.weights[rows]
    scale = float(np.sqrt(np.average(problem.y**2, weights=problem.weights)))
    made: list[Uncertainty | None] = []
    for e, loss in zip(expressions, losses, strict=True):
        made.append(constants_uncertainty(e, X, y, weights, fitted_constants(e, loss, len(y), scale)))
    return made


def with_deviation(value: float, deviation: float) -> str:
    """A number with its standard deviation, both to the second digit of the deviation: ``4.71 ± 0.13``."""
    if np.isnan(deviation):
        return f"{value:.10g} (exact)"
    if not np.isfinite(deviation):
        return f"{value:.6g} (not determined by these data)"
    if deviation == 0 or abs(value) > 1e12 * deviation:
        return f"{value:.12g} ± {deviation:.2g}"
    last = int(np.floor(np.log10(deviation))) - 1
    if last > 0 or last < -9:
        scale = int(np.floor(np.log10(max(abs(value), deviation))))
        digits = max(scale - last, 0)
        return f"({value / 10.0**scale:.{digits}f} ± {deviation / 10.0**scale:.{digits}f})e{scale:+03d}"
    return f"{value:.{-last}f} ± {deviation:.{-last}f}"


def named_constants(expression: Expression) -> tuple[Expression, list[str]]:
    """The formula with names in the place of its constants: c0, c1, ..., and those names."""
    count = expression.constants.size
    letter = next(
        letter for letter in ("c", "k", "const", "const_") if not _taken(letter, count, expression.names)
    )
    names = [f"{letter}{i}" for i in range(count)]
    width = len(expression.names)
    codes, place = [], 0
    for code in expression.codes.tolist():
        codes.append(code if code else -(width + place) - 1)
        place += code == 0
    return Expression(codes, (), [*expression.names, *names]), names


def _taken(letter: str, count: int, names: tuple[str, ...]) -> bool:
    return letter != "const_" and any(f"{letter}{i}" in names for i in range(count))


class Uncertainties(FrontExports):
    """Uncertainty of a fitted `SymbolicRegressor`: of its constants and of its predictions."""

    loss: Any
    uncertainties_: list[Uncertainty | None]

    if TYPE_CHECKING:

        def predict(self, X: Any, index: Any = None, return_std: bool = False) -> Any: ...  # noqa: D102

    def constants(self, index: Any = None) -> Any:
        """Constants of the selected formula, or of row `index`, with their standard deviations.

        Returns
        -------
        DataFrame
            A row for each constant, in the order of the text: name, value, deviation, kind ("fitted", or
            "exact" for simple numbers, which have no deviation). ``attrs["formula"]`` is the formula in
            these names. A list for several outputs.

        Notes
        -----
        Deviations are those of a least-squares fit of this form (`constants_uncertainty`); that the form
        was chosen by the same data is not in them.
        """
        import pandas as pd

        if hasattr(self, "outputs_"):
            return [m.constants(i) for m, i in outputs.pairs(self, index)]
        e = self._expression(index)
        found = self._uncertainty(index)
        formula, names = named_constants(e)
        deviation, kind = np.full(len(names), np.nan), np.array(["exact"] * len(names), dtype=object)
        kind[list(found.fitted)] = "fitted"
        deviation[list(found.fitted)] = found.deviations
        table = pd.DataFrame({"name": names, "value": e.constants, "deviation": deviation, "kind": kind})
        table.attrs["formula"] = str(formula)
        return table

    def predict_interval(self, X: Any, index: Any = None, level: float = 0.95) -> tuple[Float, Float]:
        """Bounds between which a new measurement lies with probability `level`, where the form is right.

        Parameters
        ----------
        X : array_like or DataFrame (n, d)
        index : int, optional
            Row of the front; the selected one when left out.
        level : float
            Between 0 and 1.

        Returns
        -------
        lower, upper : float64 arrays, shape (n,) or (n, k)
            From Student's t with the noise about the formula and the uncertainty of its constants, for a
            measurement of weight 1.

        Raises
        ------
        InvalidInput
            When the level is none, or the fit was not by least squares.
        """
        from scipy.stats import t

        if not 0 < level < 1:
            raise InvalidInput(f"level must lie between 0 and 1, such as 0.95; got {level!r}")
        check_is_fitted(self, "expressions_")
        several = hasattr(self, "outputs_")
        parts = list(outputs.pairs(self, index)) if several else [(self, index)]
        found = [m._uncertainty(i) for m, i in parts]
        factor = np.array([t.ppf(0.5 + level / 2, u.freedom) if u.freedom > 0 else np.inf for u in found])
        noise = np.array([u.noise for u in found])
        value, deviation = self.predict(X, index, return_std=True)
        half = (factor if several else factor[0]) * np.hypot(deviation, noise if several else noise[0])
        return value - half, value + half

    def _known_uncertainty(self, index: int | None = None) -> Uncertainty | None:
        """Uncertainty of a row of the front, None where nothing is known."""
        self._expression(index)
        known = getattr(self, "uncertainties_", None)
        return known[self.best_index_ if index is None else index] if known else None

    def _uncertainty(self, index: int | None) -> Uncertainty:
        found = self._known_uncertainty(index)
        if found is None:
            saved = getattr(self, "uncertainties_", None)
            why = f"was fitted with loss={self.loss!r}" if saved else "was saved by an earlier version"
            raise InvalidInput(f"uncertainty needs a least-squares fit, this model {why}; fit it again")
        return found

    def _read_uncertainties(self, stored: list[dict[str, Any] | None] | None) -> None:
        """Take what a file holds; files of earlier versions hold nothing."""
        self.uncertainties_ = [None if d is None else Uncertainty.from_dict(d) for d in stored or ()]
        if stored and len(stored) != len(self.expressions_):
            raise ValueError(f"{len(stored)} uncertainties for {len(self.expressions_)} formulas")
        for found, e in zip(self.uncertainties_, self.expressions_, strict=False):
            if found is not None and not set(found.fitted) <= set(range(e.constants.size)):
                raise ValueError(f"constants {list(found.fitted)} of a formula that has {e.constants.size}")

    def _deviation(self, X: Any, index: int | None) -> Float:
        """Standard deviation of the formula's values on checked rows."""
        return formula_deviation(self._expression(index), self._uncertainty(index), X)
