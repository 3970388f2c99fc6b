"""Description length: bits worked out by hand from the code it states."""

from __future__ import annotations

from math import log2, pi, sqrt

import numpy as np
import pytest

from symnum.expressions import Expression
from symnum.search.mdl import PRECISION, code_precision, constant_bits, description_length


@pytest.mark.parametrize("n", [0, 1, 2, 7, 10, 999])
def test_small_whole_numbers_cost_their_length(n):
    # 1 + 2*log2(1 + n): Elias' code for the size, whatever the data could resolve
    assert constant_bits(n, 2.0) == constant_bits(-n, 40.0) == pytest.approx(1 + 2 * log2(1 + n))


def test_large_whole_numbers_cost_no_more_than_a_real_number():
    assert constant_bits(1_000, 40.0) == pytest.approx(2 * log2(1_001))
    assert constant_bits(123_456, 10.0) == 14.0
    assert constant_bits(2e12, 10.0) == 14.0


@pytest.mark.parametrize(
    ("value", "bits"),
    [
        (0.5, 2 + 2 * log2(2) + 2 * log2(2)),  # 1/2
        (2 / 3, 2 + 2 * log2(3) + 2 * log2(3)),  # 2/3
        (11 / 12, 2 + 2 * log2(12) + 2 * log2(12)),
        (pi, 2 + 2 * log2(2) + 6),  # 1 times a named number
        (3 * pi / 2, 2 + 2 * log2(4) + 2 * log2(2) + 6),
        (sqrt(2) / 2, 2 + 2 * log2(2) + 2 * log2(2) + 6),
    ],
)
def test_fractions_alone_and_times_named_numbers(value, bits):
    assert constant_bits(value, 45.0) == constant_bits(-value, 45.0) == pytest.approx(bits)


def test_decimals_cost_their_digits_and_their_place():
    # 4 + 3.33 bits a digit + twice the decades from 1
    assert constant_bits(0.37, 45.0) == pytest.approx(4 + 3.33 * 2 + 2 * abs(np.log10(0.37)))
    assert constant_bits(123.456, 45.0) == pytest.approx(4 + 3.33 * 6 + 2 * np.log10(123.456))


def test_real_numbers_cost_what_the_residuals_resolve():
    # seven digits are no short decimal any more
    assert constant_bits(1.234567, 45.0) == 49.0
    assert constant_bits(0.1234567891234, 17.0) == 21.0
    # where the data resolve little, a fraction costs no more than that
    assert constant_bits(11 / 12, 2.0) == 6.0
    assert constant_bits(0.37, 2.0) == 6.0


def test_code_precision_is_that_of_the_residuals():
    assert code_precision(0.01, 100, 3.0) == pytest.approx(log2(3.0 * 10 / 0.1))
    assert code_precision(1e4, 100, 3.0) == 2.0  # never less than two bits
    # errors below rounding count as rounding
    assert code_precision(0.0, 100, 3.0) == pytest.approx(log2(10 / PRECISION))
    assert np.isfinite(code_precision(0.0, 100, 0.0))


def test_length_of_a_formula_and_its_residuals():
    e = Expression.parse("2*x0 - x1*1.2345678", ["x0", "x1"])
    loss, rows, scale = 0.04, 50, 2.0
    nodes, variables, depth = 7, 2, 2
    precision = log2(scale * sqrt(rows) / 0.2)
    structure = 0.5 * nodes * log2(14 + variables) + 0.25 * depth
    numbers = (1 + 2 * log2(3)) + (4 + precision)
    wanted = structure + numbers + rows * log2(0.2)
    assert description_length(e, loss, rows, scale) == pytest.approx(wanted)


def test_negative_numbers_cost_a_little_more():
    low, high = (description_length(Expression.parse(t), 0.1, 20, 1.0) for t in ("x0*2", "x0*-2"))
    assert high - low == pytest.approx(0.25)


def test_a_perfect_fit_is_bounded_by_rounding():
    e = Expression.parse("x0")
    assert description_length(e, 0.0, 30, 5.0) == pytest.approx(0.5 * log2(15) + 30 * log2(5.0 * PRECISION))
    assert description_length(e, 0.0, 30, 5.0) == description_length(e, 1e-40, 30, 5.0)


def test_free_constants_cannot_buy_an_exact_fit_of_as_many_rows():
    """Five points and a polynomial through them: the line wins, though its error is far larger."""
    rng = np.random.default_rng(0)
    x = np.linspace(0, 1, 5)
    y = 2 * x + 0.1 * rng.normal(size=5)
    c = np.polynomial.polynomial.polyfit(x, y, 4)
    through = Expression.parse(" + ".join(f"{v!r}*x0**{k}" for k, v in enumerate(c.tolist())))
    scale = float(np.sqrt(np.mean(y**2)))
    lengths = [
        description_length(e, float(np.mean((y - e.evaluate(x[:, None])) ** 2)), 5, scale)
        for e in (Expression.parse("2*x0"), through)
    ]
    assert lengths[0] < lengths[1]
