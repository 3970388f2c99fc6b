"""Pre-training: learns, resumes to the same weights, stops in time, keeps away from held-out pairs."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from safetensors.torch import load_file  # noqa: E402

from symnum.exceptions import InvalidInput  # noqa: E402
from symnum.models import SNIPConfig, SNIPModel  # noqa: E402
from symnum.synthesis import EquationStream  # noqa: E402
from symnum.training.cards import excluded  # noqa: E402
from symnum.training.collator import SNIPCollator  # noqa: E402
from symnum.training.held_out import HeldOut  # noqa: E402
from symnum.training.pretraining import build_model, build_trainer, pretrain  # noqa: E402
from symnum.training.runs import training_hours  # noqa: E402
from symnum.training.settings import DataSettings, Settings  # noqa: E402
from symnum.training.streaming import last_checkpoint  # noqa: E402

CONFIGS = Path(__file__).parents[2] / "pretrain" / "configs"
TINY = Settings(
    name="test",
    model={
        "width": 16, "heads": 2, "hidden": 32, "latent": 8, "symbolic_layers": 1, "numeric_layers": 1,
        "reads": 1, "inducing_points": 4,
    },
    data=DataSettings(max_dim=2, n_points=32, rows=(8, 32), batch_size=32, pool=3, held_out=64),
    training={
        "max_steps": 8, "warmup_steps": 2, "save_steps": 3, "eval_steps": 4, "logging_steps": 2,
        "report_to": [], "dataloader_num_workers": 0, "use_cpu": True, "learning_rate": 3e-3,
    },
)  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("run")
    return out, pretrain(TINY, out)


def weights(folder: Path) -> dict:
    return load_file(folder / "model.safetensors")


def test_a_run_leaves_weights_a_card_and_a_curve(finished: tuple[Path, dict]):
    out, metrics = finished
    assert metrics["steps"] == 8
    assert set(metrics) >= {
        "eval_r1_data_64",
        "eval_r10_formula_64",
        "eval_alignment",
        "eval_uniformity_numeric",
    }
    model = SNIPModel.from_pretrained(out / "weights")
    assert model.config.width == 16
    assert {t.dtype for t in weights(out / "weights").values()} == {torch.float16}
    card = (out / "weights" / "README.md").read_text()
    assert "# test" in card
    assert "256 pairs in 8 steps" in card
    rows = list(csv.DictReader((out / "curve.csv").read_text().splitlines()))
    assert [row["step"] for row in rows if row["eval_r1_data_64"]] == ["4", "8"]
    assert all(float(row["pairs_per_second"]) > 0 for row in rows if row["pairs_per_second"])
    assert json.loads((out / "metrics.json").read_text()) == metrics


def test_hours_add_up_over_sittings():
    history = [
        {"step": 50, "pairs_per_second": 100.0},
        {"step": 60, "eval_r1_data_64": 0.5},
        {"step": 80, "pairs_per_second": 10.0},
    ]
    assert training_hours(history, 36) == pytest.approx((50 * 36 / 100 + 30 * 36 / 10) / 3600)


def test_resuming_gives_the_same_weights(finished: tuple[Path, dict], tmp_path: Path):
    whole, _ = finished
    shutil.copytree(whole / "checkpoint-6", tmp_path / "checkpoint-6")
    pretrain(TINY, tmp_path)
    first, second = weights(whole / "checkpoint-8"), weights(tmp_path / "checkpoint-8")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["log_scale"], weights(whole / "checkpoint-6")["log_scale"])


def test_other_data_is_no_continuation(finished: tuple[Path, dict]):
    out, _ = finished
    other = replace(TINY, data=replace(TINY.data, seed=5))
    with pytest.raises(InvalidInput, match="trained on other data"):
        build_trainer(other, out).train(resume_from_checkpoint=str(out / "checkpoint-6"))


def test_half_a_checkpoint_is_passed_over(finished: tuple[Path, dict], tmp_path: Path):
    assert last_checkpoint(tmp_path) is None
    for name in ("checkpoint-3", "checkpoint-20"):
        (tmp_path / name).mkdir()
    (tmp_path / "checkpoint-3" / "stream.json").write_text("{}")
    assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-3")


def test_a_run_goes_on_from_weights_with_one_encoder_locked(finished: tuple[Path, dict], tmp_path: Path):
    begun = finished[0] / "weights"
    given = replace(TINY, model={"weights": str(begun), "locked": ["numeric_encoder"]})
    pretrain(given, tmp_path / "run")
    before, after = weights(begun), weights(tmp_path / "run" / "weights")
    same = {k for k in before if torch.equal(before[k], after[k])}
    assert same == {k for k in before if k.startswith("numeric_encoder.")}
    assert f"begun with the weights `{begun}`" in (tmp_path / "run" / "weights" / "README.md").read_text()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"weights": "snip-1d", "width": 16}, "weights 'snip-1d' have a form already; leave out width"),
        ({"locked": ["decoder"]}, "locked holds some of symbolic_encoder, numeric_encoder, got 'decoder'"),
        ({"weights": "snip-1d"}, "takes up to 1 variables, the data has 2"),
    ],
)
def test_weights_that_do_not_fit_are_named(model: dict, said: str):
    with pytest.raises(InvalidInput, match=said):
        build_model(replace(TINY, model=model))


def test_the_clock_stops_training_with_a_checkpoint(tmp_path: Path):
    long = replace(TINY, training={**TINY.training, "max_steps": 100_000, "save_steps": 100_000})
    start = time.monotonic()
    metrics = pretrain(long, tmp_path, max_seconds=1)
    assert time.monotonic() - start < 30
    assert 0 < metrics["steps"] < 100_000
    assert last_checkpoint(tmp_path) == str(tmp_path / f"checkpoint-{metrics['steps']}")


def test_it_learns():
    torch.manual_seed(0)
    trainer = build_trainer(
        replace(
            TINY, training={**TINY.training, "max_steps": 60, "save_strategy": "no", "eval_strategy": "no"}
        ),
        Path("unused"),
    )
    before = trainer.evaluate()["eval_median_rank_data_64"]
    trainer.train()
    after = trainer.evaluate()["eval_median_rank_data_64"]
    assert before > 15
    assert after < 0.6 * before


@pytest.mark.slow
def test_two_processes_train_together_and_go_on(tmp_path: Path):
    import yaml

    config = tmp_path / "run.yaml"
    content = json.loads(json.dumps(TINY.to_dict())) | {"name": "pair"}
    config.write_text(yaml.safe_dump(content))
    script = CONFIGS.parent / "snip.py"
    start = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", str(script)]
    for steps in (4, 8):
        command = [*start, "--config", str(config), "--out", str(tmp_path / "out"), "--max-steps", str(steps)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=140)
        assert done.returncode == 0, done.stderr[-2000:]
        metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
        assert (metrics["steps"], metrics["pairs"]) == (steps, steps * 2 * 32)
    SNIPModel.from_pretrained(tmp_path / "out" / "weights")


# -------------------------------------------------------------------------------------------------- data
def test_batches_use_fewer_rows_and_the_same_ones_again():
    config = SNIPConfig(max_dim=2)
    data = DataSettings(max_dim=2, n_points=64, rows=(8, 40), batch_size=16, pool=2)
    collator = SNIPCollator(config, data.rows)
    batches = list(islice(EquationStream(data.generator(), 16, 2, numbers=True), 8))
    counts = [collator(b)["points"].shape[1] for b in batches]
    assert len(set(counts)) > 3
    assert all(8 <= n <= 40 for n in counts)
    assert counts == [collator(b)["points"].shape[1] for b in batches]


def test_held_out_functions_give_way():
    config = SNIPConfig(max_dim=1)
    data = DataSettings(max_dim=1, n_points=16, rows=None, batch_size=64, pool=2)
    batch = next(iter(EquationStream(data.generator(), 64, 2, numbers=True)))
    hashes = batch["hashes"].numpy()
    found = SNIPCollator(config, held_out=np.sort(hashes[[3, 10]]))(batch)
    assert not np.isin(found["hashes"].numpy(), hashes[[3, 10]]).any()
    assert found["symbols"].shape[0] == 64
    assert torch.equal(found["points"][3], found["points"][0])
    assert torch.equal(found["points"][4, :, -1], batch["y"][4])


def test_held_out_pairs_differ_from_each_other():
    data = DataSettings(max_dim=1, n_points=16, rows=None, held_out=600)
    held = HeldOut(data.generator(held_out=True), SNIPCollator(SNIPConfig(max_dim=1)), 600, (100, 600))
    assert np.unique(held.hashes).size == 600
    model = SNIPModel(SNIPConfig(max_dim=1, **TINY.model))
    symbolic, numeric = held.embed(model)
    assert symbolic.shape == numeric.shape == (600, 8)
    assert {"r1_data_100", "r1_data_600"} <= set(held.metrics(model))


def test_rows_need_a_random_order():
    with pytest.raises(InvalidInput, match="random order"):
        DataSettings(preset="snip").generator()


# -------------------------------------------------------------------------------------------------- settings
@pytest.mark.parametrize("path", sorted(CONFIGS.glob("snip-*.yaml")), ids=lambda p: p.stem)
def test_configurations_can_be_read(path: Path):
    settings = Settings.read(path, {"training.max_steps": 5})
    assert path.stem.startswith(settings.name)  # snip-1d-more goes on with snip-1d
    assert settings.training["max_steps"] == 5
    with torch.device("meta"):
        SNIPModel(SNIPConfig(**{"max_dim": settings.data.max_dim, **settings.model}))
    settings.data.generator()


def test_unknown_settings_are_named(tmp_path: Path):
    with pytest.raises(InvalidInput, match="unknown data: speed"):
        Settings.from_dict({"data": {"speed": 3}})
    with pytest.raises(InvalidInput, match="cannot read"):
        Settings.read(tmp_path / "none.yaml")
    with pytest.raises(InvalidInput, match="TrainingArguments"):
        build_trainer(replace(TINY, training={"no_such": 1}), tmp_path)
    with pytest.raises(InvalidInput, match="up to 1 variables"):
        build_trainer(replace(TINY, model={"max_dim": 1}), tmp_path)


def test_a_card_tells_whether_benchmark_formulas_were_left_out():
    assert "Feynman" in excluded("improved")
    assert "benchmark formulas were not" in excluded("snip-1d")
