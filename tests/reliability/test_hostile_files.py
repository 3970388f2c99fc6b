"""Files from strangers: configurations, models, weights and tables that lie, are damaged or ask too much."""

from __future__ import annotations

import json
import struct
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from symnum import SymbolicRegressor
from symnum.exceptions import InvalidInput, SymnumError
from symnum.tables import features_and_target, read_table

CORPUS = Path(__file__).parent / "corpus"


# ------------------------------------------------------------------------------------------ configurations
BOMB = "a0: &a0 [x, x]\n" + "".join(
    f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}, *a{i - 1}, *a{i - 1}]\n" for i in range(1, 40)
)
YAML = {
    "aliases of aliases": BOMB,
    "a list that holds itself": "name: &a [*a]\n",
    "a mapping that holds itself": "name: &a {b: *a}\n",
    "deep lists": "name: " + "[" * 5_000,
    "deep mappings": "name: " + "{a: " * 5_000,
    "a list as key": "[a, b]: c\n",
    "a mapping as key": "? {a: b}\n: c\n",
    "a code object": "!!python/object/apply:os.system ['true']\n",
    "a new object": "a: !!python/object/new:type [x, [], {}]\n",
    "a tuple": "a: !!python/tuple [1]\n",
    "no date": "a: 2001-99-99\n",
    "no number": "a: !!int abc\n",
    "no binary": "a: !!binary €\n",
    "a merge of text": "<<: text\n",
    "control characters": "a: \x07\n",
    "an open quote": "a: 'b\n",
    "a tab": "a:\n\t- b\n",
    "only a tag": "!!set\n",
    "many documents": "a: b\n---\nc: d\n",
    "huge": "a: " + "x" * 2_000_000,
    "empty": "",
    "only text": "hello",
    "a list": "- a\n- b\n",
}


@pytest.mark.parametrize("kind", YAML)
def test_configurations(kind, tmp_path):
    yaml = pytest.importorskip("yaml")
    assert yaml
    from symnum.evaluation.config import read_config

    path = tmp_path / "c.yaml"
    path.write_text(YAML[kind])
    began = time.thread_time()
    with pytest.raises(InvalidInput, match=r"c\.yaml") as caught:
        read_config(path)
    assert time.thread_time() - began < 3
    assert len(str(caught.value)) < 2_000


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("workers: .inf", "workers"),
        ("max_time: .nan", "max_time"),
        ("max_time: -1", "max_time"),
        (f"max_time: 1{'0' * 400}", "max_time"),
        ("seeds: 100000000000", "seeds"),
        ("seeds: -1", "seeds"),
        ("n_jobs: [1]", "n_jobs"),
        ("name: {a: b}", "name"),
    ],
)
def test_values_of_configurations(change, word, tmp_path):
    pytest.importorskip("yaml")
    from symnum.evaluation.config import read_config

    lines = {"name": "a", "methods": "linear", "problems": "[{find: nguyen/1}]"}
    lines.pop(change.partition(":")[0], None)
    path = tmp_path / "c.yaml"
    path.write_text("\n".join([*(f"{k}: {v}" for k, v in lines.items()), change]))
    with pytest.raises(InvalidInput, match=word):
        read_config(path)


@pytest.mark.parametrize(
    "text", ["data: text", "model: [1]", "training: 3", "1: 2\nx: y", "data: {a: 1, 2: 3}"]
)
def test_settings_of_trainings(text, tmp_path):
    pytest.importorskip("torch")
    from symnum.training.settings import Settings

    path = tmp_path / "t.yaml"
    path.write_text(text)
    for changes in ({}, {"data.seed": 1}):
        with pytest.raises(InvalidInput):
            Settings.read(path, changes)


# ------------------------------------------------------------------------------------------ models
@pytest.fixture(scope="module")
def model(given_search):
    X = np.random.default_rng(0).uniform(1, 5, (30, 2))
    return SymbolicRegressor(search=given_search("2.5", "x0*1.5", "x0*x1"), max_evals=3).fit(
        X, X[:, 0] * X[:, 1] + 0.01 * X[:, 0] ** 2
    )


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.json"
    model.save(path)
    return json.loads(path.read_text())


