"""Tree shapes, operators and places of constants against enumeration and the reference's rules."""

from __future__ import annotations

from functools import cache
from math import comb

import numpy as np
import pytest
from numba import njit
from scipy import stats

from symnum.expressions.operators import OPERATORS
from symnum.synthesis import _trees
from symnum.synthesis._random import start_stream
from symnum.synthesis.presets import PRESETS

UNARY = PRESETS["snip"].operators.probabilities(1)


@njit
def shapes(seed, binary, table, tree, out):
    """Operator flags, in prefix order, of many random shapes as one number each."""
    rng = np.zeros(2, np.uint64)
    todo = np.zeros(2 * binary + 2, np.int64)
    start_stream(rng, np.uint64(seed), np.uint64(0))
    for i in range(out.size):
        _trees.draw_shape(rng, table, binary, tree)
        code, top = 1, 1
        todo[0] = 0
        while top:
            top -= 1
            n = todo[top]
            code = 2 * code + tree.op[n]
            if tree.op[n]:
                todo[top], todo[top + 1] = tree.right[n], tree.left[n]
                top += 2
        out[i] = code


@njit
def programs(seed, index, dim, binary, unary, table, tree, out, binaries, unaries):
    """One snip program, its binary and unary operators drawn before (1: whatever)."""
    rng = np.zeros(2, np.uint64)
    start_stream(rng, np.uint64(seed), np.uint64(index))
    return _trees.draw_program(
        rng, tree, table, dim, binaries, binary, unaries, unary, 6, False, 1.0, 1.0, 1.0, out
    )


@cache
def all_shapes(n: int) -> list[str]:
    """Every binary tree with n inner nodes as prefix text of 1 (inner) and 0 (leaf)."""
    if n == 0:
        return ["0"]
    return [f"1{a}{b}" for k in range(n) for a in all_shapes(k) for b in all_shapes(n - 1 - k)]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6])
def test_every_shape_is_equally_likely(n: int):
    every = all_shapes(n)
    assert len(every) == comb(2 * n, n) // (n + 1)
    out = np.empty(3000 * len(every) if n < 5 else 40_000, np.int64)
    shapes(n, n, _trees.shape_table(12), _trees.make_tree(12, 100), out)
    found, counts = np.unique(out, return_counts=True)
    assert sorted(found.tolist()) == sorted(int("1" + s, 2) for s in every)
    if n > 1:
        assert stats.chisquare(counts).pvalue > 1e-3


def test_table_counts_forests():
    # D(n, e) forests: the first slot is taken with probability D(n-1, e+1) / D(n, e); D(n, 1) is Catalan's
    # number and D(n, 2) the next one.
    catalan = [comb(2 * n, n) // (n + 1) for n in range(15)]
    table = _trees.shape_table(12)
    for n in range(2, 12):
        assert table[n, 2, 0] == pytest.approx(1 - catalan[n] / catalan[n + 1])
        assert table[n, 2, 1] == 1.0


# ---------------------------------------------------------------------------------- reference rules, on
# nested lists
def add_prefactors(tree: list) -> list:
    """The reference's placement of constants (snip/envs/generators.py), on [operator, children...] lists."""
    new = _prefactors(tree)
    if new == tree:
        new = ["mul", "C", new]
    return ["add", "C", new]


def _prefactors(tree: list | str) -> list | str:
    if isinstance(tree, str):
        return tree
    op, children = tree[0], tree[1:]
    if op in ("add", "sub"):
        return [
            op,
            *(_prefactors(c) if c[0] in ("add", "sub") else ["mul", "C", _prefactors(c)] for c in children),
        ]
    if op in UNARY and children[0][0] not in ("add", "sub"):
        return [op, ["add", "C", ["mul", "C", _prefactors(children[0])]]]
    return [op, *map(_prefactors, children)]


def to_list(tree: _trees.Tree, n: int = 0, bare: bool = False) -> list | str:
    """The tree before constants are put in."""
    if tree.unary[n] and not bare:
        return [OPERATORS.by_code[int(tree.unary[n])].name, to_list(tree, n, bare=True)]
    if tree.op[n] < 0:
        return f"x{-tree.op[n] - 1}"
    return [
        OPERATORS.by_code[int(tree.op[n])].name,
        to_list(tree, tree.left[n]),
        to_list(tree, tree.right[n]),
    ]


def from_postfix(codes: np.ndarray) -> list | str:
    stack: list = []
    for c in codes.tolist():
        if c <= 0:
            stack.append("C" if c == 0 else f"x{-c - 1}")
            continue
        op = OPERATORS.by_code[c]
        args = stack[-op.arity :]
        del stack[-op.arity :]
        stack.append([op.name, *args])
    (tree,) = stack
    return tree


def size(tree: list | str) -> int:
    return 1 if isinstance(tree, str) else 1 + sum(map(size, tree[1:]))


def test_programs_follow_the_reference_rules():
    rng = np.random.default_rng(0)
    table, codes = _trees.shape_table(13), np.zeros(103, np.int64)
    unary_codes = [OPERATORS[n].code for n in UNARY]
    seen_unaries = 0
    for index in range(400):
        dim = int(rng.integers(1, 6))
        binary, unary = int(rng.integers(dim - 1, dim + 4)), int(rng.integers(0, 5))
        tree = _trees.make_tree(13, 103)
        binaries, unaries = rng.integers(1, 4, 13), rng.choice(unary_codes, 5)
        begin = programs(0, index, dim, binary, unary, table, tree, codes, binaries, unaries)
        plain = to_list(tree)
        assert from_postfix(codes[begin:]) == add_prefactors(plain)
        # Every variable occurs; unaries sit above small operands, not at the root, not above each other.
        assert {f"x{v}" for v in range(dim)} == set(leaves(plain))
        above = list(unary_operands(plain))
        candidates = sum(s < 6 for s in bare_sizes(plain)[1:])
        assert len(above) == min(unary, candidates)
        assert plain[0] not in UNARY
        assert all(o[0] not in UNARY for o in above)
        seen_unaries += len(above)
    assert seen_unaries > 300


def leaves(tree: list | str) -> list[str]:
    return [tree] if isinstance(tree, str) else [x for c in tree[1:] for x in leaves(c)]


def unary_operands(tree: list | str):
    if isinstance(tree, list):
        if len(tree) == 2:
            yield tree[1]
        for child in tree[1:]:
            yield from unary_operands(child)


def bare_sizes(tree: list | str) -> list[int]:
    """Sizes of all sub-trees, root first, unary operators left out: what max_unary_depth looks at."""
    if isinstance(tree, str):
        return [1]
    if len(tree) == 2:
        return bare_sizes(tree[1])
    left, right = bare_sizes(tree[1]), bare_sizes(tree[2])
    return [1 + left[0] + right[0], *left, *right]
