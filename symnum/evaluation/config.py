"""What a campaign runs: YAML read into frozen dataclasses; a misspelt word is an error, never a default."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from symnum.evaluation.task import Task
from symnum.exceptions import InvalidInput
from symnum.yaml_files import read_yaml

_MOST_SEEDS = 100_000


@dataclass(frozen=True, slots=True)
class Selection:
    """Problems of the catalogue and how they are posed.

    Parameters
    ----------
    find : tuple of str
        Shell patterns of ids, e.g. ``feynman/*``.
    labels, without : tuple of str
        Labels that a problem must have, and must not have.
    every : int
        Keep each n-th of those found, beginning with the first.
    first : int, optional
        Keep so many of these.
    noise : tuple of float
        Levels of noise on the training target.
    rows : int, optional
        Training rows; the protocol's own number when left out.
    """

    find: tuple[str, ...]
    labels: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    every: int = 1
    first: int | None = None
    noise: tuple[float, ...] = (0.0,)
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """A campaign: methods on problems, under one protocol and one budget.

    Parameters
    ----------
    name : str
        Short name, shown on the report and stored with every run.
    methods : tuple of str
        Names of methods, dotted paths, or paths of SRBench regressors.
    problems : tuple of Selection
    seeds : int or tuple of int
        A count takes the first of the protocol's own list.
    protocol : str
        "symnum", "srbench-2021" or "srbench-2025".
    max_time : float
        Wall-clock seconds of a fit.
    n_jobs : int
        Threads of a fit.
    memory_mb : float
        Resident memory of a run.
    workers : int
        Runs at the same time on this machine.
    about : str
        A sentence for the report.
    """

    name: str
    methods: tuple[str, ...]
    problems: tuple[Selection, ...]
    seeds: int | tuple[int, ...] = 1
    protocol: str = "symnum"
    max_time: float = 10.0
    n_jobs: int = 2
    memory_mb: float = 8192.0
    workers: int = 1
    about: str = ""


def read_config(path: str | Path) -> Config:
    """Read a YAML file.

    Raises
    ------
    InvalidInput
        When the file cannot be read or something in it is unknown, missing or of the wrong kind.
    """
    data = read_yaml(path)
    try:
        return make_config(data)
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from None


def make_config(data: Any) -> Config:
    """Check plain data and build a `Config`.

    Raises
    ------
    InvalidInput
        When something is unknown, missing or of the wrong kind; the message says where.
    """
    values = _read(Config, data, "the configuration")
    if not isinstance(values["problems"], list) or not values["problems"]:
        raise InvalidInput("problems: expected a list of selections, each with 'find'")
    places = [f"problems[{i}]" for i in range(len(values["problems"]))]
    values["problems"] = tuple(
        Selection(**_read(Selection, part, place))
        for part, place in zip(values["problems"], places, strict=True)
    )
    config = Config(**values)
    for place, part in zip(places, config.problems, strict=True):
        if part.every < 1 or (part.first is not None and part.first < 1) or not part.noise:
            raise InvalidInput(f"{place}: 'every' and 'first' must be at least 1, 'noise' must not be empty")
    if config.workers < 1 or config.memory_mb <= 0:
        raise InvalidInput("'workers' and 'memory_mb' must be positive")
    if not 0 < config.max_time < float("inf"):
        raise InvalidInput(f"'max_time' must be a positive number of seconds, got {config.max_time}")
    if isinstance(config.seeds, int) and not 0 <= config.seeds <= _MOST_SEEDS:
        raise InvalidInput(f"'seeds' counts at most {_MOST_SEEDS}, got {config.seeds}")
    if not config.methods or config.seeds == () or config.seeds == 0:
        raise InvalidInput("'methods' and 'seeds' must not be empty")
    return config


def expand(config: Config) -> tuple[Task, ...]:
    """Tasks of a campaign, always in the same order: seed by seed, problem by problem, method by method.

    So all methods meet a problem within the same minutes, and a campaign that is stopped early has compared
    them all on the problems it reached.

    Raises
    ------
    InvalidInput
        When a pattern matches nothing or a value cannot be used.
    """
    from symnum.evaluation.catalogue import entry, find

    posed: dict[tuple[str, float, int | None], None] = {}
    for part in config.problems:
        ids = find(*part.find, labels=part.labels, without=part.without)[:: part.every][: part.first]
        if not ids:
            raise InvalidInput(
                f"no problem matches find: {list(part.find)} with labels: {list(part.labels)} and without:"
                f" {list(part.without)}"
            )
        posed.update(((problem, noise, part.rows), None) for problem in ids for noise in part.noise)
    return tuple(
        Task(
            method=method, problem=problem, seed=seed, noise=noise, protocol=config.protocol,
            max_time=config.max_time, n_jobs=config.n_jobs, rows=rows, tracks=entry(problem).labels,
        )
        for seed in _seeds(config)
        for problem, noise, rows in posed
        for method in dict.fromkeys(config.methods)
    )  # fmt: skip


def _seeds(config: Config) -> tuple[int, ...]:
    if isinstance(config.seeds, tuple):
        return config.seeds
    if config.protocol == "symnum":
        return tuple(range(config.seeds))
    from symnum.evaluation.protocols import SEEDS_2021, SEEDS_2025

    seeds = SEEDS_2021 if config.protocol == "srbench-2021" else SEEDS_2025
    if config.seeds > len(seeds):
        raise InvalidInput(f"{config.protocol} has {len(seeds)} seeds, {config.seeds} were asked for")
    return seeds[: config.seeds]


# -------------------------------------------------------------------------------------------- strict reading
_KINDS = {
    "str": "text",
    "int": "a whole number",
    "int | None": "a whole number",
    "float": "a number",
    "tuple[str, ...]": "text or a list of texts",
    "tuple[float, ...]": "a number or a list of numbers",
    "int | tuple[int, ...]": "a count or a list of seeds",
}


def _read(kind: type, data: Any, place: str) -> dict[str, Any]:
    """Values of a dataclass from a mapping, each of the kind its annotation says."""
    if not isinstance(data, Mapping):
        raise InvalidInput(f"{place}: expected 'name: value' pairs, got {type(data).__name__}")
    known = {field.name: field for field in fields(kind)}
    for name in data:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5) or list(known)
            raise InvalidInput(f"{place}: unknown word {name!r}; did you mean {' or '.join(near)}?")
    for name, field in known.items():
        if name not in data and field.default is MISSING:
            raise InvalidInput(f"{place}: {name!r} is missing")
    return {name: _convert(value, str(known[name].type), f"{place}: {name}") for name, value in data.items()}


def _convert(value: Any, kind: str, place: str) -> Any:
    if kind not in _KINDS:  # nested dataclasses are read by the caller
        return value
    try:
        if kind.startswith("tuple[") or (kind.startswith("int | tuple") and isinstance(value, list)):
            item = {"s": _text, "f": _number, "i": _whole}[kind.partition("tuple[")[2][0]]
            return tuple(item(part) for part in (value if isinstance(value, list) else [value]))
        if value is None and kind.endswith("None"):
            return None
        return {"s": _text, "f": _number, "i": _whole}[kind[0]](value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidInput(f"{place}: expected {_KINDS[kind]}, got {repr(value)[:100]}") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    return float(value)  # YAML 1.1 takes 1e-3 for text


def _whole(value: Any) -> int:
    if isinstance(value, bool) or int(value) != value:
        raise TypeError
    return int(value)
