"""Data card of a folder of samples: what they are, how to read them, and plots of what they look like."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from symnum.expressions.operators import OPERATORS
from symnum.synthesis.export import SHARD, Manifest, read_shards
from symnum.synthesis.parquet import COLUMNS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 20_000
"""Samples that the plots look at."""
INK, SOFT = "#2a6f97", "#a9c6d9"


@dataclass(frozen=True)
class Overview:
    """What the plots show, of the first samples of a folder.

    Attributes
    ----------
    complexity, tokens, dims, rows : int arrays, shape (n,)
    operators : Counter of str
        Occurrences by name.
    constants : float64 array
        All constants of all formulas.
    largest, spread : float64 arrays, shape (n,)
        Largest size of y, and its standard deviation over that.
    """

    complexity: NDArray[np.int64]
    tokens: NDArray[np.int64]
    dims: NDArray[np.int64]
    rows: NDArray[np.int64]
    operators: Counter[str]
    constants: NDArray[np.float64]
    largest: NDArray[np.float64]
    spread: NDArray[np.float64]


def look(folder: Path) -> Overview:
    """Read the first samples of a folder."""
    columns: dict[str, list[NDArray[Any]]] = {}
    operators: Counter[str] = Counter()
    seen = 0
    for batch in read_shards(folder):
        valid = np.arange(batch.codes.shape[1]) < batch.lengths[:, None]
        codes, counts = np.unique(batch.codes[valid & (batch.codes > 0)], return_counts=True)
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            operators[OPERATORS.by_code[code].name] += count
        inside = np.arange(batch.y.shape[1]) < batch.rows[:, None]
        largest = np.abs(batch.y).max(axis=1)
        scaled = np.where(inside, batch.y / np.where(largest > 0, largest, 1.0)[:, None], 0.0)
        mean = scaled.sum(axis=1) / batch.rows
        deviation = np.where(inside, scaled - mean[:, None], 0.0)
        values = {
            "complexity": batch.lengths,
            "tokens": batch.token_lengths - 2,
            "dims": batch.dims,
            "rows": batch.rows,
            "constants": batch.constants[np.arange(batch.constants.shape[1]) < batch.n_constants[:, None]],
            "largest": largest,
            "spread": np.sqrt((deviation**2).sum(axis=1) / batch.rows),
        }
        for name, array in values.items():
            columns.setdefault(name, []).append(array)
        seen += len(batch)
        if seen >= MOST:
            break
    return Overview(operators=operators, **{name: np.concatenate(parts) for name, parts in columns.items()})


# ------------------------------------------------------------------------------------------------- plots
def _plot_complexity(ax: Axes, data: Overview) -> None:
    ax.hist(data.complexity, np.arange(data.complexity.max() + 2) - 0.5, color=INK)
    ax.set(xlabel="complexity (nodes)", ylabel="formulas", title="Complexity")


def _plot_tokens(ax: Axes, data: Overview) -> None:
    ax.hist(data.tokens, np.arange(data.tokens.max() + 2) - 0.5, color=INK)
    ax.axvline(data.tokens.mean(), color="black", lw=1)
    ax.set(
        xlabel="tokens (without frame)",
        ylabel="formulas",
        title=f"Token lengths, mean {data.tokens.mean():.1f}",
    )


def _plot_operators(ax: Axes, data: Overview) -> None:
    items = data.operators.most_common()
    ax.barh([n for n, _ in items][::-1], [c / data.dims.size for _, c in items][::-1], color=INK)
    ax.set_xscale("log")
    ax.set(xlabel="occurrences per formula", title="Operators")


def _plot_constants(ax: Axes, data: Overview) -> None:
    size = np.abs(data.constants[data.constants != 0])
    edges = np.arange(np.floor(np.log10(size.min())), np.ceil(np.log10(size.max())) + 0.1, 0.1)
    for sign, color in ((1, INK), (-1, SOFT)):
        part = data.constants[np.sign(data.constants) == sign]
        ax.hist(
            np.log10(np.abs(part)),
            edges.tolist(),
            histtype="step",
            lw=1.5,
            color=color,
            label="+" if sign > 0 else "-",
        )
    low, middle, high = np.percentile(size, [25, 50, 75])
    ax.set(
        xlabel="log10 of size",
        ylabel="constants",
        title=f"Constants, quartiles {low:.2g} {middle:.2g} {high:.3g}",
    )
    ax.legend(title="sign", frameon=False, loc="upper left")


def _plot_targets(ax: Axes, data: Overview) -> None:
    positive = data.largest > 0
    size = np.log10(data.largest[positive])
    # A few formulas reach far: the axis shows all but a thousandth on each side, the title tells the rest.
    low, high = np.percentile(size, [0.1, 99.9])
    ax.hist(np.clip(size, low, high), 60, color=INK)
    ax.set(xlabel="log10 of the largest |y|", ylabel="formulas")
    ax.set_title(f"Targets, largest |y| from {data.largest.min():.1g} to {data.largest.max():.1g}")


def _plot_spread(ax: Axes, data: Overview) -> None:
    ax.hist(data.spread, 60, color=INK)
    ax.set(xlabel="standard deviation over largest |y|", ylabel="formulas", title="Spread of targets")


def _plot_dimensions(ax: Axes, data: Overview) -> None:
    values, counts = np.unique(data.dims, return_counts=True)
    ax.bar(values, counts / data.dims.size, color=INK)
    ax.set(xlabel="variables", ylabel="share", title="Dimensions", xticks=values)


def _plot_rows(ax: Axes, data: Overview) -> None:
    if data.rows.min() == data.rows.max():
        ax.bar([data.rows[0]], [data.rows.size], width=1.0, color=INK)
        ax.set(xlim=(data.rows[0] - 10, data.rows[0] + 10), xticks=[data.rows[0]])
    else:
        ax.hist(data.rows, 40, color=INK)
    ax.set(xlabel="rows", ylabel="formulas", title="Rows of a sample")


PLOTS = {
    "complexity": (_plot_complexity, _plot_tokens),
    "operators": (_plot_operators,),
    "constants": (_plot_constants,),
    "targets": (_plot_targets, _plot_spread),
    "dimensions": (_plot_dimensions, _plot_rows),
}
"""Panels by file name."""


def write_plots(folder: Path, data: Overview) -> list[str]:
    """Write the plots as PNG files and return their names."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = []
    for name, panels in PLOTS.items():
        height = 3.6 if name != "operators" else max(3.6, 0.26 * len(data.operators) + 1)
        figure = Figure(figsize=(4.8 * len(panels), height), layout="constrained")
        FigureCanvasAgg(figure)
        for k, panel in enumerate(panels):
            ax = figure.add_subplot(1, len(panels), k + 1)
            ax.spines[["top", "right"]].set_visible(False)
            panel(ax, data)
            ax.title.set_fontsize(10)
        figure.savefig(folder / f"{name}.png", dpi=110)
        names.append(f"{name}.png")
    return names


