"""Sizes of formulas, and SRBench's verdict, computed in a process that is killed when it takes too long."""

from __future__ import annotations

import atexit
import time
from collections.abc import Sequence
from dataclasses import dataclass

from symnum.expressions.expression import Expression
from symnum.expressions.worker import SympyWorker

SECONDS = 5.0
"""Limit for all the algebra on one formula."""
_WORKER = SympyWorker("symnum.evaluation._algebra")
atexit.register(_WORKER.close)


@dataclass(frozen=True)
class Measured:
    """What algebra says about a formula; None is what it could not say in time.

    Attributes
    ----------
    sympy_size : int or None
        Nodes of the sympy tree of the formula as it is.
    simplified_size : int or None
        The same after sympy's simplify.
    srbench_size : int or None
        Model size of SRBench 2025.
    srbench_simplified_size : int or None
        Simplified complexity of SRBench 2021.
    solved, zero, constant, fraction : bool or None
        SRBench's symbolic solution and its three flags; None when not tried.
    status : {"ok", "not tried", "error", "timeout"}
        How SRBench's check went.
    seconds : float
    message : str
    """

    sympy_size: int | None = None
    simplified_size: int | None = None
    srbench_size: int | None = None
    srbench_simplified_size: int | None = None
    solved: bool | None = None
    zero: bool | None = None
    constant: bool | None = None
    fraction: bool | None = None
    status: str = "not tried"
    seconds: float = 0.0
    message: str = ""


def measure(e: Expression, truth: Expression | None = None, seconds: float = SECONDS) -> Measured:
    """Sizes of a formula and, with a truth, SRBench's check of it.

    Parameters
    ----------
    e : Expression
    truth : Expression, optional
        Give it only when the test R2 is above 0.5: below, SRBench does not look.
    seconds : float
        Time limit.
    """
    payload = {"expression": e.to_dict(), "truth": None if truth is None else truth.to_dict()}
    began = time.perf_counter()
    result = _WORKER.run("measure", payload, seconds)
    found: dict = {}
    for part in result.parts:
        found |= part
    status = "not tried" if truth is None else "ok" if "solved" in found else result.status
    if truth is not None and status != "ok":
        # SRBench counts whatever raises or never ends as not solved.
        found |= {"solved": False, "zero": False, "constant": False, "fraction": False}
    return Measured(**found, status=status, seconds=time.perf_counter() - began, message=result.message)


def sympy_sizes(expressions: Sequence[Expression], seconds: float = SECONDS) -> list[int | None]:
    """Nodes of each formula's sympy tree; None where sympy failed or time ran out."""
    if not expressions:
        return []
    result = _WORKER.run("sizes", {"expressions": [e.to_dict() for e in expressions]}, seconds)
    return [*result.parts, *[None] * (len(expressions) - len(result.parts))]


def start() -> None:
    """Start the process now, so that the next call does not wait for it."""
    _WORKER.run("sizes", {"expressions": []}, SECONDS)
