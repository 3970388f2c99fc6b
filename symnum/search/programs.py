"""Postfix programs as plain lists: parts of a formula, and its derivatives by each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.compiled import Packed, evaluate_batch, evaluate_with_jacobian
from symnum.expressions.expression import Expression
from symnum.expressions.operators import CONSTANT, OPERATORS

_ADD = OPERATORS["add"].code


class Program(NamedTuple):
    """Postfix codes and constants, as in Expression but free of its normalisation."""

    codes: list[int]
    constants: list[float]


def program_of(e: Expression) -> Program:
    """Codes and constants of an expression."""
    return Program(e.codes.tolist(), e.constants.tolist())


def pack_programs(programs: Sequence[Program]) -> Packed:
    """Programs for the batched evaluator."""
    return Packed(
        np.array([c for p in programs for c in p.codes], np.int16),
        np.cumsum([0, *(len(p.codes) for p in programs)]),
        np.array([c for p in programs for c in p.constants], float),
        np.cumsum([0, *(len(p.constants) for p in programs)]),
    )


def folded(program: Program) -> Program:
    """Program with every part that has no variable replaced by its value."""
    stack: list[Program] = []
    taken = 0
    for code in program.codes:
        if code == CONSTANT:
            stack.append(Program([CONSTANT], [program.constants[taken]]))
            taken += 1
        elif code < 0:
            stack.append(Program([code], []))
        else:
            op = OPERATORS.by_code[code]
            parts = stack[-op.arity :]
            del stack[-op.arity :]
            if all(p.codes == [CONSTANT] for p in parts):
                with np.errstate(all="ignore"):
                    value = float(op.numpy(*(np.float64(p.constants[0]) for p in parts)))
                stack.append(Program([CONSTANT], [value]))
            else:
                codes = [c for p in parts for c in p.codes]
                stack.append(Program([*codes, code], [c for p in parts for c in p.constants]))
    return stack[0]


def spans(codes: Sequence[int]) -> tuple[list[int], list[int]]:
    """First code and first constant of the sub-program that ends at each code."""
    begins: list[int] = []
    firsts: list[int] = []
    stack: list[tuple[int, int]] = []
    constants = 0
    for at, code in enumerate(codes):
        here = (at, constants)
        if code == CONSTANT:
            constants += 1
        elif code > 0:
            for _ in range(OPERATORS.by_code[code].arity):
                here = stack.pop()
        stack.append(here)
        begins.append(here[0])
        firsts.append(here[1])
    return begins, firsts


def derivatives(program: Program, X: NDArray) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Values of a program with its derivatives.

    Parameters
    ----------
    program : Program
    X : ndarray (d, n)

    Returns
    -------
    value : ndarray (n,)
    by_constant : ndarray (k, n)
    by_node : ndarray (length, n)
        By the value of each node.
    node_values : ndarray (length, n)
    """
    codes, constants, own = [], [], []
    taken = 0
    for code in program.codes:
        codes += [code, CONSTANT, _ADD]
        if code == CONSTANT:
            own.append(len(constants))
            constants.append(program.constants[taken])
            taken += 1
        constants.append(0.0)
    value, jacobian = evaluate_with_jacobian(codes, constants, X)
    nodes = np.setdiff1d(np.arange(len(constants)), own)
    begins, firsts = spans(program.codes)
    parts = []
    for at in range(len(program.codes)):
        inside = program.codes[begins[at] : at + 1]
        k = sum(c == CONSTANT for c in inside)
        parts.append(Program(inside, program.constants[firsts[at] : firsts[at] + k]))
    node_values = evaluate_batch(pack_programs(parts), X)
    return value, jacobian[own], jacobian[nodes], node_values
