"""Sources of candidates by name; those that need more than the base install are loaded on use."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from symnum.exceptions import InvalidInput

SOURCES = {"prose": "symnum.forecasting.forecaster:NetworkProposals"}
"""Networks: "prose" takes its usual weights, "prose:WEIGHTS" those of that name or folder."""


def make_sources(proposals: Sequence[Any] | None) -> list[Callable]:
    """Callables ``(motion, place) -> expressions`` from what a user gives.

    Raises
    ------
    InvalidInput
        When an entry is neither callable nor a known name.
    WeightsNotFound
        When there are no weights of the name.
    """
    if isinstance(proposals, str):
        proposals = [proposals]
    found: list[Callable] = []
    for entry in proposals or ():
        name, _, weights = str(entry).partition(":")
        if callable(entry):
            found.append(entry)
        elif isinstance(entry, str) and name in SOURCES:
            module, _, attribute = SOURCES[name].partition(":")
            found.append(getattr(importlib.import_module(module), attribute)(*([weights] if weights else [])))
        else:
            raise InvalidInput(
                f"proposals are callables (motion, place) -> expressions, or {', '.join(SOURCES)} with or "
                f"without ':WEIGHTS'; got {entry!r}"
            )
    return found
