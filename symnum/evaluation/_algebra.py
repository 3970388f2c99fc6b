"""The process behind `symnum.evaluation.sizes`: tasks of algebra that may hang, for the sympy worker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from symnum.evaluation import srbench_rule
from symnum.expressions import _sympy_worker
from symnum.expressions.expression import Expression


def sizes(payload: dict[str, Any]) -> Iterator[Any]:
    """Yield the node count of each formula's sympy tree, None where sympy fails."""
    for data in payload["expressions"]:
        try:
            yield Expression.from_dict(data).sympy_size()
        except Exception:  # sympy raises nearly anything
            yield None


def measure(payload: dict[str, Any]) -> Iterator[Any]:
    """Yield sizes of one formula, then SRBench's verdict on it, cheap things first, as small dictionaries."""
    import sympy
    from sympy.core.random import seed

    e = Expression.from_dict(payload["expression"])
    yield {"sympy_size": e.sympy_size()}
    yield {"srbench_size": srbench_rule.model_size(e)}
    seed(0)  # is_constant draws random numbers
    prediction = srbench_rule.simplified(e)
    yield {"srbench_simplified_size": srbench_rule.nodes(prediction)}
    if payload["truth"] is not None:
        yield srbench_rule.symbolic_solution(prediction, Expression.from_dict(payload["truth"]))
    yield {"simplified_size": srbench_rule.nodes(sympy.simplify(e.sympy()))}


_sympy_worker.TASKS |= {"sizes": sizes, "measure": measure}

if __name__ == "__main__":
    _sympy_worker.main()
