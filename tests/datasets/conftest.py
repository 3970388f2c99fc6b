"""What the tests of the data share: where it lies, and a reader of formulas that is not ours."""

from __future__ import annotations

import ast
import csv
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy

ROOT = Path(__file__).resolve().parents[2] / "datasets"
OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
}


def _sympy_of(node: ast.AST) -> sympy.Expr:
    """Python's own grammar reads the formula, sympy's operators build it: nothing of symnum is involved."""
    match node:
        case ast.Expression(body):
            return _sympy_of(body)
        case ast.BinOp(left, op, right):
            return OPERATORS[type(op)](_sympy_of(left), _sympy_of(right))
        case ast.UnaryOp(op, operand):
            return OPERATORS[type(op)](_sympy_of(operand))
        case ast.Constant(value):
            return sympy.Integer(value) if isinstance(value, int) else sympy.Float(value)
        case ast.Name("pi"):
            return sympy.pi
        case ast.Name(name):
            return sympy.Symbol(name)
        case ast.Call(ast.Name(name), [argument]):
            return getattr(sympy, {"abs": "Abs"}.get(name, name))(_sympy_of(argument))
    raise ValueError(f"not a formula: {ast.dump(node)}")


@pytest.fixture(scope="session")
def data_root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def rows() -> Callable[[str], list[dict[str, str]]]:
    """Rows of a CSV below datasets/ as dictionaries of text."""

    def read(path: str) -> list[dict[str, str]]:
        with (ROOT / path).open(encoding="utf-8", newline="") as handle:
            return list(csv.DictReader(handle))

    return read


@pytest.fixture(scope="session")
def columns(rows: Callable[[str], list[dict[str, str]]]) -> Callable[..., list[np.ndarray]]:
    """Named numeric columns of a CSV below datasets/."""

    def read(path: str, *names: str) -> list[np.ndarray]:
        table = rows(path)
        return [np.array([float(row[name]) for row in table]) for name in names]

    return read


@pytest.fixture(scope="session")
def sympy_of() -> Callable[[str], sympy.Expr]:
    return lambda text: _sympy_of(ast.parse(text, mode="eval"))


@pytest.fixture(scope="session")
def reference(sympy_of: Callable[[str], sympy.Expr]) -> Callable[..., np.ndarray]:
    """Values of a formula by sympy's lambdify, shape (n,), for X of shape (n, d)."""

    def evaluate(text: str, names: list[str], X: np.ndarray) -> np.ndarray:
        function = sympy.lambdify([sympy.Symbol(name) for name in names], sympy_of(text), "numpy")
        with np.errstate(all="ignore"):
            return np.broadcast_to(np.asarray(function(*X.T), dtype=float), len(X)).copy()

    return evaluate
