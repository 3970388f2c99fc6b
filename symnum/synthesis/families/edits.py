"""Wrong guesses of an equation: one term added or one left out, as PROSE trains with.

Source: Liu, Zhang & Schaeffer, arXiv 2309.16816, setting "Unknown"; the uniform choices are those of its
code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from symnum.exceptions import InvalidInput
from symnum.expressions import Expression
from symnum.synthesis.families.forms import Tree, from_tree, join, terms, to_tree

Path = tuple[int, ...]
PLACEHOLDER = 1.0
"""Constant of an added term: what `Expression.skeleton` sets every constant to."""


@dataclass(frozen=True)
class Edit:
    """A system after at most one change.

    Attributes
    ----------
    kind : {"none", "add", "delete"}
        What was done.
    equations : tuple of Expression
        The system; call `Expression.skeleton` on them for the form with placeholders.
    dimension, position : int or None
        Equation that was changed, and the place of the term in its sum.
    term : Expression or None
        Term added or deleted.
    """

    kind: Literal["none", "add", "delete"]
    equations: tuple[Expression, ...]
    dimension: int | None = None
    position: int | None = None
    term: Expression | None = None


def candidate_terms(leaves: Sequence[str]) -> list[Tree]:
    """Terms that may be added: a number, a number times a leaf, a number times a product of two leaves."""
    found: list[Tree] = [PLACEHOLDER]
    for i, leaf in enumerate(leaves):
        found.append(("mul", PLACEHOLDER, leaf))
        found += [("mul", PLACEHOLDER, ("mul", leaf, other)) for other in leaves[i:]]
    return found


def add_term(
    equations: Sequence[Expression],
    rng: np.random.Generator,
    leaves: Sequence[str] | None = None,
    at: Mapping[int, Path] | None = None,
) -> Edit:
    """Add a random term at a random place.

    Parameters
    ----------
    equations : sequence of Expression
        The system, sums nested to the left.
    rng : numpy.random.Generator
        Source of the two choices: uniform over the terms, and uniform over all places of all equations.
    leaves : sequence of str, optional
        Names that terms are made of; all columns when left out.
    at : mapping of int to tuple of int, optional
        Equations that may change and the path of arguments down to their sum; all at their root when left
        out or empty.
    """
    system = _as_system(equations)
    sums = _sums(system, at)
    candidates = candidate_terms(system[0].names if leaves is None else leaves)
    term = candidates[rng.integers(len(candidates))]
    places = [(i, j) for i, signed in sums.items() for j in range(len(signed) + 1)]
    dimension, position = places[rng.integers(len(places))]
    signed = list(sums[dimension])
    first = signed[0][1]
    if position > 0:
        signed.insert(position, ("add", term))
    elif isinstance(first, tuple) and first[0] == "neg":
        signed[:1] = [("add", term), ("sub", first[1])]
    else:
        signed.insert(0, ("add", term))
    return _changed("add", system, dimension, position, signed, term, at)


def delete_term(
    equations: Sequence[Expression], rng: np.random.Generator, at: Mapping[int, Path] | None = None
) -> Edit:
    """Leave out a term, uniform over those of sums with at least two; nothing happens when there are none.

    See `add_term` for the parameters.
    """
    system = _as_system(equations)
    sums = _sums(system, at)
    places = [(i, j) for i, signed in sums.items() if len(signed) > 1 for j in range(len(signed))]
    if not places:
        return Edit("none", system)
    dimension, position = places[rng.integers(len(places))]
    signed = list(sums[dimension])
    _, term = signed.pop(position)
    return _changed("delete", system, dimension, position, signed, term, at)


def edit(
    equations: Sequence[Expression],
    rng: np.random.Generator,
    add: float = 0.15,
    delete: float = 0.15,
    leaves: Sequence[str] | None = None,
    at: Mapping[int, Path] | None = None,
) -> Edit:
    """At most one change, with the given probabilities of an addition and of a deletion.

    Raises
    ------
    InvalidInput
        When the probabilities are negative or add up to more than one, or there is no equation.
    """
    if not (add >= 0 and delete >= 0 and add + delete <= 1):
        raise InvalidInput(
            f"add and delete are probabilities that add up to at most 1, got {add} and {delete}"
        )
    choice = rng.random()
    if choice < add:
        return add_term(equations, rng, leaves, at)
    if choice < add + delete:
        return delete_term(equations, rng, at)
    return Edit("none", _as_system(equations))


# ------------------------------------------------------------ helpers
def _as_system(equations: Sequence[Expression]) -> tuple[Expression, ...]:
    system = tuple(equations)
    if not system or any(not isinstance(e, Expression) for e in system):
        raise InvalidInput("a system is a sequence of one or more Expressions")
    return system


def _sums(system: Sequence[Expression], at: Mapping[int, Path] | None) -> dict[int, list[tuple[str, Tree]]]:
    """Terms of the sums that may change, by equation."""
    paths = at or dict.fromkeys(range(len(system)), ())
    sums = {}
    for i, path in paths.items():
        tree = to_tree(system[i])
        for step in path:
            if not isinstance(tree, tuple) or step + 1 >= len(tree):
                raise InvalidInput(f"equation {i} has no argument at the path {path}: {system[i]}")
            tree = tree[step + 1]
        sums[i] = terms(tree)
    return sums


def _changed(
    kind: Literal["add", "delete"],
    system: tuple[Expression, ...],
    dimension: int,
    position: int,
    signed: Sequence[tuple[str, Tree]],
    term: Tree,
    at: Mapping[int, Path] | None,
) -> Edit:
    old = system[dimension]
    tree = _replaced(to_tree(old), (at or {}).get(dimension, ()), join(signed))
    new = from_tree(tree, old.names)
    equations = (*system[:dimension], new, *system[dimension + 1 :])
    return Edit(kind, equations, dimension, position, from_tree(term, old.names))


def _replaced(tree: Tree, path: Path, new: Tree) -> Tree:
    if not path:
        return new
    assert isinstance(tree, tuple)  # noqa: S101 (the path was walked before)
    at = path[0] + 1
    return (*tree[:at], _replaced(tree[at], path[1:], new), *tree[at + 1 :])