def use(path):
    """Load and do what a user does; all of it may only refuse as documented."""
    try:
        back = SymbolicRegressor.load(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn's, about names of columns
            for i in range(len(back.expressions_)):
                back.predict(np.ones((2, 2)), index=i), back.constants(i), back.latex(i), back.source("c", i)
                back.predict_interval(np.ones((2, 2)), index=i)
            back.latex_table()
        return str(back.equations_), back.sympy(), repr(back)
    except (SymnumError, ValueError):
        return None


WRONG: list = [
    None,
    True,
    -1,
    3,
    1.0,
    2.5,
    10**30,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "x0",
    "__import__('os')",
]
WRONG += [[], {}, [[]], ["a"] * 3, {"a": 1}, [None] * 3, [1e400] * 3]


def test_every_entry_of_a_model_with_every_wrong_value(saved, tmp_path):
    """No entry of a model file can make loading or using it fail in an undocumented way."""
    path = tmp_path / "m.json"
    places = [(k,) for k in saved] + [("params", k) for k in saved["params"]]
    places += [("equations", k) for k in saved["equations"]] + [
        ("expressions", 0),
        ("expressions", 0, "prefix"),
    ]
    places += [("expressions", 0, "names"), ("uncertainties", 0), ("uncertainties", 0, "covariance")]
    places += [("uncertainties", 0, k) for k in ("fitted", "noise", "freedom")]
    for place in places:
        for wrong in [*WRONG, [5], [-9], [0, 0]]:
            data = json.loads(json.dumps(saved))
            inner = data
            for key in place[:-1]:
                inner = inner[key]
            if inner is None:
                continue
            inner[place[-1]] = wrong
            path.write_text(json.dumps(data))
            use(path)


def test_a_table_shows_the_formulas_that_are_computed(saved, tmp_path):
    """A file cannot show one formula and compute another."""
    path = tmp_path / "m.json"
    saved = json.loads(json.dumps(saved))
    saved["equations"]["equation"] = ["x0"] * len(saved["expressions"])
    saved["equations"]["selected"] = [True] * len(saved["expressions"])
    path.write_text(json.dumps(saved))
    back = SymbolicRegressor.load(path)
    assert back.equations_["equation"].tolist() == [str(e) for e in back.expressions_] != ["x0"]
    assert np.flatnonzero(back.equations_["selected"]).tolist() == [saved["best_index"]]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 100_000,
        '{"a":' * 50_000,
        '{"format": "symnum-model", "version": ' + "9" * 10_000 + "}",
        '{"format": "symnum-model", "version": 1}',
        "NaN",
        "null",
        "\ufeff{}",
        '{"format": "symnum-model", "version": 1, "params": {"search": "os:system"}, "n_features_in": 1}',
    ],
    ids=range(9),
)
def test_files_that_are_no_models(text, tmp_path):
    path = tmp_path / "m.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"m\.json"):
        SymbolicRegressor.load(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_bytes_of_a_model(saved, tmp_path, data):
    raw = bytearray(json.dumps(saved).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "m.json"
    path.write_bytes(raw[: data.draw(st.integers(len(raw) // 2, len(raw)))])
    use(path)


# ------------------------------------------------------------------------------------------ tables
def read(raw: bytes, tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_bytes(raw)
    try:
        table = read_table(path)
        return features_and_target(table, str(table.columns[-1]))
    except InvalidInput as error:
        return error


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.csv")), ids=lambda p: p.stem)
def test_corpus_of_tables(path, tmp_path):
    began = time.thread_time()
    made = read(path.read_bytes(), tmp_path)
    if not isinstance(made, InvalidInput):
        X, y, _ = made
        assert np.all(np.isfinite(X))
        assert np.all(np.isfinite(y))
    assert time.thread_time() - began < 1


TABLES = [
    b"a,b\n1,2\n3,4\n", b'a;b\n1,5;"2\n', b"\xff\xfea\0,\0b\0\n\x001\0", b"\xef\xbb\xbfa\tb\n1\t2\n",
    b"a b\n1 2\n", b'"a""b",c\n1,2\n', "é,ü\n1,2\n3,5\n".encode("cp1252"), b"#\n\n,\n", b"a,b\r\r\n1,2\r3,4",
]  # fmt: skip


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    raw=st.binary(max_size=80)
    | st.lists(st.sampled_from([*b",;\t \"'\n\r\0#1290.eE-+ab\xff\xfe"])).map(bytes)
    | st.tuples(st.sampled_from(TABLES), st.integers(0, 30), st.binary(max_size=4)).map(
        lambda t: t[0][: t[1]] + t[2] + t[0][t[1] :]
    )
)
def test_any_bytes_as_a_table(raw, tmp_path):
    read(raw, tmp_path)


# ------------------------------------------------------------------------------------------ weights
@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    pytest.importorskip("torch")
    from symnum.models import SNIPModel
    from symnum.models.snip.configuration import SNIPConfig

    folder = tmp_path_factory.mktemp("weights")
    small = {"width": 16, "heads": 2, "hidden": 16, "latent": 16, "symbolic_layers": 1, "numeric_layers": 1}
    SNIPModel(SNIPConfig(max_dim=1, inducing_points=2, reads=1, **small)).save_pretrained(folder)
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def load_weights(files, tmp_path):
    from symnum.models import SNIPModel

    for name, raw in files.items():
        (tmp_path / name).write_bytes(raw)
    return SNIPModel.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"width": 10**9, "heads": 1},
        {"hidden": 10**12},
        {"symbolic_layers": 10**9},
        {"symbolic_layers": -1},
        {"numeric_layers": 500},
        {"max_symbols": 10**12},
        {"width": float("nan")},
        {"width": 1e400},
        {"width": "16"},
        {"width": None},
        {"heads": 0},
        {"max_dim": 10**12},
        {"max_dim": "many"},
        {"max_dim": [1]},
        {"tau": "0.1"},
        {"activation": ["gelu"]},
        {"attn_implementation": "stranger/kernel"},
        {"_attn_implementation": "stranger/kernel"},
        {"auto_map": {"AutoModel": "stranger/code--modeling.Model"}},
        {"quantization_config": {"quant_method": "stranger"}},
        {"__class__": "os.system"},
    ],
    ids=str,
)
def test_configurations_of_weights(change, weights, tmp_path):
    config = json.loads(weights["config.json"]) | change
    began = time.thread_time()
    with pytest.raises((InvalidInput, SymnumError)):
        load_weights(weights | {"config.json": json.dumps(config).encode()}, tmp_path)
    assert time.thread_time() - began < 3


def header(data: object, length: int | None = None) -> bytes:
    raw = json.dumps(data).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0" * 8,
        header({}, 2**63),
        header({}, 2**31),
        header({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}),
        header({"a": {"dtype": "F32", "shape": [2**63, 2**63], "data_offsets": [0, 4]}}) + b"\0" * 4,
        header({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}) + b"\0" * 4,
        header({"a": {"dtype": "X99", "shape": [1], "data_offsets": [0, 4]}}) + b"\0" * 4,
        header([]),
        struct.pack("<Q", 100_000) + b"[" * 100_000,
        b"PK\x03\x04" + b"\0" * 100,
        b"\x80\x04\x95" + b"cos\nsystem\n(S'true'\ntR.",
    ],
    ids=range(12),
)
def test_tensors_that_lie(raw, weights, tmp_path):
    with pytest.raises(InvalidInput, match="damaged"):
        load_weights(weights | {"model.safetensors": raw}, tmp_path)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"null", b"[" * 100_000, b"\xff\xfe", b'{"model_type": []}', b"3"], ids=range(7)
)
def test_json_of_weights(name, raw, weights, tmp_path):
    with pytest.raises(InvalidInput):
        load_weights(weights | {name: raw}, tmp_path)


def test_pickles_beside_and_instead_of_weights(weights, tmp_path):
    """A folder may hold a pickle; nothing opens it."""
    import pickle

    class Bomb:
        def __reduce__(self):
            return (Path.write_text, (tmp_path / "ran", "x"))

    bomb = pickle.dumps(Bomb())
    load_weights(weights | {"pytorch_model.bin": bomb, "training_args.bin": bomb}, tmp_path)
    assert not (tmp_path / "ran").exists()
    (tmp_path / "model.safetensors").unlink()
    files = {k: v for k, v in weights.items() if k != "model.safetensors"}
    with pytest.raises(SymnumError):
        load_weights(files | {"pytorch_model.bin": bomb}, tmp_path)
    assert not (tmp_path / "ran").exists()


def test_adapters_are_refused(weights, tmp_path):
    adapter = b'{"base_model_name_or_path": "stranger/model", "peft_type": "LORA"}'
    with pytest.raises(InvalidInput, match="adapter"):
        load_weights(weights | {"adapter_config.json": adapter}, tmp_path)
