"""A table, the files of one real fit of it, and a way to run the command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from symnum.cli import app


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


def run(*args: object) -> Outcome:
    result = CliRunner().invoke(app, [str(a) for a in args])
    return Outcome(result.exit_code, result.stdout, result.stderr)


@pytest.fixture(scope="session")
def cli():
    """Run the command in this process."""
    return run


def write_table(path: Path, columns: dict[str, object]) -> Path:
    rows = zip(*columns.values(), strict=True)
    path.write_text(
        "\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]), encoding="utf-8"
    )
    return path


@pytest.fixture(scope="session")
def force_table(tmp_path_factory) -> Path:
    """F = m*a/2 with a decoy, 40 rows, and a column of labels."""
    rng = np.random.default_rng(0)
    m, a, decoy = rng.uniform(1, 5, size=(3, 40))
    labels = [f"run {i}" for i in range(40)]
    columns = {"label": labels, "m": m, "a": a, "decoy": decoy, "F": m * a / 2}
    return write_table(tmp_path_factory.mktemp("data") / "force.csv", columns)


@pytest.fixture(scope="session")
def noisy_table(tmp_path_factory) -> Path:
    """A formula under noise: the search has a front of several formulas and does not end by itself soon."""
    rng = np.random.default_rng(1)
    x, z = rng.uniform(0.5, 5, size=(2, 60))
    y = np.sin(x) * np.exp(-z / 3) + x / (1 + z**2) + rng.normal(scale=0.05, size=60)
    return write_table(tmp_path_factory.mktemp("data") / "noisy.csv", {"x": x, "z": z, "y": y})


@pytest.fixture(scope="session")
def fitted(force_table, tmp_path_factory) -> Path:
    """Folder that `symnum fit` wrote."""
    out = tmp_path_factory.mktemp("fit") / "results"
    done = run("fit", force_table, "--target", "F", "--max-evals", 20_000, "--out", out)
    assert done.code == 0, done.err
    return out
