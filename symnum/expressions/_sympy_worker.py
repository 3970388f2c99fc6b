"""The process behind `symnum.expressions.worker`: reads requests, writes answers, one JSON object a line."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any

from symnum.expressions._exact import Exact
from symnum.expressions.expression import Expression

if TYPE_CHECKING:
    import sympy

MEMORY_BYTES = 4 << 30
_GRACE_SECONDS = 5.0
_PROBES = 12
_DIGITS = 40
_DIFFERENT = 1e-10  # relative difference that no rounding of constants to float64 explains


def simplify(payload: dict[str, Any]) -> Iterator[Any]:
    """Yield one rewritten formula for every strategy that gives one; cheap strategies first."""
    import sympy

    expression = Expression.from_dict(payload["expression"])
    exact = Exact()
    tree = exact.tree(expression)
    for strategy in (
        lambda t: t,
        sympy.together,
        sympy.factor_terms,
        sympy.cancel,
        sympy.factor,
        sympy.expand,
        lambda t: sympy.factor(sympy.expand(t)),
        sympy.trigsimp,
        sympy.powsimp,
        lambda t: sympy.radsimp(sympy.together(t)),
        sympy.logcombine,
        sympy.simplify,
    ):
        with contextlib.suppress(Exception):  # sympy raises nearly anything; another strategy may work
            yield exact.expression(strategy(tree), expression.names).to_dict()


def compare(payload: dict[str, Any]) -> Iterator[Any]:
    """Yield the verdict on two formulas, "equal", "different" or "unknown", on a box of rational points."""
    found, truth = Expression.from_dict(payload["found"]), Expression.from_dict(payload["truth"])
    exact = Exact(payload["positive"])
    a, b = exact.tree(found), exact.tree(truth)
    points = [{exact.symbol(n): v for n, v in p.items()} for p in payload["points"]]
    yield "different" if _differ(a, b, exact, points) else "equal" if _equal(a - b) else "unknown"


def _differ(a: Any, b: Any, exact: Exact, points: list[dict[sympy.Symbol, str]]) -> bool:
    """Whether the two differ at one of the points, computed with many digits."""
    import sympy

    for point in points[:_PROBES]:
        values = {s: sympy.Rational(v) for s, v in point.items()}
        values |= exact.exponents
        left, right = (t.xreplace(values).evalf(_DIGITS, maxn=400) for t in (a, b))
        if not (left.is_Float or left.is_Integer) or not (right.is_Float or right.is_Integer):
            continue  # undefined or complex there
        if abs(left - right) > _DIFFERENT * max(abs(left), abs(right)):
            return True
    return False


def _equal(difference: sympy.Expr) -> bool:
    import sympy

    strategies: tuple[Callable[[Any], Any], ...] = (
        lambda d: d,
        sympy.expand,
        lambda d: sympy.expand(sympy.numer(sympy.together(d))),
        lambda d: sympy.expand(sympy.expand_log(sympy.powsimp(sympy.expand(d)), force=False)),
        sympy.trigsimp,
        sympy.simplify,
        lambda d: sympy.simplify(d.rewrite(sympy.exp)),
    )
    for strategy in strategies:
        with contextlib.suppress(Exception):  # sympy raises nearly anything; another strategy may work
            if strategy(difference) == 0:
                return True
    return False


TASKS: dict[str, Callable[[dict[str, Any]], Iterator[Any]]] = {"simplify": simplify, "compare": compare}


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    with contextlib.suppress(ValueError, OSError):
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _serve(requests: IO[str], answers: IO[str]) -> None:
    def answer(**content: Any) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    answer(id=0)
    for line in requests:
        request = json.loads(line)
        number = request["id"]
        # The parent kills a late worker; this clock is for the case that the parent is gone.
        clock = threading.Timer(request["seconds"] + _GRACE_SECONDS, os._exit, [3])
        clock.daemon = True
        clock.start()
        value = None
        try:
            for value in TASKS[request["task"]](request["payload"]):
                answer(id=number, part=value)
        except MemoryError:
            os._exit(4)
        except Exception as error:
            answer(id=number, error=f"{type(error).__name__}: {error}"[:500])
        else:
            answer(id=number, value=value)
        clock.cancel()


def main() -> None:
    """Serve until the input ends."""
    _limit_memory()
    # What sympy prints must not mix with the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    import sympy  # noqa: F401 - loaded before the first request, so that no task pays for it

    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        _serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
