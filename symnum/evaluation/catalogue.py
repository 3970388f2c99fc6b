"""Every benchmark problem by its id: names, units, truth, labels, and where its rows come from."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from symnum.evaluation.domain import Domain, Rule
from symnum.evaluation.tables import datasets_dir, read_facts
from symnum.exceptions import InvalidInput
from symnum.expressions.expression import Expression

HIDDEN_COUNT = 100
"""How many problems of a hidden set the patterns stand for; any other index works as well."""
_REPEATS = {
    "II.13.23": "I.10.7", "I.12.5": "I.12.1", "I.43.31": "I.14.3", "II.8.31": "I.14.4", "II.13.34": "I.15.1",
    "I.29.4": "I.25.13", "I.39.22": "I.34.8", "I.43.16": "I.34.8", "II.38.3": "I.34.8",
    "III.12.43": "I.34.27", "II.15.5": "II.15.4",
}  # fmt: skip
"""Feynman problems that are another one after renaming."""
_HIDDEN_LABELS = ("generated",)
_WRONG_UNITS = {"I.43.16"}
"""Feynman problems whose published units contradict the formula."""


@dataclass(frozen=True)
class Entry:
    """One problem of the catalogue.

    Attributes
    ----------
    id : str
        E.g. "feynman/I.6.2a".
    names : tuple of str
        Input columns; empty where the table must be read to know them.
    target : str
    truth : Expression or None
        None for measured data.
    units : tuple of str or None
        Of the columns and, last, of the target.
    domain : Domain or None
        How training rows are drawn, None where they are not drawn.
    test_domain : Domain or None
        Where the literature prescribes other test rows.
    table : str
        PMLB's name of the table that SRBench uses, "" if there is none.
    system : tuple or None
        (kind, id, component) of a system of differential equations.
    labels : tuple of str
        For reports and patterns, e.g. ("core", "srbench", "repeat").
    """

    id: str
    names: tuple[str, ...]
    target: str
    truth: Expression | None = None
    units: tuple[str, ...] | None = None
    domain: Domain | None = None
    test_domain: Domain | None = None
    table: str = ""
    system: tuple[str, str, int] | None = None
    labels: tuple[str, ...] = ()

    @property
    def suite(self) -> str:
        """First part of the id."""
        return self.id.split("/", 1)[0]


def suites() -> tuple[str, ...]:
    """Names of all suites."""
    return tuple(_SUITES)


def entry(problem: str) -> Entry:
    """Problem of an id.

    Raises
    ------
    InvalidInput
        When there is no such problem; the message shows near ones.
    DataNotFound
        When the facts are missing.
    """
    suite, _, rest = problem.partition("/")
    if suite == "hidden":
        return _hidden(rest)
    if suite not in _SUITES:
        raise InvalidInput(f"no suite {suite!r} in the id {problem!r}; there are: {', '.join(_SUITES)}")
    found = _suite(suite).get(problem)
    if found is None:
        import difflib

        near = difflib.get_close_matches(problem, _suite(suite), n=3, cutoff=0.4)
        raise InvalidInput(f"no problem {problem!r}; near ones: {', '.join(near) or 'none'}")
    return found


def find(*patterns: str, labels: Sequence[str] = (), without: Sequence[str] = ()) -> list[str]:
    """Ids that match shell patterns, in the catalogue's order.

    Parameters
    ----------
    patterns : str
        E.g. "feynman/*", "blackbox/*_fri_*", "classic/Nguyen-1", "hidden/7/*" (the first 100 of that set).
    labels, without : sequence of str
        Labels that an entry must have, and must not have.

    Raises
    ------
    InvalidInput
        When a pattern matches nothing at all, whatever its labels.
    """
    result: dict[str, None] = {}
    for pattern in patterns:
        suite = pattern.split("/", 1)[0]
        if suite == "hidden":
            ids = fnmatch.filter(_hidden_ids(pattern), pattern)
        else:
            ids = [i for s in _SUITES if fnmatch.fnmatchcase(s, suite) for i in _suite(s)]
            ids = [i for i in ids if fnmatch.fnmatchcase(i, pattern)]
        if not ids:
            raise InvalidInput(f"no problem matches {pattern!r}; suites: {', '.join([*_SUITES, 'hidden'])}")
        for i in ids:
            have = _HIDDEN_LABELS if suite == "hidden" else entry(i).labels
            if all(wanted in have for wanted in labels) and not any(bad in have for bad in without):
                result[i] = None
    return list(result)


# -------------------------------------------------------------------------------------------------- suites
@lru_cache(maxsize=16)
def _suite(name: str) -> dict[str, Entry]:
    return {e.id: e for e in _SUITES[name]()}


def _feynman() -> list[Entry]:
    entries = []
    for row in read_facts("feynman/feynman.csv"):
        names = tuple(row["variables"].split(";"))
        labels = [row["set"], *(["srbench"] if row["in_srbench"] == "true" else [])]
        labels += ["repeat"] if row["number"] in _REPEATS else []
        units = tuple(_unit(u) for u in [*row["units"].split(";"), row["out_unit"]])
        entries.append(
            Entry(
                id=f"feynman/{row['number']}",
                names=names,
                target=row["output"],
                truth=Expression.parse(row["formula"], names),
                units=None if row["number"] in _WRONG_UNITS else units,
                domain=Domain.box(_floats(row["low"]), _floats(row["high"])),
                table=row["id"],
                labels=tuple(labels),
            )
        )
    return entries


def _srsd() -> list[Entry]:
    numbers = {row["id"]: row for row in read_facts("feynman/feynman.csv")}
    entries = []
    for row in read_facts("feynman/srsd.csv"):
        names = tuple(row["variables"].split(";"))
        rules = zip(row["sampling"].split(";"), _floats(row["low"]), _floats(row["high"]), strict=True)
        number = numbers[row["id"]]["number"]
        labels = [row["difficulty"], *(["repeat"] if number in _REPEATS else [])]
        entries.append(
            Entry(
                id=f"feynman-srsd/{number}",
                names=names,
                target=row["output"],
                truth=Expression.parse(row["formula"], names),
                domain=Domain(tuple(Rule(*rule) for rule in rules)),
                labels=tuple(labels),
            )
        )
    return entries


def _strogatz() -> list[Entry]:
    names = ("x", "y")
    entries = []
    for row in read_facts("strogatz/systems.csv"):
        for component, formula in enumerate((row["dx_dt"], row["dy_dt"])):
            entries.append(
                Entry(
                    id=f"strogatz/{row['id']}{component + 1}",
                    names=names,
                    target=("dx_dt", "dy_dt")[component],
                    truth=Expression.parse(formula, names),
                    table=f"strogatz_{row['id']}{component + 1}",
                    system=("strogatz", row["id"], component),
                    labels=("srbench",),
                )
            )
    return entries


def _odebench() -> list[Entry]:
    data = json.loads((datasets_dir() / "odebench" / "odebench.json").read_text(encoding="utf-8"))
    entries = []
    for system in data["systems"]:
        names = tuple(f"x_{i}" for i in range(system["dim"]))
        for component, formula in enumerate(system["equations"]):
            entries.append(
                Entry(
                    id=f"odebench/{system['id']}.{component}",
                    names=names,
                    target=f"dx_{component}_dt",
                    truth=Expression.parse(formula, names),
                    system=("odebench", str(system["id"]), component),
                    labels=(f"{system['dim']}-d",),
                )
            )
    return entries


def _classic() -> list[Entry]:
    entries = []
    for row in read_facts("classic/classic.csv"):
        names = tuple(row["variables"].split(";"))
        train, test = (
            Domain(tuple(Rule.parse(rule) for rule in text.split(";"))) if text else None
            for text in (row["train"], row["test"])
        )
        entries.append(
            Entry(
                id=f"classic/{row['id']}",
                names=names,
                target="y",
                truth=Expression.parse(row["formula"], names),
                domain=train,
                test_domain=test,
                labels=(row["suite"],),
            )
        )
    return entries


def _tables(track: str) -> list[Entry]:
    entries = []
    for row in read_facts("blackbox/blackbox.csv"):
        if row["track"] != track:
            continue
        labels = [row["origin"], *(year for year in ("2021", "2025") if row[f"in_{year}"] == "true")]
        labels += ["repeat"] if row["duplicate_of"] else []
        labels += ["at-most-10"] if row["d"] and int(row["d"]) <= 10 else []
        name = row["name"].removeprefix("first_principles_")
        entries.append(Entry(f"{track}/{name}", (), "target", table=row["name"], labels=tuple(labels)))
    return entries


def _hidden_ids(pattern: str) -> list[str]:
    parts = pattern.split("/")
    if len(parts) != 3 or not parts[1].isdigit():
        return []
    if parts[2].isdigit():
        return [pattern]
    return [f"hidden/{parts[1]}/{i}" for i in range(HIDDEN_COUNT)]


def _hidden(rest: str) -> Entry:
    seed, _, index = rest.partition("/")
    if not (seed.isdigit() and index.isdigit()):
        raise InvalidInput(f"hidden problems are called hidden/SEED/INDEX, got 'hidden/{rest}'")
    return _hidden_entry(int(seed), int(index))


@lru_cache(maxsize=1024)
def _hidden_entry(seed: int, index: int) -> Entry:
    from symnum.evaluation.hidden import hidden_problem

    truth, domain = hidden_problem(seed, index)
    return Entry(f"hidden/{seed}/{index}", truth.names, "y", truth, domain=domain, labels=_HIDDEN_LABELS)


_SUITES: dict[str, Callable[[], list[Entry]]] = {
    "feynman": _feynman,
    "feynman-srsd": _srsd,
    "strogatz": _strogatz,
    "blackbox": lambda: _tables("blackbox"),
    "first-principles": lambda: _tables("first-principles"),
    "classic": _classic,
    "odebench": _odebench,
}


# -------------------------------------------------------------------------------------------------- helpers
def _floats(text: str) -> list[float]:
    return [float(part) for part in text.split(";")]


def _unit(exponents: str) -> str:
    """Unit text of exponents of m, s, kg, K, V; "" when dimensionless."""
    pairs = zip(("m", "s", "kg", "K", "V"), exponents.split("/"), strict=True)
    return "*".join(name if power == "1" else f"{name}^{power}" for name, power in pairs if power != "0")
