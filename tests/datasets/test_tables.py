"""The small tables typed from public facts: they parse, they have cards, and they obey their laws."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2] / "datasets"
CSV_FILES = sorted(ROOT.rglob("*.csv"))
FOLDERS = sorted(path for path in ROOT.iterdir() if path.is_dir())
TEXT_COLUMNS = {"planet", "nebula"}
CATALOGUES = {"feynman.csv", "srsd.csv", "classic.csv", "systems.csv", "blackbox.csv"}


def test_the_folders_are_the_ones_of_the_index():
    index = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in FOLDERS if f"({path.name}/README.md)" not in index] == []
    assert not list(ROOT.rglob("__init__.py"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_every_folder_has_a_data_card(folder):
    card = (folder / "README.md").read_text(encoding="utf-8").lower()
    for wanted in ("source", "licence status", "deviations" if folder.name != "feynman" else "warts"):
        assert wanted in card
    for path in folder.glob("*.csv"):
        assert path.name in card or "<id>.csv" in card


@pytest.mark.parametrize("path", CSV_FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_csv_is_rectangular_and_small(path):
    assert path.stat().st_size < 100_000
    with path.open(encoding="utf-8", newline="") as handle:
        header, *table = list(csv.reader(handle))
    assert len(set(header)) == len(header)
    assert all(name.isidentifier() for name in header)
    assert len(table) >= 5
    assert {len(row) for row in table} == {len(header)}
    if path.name in CATALOGUES:
        return
    for row in table:
        for name, cell in zip(header, row, strict=True):
            assert cell.strip() if name in TEXT_COLUMNS else math.isfinite(float(cell))


def test_planets_obey_kepler(columns):
    a, period, eccentricity, mass = columns(
        "planets/planets.csv", "semi_major_axis", "period", "eccentricity", "mass"
    )
    assert len(a) == 8
    # Sidereal Gaussian year; the largest deviation the card admits is 6.5e-4.
    assert np.abs(period / (365.256 * a**1.5) - 1).max() < 7e-4
    assert np.polyfit(np.log(a), np.log(period), 1)[0] == pytest.approx(1.5, abs=5e-4)
    assert ((eccentricity > 0) & (eccentricity < 0.21)).all()
    # Newton's form explains Jupiter: its mass over the Sun's is 1/1047.35 (IAU).
    assert mass[4] / 1.98841e6 == pytest.approx(1 / 1047.35, rel=1e-3)


def test_boyle_pressure_times_volume_is_constant(columns):
    volume, pressure = columns("boyle/boyle.csv", "volume", "pressure")
    assert len(volume) == 25
    product = volume * pressure
    assert np.abs(product / product.mean() - 1).max() < 0.01
    assert (pressure * 16 == np.round(pressure * 16)).all()  # printed in sixteenths of an inch


def test_hubble_slope(columns):
    distance, velocity = columns("hubble1929/hubble1929.csv", "distance", "velocity")
    assert len(distance) == 24
    # Slopes printed in many texts for this table: 424 through the origin, 454 with an intercept.
    assert (distance @ velocity) / (distance @ distance) == pytest.approx(423.9, abs=0.1)
    assert np.polyfit(distance, velocity, 1)[0] == pytest.approx(454.2, abs=0.1)


def test_galileo_inclined_plane(columns):
    time, distance = columns("galileo/inclined_plane.csv", "time", "distance")
    assert np.abs(distance / (32.97 * time**2) - 1).max() < 0.016


def test_galileo_shelf(columns):
    height, distance = columns("galileo/shelf.csv", "height", "distance")
    assert np.abs(distance / (47.0 * np.sqrt(height)) - 1).max() < 0.02
    # Galileo's own arithmetic on the folio: expected distances plus the differences he noted.
    expected, difference = np.array([1131, 1306, 1330, 1460]), np.array([41, 22, 10, 40])
    np.testing.assert_array_equal(distance[1:], expected + difference)
    assert np.abs(expected / (800 * np.sqrt(height[1:] / 300)) - 1).max() < 1e-3


def test_galileo_ramp(columns):
    height, distance = columns("galileo/ramp.csv", "height", "distance")
    # The law height = a d^2/(1 - b d) is linear in a, b: d^2/height = (1 - b d)/a.
    slope, intercept = np.polyfit(distance, distance**2 / height, 1)
    assert 1 / intercept == pytest.approx(1.10e-3, rel=0.02)
    assert -slope / intercept == pytest.approx(1.12e-3, rel=0.02)
    assert np.abs(distance**2 / (intercept + slope * distance) / height - 1).max() < 0.03
