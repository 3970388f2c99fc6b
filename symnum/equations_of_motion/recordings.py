"""Trajectories as a user hands them in, checked once."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions.expression import default_names

Float = NDArray[np.float64]
LEAST_POINTS = 6
MOST_STATES = 20


@dataclass(frozen=True, slots=True)
class Recording:
    """One trajectory.

    Attributes
    ----------
    t : float64 array, shape (n,)
        Increasing times.
    U : float64 array, shape (n, d)
        States; NaN where a state was not recorded.
    """

    t: Float
    U: Float


def read_recordings(
    t: Any, U: Any, names: Sequence[str] | None = None
) -> tuple[list[Recording], tuple[str, ...]]:
    """Check trajectories.

    Parameters
    ----------
    t : array_like (n,), or a sequence of them
        Increasing times of one trajectory, or of several.
    U : array_like (n, d) or (n,), DataFrame, or a sequence of them
        States at these times. An array (k, n, d) holds k trajectories with the times `t`.
    names : sequence of str, optional
        One name a state; x0, x1, ... or a DataFrame's columns when left out.

    Raises
    ------
    InvalidInput
        When times do not increase, shapes differ, there are too few points or nothing moves; the message
        names the place.
    """
    times, values = _split(t, U)
    columns = getattr(values[0], "columns", None)
    if names is None and columns is not None:
        names = [str(c) for c in columns]
    found = [_recording(a, b, f" of trajectory {i}" if len(times) > 1 else "") for i, (a, b) in
             enumerate(zip(times, values, strict=True))]  # fmt: skip
    d = found[0].U.shape[1]
    if any(r.U.shape[1] != d for r in found):
        raise InvalidInput(
            f"trajectories have {sorted({r.U.shape[1] for r in found})} states; all must have the same"
        )
    if d > MOST_STATES:
        raise InvalidInput(
            f"{d} states were given, at most {MOST_STATES} can be treated; leave out states or combine "
            "them, for example by their leading principal components"
        )
    names = default_names(d) if names is None else tuple(str(n) for n in names)
    if len(names) != d:
        raise InvalidInput(f"{len(names)} names were given for {d} states")
    if len(set(names)) < d:
        raise InvalidInput(f"names must differ, got {list(names)}")
    everything = np.concatenate([r.U for r in found])
    for j, name in enumerate(names):
        if np.isfinite(everything[:, j]).sum() < LEAST_POINTS:
            raise InvalidInput(f"the state {name!r} has fewer than {LEAST_POINTS} recorded values")
    if all(
        np.nanmax(r.U[:, j]) == np.nanmin(r.U[:, j])
        for r in found
        for j in range(d)
        if np.isfinite(r.U[:, j]).any()
    ):
        raise InvalidInput(
            "no state changes in any trajectory: every equation with this fixed point would fit"
        )
    return found, names


def _split(t: Any, U: Any) -> tuple[list[Any], list[Any]]:
    """Lists of times and of states, one entry a trajectory."""
    several = isinstance(t, list | tuple) and len(t) > 0 and np.ndim(t[0]) == 1
    if several:
        if len(t) != len(U):
            raise InvalidInput(
                f"{len(t)} arrays of times but {len(U)} of states; give one of each a trajectory"
            )
        return list(t), list(U)
    if isinstance(U, list | tuple) and len(U) and np.ndim(U[0]) == 2:
        return [t] * len(U), list(U)
    if np.ndim(U) == 3:
        U = np.asarray(U)
        return ([t] * len(U) if np.ndim(t) == 1 else list(np.asarray(t))), list(U)
    return [t], [U]


def _recording(t: Any, U: Any, where: str) -> Recording:
    try:
        t, U = np.asarray(t, dtype=np.float64), np.asarray(U, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"times and states{where} must be numbers: {error}") from None
    if U.ndim == 1:
        U = U[:, None]
    if t.ndim != 1 or U.ndim != 2 or len(t) != len(U) or U.shape[1] == 0:
        raise InvalidInput(
            f"expected times (n,) and states (n, d){where}, got shapes {t.shape} and {U.shape}"
        )
    if not np.all(np.isfinite(t)):
        raise InvalidInput(f"times{where} hold NaN or infinity at row {int(np.argmin(np.isfinite(t)))}")
    if np.isinf(U).any():
        raise InvalidInput(f"states{where} hold infinity at row {int(np.argmax(np.isinf(U).any(axis=1)))}")
    steps = np.diff(t)
    if np.any(steps <= 0):
        k = int(np.argmax(steps <= 0))
        kind = "repeat" if steps[k] == 0 else "decrease"
        raise InvalidInput(
            f"times must increase, but they {kind} at row {k + 1}{where}: {t[k]:g}, then {t[k + 1]:g}; sort "
            "the rows, average repeated ones, or give separate trajectories as a list"
        )
    gaps = np.isnan(U)
    if gaps.any():
        warnings.warn(
            f"{int(gaps.sum())} missing values{where} are left out; the other states of those rows count",
            UserWarning,
            stacklevel=5,
        )
        keep = ~gaps.all(axis=1)
        t, U = t[keep], U[keep]
    if len(t) < LEAST_POINTS:
        raise InvalidInput(f"{len(t)} points{where}; at least {LEAST_POINTS} are needed to see a motion")
    return Recording(t, U)
