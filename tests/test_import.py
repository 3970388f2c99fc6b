"""`import symnum` is quick because it imports nothing heavy; the public names load when they are used."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import symnum

HEAVY = {"torch", "transformers", "sympy", "pandas", "scipy", "sklearn", "matplotlib", "numba", "pyoperon"}
STUB = Path(symnum.__file__).with_suffix(".pyi")


def stub_names() -> list[str]:
    tree = ast.parse(STUB.read_text())
    return sorted(a.asname or a.name for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names)


def modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return {name.split(".")[0] for name in json.loads(done.stdout)}


def test_import_pulls_in_nothing_heavy():
    assert not modules_after("import symnum; dir(symnum)") & HEAVY


def test_dir_lists_exactly_the_stub_names():
    assert sorted(set(dir(symnum))) == stub_names()


@pytest.mark.parametrize("name", stub_names())
def test_public_name_loads(name: str):
    if name in ("SNIPModel", "PROSEModel"):
        pytest.importorskip("transformers")
    assert getattr(symnum, name).__doc__


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="NoSuchThing"):
        symnum.NoSuchThing  # noqa: B018


def test_version_is_the_one_installed():
    assert symnum.__version__ == importlib.metadata.version("symnum-discovery")
    assert re.fullmatch(r"\d+\.\d+\.\d+", symnum.__version__)
