"""The README's Python example runs as printed, finds what it says, and needs no network library."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_quick_start(tmp_path: Path):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    loaded = "\nimport sys; print('loaded:', *sorted({'torch', 'transformers'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", example + loaded], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("loaded:")
    assert "x0*x1/x2**2\n" in done.stdout
    assert (tmp_path / "model.json").is_file()


def test_links_point_at_files():
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert targets
    assert [t for t in targets if not (Path(__file__).parents[1] / t).exists()] == []
