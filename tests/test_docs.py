"""The pages of the documentation: code that parses and names what exists, links that lead somewhere."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from symnum.exceptions import MissingExtra

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def site_pages():
    spec = importlib.util.spec_from_file_location("site_pages", DOCS / "site_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(DOCS)))
def test_python_on_a_page_is_python_and_imports_exist(page):
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("symnum"):
                try:
                    module = importlib.import_module(node.module)
                    lacking = [a.name for a in node.names if not hasattr(module, a.name)]
                except (MissingExtra, ModuleNotFoundError) as error:
                    if (getattr(error, "name", None) or "").startswith("symnum"):
                        raise
                    pytest.skip(f"{node.module} cannot be imported here: {error}")
                assert lacking == []


def test_methods_and_parameters_on_pages_exist():
    from symnum import SymbolicRegressor

    known = set(inspect.signature(SymbolicRegressor).parameters)
    methods = {n for n in dir(SymbolicRegressor)} | set(
        re.findall(r"(\w+_) :", inspect.getdoc(SymbolicRegressor))
    )
    for page in PAGES:
        for block in BLOCK.findall(page.read_text(encoding="utf-8")):
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "SymbolicRegressor":
                    assert {k.arg for k in node.keywords} <= known, page
                if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "model":
                    assert node.attr in methods, (page, node.attr)


def test_links_and_pictures_lead_somewhere(site_pages):
    made = {f"tutorials/{p.stem}.md" for p in (ROOT / "notebooks").glob("*.ipynb")}
    missing = []
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            place = (page.parent / target).resolve()
            if not place.exists() and str(place.relative_to(DOCS)) not in made:
                missing.append((page.name, target))
    assert missing == []


def test_every_page_is_in_the_menu():
    menu = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8")))
    pages = {str(p.relative_to(DOCS)) for p in PAGES}
    made = {f"tutorials/{p.stem}.md" for p in (ROOT / "notebooks").glob("*.ipynb")}
    assert pages <= menu
    assert menu - pages <= made


def test_reference_names_exist():
    """Looked up in the sources: modules of networks cannot be imported without torch."""
    for page in (DOCS / "reference").glob("*.md"):
        for name in re.findall(r"^::: ([\w.]+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
            module, _, last = name.rpartition(".")
            if (ROOT / f"{name.replace('.', '/')}.py").exists():
                continue
            file = ROOT / module.replace(".", "/")
            file = file / "__init__.pyi" if file.is_dir() else file.with_suffix(".py")
            assert re.search(rf"^(class|def) {last}\b|as {last}$", file.read_text(), re.MULTILINE), name


def test_feature_table_has_all_rows_and_says_where_each_is():
    text = (DOCS / "explanation" / "features.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| .*? \| ([yn~-]) \| .* \| (.*) \|$", text, re.MULTILINE)
    assert [int(r[0]) for r in rows] == list(range(1, 55))
    assert [r[0] for r in rows if not r[2]] == []
    counts = [sum(r[1] == mark for r in rows) for mark in "y~n"]
    assert f"symnum has {counts[0]} in full, {counts[1]} in part and {counts[2]} not" in text
    for path in re.findall(r"`((?:tests|eval)/[\w./]+)`", text):
        assert (ROOT / path).exists(), path


def test_tables_of_results_are_counted_from_the_runs(site_pages):
    import pandas as pd

    for name in re.findall(r"<!-- results: ([\w-]+) -->", (DOCS / "explanation/benchmarks.md").read_text()):
        runs = pd.read_csv(ROOT / "eval" / "results" / f"{name}.csv")
        runs = runs[runs["status"] != "skipped"]
        table = site_pages.results_table(name)
        for (kind, method, noise), part in runs.groupby(
            [runs["problem"].str.split("/").str[0], "method", "noise"]
        ):
            row = next(r for r in table.splitlines() if r.startswith(f"| {kind} | {method} | {noise:g} | "))
            cells = [c.strip() for c in row.strip("|").split("|")]
            assert int(cells[3]) == len(part)
            if part["truth"].notna().any():
                assert int(cells[4].split()[0]) == (part["recovered"].astype(str) == "True").sum()
            assert float(cells[5]) == pytest.approx(part["r2_test"].median(), abs=6e-5)


def test_cards_of_shipped_weights_are_shown(site_pages):
    shipped = sorted((ROOT / "symnum" / "models" / "shipped").glob("*/README.md"))
    cards = site_pages.model_cards()
    assert [card.splitlines()[0] for card in cards] == [f"## {p.parent.name}" for p in shipped]
    assert all("license:" not in card for card in cards)


def test_a_notebook_becomes_a_page(site_pages, tmp_path):
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": ["a\x1b[31mb\x1b[0m\n"]},
        {"output_type": "stream", "name": "stderr", "text": ["hidden"]},
        {"output_type": "display_data", "data": {"image/png": "aGVsbG8=", "text/plain": ["<Figure>"]}},
        {"output_type": "execute_result", "data": {"text/html": ["<div>\n  <table></table>\n</div>"]}},
        {"output_type": "execute_result", "data": {"text/latex": ["$x^2$"], "text/plain": ["x**2"]}},
    ]
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "\n", "words"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "x = 1"], "outputs": outputs},
    ]
    (tmp_path / "made.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    text, pictures = site_pages.notebook_page(tmp_path / "made.ipynb")
    assert text == (
        "# Title\n\n*This page is the executed notebook `notebooks/made.ipynb`.*\n\nwords\n\n"
        "```python\nx = 1\n```\n\n```text\nab\n```\n\n![figure](made-0.png)\n\n"
        "<div><table></table></div>\n\n```text\nx^2\n```\n"
    )
    assert pictures == {"made-0.png": b"hello"}


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_notebooks_are_executed_and_match_their_scripts(path):
    import jupytext

    notebook = json.loads(path.read_text(encoding="utf-8"))
    script = jupytext.read(path.with_suffix(".py"))
    sources = ["".join(c["source"]) for c in notebook["cells"]]
    assert sources == [c["source"] for c in script["cells"]]
    code = [c for c in notebook["cells"] if c["cell_type"] == "code"]
    assert all(c["execution_count"] for c in code)
    errors = [o for c in code for o in c["outputs"] if o["output_type"] == "error"]
    assert errors == []


@pytest.mark.slow
def test_site_builds_without_warnings(tmp_path):
    if shutil.which("mkdocs", path=str(Path(sys.executable).parent)) is None:
        pytest.skip("mkdocs is not installed; `make docs` installs it")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="https?://(?!github)[^"]*\.(?:js|css|woff2?)"', page)
