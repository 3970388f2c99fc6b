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
    """Covariance of draws (n, p), shrunk towards independence, never narrower than the digits."""
    n, p = drawn.shape
    size = np.maximum(np.abs(mean), 1e-6)
    if n < _FEW:
        return np.diag((_DEFAULT * size) ** 2)
    sample = np.atleast_2d(np.cov(drawn.T))
    weight = min(1.0, p / (n + p))
    shrunk = (1 - weight) * sample + weight * np.diag(np.diag(sample))
    return shrunk + np.diag((_LEAST * size) ** 2)
