"""Which columns are worth searching over."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symnum.problem import Problem
from symnum.search.sums import choose_terms

FEW = 10
"""Columns that are always kept, where there are so many: the enumeration handles them well."""
MOST = 24
"""Columns that a search sees at most."""
_ROWS = 1_500
_TREES = 60


def select_columns(problem: Problem) -> list[int]:
    """Indices of the columns to search over, ascending.

    Constant and repeated columns go. Of more than `FEW`, those that matter most to a forest of extremely
    randomised trees (Geurts et al. 2006) are kept, which sees interactions that correlations miss; more of
    them, up to `MOST`, when they beat permuted copies of all columns in that forest (Kursa and Rudnicki 2010)
    or belong to the sparse linear model of least extended BIC (Chen and Chen 2008), which sees many columns
    of small effect.
    """
    X = problem.X
    kept = _different(X)
    if len(kept) <= FEW:
        return kept or [0]
    table, y, weights = _sample(problem, kept)
    order, sure = _by_forest(table, y, weights)
    linear = _by_sparse_model(table, y, weights)
    rest = [k for k in order[FEW:] if k in sure or k in linear]
    # The linear model's own order counts for columns that the forest finds weak.
    ranked = [*order[:FEW], *sorted(rest, key=lambda k: linear.index(k) if k in linear else len(linear))]
    return sorted(kept[k] for k in ranked[:MOST])


def ranked_columns(problem: Problem) -> list[int]:
    """Indices of the columns that vary, those that matter most to a forest first."""
    kept = _different(problem.X)
    if len(kept) <= 1:
        return kept or [0]
    order, _ = _by_forest(*_sample(problem, kept))
    return [kept[k] for k in order]


def _sample(problem: Problem, columns: list[int]) -> tuple[NDArray, NDArray, NDArray]:
    """Some rows of these columns, their targets and weights."""
    rows = np.random.default_rng(len(problem.X)).permutation(len(problem.X))[:_ROWS]
    weights = np.ones(len(rows)) if problem.weights is None else problem.weights[rows]
    if not np.any(weights > 0):
        rows = np.flatnonzero(problem.weights)[:_ROWS]
        weights = problem.weights[rows]
    return problem.X[np.ix_(rows, columns)], problem.y[rows], weights


def _different(X: NDArray[np.float64]) -> list[int]:
    """Columns that vary, the first of each set of equal ones."""
    first = np.ascontiguousarray(X[:_ROWS])
    seen: dict[bytes, list[int]] = {}
    kept = []
    for j in range(X.shape[1]):
        alike = seen.setdefault(first[:, j].tobytes(), [])
        if np.ptp(X[:, j]) > 0 and not any(np.array_equal(X[:, j], X[:, k]) for k in alike):
            alike.append(j)
            kept.append(j)
    return kept


def _by_forest(X: NDArray, y: NDArray, weights: NDArray) -> tuple[list[int], set[int]]:
    """Columns by falling importance, and those that matter more than any permuted column does."""
    from sklearn.ensemble import ExtraTreesRegressor

    d = X.shape[1]
    shadows = np.random.default_rng(d).permuted(X, axis=0)
    forest = ExtraTreesRegressor(_TREES, min_samples_leaf=5, max_features=0.5, random_state=0)
    forest.fit(np.hstack([X, shadows]), y, sample_weight=weights)
    importance = forest.feature_importances_
    order = np.argsort(-importance[:d], kind="stable")
    return [int(k) for k in order], set(np.flatnonzero(importance[:d] > importance[d:].max()).tolist())


def _by_sparse_model(X: NDArray, y: NDArray, weights: NDArray) -> list[int]:
    """Columns of the best sparse linear model, largest contribution first."""
    n, d = X.shape
    varied = np.flatnonzero(np.ptp(X, axis=0) > 0)
    if len(varied) == 0 or np.ptp(y) == 0:
        return []
    centred = X[:, varied] - X[:, varied].mean(axis=0)
    made = choose_terms(centred.T.copy(), y, weights / weights.mean(), MOST, 1, lambda: False)

    def criterion(terms: int, loss: float) -> float:
        return n * float(np.log(max(loss, 1e-300))) + terms * (np.log(n) + 2 * np.log(d))

    alone = criterion(0, float(np.average((y - np.average(y, weights=weights)) ** 2, weights=weights)))
    best = min(made, key=lambda c: criterion(len(c.members), c.loss), default=None)
    if best is None or criterion(len(best.members), best.loss) >= alone:
        return []
    size = np.abs(best.coefficients[1:]) * centred[:, list(best.members)].std(axis=0)
    return [int(varied[best.members[k]]) for k in np.argsort(-size, kind="stable")]
