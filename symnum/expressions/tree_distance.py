"""Edit distance between expression trees."""

from __future__ import annotations

from symnum.expressions.expression import Expression
from symnum.expressions.operators import OPERATORS


def tree_distance(found: Expression, truth: Expression) -> float:
    """Normalised tree edit distance, from 0 (same form) to 1.

    The least number of node insertions, deletions and renamings that turn one ordered tree into the other,
    over the nodes of `truth`, at most 1. Constants count as equal whatever their values. The formulas are
    taken as they are: bring them to canonical form first.

    References
    ----------
    Zhang and Shasha (1989), Simple fast algorithms for the editing distance between trees and related
    problems, SIAM J. Comput. 18; normalised as in Matsubara et al. (2022), Rethinking symbolic regression
    datasets and benchmarks for scientific discovery.
    """
    a, b = _labels(found), _labels(truth)
    if abs(len(a) - len(b)) >= len(b):  # at least that many insertions or deletions
        return 1.0
    return min(1.0, _zhang_shasha(a, _leftmost(found), b, _leftmost(truth)) / len(b))


def _labels(e: Expression) -> list[str | int]:
    """Postorder labels: variables by name, constants alike."""
    return [e.names[-c - 1] if c < 0 else c for c in e.codes.tolist()]


def _leftmost(e: Expression) -> list[int]:
    """Postorder index of the leftmost leaf below each node."""
    result: list[int] = []
    stack: list[int] = []
    for i, code in enumerate(e.codes.tolist()):
        leaf = i
        for _ in range(OPERATORS.by_code[code].arity if code > 0 else 0):
            leaf = stack.pop()
        stack.append(leaf)
        result.append(leaf)
    return result


def _zhang_shasha(a: list, left_a: list[int], b: list, left_b: list[int]) -> int:
    distance = [[0] * len(b) for _ in a]
    # Key roots: the highest node of every leftmost path.
    for i in sorted({leaf: k for k, leaf in enumerate(left_a)}.values()):
        for j in sorted({leaf: k for k, leaf in enumerate(left_b)}.values()):
            _forest(i, j, a, left_a, b, left_b, distance)
    return distance[-1][-1]


def _forest(
    i: int, j: int, a: list, left_a: list[int], b: list, left_b: list[int], distance: list[list[int]]
) -> None:
    """Fill the distances of all subtree pairs whose roots lie on the leftmost paths of nodes i and j."""
    start_a, start_b = left_a[i], left_b[j]
    rows, columns = i - start_a + 2, j - start_b + 2
    forest = [[p + q if p == 0 or q == 0 else 0 for q in range(columns)] for p in range(rows)]
    for p in range(1, rows):
        x = start_a + p - 1
        for q in range(1, columns):
            y = start_b + q - 1
            least = min(forest[p - 1][q], forest[p][q - 1]) + 1
            if left_a[x] == start_a and left_b[y] == start_b:
                forest[p][q] = distance[x][y] = min(least, forest[p - 1][q - 1] + (a[x] != b[y]))
            else:
                forest[p][q] = min(least, forest[left_a[x] - start_a][left_b[y] - start_b] + distance[x][y])
