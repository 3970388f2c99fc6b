"""Units against sympy.physics.units, scipy.constants and the dimensions of the Feynman formulas."""

from __future__ import annotations

import csv
import math
import pickle
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symnum.exceptions import InvalidInput, UnitError
from symnum.expressions import Expression
from symnum.expressions.unit_table import PLAIN, PREFIXED, PREFIXES, REFUSED, look_up
from symnum.expressions.units import DIMENSIONLESS, Unit, check_units, parse_units, unit_of

FEYNMAN = Path(__file__).parents[2] / "datasets" / "feynman" / "feynman.csv"


# ---------------------------------------------------------------- reading
@pytest.mark.parametrize(
    ("text", "vector"),
    [
        ("kg*m^2/s^2", (2, 1, -2, 0, 0, 0, 0)),
        ("kg·m²·s⁻²", (2, 1, -2, 0, 0, 0, 0)),
        ("kg m^2 s^-3 A^-1", (2, 1, -3, -1, 0, 0, 0)),
        ("m/s/s", (1, 0, -2, 0, 0, 0, 0)),
        ("W/(m*K)", (1, 1, -3, 0, -1, 0, 0)),
        ("J/(mol K)", (2, 1, -2, 0, -1, -1, 0)),
        ("m^(1/2)", (0.5, 0, 0, 0, 0, 0, 0)),
        ("m**-0.5", (-0.5, 0, 0, 0, 0, 0, 0)),
        ("(m/s)^2", (2, 0, -2, 0, 0, 0, 0)),
        ("1/s", (0, 0, -1, 0, 0, 0, 0)),
        ("km/s/Mpc", (0, 0, -1, 0, 0, 0, 0)),
        ("", (0,) * 7),
        ("-", (0,) * 7),
        ("1", (0,) * 7),
        (" % ", (0,) * 7),
        ("cd", (0, 0, 0, 0, 0, 0, 1)),
        ("min", (0, 0, 1, 0, 0, 0, 0)),
        ("Pa", (-1, 1, -2, 0, 0, 0, 0)),
        ("\u2126", (2, 1, -3, -2, 0, 0, 0)),
    ],
)
def test_reads_exponents(text, vector):
    unit = Unit.parse(text)
    np.testing.assert_array_equal(unit.vector, vector)
    assert Unit.parse(str(unit)) == unit
    assert Unit.from_vector(vector).same_dimension(unit)


def test_fraction_exponents_are_exact():
    assert Unit.parse("m^(1/3)").dimension[0] == Fraction(1, 3)
    assert (Unit.parse("m") ** (1 / 3)) ** 3 == Unit.parse("m")
    assert Unit.parse("m^2") ** 0.5 == Unit.parse("m")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("meter", "Did you mean m"),
        ("Kg", "kg"),
        ("KV", "kV"),
        ("hz", "Hz"),
        ("furlong", "unknown unit 'furlong'"),
        ("ft", "unknown unit"),
        ("m2", r"written with \^"),
        ("m s-1", r"written with \^"),
        ("m^1/2", r"m\^\(1/2\)"),
        ("J/kg K", "two ways"),
        ("degC", "convert to K"),
        ("pH", "logarithm"),
        ("m^", "exponent"),
        ("m^1e9", "exponent"),
        ("m^(1/0)", "zero"),
        ("m^1001", "exponent"),
        ("Ym^900", "no positive float64"),
        ("(m", r"expected '\)'"),
        ("m)", "unexpected"),
        ("m//s", "expected a unit"),
        ("0 m", "positive"),
        ("1e999 m", "positive"),
        ("-m", "expected a unit"),
        ("m; s", "unexpected ';'"),
        ("__import__('os')", "unexpected '_'"),
        ("m*" * 101, "at most 200"),
        (None, "got NoneType"),
        (3, "got int"),
    ],
)
def test_never_guesses(text, said):
    with pytest.raises(UnitError, match=said):
        Unit.parse(text)


def test_the_message_shows_the_text():
    with pytest.raises(UnitError, match=r"unit 'kg\*mater'.*'mater'"):
        Unit.parse("kg*mater")


