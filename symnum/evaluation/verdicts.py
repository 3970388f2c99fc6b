"""Verdicts on a formula, side by side: is it the true function, how long is it, what would SRBench say."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.evaluation.domain import Domain
from symnum.evaluation.sizes import SECONDS, measure, sympy_sizes
from symnum.exceptions import SymnumError
from symnum.expressions.equivalence import Equivalence, compare
from symnum.expressions.expression import Expression

FACTOR = 1.5
"""How many times the truth's sympy size a recovering formula may have."""
_QUANTILE = 0.99
_QUICK_ROWS = 500
_QUICK_ERROR = 1e-4
_NEAR = 0.99
_SYMBOLIC_SECONDS = 3.0


def relative_error(found: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    """99 % quantile of ``|found - truth| / max(|truth|, median |truth|)``; undefined counts as infinite."""
    scale = np.maximum(np.abs(truth), np.median(np.abs(truth)))
    scale[scale == 0] = 1.0
    with np.errstate(all="ignore"):
        error = np.abs(found - truth) / scale
    error[~np.isfinite(error)] = np.inf
    return float(np.quantile(error, _QUANTILE, method="higher"))


@dataclass(frozen=True)
class Judge:
    """Compares formulas with the truth of one run.

    Attributes
    ----------
    truth : Expression
    domain : Domain
        Where the problem lives, on the scale of the truth.
    X, y : ndarray (n, d), (n,)
        Clean rows of the domain.
    X_ood, y_ood : ndarray (m, d), (m,)
        Rows outside.
    noise : float
        Level of the noise in training.

    Notes
    -----
    "Same function" is judged by numbers: relative error at most 1e-6 on 99 % of random points of the domain
    and of the box around it (`symnum.expressions.equivalence.compare`). No constants can be that exact when
    the training target was noisy. Then a formula also counts as the same function when it has the right form,
    that is when it agrees to 1e-6 once its constants are refitted to the truth, and its own constants bring
    it within the level of the noise: relative error at most `noise` on 99 % of the rows of the domain.
    """

    truth: Expression
    domain: Domain
    X: NDArray[np.float64]
    y: NDArray[np.float64]
    X_ood: NDArray[np.float64]
    y_ood: NDArray[np.float64]
    noise: float = 0.0

    def error(self, e: Expression) -> float:
        """Relative error on the rows of the domain."""
        return relative_error(e.evaluate(self.X), self.y)

    def correlation(self, e: Expression) -> float:
        """Correlation with the truth on the rows of the domain, 0 where it is not defined."""
        values = e.evaluate(self.X)
        ok = np.isfinite(values)
        if np.count_nonzero(ok) < 2 or np.std(values[ok]) == 0 or np.std(self.y[ok]) == 0:
            return 0.0
        with np.errstate(all="ignore"):
            found = float(np.corrcoef(values[ok], self.y[ok])[0, 1])
        return found if np.isfinite(found) else 0.0

    def hopeless(self, e: Expression) -> bool:
        """Whether some rows are enough to tell that it is another function."""
        rows = slice(0, _QUICK_ROWS)
        return relative_error(e.evaluate(self.X[rows]), self.y[rows]) > max(_QUICK_ERROR, self.noise)

    def compare(self, e: Expression, symbolic: bool = False, refit: bool = True) -> Equivalence:
        """Verdicts of `symnum.expressions.equivalence`."""
        return compare(
            e,
            self.truth,
            self.domain.bounds(),
            symbolic=symbolic,
            symbolic_timeout=_SYMBOLIC_SECONDS,
            refit=refit,
        )

    def same(self, e: Expression, verdict: Equivalence | None = None) -> bool:
        """Whether it is the same function, see the notes of the class."""
        if verdict is None:
            if self.hopeless(e):
                return False
            verdict = self.compare(e, refit=self.noise > 0)
        if verdict.recovered:
            return True
        return self.noise > 0 and verdict.refitted is True and self.error(e) <= self.noise

    def recoveries(self, expressions: Sequence[Expression], truth_size: int | None) -> Iterator[bool]:
        """For each formula, whether it is the same function in a short form."""
        same = [self._safely_same(e) for e in expressions]
        sizes = iter(sympy_sizes([e for e, yes in zip(expressions, same, strict=True) if yes]))
        for yes in same:
            yield yes and short(next(sizes), truth_size)

    def _safely_same(self, e: Expression) -> bool:
        try:
            return self.same(e)
        except SymnumError:
            return False


def short(size: int | None, truth_size: int | None, factor: float = FACTOR) -> bool:
    """Whether a formula is at most `factor` times as long as the truth; unknown sizes are not short."""
    return size is not None and truth_size is not None and size <= factor * truth_size


def judge(e: Expression, judge_: Judge, r2_test: float | None) -> dict[str, Any]:
    """All verdicts on the chosen formula as columns of a row.

    Parameters
    ----------
    e : Expression
        On the scale of the truth.
    judge_ : Judge
    r2_test : float or None
        SRBench looks at formulas above 0.5 alone.
    """
    truth = judge_.truth
    began = time.perf_counter()
    verdict = judge_.compare(e, symbolic=True)
    seconds = time.perf_counter() - began
    truth_size = sympy_sizes([truth])[0]
    used, needed = ({names[i] for i in x.variables} for x, names in ((e, e.names), (truth, truth.names)))
    row: dict[str, Any] = {
        "symbolic": verdict.symbolic,
        "symbolic_seconds": seconds,
        "numeric": _words(verdict.numeric_in, verdict.recovered),
        "numeric_error": judge_.error(e),
        "numeric_error_ood": _outside_error(e, judge_),
        "form": _words(verdict.refitted, verdict.refitted is True),
        "affine": verdict.affine is not None,
        "affine_a": verdict.affine[0] if verdict.affine else None,
        "affine_b": verdict.affine[1] if verdict.affine else None,
        "tree_distance": verdict.distance,
        "variables_precision": len(used & needed) / len(used) if used else 0.0,
        "variables_recall": len(used & needed) / len(needed) if needed else 1.0,
        "truth_complexity": truth.complexity,
        "truth_sympy_size": truth_size,
    }
    # Hardly any formula that is far from the truth up to scale and shift can pass SRBench's check, and it is
    # these, long and wrong, that keep sympy busy: they get less time.
    limit = SECONDS if judge_.correlation(e) ** 2 > _NEAR else SECONDS / 4
    seen = measure(e, truth if r2_test is not None and r2_test > 0.5 else None, limit)
    row |= _measured(seen)
    same = judge_.same(e, verdict)
    row |= {
        "recovered_any": same,
        "recovered": same and short(seen.sympy_size, truth_size),
        "recovered_short": same and short(seen.sympy_size, truth_size, 1.0),
        "recovered_form": verdict.refitted is True and short(seen.sympy_size, truth_size),
        "size_ratio": seen.sympy_size / truth_size if seen.sympy_size and truth_size else None,
    }
    return row


def sizes_alone(e: Expression) -> dict[str, Any]:
    """Sizes of a formula whose truth is unknown."""
    return _measured(measure(e))


def _measured(seen: Any) -> dict[str, Any]:
    return {
        "sympy_size": seen.sympy_size,
        "simplified_size": seen.simplified_size,
        "srbench_size": seen.srbench_size,
        "srbench_simplified_size": seen.srbench_simplified_size,
        "srbench_solved": seen.solved,
        "srbench_zero": seen.zero,
        "srbench_constant": seen.constant,
        "srbench_fraction": seen.fraction,
        "srbench_status": seen.status,
        "srbench_seconds": seen.seconds,
    }


def _words(known: bool | None, equal: bool) -> str:
    return "unknown" if known is None else "equal" if equal else "different"


def _outside_error(e: Expression, judge_: Judge) -> float | None:
    if not len(judge_.y_ood):
        return None
    return relative_error(e.evaluate(judge_.X_ood), judge_.y_ood)
