"""Formulas nobody has seen: a small generator of physics-like problems, decided by (seed, index) alone.

It is not the generator that models are trained on, on purpose: a model must not meet its own training
distribution here, and the sets of a seed must not change when that generator does.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from symnum.evaluation.domain import Domain
from symnum.exceptions import SymnumError
from symnum.expressions.canonical import canonical
from symnum.expressions.expression import Expression

_STREAM = 0x68696464656E
_NAMES = tuple("abcdghkmnpqrstuvwz")
_RANGES = ((1.0, 5.0), (1.0, 3.0), (0.5, 2.0), (1.0, 10.0), (0.2, 1.0), (2.0, 6.0))
_CONSTANTS = (2.0, 3.0, 4.0, 0.5, 1.5, 0.25, 2 * np.pi, 4 * np.pi, np.pi)
_BINARY = (("mul", 0.46), ("div", 0.28), ("add", 0.14), ("sub", 0.12))
_UNARY = (
    ("square", 0.26), ("sqrt", 0.2), ("sin", 0.1), ("cos", 0.12), ("exp", 0.05), ("log", 0.06),
    ("decay", 0.09), ("one plus", 0.06), ("one minus", 0.06),
)  # fmt: skip
_ROWS = 400
_SHORTEST, _LONGEST = 6, 30


def hidden_problem(seed: int, index: int) -> tuple[Expression, Domain]:
    """Formula and box of problem `index` of hidden set `seed`.

    Returns
    -------
    Expression
        In canonical form, over 1 to 6 variables that all matter.
    Domain
        Uniform ranges on which it is finite.
    """
    rng = np.random.default_rng([_STREAM, seed, index])
    while True:
        count = int(rng.choice([1, 2, 3, 4, 5, 6], p=[0.06, 0.2, 0.28, 0.24, 0.14, 0.08]))
        names = tuple(sorted(rng.choice(_NAMES, count, replace=False).tolist()))
        ranges = [_RANGES[i] for i in rng.integers(len(_RANGES), size=count)]
        domain = Domain.box([a for a, _ in ranges], [b for _, b in ranges])
        leaves = [*range(count), *rng.integers(count, size=int(rng.integers(0, 3))).tolist()]
        rng.shuffle(leaves)
        try:
            with np.errstate(all="ignore"):
                raw = _tree([Expression.variable(i, names) for i in leaves], rng)
                found = canonical(raw)
                if _sound(raw, found, domain, rng) and not _known(found, rng):
                    return found, domain
        except SymnumError:
            continue


def _tree(leaves: list[Expression], rng: np.random.Generator) -> Expression:
    """Random tree over the leaves: split them in two, join the parts, sometimes wrap the result."""
    if len(leaves) == 1:
        node = leaves[0]
        if rng.random() < 0.15:
            node = Expression.constant(float(rng.choice(_CONSTANTS)), node.names) * node
    else:
        at = int(rng.integers(1, len(leaves)))
        node = Expression.apply(_pick(_BINARY, rng), _tree(leaves[:at], rng), _tree(leaves[at:], rng))
    return _wrapped(node, _pick(_UNARY, rng)) if rng.random() < 0.24 else node


def _wrapped(node: Expression, name: str) -> Expression:
    if name == "decay":
        return Expression.apply("exp", -node)
    if name in ("one plus", "one minus"):
        one = Expression.constant(1.0, node.names)
        return one + node if name == "one plus" else one - node
    return Expression.apply(name, node)


def _pick(table: tuple[tuple[str, float], ...], rng: np.random.Generator) -> str:
    weights = np.array([w for _, w in table])
    return table[int(rng.choice(len(table), p=weights / weights.sum()))][0]


def _sound(raw: Expression, found: Expression, domain: Domain, rng: np.random.Generator) -> bool:
    """Whether the formula is worth finding: short, finite, varied, and no part of it is idle."""
    if not _SHORTEST <= found.complexity <= _LONGEST or found.complexity < 0.7 * raw.complexity:
        return False
    X = domain.draw(_ROWS, rng)
    y = found.evaluate(X)
    if not np.all(np.isfinite(y)):
        return False
    size, spread = float(np.max(np.abs(y))), float(np.std(y))
    if not 1e-4 < size < 1e5 or spread < 0.05 * np.mean(np.abs(y)) or size > 100 * spread:
        return False
    for j in range(X.shape[1]):
        shuffled = X.copy()
        shuffled[:, j] = rng.permutation(X[:, j])
        if not np.std(found.evaluate(shuffled) - y) > 0.03 * spread:
            return False
    return not _idle(found, X)


def _idle(e: Expression, X: NDArray[np.float64]) -> bool:
    """Whether some sum has a part that hardly moves beside the other."""
    prefix = e.to_prefix()

    def end(start: int) -> int:
        open_slots, i = 1, start
        while open_slots:
            token = prefix[i]
            known = isinstance(token, str) and token not in e.names
            arity = 0 if not known else 2 if token in ("add", "sub", "mul", "div", "pow") else 1
            open_slots += arity - 1
            i += 1
        return i

    for i, token in enumerate(prefix):
        if token in ("add", "sub"):
            middle = end(i + 1)
            left = Expression.from_prefix(prefix[i + 1 : middle], e.names)
            right = Expression.from_prefix(prefix[middle : end(middle)], e.names)
            if not (left.variables and right.variables):
                continue
            moves = sorted(float(np.std(part.evaluate(X))) for part in (left, right))
            if not moves[0] > 0.03 * moves[1]:
                return True
    return False


def _known(e: Expression, rng: np.random.Generator) -> bool:
    """Whether it is one of the Feynman formulas, up to names and a constant factor."""
    from symnum.evaluation.catalogue import entry, find

    d = len(e.names)
    if d > 5:
        return False
    X = rng.uniform(1.1, 1.9, (24, d))
    y = e.evaluate(X)
    for problem in find("feynman/*"):
        truth = entry(problem).truth
        if truth is None or len(truth.names) != d:
            continue
        for order in permutations(range(d)):
            other = truth.evaluate(X[:, order])
            ratio = y / other
            if np.all(np.isfinite(ratio)) and np.ptp(ratio) <= 1e-9 * np.abs(ratio).max():
                return True
    return False