def test_every_symbol_has_one_reading():
    composed = [p + u for p in PREFIXES for u in PREFIXED]
    assert len(set(composed)) == len(composed)
    assert not set(composed) & {*PLAIN, *PREFIXED}
    for symbol in REFUSED:
        with pytest.raises(UnitError):
            look_up(symbol)


def test_scales_against_scipy():
    from scipy import constants as c

    expected = {
        "eV": c.eV, "AU": c.au, "pc": c.parsec, "ly": c.light_year, "min": c.minute, "h": c.hour, "d": c.day,
        "yr": c.Julian_year, "L": c.liter, "bar": c.bar, "atm": c.atm, "Torr": c.torr, "mmHg": c.mmHg,
        "deg": c.degree, "arcmin": c.arcmin, "arcsec": c.arcsec, "ha": c.hectare, "cal": c.calorie,
        "t": c.metric_ton, "g": c.gram, "Å": c.angstrom, "km/h": c.kmh,
    }  # fmt: skip
    for text, value in expected.items():
        assert Unit.parse(text).scale == pytest.approx(value, rel=1e-6 if text == "mmHg" else 1e-12), text
    for name, prefix in {
        "quetta": "Q", "ronna": "R", "yotta": "Y", "zetta": "Z", "exa": "E", "peta": "P", "tera": "T",
        "giga": "G",
        "mega": "M", "kilo": "k", "hecto": "h", "deka": "da", "deci": "d", "centi": "c", "milli": "m",
        "micro": "µ", "nano": "n", "pico": "p", "femto": "f", "atto": "a", "zepto": "z", "yocto": "y",
        "ronto": "r", "quecto": "q",
    }.items():  # fmt: skip
        assert Unit.parse(f"{prefix}m").scale == pytest.approx(getattr(c, name), rel=1e-14), name
    assert Unit.parse("um") == Unit.parse("µm") == Unit.parse("μm")


def test_derived_units_against_sympy():
    from sympy.physics import units as u
    from sympy.physics.units.systems.si import SI, dimsys_SI

    names = {
        "Hz": u.hertz, "N": u.newton, "Pa": u.pascal, "J": u.joule, "W": u.watt, "C": u.coulomb, "V": u.volt,
        "F": u.farad, "ohm": u.ohm, "S": u.siemens, "Wb": u.weber, "T": u.tesla, "H": u.henry,
        "Bq": u.becquerel,
        "Gy": u.gray, "kat": u.katal, "lx": u.lux, "L": u.liter, "bar": u.bar, "eV": u.electronvolt,
        "AU": u.au,
        "g": u.gram, "t": u.tonne, "min": u.minute, "h": u.hour, "d": u.day, "%": u.percent, "deg": u.degree,
    }  # fmt: skip
    order = ("length", "mass", "time", "current", "temperature", "amount_of_substance", "luminous_intensity")
    for symbol, quantity in names.items():
        found = dimsys_SI.get_dimensional_dependencies(SI.get_dimensional_expr(quantity))
        by_name = {str(getattr(d, "name", d)): power for d, power in found.items()}
        assert set(by_name) <= set(order), symbol
        expected = [by_name.get(name, 0) for name in order]
        np.testing.assert_array_equal(Unit.parse(symbol).vector, np.array(expected, dtype=float), symbol)


@pytest.mark.parametrize(
    ("left", "right"),
    [("N", "kg*m/s^2"), ("J", "N m"), ("W", "J/s"), ("V", "W/A"), ("ohm", "V/A"), ("F", "C/V"), ("Wb", "V s"),
     ("T", "Wb/m^2"), ("H", "Wb/A"), ("S", "1/ohm"), ("Sv", "J/kg"), ("kWh", "3.6e6 J"), ("Ah", "3600 C"),
     ("km", "1000 m"), ("kg", "1000 g"), ("mL", "cm^3"), ("kt", "1000 t"), ("lm", "cd sr")],
)  # fmt: skip
def test_equal_units(left, right):
    assert Unit.parse(left) == Unit.parse(right)
    assert hash(Unit.parse(left)) == hash(Unit.parse(right))


