"""The command as its own process: what a shell sees."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pandas as pd
import pytest

SYMNUM = [sys.executable, "-c", "from symnum.cli import main; main()"]
HEAVY = {"torch", "sympy", "pandas", "scipy", "sklearn", "matplotlib", "numba", "numpy"}


def run(*args: object, **env: str) -> subprocess.CompletedProcess:
    environment = {k: v for k, v in os.environ.items() if k != "SYMNUM_DEBUG"} | env
    command = [*SYMNUM, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)


def test_fit_and_predict(force_table, tmp_path):
    fit = run("fit", force_table, "--target", "F", "--max-evals", 20_000, "--out", tmp_path)
    assert fit.returncode == 0
    assert fit.stderr == "symnum: note: left out, no numbers in them: 'label'\n"
    predicted = run("predict", tmp_path / "model.json", force_table, "--out", tmp_path / "p.csv")
    assert predicted.returncode == 0
    table = pd.read_csv(tmp_path / "p.csv")
    pd.testing.assert_series_equal(table["prediction"], table["F"], check_names=False)


@pytest.mark.parametrize("args", [["fit", "nothing.csv", "--target", "T"], ["show", "nothing.json"], ["fit"]])
def test_error_is_one_line_and_a_code(args):
    done = run(*args)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert done.stderr.startswith("symnum: error: ")
    assert done.stderr.count("\n") == 1


def test_debug_shows_the_traceback():
    done = run("show", "nothing.json", SYMNUM_DEBUG="1")
    assert done.returncode != 0
    assert "Traceback" in done.stderr
    assert "InvalidInput" in done.stderr


def test_reader_that_leaves_early_sees_no_traceback(fitted):
    command = [*SYMNUM, "show", str(fitted / "model.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


def test_command_line_itself_loads_nothing_heavy():
    code = "import symnum.cli, sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert not {name.split(".")[0] for name in json.loads(done.stdout)} & HEAVY


def test_terminal_shows_the_growing_front_and_ctrl_c_keeps_it(noisy_table, tmp_path):
    """In a terminal of 100 x 30: interrupted when formulas are on the screen."""
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    command = [*SYMNUM, "fit", str(noisy_table), "--target", "y", "--time", "100", "--out", str(tmp_path)]
    environment = os.environ | {"TERM": "xterm"}
    with subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment
    ) as process:
        os.close(terminal)
        seen, pressed, limit = "", False, time.monotonic() + 100
        while time.monotonic() < limit:
            if not select.select([screen], [], [], 0.5)[0]:
                continue
            try:
                seen += os.read(screen, 65536).decode(errors="replace")
            except OSError:  # the other end is gone
                break
            if not pressed and "expressions formed" in seen:
                process.send_signal(signal.SIGINT)
                pressed = True
        os.close(screen)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)
    assert pressed, plain
    assert process.returncode == 0
    assert "note: stopped early; what was found until then is kept" in plain
    assert "Traceback" not in plain
    assert json.loads((tmp_path / "model.json").read_text())["stop_reason"] == "interrupted"
    assert (tmp_path / "report.html").is_file()
