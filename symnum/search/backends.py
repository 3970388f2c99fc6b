"""Search backends by name; those that need more than the base install are loaded on use."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from symnum.exceptions import InvalidInput
from symnum.expressions.operators import OPERATORS

BACKENDS = {
    "enumerate": "symnum.search.enumerate:EnumerativeSearch",
    "auto": "symnum.search.enumerate:EnumerativeSearch",
    "genetic": "symnum.search.genetic_backend:GeneticSearch",
    "operon": "symnum.search.operon_backend:OperonSearch",
    "pysr": "symnum.search.pysr_backend:PySRSearch",
    "dysymnet": "symnum.search.dysymnet.backend:DySymNetSearch",
    "snip": "symnum.search.snip.backend:SNIPSearch",
    "snip-latent": "symnum.search.snip.backend:SNIPLatentSearch",
    "tpsr": "symnum.search.snip.backend:TPSRSearch",
}


def missing(search: str) -> str:
    """What a search lacks to run here, empty when nothing.

    Parameters
    ----------
    search : str
        A name of `BACKENDS`.
    """
    module = importlib.import_module(BACKENDS[search].partition(":")[0])
    reason = getattr(module, "missing", None)
    return "" if reason is None else reason()


def make_backend(search: Any, operators: Sequence[str] | None, n_jobs: int) -> Any:
    """Backend object for the `search` parameter.

    Raises
    ------
    InvalidInput
        For unknown names and operators, and for objects without a `run` method.
    """
    for name in operators or ():
        OPERATORS[name]
    if isinstance(search, str):
        if search not in BACKENDS:
            raise InvalidInput(f"search={search!r} is unknown; use one of {', '.join(BACKENDS)}")
        module, _, name = BACKENDS[search].partition(":")
        return getattr(importlib.import_module(module), name)(operators=operators, n_jobs=n_jobs)
    if not callable(getattr(search, "run", None)):
        raise InvalidInput(
            f"search must be a name or an object with a run method, got {type(search).__name__}"
        )
    return search
