"""Properties against loops written from the specification and closed forms; heads and probes learn."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from sklearn.metrics import mean_squared_error, r2_score  # noqa: E402

from symnum import EquationGenerator, Expression  # noqa: E402
from symnum.exceptions import InvalidInput  # noqa: E402
from symnum.models import SNIPConfig, SNIPModel  # noqa: E402
from symnum.training.heads import (  # noqa: E402
    fit_property,
    predict_property,
    probe_scores,
    regression_scores,
)
from symnum.training.properties import (  # noqa: E402
    PROPERTIES,
    PropertySamples,
    _symmetries,
    formula_properties,
    property_samples,
)
from symnum.training.property_study import draw_map, study_formulas, study_properties, write_rows  # noqa: E402

RNG = np.random.default_rng(0)
X = np.sort(RNG.normal(size=(6, 40)), axis=1)
Y = np.stack([X[0] ** 2, -(X[1] ** 2), X[2], np.sin(9 * X[3]), RNG.normal(size=40), np.zeros(40)])


def value(name: str, x: np.ndarray = X, y: np.ndarray = Y) -> np.ndarray:
    return PROPERTIES[name](x, y, np.random.default_rng(1))


def test_convexity_is_the_share_of_all_triples():
    found = value("ncr")
    assert found[0] == 0
    assert found[1] == 1
    for i in range(5):
        above = [
            Y[i, b]
            > ((X[i, b] - X[i, a]) * Y[i, c] + (X[i, c] - X[i, b]) * Y[i, a]) / (X[i, c] - X[i, a]) + 1e-9
            for a, b, c in combinations(range(40), 3)
        ]
        assert found[i] == pytest.approx(np.mean(above), abs=5 * 0.5 / math.sqrt(1000))


def test_upwardness_is_divided_by_points():
    assert value("upwardness")[2] == pytest.approx((np.diff(X[2]) > 1e-3).sum() / 40)
    assert value("upwardness")[5] == 0


def test_average_is_of_y_from_0_to_1():
    y = np.array([[2.0, 4.0, 3.0, 3.0]])
    assert value("average", y, y)[0] == pytest.approx(0.5)
    assert value("average")[5] == 0


def flips(y: np.ndarray) -> int:
    steps = np.diff(y)
    up, count = steps[0] > 1e-3, 0
    for d in steps[1:]:
        now = True if d > 1e-3 else False if d < -1e-3 else up
        count += now != up
        up = now
    return count


@pytest.mark.parametrize(
    ("y", "expected"),
    [([0, 1, 2], 0), ([0, 0, 1], 1), ([0, 1, 1, 2], 0), ([0, 1, 1, 0], 1), ([0, 0, -1, -1, 3, 0], 2)],
)
def test_changes_of_direction(y: list[float], expected: int):
    row = np.array([y], float)
    assert flips(row[0]) == expected
    assert value("oscillation", row, row)[0] == pytest.approx(math.log1p(expected))


def test_changes_of_direction_of_random_rows():
    y = np.round(RNG.normal(size=(200, 30)) * 2) * 1e-3
    np.testing.assert_allclose(value("oscillation", y, y), [math.log1p(flips(row)) for row in y])


def test_samples_are_sorted_by_x_and_the_same_again():
    generator = EquationGenerator("snip-1d", seed=4)
    first, again = (property_samples(generator, 50) for _ in range(2))
    sample = generator.sample(7)
    order = np.argsort(sample.X[:, 0])
    assert first.targets["upwardness"][7] == value("upwardness", sample.X[order].T, sample.y[order][None])[0]
    assert np.array_equal(first.tokens[7, : first.token_lengths[7]], sample.tokens)
    for name in PROPERTIES:
        assert np.array_equal(first.targets[name], again.targets[name])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x0**2 + cos(x1)", {"even"}),
        ("x0*x1", {"even", "exchange"}),
        ("sin(x0) + x1**3", {"odd"}),
        ("exp(x0) + exp(x1)", {"exchange"}),
        ("exp(x0) + x1", set()),
        ("log(x0)", set()),
    ],
)
def test_symmetries(text: str, expected: set[str]):
    points = np.random.default_rng(0).normal(size=(32, 2))
    expression = Expression.parse(text, ["x0", "x1"])
    assert {k for k, v in _symmetries(expression, points).items() if v} == expected


def test_properties_of_formulas():
    batch = EquationGenerator("improved", max_dim=2, n_points=16, seed=1).batch(0, 60)
    found = formula_properties(batch)
    for i in range(60):
        expression = batch.expression(i)
        assert found["complexity"][i] == expression.complexity
        assert bool(found["has_sin"][i]) == ("sin(" in str(expression).replace("asin(", ""))


# -------------------------------------------------------------------------------------------------- heads
def tiny() -> SNIPModel:
    torch.manual_seed(0)
    return SNIPModel(
        SNIPConfig(
            max_dim=1, width=32, heads=2, hidden=64, latent=16, symbolic_layers=1, numeric_layers=1, reads=1
        )
    )


def length_samples(n: int = 300) -> PropertySamples:
    made = property_samples(EquationGenerator("snip-1d", seed=8), n, ["average"])
    return PropertySamples(made.tokens, made.token_lengths, {"length": made.token_lengths.astype(float)})


@pytest.mark.parametrize(
    ("mode", "least", "epochs"), [("frozen", 0.3, 60), ("finetuned", 0.5, 15), ("scratch", 0.5, 15)]
)
def test_heads_learn_the_length_of_formulas(mode: str, least: float, epochs: int):
    model, samples = tiny(), length_samples()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    trained, head, scale = fit_property(model, samples.take(slice(200)), "length", mode, epochs=epochs)
    test = samples.take(slice(200, None))
    guess = predict_property(trained, head, scale, test)
    assert regression_scores(test.targets["length"], guess)["r2"] > least
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_unknown_modes_are_named():
    with pytest.raises(InvalidInput, match="frozen, finetuned, scratch"):
        fit_property(tiny(), length_samples(20), "length", "warm")  # type: ignore[arg-type]


def test_scores_are_those_of_sklearn():
    truth = RNG.uniform(2, 4, size=500)
    guess = truth + RNG.normal(0, 0.2, size=500)
    found = regression_scores(truth, guess)
    assert found["r2"] == pytest.approx(r2_score(truth, guess))
    assert found["nmse"] == pytest.approx(mean_squared_error(truth, guess) / truth.var())
    scaled = np.abs(guess - truth) / (truth.max() - truth.min())
    assert found["acc_0.1"] == np.mean(scaled <= 0.1)
    assert found["chance_0.1"] == pytest.approx(0.2, abs=0.05)


def test_probes_find_what_is_linear():
    vectors = RNG.normal(size=(600, 8))
    assert probe_scores(vectors, (vectors[:, 0] > 0.5).astype(float), 400)["auc"] > 0.95
    assert probe_scores(vectors, vectors @ np.arange(8.0) + 3, 400)["r2"] > 0.99
    assert probe_scores(vectors, RNG.integers(0, 2, 600).astype(float), 400)["auc"] == pytest.approx(
        0.5, abs=0.12
    )
    assert math.isnan(probe_scores(vectors, np.zeros(600), 400)["auc"])


def test_the_study_gives_a_row_for_each_question(tmp_path):
    model = tiny()
    rows = list(study_formulas(model, train=60, test=40))
    assert {"has_sin", "complexity", "even"} <= {row["property"] for row in rows}
    study = study_properties(model, ["average"], sizes=[100], modes=["frozen"])
    rows.append(next(study))
    assert rows[-1]["n"] == 100
    draw_map(model, tmp_path / "map.png", n=60)
    assert (tmp_path / "map.png").stat().st_size > 5000
    write_rows(rows, tmp_path / "rows.csv")
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == len(rows) + 1
