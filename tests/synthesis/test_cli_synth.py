"""`symnum synth` from outside: files, messages, exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

COMMAND = [sys.executable, "-m", "symnum.cli", "synth"]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_folder_of_samples(tmp_path: Path):
    out = tmp_path / "data"
    done = run("--preset", "snip", "--max-dim", 2, "--n", 300, "--workers", 2, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "300 samples" in done.stdout
    assert "benchmark formula" in done.stdout
    assert {"manifest.json", "README.md", "tokenizer.json", "complexity.png"} <= {
        p.name for p in out.iterdir()
    }
    assert json.loads((out / "manifest.json").read_text())["samples"] == 300


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--preset", "snap", "--n", 5), "no preset 'snap'"),
        (("--operators", "add,snn", "--n", 5), "unknown operator 'snn'"),
        (("--operators", "add,sin:x", "--n", 5), "weight of sin"),
        (("--n", 0), "n must be 1"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, arguments: tuple, words: str):
    done = run(*arguments, "--out", tmp_path / "x")
    assert done.returncode != 0
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_ctrl_c_keeps_what_is_finished(tmp_path: Path):
    out = tmp_path / "data"
    process = subprocess.Popen(
        [
            *COMMAND,
            "--max-dim",
            "10",
            "--n",
            "2000000",
            "--workers",
            "2",
            "--out",
            str(out),
        ],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 100
    while not (out / "manifest.json").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "the same command goes on" in errors
    assert "Traceback" not in errors
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["samples"] > 0
    assert all((out / s["file"]).exists() for s in manifest["shards"])
