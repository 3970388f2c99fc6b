"""Tables of a study of forecasters, with the published rows beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from symnum.evaluation.prose_study import Result
from symnum.synthesis.families.ode_families import CHAOTIC_3D
from symnum.synthesis.families.pde_families import PDE_FAMILIES

PUBLISHED = (
    ("PROSE, known, 12 systems", "2.74", "2.94", "0.00", "100.00"),
    ("PROSE, skeleton, 12 systems", "3.39", "4.59", "2.10", "99.98"),
    ("PROSE, unknown, 12 systems", "3.43", "4.63", "2.11", "99.95"),
    ("PROSE, unknown, 15 systems", "3.95", "5.66", "1.88", "99.94"),
    ("PROSE, unknown, 12 systems, coefficients +-15 %", "3.89", "5.71", "3.21", "99.44"),
    ("PROSE, unknown, 12 systems, coefficients +-20 %", "4.94", "7.66", "4.83", "97.89"),
    ("PROSE, skeleton, its equations integrated", "", "14.69", "", ""),
)
"""Liu, Zhang & Schaeffer 2024 (arXiv:2309.16816), from digests of the paper: mean relative errors in per
cent on [2, 4] and [2, 6], of the expressions, and share that is valid."""
PUBLISHED_FIELDS = (
    ("PROSE-PDE, known, 20 families", "", "0.92", "0.01", "100.00"),
    ("PROSE-PDE, skeleton, 20 families", "", "1.06", "0.77", "99.94"),
)
"""Liu et al. 2024 (arXiv:2404.12355), from a digest, as above: second half of the times."""
PUBLISHED_NOTE = (
    "Published rows are from digests of the papers (arXiv:2309.16816; fields: arXiv:2404.12355), not from "
    "runs here: 104 million parameters, other draws of the same families, noise of 2 % on the states asked "
    "for as well (which alone makes about 2 %), invalid equations left out of the expression error. Here "
    "states asked for have no noise, and a missing or exploded answer counts as 100 %."
)
_HEADER = "| | cases | error, first half | error, all | median | expression error | valid | seconds |"


def report(results: Sequence[Result]) -> str:
    """Markdown: a table for each condition, over all systems and those of three states, and by family."""
    parts = ["# Forecasts and equations from short noisy windows", ""]
    conditions = list(dict.fromkeys(r.condition for r in results))
    for condition in conditions:
        own = [r for r in results if r.condition == condition]
        guess, noise, spread = condition
        parts += [f"## Guess: {guess}; noise {100 * noise:g} %; coefficients +-{100 * spread:g} %", ""]
        groups = [("all", own)]
        if any(r.family not in CHAOTIC_3D for r in own) and any(r.family in CHAOTIC_3D for r in own):
            groups.append(("three states", [r for r in own if r.family in CHAOTIC_3D]))
        for name, rows in groups:
            parts += [
                f"{len({r.family for r in rows})} families ({name}), in per cent",
                "",
                *_table(rows),
                "",
            ]
    parts += ["## By family", ""]
    for condition in conditions[:1]:
        parts += [*_families([r for r in results if r.condition == condition]), ""]
    published = PUBLISHED_FIELDS if all(r.family in PDE_FAMILIES for r in results) else PUBLISHED
    parts += ["## Published", "", "| | error, first half | error, all | expression error | valid |"]
    parts += ["|---|---|---|---|---|", *(f"| {' | '.join(row)} |" for row in published)]
    parts += ["", PUBLISHED_NOTE, ""]
    return "\n".join(parts)


def _table(rows: Sequence[Result]) -> list[str]:
    found = [_HEADER, "|---|---|---|---|---|---|---|---|"]
    for route in dict.fromkeys(r.route for r in rows):
        own = [r for r in rows if r.route == route]
        found.append(
            f"| {route} | {len(own)} | {_mean(r.error_near for r in own)} | {_mean(r.error for r in own)} "
            f"| {_mean((r.error for r in own), np.nanmedian)} | {_mean(r.expression_error for r in own)} "
            f"| {_valid(own)} | {np.mean([r.seconds for r in own]):.2f} |"
        )
    return found


def _families(rows: Sequence[Result]) -> list[str]:
    routes = list(dict.fromkeys(r.route for r in rows))
    found = [
        "Error over all times asked for (expression error), in per cent.", "",
        f"| family | {' | '.join(routes)} |", "|---" * (len(routes) + 1) + "|",
    ]  # fmt: skip
    for family in dict.fromkeys(r.family for r in rows):
        cells = []
        for route in routes:
            own = [r for r in rows if r.family == family and r.route == route]
            formula = _mean(r.expression_error for r in own)
            cells.append(_mean(r.error for r in own) + (f" ({formula})" if formula else ""))
        found.append(f"| {family} | {' | '.join(cells)} |")
    return found


def _mean(values: Iterable[float], middle: object = np.nanmean) -> str:
    array = np.array(list(values), dtype=np.float64)
    if not array.size or np.all(np.isnan(array)):
        return ""
    return f"{100 * float(middle(array)):.2f}"  # type: ignore[operator]


def _valid(rows: Sequence[Result]) -> str:
    return "" if np.isnan(rows[0].expression_error) else f"{100 * np.mean([r.valid for r in rows]):.2f}"
