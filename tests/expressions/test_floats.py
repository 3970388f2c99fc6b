"""The float codec against Python's own decimal formatting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symnum.exceptions import InvalidInput
from symnum.expressions.floats import PROSE_FLOATS, SNIP_FLOATS, FloatCodec

CODECS = [
    FloatCodec(4, 100, "clip"),
    FloatCodec(3, 10, "clip"),
    FloatCodec(1, 5, "clip"),
    FloatCodec(7, 280, "clip"),
]


def by_formatting(value: float, codec: FloatCodec) -> tuple[int, int, int]:
    """Reference: format, drop the dot, shift the exponent."""
    mantissa, power = f"{value:.{codec.digits - 1}e}".split("e")
    exponent = int(power) - codec.digits + 1
    sign = -1 if value < 0 else 1
    if exponent < -codec.max_exponent:
        return 1, 0, 0
    if exponent > codec.max_exponent:
        return sign, codec.mantissas - 1, codec.max_exponent
    return sign, int(mantissa.lstrip("-").replace(".", "")), exponent


def assert_same(values: np.ndarray, codec: FloatCodec) -> None:
    found = np.stack(codec.encode(values), axis=1)
    expected = np.array([by_formatting(v, codec) for v in values.tolist()])
    wrong = np.flatnonzero((found != expected).any(axis=1))
    assert not wrong.size, (values[wrong[:3]], found[wrong[:3]], expected[wrong[:3]])


@pytest.mark.parametrize(
    ("codec", "value", "words"),
    [
        (SNIP_FLOATS, 2.345678, "+ N2346 E-3"),
        (SNIP_FLOATS, -1.2345e-4, "- N1234 E-7"),
        (SNIP_FLOATS, 0.0, "+ N0000 E-3"),
        (SNIP_FLOATS, -0.0, "+ N0000 E-3"),
        (SNIP_FLOATS, 1e-98, "+ N0000 E0"),
        (SNIP_FLOATS, -1e-300, "+ N0000 E0"),
        (SNIP_FLOATS, 5e-324, "+ N0000 E0"),
        (SNIP_FLOATS, 9.9996, "+ N1000 E-2"),
        (SNIP_FLOATS, 9.9996e-98, "+ N1000 E-100"),
        (SNIP_FLOATS, 9.999e103, "+ N9999 E100"),
        (SNIP_FLOATS, 1234.5, "+ N1234 E0"),  # ties go to even
        (SNIP_FLOATS, 1235.5, "+ N1236 E0"),
        (PROSE_FLOATS, 10.2, "+ N102 E-1"),
        (PROSE_FLOATS, -2.42, "- N242 E-2"),
        (PROSE_FLOATS, 9.9e-10, "+ N000 E0"),
    ],
)
def test_examples(codec, value, words):
    assert " ".join(codec.words(value)) == words


@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_random_numbers_over_the_whole_range(codec):
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 2**63, 60_000, dtype=np.int64)  # every exponent of float64, subnormals included
    values = bits.view(np.float64)
    values = values[np.isfinite(values)] * rng.choice([-1, 1], np.isfinite(values).sum())
    near = rng.standard_normal(40_000) * 10.0 ** rng.uniform(
        -codec.max_exponent - 9, codec.max_exponent + 9, 40_000
    )
    assert_same(np.concatenate([values, near]), codec)


@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_numbers_next_to_a_tie(codec):
    rng = np.random.default_rng(2)
    mantissas = rng.integers(10 ** (codec.digits - 1), 10**codec.digits, 20_000) * 10 + 5
    places = rng.integers(-min(codec.max_exponent, 40) - 1, min(codec.max_exponent, 40), 20_000)
    values = np.array([float(f"{m}e{p}") for m, p in zip(mantissas, places, strict=True)])
    assert_same(np.concatenate([values, np.nextafter(values, np.inf), -np.nextafter(values, 0)]), codec)


@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_powers_of_ten_and_of_two(codec):
    tens = np.array([float(f"{m}e{p}") for p in range(-323, 305) for m in ("1", "9.9995", "9.99999999", "5")])
    twos = 2.0 ** np.arange(-1074, 1024)
    assert_same(np.concatenate([tens, np.nextafter(tens, 0), twos, np.nextafter(twos, 0)]), codec)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=20), st.sampled_from(CODECS))
def test_any_list_of_numbers(values, codec):
    assert_same(np.array([*values, 1.0]), codec)


@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_decode_is_the_nearest_float(codec):
    rng = np.random.default_rng(3)
    mantissa = rng.integers(0, codec.mantissas, 5_000)
    exponent = rng.integers(-codec.max_exponent, codec.max_exponent + 1, 5_000)
    sign = rng.choice([-1, 1], 5_000)
    expected = [s * float(f"{m}e{e}") for s, m, e in zip(sign, mantissa, exponent, strict=True)]
    np.testing.assert_array_equal(codec.decode(sign, mantissa, exponent), expected)


@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_representable_numbers_come_back(codec):
    rng = np.random.default_rng(4)
    mantissa = rng.integers(codec.mantissas // 10, codec.mantissas, 3_000)
    exponent = rng.integers(-codec.max_exponent, codec.max_exponent + 1, 3_000)
    values = codec.decode(1, mantissa, exponent)
    np.testing.assert_array_equal(codec.round(values), values)
    np.testing.assert_array_equal(np.stack(codec.encode(-values))[1:], [mantissa, exponent])


def test_shapes_and_types():
    parts = SNIP_FLOATS.encode(np.arange(24.0).reshape(2, 3, 4)[:, ::-1])
    assert all(p.shape == (2, 3, 4) and p.dtype == np.int32 for p in parts)
    np.testing.assert_array_equal(SNIP_FLOATS.decode(*parts), np.arange(24.0).reshape(2, 3, 4)[:, ::-1])
    assert SNIP_FLOATS.encode(2)[1].shape == ()
    assert all(p.size == 0 for p in SNIP_FLOATS.encode([]))
    assert SNIP_FLOATS.decode([], [], []).size == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_refuses_what_is_no_number(value):
    with pytest.raises(InvalidInput, match=f"finite.*{value} at 2"):
        SNIP_FLOATS.encode([1.0, 0.0, value])


def test_too_large_is_an_error_or_clipped():
    with pytest.raises(InvalidInput, match=r"1e\+104 is beyond .*9.999e\+103.*clip"):
        SNIP_FLOATS.encode([1.0, 1e104])
    with pytest.raises(InvalidInput, match="beyond"):
        SNIP_FLOATS.encode([9.9996e103])  # rounds up beyond the format
    clip = FloatCodec(overflow="clip")
    np.testing.assert_array_equal(clip.round([9.9996e103, -1e200, 3.0]), [clip.largest, -clip.largest, 3.0])


def test_words_and_vocabulary():
    words = PROSE_FLOATS.vocabulary()
    assert len(words) == len(set(words)) == 2 + 1000 + 21
    assert len(SNIP_FLOATS.vocabulary()) == 10_203  # as in the reference code


@pytest.mark.parametrize(
    "settings",
    [{"digits": 0}, {"digits": 8}, {"max_exponent": 2}, {"max_exponent": 300}, {"overflow": "ignore"}],
)
def test_settings_are_checked(settings):
    with pytest.raises(InvalidInput):
        FloatCodec(**settings)


def test_decode_checks_its_range():
    for bad in ((1, 10_000, 0), (1, -1, 0), (1, 1, 101), (0, 1, 1)):
        with pytest.raises(InvalidInput):
            SNIP_FLOATS.decode(*bad)
