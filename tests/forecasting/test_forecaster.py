"""PROSEForecaster: guess and data in, equations and forecast out; bad input; proposals for a search."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from symnum import DynamicsRegressor, PROSEForecaster, PROSEModel  # noqa: E402
from symnum.exceptions import InvalidInput, WeightsNotFound  # noqa: E402
from symnum.models import PROSEConfig  # noqa: E402
from symnum.synthesis.families.trajectories import TrajectoryConfig, make_equation  # noqa: E402

GUESS = [
    "0.5*b*c",
    "a - 1.0*b",
    "1.0 - a*b + 0.1*c",
]  # sprott_B with numbers that are off and a term too many


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that know nothing: what the guess gives must not depend on them."""
    torch.manual_seed(0)
    config = PROSEConfig.of_size(
        "tiny", width=16, heads=2, hidden=32, max_dim=3, max_symbols=40, spans=(0.5, 4.0), sizes=(0.05, 50.0)
    )
    path = tmp_path_factory.mktemp("weights") / "tiny"
    PROSEModel(config).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    made = make_equation(TrajectoryConfig(seed=5, trajectories=1), "sprott_B", 0)
    return made.times, made.observe(0.01)[0].astype(float), made.values[0].astype(float)


def fitted(folder: Path, t: np.ndarray, U: np.ndarray, **more: object) -> PROSEForecaster:
    return PROSEForecaster(folder, candidates=2, max_time=15).fit(t[:64], U[:64], **more)


def test_a_guess_is_fitted_and_goes_on(folder: Path, data: tuple):
    t, U, truth = data
    model = fitted(folder, t, U, guess=GUESS, names=["a", "b", "c"])
    assert model.candidates_[0].source == "guess"
    made = model.forecast(t[64:])
    assert np.linalg.norm(made - truth[64:]) < 0.15 * np.linalg.norm(truth[64:])
    assert model.predict(truth[:5]).shape == (5, 3)
    assert all(set("abc") & set(text) for text in model.equations())
    mean, deviation = model.forecast(t[64:80], return_std=True)
    assert mean.shape == deviation.shape == (16, 3)
    network = model.forecast(t[64:], route="network")
    assert network.shape == made.shape
    assert not np.allclose(network, made)
    again = pickle.loads(pickle.dumps(model))  # noqa: S301
    np.testing.assert_array_equal(again.forecast(t[64:]), made)


def test_other_units_give_the_same_forecast_in_other_units(folder: Path, data: tuple):
    t, U, truth = data
    model = fitted(folder, 1000 * t, 1e-4 * U, guess=["5*x1*x2", "1e-3*x0 - 1e-3*x1", "1e-7 - 10*x0*x1"])
    made = model.forecast(1000 * t[64:])
    assert np.linalg.norm(made / 1e-4 - truth[64:]) < 0.15 * np.linalg.norm(truth[64:])


def test_gaps_and_long_windows_are_taken(folder: Path, data: tuple):
    t, U, _ = data
    holes = U[:150].copy()
    holes[3, 1] = holes[10:12, 0] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = PROSEForecaster(folder, candidates=0, max_time=5).fit(t[:150], holes)
    assert np.all(np.isfinite(model.forecast(t[150:])))


def test_bad_input(folder: Path, data: tuple):
    t, U, _ = data
    with pytest.raises(InvalidInput, match="up to 3"):
        fitted(folder, t, np.column_stack([U, U[:, 0]]))
    with pytest.raises(InvalidInput, match="tanh"):
        fitted(folder, t, U, guess=["tanh(x0)", "x1", "x2"])
    with pytest.raises(InvalidInput, match="one right-hand side for every state"):
        fitted(folder, t, U, guess=["x0", None, "x2"])
    with pytest.raises(InvalidInput, match="each of the 3 equations"):
        fitted(folder, t, U, guess=["x0"])
    with pytest.raises(InvalidInput, match="one trajectory at a time"):
        PROSEForecaster(folder).fit([t, t], [U, U])
    with pytest.raises(InvalidInput, match="candidates is 0 or more"):
        PROSEForecaster(folder, candidates=-1).fit(t, U)
    with pytest.raises(WeightsNotFound, match="no weights 'prose-nothing'"):
        PROSEForecaster("prose-nothing").fit(t, U)
    model = PROSEForecaster(folder, candidates=0, max_time=3).fit(t[:64], U[:64])
    for wrong in ([-1.0], [2.0, 1.0], [np.nan]):
        with pytest.raises(InvalidInput, match="times must be finite"):
            model.forecast(wrong)
    with pytest.raises(InvalidInput, match="route is one of"):
        model.forecast([2.0], route="magic")


def test_it_proposes_to_the_regressor(folder: Path):
    t = np.linspace(0, 3, 40)
    model = DynamicsRegressor(max_time=4, random_state=0, proposals=[f"prose:{folder}"])
    model.fit(t, 3 * np.exp(-0.5 * t))
    assert model.equations() == ["-0.5*x0"]
    with pytest.raises(InvalidInput, match="proposals are"):
        DynamicsRegressor(max_time=1, proposals=["magic"]).fit(t, np.exp(-t))
