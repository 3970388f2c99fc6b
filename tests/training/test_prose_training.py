"""Pre-training of PROSE: batches that can be made again, resuming, learning, files."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from safetensors.torch import load_file  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

from symnum.exceptions import InvalidInput  # noqa: E402
from symnum.expressions.tokenizer import ExpressionTokenizer  # noqa: E402
from symnum.models import PROSEModel  # noqa: E402
from symnum.synthesis.families.ode_families import ODE_FAMILIES  # noqa: E402
from symnum.synthesis.families.trajectories import make_equation  # noqa: E402
from symnum.training.prose_cache import TrajectoryCache  # noqa: E402
from symnum.training.prose_data import ProseData, ProseStream, SampleMaker  # noqa: E402
from symnum.training.prose_pretraining import ProseSettings, build_trainer, pretrain  # noqa: E402

CONFIGS = Path(__file__).parents[2] / "pretrain" / "configs"
DATA = ProseData(
    families=("sprott_B", "lorenz_3d", "double_pendulum"), equations=6, trajectories=2, held_out=2,
    batch_size=12, pool=2, queries=5, varied=0.5, unguessed=0.2,
)  # fmt: skip
TINY = ProseSettings(
    name="test",
    model={"size": "tiny", "width": 16, "heads": 2, "hidden": 32, "max_dim": 4},
    data=replace(DATA, families=("sprott_B", "sprott_linz_F")),
    training={
        "max_steps": 4, "warmup_steps": 1, "save_steps": 2, "eval_steps": 2, "logging_steps": 1,
        "report_to": [], "use_cpu": True, "learning_rate": 3e-3,
    },
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def cache(folder: Path) -> TrajectoryCache:
    return DATA.cache(folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("run")
    return out, pretrain(TINY, out)


def stream(cache: TrajectoryCache, data: ProseData = DATA, **more: int) -> ProseStream:
    return ProseStream(SampleMaker(data, ExpressionTokenizer.prose(4), 4), cache, **more)


# ---------------------------------------------------------------- cache and batches
def test_the_cache_maps_what_the_families_make(cache: TrajectoryCache, folder: Path):
    item = cache["lorenz_3d", 3]
    made = make_equation(cache.config, "lorenz_3d", 3)
    np.testing.assert_array_equal(item.values, made.values)
    assert isinstance(item.values, np.memmap) or isinstance(item.values.base, np.memmap)
    assert item.equations == made.equations
    assert cache.equations("lorenz_3d") == 6
    files = {p: p.stat().st_mtime_ns for p in (folder / "training").glob("*.npz")}
    DATA.cache(folder)  # nothing is made again
    assert files == {p: p.stat().st_mtime_ns for p in (folder / "training").glob("*.npz")}
    with pytest.raises(InvalidInput, match="begun with another"):
        replace(DATA, seed=4).cache(folder)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on one core
def test_batches_are_the_same_again_and_for_any_workers(cache: TrajectoryCache):
    first = list(islice(stream(cache), 5))
    again = stream(cache)
    again.load_state_dict(again.state_dict(2))
    assert all(torch.equal(a[k], b[k]) for a, b in zip(first[2:], islice(again, 3), strict=True) for k in a)
    loader = DataLoader(stream(cache), batch_size=None, num_workers=2, multiprocessing_context="fork")
    for a, b in zip(first, islice(loader, 5), strict=False):
        assert all(torch.equal(a[k], b[k]) for k in a)
    ranks = [next(iter(stream(cache, rank=r, world_size=2))) for r in (0, 1)]
    assert torch.equal(ranks[1]["labels"], first[1]["labels"])
    lengths = [(b["labels"] != 0).sum(1) for b in first[:2]]
    assert int(lengths[0].max()) <= int(lengths[1].min()) or int(lengths[1].max()) <= int(lengths[0].min())


def test_a_plain_sample_is_the_papers(cache: TrajectoryCache):
    """First 64 of 192 times with 2 % noise over the whole trajectory, 128 clean ones asked for."""
    tokenizer = ExpressionTokenizer.prose(4)
    maker = SampleMaker(replace(DATA, unguessed=0.0, setting="skeleton"), tokenizer, 4)
    item = cache["lorenz_3d", 0]
    batch = maker.batch([(item, 1)], np.random.default_rng(0), plain=True)
    np.testing.assert_allclose(batch["data_times"][0], np.linspace(0, 6, 192)[:64], rtol=1e-6)
    np.testing.assert_allclose(batch["query_times"][0], np.linspace(0, 6, 192)[64:], rtol=1e-6)
    np.testing.assert_array_equal(batch["data_labels"][0, :, :3], item.values[1, 64:])
    assert not batch["data_labels"][0, :, 3].any()
    assert batch["dim_mask"][0].tolist() == [True, True, True, False]
    noise = batch["data_values"][0, :, :3].numpy() - item.values[1, :64]
    expected = 0.02 * np.linalg.norm(item.values[1]) * np.sqrt(64 / 192)
    assert np.linalg.norm(noise) == pytest.approx(expected, rel=0.15)
    law = ODE_FAMILIES["lorenz_3d"]
    assert batch["input_ids"][0].tolist() == tokenizer.encode(law.skeleton(), skeleton=True, frame=False)
    assert tokenizer.decode_system(batch["labels"][0].numpy(), law.states) == list(item.equations)
    known = SampleMaker(replace(DATA, unguessed=0.0, setting="known"), tokenizer, 4)
    ids = known.batch([(item, 0)], np.random.default_rng(0), plain=True)["input_ids"][0]
    assert tokenizer.decode_system(ids.numpy(), law.states) == list(item.equations)
    noisy = SampleMaker(replace(DATA, noisy_targets=True), tokenizer, 4)
    late = noisy.batch([(item, 1)], np.random.default_rng(0), plain=True)["data_labels"][0, :, :3]
    assert np.linalg.norm(late.numpy() - item.values[1, 64:]) > 0.5 * expected


def test_varied_windows_hold_states_of_the_trajectory(cache: TrajectoryCache):
    data = replace(DATA, varied=1.0, noise=(0.0, 0.0), queries=7)
    maker = SampleMaker(data, ExpressionTokenizer.prose(4), 4)
    item, rng = cache["lorenz_3d", 0], np.random.default_rng(2)
    begins, lengths = set(), set()
    for _ in range(40):
        b = maker.batch([(item, 0)], rng)
        n = int(b["data_mask"].sum())
        lengths.add(n)
        states = b["data_values"][0, :n, :3].numpy()
        where = [int(np.flatnonzero((item.values[0] == s).all(1))[0]) for s in states]
        assert where == sorted(where)
        begins.add(where[0])
        np.testing.assert_allclose(
            b["data_times"][0, :n], item.times[where] - item.times[where[0]], atol=1e-5
        )
        asked = [
            int(np.flatnonzero((item.values[0] == s).all(1))[0]) for s in b["data_labels"][0, :, :3].numpy()
        ]
        assert min(asked) > where[-1]
        np.testing.assert_allclose(b["query_times"][0], item.times[asked] - item.times[where[0]], atol=1e-5)
    assert len(begins) > 10
    assert min(lengths) < 40
    assert max(lengths) == 64


def test_edits_and_missing_guesses_come_as_often_as_said(cache: TrajectoryCache):
    tokenizer = ExpressionTokenizer.prose(4)
    maker = SampleMaker(replace(DATA, unguessed=0.1), tokenizer, 4)
    item, rng = cache["sprott_B", 0], np.random.default_rng(0)
    true = tokenizer.encode(item.equations, skeleton=True, frame=False)
    guesses = [maker._guess(item, rng) for _ in range(2000)]
    kinds = [0 if g == [tokenizer.placeholder_id] else 1 if g == true else 2 for g in guesses]
    np.testing.assert_allclose(np.bincount(kinds) / 2000, [0.1, 0.63, 0.27], atol=0.04)
    assert all(len(tokenizer.decode_system(g)) == 3 for g in guesses if len(g) > 1)


def test_families_come_in_proportion(cache: TrajectoryCache):
    data = replace(DATA, weights={"double_pendulum": 0.0, "lorenz_3d": 3.0}, batch_size=40, pool=1)
    batch = stream(cache, data).batch(0)
    tokenizer = ExpressionTokenizer.prose(4)
    sizes = [int((row != tokenizer.pad_id).sum()) for row in batch["labels"]]
    lorenz = len(tokenizer.encode(cache["lorenz_3d", 0].equations))
    assert sizes.count(lorenz) == 30
    assert min(sizes) < lorenz == max(sizes)


# ---------------------------------------------------------------- runs
def test_a_run_leaves_weights_a_card_and_a_curve(finished: tuple[Path, dict]):
    out, metrics = finished
    assert (metrics["steps"], metrics["samples"]) == (4, 48)
    assert {"eval_loss", "eval_data_error", "eval_data_error_near", "eval_skeleton_accuracy"} <= set(metrics)
    model = PROSEModel.from_pretrained(out / "weights")
    assert {t.dtype for t in load_file(out / "weights" / "model.safetensors").values()} == {torch.float16}
    assert 1.0 < model.config.spans[1] < 3.5
    card = (out / "weights" / "README.md").read_text()
    assert "48 samples in\n4 steps" in card or "48 samples in 4 steps" in card
    assert json.loads((out / "metrics.json").read_text()) == metrics
    assert "data_loss" in (out / "curve.csv").read_text().splitlines()[0]


def test_resuming_gives_the_same_weights(finished: tuple[Path, dict], tmp_path: Path):
    whole, _ = finished
    shutil.copytree(whole / "checkpoint-2", tmp_path / "checkpoint-2")
    pretrain(TINY, tmp_path, cache=whole / "cache")
    first, second = (load_file(f / "checkpoint-4" / "model.safetensors") for f in (whole, tmp_path))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = replace(TINY, data=replace(TINY.data, noise=(0.0, 0.1)))
    with pytest.raises(InvalidInput, match="trained on other data"):
        pretrain(other, tmp_path, cache=whole / "cache")


def test_the_model_must_take_the_states(tmp_path: Path):
    with pytest.raises(InvalidInput, match="up to 2 states"):
        build_trainer(replace(TINY, model={"size": "tiny", "max_dim": 2}), tmp_path)


def test_fields_are_trained_alike(tmp_path: Path):
    data = ProseData(
        families=("heat", "advection"), equations=2, trajectories=2, held_out=1, frames=24, cells=16,
        window=12, queries=4, batch_size=4, pool=1, setting="skeleton",
    )  # fmt: skip
    settings = replace(
        TINY,
        model={"size": "tiny", "width": 16, "heads": 2, "hidden": 32},
        data=data,
        training={**TINY.training, "max_steps": 2},
    )
    metrics = pretrain(settings, tmp_path)
    assert np.isfinite(metrics["eval_data_error"])
    assert PROSEModel.from_pretrained(tmp_path / "weights").config.grid == 16


@pytest.mark.slow
def test_it_overfits_a_few_samples(tmp_path: Path):
    """Sixty-four samples: every word right, and the states within 6 % (4.3 % when this was written)."""
    from symnum.models import PROSEConfig
    from symnum.training.optimizer import MuonAdamW, parameter_groups

    data = replace(DATA, families=("chaotic_3d",), equations=6, trajectories=1, varied=0.0, unguessed=0.0)
    maker = SampleMaker(data, ExpressionTokenizer.prose(3), 3)
    cache, rng = data.cache(tmp_path), np.random.default_rng(0)
    items = [(cache[f, k], 0) for k in range(6) for f in data.names][:64]
    batch = maker.batch(items, rng, plain=True)
    torch.manual_seed(0)
    model = PROSEModel(PROSEConfig.of_size("tiny", max_dim=3, width=96, heads=3, hidden=256))
    optimizer = MuonAdamW(parameter_groups(model), lr=5e-3, weight_decay=0.0)
    for step in range(600):
        for group in optimizer.param_groups:
            group["lr"] = 5e-3 * min(1.0, step / 50, (600 - step) / 300)
        loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        out = model.eval()(**batch)
    assert float(out.data_loss) ** 0.5 < 0.06
    target = batch["labels"][:, 1:]
    assert bool(((out.symbol_logits.argmax(-1) == target) | (target == 0)).all())


@pytest.mark.slow
def test_two_processes_train_together(tmp_path: Path):
    import yaml

    config = tmp_path / "run.yaml"
    config.write_text(yaml.safe_dump(json.loads(json.dumps(TINY.to_dict()))))
    script = str(CONFIGS.parent / "prose.py")
    script = str(CONFIGS.parent / "prose.py")
    start = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", script]
    command = [*start, "--config", str(config), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert (metrics["steps"], metrics["samples"]) == (4, 2 * 4 * 12)
    PROSEModel.from_pretrained(tmp_path / "out" / "weights")


# ---------------------------------------------------------------- settings
@pytest.mark.parametrize("path", sorted(CONFIGS.glob("prose-*.yaml")), ids=lambda p: p.stem)
def test_configurations_can_be_read(path: Path):
    settings = ProseSettings.read(path, {"training.max_steps": 5})
    assert settings.name == path.stem
    with torch.device("meta"):
        PROSEModel(settings.config())
    assert settings.data.names


def test_unknown_settings_are_named():
    with pytest.raises(InvalidInput, match="unknown data: speed"):
        ProseSettings.from_dict({"data": {"speed": 3}})
    for wrong, message in (
        ({"setting": "none"}, "setting is one of"), ({"varied": 2.0}, "share from 0 to 1"),
        ({"window": 500}, "window must be"), ({"families": ("heat", "thomas")}, "all of states or all"),
        ({"noise": (0.2, 0.1)}, "noise is a range"), ({"batch_size": 0}, "1 or more"),
    ):  # fmt: skip
        with pytest.raises(InvalidInput, match=message):
            replace(DATA, **wrong)
    assert replace(DATA, held_out_families=("sprott_B",)).names == ("lorenz_3d", "double_pendulum")
