"""Formulas and tokens from strangers: read, or refused with a documented error, at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symnum import Expression
from symnum.exceptions import InvalidInput
from symnum.expressions.canonical import canonical
from symnum.expressions.operators import OPERATORS
from symnum.expressions.tokenizer import ExpressionTokenizer
from symnum.expressions.units import parse_units

CORPUS = Path(__file__).parent / "corpus"
PIECES = [
    *"0123456789.eE+-*/^(),`x_ \t\n\0\\\"'$%&[]{};:<>?@~|!#é−·×",
    *("x0", "x1", "**", "1e308", "1e-320", "nan", "inf", "pi", "ﬁ", "ѕin(", "１２", "x²", "lambda", "import"),
    *("__class__", "eval(", "\ud800", "\u202e", "9" * 400, "(" * 40, "-" * 40, "min(", "``", "0x10", "1_000"),
    *(op.name + "(" for op in OPERATORS),
]


def refused_or(job: Callable[[], object], seconds: float = 1.0) -> object:
    """What the job gives, or None when it is refused as documented; any other error, or slowness, fails."""
    began = time.thread_time()
    try:
        made = job()
    except InvalidInput:
        made = None
    assert time.thread_time() - began < seconds
    return made


@pytest.mark.parametrize("line", (CORPUS / "formulas.txt").read_bytes().splitlines())
def test_corpus_of_formulas(line: bytes):
    text = (
        line.decode("unicode_escape") if line.startswith(b"\\") else line.decode("utf-8", "surrogateescape")
    )
    made = refused_or(lambda: Expression.parse(text))
    if made is not None:
        assert Expression.parse(str(made), made.names) == made


@settings(max_examples=400)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join) | st.text(max_size=60))
def test_any_text(text):
    made = refused_or(lambda: Expression.parse(text))
    if made is not None and np.all(np.abs(made.constants) < 1e300):
        assert Expression.parse(str(made), made.names) == made
        refused_or(lambda: canonical(made))


@pytest.mark.parametrize(
    "text",
    [
        "x" + "1" * 5_000,
        "é + " * 25_000,
        "(" * 100_000,
        "-" * 100_000,
        "x0" + "+x0" * 9_000,
        "x0" + "**x0" * 30_000,
        "sin(" * 30_000,
        "`" + "``" * 49_000,
        " " * 99_999,
        "9" * 99_999,
        "1e-" + "9" * 90_000,
        "cot(" * 60 + "x0" + ")" * 60,
        "x0," * 30_000,
        "min(" + "x0," * 30_000 + "x0)",
        "\n" * 50_000 + "x0",
    ],
    ids=lambda text: text[:8] + f"...{len(text)}",
)
def test_long_text_takes_no_longer_than_a_second(text):
    refused_or(lambda: Expression.parse(text))


def test_long_formulas_are_written_and_read_in_linear_time():
    e = Expression.parse("+".join(["x0"] * 9_000))
    began = time.thread_time()
    assert Expression.from_dict(e.to_dict()) == e
    assert Expression.parse(str(e)) == e
    assert time.thread_time() - began < 4


def test_prefix_of_two_and_one_arguments_keeps_their_order():
    e = Expression.parse("x0 - x1/sin(x2 - 3*x0)**x1")
    assert e.to_prefix() == ["sub", "x0", "div", "x1", "pow", "sin", "sub", "x2", "mul", 3.0, "x0", "x1"]
    assert Expression.from_prefix(e.to_prefix(), e.names) == e


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"prefix": ["neg"] * 1_000_000 + ["x0"], "names": ["x0"]}, "at most 20000 nodes"),
        ({"prefix": ["neg"] * 15_000, "names": ["x0"]}, "lacks an argument"),
        ({"prefix": [10**400], "names": []}, "too large"),
        ({"prefix": [float("nan")], "names": []}, "finite"),
        ({"prefix": ["x0", "x0"], "names": ["x0"]}, "holds 2 expressions"),
        ({"prefix": [], "names": []}, "holds 0 expressions"),
        ({"prefix": [None], "names": []}, "stored as"),
        ({"prefix": [["x0"]], "names": []}, "stored as"),
        ({"prefix": 3, "names": []}, "stored as"),
        ([], "stored as"),
        ({"prefix": ["x0"], "names": [None]}, "stored as"),
        ({"prefix": [1.0], "names": [2.5]}, "stored as"),
    ],
    ids=range(12),
)
def test_expressions_of_odd_json(data, says):
    began = time.thread_time()
    with pytest.raises(InvalidInput, match=says) as caught:
        Expression.from_dict(data)
    assert len(str(caught.value)) < 1_000
    assert time.thread_time() - began < 1


@pytest.mark.parametrize("codes", [[-(2**62)], [-40_000], [2**70], [1.5], ["add"], [None], [True]])
def test_codes_that_are_none(codes):
    with pytest.raises(InvalidInput):
        Expression(codes)


@pytest.mark.parametrize("make", [ExpressionTokenizer.snip, ExpressionTokenizer.prose])
def test_tokens_are_read_in_linear_time(make):
    tokenizer = make(3)
    words = tokenizer.vocabulary.operators
    word = words.get("neg") or words["sin"]
    for count in (19_000, 400_000):
        ids = [tokenizer.token_to_id(word)] * count + [
            tokenizer.token_to_id(tokenizer.vocabulary.variables[0])
        ]
        made = refused_or(lambda ids=ids: tokenizer.decode(ids))
        assert (made is None) == (count > 20_000)


@settings(max_examples=200)
@given(st.lists(st.integers(-5, 60) | st.integers(-(2**63), 2**63 - 1), max_size=60), st.booleans())
def test_any_tokens(ids, snip):
    tokenizer = _TOKENIZERS[snip]
    made = refused_or(lambda: tokenizer.decode_system(ids))
    for e in made or ():
        assert np.all(np.isfinite(e.constants))


_TOKENIZERS = {False: ExpressionTokenizer.prose(3), True: ExpressionTokenizer.snip(3)}


def test_a_tokenizer_file_cannot_ask_for_ten_million_words(tmp_path):
    import json

    path = ExpressionTokenizer.prose(1).save(tmp_path)
    data = json.loads(path.read_text())
    for change in ({"digits": 7}, {"digits": 6.5}, {"digits": None}, {"max_exponent": 10**9}, {"more": 1}):
        path.write_text(json.dumps(data | {"floats": data["floats"] | change}))
        assert refused_or(lambda: ExpressionTokenizer.load(path), 0.5) is None


def test_powers_of_powers_stay_small():
    """Exact arithmetic on (1.1e300**8)**8... would take all memory there is."""
    for depth in (5, 20, 60):
        e = Expression.parse("(" * depth + "1.1e300" + "**8)" * depth + "*x0")
        began = time.thread_time()
        canonical(e)
        assert time.thread_time() - began < 1


def test_sums_of_constants_beyond_float64_keep_their_form():
    e = Expression.parse("(0.5*x0 + 1.7e308)*10")
    assert canonical(e).evaluate([[1.0]]) == e.evaluate([[1.0]]) == np.inf


@pytest.mark.parametrize(
    "text", ["m^" + "9" * 150, "(" * 190, "m^1e400", "m^(1/0)", "\0", "m" * 5_000, "²" * 150]
)
def test_units(text):
    refused_or(lambda: parse_units([text], ["x"]))
