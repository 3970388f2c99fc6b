"""Tokens of expressions, systems and points: worked examples of the papers' code, round trips, refusals."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from expression_strategies import NAMES, constants, expressions, points, tame_constants
from hypothesis import given
from hypothesis import strategies as st

from symnum.exceptions import InvalidInput
from symnum.expressions import Expression
from symnum.expressions.tokenizer import ExpressionTokenizer
from symnum.expressions.vocabulary import PROSE_OPERATORS, SNIP_OPERATORS

SNIP, PROSE = ExpressionTokenizer.snip(), ExpressionTokenizer.prose()
LORENZ = ["10.2*u_1 + -10.2*u_0", "29.1*u_0 - u_0*u_2 - u_1", "u_0*u_1 + -2.42*u_2"]
LORENZ_TARGET = (
    "add mul + N102 E-1 u_1 mul - N102 E-1 u_0 | sub sub mul + N291 E-1 u_0 mul u_0 u_2 u_1 "
    "| add mul u_0 u_1 mul - N242 E-2 u_2"
)  # worked example of the reference code


def words(tokenizer: ExpressionTokenizer, text: str, **options: bool) -> str:
    return " ".join(tokenizer.tokens(tokenizer.encode(Expression.parse(text), **{"frame": False, **options})))


# ---------------------------------------------------------------- vocabularies
def test_sizes_of_the_published_vocabularies_without_repeats():
    # The reference code: 74 symbols and special words, 10,203 words of numbers.
    assert SNIP.vocab_size == 10_277
    assert ExpressionTokenizer.snip(max_dim=1).vocab_size == 10_268
    assert PROSE.vocab_size == 5 + 9 + 3 + 21 + 2 + 1000 + 21


@pytest.mark.parametrize("tokenizer", [SNIP, PROSE, ExpressionTokenizer.prose(12)], ids=repr)
def test_ids_and_words_are_one_to_one(tokenizer):
    everything = tokenizer.tokens(range(tokenizer.vocab_size))
    assert len(set(everything)) == tokenizer.vocab_size
    assert [tokenizer.token_to_id(w) for w in everything] == list(range(tokenizer.vocab_size))


def test_snip_words_are_those_of_the_reference_code():
    symbols = {
        "-1",
        "-10",
        "0",
        "10",
        "CONSTANT",
        "FLOAT+",
        "INT-",
        "arccos",
        "euler_gamma",
        "pow2",
        "rand",
        "x_9",
        "|",
    }
    assert symbols <= set(SNIP.vocabulary.words)
    assert (SNIP.bos_id, SNIP.eos_id) == (SNIP.token_to_id("<EOS>"),) * 2
    assert SNIP.pad_id == SNIP.token_to_id("<PAD>") != PROSE.bos_id
    assert SNIP.max_dim == 10


def test_ids_do_not_change():
    """Stored weights depend on them."""
    snip = ("<EOS>", "<PAD>", "-1", "add", "x_0", "|", "+", "N0000", "E-100", "E100")
    assert [SNIP.token_to_id(w) for w in snip] == [0, 8, 15, 42, 63, 73, 74, 76, 10_076, 10_276]
    assert [PROSE.token_to_id(w) for w in ("<PAD>", "<BOS>", "add", "u_0", "-10", "10", "+", "E10")] == [
        0, 1, 5, 14, 17, 37, 38, 1060,
    ]  # fmt: skip


# ---------------------------------------------------------------- examples
def test_lorenz_target_of_prose():
    names = ["u_0", "u_1", "u_2"]
    system = [Expression.parse(text, names) for text in LORENZ]
    ids = PROSE.encode(system)
    assert " ".join(PROSE.tokens(ids)) == f"<BOS> {LORENZ_TARGET} <EOS>"
    assert PROSE.decode(ids, names) == system
    assert PROSE.decode_system(PROSE.encode(system[:1]), names) == system[:1]
    skeleton = " ".join(PROSE.tokens(PROSE.encode(system, skeleton=True, frame=False)))
    assert skeleton == (
        "add mul <PLACEHOLDER> u_1 mul <PLACEHOLDER> u_0 | sub sub mul <PLACEHOLDER> u_0 mul u_0 u_2 u_1 "
        "| add mul u_0 u_1 mul <PLACEHOLDER> u_2"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2.345678*x0", "mul + N2346 E-3 x_0"),
        ("-1.2345e-4 + x1", "add - N1234 E-7 x_1"),
        ("x0**2 + x1**3", "add pow2 x_0 pow3 x_1"),
        ("asin(x0) - 1/x1", "sub arcsin x_0 inv x_1"),
        ("-sin(x0)", "mul - N1000 E-3 sin x_0"),
        ("x0**2.5/x1", "div pow x_0 + N2500 E-3 x_1"),
    ],
)
def test_snip_words(text, expected):
    assert words(SNIP, text) == expected
    assert words(SNIP, text, frame=True) == f"<EOS> {expected} <EOS>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3*x0 - x1", "sub mul + N300 E-2 u_0 u_1"),
        ("-x0**2", "neg pow2 u_0"),
        ("x0**3", "mul u_0 mul u_0 u_0"),
        ("x0**4", "mul u_0 mul u_0 mul u_0 u_0"),
        ("sin(x0)**-2", "inv mul sin u_0 sin u_0"),
        ("11*x0/0.5", "div mul + N110 E-1 u_0 + N500 E-3"),
    ],
)
def test_prose_words(text, expected):
    assert words(PROSE, text) == expected


def test_skeletons():
    assert words(SNIP, "2*x0 + exp(3)*sin(4.5 - x1)", skeleton=True) == (
        "add mul CONSTANT x_0 mul CONSTANT sin sub CONSTANT x_1"  # exp(3) is one constant
    )
    assert words(PROSE, "3*x0**4 + sin(2)", skeleton=True) == (
        "add mul <PLACEHOLDER> mul u_0 mul u_0 mul u_0 u_0 sin <PLACEHOLDER>"
    )
    e = Expression.parse("5/x0 + x1**7.5")
    assert SNIP.decode(SNIP.encode(e, skeleton=True)) == e.skeleton()


@pytest.mark.parametrize(
    ("tokenizer", "text", "said"),
    [
        (SNIP, "tanh(x0)", "tanh has no word in the 'snip' vocabulary"),
        (SNIP, "max(x0, 1)", "max has no word"),
        (PROSE, "exp(x0)", "exp has no word in the 'prose' vocabulary.*add, sub"),
        (PROSE, "x0**0.5", "only integer powers"),
        (PROSE, "x0**x1", "only integer powers"),
        (PROSE, "x0**50", "only integer powers from 1 to 10"),
        (PROSE, "x0 + x3", r"column 3 \(x3\), the 'prose' vocabulary has 3"),
        (PROSE, "1e14*x0", "beyond the largest number"),
    ],
)
def test_encode_refuses(tokenizer, text, said):
    with pytest.raises(InvalidInput, match=said):
        tokenizer.encode(Expression.parse(text))


def test_encode_refuses_text_and_nothing():
    for bad in ("x0", [], ["x0"]):
        with pytest.raises(InvalidInput, match=r"Expression\.parse"):
            SNIP.encode(bad)


# ---------------------------------------------------------------- round trips
@given(expressions(operators=SNIP_OPERATORS))
def test_snip_round_trip_is_the_rounded_expression(e):
    limited = np.clip(e.constants, -1e100, 1e100)
    e = e.with_constants(limited)
    rounded = Expression(e.codes, SNIP.floats.round(e.constants), e.names)
    assert SNIP.decode(SNIP.encode(e), NAMES) == rounded
    assert SNIP.decode(SNIP.encode(e, frame=False), NAMES) == rounded


@given(
    expressions(
        operators=("add", "sub", "mul", "div", "neg", "inv", "sin", "cos", "square"), values=tame_constants
    )
)
def test_prose_round_trip_is_exact(e):
    assert PROSE.decode(PROSE.encode(e), NAMES) == e


@given(
    st.lists(
        expressions(operators=PROSE_OPERATORS, values=tame_constants, max_leaves=5), min_size=2, max_size=4
    )
)
def test_systems_round_trip(system):
    assert PROSE.decode(PROSE.encode(system), NAMES) == system


@given(expressions(operators=(*SNIP_OPERATORS, "neg"), values=tame_constants))
def test_rewritten_operators_keep_the_values(e):
    X = points(3)
    back = SNIP.decode(SNIP.encode(e), NAMES)
    np.testing.assert_array_equal(back.evaluate(X), e.evaluate(X))


@given(expressions(operators=("add", "mul", "div", "neg", "cube"), values=tame_constants))
def test_rewritten_operators_keep_the_values_in_prose(e):
    X = points(3)
    back = PROSE.decode(PROSE.encode(e), NAMES)
    np.testing.assert_array_equal(back.evaluate(X), e.evaluate(X))


@pytest.mark.parametrize("power", [-10, -3, -1, 1, 4, 10])
def test_integer_powers_in_prose(power):
    X = points(1)
    e = Expression.parse(f"x0**{power}")
    np.testing.assert_allclose(PROSE.decode(PROSE.encode(e)).evaluate(X), X[:, 0] ** power, rtol=1e-13)


@given(expressions(operators=SNIP_OPERATORS, values=tame_constants))
def test_skeleton_round_trip(e):
    ids = SNIP.encode(e, skeleton=True)
    back = SNIP.decode(ids, NAMES)
    assert SNIP.encode(back, skeleton=True) == ids
    assert np.all(back.constants == 1)


def test_vocabulary_without_the_usual_operators():
    """Every rewriting: a vocabulary of add, mul, pow and exp alone."""
    known = {n: w for n, w in SNIP.vocabulary.operators.items() if n in ("add", "mul", "pow", "exp")}
    small = ExpressionTokenizer(replace(SNIP.vocabulary, operators=known))
    e = Expression.parse("(x0 - exp(x1)/x2)**2 + x1**3 - -x0 + 1/x2")
    text = " ".join(small.tokens(small.encode(e)))
    assert not {"sub", "div", "inv", "pow2", "pow3"} & set(text.split())
    X = points(3)
    np.testing.assert_allclose(small.decode(small.encode(e)).evaluate(X), e.evaluate(X), rtol=1e-13)


# ---------------------------------------------------------------- malformed ids
@pytest.mark.parametrize(
    ("sequence", "said"),
    [
        ("", "token 0: .*missing"),
        ("<EOS> <EOS>", "token 1: .*missing"),
        ("add x_0", "token 2: 1 argument.*found the end"),
        ("<EOS> add x_0 <EOS>", "token 3: 1 argument"),
        ("x_0 x_1", "token 1: expected the end or the separator, found x_1; before it: x_0"),
        ("<EOS> x_0 x_1 <EOS>", "token 2: expected the end"),
        ("<EOS> x_0", "token 2: expected <EOS>"),
        ("<EOS> x_0 <EOS> x_0", "token 4: expected <EOS>"),
        ("<EOS> x_0 <EOS> x_0 <EOS>", "token 2: expected the end"),
        ("x_0 |", "token 2: .*missing"),
        ("| x_0", "token 0: expected an operator"),
        ("x_0 | | x_1", "token 2: expected an operator"),
        ("add + N1000", "token 3: expected the exponent"),
        ("mul + x_0 x_0", "token 2: expected the mantissa"),
        ("+ N1000 x_0", "token 2: expected the exponent"),
        ("N1000 E0", "token 0: expected an operator, a variable or a number, found N1000"),
        ("x_0 E5", "token 1: expected the end"),
        ("add x_0 <PAD>", "token 2: .*missing"),
        ("<PAD> x_0", "token 0: expected"),
        ("rand", "token 0: expected"),
        ("sin <X>", "token 1: expected"),
    ],
)
def test_malformed_sequences_name_the_place(sequence, said):
    ids = [SNIP.token_to_id(w) for w in sequence.split()]
    with pytest.raises(InvalidInput, match=said):
        SNIP.decode(ids)


def test_ids_out_of_range_and_wrong_types():
    for bad in ([-1], [SNIP.vocab_size], [SNIP.token_to_id("sin"), 10**9]):
        with pytest.raises(InvalidInput, match="expected an operator"):
            SNIP.decode(bad)
    with pytest.raises(InvalidInput, match="integers"):
        SNIP.decode([63.5])
    with pytest.raises(InvalidInput, match="0 to"):
        SNIP.id_to_token(-1)
    with pytest.raises(InvalidInput, match="no word 'x_10'"):
        SNIP.token_to_id("x_10")
    with pytest.raises(InvalidInput, match="names were given"):
        SNIP.decode(SNIP.encode(Expression.parse("x5")), ["a"])


@given(st.lists(st.integers(0, 80) | st.integers(10_170, 10_180), max_size=12))
def test_any_ids_are_read_or_refused(ids):
    try:
        decoded = SNIP.decode_system(ids)
    except InvalidInput:
        return
    words_ = [i for i in ids if i not in (SNIP.pad_id, SNIP.eos_id)]
    separators = words_.count(SNIP.separator_id)
    assert len(decoded) == separators + 1
    assert sum(len(e) for e in decoded) <= len(words_) - separators


def test_words_that_are_one_number():
    for word, value in (("-10", -10.0), ("pi", np.pi), ("e", np.e), ("euler_gamma", 0.5772156649015329)):
        assert SNIP.decode([SNIP.token_to_id(word)]) == Expression.constant(value)


def test_deep_expressions():
    e = Expression.parse("x0")
    for _ in range(2_000):
        e = Expression.apply("sin", e)
    assert SNIP.decode(SNIP.encode(e)) == e
    e = Expression.parse("x0 + x1")
    for _ in range(12):
        e = Expression.apply("cube", e)  # every cube writes its argument three times
    with pytest.raises(InvalidInput, match="tokens"):
        PROSE.encode(e)


# ---------------------------------------------------------------- arrays
def test_batches_are_padded():
    items = [Expression.parse(t) for t in ("x0", "sin(x0) + 2.5*x1", "x0*x1")]
    ids, lengths = SNIP.encode_batch(items)
    assert ids.dtype == lengths.dtype == np.int32
    assert ids.shape == (3, lengths.max())
    for row, length, item in zip(ids, lengths, items, strict=True):
        assert row[:length].tolist() == SNIP.encode(item)
        assert (row[length:] == SNIP.pad_id).all()
        assert SNIP.decode(row) == item  # padding at the end is no garbage
    assert SNIP.encode_batch([])[0].shape == (0, 0)


@given(st.lists(constants, max_size=30))
def test_numbers_round_trip(values):
    limited = np.clip(values, -1e100, 1e100)
    ids = SNIP.encode_numbers(limited)
    assert ids.shape == (len(values), 3)
    np.testing.assert_array_equal(SNIP.decode_numbers(ids), SNIP.floats.round(limited))
    assert [w for row in ids for w in SNIP.tokens(row)] == [w for v in limited for w in SNIP.floats.words(v)]


def test_points():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((7, 3)), rng.standard_normal(7)
    ids = SNIP.encode_points(X, y)
    assert ids.shape == (7, 33)
    assert ids.dtype == np.int32
    assert SNIP.tokens(ids[2, :3]) == SNIP.floats.words(X[2, 0])
    assert SNIP.tokens(ids[2, -3:]) == SNIP.floats.words(y[2])
    assert (ids[:, 9:30] == SNIP.token_to_id("<INPUT_PAD>")).all()
    np.testing.assert_array_equal(SNIP.decode_numbers(ids[:, :9].reshape(7, 3, 3)), SNIP.floats.round(X))
    assert ExpressionTokenizer.snip(1).encode_points(X[:, :1], y).shape == (7, 6)


def test_points_are_checked():
    with pytest.raises(InvalidInput, match="up to 10"):
        SNIP.encode_points(np.ones((2, 11)), np.ones(2))
    with pytest.raises(InvalidInput, match="shapes"):
        SNIP.encode_points(np.ones((2, 1)), np.ones(3))
    with pytest.raises(InvalidInput, match="finite"):
        SNIP.encode_points(np.ones((2, 1)), [1.0, np.nan])
    with pytest.raises(InvalidInput, match="no words for points"):
        PROSE.encode_points(np.ones((2, 1)), np.ones(2))
    with pytest.raises(InvalidInput, match="triples"):
        SNIP.decode_numbers([1, 2])
    with pytest.raises(InvalidInput, match="mantissa"):
        SNIP.decode_numbers([SNIP.token_to_id("+"), 0, 0])


# ---------------------------------------------------------------- files
@pytest.mark.parametrize("tokenizer", [SNIP, PROSE, ExpressionTokenizer.snip(1)], ids=repr)
def test_save_and_load(tokenizer, tmp_path):
    path = tokenizer.save(tmp_path / "model")
    assert path == tmp_path / "model" / "tokenizer.json"
    for place in (path, path.parent, str(path)):
        assert ExpressionTokenizer.load(place) == tokenizer
    assert pickle.loads(pickle.dumps(tokenizer)) == tokenizer  # noqa: S301
    assert hash(ExpressionTokenizer.load(path)) == hash(tokenizer)
    e = Expression.parse("0.25*x0**2 + sin(x0)")
    assert ExpressionTokenizer.load(path).encode(e) == tokenizer.encode(e)
    before = path.read_bytes()
    tokenizer.save(path.parent)
    assert path.read_bytes() == before


def test_the_file_describes_itself(tmp_path):
    data = json.loads(PROSE.save(tmp_path).read_text(encoding="utf-8"))
    assert data["format"] == "symnum-expression-tokenizer"
    assert data["version"] == 1
    assert data["words"][data["words"].index("+") + 2] == "N000"
    assert data["arity"] == {
        "add": 2,
        "sub": 2,
        "mul": 2,
        "div": 2,
        "neg": 1,
        "inv": 1,
        "sin": 1,
        "cos": 1,
        "pow2": 1,
    }
    assert data["floats"] == {"digits": 3, "max_exponent": 10, "overflow": "error"}


def _damage(tmp_path, **changes) -> str:
    data = json.loads(PROSE.save(tmp_path).read_text(encoding="utf-8"))
    path = tmp_path / "damaged.json"
    path.write_text(
        json.dumps({k: v for k, v in {**data, **changes}.items() if v is not None}), encoding="utf-8"
    )
    return str(path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": 2}, "version 2"),
        ({"format": "bpe"}, "no tokenizer"),
        ({"words": ["a", "a"]}, "twice"),
        ({"words": ["<PAD>"]}, "lacks"),
        ({"floats": None}, "damaged"),
        ({"floats": {"digits": 4, "max_exponent": 10}}, "stand together"),
        ({"operators": {"frobnicate": "add"}}, "unknown operator"),
        ({"roles": {"pad": "<PAD>"}}, "lacks"),
    ],
)
def test_damaged_files(changes, said, tmp_path):
    with pytest.raises(InvalidInput, match=said):
        ExpressionTokenizer.load(_damage(tmp_path, **changes))


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(InvalidInput, match=r"no tokenizer\.json"):
        ExpressionTokenizer.load(tmp_path / "nowhere")
    (tmp_path / "tokenizer.json").write_text("[1, 2", encoding="utf-8")
    with pytest.raises(InvalidInput, match="no JSON"):
        ExpressionTokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("[1, 2]", encoding="utf-8")
    with pytest.raises(InvalidInput, match="no tokenizer"):
        ExpressionTokenizer.load(tmp_path)


def test_max_dim_is_checked():
    for bad in (0, -1, 100_000):
        with pytest.raises(InvalidInput, match="max_dim"):
            ExpressionTokenizer.prose(bad)
