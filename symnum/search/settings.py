"""What a user asks of a search, checked against the columns before any time is spent."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symnum.exceptions import InvalidInput
from symnum.expressions.expression import Expression
from symnum.search.backends import make_backend
from symnum.search.guesses import read_guesses
from symnum.search.macros import functions, inside, listed, make_macros
from symnum.search.memory import read_memory
from symnum.search.rules import Rules, make_rules
from symnum.search.selection import RULES
from symnum.search.template import Template, read_template


@dataclass(frozen=True, slots=True)
class Settings:
    """Checked parameters of an estimator.

    Attributes
    ----------
    backend : object
        With ``run(problem, budget, rng, hall, ledger)``.
    rules : Rules
    operators : list of str or None
        Those that the user lists, by name.
    guesses : tuple of Expression
        Over all columns.
    n_jobs : int
        Threads, positive.
    template : Template or None
        The form that all formulas have.
    """

    backend: Any
    rules: Rules
    operators: list[str] | None
    guesses: tuple[Expression, ...]
    n_jobs: int
    template: Template | None = None

    @property
    def whole(self) -> Rules:
        """Rules for whole formulas: a template is the user's word, the rules hold for what is put into it."""
        if self.template is None:
            return self.rules
        return Rules(costs=self.rules.costs, macros=self.rules.macros)


def make_settings(params: Mapping[str, Any], names: Sequence[str]) -> Settings:
    """Settings from the parameters of an estimator and the names of the columns.

    Raises
    ------
    InvalidInput
        When a parameter cannot be used.
    """
    macros = make_macros(params["extra_operators"])
    operators = listed(params["operators"], macros)
    rules = make_rules(
        None if operators is None else operators + inside(macros),
        params["complexity_of_operators"],
        params["nested_constraints"],
        params["constraints"],
        params["max_depth"],
        macros,
    )
    n_jobs = jobs(params["n_jobs"])
    backend = make_backend(params["search"], operators, n_jobs)
    if params["max_memory"] is not None and not getattr(backend, "keeps_memory", False):
        raise InvalidInput(
            f"max_memory cannot be kept by search={params['search']!r}, only by 'auto', 'enumerate' and "
            "'genetic'; leave it out and limit the process instead (ulimit -v, a batch system, a container)"
        )
    known = functions(macros)
    if params["template"] is not None and params["guesses"]:
        raise InvalidInput("guesses and template are alternatives: write what you know into the template")
    return Settings(
        backend,
        rules,
        operators,
        read_guesses(params["guesses"] or (), names, known),
        n_jobs,
        None if params["template"] is None else read_template(params["template"], names, known),
    )


def check_parameters(params: Mapping[str, Any]) -> None:
    """Refuse parameters that no data could make useful.

    Raises
    ------
    InvalidInput
        Naming the parameter.
    """
    if params["model_selection"] not in RULES:
        raise InvalidInput(
            f"model_selection={params['model_selection']!r} is unknown; choose one of {', '.join(RULES)}"
        )
    for name in ("max_time", "max_evals"):
        value = params[name]
        if value is not None and (not np.isscalar(value) or not value > 0):
            raise InvalidInput(f"{name} must be a positive number or None, got {value!r}")
    if params["max_memory"] is not None:
        read_memory(params["max_memory"])
    if params["max_time"] is None and params["max_evals"] is None:
        raise InvalidInput("set max_time or max_evals: a search without any limit would not end")
    most = params["max_complexity"]
    if not isinstance(most, int | np.integer) or most < 1:
        raise InvalidInput(f"max_complexity must be a positive whole number, got {most!r}")


def jobs(n_jobs: Any) -> int:
    """Number of threads.

    Raises
    ------
    InvalidInput
        Unless it is a whole number other than 0.
    """
    from joblib import effective_n_jobs

    if not isinstance(n_jobs, int | np.integer) or n_jobs == 0:
        raise InvalidInput(f"n_jobs must be a whole number other than 0 (-1: all cores), got {n_jobs!r}")
    return int(effective_n_jobs(n_jobs))


def generator(random_state: Any) -> np.random.Generator:
    """Generator from an int, a Generator, a RandomState (drawn from once) or None.

    Raises
    ------
    InvalidInput
        For anything else.
    """
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


def next_seed(rng: np.random.Generator) -> int:
    """Seed for the run that goes on from one with this generator, which is left as it is."""
    return int(copy.deepcopy(rng).integers(2**62))


def column_names(X: Any, given: Sequence[str] | None) -> tuple[str, ...]:
    """Names given, or those of a table's columns, or none.

    Raises
    ------
    InvalidInput
        When names repeat or are not as many as columns.
    """
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


def refuse_missing(X: Any) -> None:
    """Raise InvalidInput that names column and row when a DataFrame lacks a value (NaN, None, NA, NaT)."""
    if not hasattr(X, "isna") or np.ndim(X) != 2:
        return
    missing = np.asarray(X.isna())
    if missing.any():
        row, column = np.argwhere(missing)[0]
        more = f" (and {missing.sum() - 1} more such cells)" if missing.sum() > 1 else ""
        raise InvalidInput(
            f"column {X.columns[column]!r} has no value (NaN) in row {row}{more}; drop or fill such rows"
        )


def read_units(names: Sequence[str], X_units: Any, y_units: Any) -> tuple | None:
    """Units of the columns and, last, of the target; None when none are given."""
    if X_units is None and y_units is None:
        return None
    from symnum.expressions.units import parse_units

    columns = parse_units(X_units if X_units is not None else [""] * len(names), names)
    return (*columns, *parse_units([y_units or ""], ["the target"]))
