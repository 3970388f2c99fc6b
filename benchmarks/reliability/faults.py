"""Jobs killed with SIGKILL at random moments, gone on with, and compared with an undisturbed run.

``python benchmarks/reliability/faults.py`` does all, ``faults.py search snip --kills 5`` some. A job passes
when every state that a kill left could be read, and when its end is that of a run nobody touched: bit by bit
for trainings, exports and trajectories, row by row for a campaign; a search must not lose a formula that was
on disk.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

TRAINING = (
    "'training': {'max_steps': 40, 'warmup_steps': 2, 'save_steps': 4, 'eval_steps': 4, "
    "'logging_steps': 4, 'report_to': [], 'dataloader_num_workers': 0, 'use_cpu': True, "
    "'learning_rate': 3e-3}"
)
JOBS = {
    "search": """
import sys, numpy as np
from symnum import SymbolicRegressor
X = np.random.default_rng(0).uniform(1, 3, (200, 3))
y = np.sin(X[:, 0] * X[:, 1] + np.exp(X[:, 2] / 3)) * np.log(X[:, 0] + X[:, 1] ** 2.7)
model = SymbolicRegressor(random_state=0, max_time=12, output_directory=sys.argv[1], warm_start=True)
model.fit(X, y)
""",
    "snip": f"""
import sys
from pathlib import Path
from symnum.training.pretraining import pretrain
from symnum.training.settings import Settings
pretrain(Settings.from_dict({{
    'name': 'test', 'model': {{'width': 16, 'heads': 2, 'hidden': 32, 'latent': 8, 'symbolic_layers': 1,
    'numeric_layers': 1, 'reads': 1, 'inducing_points': 4}}, 'data': {{'max_dim': 2, 'n_points': 32,
    'rows': [8, 32], 'batch_size': 16, 'pool': 3, 'held_out': 16}}, {TRAINING}}}), Path(sys.argv[1]))
""",
    "prose": f"""
import sys
from pathlib import Path
from symnum.training.prose_pretraining import ProseSettings, pretrain
pretrain(ProseSettings.from_dict({{
    'name': 'test', 'model': {{'size': 'tiny', 'width': 16, 'heads': 2, 'hidden': 32, 'max_dim': 4}},
    'data': {{'families': ['sprott_B', 'sprott_linz_F'], 'equations': 6, 'trajectories': 2, 'held_out': 2,
    'batch_size': 12, 'pool': 2, 'queries': 5}}, {TRAINING}}}), Path(sys.argv[1]))
""",
    "campaign": """
import sys
from pathlib import Path
from symnum.evaluation.config import expand, make_config
from symnum.evaluation.runner import run_campaign
config = make_config({
    'name': 'test', 'methods': ['linear'], 'seeds': 2, 'max_time': 5, 'n_jobs': 1,
    'problems': [{'find': 'classic/Nguyen-[1-3]'}],
})
run_campaign(expand(config), Path(sys.argv[1]))
""",
    "export": """
import sys
from symnum.synthesis import EquationGenerator
from symnum.synthesis.export import export_samples
export_samples(EquationGenerator('snip', max_dim=3, n_points=50, seed=1), sys.argv[1], 40_000)
""",
    "trajectories": """
import sys
from symnum.synthesis.families.shards import write_shards
from symnum.synthesis.families.trajectories import TrajectoryConfig
write_shards(sys.argv[1], TrajectoryConfig(), ['lorenz_3d', 'sprott_B'], 60, per_shard=5)
""",
}


def start(name: str, folder: Path) -> subprocess.Popen:
    """The job on its folder, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", JOBS[name], str(folder)],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), "OMP_NUM_THREADS": "1"},
    )


def finish(name: str, folder: Path) -> float:
    """Run a job to its end; seconds it took."""
    began = time.monotonic()
    process = start(name, folder)
    _, said = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{name} ended with {process.returncode}: {said.decode()[-1_500:]}")
    return time.monotonic() - began


