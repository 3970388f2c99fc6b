"""Methods by name."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable

from symnum.evaluation.methods.base import Method
from symnum.exceptions import InvalidInput

_PLACE = "symnum.evaluation.methods"
_METHODS: dict[str, tuple[str, dict]] = {
    "symnum": (f"{_PLACE}.ours:Symnum", {"name": "symnum"}),
    "symnum-units": (f"{_PLACE}.ours:Symnum", {"name": "symnum-units", "units": True}),
    "operon": (f"{_PLACE}.operon:Operon", {}),
    "gplearn": (f"{_PLACE}.gplearn:Gplearn", {}),
    "pysindy": (f"{_PLACE}.sindy:Sindy", {}),
    "pysr": (f"{_PLACE}.pysr:PySR", {}),
    "dysymnet-original": (f"{_PLACE}.dysymnet:DySymNet", {}),
    "linear": (f"{_PLACE}.baselines:Linear", {}),
    "random-forest": (f"{_PLACE}.baselines:RandomForest", {}),
    "gradient-boosting": (f"{_PLACE}.baselines:GradientBoosting", {}),
    "kernel-ridge": (f"{_PLACE}.baselines:KernelRidge", {}),
}
"""Name -> where it is and with which arguments; imported on use."""


def methods() -> tuple[str, ...]:
    """Names of all methods, whether or not they can run here."""
    return (*_METHODS, *(f"symnum-{search}" for search in _searches()))


def available() -> dict[str, str]:
    """Name -> why the method cannot run here, "" when it can."""
    return {name: make_method(name).missing() for name in methods()}


def make_method(name: str) -> Method:
    """Method of a name, or anything with SRBench's contract.

    Parameters
    ----------
    name : str
        A name of `methods()`, the path of a ``regressor.py``, or the dotted name of a module with ``est`` and
        ``model``.

    Raises
    ------
    InvalidInput
        When there is no such method.
    """
    if name in _METHODS:
        place, arguments = _METHODS[name]
        module, _, attribute = place.partition(":")
        factory: Callable[..., Method] = getattr(importlib.import_module(module), attribute)
        return factory(**arguments)
    if name.startswith("symnum-") and name.removeprefix("symnum-") in _searches():
        from symnum.evaluation.methods.ours import Symnum

        return Symnum(name, search=name.removeprefix("symnum-"))
    if name.endswith(".py") or "." in name:
        from symnum.evaluation.methods.contract import Contract

        return Contract(name)
    near = difflib.get_close_matches(name, methods(), n=3, cutoff=0.4)
    raise InvalidInput(
        f"no method {name!r}{'; did you mean ' + ' or '.join(map(repr, near)) if near else ''}; there are"
        f" {', '.join(methods())}, and any path or dotted name of a module with SRBench's est and model"
    )


def _searches() -> tuple[str, ...]:
    """Searches of `SymbolicRegressor` that can be named; "auto" is the method "symnum"."""
    from symnum.search.backends import BACKENDS

    return tuple(name for name in BACKENDS if name != "auto")
