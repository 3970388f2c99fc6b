"""From systems that a network wrote to proposals: one a skeleton, with a law of its constants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from symnum.equations_of_motion.flow import Flow
from symnum.expressions import Expression
from symnum.forecasting.refit import Proposal

Float = NDArray[np.float64]
_FEW = 4  # draws below which their spread says nothing
_DEFAULT = 0.1  # relative standard deviation then
_LEAST = 5e-3  # numbers are written with three digits
_TIED = 0.012  # by which ratios of such numbers may differ
_MOSTLY = 0.8  # share of the draws with the ratio


def gather(systems: Sequence[tuple[tuple[Expression, ...], float]], most: int = 4) -> list[Proposal]:
    """Proposals from decoded systems, the most frequent skeletons first.

    Constants have the mean and the covariance of the draws with that skeleton: what the network believes of
    them, with what it knows of their dependence on each other (equal coefficients stay equal).

    Parameters
    ----------
    systems : sequence of (equations, score)
        Systems as drawn, the most likely one first.
    most : int
        Proposals at most.
    """
    groups: dict[tuple, list[tuple[Expression, ...]]] = {}
    for equations, _ in systems:
        groups.setdefault(_form(equations), []).append(equations)
    order = sorted(groups.values(), key=len, reverse=True)[:most]
    total = len(systems)
    # Forms drawn once are mostly slips of the decoder.
    kept = [g for g in order if len(g) > 1] or order
    return [_proposal(group, len(group) / total) for group in kept]


def _form(equations: Sequence[Expression]) -> tuple:
    """What systems that differ only in their constants have in common."""
    masks = Flow(equations).masks
    return tuple(
        (tuple(e.codes.tolist()), tuple(e.constants[~m].tolist()))
        for e, m in zip(equations, masks, strict=True)
    )


def _proposal(group: Sequence[tuple[Expression, ...]], share: float) -> Proposal:
    flow = Flow(group[0])
    drawn = np.stack([Flow(equations).theta for equations in group])
    bits = -float(np.log2(share))
    if not drawn.shape[1]:
        return Proposal(group[0], None, bits, "network")
    middle = np.median(drawn, axis=0)
    # A draw with a wrong sign or exponent says nothing of how well the others are known.
    far = np.abs(drawn - middle) > np.abs(middle)
    kept = drawn[~far.any(axis=1)]
    kept = kept if len(kept) else middle[None]
    mean = kept.mean(axis=0)
    return Proposal(flow.with_theta(mean).equations, _covariance(kept, mean), bits, "network")


def _covariance(drawn: Float, mean: Float) -> Float:
    """Covariance of draws (n, p), shrunk towards independence, never narrower than the digits.

    Constants that stand in a fixed ratio in most draws are one number that is written several times (the
    forcing of Lorenz 96 in every equation): they stay tied, only the numbers behind them are shrunk.
    """
    n = len(drawn)
    size = np.maximum(np.abs(mean), 1e-6)
    if n < _FEW:
        return np.diag((_DEFAULT * size) ** 2)
    leaders, spread = _ties(drawn)
    sample = np.atleast_2d(np.cov(drawn[:, leaders].T))
    weight = min(1.0, len(leaders) / (n + len(leaders)))
    shrunk = (1 - weight) * sample + weight * np.diag(np.diag(sample))
    return spread @ shrunk @ spread.T + np.diag((_LEAST * size) ** 2)


def _ties(drawn: Float) -> tuple[list[int], Float]:
    """Constants that the others follow, and the matrix (p, leaders) of ratios to them."""
    leaders: list[int] = []
    spread = np.zeros((drawn.shape[1],) * 2)
    for j in range(drawn.shape[1]):
        for k, i in enumerate(leaders):
            with np.errstate(all="ignore"):
                ratio = drawn[:, j] / drawn[:, i]
                middle = np.median(ratio)
                fixed = np.mean(np.abs(ratio / middle - 1) < _TIED)
            if fixed >= _MOSTLY:
                spread[j, k] = middle
                break
        else:
            spread[j, len(leaders)] = 1.0
            leaders.append(j)
    return leaders, spread[:, : len(leaders)]
