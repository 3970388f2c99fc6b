"""PROSEModel: parameter count, invariances, units, decoding, files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from symnum.exceptions import InvalidInput  # noqa: E402
from symnum.expressions import Expression  # noqa: E402
from symnum.models import (  # noqa: E402
    DeepONetConfig,
    DeepONetModel,
    GRUConfig,
    GRUModel,
    PROSEConfig,
    PROSEModel,
)
from symnum.models.grammar import Grammar  # noqa: E402
from symnum.models.layers import DecoderBlock, sinusoids  # noqa: E402
from symnum.models.prose.inference import Reading, Window  # noqa: E402
from symnum.models.prose.modeling import relative_loss  # noqa: E402

TINY = {
    "width": 32, "heads": 2, "hidden": 64, "data_layers": 1, "symbol_layers": 1, "fusion_layers": 1,
    "data_decoder_layers": 1, "symbol_decoder_layers": 2, "max_symbols": 64,
}  # fmt: skip
FORMS = {
    "scaled": {},
    "steps": {"patch": 1},
    "paper": {
        "scaled": False, "patch": 1, "frequencies": 0, "norm_first": False, "split_data": True,
        "split_symbols": True,
    },
}  # fmt: skip


def make(form: str = "scaled", **more: object) -> PROSEModel:
    torch.manual_seed(0)
    return PROSEModel(PROSEConfig(**(TINY | FORMS[form] | more))).eval()


def inputs(model: PROSEModel, b: int = 3, m: int = 13, n: int = 7, q: int = 9) -> dict:
    g = torch.Generator().manual_seed(1)
    d = model.config.values
    given = {
        "data_times": torch.rand(b, m, generator=g).sort(1).values * 2,
        "data_values": torch.randn(b, m, d, generator=g),
        "data_mask": torch.ones(b, m, dtype=torch.bool),
        "dim_mask": torch.ones(b, d, dtype=torch.bool),
        "query_times": 2 + 4 * torch.rand(b, q, generator=g),
        "data_labels": torch.randn(b, q, d, generator=g),
    }
    if model.config.symbol_input:
        given["input_ids"] = torch.randint(5, 40, (b, n), generator=g)
        given["attention_mask"] = torch.ones(b, n, dtype=torch.bool)
    if model.config.symbol_output:
        labels = torch.randint(5, 40, (b, n + 2), generator=g)
        labels[:, 0], labels[:, -1] = model.tokenizer.bos_id, model.tokenizer.eos_id
        given["labels"] = labels
    return given


def count(config: PROSEConfig) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in PROSEModel(config).parameters())


# ---------------------------------------------------------------- size
def test_the_papers_size():
    """Every part counted by hand: 104.35 million, the paper's 104.4 in its rounding (specification 4.1)."""
    d, f, words = 512, 2048, 1061
    attention, network, norm = 4 * (d * d + d), 2 * d * f + f + d, 2 * d
    encoder = attention + network + 2 * norm
    decoder = 2 * attention + network + 3 * norm
    embedder = (4 * d + d) + (d * d + d)
    parts = [
        embedder + norm + 2 * encoder,  # data encoder
        words * d + norm + 4 * encoder,  # symbol encoder
        2 * d + norm + 8 * encoder,  # fusion
        2 * d + norm + 8 * encoder + 3 * d + 3,  # data decoder
        words * d + norm + 8 * decoder + words,  # symbol decoder
    ]
    assert count(PROSEConfig.compat()) == sum(parts)
    assert abs(sum(parts) - 104.4e6) < 0.06e6


def test_modes_leave_parts_out():
    whole = count(PROSEConfig(**TINY))
    data = PROSEConfig(**TINY, symbol_output=False)
    symbols = PROSEConfig(**TINY, data_output=False)
    alone = PROSEConfig(**TINY, symbol_input=False, symbol_output=False)
    sizes = [count(c) for c in (data, symbols, alone)]
    assert all(s < whole for s in sizes)
    assert sizes[2] < sizes[0]
    for config in (data, symbols, alone):
        torch.manual_seed(0)
        model = PROSEModel(config).eval()
        out = model(**inputs(model))
        assert (out.data_pred is None) == (not config.data_output)
        assert (out.symbol_logits is None) == (not config.symbol_output)
    model = make(data_output=False)
    encoded = model.encode(torch.rand(1, 4), torch.rand(1, 4, 3))
    with pytest.raises(InvalidInput, match="gives no data"):
        model.forecast(encoded, torch.rand(1, 2))