def test_equality_sees_scale_and_same_dimension_does_not():
    km, m = Unit.parse("km"), Unit.parse("m")
    assert km != m
    assert km.same_dimension(m)
    assert km != "km"


symbols = st.sampled_from(["m", "kg", "s", "A", "K", "mol", "cd", "N", "J", "km", "ms", "eV", "deg", "%"])
powers = st.fractions(-3, 3, max_denominator=4)
parsed = st.lists(st.tuples(symbols, powers), max_size=4).map(
    lambda items: math.prod((Unit.parse(s) ** p for s, p in items), start=DIMENSIONLESS)
)


@given(parsed, parsed, powers)
def test_algebra(a, b, p):
    np.testing.assert_allclose((a * b).vector, a.vector + b.vector)
    assert (a / b) * b == a
    assert (a * b) ** p == a**p * b**p
    assert a / a == DIMENSIONLESS
    assert a.si.same_dimension(a)
    assert a.si.scale == 1
    assert Unit.parse(str(a)) == a
    assert pickle.loads(pickle.dumps(a)) == a  # noqa: S301


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(text):
    try:
        unit = Unit.parse(text)
    except UnitError:
        return
    assert Unit.parse(str(unit)) == unit


def test_units_are_immutable():
    with pytest.raises(AttributeError):
        Unit.parse("m").number = 2.0


@pytest.mark.parametrize("text", ["kg*m^2/s^3", "m^(1/2)", "%", "µm", "Ω", "1", "1e-7 H/m", "°", "Å"])
def test_latex_is_drawn_by_matplotlib(text):
    from matplotlib.mathtext import MathTextParser

    MathTextParser("path").parse(f"${Unit.parse(text).latex()}$")


def test_latex_form():
    assert Unit.parse("kg*m^2/s").latex() == r"\mathrm{kg}\,\mathrm{m}^{2}\,\mathrm{s}^{-1}"


# ---------------------------------------------------------------- columns
def test_columns_by_order_and_by_name():
    assert parse_units(["m", "s"], ["a", "b"]) == parse_units({"b": "s", "a": "m"}, ["a", "b"])
    assert parse_units(["m", Unit.parse("s")], ["a", "b"])[1] == Unit.parse("s")


@pytest.mark.parametrize(
    ("units", "said"),
    [
        (["m", "sx"], "column 'T'.*'sx'"),
        (["m", None], "column 'T'.*NoneType"),
        (["m"], "2 columns .* but 1 units"),
        ({"d": "m"}, r"no unit for the columns \['T'\]"),
        ({"d": "m", "T": "K", "q": "m"}, r"\['q'\], which are no columns"),
        ("m", "list or a mapping"),
    ],
)
def test_column_errors_name_the_column(units, said):
    with pytest.raises(UnitError, match=said):
        parse_units(units, ["d", "T"])


# ---------------------------------------------------------------- expressions
X_UNITS = {"d": "m", "t": "s", "v": "m/s", "n": "1"}


