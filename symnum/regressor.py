"""SymbolicRegressor: a table in, a short formula out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from symnum import persistence
from symnum.exceptions import BudgetExhausted, InvalidInput
from symnum.expressions.expression import Expression, default_names
from symnum.problem import Problem
from symnum.search.backends import make_backend
from symnum.search.budget import Budget
from symnum.search.candidate import Candidate, HallOfFame
from symnum.search.dimensional import statement
from symnum.search.features import select_columns
from symnum.search.selection import RULES, scores, select

if TYPE_CHECKING:
    import sympy


@dataclass(frozen=True, slots=True)
class SearchEvent:
    """What a callback is shown: the state of a running search."""

    front: list[Candidate]
    elapsed: float
    evaluations: int
    stage: str


class SymbolicRegressor(RegressorMixin, BaseEstimator):
    """Find short formulas that explain a table.

    Parameters
    ----------
    search : str or object, default "auto"
        "auto" or "enumerate", or an object with ``run(problem, budget, rng, hall, ledger)``.
    max_time : float or None, default 60
        Wall-clock seconds; most problems end earlier, when an exact formula was found.
    max_evals : int or None, default None
        Expressions formed. With ``max_time=None`` the same seed gives the same table for any `n_jobs`.
    random_state : int, RandomState, Generator or None
        Seed of whatever is drawn at random.
    n_jobs : int, default 1
        Threads; -1 uses all cores.
    model_selection : {"best", "mdl", "bic", "score", "accuracy"}, default "best"
        Which formula of the front `predict` uses; "best" is the shortest description length.
    operators : sequence of str, optional
        Operators that formulas may be enumerated from; a physicist's list when left out.
    max_complexity : int, default 40
        Longest formula kept, in nodes.
    callbacks : sequence of callable, optional
        Called with a `SearchEvent` when the front changes; a true result stops the search.
    verbose : int, default 0
        1 prints each improvement.

    Attributes
    ----------
    equations_ : DataFrame
        The Pareto front: complexity, loss (mean squared error), score, r2, equation, selected.
    expressions_ : list of Expression
        The formulas of `equations_`, same order.
    best_index_ : int
        Row that `predict`, `sympy` and `latex` use.
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
        random_state: Any = None,
        n_jobs: int = 1,
        model_selection: str = "best",
        operators: Sequence[str] | None = None,
        max_complexity: int = 40,
        callbacks: Sequence[Callable[[SearchEvent], Any]] | None = None,
        verbose: int = 0,
    ) -> None:
        self.search = search
        self.max_time = max_time
        self.max_evals = max_evals
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.model_selection = model_selection
        self.operators = operators
        self.max_complexity = max_complexity
        self.callbacks = callbacks
        self.verbose = verbose

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
        y : array_like (n,)
            Finite numbers.
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
        self._check_parameters()
        self._jobs()
        names = self._column_names(X, variable_names)
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2)
        names = names or default_names(X.shape[1])
        units = self._units(names, X_units, y_units)
        problem = Problem(X, y, names, units, sample_weight)
        self._run(problem)
        return self

    def _run(self, problem: Problem) -> None:
        backend = make_backend(self.search, self.operators, self._jobs())
        budget = Budget(self.max_time, self.max_evals).start()
        rng = _generator(self.random_state)
        hall, ledger = HallOfFame(problem, self.max_complexity), []
        # Constant columns and, of very many, those without influence are left out of the search.
        columns = select_columns(problem)
        inner = problem if len(columns) == problem.X.shape[1] else Problem(
            problem.X[:, columns], problem.y, tuple(problem.names[j] for j in columns),
            problem.units and tuple(problem.units[j] for j in (*columns, -1)), problem.weights,
        )  # fmt: skip
        note = "" if problem.units is None else statement(problem.units, problem.names)
        if note:
            warnings.warn(note, UserWarning, stacklevel=3)
        reason = ""
        try:
            for candidate in backend.run(inner, budget, rng, hall, ledger):
                if self._tell(candidate, hall, budget):
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
                self._finish(problem, hall, ledger, f"{ended}; {note}" if note else ended)
        if not hall.best:
            raise BudgetExhausted(
                "the budget ended before any formula was judged; allow more max_time or max_evals"
            )

    def _tell(self, candidate: Candidate, hall: HallOfFame, budget: Budget) -> bool:
        front = hall.front()
        if candidate not in front:
            return False
        if self.verbose:
            print(f"[{budget.elapsed:7.2f} s] {candidate.loss:12.5g}  {candidate.expression.text(6)}")  # noqa: T201
        event = SearchEvent(front, budget.elapsed, budget.evaluations, candidate.stage)
        return any([bool(callback(event)) for callback in self.callbacks or ()])

    def _finish(self, problem: Problem, hall: HallOfFame, ledger: list, reason: str) -> None:
        import pandas as pd

        front = hall.front()
        scale = float(np.sqrt(np.mean(problem.y**2)))
        self.expressions_ = [c.expression for c in front]
        consistent = self._consistent(problem)
        allowed = [i for i, ok in enumerate(consistent) if ok] or list(range(len(front)))
        chosen = select([front[i] for i in allowed], self.model_selection, hall.rows, scale)
        self.best_index_ = allowed[chosen]
        table = {
            "complexity": [c.complexity for c in front],
            "loss": [c.loss for c in front],
            "score": scores(front),
            "r2": [c.r2 for c in front],
            "equation": [str(e) for e in self.expressions_],
            "selected": [i == self.best_index_ for i in range(len(front))],
        }
        if problem.units is not None:
            table["units_ok"] = consistent
        self.equations_ = pd.DataFrame(table)
        self.ledger_ = pd.DataFrame([asdict(stage) for stage in ledger])
        self.stop_reason_ = reason
        self.units_ = None if problem.units is None else tuple(str(u) for u in problem.units)
        self.n_rows_ = len(problem.y)

    # ---------------------------------------------------------------- checks
    def _check_parameters(self) -> None:
        if self.model_selection not in RULES:
            raise InvalidInput(
                f"model_selection={self.model_selection!r} is unknown; choose one of {', '.join(RULES)}"
            )
        for name in ("max_time", "max_evals"):
            value = getattr(self, name)
            if value is not None and (not np.isscalar(value) or not value > 0):
                raise InvalidInput(f"{name} must be a positive number or None, got {value!r}")
        if self.max_time is None and self.max_evals is None:
            raise InvalidInput("set max_time or max_evals: a search without any limit would not end")
        if not isinstance(self.max_complexity, int | np.integer) or self.max_complexity < 1:
            raise InvalidInput(f"max_complexity must be a positive whole number, got {self.max_complexity!r}")

    def _jobs(self) -> int:
        from joblib import effective_n_jobs

        if not isinstance(self.n_jobs, int | np.integer) or self.n_jobs == 0:
            raise InvalidInput(
                f"n_jobs must be a whole number other than 0 (-1: all cores), got {self.n_jobs!r}"
            )
        return int(effective_n_jobs(self.n_jobs))

    @staticmethod
    def _column_names(X: Any, given: Sequence[str] | None) -> tuple[str, ...]:
        columns = getattr(X, "columns", None)
        if given is not None:
            names = tuple(str(n) for n in given)
            width = np.shape(X)[1] if np.ndim(X) == 2 else None
            if width is not None and len(names) != width:
                raise InvalidInput(f"{len(names)} variable_names were given for {width} columns")
        elif columns is not None and all(isinstance(c, str) for c in columns):
            names = tuple(columns)
        else:
            return ()
        if len(set(names)) != len(names):
            twice = sorted({n for n in names if names.count(n) > 1})
            raise InvalidInput(f"column names must differ, these occur twice: {twice}")
        return names

    @staticmethod
    def _units(names: Sequence[str], X_units: Any, y_units: Any) -> tuple | None:
        if X_units is None and y_units is None:
            return None
        from symnum.expressions.units import parse_units

        columns = parse_units(X_units if X_units is not None else [""] * len(names), names)
        return (*columns, *parse_units([y_units or ""], ["the target"]))

    def _consistent(self, problem: Problem) -> list[bool]:
        if problem.units is None:
            return [True] * len(self.expressions_)
        from symnum.expressions.units import check_units

        return [bool(check_units(e, problem.units[:-1], problem.units[-1])) for e in self.expressions_]

    # ---------------------------------------------------------------- using
    def _expression(self, index: int | None) -> Expression:
        check_is_fitted(self, "expressions_")
        index = self.best_index_ if index is None else index
        if not -len(self.expressions_) <= index < len(self.expressions_):
            raise InvalidInput(f"index {index} is outside the front of {len(self.expressions_)} formulas")
        return self.expressions_[index]

    @property
    def expression_(self) -> Expression:
        """The selected formula."""
        return self._expression(None)

    def predict(self, X: Any, index: int | None = None) -> NDArray[np.float64]:
        """Values of the selected formula, or of row `index` of the front, shape (n,)."""
        expression = self._expression(index)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        return expression.evaluate(X)

    def sympy(self, index: int | None = None) -> sympy.Expr:
        """The selected formula as a sympy expression."""
        return self._expression(index).sympy()

    def latex(self, index: int | None = None, digits: int = 4) -> str:
        """The selected formula in LaTeX."""
        return self._expression(index).latex(digits)

    def latex_table(self, digits: int = 4) -> str:
        """The Pareto front as a LaTeX table (booktabs)."""
        check_is_fitted(self, "expressions_")
        rows = [
            rf"${e.latex(digits)}$ & {row.complexity} & {row.loss:.3g} & {row.r2:.5f} \\"
            for e, row in zip(self.expressions_, self.equations_.itertuples(), strict=True)
        ]
        head = [
            r"\begin{tabular}{lrrr}",
            r"\toprule",
            r"Equation & Complexity & Loss & $R^2$ \\",
            r"\midrule",
        ]
        return "\n".join([*head, *rows, r"\bottomrule", r"\end{tabular}"])

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


def _generator(random_state: Any) -> np.random.Generator:
    """Generator from an int, a Generator, a RandomState (drawn from once) or None."""
    if isinstance(random_state, np.random.Generator):
        return random_state
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**31))
    try:
        return np.random.default_rng(random_state)
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"random_state must be an int, a Generator or None, got {random_state!r}"
        ) from error
