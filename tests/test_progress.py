"""Callbacks that show a search, the history, and the log."""

from __future__ import annotations

import io
import logging
import re

import numpy as np
import pytest

from symnum import SymbolicRegressor
from symnum.progress import ProgressBar, TensorBoardLog

FORMULAS = "30.1", "x0", "x0*x1", "x0*x1**2 + 0.5", "x0*x1**2", "x0*x1**2 + 0.001"


@pytest.fixture(scope="module")
def fit(given_search):
    X = np.random.default_rng(0).uniform(1, 5, (60, 2))
    y = X[:, 0] * X[:, 1] ** 2 + 0.01 * np.random.default_rng(1).normal(size=60)

    def run(pause: float = 0.0, **settings) -> SymbolicRegressor:
        settings = {"max_time": None, "max_evals": 2_000, **settings}
        return SymbolicRegressor(search=given_search(*FORMULAS, pause=pause), **settings).fit(X, y)

    return run


def test_bar_shows_share_and_formula(fit):
    out = io.StringIO()
    model = fit(callbacks=[ProgressBar(file=out, ncols=150)])
    last = out.getvalue().split("\r")[-1]
    assert re.search(r"\d+/2000 formulas", last)
    assert f"R² {model.history_['r2'].max():.2f}"[:6] in last
    assert "x0*x1**2" in last


def test_bar_counts_seconds_and_can_be_used_again(fit):
    out = io.StringIO()
    bar = ProgressBar(file=out, ncols=150)
    for _ in range(2):
        fit(0.1, callbacks=[bar], max_time=30, max_evals=300)
    assert len(re.findall(r"/30 s", out.getvalue())) >= 2


def test_bar_ends_when_the_search_fails(fit):
    bar = ProgressBar(file=io.StringIO())

    def fail(event):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        fit(callbacks=[bar, fail])
    assert not bar._thread.is_alive()


def test_tensorboard_reads_the_scalars(fit, tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is an extra")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    model = fit(callbacks=[TensorBoardLog(tmp_path)])
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    bits = events.Tensors("shortest description/bits")
    assert [e.step for e in bits] == model.history_["evaluations"].tolist()
    values = [float(make_ndarray(e.tensor_proto)) for e in bits]
    np.testing.assert_allclose(values, np.minimum.accumulate(model.history_["bits"]), rtol=1e-6)


def test_history_is_what_callbacks_saw(fit):
    seen = []
    model = fit(callbacks=[lambda event: seen.append((event.elapsed, event.stage))])
    history = model.history_
    assert list(zip(history["seconds"], history["stage"], strict=True)) == seen
    assert history["seconds"].is_monotonic_increasing
    assert set(model.equations_["r2"]) <= set(history["r2"])
    assert model.seconds_ >= history["seconds"].iloc[-1]


def test_log_goes_through_the_standard_library(fit, caplog):
    with caplog.at_level(logging.DEBUG, logger="symnum"):
        model = fit()
    texts = [r.message for r in caplog.records if r.name == "symnum"]
    assert texts[0] == "search begins: 60 rows, 2 columns"
    assert texts[-1].endswith(f": {model.stop_reason_}")
    assert len(texts) == 2 + len(model.history_)
    assert [type(h).__name__ for h in logging.getLogger("symnum").handlers if h is not caplog.handler] == [
        "NullHandler"
    ]
