"""Torch batches: contents, buckets, workers without shared samples, exact resuming."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import islice

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from symnum.exceptions import InvalidInput  # noqa: E402
from symnum.synthesis import EquationGenerator, EquationStream  # noqa: E402

GENERATOR = EquationGenerator("improved", max_dim=3, n_points=40, seed=7)


def first(stream: EquationStream, n: int) -> list[dict]:
    return list(islice(iter(stream), n))


def indices(batches: list[dict]) -> list[list[int]]:
    return [b["indices"].tolist() for b in batches]


def test_a_batch_holds_the_samples_it_names():
    for batch in first(EquationStream(GENERATOR, batch_size=16, pool=4, numbers=True), 5):
        assert batch["tokens"].dtype == batch["points"].dtype == torch.int16
        for k, index in enumerate(batch["indices"].tolist()):
            sample = GENERATOR.sample(index)
            n, d = sample.X.shape
            assert (batch["rows"][k], batch["dims"][k]) == (n, d)
            length = int(batch["token_lengths"][k])
            assert np.array_equal(batch["tokens"][k, :length], sample.tokens)
            assert torch.all(batch["tokens"][k, length:] == GENERATOR.tokenizer.pad_id)
            points = GENERATOR.tokenizer.encode_points(sample.X, sample.y)
            assert np.array_equal(batch["points"][k, :n], points)
            assert np.allclose(batch["X"][k, :n, :d], sample.X, rtol=1e-6)
            assert torch.all(batch["X"][k, :, d:] == 0)
            assert np.allclose(batch["y"][k, :n], sample.y, rtol=1e-6)
        assert batch["tokens"].shape[1] == batch["token_lengths"].max()
        assert batch["points"].shape[1] == batch["X"].shape[1] == batch["rows"].max()


def test_batches_hold_formulas_of_similar_length():
    def padding(pool: int) -> float:
        batches = first(EquationStream(GENERATOR, batch_size=32, pool=pool), 16)
        used = sum(int(b["token_lengths"].sum()) for b in batches)
        return 1 - used / sum(b["tokens"].numel() for b in batches)

    assert padding(16) < 0.15
    assert padding(1) > 0.4


def test_every_sample_comes_once():
    snip = EquationGenerator("snip", max_dim=2, n_points=20)
    stream = EquationStream(snip, batch_size=10, pool=5)
    seen = sorted(i for b in indices(first(stream, 15)) for i in b)
    assert seen == list(range(150))
    ranks = [EquationStream(snip, batch_size=10, pool=5, rank=r, world_size=3) for r in range(3)]
    parts = [{i for b in indices(first(s, 10)) for i in b} for s in ranks]
    assert set.union(*parts) == set(range(300))


def test_a_pool_of_a_unique_generator_repeats_no_function():
    one = EquationGenerator("improved", max_dim=1, n_points=20)
    stream = EquationStream(one, batch_size=50, pool=8)
    batches = first(stream, 8)
    hashes = [one.sample(i).value_hash for b in indices(batches) for i in b]
    assert len(hashes) == len(set(hashes)) == 400


def test_resuming_goes_on_where_it_was():
    stream = EquationStream(GENERATOR, batch_size=8, pool=3)
    whole = indices(first(stream, 14))
    for done in (1, 3, 7):
        again = EquationStream(GENERATOR, batch_size=8, pool=3)
        again.load_state_dict(json.loads(json.dumps(stream.state_dict(done))))
        assert indices(first(again, 14 - done)) == whole[done:]


WORKERS = """
import json, sys
from itertools import islice
from torch.utils.data import DataLoader
from symnum.synthesis import EquationGenerator, EquationStream

def run(workers, done, n):
    stream = EquationStream(EquationGenerator("snip", max_dim=2, n_points=20), batch_size=8, pool=3)
    stream.load_state_dict(stream.state_dict(done, workers))
    loader = DataLoader(stream, batch_size=None, num_workers=workers, multiprocessing_context="fork")
    return [b["indices"].tolist() for b in islice(loader, n)]

if __name__ == "__main__":
    print(json.dumps([run(2, 0, 20), run(2, 7, 13), run(2, 12, 8)]), flush=True)
"""


def test_workers_share_nothing_and_resume(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(WORKERS)
    # In a process of its own: torch may complain when endless workers are ended.
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=200)
    whole, after_7, after_12 = json.loads(done.stdout.splitlines()[0])
    flat = [i for b in whole for i in b]
    assert len(set(flat)) == len(flat) == 160
    assert max(flat) < 24 * 8  # pools of both workers, one after the other
    assert after_7 == whole[7:]
    assert after_12 == whole[12:]


def test_bad_settings_are_named():
    with pytest.raises(InvalidInput, match="batch_size"):
        EquationStream(GENERATOR, batch_size=0)
    with pytest.raises(InvalidInput, match="rank"):
        EquationStream(GENERATOR, rank=2, world_size=2)
    stream = EquationStream(GENERATOR)
    with pytest.raises(InvalidInput, match="0 or more"):
        stream.state_dict(-1)
    stream.load_state_dict({"batches": 3, "workers": 2})
    with pytest.raises(InvalidInput, match="2 workers"):
        next(iter(stream))
