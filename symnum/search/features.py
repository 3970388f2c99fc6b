"""Which columns are worth searching over."""

from __future__ import annotations

import numpy as np

from symnum.problem import Problem

MOST = 10
"""Columns that a search handles well; of more, the most important are kept."""
_ROWS = 2_000


def select_columns(problem: Problem) -> list[int]:
    """Indices of the columns to search over, ascending.

    Constant and repeated columns go; of more than `MOST`, those that matter most to a forest of extremely
    randomised trees (Geurts et al. 2006) are kept, which sees interactions that correlations miss.
    """
    X = problem.X
    kept: list[int] = []
    seen: set[bytes] = set()
    for j in range(X.shape[1]):
        key = np.ascontiguousarray(X[:, j]).tobytes()
        if np.ptp(X[:, j]) > 0 and key not in seen:
            seen.add(key)
            kept.append(j)
    if len(kept) > MOST:
        from sklearn.ensemble import ExtraTreesRegressor

        rows = np.random.default_rng(len(X)).permutation(len(X))[:_ROWS]
        forest = ExtraTreesRegressor(100, min_samples_leaf=3, random_state=0)
        weights = None if problem.weights is None else problem.weights[rows]
        forest.fit(X[np.ix_(rows, kept)], problem.y[rows], sample_weight=weights)
        order = np.argsort(-forest.feature_importances_, kind="stable")[:MOST]
        kept = sorted(kept[i] for i in order)
    return kept or [0]
