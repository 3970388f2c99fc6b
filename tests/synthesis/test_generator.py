"""Samples by number: replay, agreement with Expression and tokenizer, laws of y, errors."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from symnum import Problem
from symnum.exceptions import InvalidInput
from symnum.expressions.tokenizer import ExpressionTokenizer
from symnum.synthesis import (
    PRESETS,
    ConstantLaw,
    EquationGenerator,
    OperatorLaw,
    PointLaw,
    SampleLaw,
    TargetLaw,
    TreeLaw,
)

NAMES = ["snip", "improved", "snip-1d"]


def make(name: str, **options) -> EquationGenerator:
    return EquationGenerator(name, max_dim=None if name == "snip-1d" else 4, **options)


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_depends_on_seed_and_index_alone(name: str):
    generator = make(name, seed=3)
    whole = generator.batch(100, 40)
    for i in (0, 7, 39):
        alone = make(name, seed=3).sample(100 + i)
        same = whole.sample(i)
        assert alone.expression == same.expression
        assert alone.index == same.index == 100 + i
        assert np.array_equal(alone.X, same.X)
        assert np.array_equal(alone.y, same.y)
        assert np.array_equal(alone.tokens, same.tokens)
        assert alone.value_hash == same.value_hash
    parts = [generator.batch(100, 13), generator.batch(113, 27)]
    assert np.array_equal(np.concatenate([p.y for p in parts]), whole.y)
    assert np.array_equal(np.concatenate([p.hashes for p in parts]), whole.hashes)
    other = make(name, seed=4).batch(100, 40)
    assert not np.any(other.hashes == whole.hashes)


@pytest.mark.parametrize("name", ["snip", "improved"])
def test_y_is_the_formula_on_x(name: str):
    for sample in make(name, seed=1).batch(0, 300):
        assert np.all(np.isfinite(sample.y))
        values = sample.expression.evaluate(sample.X)
        assert np.all(np.isfinite(values))
        # Compiled functions are good to 2 ulp; a formula amplifies that where terms cancel.
        scale = np.abs(values) + 1e-6 * np.abs(values).max()
        assert np.all(np.abs(values - sample.y) <= 1e-6 * scale)
        assert np.median(np.abs(values - sample.y) / scale) < 1e-13


@pytest.mark.parametrize("name", NAMES)
def test_tokens_are_those_of_the_tokenizer(name: str):
    generator = make(name, seed=2)
    tokenizer = ExpressionTokenizer.snip(generator.law.dims[1])
    batch = generator.batch(50, 120)
    ids, lengths = tokenizer.encode_batch([batch.expression(i) for i in range(120)])
    assert np.array_equal(batch.tokens, ids)
    assert np.array_equal(batch.token_lengths, lengths)
    for i in range(120):
        sample = batch.sample(i)
        # Constants have at most four digits, so nothing is lost.
        assert tokenizer.decode(sample.tokens) == sample.expression
        points = batch.point_tokens[i]
        n = int(batch.rows[i])
        assert np.array_equal(points[:n], tokenizer.encode_points(sample.X, sample.y))
        assert np.all(points[n:] == tokenizer.pad_id)


def test_hard_numbers_get_exact_tokens():
    # Zeros, ties, powers of ten, numbers beside the format's limits.
    generator = make("snip")
    tokenizer = generator.tokenizer
    values = [
        0.0,
        -0.0,
        1.0,
        12345.0,
        1234.5,
        0.00012345,
        9999.5,
        99995.0,
        1e-97,
        9.9996e-98,
        1e-101,
        5e-324,
        1e103,
        -2.5e-310,
    ]
    y = np.resize(values, (2, 200)).astype(float)
    X = np.resize(values[::-1], (2, 4, 200)).astype(float)
    ids = generator._writer.points(X, y, np.array([4, 2]), np.array([200, 150]), np.array([0, 1]))
    assert np.array_equal(ids[0], tokenizer.encode_points(X[0].T, y[0]))
    assert np.array_equal(ids[1, :150], tokenizer.encode_points(X[1, :2, :150].T, y[1, :150]))
    back = generator._writer.points(X, y, np.array([4, 2]), np.array([200, 150]), np.array([1]))
    assert np.array_equal(back[0], ids[1, :150])


def test_memory_may_be_used_again():
    generator = make("improved", seed=3)
    first = generator.batch(0, 64)
    kept = first.y.copy()
    second = generator.batch(64, 64, out=first)
    assert np.shares_memory(first.y, second.y)
    fresh = generator.batch(64, 64)
    for name in ("X", "y", "codes", "constants", "lengths", "dims", "rows", "hashes", "boxes"):
        assert np.array_equal(getattr(second, name), getattr(fresh, name))
    assert np.array_equal(second.point_tokens, fresh.point_tokens)
    assert np.array_equal(second.tokens, fresh.tokens)
    assert not np.array_equal(kept, second.y)
    assert len(generator.batch(0, 10, out=second)) == 10  # of another size: fresh memory


def test_problem_and_iteration():
    generator = make("snip", seed=9)
    problem = generator.problem(4)
    assert isinstance(problem, Problem)
    assert problem.truth == generator.sample(4).expression
    assert problem.X.shape == (200, len(problem.names))
    stream = iter(generator)
    assert [next(stream).index for _ in range(3)] == [0, 1, 2]


def test_numbers_of_rows_and_variables():
    batch = EquationGenerator("improved", max_dim=6, n_points=60).batch(0, 2000)
    assert np.array_equal(np.unique(batch.dims), np.arange(1, 7))
    assert np.all(batch.rows >= np.minimum(5 * batch.dims, 60))
    assert np.all(batch.rows <= 60)
    one = batch.rows[batch.dims == 1]
    assert one.min() < 10
    assert one.max() > 55
    sample = batch.sample(0)
    assert sample.X.shape == (batch.rows[0], batch.dims[0])
    assert len(sample.expression.variables) == batch.dims[0]


def test_normalised_targets_fill_the_unit_interval():
    batch = EquationGenerator("snip-1d", n_points=100).batch(0, 200)
    assert np.allclose(batch.y.min(1), 0.0)
    assert np.all(batch.y.max(1) <= 1.0)
    assert np.mean(batch.y.max(1) > 0.99) > 0.95
    raw = EquationGenerator(replace(PRESETS["snip-1d"], target=TargetLaw(), n_points=100)).batch(0, 200)
    span = np.ptp(raw.y, axis=1, keepdims=True)
    assert np.allclose(batch.y, (raw.y - raw.y.min(1, keepdims=True)) / (span + 1e-10))


def test_noise_has_the_stated_size():
    law = EquationGenerator("snip", max_dim=2).law
    noisy = EquationGenerator(replace(law, target=TargetLaw(noise=0.2)), seed=1).batch(0, 2000)
    clean = EquationGenerator(law, seed=1).batch(0, 2000)
    assert np.array_equal(noisy.X, clean.X)
    error = np.sqrt(np.mean((noisy.y - clean.y) ** 2, axis=1) / np.mean(clean.y**2, axis=1))
    # gamma is uniform on (0, 0.2).
    assert np.mean(error) == pytest.approx(0.1, abs=0.005)
    assert np.std(error) == pytest.approx(0.2 / np.sqrt(12), abs=0.005)
    assert error.max() < 0.26


def test_a_generator_is_rebuilt_from_json():
    law = replace(PRESETS["improved"], dims=(2, 3), constants=ConstantLaw(digits=2), trees=TreeLaw(scale=0.9))
    generator = EquationGenerator(law, seed=11, unique=True)
    again = EquationGenerator.from_dict(json.loads(json.dumps(generator.to_dict())))
    assert again.config_hash == generator.config_hash
    assert np.array_equal(again.batch(5, 10).y, generator.batch(5, 10).y)
    assert EquationGenerator(law, seed=12).config_hash != generator.config_hash


def test_own_operators():
    law = OperatorLaw({"add": 1, "div": 3}, {"ln": 1, "arctan": 2})
    generator = EquationGenerator("snip", max_dim=3, operators=law)
    names = {t for s in generator.batch(0, 200) for t in s.expression.to_prefix() if isinstance(t, str)}
    assert names == {"x0", "x1", "x2", "add", "mul", "div", "log", "atan"}  # mul: factors of constants


@pytest.mark.parametrize(
    ("make_it", "words"),
    [
        (lambda: EquationGenerator("snap"), "no preset 'snap'; there are snip"),
        (lambda: EquationGenerator("snip-1d", max_dim=3), "one variable"),
        (lambda: EquationGenerator("snip", max_dim=0), "max_dim"),
        (lambda: EquationGenerator("snip", seed=-1), "seed"),
        (lambda: EquationGenerator("snip", n_points=3), "n_points"),
        (lambda: EquationGenerator("snip").batch(-1, 3), "from 0"),
        (lambda: EquationGenerator("snip").batch(0, -3), "batch"),
        (lambda: EquationGenerator("snip").batch(0, 10_000_000), "a batch has 0 to 244,032 samples"),
        (lambda: EquationGenerator(3), "SampleLaw"),
        (lambda: OperatorLaw({"ad": 1.0}), "unknown operator 'ad'.*Did you mean"),
        (lambda: OperatorLaw({"sin": 1.0}), "sin takes 1"),
        (lambda: OperatorLaw({"add": -1.0}), "weight of add"),
        (lambda: OperatorLaw({"add": 0.0}), "at least one"),
        (lambda: OperatorLaw(["add"]), "name: weight"),
        (lambda: EquationGenerator("snip", operators=OperatorLaw({"add": 1}, {"tanh": 1})), "no tokens"),
        (lambda: TreeLaw(scale=1.5), "probability"),
        (lambda: ConstantLaw(digits=9), "digits"),
        (lambda: ConstantLaw(low=2, high=1), "low <= high"),
        (lambda: ConstantLaw(magnitude="normal"), "magnitude"),
        (lambda: PointLaw(max_clusters=0), "max_clusters"),
        (lambda: TargetLaw(noise=-1), "noise"),
        (lambda: SampleLaw(operators=OperatorLaw({"add": 1}), dims=(3, 2)), "dims"),
        (lambda: EquationGenerator.from_dict({"seed": 1}), "preset, seed"),
        (lambda: SampleLaw.from_dict({"operators": {"binary": {"add": 1}}, "colour": 1}), "no law"),
    ],
)
def test_bad_input_is_named(make_it, words: str):
    with pytest.raises(InvalidInput, match=words):
        make_it()


def test_a_law_that_nothing_can_follow_is_reported():
    # Constants of at least 1e18 in front of everything, and y below 1e-3.
    law = SampleLaw(
        operators=OperatorLaw({"mul": 1}, {"exp": 1}),
        constants=ConstantLaw(low=18, high=20, magnitude="log"),
        target=TargetLaw(largest=1e-3),
        dims=(2, 2),
    )
    with pytest.raises(InvalidInput, match=r"no sample 0 in 20000 attempts.*undefined"):
        EquationGenerator(law).batch(0, 5)
