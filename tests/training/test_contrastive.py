"""The objective and the measures against numpy, closed forms and two processes against one."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from symnum.training.contrastive import alignment, contrastive_loss, retrieval, uniformity  # noqa: E402


def vectors(n: int = 8, d: int = 5, seed: int = 0) -> tuple:
    rng = np.random.default_rng(seed)
    made = [rng.normal(size=(n, d)) for _ in range(2)]
    made = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in made]
    return (*made, *(torch.from_numpy(v) for v in made))


def test_loss_is_the_formula():
    a, b, ta, tb = vectors()
    s = 7.0 * a @ b.T
    rows = np.diag(s) - logsumexp(s, axis=1)
    columns = np.diag(s) - logsumexp(s, axis=0)
    assert float(contrastive_loss(ta, tb, 7.0)) == pytest.approx(-(rows.mean() + columns.mean()) / 2)


def test_equal_functions_are_no_negatives():
    a, b, ta, tb = vectors(6)
    hashes = np.array([1, 2, 3, 2, 5, 6])
    s = 3.0 * a @ b.T
    s[1, 3] = s[3, 1] = -np.inf
    expected = -(np.diag(s) * 2 - logsumexp(s, axis=1) - logsumexp(s, axis=0)).mean() / 2
    assert float(contrastive_loss(ta, tb, 3.0, torch.from_numpy(hashes))) == pytest.approx(expected)


PROCESSES = """
import json, os, sys
import torch
import torch.distributed as dist
from torch import nn
from symnum.training.contrastive import contrastive_loss

def run(model, x, y, hashes):
    loss = contrastive_loss(model(x), model(y), 4.0, hashes)
    loss.backward()
    return loss.item()

def data():
    g = torch.Generator().manual_seed(1)
    x, y = (torch.randn(8, 3, generator=g, dtype=torch.float64) for _ in range(2))
    return x, y, torch.tensor([1, 2, 3, 4, 2, 6, 7, 1])

def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 4)).double()

def main(rank, meeting):
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    model = nn.parallel.DistributedDataParallel(network())
    x, y, hashes = data()
    part = slice(4 * rank, 4 * rank + 4)
    loss = torch.tensor(run(model, x[part], y[part], hashes[part]), dtype=torch.float64)
    dist.all_reduce(loss)
    if rank == 0:
        print(json.dumps([loss.item() / 2, [p.grad.flatten().tolist() for p in model.parameters()]]))
    del model
    dist.barrier()
    dist.destroy_process_group()
    sys.stdout.flush()
    os._exit(0)  # threads of gloo that outlive the group abort an ordinary exit now and then

if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
"""


def test_two_processes_are_one_with_the_joined_batch(tmp_path: Path):
    script = tmp_path / "pair.py"
    script.write_text(PROCESSES)
    command = [sys.executable, str(script)]
    meeting = str(tmp_path / "meeting")
    two = [subprocess.Popen([*command, r, meeting], stdout=subprocess.PIPE, text=True) for r in "01"]
    out = [p.communicate(timeout=120)[0] for p in two]
    assert [p.returncode for p in two] == [0, 0]
    loss, gradients = json.loads(out[0].splitlines()[-1])
    here = runpy.run_path(str(script))
    model = here["network"]()
    assert loss == pytest.approx(here["run"](model, *here["data"]()), rel=1e-12)
    for found, parameter in zip(gradients, model.parameters(), strict=True):
        np.testing.assert_allclose(found, parameter.grad.flatten().numpy(), rtol=1e-9, atol=1e-12)


def test_retrieval_counts_places():
    a, b, ta, tb = vectors(300, 8)
    s = a @ b.T
    found = retrieval(ta, tb)
    place = np.argsort(np.argsort(-s, axis=1), axis=1).diagonal()
    other = np.argsort(np.argsort(-s.T, axis=1), axis=1).diagonal()
    for k in (1, 5, 10):
        assert found[f"r{k}_data"] == pytest.approx((place < k).mean())
        assert found[f"r{k}_formula"] == pytest.approx((other < k).mean())
    perfect = retrieval(ta, ta)
    assert perfect["r1_data"] == perfect["r1_formula"] == perfect["median_rank_data"] == 1


def test_equal_vectors_for_everything_are_chance():
    same = torch.ones(100, 3)
    found = retrieval(same, same)
    assert found["r10_data"] == 0.0
    assert found["median_rank_data"] == pytest.approx(50.5)


def test_alignment_and_uniformity():
    a = vectors(50, 6)[2]
    assert alignment(a, a) == 0
    assert alignment(a, -a) == pytest.approx(4)
    distances = [float((x - y).square().sum()) for i, x in enumerate(a) for y in a[:i]]
    assert uniformity(a) == pytest.approx(np.log(np.mean(np.exp(-2 * np.array(distances)))))
    sphere = torch.randn(2000, 64, generator=torch.Generator().manual_seed(0))
    assert uniformity(sphere) == pytest.approx(-4, abs=0.2)
