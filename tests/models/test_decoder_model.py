"""The decoder of formulas: grammar, cache, beams, a trained encoder, files."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from symnum.exceptions import InvalidInput, WeightsNotFound  # noqa: E402
from symnum.models import SNIPConfig, SNIPDecoderConfig, SNIPDecoderModel, SNIPModel  # noqa: E402
from symnum.models.decoder import numbers  # noqa: E402
from symnum.models.decoder.formulas import expressions_of  # noqa: E402
from symnum.models.decoder.generation import banned_words, beam, sample  # noqa: E402
from symnum.models.decoder.modeling import Encoding  # noqa: E402
from symnum.models.snip.numeric import NumericEncoder  # noqa: E402

ENCODER = {
    "width": 16, "heads": 2, "hidden": 32, "latent": 8, "numeric_layers": 2, "reads": 1, "inducing_points": 4,
}  # fmt: skip


def make(**changes) -> SNIPDecoderModel:
    torch.manual_seed(0)
    config = SNIPDecoderConfig(
        **{"max_dim": 3, "encoder": ENCODER, "width": 16, "heads": 2, "hidden": 32,
           "symbol_decoder_layers": 2, "slots": 3, "slot_rank": 4, "max_symbols": 20} | changes
    )  # fmt: skip
    return SNIPDecoderModel(config).eval()


def tables(dims: list[int], rows: int = 30) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.uniform(1, 3, (rows, d + 1)) for d in dims]


@pytest.mark.parametrize("numbered", [False, True])
def test_every_sample_is_a_formula_of_the_columns(numbered: bool):
    model = make(numbers=numbered)
    dims = [1, 2, 3]
    made = sample(
        model, model.read_tables(tables(dims)), torch.tensor(dims), 60, torch.Generator().manual_seed(0)
    )
    assert made.tokens.shape[:2] == (3, 60)
    lengths = set()
    for d, rows in zip(dims, made.tokens.numpy(), strict=True):
        for row in rows:
            (e,) = model.tokenizer.decode_system(row, ("a", "b", "c"))
            assert all(v < d for v in e.variables)
            lengths.add(len(e))
    assert len(lengths) > 3
    assert bool((made.scores < 0).all())


def test_cached_words_are_those_of_the_whole_computation():
    model = make()
    encoding = model.read_tables(tables([2, 3]))
    one, two = (
        sample(model, encoding, torch.tensor([2, 3]), 16, torch.Generator().manual_seed(3), cached=cached)
        for cached in (True, False)
    )
    assert torch.equal(one.tokens, two.tokens)
    torch.testing.assert_close(one.scores, two.scores, atol=1e-4, rtol=1e-4)
    assert torch.equal(one.values, two.values)


def test_scores_are_probabilities_given_the_words_before():
    model = make()
    encoding = model.read_tables(tables([3]))
    made = sample(model, encoding, torch.tensor([3]), 12, torch.Generator().manual_seed(1))
    tokens = made.tokens[0]
    memory, mask = model.memory(encoding)
    memory, mask = memory.expand(12, -1, -1), mask.expand(12, -1)
    logits, _ = model.symbol_decoder(tokens[:, :-1], model.symbol_decoder.remember(memory), mask)
    for row, scores, score in zip(tokens, logits, made.scores[0], strict=True):
        state = model.grammar.start(torch.ones(1, dtype=torch.int64))
        total = 0.0
        for at, word in enumerate(row[1:]):
            if word == model.tokenizer.pad_id:
                break
            allowed = model.grammar.allowed(state, model.config.max_symbols - 1 - at, torch.tensor([3]))
            total += float(scores[at].detach().masked_fill(~allowed[0], -torch.inf).log_softmax(-1)[word])
            state = model.grammar.advance(state, word[None])
        assert total == pytest.approx(float(score), abs=1e-3)


def test_a_wide_beam_holds_the_likeliest_of_all_formulas():
    model = make(max_dim=1, max_symbols=5)
    encoding = model.read_tables(tables([1]))
    words = [w for w in range(model.words) if int(model.grammar.kinds[w]) in (1, 2, 3)]
    banned = torch.zeros(model.words, dtype=torch.bool)
    operators = [w for w in words if int(model.grammar.kinds[w]) in (2, 3)]
    banned[operators[3:]] = True
    # All formulas of at most three words, scored one by one.
    scored = {}
    memory, mask = model.memory(encoding)
    kept = model.symbol_decoder.remember(memory)
    for n in (1, 2, 3):
        for row in itertools.product([w for w in words if not banned[w]], repeat=n):
            full = torch.tensor([model.tokenizer.bos_id, *row, model.tokenizer.eos_id])
            try:
                model.tokenizer.decode_system(full.numpy())
            except InvalidInput:
                continue
            logits, _ = model.symbol_decoder(full[None, :-1], kept, mask)
            state, total = model.grammar.start(torch.ones(1, dtype=torch.int64)), 0.0
            for at, word in enumerate(full[1:]):
                allowed = model.grammar.allowed(state, 4 - at, torch.tensor([1])) & ~banned
                total += float(
                    logits[0, at].detach().masked_fill(~allowed[0], -torch.inf).log_softmax(-1)[word]
                )
                state = model.grammar.advance(state, word[None])
            scored[row] = total
    assert sum(np.exp(list(scored.values()))) == pytest.approx(1, abs=1e-3)
    found = beam(model, encoding, torch.tensor([1]), 40, banned=banned)
    best = sorted(scored.values(), reverse=True)[:5]
    np.testing.assert_allclose(found.scores[0][:5].numpy(), best, atol=1e-3)
    real = found.scores[0][torch.isfinite(found.scores[0])]
    assert len(real) == len(scored) or len(real) == 40
    assert bool((real.diff() <= 1e-6).all())


def test_a_beam_wider_than_there_are_formulas_has_no_broken_rows():
    model = make(max_dim=1, max_symbols=3)
    found = beam(model, model.read_tables(tables([1])), torch.tensor([1]), 9)
    assert int(torch.isfinite(found.scores).sum()) == 2  # x0 and a constant
    for row in found.tokens[0].numpy():
        model.tokenizer.decode_system(row)


def test_what_is_complete_when_told_to_stop_is_kept():
    model = make()
    encoding, columns = model.read_tables(tables([2])), torch.tensor([2])

    def after(words: int):
        asked = itertools.count()
        return lambda: next(asked) >= words

    whole = sample(model, encoding, columns, 40, torch.Generator().manual_seed(0))
    part = sample(model, encoding, columns, 40, torch.Generator().manual_seed(0), stop=after(4))
    done = torch.isfinite(part.scores[0])
    assert 0 < int(done.sum()) < 40
    for row, score, expected in zip(
        part.tokens[0][done], part.scores[0][done], whole.scores[0][done], strict=True
    ):
        model.tokenizer.decode_system(row.numpy())
        assert score == expected
    beams = beam(model, encoding, columns, 12, stop=after(4))
    real = torch.isfinite(beams.scores[0])
    assert 0 < int(real.sum()) < 12
    for row in beams.tokens[0][real].numpy():
        model.tokenizer.decode_system(row)


def test_banned_operators_do_not_occur():
    model = make()
    banned = banned_words(model, ["add", "sin"])
    made = sample(
        model, model.read_tables(tables([2])), torch.tensor([2]), 80, torch.Generator().manual_seed(0),
        banned=banned,
    )  # fmt: skip
    used = {p for e in expressions_of(model, made.tokens[0], made.values[0]) for p in e.to_prefix()}
    assert {p for p in used if isinstance(p, str) and not p.startswith("x")} <= {"add", "sin"}
    assert "add" in used
    with pytest.raises(InvalidInput, match="none of the operators tanh"):
        banned_words(model, ["tanh"])


def test_the_embedding_alone_is_enough_and_its_length_does_not_matter():
    model = make()
    whole = model.read_tables(tables([2]))
    alone = Encoding(whole.latent)
    memory, _ = model.memory(alone)
    assert memory.shape[1] == model.config.slots
    longer, _ = model.memory(Encoding(3 * whole.latent))
    torch.testing.assert_close(memory, longer, atol=1e-5, rtol=1e-4)
    # Hidden states are the same as none.
    hidden = Encoding(whole.latent, whole.states, torch.zeros_like(whole.mask))
    one, two = (
        sample(model, e, torch.tensor([2]), 8, torch.Generator().manual_seed(0)) for e in (alone, hidden)
    )
    assert torch.equal(one.tokens, two.tokens)


def test_a_trained_encoder_of_fewer_variables_reads_the_same():
    torch.manual_seed(1)
    small = SNIPConfig(max_dim=2, symbolic_layers=1, **ENCODER)
    source = SNIPModel(small).eval()
    model = make(max_dim=4)
    model.take_encoder(source.numeric_encoder, small)
    table = tables([2])
    expected = source.embed_tables(table)
    np.testing.assert_allclose(model.read_tables(table).latent.numpy(), expected, atol=1e-5)
    other = NumericEncoder(SNIPConfig(max_dim=2, **(ENCODER | {"width": 32})), 10)
    with pytest.raises(InvalidInput, match="does not fit"):
        model.take_encoder(other, small)
    with pytest.raises(InvalidInput, match="cannot begin"):
        make(max_dim=1).take_encoder(source.numeric_encoder, small)


@settings(max_examples=60, deadline=None)
@given(st.floats(1.2e-3, 700), st.booleans())
def test_classes_of_values_are_within_a_sixteenth_of_a_decade(size: float, negative: bool):
    value = -size if negative else size
    made = numbers.centres()[numbers.classes(np.array([value]))[0]]
    assert np.sign(made) == np.sign(value)
    assert abs(np.log10(made / value)) <= 1 / 16 + 1e-9


def test_files_round_trip(tmp_path: Path):
    model = make()
    model.save_pretrained(tmp_path)
    again = SNIPDecoderModel.from_pretrained(tmp_path).eval()
    table = tables([3])
    torch.testing.assert_close(model.read_tables(table).latent, again.read_tables(table).latent)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"format_version": 9}))
    with pytest.raises(InvalidInput, match="format 9"):
        SNIPDecoderModel.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config | {"max_dim": 2}))
    with pytest.raises(InvalidInput, match="does not belong to this model"):
        SNIPDecoderModel.from_pretrained(tmp_path)
    with pytest.raises(WeightsNotFound, match="SYMNUM_MODELS"):
        SNIPDecoderModel.from_pretrained("nowhere")


def test_words_of_another_version_are_refused(tmp_path: Path):
    make().save_pretrained(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 2}))
    with pytest.raises(InvalidInput, match="tokenizer version 2 is not known"):
        SNIPDecoderModel.from_pretrained(tmp_path)


def test_bad_data_is_refused():
    model = make()
    with pytest.raises(InvalidInput, match="4 variables were given, these weights take up to 3"):
        model.read_tables(tables([4]))
    broken = tables([2])
    broken[0][3, 1] = np.nan
    with pytest.raises(InvalidInput, match="finite"):
        model.read_tables(broken)
    with pytest.raises(InvalidInput, match=r"torch\.Generator"):
        sample(model, model.read_tables(tables([2])), torch.tensor([2]), 2)
    with pytest.raises(InvalidInput, match="words are too few"):
        sample(model, model.read_tables(tables([2])), torch.tensor([2]), 1, temperature=0, max_words=2)