def digests(folder: Path, pattern: str) -> dict[str, str]:
    """Checksums of files."""
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.glob(pattern))
    }


def last_weights(folder: Path) -> dict[str, str]:
    """Checksum of the weights after the last step, and of those that are given away."""
    return digests(folder, "checkpoint-40/model.safetensors") | digests(folder, "weights/model.safetensors")


def runs(folder: Path) -> Any:
    """Results of a campaign, without what the clock decides."""
    from symnum.evaluation.store import load_runs

    table = load_runs(folder)
    columns = ["method", "problem", "seed", "status", "r2_test", "equation"]
    return table[columns].sort_values(columns[:3]).to_json(orient="records")


def shards(folder: Path) -> dict[str, str]:
    """Checksums of data files."""
    return digests(folder, "*.parquet") | digests(folder, "*.npz")


def losses(folder: Path) -> list[tuple[int, float]]:
    """Complexity and loss of every formula of a run on disk."""
    from symnum import SymbolicRegressor

    table = SymbolicRegressor.from_run(folder).equations_
    return list(zip(table["complexity"], table["loss"], strict=True))


RESULT: dict[str, Callable[[Path], Any]] = {
    "snip": last_weights, "prose": last_weights, "campaign": runs, "export": shards, "trajectories": shards,
}  # fmt: skip


def begun(name: str, folder: Path) -> bool:
    """Whether a job has left something on disk that a kill could spoil."""
    marks = {"search": "model.json", "snip": "checkpoint-*", "prose": "checkpoint-*", "campaign": "*/*"}
    return any(folder.glob(marks.get(name, "*.json")))


def kill_at_random(name: str, folder: Path, kills: int, usual: float, rng: np.random.Generator) -> int:
    """Start a job and kill it, so many times; how many kills came before its end."""
    hit = 0
    for _ in range(kills):
        process = start(name, folder)
        while not begun(name, folder) and process.poll() is None:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, usual / (kills + 1)))
        hit += process.poll() is None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if name == "search" and begun(name, folder):
            losses(folder)  # readable at every moment
    return hit


def search(folder: Path, kills: int, rng: np.random.Generator) -> str:
    """A search loses nothing that was on disk: every formula is matched by one as short and as good."""
    hit, before = 0, []
    for _ in range(kills):
        hit += kill_at_random("search", folder, 1, 8.0, rng)
        now = losses(folder)
        for size, loss in before:
            if not any(s <= size and x <= loss * (1 + 1e-9) for s, x in now):
                return f"LOST a formula of {size} nodes and loss {loss:g} after {hit} kills"
        before = now
    finish("search", folder)
    lost = [b for b in before if not any(s <= b[0] and x <= b[1] * (1 + 1e-9) for s, x in losses(folder))]
    return f"LOST {lost}" if lost else f"{hit} kills, nothing lost: as undisturbed"


def job(name: str, folder: Path, kills: int, rng: np.random.Generator) -> str:
    """Verdict on one job."""
    if name == "search":
        return search(folder / "wild", kills, rng)
    usual = finish(name, folder / "calm")
    hit = kill_at_random(name, folder / "wild", kills, usual, rng)
    finish(name, folder / "wild")
    calm, wild = RESULT[name](folder / "calm"), RESULT[name](folder / "wild")
    if not calm:
        return "NOTHING to compare"
    same = json.dumps(calm) == json.dumps(wild)
    return f"{hit} kills, {'as undisturbed' if same else 'DIFFERENT from an undisturbed run'}"


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", nargs="*", help=f"of {', '.join(JOBS)}; all when left out")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="for what the jobs write; a temporary one when left out")
    given = parser.parse_args()
    failed = False
    for name in given.jobs or list(JOBS):
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            began = time.monotonic()
            try:
                verdict = job(name, Path(folder), given.kills, np.random.default_rng(given.seed))
            except Exception as error:
                verdict = f"FAILED: {error}"
        failed |= "as undisturbed" not in verdict
        print(f"{name:13} {verdict} ({time.monotonic() - began:.0f} s)", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
