"""Training of the decoder of formulas: batches, exact resuming, measures, weights."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from safetensors.torch import load_file  # noqa: E402

from symnum.exceptions import InvalidInput, WeightsNotFound  # noqa: E402
from symnum.models import SNIPDecoderModel  # noqa: E402
from symnum.models.decoder import numbers  # noqa: E402
from symnum.synthesis import EquationStream  # noqa: E402
from symnum.training.decoder_data import DecoderCollator, DecoderData  # noqa: E402
from symnum.training.decoder_pretraining import DecoderSettings, build_trainer, pretrain  # noqa: E402

CONFIGS = Path(__file__).parents[2] / "pretrain" / "configs"
ENCODER = {
    "width": 16, "heads": 2, "hidden": 32, "latent": 8, "numeric_layers": 1, "reads": 1, "inducing_points": 4,
}  # fmt: skip
TINY = DecoderSettings(
    name="test",
    model={
        "encoder": ENCODER, "width": 16, "heads": 2, "hidden": 32, "symbol_decoder_layers": 1, "slots": 3,
        "slot_rank": 4, "max_symbols": 24,
    },
    data=DecoderData(
        max_dim=2, n_points=32, rows=(8, 32), batch_size=32, pool=3, held_out=48, sampled=8, refined=4
    ),
    training={
        "max_steps": 6, "warmup_steps": 2, "save_steps": 2, "eval_steps": 6, "logging_steps": 2,
        "report_to": [], "dataloader_num_workers": 0, "use_cpu": True, "learning_rate": 3e-3,
    },
)  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("run")
    return out, pretrain(TINY, out)


def test_a_run_leaves_weights_and_a_card(finished: tuple[Path, dict]):
    out, metrics = finished
    assert metrics["steps"] == 6
    assert metrics["samples"] == 192
    for name in ("word_accuracy", "skeleton_accuracy", "in_10", "in_50", "r2_99", "r2_999"):
        assert 0 <= metrics[f"eval_{name}"] <= 1
        assert 0 <= metrics[f"eval_{name}_latent"] <= 1
    assert metrics["eval_in_50"] >= metrics["eval_in_10"]
    model = SNIPDecoderModel.from_pretrained(out / "weights")
    assert model.config.points().width == 16
    assert {t.dtype for t in load_file(out / "weights" / "model.safetensors").values()} == {torch.float16}
    card = (out / "weights" / "README.md").read_text()
    assert "192 samples in 6 steps of 32" in card
    assert json.loads((out / "metrics.json").read_text()) == metrics


def test_going_on_gives_the_weights_of_a_run_without_a_break(finished: tuple[Path, dict], tmp_path: Path):
    out, _ = finished
    first = build_trainer(TINY, tmp_path)
    first.args.max_steps = 6

    class Stop(Exception):
        pass

    step = first.training_step

    def some_steps(*args, **kwargs):
        if first.state.global_step == 4:
            raise Stop
        return step(*args, **kwargs)

    first.training_step = some_steps
    with pytest.raises(Stop):
        first.train()
    pretrain(TINY, tmp_path)
    expected, found = (load_file(folder / "weights" / "model.safetensors") for folder in (out, tmp_path))
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def batches(collator: DecoderCollator, count: int, data: DecoderData = TINY.data) -> list[dict]:
    stream = EquationStream(data.generator(), data.batch_size, data.pool, numbers=True)
    return [collator(b) for b in islice(stream, count)]


def test_labels_are_the_skeletons_of_the_formulas_with_classes_of_their_constants():
    config = TINY.build().config
    data = replace(TINY.data, rows=None)
    collator = DecoderCollator(config)
    tokenizer = collator.make.tokenizer
    generator = data.generator()
    stream = EquationStream(generator, data.batch_size, data.pool, numbers=True)
    raw = next(iter(stream))
    made = collator(raw)
    seen = 0
    for i, index in enumerate(raw["indices"].tolist()):
        e = generator.sample(index).expression
        expected = tokenizer.encode(e, skeleton=True)
        if len(expected) > config.max_symbols:
            continue
        label = made["labels"][i]
        assert label[label != tokenizer.pad_id].tolist() == expected
        classes = made["values"][i][made["labels"][i] == tokenizer.placeholder_id].numpy()
        near = numbers.centres()[classes]
        inside = (np.abs(e.constants) > 2e-3) & (np.abs(e.constants) < 500)
        np.testing.assert_allclose(near[inside] / e.constants[inside], 1, rtol=0.16)
        seen += 1
    assert seen > 20


def test_held_out_functions_and_long_formulas_give_way():
    config = TINY.build().config
    plain = batches(DecoderCollator(config), 2)
    forbidden = plain[0]["hashes"][:5].numpy()
    made = batches(DecoderCollator(config, held_out=forbidden), 2)
    assert not np.isin(made[0]["hashes"].numpy(), forbidden).any()
    assert made[0]["labels"].shape[0] == 32
    short = DecoderSettings(model=dict(TINY.model) | {"max_symbols": 8}, name="short", data=TINY.data)
    for batch in batches(DecoderCollator(short.build().config), 3):
        assert batch["labels"].shape[1] <= 8


def test_batches_are_the_same_whenever_they_are_made():
    config = TINY.build().config
    one, two = (batches(DecoderCollator(config, (8, 32), 0.5, 3), 3) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        assert all(torch.equal(a[name], b[name]) for name in a)
    assert {bool(v) for v in torch.cat([b["seen"] for b in one])} == {True, False}


def test_full_numbers_are_written_as_three_words():
    numbered = replace(TINY, model=dict(TINY.model) | {"numbers": True, "max_symbols": 60})
    model = numbered.build()
    batch = batches(DecoderCollator(model.config), 1)[0]
    assert "values" not in batch
    batch.pop("hashes")
    out = model(**batch)
    assert out.logits.shape[-1] == model.tokenizer.vocab_size
    assert torch.isfinite(out.loss)


def test_configurations_can_be_read_and_built():
    for name in ("decoder-tiny", "decoder-small"):
        settings = DecoderSettings.read(CONFIGS / f"{name}.yaml")
        model = settings.build()
        size = sum(p.numel() for p in model.parameters()) * 2 / 2**20
        assert size < 16
        assert model.config.max_dim == settings.data.max_dim
    DecoderSettings.read(CONFIGS / "decoder-base.yaml")


def test_missing_encoder_weights_name_the_places(tmp_path: Path):
    settings = replace(TINY, model=dict(TINY.model) | {"encoder_weights": "no-such-weights"})
    with pytest.raises(WeightsNotFound, match="looked at"):
        settings.build()


def test_unknown_settings_are_named():
    with pytest.raises(InvalidInput, match="unknown data: refned"):
        DecoderSettings.from_dict({"data": {"refned": 3}})
