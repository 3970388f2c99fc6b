"""eval/shares.py: shares by method, runs without a result counted as failures."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd

PLACE = Path(__file__).parents[2] / "eval" / "shares.py"


def test_runs_without_a_result_count_as_failures():
    spec = importlib.util.spec_from_file_location("eval_shares", PLACE)
    assert spec is not None
    assert spec.loader is not None
    shares = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(shares)
    runs = pd.DataFrame({
        "method": ["a"] * 4 + ["b"], "problem": [f"feynman/{k}" for k in range(5)], "noise": [0.0] * 5,
        "r2_test": [1.0, 0.995, -3.0, np.nan, 0.9995], "recovered": [True, False, False, np.nan, True],
        "complexity": [5, 9, 11, np.nan, 3], "fit_seconds": [1.0, 2.0, 3.0, 10.0, 4.0],
    })  # fmt: skip
    first, second = shares.rows_of(runs)
    assert first == (
        "feynman",
        "0",
        "a",
        "4",
        "50.0 %",
        "25.0 %",
        "0.4975",
        "0.4988",
        "25.0 %",
        "9",
        "2.5",
        "4.0",
    )
    assert second[2:9] == ("b", "1", "100.0 %", "100.0 %", "0.9995", "0.9995", "100.0 %")
