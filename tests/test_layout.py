"""Only `symnum` may be importable: a `datasets` folder on sys.path breaks HF Trainer."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BESIDE = ("datasets", "eval", "pretrain", "benchmarks", "notebooks", "tests")


def run_python(code: str) -> str:
    """Run code in a fresh interpreter whose path is what the installation alone gives it."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd="/",
        env=env,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("folder", BESIDE)
def test_folders_beside_the_package_are_no_packages(folder: str):
    assert not sorted((ROOT / folder).rglob("__init__.py"))


@pytest.mark.parametrize("folder", BESIDE)
def test_installation_does_not_expose_folder(folder: str):
    origin = run_python(
        f"import importlib.util as u; s = u.find_spec({folder!r});"
        "print(*([s.origin] if s and s.origin else s.submodule_search_locations if s else []), sep='\\n')"
    )
    exposed = [Path(place) for place in origin.splitlines() if Path(place).is_relative_to(ROOT)]
    assert all("site-packages" in place.parts for place in exposed)  # the environment may lie in the tree


def test_installation_exposes_the_package_of_this_tree():
    where = run_python("import symnum; print(symnum.__file__)")
    assert Path(where).resolve() == (ROOT / "symnum" / "__init__.py").resolve()


def test_wheel_holds_the_package_alone(tmp_path: Path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} <= {"symnum", wheel.name.split("-py3")[0] + ".dist-info"}
    for needed in ("symnum/__init__.py", "symnum/__init__.pyi", "symnum/py.typed"):
        assert needed in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
