"""Pages that mkdocs makes of what is elsewhere in the repository: executed notebooks, results of campaigns.

mkdocs calls `on_files` and `on_page_markdown` (see ``hooks`` in mkdocs.yml). The pages themselves need the
standard library alone.
"""

from __future__ import annotations

import base64
import csv
import html
import json
import re
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_TABLE_STYLE = re.compile(r"<style scoped>.*?</style>", re.DOTALL)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


# -------------------------------------------------------------------------------------------- mkdocs
def on_files(files: Any, config: Any) -> Any:
    """Add a page for every notebook, with its pictures."""
    from mkdocs.structure.files import File

    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        text, pictures = notebook_page(path)
        files.append(File.generated(config, f"tutorials/{path.stem}.md", content=text))
        for name, data in pictures.items():
            files.append(File.generated(config, f"tutorials/{name}", content=data))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Put tables of results and model cards where a page asks for them."""
    markdown = markdown.replace("<!-- model cards -->", "\n\n".join(model_cards()))
    return re.sub(r"<!-- results: ([\w-]+) -->", lambda m: results_table(m[1]), markdown)


# -------------------------------------------------------------------------------------------- notebooks
def notebook_page(path: Path) -> tuple[str, dict[str, bytes]]:
    """Markdown of a notebook, and its pictures by file name."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        shown = "\n".join(line for line in source.splitlines() if not line.startswith("%"))
        if shown.strip():
            parts.append(f"```python\n{shown.strip()}\n```")
        for output in cell.get("outputs", ()):
            made = _output(output, f"{path.stem}-{len(pictures)}.png", pictures)
            if made:
                parts.append(made)
    heading = next(i for i, part in enumerate(parts) if part.startswith("# "))
    made_of = f"*This page is the executed notebook `notebooks/{path.name}`.*"
    title, _, rest = parts[heading].partition("\n")
    parts[heading] = f"{title}\n\n{made_of}\n{rest}"
    return "\n\n".join(parts) + "\n", pictures


def _output(output: dict[str, Any], name: str, pictures: dict[str, bytes]) -> str:
    if output["output_type"] == "stream":
        return _block("".join(output["text"])) if output["name"] == "stdout" else ""
    data = output.get("data", {})
    if "image/png" in data:
        pictures[name] = base64.b64decode("".join(data["image/png"]))
        return f"![figure]({name})"
    if "text/html" in data:
        table = _TABLE_STYLE.sub("", "".join(data["text/html"]))
        table = table.replace('<table border="1" class="dataframe">', "<table>")
        return re.sub(r"\n\s*", "", table)
    if "text/latex" in data:
        return _block("".join(data["text/latex"]).strip().strip("$").strip())
    return _block("".join(data["text/plain"])) if "text/plain" in data else ""


def _block(text: str) -> str:
    return f"```text\n{_COLOUR.sub('', text).rstrip()}\n```" if text.strip() else ""


# -------------------------------------------------------------------------------------------- model cards
def model_cards() -> list[str]:
    """Cards of the weights in the package, without their front matter, a heading lower."""
    found = []
    for path in sorted((ROOT / "symnum" / "models" / "shipped").glob("*/README.md")):
        text = re.sub(r"\A---\n.*?\n---\n", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        found.append(re.sub(r"\A# ", "## ", text.strip()))
    return found


# -------------------------------------------------------------------------------------------- results
def results_table(name: str) -> str:
    """Table of a campaign in eval/results, a row for each method, kind of problem and noise.

    Black-box tables, whose truth is unknown, show the median R2 on held-out rows instead of recovery.
    """
    with (ROOT / "eval" / "results" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        runs = [row for row in csv.DictReader(file) if row["status"] != "skipped"]
    grouped: dict[tuple[str, str, float], list[dict[str, str]]] = defaultdict(list)
    for row in runs:
        grouped[(row["problem"].split("/")[0], row["method"], float(row["noise"]))].append(row)
    medians = ["median test R2", "median size", "median seconds"]
    heads = ["problems", "method", "noise", "runs", "recovered", *medians]
    rows = [_row(key, grouped[key]) for key in sorted(grouped, key=lambda k: (k[0], k[2], k[1]))]
    seconds = sorted({row["max_time"] for row in runs}, key=float)
    note = f"Limit of {' or '.join(seconds)} s a fit; from `eval/results/{name}.csv`."
    return f"{_pipe_table(heads, rows)}\n\n{note}"


def _row(key: tuple[str, str, float], runs: Sequence[dict[str, str]]) -> list[str]:
    problems, method, noise = key
    truth_known = any(row["truth"] for row in runs)
    found = sum(row["recovered"] == "True" for row in runs)
    recovered = f"{found} ({100 * found / len(runs):.0f} %)" if truth_known else ""
    return [
        problems, method, f"{noise:g}", str(len(runs)), recovered,
        f"{_median(runs, 'r2_test'):.4f}", f"{_median(runs, 'sympy_size'):.0f}",
        f"{_median(runs, 'fit_seconds'):.1f}",
    ]  # fmt: skip


def _median(runs: Iterable[dict[str, str]], column: str) -> float:
    """Median over the runs; those without a number count as missing."""
    values = [float(row[column]) for row in runs if row[column] not in ("", "nan")]
    return statistics.median(values) if values else float("nan")


def _pipe_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", "|:--|:--|" + "--:|" * (len(heads) - 2)]
    lines += [f"| {' | '.join(html.escape(cell, quote=False) for cell in row)} |" for row in rows]
    return "\n".join(lines)