@pytest.mark.parametrize(
    ("text", "free", "number"),
    [  # unit of the result, "any", or None where it is inconsistent
        ("d/t + v", "m/s", "m/s"),
        ("d + t", None, None),
        ("2*d", "any", "m"),
        ("d + 2", "m", None),
        ("d + 0", "m", "m"),
        ("d + 2*t", "m", None),
        ("sin(n)", "1", "1"),
        ("sin(d)", None, None),
        ("sin(2*d)", "1", None),
        ("exp(d/(v*t))", "1", "1"),
        ("exp(-t/5)*v", "m/s", None),
        ("sqrt(d**2 + v**2*t**2)", "m", "m"),
        ("sqrt(d)", "m^(1/2)", "m^(1/2)"),
        ("cbrt(d**3)", "m", "m"),
        ("d**1.5/sqrt(d)", "m", "m"),
        ("d**(3/2)", "m^(3/2)", "m^(3/2)"),
        ("1/t", "s^-1", "s^-1"),
        ("2/t", "any", "s^-1"),
        ("abs(-d)", "m", "m"),
        ("sign(d)*t", "s", "s"),
        ("max(d, 0)", "m", "m"),
        ("min(d, t)", None, None),
        ("d**n", None, None),
        ("n**n", "1", "1"),
        ("2**n", "1", "1"),
        ("2**d", None, None),
        ("n**t", None, None),
        ("d**0", "1", "1"),
        ("5", "any", "1"),
        ("0*d", "any", "any"),
        ("2**3", "any", "1"),
        ("(2*d)**n", "1", None),
        ("log(d) - log(t)", None, None),
        ("log(d/3)", "1", None),
        ("d - v*t", "m", "m"),
        ("atan(d/(v*t)) + n", "1", "1"),
    ],
)
def test_unit_rules(text, free, number):
    e = Expression.parse(text, list(X_UNITS))
    for constants, expected in (("free", free), ("number", number)):
        check = unit_of(e, X_UNITS, constants)
        assert check.consistent == bool(check) == (expected is not None), (constants, check)
        if expected is None:
            assert check.unit is None
            assert check.reason
        elif expected == "any":
            assert check.unit is None
        else:
            assert check.unit.same_dimension(Unit.parse(expected)), (constants, check)


def test_the_reason_names_the_place():
    e = Expression.parse("1 + exp(n*(d + 2*v*t + t))", list(X_UNITS))
    assert unit_of(e, X_UNITS, "number").reason == "add of m and s in d + 2*v*t + t"
    assert unit_of(Expression.parse("cos(7*d)", ["d"]), ["m"], "number").reason == (
        "cos needs a pure number, got m in cos(7*d)"
    )


def test_target_unit():
    e = Expression.parse("d/t", list(X_UNITS))
    assert check_units(e, X_UNITS, "km/h")
    wrong = check_units(e, X_UNITS, "m")
    assert not wrong
    assert "target m" in wrong.reason
    assert check_units(Expression.parse("3*d"), ["m"], "K").unit == Unit.parse("K")
    assert not check_units(Expression.parse("3*d"), ["m"], "K", constants="number")
    assert not check_units(Expression.parse("d + sin(d)"), ["m"], "m")
    with pytest.raises(UnitError):
        check_units(e, X_UNITS, "nonsense")
    with pytest.raises(UnitError, match="columns"):
        check_units(e, ["m"], "m")
    with pytest.raises(InvalidInput, match="'free' or 'number'"):
        unit_of(e, X_UNITS, "fixed")


def test_unit_values_survive_large_expressions():
    e = Expression.parse(" + ".join(["d"] * 500))
    assert unit_of(e, ["m"]).unit == Unit.parse("m")


# ---------------------------------------------------------------- Feynman
# With constants as pure numbers. The published table contradicts itself in these rows:
FEYNMAN_WRONG = {
    # mu_drift is given as kg/s; a mobility that makes mu*q*V/d a velocity is s/kg, as `mob` in I.43.31.
    "feynman_I_43_16": "1/s times kg instead of s/kg",
}


def feynman_unit(exponents: str) -> Unit:
    """Unit of the table's m/s/kg/K/V exponents; V is kg m^2 s^-3 A^-1."""
    base = [Unit.parse(u) for u in ("m", "s", "kg", "K", "V")]
    powers_ = [float(p) for p in exponents.split("/")]
    return math.prod((u**p for u, p in zip(base, powers_, strict=True)), start=DIMENSIONLESS)


def feynman_rows() -> list[dict[str, str]]:
    with FEYNMAN.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("row", feynman_rows(), ids=lambda row: row["id"])
def test_feynman_formula_has_its_unit(row):
    e = Expression.parse(row["formula"], row["variables"].split(";"))
    units = [feynman_unit(u) for u in row["units"].split(";")]
    check = check_units(e, units, feynman_unit(row["out_unit"]), constants="number")
    assert check.consistent != (row["id"] in FEYNMAN_WRONG), check


def test_feynman_table_is_whole():
    rows = feynman_rows()
    assert len(rows) == 120
    assert set(FEYNMAN_WRONG) <= {row["id"] for row in rows}
