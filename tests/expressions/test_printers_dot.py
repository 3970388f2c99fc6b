"""The DOT text holds the tree: rebuilt from its nodes and edges, it is the expression again."""

from __future__ import annotations

import re

import pytest
from expression_strategies import NAMES, expressions, tame_constants
from hypothesis import given

from symnum.expressions import Expression
from symnum.expressions.printers_dot import _LABELS, to_dot

NODE = re.compile(r'^  n(\d+) \[label="((?:[^"\\]|\\.)*)", shape=(\w+)\];$', re.MULTILINE)
EDGE = re.compile(r"^  n(\d+) -> n(\d+);$", re.MULTILINE)


def rebuilt(text: str, names: tuple[str, ...]) -> Expression:
    """Expression read back from DOT text alone."""
    nodes = {int(n): (label, shape) for n, label, shape in NODE.findall(text)}
    children: dict[int, list[int]] = {n: [] for n in nodes}
    for parent, child in EDGE.findall(text):
        children[int(parent)].append(int(child))
    (root,) = set(nodes) - {c for below in children.values() for c in below}
    unary = {_LABELS[n]: n for n in ("neg", "inv", "square", "cube")}
    binary = {_LABELS[n]: n for n in ("add", "sub", "mul", "div", "pow")}

    def prefix(n: int) -> list[str | float]:
        label, shape = nodes[n]
        if shape == "plaintext":
            return [Expression.parse(label, ()).constants[0]]
        if shape == "box":
            return [label]
        spelled = unary if len(children[n]) == 1 else binary
        return [spelled.get(label, label), *(t for child in children[n] for t in prefix(child))]

    return Expression.from_prefix(prefix(root), names)


@given(expressions(values=tame_constants))
def test_tree_comes_back(e):
    assert rebuilt(to_dot(e, digits=None), NAMES) == e


@pytest.mark.parametrize("name", ['"; evil [label="', "a\\", "\\N", "two\nlines", "θ [m/s]"])
def test_names_stay_labels(name):
    text = (Expression.variable(name) + 1.23456789).dot()
    (box,) = [label for _, label, shape in NODE.findall(text) if shape == "box"]
    assert re.sub(r"\\(.)", r"\1", box) == name.replace("\n", " ")
    assert len(text.splitlines()) == 9
    assert '"1.2346"' in text
