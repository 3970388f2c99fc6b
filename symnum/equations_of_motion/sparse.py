"""Sparse right-hand sides: few terms of a library, chosen by a beam over subsets in the integral form."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from symnum.equations_of_motion.fitting import Scored, refine, term_bits
from symnum.equations_of_motion.motion import IntegralForm
from symnum.expressions.compiled import evaluate_batch
from symnum.expressions.expression import Expression

Float = NDArray[np.float64]
_WIDTH = 50
_GROWTH = 24
_EACH_SIZE = 10
_TERMS = 8
_ALIKE = 1e-7
"""Part of a term, squared, that the chosen ones must leave unexplained for it to be chosen too."""


def sparse_candidates(
    form: IntegralForm,
    library: Sequence[Expression],
    most: int = 16,
    stop: Callable[[], bool] = lambda: False,
) -> list[Scored]:
    """Sums of few terms with their constants fitted, best first.

    Parameters
    ----------
    form : IntegralForm
    library : sequence of Expression
        Terms without factors.
    most : int
        Candidates refined.
    stop : callable
        A true result ends the refinement once there is a candidate.

    Notes
    -----
    Subsets grow one term at a time, and the best are kept at each size (a beam instead of one greedy path,
    as in orthogonal matching pursuit); terms that became useless are dropped again.
    """
    with np.errstate(all="ignore"):
        values = evaluate_batch(library, form.columns)
    fine = np.all(np.isfinite(values), axis=1) & (np.abs(values).max(axis=1) < 1e12)
    library = [t for t, ok in zip(library, fine, strict=True) if ok]
    features = form.integrals(values[fine])
    norms = np.sqrt(np.sum(features**2, axis=1))
    useful = norms > 1e-12 * max(float(norms.max()), 1e-300)
    library = [t for t, ok in zip(library, useful, strict=True) if ok]
    F = features[useful] / norms[useful][:, None]
    price = np.array([term_bits(t, form.rows) for t in library])
    ranked = _beam(F @ F.T, F @ form.target, float(form.target @ form.target), price, form.rows)
    found: list[Scored] = []
    # An inner constant off its grid point ruins a good short form where noise is small: some of each size.
    short = [[s for s in ranked if len(s) == size][:_EACH_SIZE] for size in (1, 2, 3, 4)]
    for subset in dict.fromkeys([*(s for group in short for s in group), *ranked[:most]]):
        e = _sum([library[j] for j in subset], F[list(subset)], norms[useful][list(subset)], form.target)
        scored = refine(form, e)
        if scored is not None:
            found.append(scored)
            if stop():
                break
    zero = refine(form, Expression.constant(0.0, library[0].names), 0)
    return sorted([*found, *([zero] if zero else [])], key=lambda s: s.bits)


def _sum(terms: Sequence[Expression], F: Float, norms: Float, target: Float) -> Expression:
    factors = np.linalg.lstsq(F.T, target, rcond=None)[0] / norms
    total: Expression | None = None
    for factor, term in zip(factors, terms, strict=True):
        constant = len(term) == 1 and len(term.constants) == 1
        part = Expression.constant(float(factor), term.names) if constant else float(factor) * term
        total = part if total is None else total + part
    assert total is not None  # noqa: S101
    return total


def _beam(G: Float, b: Float, yy: float, price: Float, rows: int) -> list[tuple[int, ...]]:
    """Subsets by description length, shortest first."""
    pool: dict[tuple[int, ...], float] = {}
    # All pairs are looked at: either term of a good pair may be poor alone.
    pairs = _pairs(G, b, yy, price, rows)
    pool |= pairs
    beam: list[tuple[int, ...]] = [(), *pairs]
    for _ in range(min(_TERMS, rows // 4, len(b))):
        grown: dict[tuple[int, ...], float] = {}
        for subset in beam:
            chosen = list(subset)
            residual, left, rest = _project(G, b, yy, chosen)
            gain = np.where(left > _ALIKE, rest**2 / np.maximum(left, 1e-300), 0.0)
            gain[chosen] = 0.0
            for j in np.argsort(-gain + 1e-9 * yy * price)[:_GROWTH]:
                if gain[j] > 0:
                    key = tuple(sorted((*chosen, int(j))))
                    grown[key] = _bits(max(residual - gain[j], 0.0), key, price, rows)
        if not grown:
            break
        beam = sorted(grown, key=grown.__getitem__)[:_WIDTH]
        for subset in beam:
            pool[subset] = grown[subset]
            for j in subset:
                fewer = tuple(k for k in subset if k != j)
                if fewer and fewer not in pool:
                    pool[fewer] = _bits(max(_project(G, b, yy, list(fewer))[0], 0.0), fewer, price, rows)
    return sorted(pool, key=pool.__getitem__)


def _pairs(G: Float, b: Float, yy: float, price: Float, rows: int) -> dict[tuple[int, ...], float]:
    """The best subsets of two terms."""
    rest = 1.0 - G**2
    gain = (b[:, None] ** 2 + b[None, :] ** 2 - 2 * G * b[:, None] * b[None, :]) / np.maximum(rest, _ALIKE)
    gain[rest <= _ALIKE] = 0.0
    squares = np.maximum(yy - gain, 0.0) / rows
    bits = 0.5 * rows * np.log2(np.maximum(squares, 1e-4)) + price[:, None] + price[None, :]
    upper = np.triu_indices(len(b), 1)
    bits = bits[upper]
    order = np.argsort(bits, kind="stable")[:_WIDTH]
    return {(int(upper[0][k]), int(upper[1][k])): float(bits[k]) for k in order}


def _bits(squares: float, subset: tuple[int, ...], price: Float, rows: int) -> float:
    return 0.5 * rows * float(np.log2(max(squares / rows, 1e-4))) + float(price[list(subset)].sum())


def _project(G: Float, b: Float, yy: float, chosen: list[int]) -> tuple[float, Float, Float]:
    """Squares left by the chosen terms; what they leave of each term; its product with the rest."""
    if not chosen:
        return yy, np.diag(G).copy(), b
    inner = G[np.ix_(chosen, chosen)] + 1e-13 * np.eye(len(chosen))
    across = G[chosen]
    solved = np.linalg.solve(inner, np.concatenate([across, b[chosen][:, None]], axis=1))
    left = np.diag(G) - np.sum(across * solved[:, :-1], axis=0)
    return yy - float(b[chosen] @ solved[:, -1]), left, b - across.T @ solved[:, -1]
