"""A study of forecasters: conditions and routes over many cases; goes on where it stopped."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from symnum.evaluation.prose_cases import Case, Condition, expression_error, forecast_errors, make_cases
from symnum.evaluation.prose_routes import Outcome, Route
from symnum.exceptions import InvalidInput
from symnum.synthesis.families.pde_families import PDE_FAMILIES
from symnum.synthesis.families.trajectories import family_names
from symnum.yaml_files import read_yaml

_STATES_ONLY = ("states", "persistence", "deeponet", "gru")


@dataclass(frozen=True)
class Result:
    """One case, one route.

    Attributes
    ----------
    error_near, error : float
        Relative L2 errors of the states, first half and all of the times asked for; NaN for routes without
        states.
    expression_error : float
        NaN for routes without equations.
    valid : int
        1 when there are equations, as many as states, finite at the points.
    """

    guess: str
    noise: float
    spread: float
    route: str
    family: str
    index: int
    error_near: float
    error: float
    expression_error: float
    valid: int
    seconds: float
    equations: str = ""

    @property
    def condition(self) -> tuple[str, float, float]:
        """Setting it belongs to."""
        return self.guess, self.noise, self.spread


@dataclass(frozen=True)
class Study:
    """What is run.

    Attributes
    ----------
    weights : str
        Of PROSE; empty for references only.
    references : mapping of str to str
        Weights of reference networks by kind, "deeponet" or "gru", which is the name of the route too.
    families : tuple of str
        Families or groups of them (`symnum.synthesis.families.trajectories.GROUPS`).
    equations : int
        Of each family, one trajectory each.
    seed : int
        Of the cases; not that of the training data.
    window : int
        Steps that are given.
    draws, seconds, jobs
        Systems drawn for a refit, its seconds, refits at a time.
    conditions : tuple of Condition
    routes : tuple of str
        See `symnum.evaluation.prose_routes.make_routes`.
    """

    weights: str = "prose-ode-small"
    references: Mapping[str, str] = field(default_factory=dict)
    families: tuple[str, ...] = ("all_odes",)
    equations: int = 10
    seed: int = 20_000_003
    window: int = 64
    draws: int = 24
    seconds: float = 10.0
    jobs: int = 1
    conditions: tuple[Condition, ...] = (Condition(),)
    routes: tuple[str, ...] = ("states", "written", "refit", "persistence")

    @property
    def names(self) -> tuple[str, ...]:
        """Families, groups written out."""
        return family_names(self.families)

    @classmethod
    def read(cls, path: Path) -> Study:
        """Study from YAML.

        Raises
        ------
        InvalidInput
            When the file cannot be read or holds something unknown.
        """
        try:
            data = read_yaml(path)
            table: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
            table["conditions"] = tuple(Condition(**c) for c in table.get("conditions", [{}]))
            return cls(**table)
        except (InvalidInput, TypeError, AttributeError) as error:
            raise InvalidInput(
                f"{path} is no study ({error}); it holds {', '.join(f.name for f in fields(cls))}"
            ) from None


def run_study(study: Study, routes: dict[str, Route], out: Path) -> Iterator[list[Result]]:
    """Run what `out` does not hold yet; results are appended a family at a time."""
    done = {(r.condition, r.route, r.family, r.index) for r in read_study(out)}
    for condition in study.conditions:
        for family in study.names:
            cases = make_cases(condition, [family], study.equations, study.seed, study.window)
            for name, route in routes.items():
                key = (condition.guess, condition.noise, condition.spread)
                left = [c for c in cases if (key, name, family, c.index) not in done]
                if left:
                    results = [
                        _result(condition, name, case, outcome)
                        for case, outcome in zip(left, route(left), strict=True)
                    ]
                    _append(out, results)
                    yield results


def _result(condition: Condition, route: str, case: Case, made: Outcome) -> Result:
    nan = float("nan")
    near, whole = forecast_errors(case, made.states)
    if made.states is None and route == "written" and case.family in PDE_FAMILIES:
        near = whole = nan
    error, valid = expression_error(case.equations, made.equations)
    writes = route not in _STATES_ONLY
    text = "" if made.equations is None else "; ".join(e.text(5) for e in made.equations)
    return Result(
        **asdict(condition), route=route, family=case.family, index=case.index, error_near=near, error=whole,
        expression_error=error if writes else nan, valid=int(valid), seconds=round(made.seconds, 4),
        equations=text,
    )  # fmt: skip


def _append(path: Path, results: Sequence[Result]) -> None:
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Result)])
        if fresh:
            writer.writeheader()
        writer.writerows(asdict(r) for r in results)


def read_study(path: Path) -> list[Result]:
    """Results of a CSV file, none when it does not exist."""
    if not path.exists():
        return []
    casts = {"int": int, "float": float, "str": str}
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [Result(**{f.name: casts[str(f.type)](row[f.name]) for f in fields(Result)}) for row in rows]
