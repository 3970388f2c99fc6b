"""SymbolicRegressor: a table in, a short formula out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from symnum import persistence
from symnum.exceptions import BudgetExhausted, InvalidInput
from symnum.expressions.expression import Expression, default_names
from symnum.fitted import set_results
from symnum.monitor import Monitor, SearchEvent, run_folder
from symnum.problem import Problem
from symnum.run_folder import MODEL, open_folder, write_whole
from symnum.search import driver, outputs
from symnum.search.budget import Budget
from symnum.search.candidate import JUDGED_ROWS, VERIFYING, HallOfFame
from symnum.search.dimensional import statement
from symnum.search.losses import make_loss
from symnum.search.memory import search_room
from symnum.search.scaling import scaling_of
from symnum.search.settings import (
    Settings,
    check_parameters,
    column_names,
    generator,
    jobs,
    make_settings,
    next_seed,
    read_units,
    refuse_missing,
)
from symnum.uncertainty import Uncertainties


class SymbolicRegressor(Uncertainties, RegressorMixin, BaseEstimator):
    """Find short formulas that explain a table.

    Parameters
    ----------
    search : str or object, default "auto"
        "auto", "enumerate", "genetic", "operon", "pysr", "dysymnet", "snip", "snip-latent", "tpsr", or an
        object with ``run(problem, budget, rng, hall, ledger)`` and, if it has to load something first,
        ``prepare()``.
    max_time : float or None, default 60
        Wall-clock seconds; most problems end earlier, when an exact formula was found. The clock starts when
        torch and weights are loaded, which searches with networks need: seconds, once in a process.
    max_evals : int or None, default None
        Expressions formed. With ``max_time=None`` the same seed gives the same table for any `n_jobs`.
    max_memory : float or str, optional
        What the process may hold while it fits, in bytes or as text ("2GB"): Python, its libraries, copies of
        the table and the search, whose banks are made as large as that allows. What else your program holds
        is not counted. For the searches "auto", "enumerate" and "genetic".
    random_state : int, RandomState, Generator or None
        Seed of whatever is drawn at random.
    n_jobs : int, default 1
        Threads; -1 uses all cores.
    model_selection : {"best", "mdl", "bic", "score", "accuracy"}, default "best"
        Which formula of the front `predict` uses; "best" is the shortest description length.
    operators : sequence of str, optional
        Operators that formulas may use, by name or symbol ("+", "sin"); a physicist's list when left out.
        What can be written with them counts too: with ``"*"`` formulas show ``x**2``, with ``"+"`` and
        ``"*"`` a difference. No formula of the table holds any other operator.
    extra_operators : mapping of str to str, optional
        Operators of your own, one or two arguments, as formulas of known ones: ``{"relu": "max(x, 0)"}``,
        or with the order of arguments ``{"gap(a, b)": "abs(a - b)"}``. They are searched with like the others
        and written out in the result, so that every formula can be read, printed and loaded anywhere.
    guesses : sequence of str or Expression, optional
        Formulas you suspect: tried first, their constants refined, their parts used by the search.
    template : str, optional
        The form that every formula must have: ``"sin(f(x0, x1)) + g(x2)"`` or ``"A*exp(-f(t))"``. Calls of
        functions that do not exist are unknown functions of the arguments given, names that are no columns
        are numbers to be fitted, numbers stay as written. Operators and constraints hold for the unknown
        functions.
    constraints : mapping of str to int or tuple of int, optional
        Largest complexity of an operator's arguments: ``{"sin": 3, "pow": (-1, 1)}``, -1 for any.
    nested_constraints : mapping of str to mapping of str to int, optional
        ``{"sin": {"sin": 0, "cos": 1}}``: inside a sine no sine, and at most one cosine above another.
    complexity_of_operators : mapping of str to int, optional
        What an operator counts for, 1 when left out.
    max_depth : int, optional
        Longest path from the top of a formula to a variable or constant.
    max_complexity : int, default 40
        Longest formula kept, in nodes.
    loss : str or callable, default "squared"
        What an error costs: "squared", "absolute", "huber" (or "huber(0.5)", its width in units of y),
        "logcosh", "quantile(0.9)", "relative", or a function ``(y, prediction) -> (n,)``. Formulas are
        searched by least squares with row weights that follow the loss; constants, table and choice follow
        the loss itself.
    warm_start : bool, default False
        Whether a further `fit` goes on from the formulas found before.
    output_directory : str or Path, optional
        Folder that takes the front while the search runs, so that nothing is lost when the machine fails;
        `from_run` reads it, and `fit` of what it gives goes on from there.
    callbacks : sequence of callable, optional
        Called with a `SearchEvent` when the front changes; a true result stops the search. Methods
        ``on_fit_begin(SearchStart)`` and ``on_fit_end()`` are called if there are any; `symnum.progress`
        has a progress bar and a log for TensorBoard.
    verbose : int, default 0
        1 prints each improvement.

    Attributes
    ----------
    equations_ : DataFrame
        The Pareto front: complexity, loss (mean over the rows), score, r2, equation, selected.
    expressions_ : list of Expression
        The formulas of `equations_`, same order.
    best_index_ : int
        Row that `predict`, `sympy` and `latex` use.
    outputs_ : list of SymbolicRegressor
        One fitted estimator for each column of a y with several; all attributes above and below are then
        lists over them.
    uncertainties_ : list of Uncertainty or None
        What the data say about the constants of each formula; see `constants` and `predict_interval`.
    history_ : DataFrame
        Each change of the front: seconds, evaluations, stage, complexity, loss, r2, bits, equation.
    seconds_ : float
        How long the search took.
    ledger_ : DataFrame
        What each stage of the search cost and found.
    stop_reason_ : str
        Why the search ended.
    n_features_in_, feature_names_in_
        As scikit-learn defines them.

    Examples
    --------
    >>> import numpy as np
    >>> from symnum import SymbolicRegressor
    >>> X = np.random.default_rng(0).uniform(1, 5, (100, 2))
    >>> model = SymbolicRegressor(random_state=0).fit(X, X[:, 0] ** 2 / X[:, 1])
    >>> str(model.expressions_[model.best_index_])
    'x0**2/x1'
    """

    def __init__(
        self,
        *,
        search: Any = "auto",
        max_time: float | None = 60,
        max_evals: int | None = None,
        max_memory: float | str | None = None,
        random_state: Any = None,
        n_jobs: int = 1,
        model_selection: str = "best",
        operators: Sequence[str] | None = None,
        extra_operators: Mapping[str, str] | None = None,
        guesses: Sequence[str | Expression] | None = None,
        template: str | None = None,
        constraints: Mapping[str, Any] | None = None,
        nested_constraints: Mapping[str, Mapping[str, int]] | None = None,
        complexity_of_operators: Mapping[str, int] | None = None,
        max_depth: int | None = None,
        max_complexity: int = 40,
        loss: str | Callable = "squared",
        warm_start: bool = False,
        output_directory: str | Path | None = None,
        callbacks: Sequence[Callable[[SearchEvent], Any]] | None = None,
        verbose: int = 0,
    ) -> None:
        self.search = search
        self.max_time = max_time
        self.max_evals = max_evals
        self.max_memory = max_memory
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.model_selection = model_selection
        self.operators = operators
        self.extra_operators = extra_operators
        self.guesses = guesses
        self.template = template
        self.constraints = constraints
        self.nested_constraints = nested_constraints
        self.complexity_of_operators = complexity_of_operators
        self.max_depth = max_depth
        self.max_complexity = max_complexity
        self.loss = loss
        self.warm_start = warm_start
        self.output_directory = output_directory
        self.callbacks = callbacks
        self.verbose = verbose

    _output = 0

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    # ---------------------------------------------------------------- fitting
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        variable_names: Sequence[str] | None = None,
        X_units: Sequence[str] | None = None,
        y_units: str | None = None,
    ) -> SymbolicRegressor:
        """Search for formulas of ``y`` in the columns of ``X``.

        Parameters
        ----------
        X : array_like or DataFrame (n, d)
            Finite numbers; column names of a DataFrame are kept.
        y : array_like (n,) or (n, k)
            Finite numbers; each of k columns gets a search of its own, and they share the budget.
        sample_weight : array_like (n,), optional
            Weights of the squared errors; rows of weight 0 are ignored.
        variable_names : sequence of str, optional
            Names for the columns of an array.
        X_units, y_units : sequence of str and str, optional
            Units such as "kg*m/s^2": the search runs in dimensionless groups first, and formulas that
            contradict the units are not selected. Constants may carry units, at a price. Units that cannot
            give the target's are stated in a warning and in `stop_reason_`.

        Returns
        -------
        SymbolicRegressor
            Itself.

        Raises
        ------
        InvalidInput
            When data or parameters cannot be used (also a ValueError).
        """
        params = self.get_params(deep=False)
        check_parameters(params)
        jobs(self.n_jobs)
        room = search_room(self.max_memory, X)  # before the table is copied
        names = column_names(X, variable_names)
        refuse_missing(X)
        X, y = validate_data(
            self, X, y, dtype=np.float64, y_numeric=True, multi_output=True, ensure_min_samples=2
        )
        names = names or default_names(X.shape[1])
        y = y[:, 0] if np.ndim(y) == 2 and y.shape[1] == 1 else y
        if np.ndim(y) == 2:
            folder = run_folder(self)
            if folder is not None:
                open_folder(folder, self.warm_start)
            outputs.fit(self, X, y, sample_weight, names, X_units, y_units)
            self._write_run()
            return self
        vars(self).pop("outputs_", None)
        units = read_units(names, X_units, y_units)
        problem = Problem(X, y, names, units, sample_weight)  # type: ignore[arg-type]
        self._run(problem, make_settings(params, names), room)
        return self

    def _run(self, problem: Problem, settings: Settings, room: float | None) -> None:
        if hasattr(settings.backend, "prepare"):
            settings.backend.prepare()
        budget = Budget(self._seconds(len(problem.y)), self.max_evals, room=room).start()
        rng = generator(self._seed())
        self._next_seed: int | None = next_seed(rng)
        scaling = scaling_of(problem, self.loss, self.template is not None)
        former = self._former(problem.names) if self.warm_start else []
        if scaling is not None:
            problem, former = scaling.scaled, [scaling.inward(e) for e in former]
            settings = replace(settings, guesses=tuple(scaling.inward(g) for g in settings.guesses))
        loss = make_loss(self.loss, problem.X, problem.y)
        hall, ledger = HallOfFame(problem, self.max_complexity, settings.whole, loss), []
        hall.scaling = scaling
        monitor = Monitor(self, hall, budget, ledger)
        for e in former:
            hall.add(e, "warm start", budget.elapsed)
        note = "" if problem.units is None else statement(problem.units, problem.names)
        if note:
            warnings.warn(note, UserWarning, stacklevel=3)
        reason = ""
        try:
            with monitor:
                for candidate in driver.search(problem, settings, budget, rng, hall, ledger):
                    if monitor.tell(candidate):
                        budget.stop("stopped by callback")
                        break
        except KeyboardInterrupt:
            reason = "interrupted"
            if not hall.best:
                raise
            warnings.warn(
                "the search was interrupted; what was found so far is kept", UserWarning, stacklevel=3
            )
        finally:
            # Whatever ends the search (an alarm, an error in a callback), what was found is readable.
            if hall.best:
                hall.verify()
                ended = reason or budget.reason or "finished"
                ended = f"{ended}; {note}" if note else ended
                set_results(self, hall, hall.front(), ledger, monitor.history, budget.elapsed, ended)
                self._write_run()
        if not hall.best:
            raise BudgetExhausted(
                "the budget ended before any formula was judged; allow more max_time or max_evals"
            )

    def _write_run(self) -> None:
        folder = run_folder(self)
        if folder is None:
            return
        try:
            write_whole(self, folder)
        except OSError as error:  # a full disk must not take the result of the search with it
            warnings.warn(
                f"the run could not be written to {str(folder)!r} ({error.strerror or error}); the model is "
                "fitted: save it elsewhere",
                RuntimeWarning,
                stacklevel=2,
            )

    def _seed(self) -> Any:
        """Seed of the draws; a fit that goes on draws other numbers than the one before."""
        given, following = self.random_state, vars(self).get("_next_seed")
        if not self.warm_start or following is None or not isinstance(given, int | np.integer | None):
            return given
        return [following] if given is None else [following, given]

    def _seconds(self, rows: int) -> float | None:
        """Seconds for the search; of a large table the last ones are for judging the front on all rows."""
        if self.max_time is None or rows <= JUDGED_ROWS:
            return self.max_time
        return self.max_time - min(0.15 * self.max_time, VERIFYING * rows)

    def _collect(self) -> None:
        """Attributes of the outputs as lists."""
        for name in (
            "equations_",
            "expressions_",
            "best_index_",
            "ledger_",
            "stop_reason_",
            "units_",
            "uncertainties_",
        ):
            setattr(self, name, [getattr(part, name) for part in self.outputs_])
        self.n_rows_: int = self.outputs_[0].n_rows_

    def _former(self, names: tuple[str, ...]) -> list[Expression]:
        """Formulas of the fit before, as far as they speak of these columns."""
        same = self.template in (None, vars(self).get("_template"))
        former = getattr(self, "expressions_", []) if same else []
        return [e for e in former if isinstance(e, Expression) and e.names == names]

    # ---------------------------------------------------------------- using
    def predict(self, X: Any, index: Any = None, return_std: bool = False) -> Any:
        """Values of the selected formula, or of row `index` of the front.

        Parameters
        ----------
        X : array_like or DataFrame (n, d)
        index : int, optional
            Row of the front; for several outputs one for all or a sequence of them.
        return_std : bool
            Whether to give the standard deviation of the formula's value too, from the uncertainty of its
            constants; `predict_interval` gives bounds for a new measurement.

        Returns
        -------
        float64 array, shape (n,) or (n, k), or two of them
            NaN or infinity where the formula is undefined.
        """
        check_is_fitted(self, "expressions_")
        parts = list(outputs.pairs(self, index)) if hasattr(self, "outputs_") else [(self, index)]
        chosen = [m._expression(i) for m, i in parts]
        X = validate_data(self, X, reset=False, dtype=np.float64)
        values = [[e.evaluate(X) for e in chosen]]
        if return_std:
            values.append([m._deviation(X, i) for m, i in parts])
        made = [v[0] if len(parts) == 1 and parts[0][0] is self else np.column_stack(v) for v in values]
        return tuple(made) if return_std else made[0]

    # ---------------------------------------------------------------- storing
    def save(self, path: str | Path) -> None:
        """Write the fitted model as JSON: formulas, table, names; no code."""
        check_is_fitted(self, "expressions_")
        persistence.write(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> SymbolicRegressor:
        """Read what `save` wrote.

        Raises
        ------
        InvalidInput
            When the file is missing, no JSON, damaged, or not a model of this version.
        """
        return persistence.read(cls, Path(path))

    @classmethod
    def from_run(cls, folder: str | Path) -> SymbolicRegressor:
        """Model of a run with `output_directory`, finished or not; its `fit` goes on from what was found.

        The random numbers go on too: with the same budget of evaluations, going on from the same folder gives
        the same table each time, even where the run's `random_state` was None or a generator.

        Parameters
        ----------
        folder : str or Path
            The run's ``output_directory``, or a folder ``output-0`` in it for one output of several.

        Raises
        ------
        InvalidInput
            When the folder holds no run, or its model is damaged.
        """
        folder = Path(folder)
        if not (folder / MODEL).exists() and (folder / "output-0" / MODEL).exists():
            raise InvalidInput(
                f"the run in {str(folder)!r} ended before all outputs had a formula; "
                f"read them one by one: from_run({str(folder / 'output-0')!r})"
            )
        model = persistence.read(cls, folder / MODEL)
        return model.set_params(output_directory=str(folder), warm_start=True)