@pytest.mark.parametrize("form", FORMS)
def test_every_parameter_learns(form: str):
    model = make(form)
    model(**inputs(model)).loss.backward()
    assert not [k for k, p in model.named_parameters() if p.grad is None]


def test_loss_is_what_the_paper_says():
    model = make("paper")
    given = inputs(model)
    with torch.no_grad():
        out = model(**given)
    made, y = out.data_pred.detach().numpy().astype(float), given["data_labels"].numpy().astype(float)
    by_hand = np.mean([np.sum((a - b) ** 2) / (np.sum(b**2) + 1e-5) for a, b in zip(made, y, strict=True)])
    assert float(out.data_loss) == pytest.approx(by_hand, rel=1e-5)
    chances = out.symbol_logits.detach().double().log_softmax(-1)
    target = given["labels"][:, 1:]
    assert float(out.symbol_loss) == pytest.approx(
        -float(chances.gather(2, target[..., None]).mean()), rel=1e-5
    )
    assert float(out.loss) == pytest.approx(6 * float(out.data_loss) + float(out.symbol_loss), rel=1e-6)


def test_states_that_die_out_do_not_rule_the_loss():
    made, labels = torch.full((2, 5, 3), 0.1), torch.full((2, 5, 3), 1e-6)
    labels[1] = 0.2
    plain = relative_loss(made, labels)
    bounded = relative_loss(made, labels, least=torch.full((2, 1, 3), 0.1))
    assert float(plain) > 100
    assert float(bounded) == pytest.approx((1 + 0.25) / 2, rel=1e-3)
    there = torch.tensor([[True, True, False]] * 2)
    of_two = relative_loss(made[..., :2], labels[..., :2], least=torch.full((2, 1, 2), 0.1))
    assert relative_loss(made, labels, there, torch.full((2, 1, 3), 0.1)) == of_two


