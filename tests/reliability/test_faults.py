"""Full disks, damaged checkpoints, kills: nothing is lost, and training goes on exactly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from symnum import SymbolicRegressor
from symnum.exceptions import InvalidInput
from symnum.persistence import replace_text

ROOT = Path(__file__).resolve().parents[2]
FULL = """
import resource, signal, sys, warnings
import numpy as np
from symnum import SymbolicRegressor
from symnum.search.enumerate import EnumerativeSearch  # compiled code is cached before the disk is full

X = np.random.default_rng(0).uniform(1, 5, (40, 2))
y = X[:, 0] / X[:, 1]
settings = {"max_time": None, "max_evals": 600, "random_state": 0}
calm = SymbolicRegressor(**settings).fit(X, y)
calm.save("old.json")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write too many is an OSError then, as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    model = SymbolicRegressor(output_directory="run", **settings).fit(X, y)
assert model.equations_.equals(calm.equations_)
assert any("save it elsewhere" in str(w.message) for w in told), [str(w.message) for w in told]
try:
    model.save("old.json")
except OSError as error:
    print("refused", error.errno)
"""


def child(code: str, folder: Path, timeout: float = 240) -> str:
    """Output of a fresh interpreter; it must end well."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=timeout,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return done.stdout


def test_a_full_disk_takes_neither_the_old_model_nor_the_new(tmp_path):
    assert "refused 27" in child(FULL, tmp_path)
    assert SymbolicRegressor.load(tmp_path / "old.json").equations_.shape[0] >= 1
    assert [p.name for p in tmp_path.rglob("*.new")] == []


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a"
    replace_text(path, "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_text(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    link = tmp_path / "link"
    link.symlink_to(path)
    replace_text(link, "through")
    assert path.read_text() == "through"
    assert link.is_symlink()
    replace_text(Path(os.devnull), "nothing")


# ------------------------------------------------------------------------------------------ training
TINY = {
    "name": "test",
    "model": {"width": 16, "heads": 2, "hidden": 32, "latent": 8, "symbolic_layers": 1, "numeric_layers": 1,
              "reads": 1, "inducing_points": 4},
    "data": {"max_dim": 2, "n_points": 32, "rows": [8, 32], "batch_size": 16, "pool": 3, "held_out": 16},
    "training": {"max_steps": 6, "warmup_steps": 2, "save_steps": 2, "eval_steps": 100, "logging_steps": 2,
                 "report_to": [], "dataloader_num_workers": 0, "use_cpu": True, "learning_rate": 3e-3},
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    pytest.importorskip("torch")
    pytest.importorskip("accelerate")
    from symnum.training.pretraining import pretrain
    from symnum.training.settings import Settings

    out = tmp_path_factory.mktemp("whole")
    pretrain(Settings.from_dict(TINY), out)
    return out


def last_weights(out: Path) -> bytes:
    return (out / "checkpoint-6" / "model.safetensors").read_bytes()


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "scheduler.pt", "trainer_state.json"])
@pytest.mark.parametrize("cut", [True, False], ids=["cut", "one byte"])
def test_a_damaged_checkpoint_is_told_and_passed_over(trained, tmp_path, name, cut):
    from symnum.training.streaming import last_checkpoint

    for step in (4, 6):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        for path in (trained / f"checkpoint-{step}").iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
    raw = bytearray((tmp_path / "checkpoint-6" / name).read_bytes())
    if cut:
        del raw[len(raw) // 2 :]
    else:
        raw[len(raw) // 2] ^= 1
    (tmp_path / "checkpoint-6" / name).write_bytes(raw)
    with pytest.warns(RuntimeWarning, match=f"checkpoint-6 is passed over: {name}"):
        assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-4")


def test_going_on_past_a_damaged_checkpoint_gives_the_same_weights(trained, tmp_path):
    from symnum.training.pretraining import build_trainer, pretrain
    from symnum.training.settings import Settings

    settings = Settings.from_dict(TINY)
    for step in (4, 6):
        (tmp_path / f"checkpoint-{step}").mkdir()
        for path in (trained / f"checkpoint-{step}").iterdir():
            (tmp_path / f"checkpoint-{step}" / path.name).write_bytes(path.read_bytes())
    broken = tmp_path / "checkpoint-6" / "optimizer.pt"
    broken.write_bytes(broken.read_bytes()[:100])
    with pytest.raises(InvalidInput, match=r"optimizer\.pt is damaged"):
        build_trainer(settings, tmp_path).train(resume_from_checkpoint=str(tmp_path / "checkpoint-6"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        pretrain(settings, tmp_path)
    assert last_weights(tmp_path) == last_weights(trained)


def test_checkpoints_without_checksums_are_taken(trained, tmp_path):
    from symnum.training.streaming import STREAM_STATE, last_checkpoint

    folder = tmp_path / "checkpoint-4"
    folder.mkdir()
    state = json.loads((trained / "checkpoint-4" / STREAM_STATE).read_text())
    assert set(state.pop("files")) >= {"model.safetensors", "optimizer.pt"}
    (folder / STREAM_STATE).write_text(json.dumps(state))
    assert last_checkpoint(tmp_path) == str(folder)
    (folder / STREAM_STATE).write_text("{")
    with pytest.warns(RuntimeWarning, match="passed over"):
        assert last_checkpoint(tmp_path) is None


# ------------------------------------------------------------------------------------------ kills, for longer
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("what", ["search", "snip", "prose", "campaign", "export", "trajectories"])
def test_killed_at_random_moments(what, tmp_path):
    script = ROOT / "benchmarks" / "reliability" / "faults.py"
    done = subprocess.run(
        [sys.executable, str(script), what, "--kills", "3", "--folder", str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2_000:]
    assert np.all(["as undisturbed" in line for line in done.stdout.splitlines() if line.startswith(what)])