# ------------------------------------------------------------------------------------------------- text
def write_card(folder: str | Path) -> Path:
    """Write ``README.md`` and its plots beside the samples of a folder; returns the path of the page."""
    path = Path(folder)
    manifest = Manifest.read(path)
    data = look(path)
    plots = write_plots(path, data)
    page = path / "README.md"
    page.write_text(_text(manifest, data, plots), encoding="utf-8")
    return page


def _text(manifest: Manifest, data: Overview, plots: list[str]) -> str:
    generator = manifest.generator
    law = generator["law"]
    outcomes = manifest.outcomes()
    attempts = sum(outcomes.values())
    repeated = sum(len(s["dropped"]) for s in manifest.shards.values())
    benchmark = outcomes["benchmark"]
    judged = attempts - benchmark
    rows = [
        ("samples", f"{manifest.samples():,}"),
        ("preset, seed", f"{generator['preset']}, {generator['seed']}"),
        ("variables", f"{law['dims'][0]} to {law['dims'][1]}"),
        ("rows of a sample", f"{data.rows.min()} to {data.rows.max()}"),
        ("tokens of a formula, mean / median / longest", _three(data.tokens)),
        ("complexity, mean / median / largest", _three(data.complexity)),
        ("attempts", f"{attempts:,}"),
        ("accepted of them, benchmark formulas aside", f"{outcomes['accepted'] / max(judged, 1):.1%}"),
        *(
            (f"rejected: {k}", f"{v:,}")
            for k, v in outcomes.most_common()
            if k not in ("accepted", "benchmark")
        ),
        (
            "left out: skeleton of a benchmark formula",
            f"{benchmark:,}" if law["exclude_benchmarks"] else "none (not asked for)",
        ),
        (
            "left out: repeated functions, surplus of the last shard",
            f"{repeated:,}" if generator["unique"] else "none (not asked for)",
        ),
        ("config hash", f"`{manifest.config_hash}`"),
        ("made with", ", ".join(f"{k} {v}" for k, v in manifest.versions.items())),
    ]
    table = "\n".join(f"| {a} | {b} |" for a, b in rows)
    columns = "\n".join(f"| {a} | {b} |" for a, b in COLUMNS.items())
    pictures = "\n\n".join(f"![{name.removesuffix('.png')}]({name})" for name in plots)
    return f"""# Synthetic formulas and their numbers

{manifest.samples():,} formulas drawn at random, each with points on it. The numbers are not measurements.

| | |
|---|---|
{table}

Sample i depends on law, seed and i alone:

```python
from symnum.synthesis import EquationGenerator, read_shards
import json

for batch in read_shards("."):            # what is stored, {SHARD} sample numbers a shard
    print(len(batch), batch.expression(0))

manifest = json.load(open("manifest.json"))
EquationGenerator.from_dict(manifest["generator"]).sample(0)   # drawn again
```

## Columns

`shard-*.parquet`, one row a sample. Rows that `manifest.json` lists under `dropped` do
not count; `read_shards` leaves them out.

| column | holds |
|---|---|
{columns}

## What it looks like

The first {data.dims.size:,} samples.

{pictures}

## Law

```json
{json.dumps(law, indent=1)}
```
"""


def _three(values: NDArray[Any]) -> str:
    return f"{values.mean():.1f} / {np.median(values):.0f} / {values.max()}"
