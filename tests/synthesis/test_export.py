"""Samples on disk: what is read is what was drawn, whatever the workers, after interruption and damage."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from symnum import Expression
from symnum.exceptions import InvalidInput, MissingExtra
from symnum.synthesis import EquationGenerator, export_samples, read_shards, write_card
from symnum.synthesis.export import MANIFEST, SHARD, Manifest

pq = pytest.importorskip("pyarrow.parquet")
SNIP = {"preset": "snip", "max_dim": 2, "n_points": 20, "seed": 5}
IMPROVED = {"preset": "improved", "max_dim": 1, "n_points": 20, "seed": 5}


def checksums(folder: Path) -> list[str]:
    return [s["sha256"] for s in json.loads((folder / MANIFEST).read_text())["shards"]]


def test_reading_gives_the_samples_that_were_drawn(tmp_path: Path):
    generator = EquationGenerator(**SNIP)
    n = SHARD + 300
    manifest = export_samples(generator, tmp_path, n)
    assert manifest.samples() == n
    batches = list(read_shards(tmp_path, check=True))
    assert [len(b) for b in batches] == [SHARD, 300]
    fresh = generator.batch(0, n)
    assert np.array_equal(np.concatenate([b.indices for b in batches]), np.arange(n))
    assert np.array_equal(np.concatenate([b.X for b in batches]), fresh.X)
    assert np.array_equal(np.concatenate([b.y for b in batches]), fresh.y)
    assert np.array_equal(np.concatenate([b.hashes for b in batches]), fresh.hashes)
    for i in (0, 299):
        stored, drawn = batches[1].sample(i), fresh.sample(SHARD + i)
        assert stored.expression == drawn.expression
        assert np.array_equal(stored.tokens, drawn.tokens)


def test_columns_are_readable_without_symnum(tmp_path: Path):
    generator = EquationGenerator("improved", max_dim=4, n_points=50, seed=1, unique=False)
    export_samples(generator, tmp_path, 100)
    rows = pq.read_table(tmp_path / "shard-000000.parquet").to_pylist()
    assert len(rows) == 100
    words = json.loads((tmp_path / "tokenizer.json").read_text())["words"]
    for row in rows:
        X = np.array(row["X"]).reshape(row["n_variables"], row["n_points"]).T
        formula = Expression.parse(row["expression"], [f"x{i}" for i in range(row["n_variables"])])
        assert np.allclose(formula.evaluate(X), row["y"], rtol=1e-6, atol=1e-6 * np.abs(row["y"]).max())
        assert formula == generator.sample(row["index"]).expression
        assert words[row["tokens"][0]] == words[row["tokens"][-1]] == "<EOS>"


def test_repeated_functions_do_not_count(tmp_path: Path):
    generator = EquationGenerator(**IMPROVED)
    manifest = export_samples(generator, tmp_path, 3000)
    assert manifest.samples() == 3000
    hashes = np.concatenate([b.hashes for b in read_shards(tmp_path)])
    assert hashes.size == np.unique(hashes).size == 3000
    # The first 3000 different functions, in order.
    stream = generator.batches(n=500)
    expected = np.concatenate([next(stream).hashes for _ in range(12)])[:3000]
    assert np.array_equal(hashes, expected)


@pytest.mark.parametrize("settings", [SNIP, IMPROVED])
def test_samples_do_not_depend_on_workers(tmp_path: Path, settings: dict):
    generator = EquationGenerator(**settings)
    n = 2 * SHARD + 10
    one = export_samples(generator, tmp_path / "one", n, workers=1)
    two = export_samples(generator, tmp_path / "two", n, workers=2)
    assert checksums(tmp_path / "one") == checksums(tmp_path / "two")
    assert one.shards == two.shards
    files = sorted(p.name for p in (tmp_path / "two").glob("shard-*"))
    assert files == sorted(s["file"] for s in two.shards.values())


class Stop(Exception):
    pass


@pytest.mark.parametrize("settings", [SNIP, IMPROVED])
def test_an_interrupted_export_goes_on(tmp_path: Path, settings: dict):
    generator = EquationGenerator(**settings)
    n = 3 * SHARD

    def stop(done: int, total: int) -> None:
        raise Stop

    whole = export_samples(generator, tmp_path / "whole", n)
    part = tmp_path / "part"
    with pytest.raises(Stop):
        export_samples(generator, part, n, report=stop)
    assert len(checksums(part)) == 1
    made = (part / "shard-000000.parquet").stat().st_mtime_ns
    steps = []
    again = export_samples(generator, part, n, report=lambda done, total: steps.append((done, total)))
    assert (part / "shard-000000.parquet").stat().st_mtime_ns == made
    assert again.shards == whole.shards
    assert steps[-1] == (n, n)
    assert [d for d, _ in steps] == sorted(d for d, _ in steps)


def test_a_broken_shard_is_found_and_redone(tmp_path: Path):
    generator = EquationGenerator(**SNIP)
    export_samples(generator, tmp_path, 2 * SHARD)
    before = checksums(tmp_path)
    broken, missing = tmp_path / "shard-000000.parquet", tmp_path / "shard-000001.parquet"
    broken.write_bytes(broken.read_bytes()[:5000])
    with pytest.raises(InvalidInput, match=r"shard-000000.parquet is missing or broken.*run the same export"):
        list(read_shards(tmp_path))
    missing.unlink()
    with pytest.raises(InvalidInput, match="missing or was changed"):
        list(read_shards(tmp_path, check=True))
    export_samples(generator, tmp_path, 2 * SHARD)
    assert checksums(tmp_path) == before
    assert sum(len(b) for b in read_shards(tmp_path, check=True)) == 2 * SHARD


def test_an_export_grows_and_shrinks(tmp_path: Path):
    generator = EquationGenerator(**SNIP)
    export_samples(generator, tmp_path, 100)
    export_samples(generator, tmp_path, SHARD + 50)
    assert sum(len(b) for b in read_shards(tmp_path, check=True)) == SHARD + 50
    export_samples(generator, tmp_path, 100)
    assert sum(len(b) for b in read_shards(tmp_path, check=True)) == 100
    assert [p.name for p in tmp_path.glob("shard-*")] == ["shard-000000.parquet"]


def test_bad_folders_are_named(tmp_path: Path):
    generator = EquationGenerator(**SNIP)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(InvalidInput, match="cannot write to folder"):
        export_samples(generator, file, 10)
    if os.geteuid() != 0:
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o500)
        with pytest.raises(InvalidInput, match="cannot write to folder"):
            export_samples(generator, closed, 10)
    export_samples(generator, tmp_path / "a", 10)
    with pytest.raises(InvalidInput, match="another seed or law"):
        export_samples(EquationGenerator(**{**SNIP, "seed": 6}), tmp_path / "a", 10)
    with pytest.raises(InvalidInput, match=r"no manifest.json"):
        list(read_shards(tmp_path))
    (tmp_path / "a" / MANIFEST).write_text("{")
    with pytest.raises(InvalidInput, match="cannot be read"):
        list(read_shards(tmp_path / "a"))
    (tmp_path / "a" / MANIFEST).write_text("{}")
    with pytest.raises(InvalidInput, match="no manifest of samples"):
        Manifest.read(tmp_path / "a")
    (tmp_path / "a" / MANIFEST).unlink()
    with pytest.raises(InvalidInput, match="shards but no"):
        export_samples(generator, tmp_path / "a", 10)
    for n, workers in ((0, 1), (10, 0)):
        with pytest.raises(InvalidInput, match="must be 1"):
            export_samples(generator, tmp_path / "b", n, workers)


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtra, match="pip install pyarrow"):
        export_samples(EquationGenerator(**SNIP), tmp_path, 10)


def test_the_card_tells_what_the_folder_holds(tmp_path: Path):
    generator = EquationGenerator("improved", max_dim=3, n_points=40, seed=2)
    manifest = export_samples(generator, tmp_path, 600)
    page = write_card(tmp_path)
    text = page.read_text()
    assert "| samples | 600 |" in text
    assert f"| left out: skeleton of a benchmark formula | {manifest.outcomes()['benchmark']:,} |" in text
    assert f"`{generator.config_hash}`" in text
    for name in ("complexity", "operators", "constants", "targets", "dimensions"):
        picture = (tmp_path / f"{name}.png").read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert f"({name}.png)" in text
    # The law in the page makes the same samples again.
    law = json.loads(text.split("```json")[1].split("```")[0])
    data = {**generator.to_dict(), "law": law}
    assert EquationGenerator.from_dict(data).sample(9).expression == generator.sample(9).expression


def test_the_numbers_of_the_card(tmp_path: Path):
    from symnum.synthesis.card import look

    generator = EquationGenerator(**SNIP)
    export_samples(generator, tmp_path, 200)
    data = look(tmp_path)
    samples = list(generator.batch(0, 200))
    assert data.complexity.tolist() == [s.expression.complexity for s in samples]
    assert data.tokens.tolist() == [s.tokens.size - 2 for s in samples]
    assert data.largest == pytest.approx([np.abs(s.y).max() for s in samples])
    assert data.spread == pytest.approx([np.std(s.y) / np.abs(s.y).max() for s in samples])
    assert data.operators["sqrt"] == sum(s.expression.to_prefix().count("sqrt") for s in samples)
    assert data.constants.size == sum(s.expression.constants.size for s in samples)
