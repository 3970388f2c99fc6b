"""SNIPModel: invariances, the compatible form against torch's own transformer, files."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from symnum.exceptions import InvalidInput, WeightsNotFound  # noqa: E402
from symnum.expressions.tokenizer import ExpressionTokenizer  # noqa: E402
from symnum.models import SNIPConfig, SNIPModel, find_weights  # noqa: E402
from symnum.models.layers import Attention, AttentionPooling, Block, number_features  # noqa: E402
from symnum.models.precision import half_is_fast, mixed_precision  # noqa: E402
from symnum.models.snip import symbolic  # noqa: E402
from symnum.models.snip.numeric import PER_VALUE, point_features  # noqa: E402
from symnum.synthesis import EquationGenerator, EquationStream  # noqa: E402
from symnum.training.collator import SNIPCollator  # noqa: E402

SMALL = {
    "width": 32,
    "heads": 2,
    "hidden": 64,
    "latent": 16,
    "symbolic_layers": 2,
    "numeric_layers": 2,
    "reads": 1,
}
FORMS = {
    "inducing": SMALL,
    "full": SMALL | {"numeric_encoder": "full"},
    "residual": SMALL | {"residual": True},
    "tokens": SMALL | {"symbol_input": "tokens", "point_input": "tokens", "token_width": 4},
    "post-norm": SMALL | {"norm_first": False, "normalize": False},
}


def make(name: str = "inducing", seed: int = 0) -> SNIPModel:
    torch.manual_seed(seed)
    return SNIPModel(SNIPConfig(max_dim=2, **FORMS[name])).eval()


def inputs(model: SNIPModel, n: int = 6) -> dict:
    generator = EquationGenerator("improved", max_dim=2, n_points=24, seed=5)
    batch = next(iter(EquationStream(generator, batch_size=n, pool=2, numbers=True)))
    found = SNIPCollator(model.config)(batch)
    found.pop("hashes")
    return found


@pytest.mark.parametrize("name", FORMS)
def test_order_of_points_and_padding_change_nothing(name: str):
    model = make(name)
    given = inputs(model)
    with torch.no_grad():
        first = model(**given)
        order = torch.randperm(given["points"].shape[1], generator=torch.Generator().manual_seed(1))
        mixed = given | {"points": given["points"][:, order], "point_mask": given["point_mask"][:, order]}
        again = model(**mixed)
        pad = torch.nn.functional.pad
        padded = given | {
            "points": pad(given["points"], (0, 0, 0, 7), value=model.tokenizer.pad_id),
            "point_mask": pad(given["point_mask"], (0, 7)),
            **{
                k: pad(given[k], (0, 5), value=0)
                for k in ("values", "parents", "slots", "depths")
                if k in given
            },
            "symbols": pad(given["symbols"], (0, 5), value=model.tokenizer.pad_id),
            "symbol_mask": pad(given["symbol_mask"], (0, 5)),
        }
        longer = model(**padded)
    assert first.symbolic.shape == first.numeric.shape == (6, 16)
    for other in (again, longer):
        torch.testing.assert_close(other.symbolic, first.symbolic, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(other.numeric, first.numeric, rtol=1e-4, atol=1e-5)
    if model.config.normalize:
        torch.testing.assert_close(first.numeric.norm(dim=-1), torch.ones(6))


def test_formulas_of_a_large_batch_are_encoded_as_each_alone(monkeypatch: pytest.MonkeyPatch):
    model = make()
    given = inputs(model, 80)
    with torch.no_grad():
        parts = model(**given).symbolic
        monkeypatch.setattr(symbolic, "PARTS", 1)
        whole = model(**given).symbolic
        one = model(**{k: v[7:8] for k, v in given.items()}).symbolic
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(parts[7:8], one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("known", "fast"), [({"avx2": True}, False), ({"amx_bf16": True}, True)])
def test_bfloat16_is_used_where_the_processor_multiplies_it(known, fast, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known)
    assert half_is_fast() is fast
    with mixed_precision("cpu"):
        made = torch.ones(2, 2) @ torch.ones(2, 2)
    assert made.dtype == (torch.bfloat16 if fast else torch.float32)
    assert not half_is_fast("meta")


def test_every_parameter_learns():
    for name in FORMS:
        model = make(name)
        out = model(**inputs(model))
        (out.scale * (out.symbolic * out.numeric.roll(1, 0)).sum()).backward()
        without = [k for k, p in model.named_parameters() if p.requires_grad and p.grad is None]
        assert not without


def test_bfloat16_is_close_and_finite():
    model = make()
    given = inputs(model)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        half = model(**given)
    with torch.no_grad():
        full = model(**given)
    assert half.symbolic.dtype == torch.float32
    assert float((half.symbolic * full.symbolic).sum(-1).min()) > 0.99
    assert float((half.numeric * full.numeric).sum(-1).min()) > 0.99


@pytest.mark.parametrize("norm_first", [True, False])
def test_block_is_torchs_encoder_layer(norm_first: bool):
    torch.manual_seed(0)
    ours = Block(16, 4, 32, norm_first, activation="relu").eval()
    theirs = torch.nn.TransformerEncoderLayer(
        16, 4, 32, 0.0, "relu", batch_first=True, norm_first=norm_first
    ).eval()
    qkv = [ours.attention.query, ours.attention.key_value]
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(torch.cat([m.weight for m in qkv]))
        theirs.self_attn.in_proj_bias.copy_(torch.cat([m.bias for m in qkv]))
    pairs = [
        (theirs.self_attn.out_proj, ours.attention.out),
        (theirs.linear1, ours.hidden),
        (theirs.linear2, ours.out),
        (theirs.norm1, ours.norm_attention),
        (theirs.norm2, ours.norm_hidden),
    ]
    for their, our in pairs:
        their.load_state_dict(our.state_dict())
    x = torch.randn(3, 7, 16)
    mask = torch.arange(7) < torch.tensor([7, 4, 2])[:, None]
    with torch.no_grad():
        expected = theirs(x, src_key_padding_mask=~mask)
        found = ours(x, mask)
    torch.testing.assert_close(found[mask], expected[mask], rtol=1e-4, atol=1e-5)


def test_written_out_attention_is_the_fused_one():
    torch.manual_seed(0)
    attention = Attention(16, 4)
    x, memory = torch.randn(2, 5, 16), torch.randn(2, 9, 16)
    mask = torch.arange(9) < torch.tensor([9, 3])[:, None]
    q = attention.query(x).view(2, -1, 4, 4).transpose(1, 2)
    k, v = (p.view(2, -1, 4, 4).transpose(1, 2) for p in attention.key_value(memory).chunk(2, -1))
    fused = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
    expected = attention.out(fused.transpose(1, 2).reshape(2, 5, 16))
    torch.testing.assert_close(attention(x, memory, mask), expected)


def test_pooling_with_and_without_padding():
    pooling = AttentionPooling(4)
    torch.nn.init.zeros_(pooling.score.weight)
    x = torch.arange(12.0).view(1, 3, 4)
    mask = torch.tensor([[True, True, False]])
    torch.testing.assert_close(pooling(x, mask), x[:, :2].mean(1))
    torch.testing.assert_close(AttentionPooling.forward(pooling, x), x.mean(1))
    pooling.masked = False
    torch.testing.assert_close(pooling(x, mask), x.mean(1))


def test_features_of_points():
    rng = np.random.default_rng(0)
    values = rng.normal(3, 2, size=(1, 40, 3)).astype(np.float32)
    values[:, :, 1] = 0
    used = torch.tensor([[True, False, True]])
    points, statistics = point_features(torch.from_numpy(values), used, torch.ones(1, 40, dtype=torch.bool))
    column = points.view(40, 3, PER_VALUE)
    y = values[0, :, 2].astype(float)
    np.testing.assert_allclose(column[:, 2, 2], (y - y.mean()) / y.std(), atol=1e-4)
    np.testing.assert_allclose(column[:, 2, 3], 2 * np.argsort(np.argsort(y)) / 39 - 1, atol=1e-6)
    np.testing.assert_allclose(column[:, 2, 0], np.sign(y) * np.log1p(abs(y)) / 4, atol=1e-5)
    assert torch.all(column[:, 1] == 0)
    assert torch.isfinite(statistics).all()
    huge = torch.full((1, 4, 3), 1e30)
    assert all(torch.isfinite(part).all() for part in point_features(huge, used, torch.ones(1, 4).bool()))


def test_features_of_numbers_tell_neighbours_apart():
    numbers = torch.tensor([0.0, 1.23, 1.24, -1.23, 12.3, 1e-30, 1e30])
    features = number_features(numbers)
    assert torch.isfinite(features).all()
    assert torch.cdist(features, features).fill_diagonal_(1).min() > 1e-2


def test_compat_has_the_size_of_the_reference():
    # By the shapes of the reference code: encoders of 27.6 and 32.9 million, points 6.2 million; less the
    # rows of its two tables of 4,096 positions that sequences of 200 never use.
    expected = (27.6 + 32.9 + 6.2) * 1e6 - 2 * (4096 - 200) * 512
    config = SNIPConfig.compat(max_dim=10)
    with torch.device("meta"):
        count = sum(p.numel() for p in SNIPModel(config).parameters())
    assert math.isclose(count, expected, rel_tol=0.003)


def test_compat_depends_on_order_and_padding_as_the_reference():
    torch.manual_seed(0)
    config = SNIPConfig.compat(
        max_dim=2, width=32, heads=2, hidden=64, latent=16, symbolic_layers=1, numeric_layers=1, token_width=4
    )
    model = SNIPModel(config).eval()
    given = inputs(model)
    assert given["symbols"].shape[1] == 200
    with torch.no_grad():
        out = model(**given)
        other = model(**given | {"points": given["points"].flip(1)})
    assert float(out.scale) == 1.0
    assert not torch.allclose(out.numeric, other.numeric, atol=1e-4)
    assert out.numeric.norm(dim=-1).std() > 0


# -------------------------------------------------------------------------------------------------- files
@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make().save_pretrained(tmp_path / "some")
    return tmp_path / "some"


def test_saved_and_read_again(folder: Path):
    model, again = make(), SNIPModel.from_pretrained(folder)
    given = inputs(model)
    with torch.no_grad():
        torch.testing.assert_close(again(**given).symbolic, model(**given).symbolic)
    assert ExpressionTokenizer.load(folder) == again.tokenizer
    from transformers import AutoConfig, AutoModel

    assert isinstance(AutoConfig.from_pretrained(folder), SNIPConfig)
    assert isinstance(AutoModel.from_pretrained(folder), SNIPModel)


def test_half_precision_files_are_read_as_float32(folder: Path):
    make().half().save_pretrained(folder)
    model = SNIPModel.from_pretrained(folder)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_missing_weights_name_every_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SYMNUM_MODELS", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "mine" / "no-such").mkdir(parents=True)
    with pytest.raises(WeightsNotFound) as caught:
        SNIPModel.from_pretrained("no-such", hub=True)
    text = str(caught.value)
    for place in (
        "path",
        "$SYMNUM_MODELS",
        "mine/no-such (there, but",
        "package",
        "user cache",
        "HF_HUB_OFFLINE",
    ):
        assert place in text


def test_weights_are_found_in_order(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SYMNUM_MODELS", raising=False)
    cached = tmp_path / "cache" / "symnum" / "models" / "some"
    shutil.copytree(folder, cached)
    assert find_weights("some") == cached
    monkeypatch.setenv("SYMNUM_MODELS", str(tmp_path))
    assert find_weights("some") == folder
    assert find_weights(str(folder)) == folder


def test_damaged_weights_are_named(folder: Path):
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidInput, match=r"model\.safetensors is damaged"):
        SNIPModel.from_pretrained(folder)
    path.write_bytes(whole)
    (folder / "config.json").write_text("{")
    with pytest.raises(InvalidInput, match=r"config\.json is damaged"):
        SNIPModel.from_pretrained(folder)


def change(folder: Path, name: str, **values: object) -> None:
    data = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(data | values))


def test_another_tokenizer_is_refused(folder: Path):
    ExpressionTokenizer.snip(3).save(folder)
    with pytest.raises(InvalidInput, match="does not belong to this model"):
        SNIPModel.from_pretrained(folder)
    ExpressionTokenizer.snip(2).save(folder)
    change(folder, "tokenizer.json", version=99)
    with pytest.raises(InvalidInput, match="version 99"):
        SNIPModel.from_pretrained(folder)


def test_another_format_and_another_kind_are_refused(folder: Path):
    change(folder, "config.json", format_version=99)
    with pytest.raises(InvalidInput, match="format 99"):
        SNIPModel.from_pretrained(folder)
    change(folder, "config.json", format_version=1, model_type="bert")
    with pytest.raises(InvalidInput, match="'bert'"):
        SNIPModel.from_pretrained(folder)


def test_tensors_that_do_not_fit_the_config_are_refused(folder: Path):
    change(folder, "config.json", symbolic_layers=3)
    with pytest.raises(InvalidInput, match="lacks"):
        SNIPModel.from_pretrained(folder)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"width": 30, "heads": 4}, "divide"),
        ({"symbol_input": "words"}, "values, tokens"),
        ({"reads": 9}, "reads"),
        ({"tau": 0.0}, "above 0"),
    ],
)
def test_bad_settings_are_named(setting: dict, message: str):
    with pytest.raises(InvalidInput, match=message):
        SNIPConfig(**setting)
