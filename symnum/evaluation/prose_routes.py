"""Ways from a window to a forecast: the network's own, its equations, their refit, and references."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from symnum.evaluation.methods.dynamics import make_system_method, simulate
from symnum.evaluation.prose_cases import Case
from symnum.exceptions import InvalidInput, SymnumError
from symnum.expressions import Expression
from symnum.forecasting.proposals import gather
from symnum.forecasting.refit import Proposal, refit
from symnum.synthesis.families.ode_families import ODE_FAMILIES
from symnum.synthesis.families.pde_families import PDE_FAMILIES

if TYPE_CHECKING:
    from symnum.models.prose.inference import Reading
    from symnum.models.prose.modeling import PROSEModel

Float = NDArray[np.float64]
_BATCH = 64


class Outcome(NamedTuple):
    """What a route gave for one case.

    Attributes
    ----------
    states : float64 array, shape (m, d), or None
        At the times asked for.
    equations : tuple of Expression or None
    seconds : float
    """

    states: Float | None
    equations: tuple[Expression, ...] | None
    seconds: float


Route = Callable[[Sequence[Case]], list[Outcome]]


def make_routes(
    names: Sequence[str],
    model: PROSEModel | None,
    references: Mapping[str, PROSEModel],
    draws: int,
    seconds: float,
    jobs: int,
) -> dict[str, Route]:
    """Routes by name.

    Parameters
    ----------
    names : sequence of str
        "states" (the network's decoder of states), "written" (its most likely equations integrated from the
        first noisy state, as PROSE's code does), "refit" (its equations, constants and start fitted to the
        window), "law refit" (the same with draws of the family's law instead: what a network would give that
        recognises every family and learns nothing of the numbers), "guess refit" (the guess alone fitted),
        "pysindy", "persistence", and those of `references`.
    model : PROSEModel or None
        Weights of PROSE.
    references : mapping of str to PROSEModel
        Networks that forecast states, by name.
    draws : int
        Systems drawn for a refit.
    seconds : float
        For one refit.
    jobs : int
        Refits at a time.
    """
    known: dict[str, Route] = {"persistence": _persistence, "pysindy": lambda c: _each(_sindy, c, jobs)}
    known["law refit"] = lambda c: _each(lambda case: _law_refit(case, draws, seconds), c, jobs)
    known["guess refit"] = lambda c: _each(lambda case: _guess_refit(case, seconds), c, jobs)
    if model is not None:
        known["states"] = lambda c: _states(model, c)
        known["written"] = lambda c: _written(model, c)
        known["refit"] = lambda c: _refit(model, c, draws, seconds, jobs)
    for name, reference in references.items():
        known[name] = partial(_states, reference)
    missing = [n for n in names if n not in known]
    if missing:
        raise InvalidInput(f"no route {missing[0]!r} here; there are {', '.join(known)}")
    return {n: known[n] for n in names}


def _each(work: Callable[[Case], Outcome], cases: Sequence[Case], jobs: int) -> list[Outcome]:
    from joblib import Parallel, delayed

    return list(Parallel(n_jobs=jobs, prefer="threads")(delayed(work)(case) for case in cases))


# ---------------------------------------------------------------------------------------- references
def _persistence(cases: Sequence[Case]) -> list[Outcome]:
    """The last state stays."""
    return [Outcome(np.repeat(c.shown[-1:], len(c.later), 0), None, 0.0) for c in cases]


def _sindy(case: Case) -> Outcome:
    """PySINDy on the window, integrated from the first noisy state."""
    began = time.perf_counter()
    names = case.equations[0].names
    try:
        found = make_system_method("pysindy").fit(case.t[: case.window], case.shown, names, np.inf, 0)
    except (SymnumError, ValueError, np.linalg.LinAlgError):
        return Outcome(None, None, time.perf_counter() - began)
    return Outcome(_integrated(case, found), tuple(found), time.perf_counter() - began)


def _integrated(case: Case, equations: Sequence[Expression]) -> Float | None:
    """States asked for from the first shown state; None where the system cannot be integrated."""
    with np.errstate(all="ignore"):
        made = simulate(list(equations), case.shown[0], case.t)
    return None if made is None else made[case.window :]


# ---------------------------------------------------------------------------------------- the network
def _readings(model: PROSEModel, cases: Sequence[Case]) -> list[tuple[Sequence[Case], Reading]]:
    from symnum.models.prose.inference import Reading, Window

    found = []
    for i in range(0, len(cases), _BATCH):
        part = cases[i : i + _BATCH]
        windows = [Window(c.t[: c.window], c.shown, _words(model, c)) for c in part]
        found.append((part, Reading(model, windows)))
    return found


def _words(model: PROSEModel, case: Case) -> list[int] | None:
    if case.guess is None or not model.config.symbol_input:
        return None
    skeleton = not model.config.numbers_in_guess
    return model.tokenizer.encode(case.guess, skeleton=skeleton, frame=False)


def _states(model: PROSEModel, cases: Sequence[Case]) -> list[Outcome]:
    found: list[Outcome] = []
    for part, reading in _readings(model, cases):
        began = time.perf_counter()
        made = reading.states(np.stack([c.later for c in part]))
        seconds = (time.perf_counter() - began) / len(part)
        found += [Outcome(m[:, : c.truth.shape[1]], None, seconds) for m, c in zip(made, part, strict=True)]
    return found


def _written(model: PROSEModel, cases: Sequence[Case]) -> list[Outcome]:
    found: list[Outcome] = []
    for part, reading in _readings(model, cases):
        began = time.perf_counter()
        field = part[0].family in PDE_FAMILIES
        systems = reading.systems(expressions=1 if field else None)
        seconds = (time.perf_counter() - began) / len(part)
        for case, rows in zip(part, systems, strict=True):
            equations = rows[0].equations
            states = None if field else _integrated(case, equations)
            found.append(Outcome(states, equations, seconds))
    return found


def _refit(model: PROSEModel, cases: Sequence[Case], draws: int, seconds: float, jobs: int) -> list[Outcome]:
    found: list[Outcome] = []
    for part, reading in _readings(model, cases):
        began = time.perf_counter()
        systems = reading.systems(draws)
        share = (time.perf_counter() - began) / len(part)
        proposals = {
            id(case): gather([(s.equations, s.score) for s in rows])
            for case, rows in zip(part, systems, strict=True)
        }
        made = _each(lambda c, table=proposals: _fitted(c, table[id(c)], seconds), part, jobs)
        found += [o._replace(seconds=o.seconds + share) for o in made]
    return found


def _law_refit(case: Case, draws: int, seconds: float) -> Outcome:
    """Draws of the law of the family, none of them from the window."""
    if case.family not in ODE_FAMILIES:
        return Outcome(None, None, 0.0)
    law = ODE_FAMILIES[case.family]
    members = law.coefficients.draw(np.random.default_rng(case.index), max(draws, 1))
    return _fitted(case, gather([(tuple(law.target(v)), 0.0) for v in members]), seconds)


def _guess_refit(case: Case, seconds: float) -> Outcome:
    """The guess without a network: constants from the data alone."""
    return Outcome(None, None, 0.0) if case.guess is None else _fitted(case, [Proposal(case.guess)], seconds)


def _fitted(case: Case, proposals: Sequence[Proposal], seconds: float) -> Outcome:
    began = time.perf_counter()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = refit(case.t[: case.window], case.shown, proposals, seconds)
        states = found[0].forecast(case.later) if found else None
    return Outcome(states, found[0].equations if found else None, time.perf_counter() - began)
