"""`symnum dynamics` on tables with closed forms."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from symnum import DynamicsRegressor


def write(path, columns):
    rows = zip(*columns.values(), strict=True)
    path.write_text(
        "\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]), encoding="utf-8"
    )
    return path


@pytest.fixture(scope="module")
def decay(tmp_path_factory):
    """Two trajectories of du/dt = -u/2, one value missing."""
    t = np.tile(np.linspace(0, 5, 30), 2)
    run = np.repeat(["a", "b"], 30)
    u = [f"{v:.8f}" for v in np.where(run == "a", 3.0, 1.0) * np.exp(-t / 2)]
    u[4] = ""
    return write(tmp_path_factory.mktemp("data") / "decay.csv", {"time": t, "run": run, "u": u})


def test_equations_files_and_figures(cli, decay, tmp_path):
    out = tmp_path / "out"
    done = cli(
        "dynamics", decay, "--trajectory-column", "run", "--units", "u=kg,time=s", "--time", 4, "--out", out
    )
    assert done.code == 0, done.err
    assert "du_dt = -0.5*u" in done.out
    assert "1 empty cells" in done.err
    model = DynamicsRegressor.load(out / "model.json")
    assert np.allclose(model.predict([[2.0]]), -1.0, atol=1e-3)
    assert json.loads((out / "model.json").read_text())["format"] == "symnum-dynamics"
    with (out / "forecast.csv").open() as file:
        last = list(csv.DictReader(file))[-1]
    assert float(last["t"]) == 7.5
    assert float(last["u"]) == pytest.approx(np.exp(-7.5 / 2), rel=1e-3)
    for name in ("forecast.svg", "phase.svg", "right-hand-sides.svg"):
        assert "</svg>" in (out / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--trajectory-column"),
        (("--time-column", "nope"), "no column 'nope'"),
        (("--trajectory-column", "run", "--units", "u=kg"), "no unit for 'time'"),
        (("--trajectory-column", "run", "--guess", "v=1"), "the states are u"),
        (("--trajectory-column", "run", "--guess", "u=1+"), "1+"),
        (("--states", "run", "--trajectory-column", "run"), "'run'"),
    ],
)
def test_bad_input_is_one_line(cli, decay, tmp_path, options, message):
    done = cli("dynamics", decay, "--time", 2, "--out", tmp_path / "out", *options)
    assert done.code != 0
    assert message in done.err
    assert len([line for line in done.err.splitlines() if "error" in line]) == 1
