"""The weights that ship: found without a network, small, and as good as their card says."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from symnum import Expression, PROSEForecaster, SNIPEmbedder, SymbolicRegressor  # noqa: E402
from symnum.evaluation.prose_cases import Condition, expression_error, forecast_errors, make_cases  # noqa: E402
from symnum.evaluation.prose_routes import make_routes  # noqa: E402
from symnum.expressions.equivalence import is_recovery  # noqa: E402
from symnum.models import PROSEModel, SNIPModel  # noqa: E402
from symnum.models.weights import SHIPPED  # noqa: E402
from symnum.synthesis import EquationGenerator  # noqa: E402
from symnum.training.heads import probe_scores  # noqa: E402
from symnum.training.properties import property_samples  # noqa: E402
from symnum.training.settings import DataSettings  # noqa: E402

LIMIT = 16 * 2**20


@pytest.fixture(scope="module")
def embedder() -> SNIPEmbedder:
    return SNIPEmbedder()


@pytest.mark.parametrize("folder", sorted(p for p in SHIPPED.iterdir() if p.is_dir()), ids=lambda p: p.name)
def test_a_folder_holds_what_a_user_needs_and_nothing_pickled(folder: Path):
    names = {p.name for p in folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= names
    assert not [n for n in names if n.endswith((".bin", ".pt", ".pkl"))]
    assert sum(p.stat().st_size for p in folder.iterdir()) < LIMIT
    card = (folder / "README.md").read_text(encoding="utf-8")
    for word in ("Made from", "steps", "hours", "Reaches", "Limits"):
        assert word in card


def test_held_out_formulas_and_their_data_find_each_other(embedder: SNIPEmbedder):
    samples = list(islice(iter(DataSettings().generator(held_out=True)), 200))
    formulas = [s.expression for s in samples]
    data = [(s.X, s.y) for s in samples]
    similar = embedder.similarity(formulas, data)
    truth = np.arange(len(samples))
    assert np.mean(similar.argmax(axis=0) == truth) > 0.85
    assert np.mean(similar.argmax(axis=1) == truth) > 0.85


def test_a_hand_written_formula_is_nearest_to_its_data(embedder: SNIPEmbedder):
    X = np.random.default_rng(0).uniform(0.5, 3, (200, 2))
    candidates = ["x0*exp(-x1)", "x0*x1", "x0 - x1", "exp(-x1)", "x0*exp(x1)", "sin(x0)*x1"]
    for text, y in (("x0*exp(-x1)", X[:, 0] * np.exp(-X[:, 1])), ("x0 - x1", X[:, 0] - X[:, 1])):
        similar = np.ravel(embedder.similarity(candidates, [(X, y)]))
        assert candidates[int(similar.argmax())] == text


def test_held_out_trajectories_are_forecast_and_their_equations_written():
    """Draws of three families that training has not seen: numbers of the card, with room."""
    cases = make_cases(Condition("skeleton", 0.02), ["lorenz_3d", "sprott_B", "thomas"], 4, 77, 64)
    model = PROSEModel.from_pretrained().eval()
    routes = make_routes(["states", "written"], model, {}, 0, 1.0, 1)
    states = [forecast_errors(c, o.states)[1] for c, o in zip(cases, routes["states"](cases), strict=True)]
    assert np.mean(states) < 0.3
    written = routes["written"](cases)
    errors = [expression_error(c.equations, o.equations) for c, o in zip(cases, written, strict=True)]
    assert all(valid for _, valid in errors)
    assert np.mean([error for error, _ in errors]) < 0.1


def test_a_forecaster_finds_constants_from_a_noisy_window():
    case = make_cases(Condition("unknown", 0.02), ["sprott_B"], 1, 78, 64)[0]
    names = case.guess[0].names
    model = PROSEForecaster().fit(case.t[: case.window], case.shown, guess=case.guess, names=names)
    assert forecast_errors(case, model.forecast(case.later))[1] < 0.05


def test_embeddings_of_formulas_of_one_variable_tell_how_their_curves_bend():
    """Linear probes: R2 of .6 and .7 where heads on the frozen encoder reach .89 and .92."""
    samples = property_samples(EquationGenerator("snip-1d", seed=2_000_003), 1500, ["ncr", "upwardness"])
    vectors = SNIPModel.from_pretrained("snip-1d").embed_tokens(samples.tokens, samples.token_lengths)
    for name, least in (("ncr", 0.6), ("upwardness", 0.7)):
        assert probe_scores(vectors, samples.targets[name], 1000)["r2"] > least


@pytest.mark.parametrize("text", ["2.5*x0/(x1 + 1)", "exp(-x0)*x1 + 0.5"])
def test_the_decoder_finds_short_laws(text: str):
    X = np.random.default_rng(0).uniform(0.5, 4, (200, 2))
    law = Expression.parse(text, ("x0", "x1"))
    model = SymbolicRegressor(search="snip", max_time=None, max_evals=60_000, random_state=0)
    model.fit(X, law.evaluate(X))
    assert is_recovery(model.expression_, law, (X.min(axis=0), X.max(axis=0)))["recovered"]
    assert model.ledger_["stage"].tolist() == ["samples"]
