"""Random expression trees as arrays, and postfix programs made from them.

A tree is a set of arrays over nodes: ``op`` (operator code, or ``-(i + 1)`` for variable i), ``left``,
``right`` and ``unary``, the code of a unary operator put above the node or 0. Children have larger numbers
than their parent.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.operators import OPERATORS
from symnum.synthesis._compile import part
from symnum.synthesis._random import below, choose, uniform

ADD, SUB, MUL = (OPERATORS[n].code for n in ("add", "sub", "mul"))
_CONSTANT, _FACTOR, _SLOT, _NODE = -1, -2, -3, -4  # what is left to be written, paired with a node

Tree = namedtuple("Tree", "op left right unary size order todo")
"""Arrays of one tree and what is needed to build it and write it out."""


def make_tree(max_binary: int, max_nodes: int) -> Tree:
    """Arrays with room for every tree of the law."""
    op, left, right, unary, size, order = np.zeros((6, 2 * max_binary + 1), np.int64)
    return Tree(op, left, right, unary, size, order, np.zeros((max_nodes + 8, 2), np.int64))


def shape_table(max_binary: int) -> NDArray[np.float64]:
    """Cumulative probabilities of the next position, shape (n + 1, e + 1, e).

    Entry ``[n, e, k]``: with n binary operators left and e empty slots, the next operator takes one of the
    slots 0..k. From the count D(n, e) of forests with D(0, e) = 1, D(n, 0) = 0, D(n, e) = D(n, e - 1) + D(n -
    1, e + 1) (Lample and Charton 2020, appendix C), so that every shape is equally likely.
    """
    top = max_binary + 1
    # Exact integers: floats would lose the small ones beside the large ones.
    count = [[0] + [1] * (2 * top)]
    for n in range(1, top):
        row = [0]
        for e in range(1, 2 * top - n):
            row.append(row[e - 1] + count[n - 1][e + 1])
        count.append(row)
    table = np.ones((top, top + 1, top + 1))
    for n in range(1, top):
        for e in range(1, top - n + 1):
            # Slots 0..k-1 stay empty when the next operator takes slot k.
            total = 0
            for k in range(e):
                total += count[n - 1][e - k + 1]
                table[n, e, k] = total / count[n][e]
    return table


@part
def draw_shape(rng, shapes, binary, tree):
    """Binary tree with that many operators, all shapes equally likely; returns the number of nodes.

    ``op`` becomes 1 for operators and 0 for leaves.
    """
    nodes, at, empty = 1, 0, 1
    tree.op[0] = 0
    for left in range(binary, 0, -1):
        k = choose(rng, shapes[left, empty, :empty])
        at += k
        tree.op[at] = 1
        tree.left[at], tree.right[at] = nodes, nodes + 1
        tree.op[nodes] = tree.op[nodes + 1] = 0
        nodes += 2
        at += 1
        empty += 1 - k
    return nodes


@part
def shuffle(rng, items, n):
    """Put the first n items in random order (Fisher and Yates)."""
    for i in range(n - 1, 0, -1):
        j = below(rng, i + 1)
        items[i], items[j] = items[j], items[i]


@part
def fill_leaves(rng, tree, nodes, dim):
    """Variables 0..dim-1 once each at random leaves, uniform variables at the others."""
    leaves = 0
    for i in range(nodes):
        if tree.op[i] == 0:
            tree.order[leaves] = i
            leaves += 1
    shuffle(rng, tree.order, leaves)
    for k in range(leaves):
        variable = k if k < dim else below(rng, dim)
        tree.op[tree.order[k]] = -variable - 1


@part
def place_unaries(rng, tree, nodes, ops, wanted, max_operand, root):
    """Put up to ``wanted`` operators above random nodes with fewer than ``max_operand`` nodes below."""
    found = 0
    for i in range(nodes - 1, -1, -1):
        tree.unary[i] = 0
        tree.size[i] = 1
        if tree.op[i] > 0:
            tree.size[i] += tree.size[tree.left[i]] + tree.size[tree.right[i]]
        if tree.size[i] < max_operand and (i > 0 or root):
            tree.order[found] = i
            found += 1
    # The nodes were collected from the last to the first; a random subset does not mind.
    placed = min(found, wanted)
    for k in range(placed):
        j = k + below(rng, found - k)
        tree.order[k], tree.order[j] = tree.order[j], tree.order[k]
        tree.unary[tree.order[k]] = ops[k]
    return placed


@part
def _is_sum(tree, i):
    return tree.unary[i] == 0 and (tree.op[i] == ADD or tree.op[i] == SUB)


@part
def _push(todo, top, kind, node):
    todo[top, 0], todo[top, 1] = kind, node
    return top + 1


@part
def write_program(rng, tree, scale, offset, root_offset, codes):
    """Postfix program of the tree with factors and offsets put in; returns where it begins in ``codes``.

    Written from the end of ``codes`` backwards, operator, right operand, left operand. SNIP's places for
    constants: a factor before each operand of a sum that is no sum itself; ``c + c * operand`` below a unary
    operator unless the operand is a sum; a factor at the root where neither occurs; an offset at the root.
    """
    todo = tree.todo
    affine = _has_affine_place(tree)
    at = codes.size
    top = _push(todo, 0, _SLOT, 0)
    if not affine and uniform(rng) < scale:
        top = _push(todo, 0, _FACTOR, 0)
    if uniform(rng) < root_offset:
        at -= 1
        codes[at] = ADD
        node = todo[0, 0]
        top = _push(todo, 0, _CONSTANT, 0)
        top = _push(todo, top, node, 0)
    while top:
        top -= 1
        kind, i = todo[top, 0], todo[top, 1]
        if kind == _CONSTANT:
            at -= 1
            codes[at] = 0
        elif kind == _FACTOR:
            at -= 1
            codes[at] = MUL
            top = _push(todo, top, _CONSTANT, 0)
            top = _push(todo, top, _SLOT, i)
        elif kind == _SLOT and tree.unary[i]:
            at -= 1
            codes[at] = tree.unary[i]
            kind = _NODE
            if not (tree.op[i] == ADD or tree.op[i] == SUB):
                shifted, scaled = uniform(rng) < offset, uniform(rng) < scale
                if shifted:
                    at -= 1
                    codes[at] = ADD
                    top = _push(todo, top, _CONSTANT, 0)
                if scaled:
                    at -= 1
                    codes[at] = MUL
                    top = _push(todo, top, _CONSTANT, 0)
            top = _push(todo, top, _NODE, i)
        else:
            at -= 1
            codes[at] = tree.op[i]
            if tree.op[i] > 0:
                is_sum = tree.op[i] == ADD or tree.op[i] == SUB
                for child in (tree.left[i], tree.right[i]):
                    factor = is_sum and not _is_sum(tree, child) and uniform(rng) < scale
                    top = _push(todo, top, _FACTOR if factor else _SLOT, child)
    return at


@part
def _has_affine_place(tree):
    """Whether the tree has a place for constants besides the root."""
    top = 1
    tree.todo[0, 0] = 0
    while top:
        top -= 1
        i = tree.todo[top, 0]
        is_sum = tree.op[i] == ADD or tree.op[i] == SUB
        if is_sum or tree.unary[i]:
            return True
        if tree.op[i] > 0:
            tree.todo[top, 0], tree.todo[top + 1, 0] = tree.left[i], tree.right[i]
            top += 2
    return False


@part
def draw_operators(rng, codes, shares, count, drawn):
    """That many operator codes by cumulative probabilities."""
    for k in range(count):
        drawn[k] = codes[choose(rng, shares)]


@part
def draw_program(
    rng, tree, shapes, dim, binary_ops, binary, unary_ops, unary, max_operand, root_unary, scale, offset,
    root_offset, codes,
):  # fmt: skip
    """Random program at the end of ``codes``; returns where it begins."""
    nodes = draw_shape(rng, shapes, binary, tree)
    k = 0
    for n in range(nodes):
        if tree.op[n] == 1:
            tree.op[n] = binary_ops[k]
            k += 1
    fill_leaves(rng, tree, nodes, dim)
    place_unaries(rng, tree, nodes, unary_ops, unary, max_operand, root_unary)
    return write_program(rng, tree, scale, offset, root_offset, codes)
