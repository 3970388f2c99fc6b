"""Methods that run in a process of their own: data goes there as JSON, formulas come back as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from symnum.evaluation.methods.base import Training
from symnum.exceptions import SymnumError

_GRACE = 30.0


class ChildFailed(SymnumError):
    """The process of a method ended without an answer."""


def run_child(module: str, training: Training, start_seconds: float) -> dict[str, Any]:
    """Run ``python -m module FOLDER``; it reads ``task.json`` there and writes ``answer.json``.

    Parameters
    ----------
    module : str
    training : Training
    start_seconds : float
        What the process may take beside its fit: imports, compilation, warming up.

    Raises
    ------
    ChildFailed
        When it ends without an answer or takes too long; the message holds the end of what it wrote.
    """
    with tempfile.TemporaryDirectory(prefix="symnum-") as place:
        folder = Path(place)
        task = {
            "X": training.X.tolist(), "y": training.y.tolist(), "names": list(training.names),
            "max_time": training.max_time, "n_jobs": training.n_jobs, "seed": training.seed,
        }  # fmt: skip
        (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
        root = str(Path(__file__).resolve().parents[3])
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        env = dict(os.environ, PYTHONPATH=path)
        with (folder / "log.txt").open("w+", encoding="utf-8", errors="replace") as log:
            command = [sys.executable, "-P", "-m", module, place]
            process = subprocess.Popen(command, stdout=log, stderr=log, env=env, cwd=place)
            try:
                code = process.wait(timeout=training.max_time + start_seconds + _GRACE)
                reason = f"ended with code {code}"
            except subprocess.TimeoutExpired:
                reason = "did not end in time"
            finally:
                process.kill()
                process.wait()
            answer = folder / "answer.json"
            if answer.is_file():
                return json.loads(answer.read_text(encoding="utf-8"))
            log.seek(0)
            tail = " ".join(log.read()[-600:].split())
        raise ChildFailed(f"the process of {module.rsplit('.', 1)[-1]} {reason}: {tail}")