# ---------------------------------------------------------------- invariances
@pytest.mark.parametrize("form", FORMS)
@torch.no_grad()
def test_queries_are_independent(form: str):
    model = make(form)
    given = inputs(model)
    first = model(**given).data_pred
    order = torch.randperm(first.shape[1], generator=torch.Generator().manual_seed(2))
    mixed = model(**given | {"query_times": given["query_times"][:, order]}).data_pred
    torch.testing.assert_close(mixed, first[:, order], rtol=1e-4, atol=1e-5)
    other = given["query_times"].clone()
    other[:, 0] = 5.5
    changed = model(**given | {"query_times": other}).data_pred
    torch.testing.assert_close(changed[:, 1:], first[:, 1:], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(changed[:, 0], first[:, 0])


@pytest.mark.parametrize("form", FORMS)
@torch.no_grad()
def test_padding_changes_nothing(form: str):
    model = make(form)
    given = inputs(model)
    first = model(**given)
    pad = torch.nn.functional.pad
    longer = given | {
        "data_times": pad(given["data_times"], (0, 5), value=9.0),
        "data_values": pad(given["data_values"], (0, 0, 0, 5), value=7.0),
        "data_mask": pad(given["data_mask"], (0, 5)),
        "input_ids": pad(given["input_ids"], (0, 4), value=model.tokenizer.pad_id),
        "attention_mask": pad(given["attention_mask"], (0, 4)),
        "labels": pad(given["labels"], (0, 3), value=model.tokenizer.pad_id),
    }
    again = model(**longer)
    torch.testing.assert_close(again.data_pred, first.data_pred, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        again.symbol_logits[:, : first.symbol_logits.shape[1]], first.symbol_logits, rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(again.loss, first.loss, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_later_words_do_not_matter_for_earlier_ones():
    model = make()
    given = inputs(model)
    first = model(**given).symbol_logits
    other = given["labels"].clone()
    other[:, 5:] = 7
    changed = model(**given | {"labels": other}).symbol_logits
    torch.testing.assert_close(changed[:, :5], first[:, :5], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(changed[:, 6], first[:, 6])


@torch.no_grad()
def test_fused_places_are_split_or_shared():
    """The paper's decoder of states reads its own places alone."""
    paper, ours = make("paper"), make()
    given = inputs(paper)
    split = paper.encode(*(given[k] for k in ("data_times", "data_values")), input_ids=given["input_ids"])
    assert split.data.shape[1] == 13
    assert split.symbols.shape[1] == 7
    shared = ours.encode(*(given[k] for k in ("data_times", "data_values")), input_ids=given["input_ids"])
    assert shared.data.shape[1] == shared.symbols.shape[1] == 4 + 7  # patches of four steps


@torch.no_grad()
def test_states_scale_with_the_window_up_to_the_features_of_its_units():
    """With the features of the units cut off, times and states in other units give the same forecast."""
    model = make()
    c = model.config
    model.data_encoder.embed_in.weight[:, c.patch * (2 + 2 * c.frequencies + c.values) :] = 0
    given = inputs(model)
    first = model(**given).data_pred
    scale = torch.tensor([1e2, 1e-1, 5.0])
    other = given | {
        "data_times": 100 + 50 * given["data_times"],
        "query_times": 100 + 50 * given["query_times"],
        "data_values": given["data_values"] * scale,
    }
    torch.testing.assert_close(model(**other).data_pred, first * scale, rtol=2e-3, atol=1e-4)


def test_bfloat16_is_close():
    model = make()
    given = inputs(model)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        half = model(**given)
    with torch.no_grad():
        full = model(**given)
    assert float(half.loss) == pytest.approx(float(full.loss), rel=0.05)


# ---------------------------------------------------------------- parts
@pytest.mark.parametrize("norm_first", [True, False])
@torch.no_grad()
def test_decoder_block_is_torchs(norm_first: bool):
    torch.manual_seed(0)
    ours = DecoderBlock(16, 4, 32, norm_first, activation="relu").eval()
    theirs = torch.nn.TransformerDecoderLayer(
        16, 4, 32, 0.0, "relu", batch_first=True, norm_first=norm_first
    ).eval()
    for mine, other in ((ours.attention, theirs.self_attn), (ours.cross, theirs.multihead_attn)):
        other.in_proj_weight.copy_(torch.cat([mine.query.weight, mine.key_value.weight]))
        other.in_proj_bias.copy_(torch.cat([mine.query.bias, mine.key_value.bias]))
        other.out_proj.load_state_dict(mine.out.state_dict())
    pairs = [
        (theirs.linear1, ours.hidden), (theirs.linear2, ours.out), (theirs.norm1, ours.norm_attention),
        (theirs.norm2, ours.norm_cross), (theirs.norm3, ours.norm_hidden),
    ]  # fmt: skip
    for other, mine in pairs:
        other.load_state_dict(mine.state_dict())
    x, memory = torch.randn(2, 6, 16), torch.randn(2, 5, 16)
    mask = torch.nn.Transformer.generate_square_subsequent_mask(6)
    expected = theirs(x, memory, tgt_mask=mask, tgt_is_causal=True)
    made, _ = ours(x, ours.cross.project(memory))
    torch.testing.assert_close(made, expected, rtol=1e-5, atol=1e-5)


def test_sinusoids_are_those_of_the_transformer():
    table = sinusoids(50, 16).numpy()
    place, i = 37, 5
    assert table[place, 2 * i] == pytest.approx(np.sin(place / 10_000 ** (2 * i / 16)), abs=1e-6)
    assert table[place, 2 * i + 1] == pytest.approx(np.cos(place / 10_000 ** (2 * i / 16)), abs=1e-6)


# ---------------------------------------------------------------- decoding
@pytest.mark.parametrize("form", FORMS)
def test_every_decoded_system_is_read_and_has_its_equations(form: str):
    """Weights are random, so only the grammar makes systems of what comes out."""
    model = make(form, max_dim=4)
    g = torch.Generator().manual_seed(5)
    encoded = model.encode(torch.rand(4, 9).sort(1).values, torch.randn(4, 9, 4, generator=g))
    dims = torch.tensor([1, 2, 3, 4])
    greedy = model.generate_symbols(encoded, dims)
    drawn = model.generate_symbols(encoded, dims, count=12, temperature=1.5, generator=g)
    short = model.generate_symbols(encoded, dims, count=12, temperature=3.0, generator=g, max_words=14)
    assert short.tokens.shape[-1] <= 14
    for made in (greedy, drawn, short):
        for d, rows in zip(dims.tolist(), made.tokens.numpy(), strict=True):
            for row in rows:
                system = model.tokenizer.decode_system(row)
                assert len(system) == d
                assert max((v for e in system for v in e.variables), default=0) < d
    assert len({tuple(r) for r in drawn.tokens[3].tolist()}) > 6


def test_cache_changes_nothing_and_seeds_repeat():
    model = make()
    encoded = model.encode(torch.rand(3, 9).sort(1).values, torch.randn(3, 9, 3))
    dims = torch.tensor([3, 3, 2])

    def draw(seed: int, cached: bool):
        g = torch.Generator().manual_seed(seed)
        return model.generate_symbols(encoded, dims, count=5, temperature=1.0, generator=g, cached=cached)

    with_cache, without, other = draw(1, True), draw(1, False), draw(2, True)
    assert torch.equal(with_cache.tokens, without.tokens)
    torch.testing.assert_close(with_cache.scores, without.scores, rtol=1e-4, atol=1e-3)
    assert not torch.equal(with_cache.scores, other.scores)
    with pytest.raises(InvalidInput, match="temperature"):
        model.generate_symbols(encoded, dims, count=2)
    with pytest.raises(InvalidInput, match="too few"):
        model.generate_symbols(encoded, dims, max_words=5)


def test_cached_logits_are_those_of_one_pass():
    model = make()
    given = inputs(model)
    encoded = model.encode(*(given[k] for k in ("data_times", "data_values")), input_ids=given["input_ids"])
    decoder, words = model.symbol_decoder, given["labels"][:, :-1]
    memory = decoder.remember(encoded.symbols)
    with torch.no_grad():
        whole, _ = decoder(words, memory, encoded.symbol_mask)
        past, steps = None, []
        for k in range(words.shape[1]):
            one, past = decoder(words[:, k : k + 1], memory, encoded.symbol_mask, past)
            steps.append(one)
    torch.testing.assert_close(torch.cat(steps, 1), whole, rtol=1e-4, atol=1e-5)


def test_grammar_allows_every_target_and_nothing_beside_it():
    model = make(max_dim=5)
    from symnum.synthesis.families.ode_families import ODE_FAMILIES

    grammar = Grammar(model.tokenizer.vocabulary)
    for system in ODE_FAMILIES.values():
        ids = model.tokenizer.encode(system.target(system.coefficients.central()))
        dims = torch.tensor([system.dimension])
        state = grammar.start(dims)
        for left, word in zip(range(len(ids) - 1, 0, -1), ids[1:], strict=True):
            allowed = grammar.allowed(state, left, dims)[0]
            assert allowed[word]
            assert not allowed[model.tokenizer.placeholder_id]
            assert not allowed[model.tokenizer.bos_id]
            state = grammar.advance(state, torch.tensor([word]))
        assert bool(state.ended)


# ---------------------------------------------------------------- fields
def test_fields():
    config = PROSEConfig(**TINY, max_dim=1, grid=16, head_hidden=8, patch=1)
    torch.manual_seed(0)
    model = PROSEModel(config).eval()
    windows = [Window(np.linspace(0, 1, 6), np.random.default_rng(0).normal(size=(6, 16))) for _ in range(2)]
    reading = Reading(model, windows)
    assert reading.states(np.array([[1.5, 2.0]] * 2)).shape == (2, 2, 16)
    systems = reading.systems(2, expressions=1)
    assert all(len(s.equations) == 1 for rows in systems for s in rows)
    assert systems[0][0].equations[0].names[:3] == ("u", "ut", "utt")
    assert 20e6 < count(PROSEConfig.compat(max_dim=1, grid=128, data_layers=1, fusion_layers=1)) < 104e6


# ---------------------------------------------------------------- files and bad input
def test_files_round_trip(tmp_path: Path):
    model = make()
    model.save_pretrained(tmp_path)
    again = PROSEModel.from_pretrained(tmp_path).eval()
    given = inputs(model)
    with torch.no_grad():
        torch.testing.assert_close(again(**given).loss, model(**given).loss)
    encoded = again.encode(torch.rand(1, 8), torch.rand(1, 8, 3))
    assert again.generate_symbols(encoded, torch.tensor([3])).tokens.ndim == 3
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["model_type"] == "symnum-prose"
    (tmp_path / "config.json").write_text(json.dumps(config | {"max_dim": 2}))
    with pytest.raises(InvalidInput, match="does not belong to this model"):
        PROSEModel.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "bert"}))
    with pytest.raises(InvalidInput, match="'bert', not 'symnum-prose'"):
        PROSEModel.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    content = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(InvalidInput, match="damaged"):
        PROSEModel.from_pretrained(tmp_path)


def test_bad_input_is_named():
    model = make(max_steps=16)
    with pytest.raises(InvalidInput, match="4 columns, this model takes 3"):
        model.encode(torch.rand(1, 8), torch.rand(1, 8, 4))
    with pytest.raises(InvalidInput, match="17 steps, this model takes up to 16"):
        model.encode(torch.rand(1, 17), torch.rand(1, 17, 3))
    with pytest.raises(InvalidInput, match="up to 3"):
        Reading(model, [Window(np.arange(8.0), np.ones((8, 4)))])
    with pytest.raises(InvalidInput, match="no step has all its states"):
        Reading(model, [Window(np.arange(8.0), np.full((8, 3), np.nan))])
    names = ("u_0", "u_1", "u_2")
    with pytest.raises(InvalidInput, match="tanh"):
        model.guess_words([Expression.parse("tanh(u_0)", names)])
    with pytest.raises(InvalidInput, match="words are more than this model takes"):
        model.guess_words([Expression.parse(" + ".join(f"{k}.5*u_0*u_1" for k in range(40)), names)])
    for wrong in ({"width": 30, "heads": 4}, {"patch": 0}, {"data_output": False, "symbol_output": False},
                  {"grid": 8, "max_dim": 2}, {"activation": "swish"}, {"format_version": 9}):  # fmt: skip
        with pytest.raises(InvalidInput):
            PROSEConfig(**wrong)
    with pytest.raises(InvalidInput, match="sizes are"):
        PROSEConfig.of_size("huge")


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        (DeepONetModel, DeepONetConfig(max_dim=3, width=8, heads=1, hidden=16, max_steps=20)),
        (GRUModel, GRUConfig(max_dim=3, width=8, heads=1, data_layers=2, data_decoder_layers=2)),
    ],
)
def test_references_are_of_the_same_kind(tmp_path: Path, kind, sizes):
    torch.manual_seed(0)
    model = kind(sizes).eval()
    given = {k: v for k, v in inputs(make()).items() if k not in ("input_ids", "attention_mask", "labels")}
    out = model(**given)
    assert out.data_pred.shape == given["data_labels"].shape
    out.loss.backward()
    assert not [k for k, p in model.named_parameters() if p.grad is None]
    model.save_pretrained(tmp_path)
    again = kind.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        torch.testing.assert_close(again(**given).data_pred, out.data_pred)


def test_gru_ignores_padding_and_is_causal():
    torch.manual_seed(0)
    model = GRUModel(GRUConfig(max_dim=2, width=8, heads=1, data_layers=2, data_decoder_layers=1)).eval()
    t = torch.linspace(0, 1, 10)[None]
    u = torch.randn(1, 10, 2)
    later = torch.linspace(1.2, 3, 6)[None]
    padded = {
        "data_times": torch.cat([t, torch.zeros(1, 4)], 1),
        "data_values": torch.cat([u, torch.full((1, 4, 2), 9.0)], 1),
        "data_mask": torch.arange(14)[None] < 10,
    }
    with torch.no_grad():
        plain = model(data_times=t, data_values=u, query_times=later).data_pred
        torch.testing.assert_close(model(**padded, query_times=later).data_pred, plain)
        fewer = model(data_times=t, data_values=u, query_times=later[:, :3]).data_pred
    torch.testing.assert_close(fewer, plain[:, :3])
