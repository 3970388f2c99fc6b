"""PROSEForecaster: a trajectory and perhaps a guess in, forecast and equations out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from symnum.equations_of_motion.knowledge import read_guess
from symnum.equations_of_motion.motion import Motion
from symnum.equations_of_motion.recordings import Recording, read_recordings
from symnum.exceptions import InvalidInput
from symnum.expressions import Expression
from symnum.forecasting.proposals import gather
from symnum.forecasting.refit import Proposal, Refit, refit, window_motion
from symnum.forecasting.units import WindowUnits

if TYPE_CHECKING:
    from symnum.models.prose.inference import Reading
    from symnum.models.prose.modeling import PROSEModel

Float = NDArray[np.float64]
ROUTES = ("auto", "equations", "network")


class PROSEForecaster(BaseEstimator):
    """Forecast a trajectory and find its equations with a network that has seen many systems.

    The network (PROSE, Liu, Zhang & Schaeffer 2024) reads a short noisy window and, where there is one, a
    guess of the equations, and writes systems of equations with numbers. Constants and initial state of the
    best of them are then fitted to the window by multiple shooting, with what the network believes of the
    constants as prior, and the fitted system is integrated. It answers in seconds, for systems like those it
    was trained on; `symnum.DynamicsRegressor` searches without such knowledge.

    Parameters
    ----------
    model : str, Path or PROSEModel
        Name or folder of weights (`symnum.models.find_weights` looks for them), or a model.
    candidates : int
        Systems drawn from the network beside the most likely one.
    max_time : float
        Seconds for fitting constants.
    random_state : int
        Seed of the draws.
    device : str
        Where the network computes: "cpu", "cuda", ...

    Attributes
    ----------
    candidates_ : list of Refit
        Systems that could be fitted, best first.
    expressions_ : list of Expression
        Right-hand sides of the best one; empty when no system could be fitted.
    noise_ : float64 array, shape (d,)
        Standard deviation of what the best system leaves unexplained.
    feature_names_in_, n_features_in_
        Names and count of the states.

    Examples
    --------
    >>> model = PROSEForecaster().fit(t, U, guess=["x1 - x0", "x0*x2", "x0*x1 - x2"])  # doctest: +SKIP
    >>> model.equations()  # doctest: +SKIP
    >>> model.forecast([2.5, 3.0])  # doctest: +SKIP
    """

    def __init__(
        self,
        model: str | Path | PROSEModel = "prose-ode-small",
        *,
        candidates: int = 24,
        max_time: float = 20.0,
        random_state: int = 0,
        device: str = "cpu",
    ) -> None:
        self.model = model
        self.candidates = candidates
        self.max_time = max_time
        self.random_state = random_state
        self.device = device

    # ---------------------------------------------------------------- fitting
    def fit(
        self, t: ArrayLike, U: Any, guess: Any = None, names: Sequence[str] | None = None
    ) -> PROSEForecaster:
        """Read a window and fit systems to it.

        Parameters
        ----------
        t : array_like (n,)
            Increasing times.
        U : array_like (n, d) or (n,), DataFrame
            States; NaN where a value is missing.
        guess : sequence of str or Expression, optional
            Right-hand sides over the names of the states, one per state. They may lack a term or have one too
            many; their numbers are starting values.
        names : sequence of str, optional
            Names of the states; a DataFrame's columns or x0, x1, ... when left out.

        Raises
        ------
        InvalidInput
            When the data or the guess cannot be used, or there are more states than the weights know.
        WeightsNotFound
            When there are no weights of that name.
        """
        if self.candidates < 0 or not self.max_time > 0:
            raise InvalidInput(
                f"candidates is 0 or more and max_time above 0, got {self.candidates} and {self.max_time}"
            )
        recordings, names = read_recordings(t, U, names)
        if len(recordings) != 1:
            raise InvalidInput(f"one trajectory at a time, got {len(recordings)}; fit one for each")
        recording, model, began = recordings[0], self._model(), time.perf_counter()
        if len(names) > model.config.values or model.config.grid:
            raise InvalidInput(
                f"{len(names)} states were given; the weights {self.model!r} take "
                + ("fields on a grid" if model.config.grid else f"up to {model.config.values}")
            )
        motion = window_motion(recording.t, recording.U, names)
        guesses = read_guess(guess, motion)
        if any(len(g) != 1 for g in guesses):
            raise InvalidInput("a guess is one right-hand side for every state")
        given = tuple(g[0] for g in guesses)
        self._motion = motion
        self._units, self._reading = _read(model, recording, names, given)
        proposals = _proposals(self._reading, self._units, names, self.candidates, self.random_state)
        if given:
            proposals.append(Proposal(given, None, 0.0, "guess"))
        left = max(self.max_time - (time.perf_counter() - began), 0.5)
        self.candidates_: list[Refit] = refit(recording.t, recording.U, proposals, left, motion)
        self.n_features_in_: int = len(names)
        self.feature_names_in_: NDArray[np.object_] = np.array(names, dtype=object)
        best = self.candidates_[0] if self.candidates_ else None
        self.expressions_: list[Expression] = [] if best is None else list(best.equations)
        self.noise_: Float = np.full(len(names), np.nan) if best is None else best.noise
        return self

    # ---------------------------------------------------------------- reading
    def forecast(
        self, t: ArrayLike, route: str = "auto", return_std: bool = False
    ) -> Float | tuple[Float, Float]:
        """States at times from the beginning of the window on.

        Parameters
        ----------
        t : array_like (m,)
            Times, not decreasing.
        route : {"auto", "equations", "network"}
            Integrate the best system, or ask the network's decoder of states; "auto" takes the equations
            where there are any and they do not explode.
        return_std : bool
            Whether to give standard deviations too (of the equations' route): the spread of systems as likely
            as the best one. The noise of single measurements is not in it.

        Returns
        -------
        float64 array (m, d), or two of them
        """
        check_is_fitted(self, "candidates_")
        times = np.atleast_1d(np.asarray(t, np.float64))
        first = float(self._motion.recordings[0].t[0])
        if (
            times.ndim != 1
            or not np.all(np.isfinite(times))
            or np.any(np.diff(times) < 0)
            or times[0] < first
        ):
            raise InvalidInput(f"times must be finite, must not decrease and begin at {first:g} or later")
        if route not in ROUTES:
            raise InvalidInput(f"route is one of {', '.join(ROUTES)}, got {route!r}")
        made = np.full((len(times), self.n_features_in_), np.nan)
        deviation = made.copy()
        if route != "network":
            for candidate in self.candidates_:
                made = candidate.forecast(times)
                if np.all(np.isfinite(made)) or route == "equations":
                    if return_std:
                        deviation = candidate.spread(times, np.random.default_rng(self.random_state))[1]
                    break
        if route == "network" or (route == "auto" and not np.all(np.isfinite(made))):
            made = self._states(times)
        return (made, deviation) if return_std else made

    def _states(self, times: Float) -> Float:
        model = self._model()
        if not model.config.data_output:
            raise InvalidInput("these weights give equations only; use route='equations'")
        made = self._reading.states(times[None] / self._units.time)[0]
        return made[:, : self.n_features_in_] * self._units.state

    def equations(self, digits: int | None = 6) -> list[str]:
        """Right-hand sides of the best system as text that `Expression.parse` reads, one per state."""
        check_is_fitted(self, "candidates_")
        return [e.text(digits) for e in self.expressions_]

    def predict(self, U: ArrayLike) -> Float:
        """Right-hand sides (n, d) of the best system at states (n, d)."""
        check_is_fitted(self, "candidates_")
        states = np.atleast_2d(np.asarray(U, np.float64))
        if states.ndim != 2 or states.shape[1] != self.n_features_in_:
            raise InvalidInput(f"states with {self.n_features_in_} columns expected, got {np.shape(U)}")
        if not self.expressions_:
            raise InvalidInput("no system could be fitted to this window; give a guess, or use forecast")
        return np.stack([e.evaluate(states) for e in self.expressions_], axis=1)

    # ---------------------------------------------------------------- parts
    def _model(self) -> PROSEModel:
        loaded = getattr(self, "_loaded", None)
        if loaded is None or loaded[:2] != (self.model, self.device):
            from symnum.models import PROSEModel

            given = self.model
            model = given if isinstance(given, PROSEModel) else cast("Any", PROSEModel).from_pretrained(given)
            loaded = self._loaded = (given, self.device, model.to(self.device).eval())
        return loaded[2]

    def __getstate__(self) -> dict[str, Any]:
        state = dict(cast("dict[str, Any]", super().__getstate__()))
        state.pop("_loaded", None)  # weights are looked up again, so pickles stay small
        state.pop("_reading", None)
        return state


def _read(
    model: PROSEModel, recording: Recording, names: Sequence[str], guess: Sequence[Expression] = ()
) -> tuple[WindowUnits, Reading]:
    """A window as the network has read it, and the units it was put in."""
    from symnum.models.prose.inference import Reading, Window

    t, U = recording.t, recording.U
    units = WindowUnits.of(t, U, model.config.spans, model.config.sizes)
    most = model.config.max_steps
    rows = np.arange(len(t))
    if len(t) > most:  # the network needs no more; the fit uses every datum
        rows = np.unique(np.linspace(0, len(t) - 1, most).round().astype(int))
    words = model.guess_words([e.with_names(names) for e in guess]) if guess else None
    return units, Reading(model, [Window(t[rows] / units.time, U[rows] / units.state, words)])


def _proposals(
    reading: Reading, units: WindowUnits, names: Sequence[str], candidates: int, seed: int
) -> list[Proposal]:
    """What the network writes, in the user's units; none where it gives no equations."""
    if not reading.model.config.symbol_output:
        return []
    systems = reading.systems(candidates, seed=seed)[0]
    found = []
    for p in gather([(s.equations, s.score) for s in systems]):
        equations = units.back([e.rename(names) for e in p.equations])
        # In other units the constants are others: fitted to the data alone.
        covariance = p.covariance if units.is_one else None
        found.append(Proposal(equations, covariance, p.bits, p.source))
    return found


class NetworkProposals:
    """Right-hand sides from the network for `symnum.equations_of_motion.discover.Discovery`.

    Parameters
    ----------
    model : str, Path or PROSEModel
    candidates : int
    """

    def __init__(self, model: str | Path | PROSEModel = "prose-ode-small", candidates: int = 24) -> None:
        self.forecaster: PROSEForecaster = PROSEForecaster(model, candidates=candidates)
        self.forecaster._model()  # missing weights are known before the search
        self._found: tuple[Motion, list[Proposal]] | None = None

    def __call__(self, motion: Motion, place: int) -> list[Expression]:
        """Candidates for one of the sought equations; none where the network does not know such motions."""
        model = self.forecaster._model()
        if motion.order != 1 or motion.timed or motion.observed > model.config.values or model.config.grid:
            return []
        if self._found is None or self._found[0] is not motion:
            found: list[Proposal] = []
            for recording in motion.recordings[:4]:
                units, reading = _read(model, recording, motion.names)
                seed = self.forecaster.random_state
                found += _proposals(reading, units, motion.names, self.forecaster.candidates, seed)
            self._found = motion, found
        return [p.equations[place] for p in self._found[1]]
