"""DynamicsRegressor: trajectories in, equations of motion out."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from symnum.equations_of_motion import storing
from symnum.equations_of_motion.choice import Fitted
from symnum.equations_of_motion.discover import Discovery, model_states
from symnum.equations_of_motion.knowledge import Knowledge, read_guess, read_motion_units
from symnum.equations_of_motion.motion import Motion, prepare
from symnum.equations_of_motion.recordings import Recording, read_recordings
from symnum.equations_of_motion.solution import Solution, solution_of
from symnum.equations_of_motion.sources import make_sources
from symnum.exceptions import BudgetExhausted, InvalidInput
from symnum.expressions.expression import Expression
from symnum.search.settings import generator

if TYPE_CHECKING:
    import sympy

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DynamicsEvent:
    """What a callback is shown: a better system.

    Attributes
    ----------
    equations : list of str
        Right-hand sides.
    losses : list of float
        Mean squared residual of each state, in units of the noise's variance.
    elapsed : float
        Seconds since the start.
    stage : str
        What found it.
    """

    equations: list[str]
    losses: list[float]
    elapsed: float
    stage: str


class DynamicsRegressor(BaseEstimator):
    """Find the equations of motion behind trajectories.

    Data may be noisy, sparse, at irregular times and with gaps; several trajectories are fitted together.
    Candidates for each equation come from a sparse library in integral form and from the symbolic search on
    smoothed derivatives; which of them go together is decided by how well the integrated system explains the
    data for its length (description length). Constants and initial conditions are fitted by multiple
    shooting.

    Parameters
    ----------
    max_time : float, default 60
        Wall-clock seconds; most systems end earlier.
    random_state : int, Generator or None
        Seed of whatever is drawn at random.
    order : {1, 2}, default 1
        1: ``du/dt = f(u)``; 2: ``d2u/dt2 = f(u, du/dt)``, where only `u` was recorded. Velocities are called
        ``dNAME_dt``.
    explicit_time : bool, default False
        Whether equations may hold the time ``t``.
    proposals : sequence of str or callable, optional
        Further sources of candidates: "prose" for the network of `symnum.PROSEForecaster` ("prose:WEIGHTS"
        for other weights), or callables ``(motion, place) -> expressions``.
    callbacks : sequence of callable, optional
        Called with a `DynamicsEvent` for each better system; a true result ends the search.
    verbose : int, default 0
        1 prints each better system.

    Attributes
    ----------
    equations_ : DataFrame
        state, equation (right-hand side), complexity, loss (mean squared residual of the integrated system),
        r2.
    expressions_ : list of Expression
        The right-hand sides.
    constants_ : DataFrame
        state, value and standard deviation of every constant.
    noise_ : float64 array, shape (d,)
        Standard deviation of the noise of each state (root mean square).
    ledger_ : DataFrame
        Seconds and integrated systems of each stage.
    stop_reason_ : str
        "finished", "max_time", "interrupted" or "stopped by callback".
    n_features_in_, feature_names_in_
        Count and names of the states.

    Examples
    --------
    >>> import numpy as np
    >>> from symnum import DynamicsRegressor
    >>> t = np.linspace(0, 5, 60)
    >>> model = DynamicsRegressor(max_time=10, random_state=0).fit(t, 3 * np.exp(-0.5 * t))
    >>> model.equations()
    ['-0.5*x0']
    """

    def __init__(
        self,
        *,
        max_time: float = 60,
        random_state: Any = None,
        order: int = 1,
        explicit_time: bool = False,
        proposals: Sequence[Any] | None = None,
        callbacks: Sequence[Callable[[DynamicsEvent], Any]] | None = None,
        verbose: int = 0,
    ) -> None:
        self.max_time = max_time
        self.random_state = random_state
        self.order = order
        self.explicit_time = explicit_time
        self.proposals = proposals
        self.callbacks = callbacks
        self.verbose = verbose

    # ---------------------------------------------------------------- fitting
    def fit(
        self,
        t: Any,
        U: Any,
        names: Sequence[str] | None = None,
        units: Any = None,
        guess: Any = None,
    ) -> DynamicsRegressor:
        """Search for equations of motion.

        Parameters
        ----------
        t : array_like (n,), or a list of them
            Increasing times of one trajectory, or of several.
        U : array_like (n, d) or (n,), DataFrame, a list of them, or array (k, n, d)
            States at these times, one trajectory or several; NaN where a value is missing.
        names : sequence of str, optional
            Names of the states; a DataFrame's columns or x0, x1, ... when left out.
        units : mapping or sequence of str, optional
            Unit of every state and, under the name "t" or last, of the time. Equations that contradict them
            are not considered.
        guess : sequence of str or Expression, optional
            Right-hand sides to try, one per state; None where nothing is known, a list for several guesses.
            Their constants are starting values.

        Returns
        -------
        DynamicsRegressor
            Itself.

        Raises
        ------
        InvalidInput
            When data, parameters, units or guesses cannot be used (also a ValueError).
        BudgetExhausted
            When `max_time` ended before any system was found.
        """
        began = time.perf_counter()
        self._check_parameters()
        recordings, names = read_recordings(t, U, names)
        if self.explicit_time and "t" in names:
            raise InvalidInput(
                "a state is called 't', the name of the time with explicit_time=True; rename it"
            )
        knowledge = Knowledge(read_motion_units(units, names, self.order, self.explicit_time))
        motion = prepare(recordings, names, self.order, self.explicit_time)
        knowledge = Knowledge(knowledge.units, read_guess(guess, motion))
        stopped: list[str] = []

        def tell(found: Fitted, stage: str) -> None:
            if self._tell(found, stage, search.elapsed):
                stopped.append("stopped by callback")
                search.seconds = 0.0

        search = Discovery(
            motion,
            max(self.max_time - (time.perf_counter() - began), 0.2),
            generator(self.random_state),
            [knowledge.proposals, *make_sources(self.proposals)],
            knowledge.allowed,
            tell,
        )
        try:
            search.run()
        except KeyboardInterrupt:
            if search.best is None:
                raise
            stopped.append("interrupted")
            warnings.warn(
                "the search was interrupted; the best system so far is kept", UserWarning, stacklevel=2
            )
        if search.best is None:
            raise BudgetExhausted(
                "no system was found that can be integrated along the data; allow more max_time, or check "
                "whether the states recorded determine their own motion"
            )
        reason = stopped[0] if stopped else "max_time" if search.cut else "finished"
        self._finish(search, motion, reason)
        return self

    def _tell(self, found: Fitted, stage: str, elapsed: float) -> bool:
        equations = [e.text(6) for e in found.equations]
        if self.verbose:
            print(f"[{elapsed:7.2f} s] {stage}: {'; '.join(equations)}")  # noqa: T201
        event = DynamicsEvent(equations, found.losses.tolist(), elapsed, stage)
        return any([bool(callback(event)) for callback in self.callbacks or ()])

    def _finish(self, search: Discovery, motion: Motion, reason: str) -> None:
        import pandas as pd

        assert search.best is not None  # noqa: S101
        self.solution_: Solution = solution_of(search.judge, search.best)
        self.expressions_: list[Expression] = list(self.solution_.equations)
        self.n_features_in_: int = motion.observed
        self.feature_names_in_: NDArray[np.object_] = np.array(motion.names[: motion.observed], dtype=object)
        noise = np.concatenate([_finite(n) for n in motion.noise])
        self.noise_: Float = np.sqrt(np.mean(noise**2, axis=0))
        self.trajectories_: list[Recording] = [Recording(r.t.copy(), r.U.copy()) for r in motion.recordings]
        fitted = model_states(search.judge, search.best)
        at_data = [
            s[rows, : motion.observed] for s, rows in zip(fitted or motion.states, motion.rows, strict=True)
        ]
        self.fitted_: list[Float] = at_data
        data, model = np.concatenate([r.U for r in motion.recordings]), np.concatenate(at_data)
        loss = np.nanmean((data - model) ** 2, axis=0)
        spread = np.nanvar(data, axis=0)
        self.equations_: pd.DataFrame = pd.DataFrame({
            "state": self._left_sides(), "equation": self.equations(),
            "complexity": [e.complexity for e in self.expressions_], "loss": loss,
            "r2": 1 - loss / np.where(spread > 0, spread, 1.0),
        })  # fmt: skip
        where = [self._left_sides()[j] for j in self.solution_.owners]
        self.constants_: pd.DataFrame = pd.DataFrame({
            "state": where, "value": self.solution_.theta, "deviation": self.solution_.deviations
        })  # fmt: skip
        self.ledger_: pd.DataFrame = pd.DataFrame(search.ledger)
        self.stop_reason_: str = reason

    def _check_parameters(self) -> None:
        if not np.isscalar(self.max_time) or not 0 < float(self.max_time) < np.inf:  # type: ignore[arg-type]
            raise InvalidInput(f"max_time must be a positive number of seconds, got {self.max_time!r}")
        if self.order not in (1, 2):
            raise InvalidInput(f"order is 1 or 2, got {self.order!r}")
        if not isinstance(self.explicit_time, bool | np.bool_):
            raise InvalidInput(f"explicit_time is True or False, got {self.explicit_time!r}")

    # ---------------------------------------------------------------- reading
    def _left_sides(self) -> list[str]:
        form = "d{}_dt" if self.order == 1 else "d2{}_dt2"
        return [form.format(n) for n in self.feature_names_in_]

    def equations(self, digits: int | None = 6) -> list[str]:
        """Right-hand sides as text that `Expression.parse` reads, one per state.

        Parameters
        ----------
        digits : int or None
            Significant digits of the constants; None for all.
        """
        check_is_fitted(self, "expressions_")
        return [e.text(digits) for e in self.expressions_]

    def sympy(self) -> list[sympy.Expr]:
        """Right-hand sides as sympy expressions."""
        check_is_fitted(self, "expressions_")
        return [e.sympy() for e in self.expressions_]

    def latex(self, digits: int = 4) -> str:
        """The system in LaTeX, one aligned line per state."""
        from symnum.expressions.printers import name_latex

        check_is_fitted(self, "expressions_")
        form = r"\frac{{d {0}}}{{dt}}" if self.order == 1 else r"\frac{{d^2 {0}}}{{dt^2}}"
        lines = [
            rf"{form.format(name_latex(n))} &= {e.latex(digits)}"
            for n, e in zip(self.feature_names_in_, self.expressions_, strict=True)
        ]
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    def predict(self, U: ArrayLike, t: ArrayLike | None = None) -> Float:
        """Right-hand sides at states.

        Parameters
        ----------
        U : array_like (n, d)
            States; with ``order=2`` states and then velocities, (n, 2 d).
        t : array_like (n,) or float, optional
            Times, needed with ``explicit_time=True``.

        Returns
        -------
        float64 array, shape (n, d)
            Derivatives (accelerations with ``order=2``).
        """
        check_is_fitted(self, "solution_")
        return self.solution_.slopes(self._states(U, t))

    def simulate(self, u0: ArrayLike, t: ArrayLike) -> Float:
        """Trajectory from an initial state.

        Parameters
        ----------
        u0 : array_like (d,)
            State at ``t[0]``; with ``order=2`` states and then velocities, (2 d,).
        t : array_like (m,)
            Increasing times.

        Returns
        -------
        float64 array, shape (m, d)
            States; with ``order=2`` (m, 2 d). NaN from where the solution leaves all bounds, with a warning.
        """
        check_is_fitted(self, "solution_")
        times = _times(t)
        start = self._states(np.atleast_2d(np.asarray(u0, dtype=np.float64)), times[:1])[0]
        made = self.solution_.simulate(start, times)
        made = made[:, : self.n_features_in_ * self.order]
        if not np.all(np.isfinite(made)):
            first = int(np.argmin(np.isfinite(made).all(axis=1)))
            warnings.warn(
                f"the solution ends at a time before t = {times[first]:g} (it grows beyond all bounds, or "
                "an equation becomes undefined); later states are NaN", UserWarning, stacklevel=2,
            )  # fmt: skip
        return made

    def forecast(
        self, t: ArrayLike, trajectory: int = -1, return_std: bool = False
    ) -> Float | tuple[Float, Float]:
        """States of a fitted trajectory at any times from its first on, beyond the data as well.

        Parameters
        ----------
        t : array_like (m,)
            Increasing times.
        trajectory : int, default -1
            Which of the fitted trajectories.
        return_std : bool
            Whether to give standard deviations too: the spread of 60 systems drawn from the covariance of
            constants and initial conditions. The noise of single measurements is not in it.

        Returns
        -------
        float64 array (m, d), or two of them
        """
        check_is_fitted(self, "solution_")
        count = len(self.trajectories_)
        if not -count <= trajectory < count:
            raise InvalidInput(f"trajectory {trajectory} is outside the {count} fitted ones")
        times, d = _times(t), self.n_features_in_
        mean = self.solution_.forecast(times, trajectory % count)[:, :d]
        if not return_std:
            return mean
        return mean, self.solution_.band(times, trajectory % count, generator(0))[:, :d]

    def score(self, t: Any = None, U: Any = None) -> float:
        """R2 of the integrated system on trajectories (the fitted ones), averaged over the states.

        The initial state of each trajectory is fitted to it, so that the noise of one row does not decide.
        """
        check_is_fitted(self, "solution_")
        if (t is None) != (U is None):
            raise InvalidInput("give both t and U, or neither")
        if t is None or U is None:
            return float(self.equations_["r2"].to_numpy().mean())
        recordings, _ = read_recordings(t, U, list(self.feature_names_in_))
        return self.solution_.score(recordings)

    def _states(self, U: ArrayLike, t: ArrayLike | None) -> Float:
        """Rows of all states, the time among them, from what a user hands in."""
        states = np.asarray(U, dtype=np.float64)
        if states.ndim == 1:
            states = states[:, None] if self.n_features_in_ * self.order == 1 else states[None]
        width = self.n_features_in_ * self.order
        if states.ndim != 2 or states.shape[1] != width:
            what = "states and velocities" if self.order == 2 else "states"
            raise InvalidInput(f"{what} with {width} columns expected, got shape {np.shape(U)}")
        if not self.explicit_time:
            return states
        if t is None:
            raise InvalidInput("the equations hold the time: give t as well")
        return np.column_stack([states, np.broadcast_to(np.asarray(t, dtype=np.float64), len(states))])

    # ---------------------------------------------------------------- storing
    def save(self, path: str | Path) -> None:
        """Write the fitted model as JSON: equations, constants, data; no code."""
        check_is_fitted(self, "solution_")
        storing.write(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> DynamicsRegressor:
        """Read what `save` wrote.

        Raises
        ------
        InvalidInput
            When the file is missing, no JSON, damaged, or not a model of this version.
        """
        return storing.read(cls, Path(path))


def _times(t: ArrayLike) -> Float:
    times = np.atleast_1d(np.asarray(t, dtype=np.float64))
    if times.ndim != 1 or not len(times) or not np.all(np.isfinite(times)) or np.any(np.diff(times) < 0):
        raise InvalidInput("times must be finite and must not decrease, shape (m,)")
    return times


def _finite(noise: Float) -> Float:
    """Noise without the gaps."""
    typical = np.nanmean(np.where(np.isfinite(noise), noise, np.nan), axis=0)
    return np.where(np.isfinite(noise), noise, typical)
