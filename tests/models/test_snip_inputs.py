"""What the symbolic encoder reads, against the expressions themselves."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("transformers")

from symnum import Expression
from symnum.exceptions import InvalidInput
from symnum.expressions.operators import OPERATORS
from symnum.expressions.tokenizer import ExpressionTokenizer
from symnum.models import SNIPConfig
from symnum.models.snip.inputs import LARGEST, MAX_DEPTH, Alphabet, InputMaker, linear_residual
from symnum.synthesis import EquationGenerator

TOKENIZER = ExpressionTokenizer.snip(3)


def tree(expression: Expression) -> list[tuple[str, float, str, int, int]]:
    """Symbol, value, parent, slot and depth of every node in prefix order, by recursion."""
    codes, constants = expression.codes.tolist(), list(expression.constants)
    words = TOKENIZER.vocabulary

    def read(parent: str, slot: int, depth: int) -> list[tuple[str, float, str, int, int]]:
        code = codes.pop()
        if code < 0:
            return [(words.variables[-code - 1], 0.0, parent, slot, depth)]
        if code == 0:
            return [("number", constants.pop(), parent, slot, depth)]
        op = OPERATORS.by_code[code]
        word = words.operators[op.name]
        parts = [read(word, k, depth + 1) for k in range(op.arity, 0, -1)][::-1]
        return [(word, 0.0, parent, slot, depth)] + [node for part in parts for node in part]

    return read("", 0, 0)


def test_symbols_are_the_tree():
    generator = EquationGenerator("improved", max_dim=3, n_points=16, seed=3)
    batch = generator.batch(0, 200)
    alphabet = Alphabet(TOKENIZER)
    found = alphabet.symbols(batch.tokens, batch.token_lengths)
    word = [*TOKENIZER.vocabulary.words[: alphabet.number], "number"]
    for i in range(200):
        nodes = tree(batch.expression(i))
        n = int(found.mask[i].sum())
        assert n == len(nodes) + 2  # the frame
        inner = slice(1, n - 1)
        assert [word[k] for k in found.ids[i, inner]] == [node[0] for node in nodes]
        assert np.allclose(found.values[i, inner], [node[1] for node in nodes], rtol=1e-3)
        parents = [word[p] if s else "" for p, s in zip(found.parents[i], found.slots[i], strict=True)]
        assert parents[1 : n - 1] == [node[2] for node in nodes]
        assert found.slots[i, inner].tolist() == [node[3] for node in nodes]
        assert found.depths[i, inner].tolist() == [min(node[4], MAX_DEPTH) for node in nodes]
        assert not found.mask[i, n:].any()
        assert (found.ids[i, n:] == TOKENIZER.pad_id).all()


def test_values_are_those_the_tokens_decode_to():
    texts = ["x0 + 0.001", "x0*-123.4", "9.99e30*x0", "x0 - 1e-60", "0*x0"]
    ids, lengths = TOKENIZER.encode_batch([Expression.parse(t) for t in texts])
    found = Alphabet(TOKENIZER).symbols(ids, lengths)
    for row, text in enumerate(texts):
        (value,) = Expression.parse(text).constants
        assert value in found.values[row] or np.isclose(found.values[row], value, rtol=1e-6).any()


def test_too_long_formulas_are_refused():
    make = InputMaker(SNIPConfig(max_symbols=8))
    tokens, lengths = TOKENIZER.encode_batch([Expression.parse("sin(x0)*cos(x1)*exp(x2)*x0")])
    with pytest.raises(InvalidInput, match="reads 8"):
        make.symbols(tokens, lengths)


def test_points_are_cut_and_padded():
    make = InputMaker(SNIPConfig(max_dim=3))
    X, y = np.ones((1, 2, 1)), np.array([[1e300, -np.inf]])
    found = make.points(X, y, np.array([1]), np.array([[True, True]]))
    assert np.allclose(found["points"][0], [[1, 0, 0, LARGEST], [1, 0, 0, -LARGEST]])
    assert found["used"].tolist() == [[True, False, False, True]]


def test_residual_is_what_least_squares_leaves():
    rng = np.random.default_rng(0)
    X = rng.normal(3, 2, size=(4, 30, 2)) * [1.0, 1e4]
    X[1, :, 1] = 0  # a column that is not there
    y = 1e-3 * X[:, :, 0] ** 2 + X[:, :, 0] + 5
    y[2] = X[2] @ [2.0, -0.3] + 100  # nothing is left but rounding
    mask = np.ones((4, 30), bool)
    mask[3, 20:] = False
    found = linear_residual(X, y, mask)
    for i in (0, 1, 3):
        here = mask[i]
        basis = np.column_stack([np.ones(here.sum()), X[i, here]])
        fit = basis @ np.linalg.lstsq(basis, y[i, here], rcond=None)[0]
        np.testing.assert_allclose(found[i, here], (y[i, here] - fit) / y[i, here].std(), atol=1e-7)
    assert np.all(found[2] == 0)
    assert np.all(found[3, 20:] == 0)


def test_residual_is_the_last_column():
    make = InputMaker(SNIPConfig(max_dim=3, residual=True))
    X = np.linspace(-1, 1, 9).reshape(1, 9, 1)
    found = make.points(X, X[:, :, 0] ** 2, np.array([1]), np.ones((1, 9), bool))
    assert found["used"].tolist() == [[True, False, False, True, True]]
    square = X[0, :, 0] ** 2
    np.testing.assert_allclose(found["points"][0, :, 4], (square - square.mean()) / square.std(), atol=1e-6)
    extreme = make.points(X, np.where(X[:, :, 0] > 0.9, np.inf, 1.0), np.array([1]), np.ones((1, 9), bool))
    assert np.isfinite(extreme["points"]).all()


def test_points_as_tokens_are_those_of_the_tokenizer():
    make = InputMaker(SNIPConfig.compat(max_dim=3))
    X, y = np.random.default_rng(0).normal(size=(1, 5, 2)), np.ones((1, 5))
    found = make.points(X, y, np.array([2]), np.ones((1, 5), bool))
    assert np.array_equal(found["points"][0], TOKENIZER.encode_points(X[0], y[0]))
