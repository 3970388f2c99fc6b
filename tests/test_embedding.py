"""SNIPEmbedder: vectors, neighbours, scikit-learn's contract, bad input."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from sklearn.base import clone  # noqa: E402
from sklearn.linear_model import Ridge  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402

from symnum import Expression, SNIPEmbedder, SNIPModel  # noqa: E402
from symnum.exceptions import InvalidInput, ParseError, WeightsNotFound  # noqa: E402
from symnum.models import SNIPConfig  # noqa: E402

EQUATIONS = ["x0", "sin(x0)*x1", "x0**2 + 1.5", "exp(-0.3*x0)"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = SNIPConfig(
        max_dim=2, width=16, heads=2, hidden=32, latent=8, symbolic_layers=1, numeric_layers=1, reads=1
    )
    path = tmp_path_factory.mktemp("weights") / "tiny"
    SNIPModel(config).save_pretrained(path)
    return path


@pytest.fixture
def embedder(folder: Path) -> SNIPEmbedder:
    return SNIPEmbedder(folder)


def tables(n: int = 4) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(1)
    made = [rng.normal(size=(20 + i, 1 + i % 2)) for i in range(n)]
    return [(X, X[:, 0] ** 2) for X in made]


def test_vectors_of_formulas(embedder: SNIPEmbedder):
    vectors = embedder.encode_equations(EQUATIONS)
    assert vectors.shape == (4, 8)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    parsed = embedder.encode_equations([Expression.parse(e) for e in EQUATIONS])
    np.testing.assert_array_equal(parsed, vectors)
    assert embedder.encode_equations([]).shape == (0, 8)


def test_batches_and_order_change_nothing(folder: Path):
    one = SNIPEmbedder(folder, batch_size=1).encode_equations(EQUATIONS)
    np.testing.assert_allclose(SNIPEmbedder(folder).encode_equations(EQUATIONS[::-1])[::-1], one, atol=1e-5)
    single = SNIPEmbedder(folder, batch_size=1).encode_data(tables())
    np.testing.assert_allclose(SNIPEmbedder(folder).encode_data(tables()), single, atol=1e-5)


def test_data_of_one_column_may_be_flat(embedder: SNIPEmbedder):
    x = np.linspace(0, 1, 30)
    flat, column = (x, x**2), (x[:, None].tolist(), list(x**2))
    np.testing.assert_array_equal(*(embedder.encode_data([d]) for d in (flat, column)))


def test_one_row_and_equal_rows_have_vectors(embedder: SNIPEmbedder):
    vectors = embedder.encode_data([([[1.0]], [2.0]), (np.ones((5, 2)), np.zeros(5)), ([1e200], [-1e300])])
    assert np.isfinite(vectors).all()


def test_many_rows_are_drawn_with_the_seed(folder: Path):
    X = np.random.default_rng(0).normal(size=(5000, 2))
    data = [(X, X.sum(1))]
    first, second = (SNIPEmbedder(folder, max_rows=50, random_state=s) for s in (0, 1))
    np.testing.assert_array_equal(first.encode_data(data), clone(first).encode_data(data))
    assert not np.array_equal(first.encode_data(data), second.encode_data(data))


def test_similarity_and_neighbours(embedder: SNIPEmbedder):
    data = tables()
    similarity = embedder.similarity(EQUATIONS, data)
    expected = embedder.encode_equations(EQUATIONS) @ embedder.encode_data(data).T
    np.testing.assert_allclose(similarity, expected, rtol=1e-5)
    best = embedder.nearest(*data[1], EQUATIONS, k=2)
    assert [n.index for n in best] == np.argsort(-similarity[:, 1])[:2].tolist()
    assert best[0].equation == EQUATIONS[best[0].index]


def test_it_is_a_transformer(folder: Path):
    embedder = clone(SNIPEmbedder(str(folder), kind="data"))
    data = tables(12)
    vectors = embedder.fit_transform(data)
    np.testing.assert_array_equal(vectors, embedder.encode_data(data))
    assert embedder.get_feature_names_out().tolist() == [f"snip{i}" for i in range(8)]
    sizes = np.array([len(y) for _, y in data], float)
    assert make_pipeline(embedder, Ridge()).fit(data, sizes).predict(data).shape == (12,)
    stored = pickle.dumps(embedder)
    assert len(stored) < 2000
    np.testing.assert_array_equal(pickle.loads(stored).transform(data), vectors)  # noqa: S301


BAD_DATA = [
    ((np.ones((3, 3)), np.ones(3)), "has 3 columns"),
    ((np.array([1.0, np.nan, 3.0]), np.ones(3)), "NaN or infinity in 1 of 3 rows, first 1"),
    ((np.ones(3), np.ones(4)), r"\(3, 1\) and \(4,\)"),
    ((np.ones((0, 1)), np.ones(0)), "got"),
    (("a", "b"), "no pair"),
    (np.ones(3), "no pair"),
]


@pytest.mark.parametrize(("pair", "message"), BAD_DATA)
def test_bad_data_is_named(embedder: SNIPEmbedder, pair: tuple, message: str):
    with pytest.raises(InvalidInput, match=f"data set 1 .*{message}"):
        embedder.encode_data([tables()[0], pair])


def test_bad_formulas_are_named(embedder: SNIPEmbedder):
    with pytest.raises(InvalidInput, match=r"formula 1 .*x2.*know 2"):
        embedder.encode_equations(["x0", "x2"])
    with pytest.raises(ParseError):
        embedder.encode_equations(["x0 +"])
    with pytest.raises(InvalidInput, match="put the one formula into"):
        embedder.encode_equations("x0")
    with pytest.raises(InvalidInput, match="formula 0 is text"):
        embedder.encode_equations([3])  # type: ignore[list-item]
    with pytest.raises(InvalidInput, match="symbols"):
        embedder.encode_equations([" + ".join(["x0"] * 150)])


def test_bad_settings_are_named(folder: Path):
    with pytest.raises(InvalidInput, match="'equations' or 'data'"):
        SNIPEmbedder(folder, kind="both").fit()  # type: ignore[arg-type]
    with pytest.raises(WeightsNotFound, match="looked at"):
        SNIPEmbedder("no-such-weights").encode_equations(["x0"])
    with pytest.raises(InvalidInput, match="k must be"):
        SNIPEmbedder(folder).nearest([1.0], [1.0], ["x0"], k=0)
