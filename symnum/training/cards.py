"""Model cards: what weights are, how they were made, what they reach."""

from __future__ import annotations

from pathlib import Path

from symnum.synthesis.presets import PRESETS
from symnum.training.settings import Settings

_TEXT = """---
license: mit
library_name: symnum
tags: [symbolic-regression, contrastive, snip]
---
# {name}

A pair of encoders that puts a formula and its data at the same place: SNIP (Meidani et al. 2024,
arXiv:2310.02227) in the form described in symnum's `SNIPConfig`. {millions:.2f} million parameters, float16.

```python
from symnum import SNIPEmbedder

embedder = SNIPEmbedder("{name}")
embedder.similarity(["sin(x0)", "x0**2"], [(X, y)])
```

**Made from** synthetic formulas of up to {max_dim} variables (law `{preset}`, {n_points} rows each, seed
{seed}), {pairs:,} pairs in {steps:,} steps of {batch}, {hours:.1f} hours{begun}. {excluded}

**Reaches** on {held_out:,} held-out pairs, all rows given:

| among | formula given, its data found: R@1 / 5 / 10 | data given, its formula found: R@1 / 5 / 10 |
|---|---|---|
{rows}

Alignment {alignment:.3f}; uniformity {uniformity_symbolic:.2f} (formulas), {uniformity_numeric:.2f} (data).

**Limits.** Knows up to {max_dim} variables and formulas like those of the law; numbers beyond 1e30 are cut. A
high similarity is no proof: a formula that fits must be checked on the numbers.
"""


def excluded(preset: str) -> str:
    """What a law leaves out of the training, in a sentence of a model card."""
    if PRESETS[preset].exclude_benchmarks:
        return (
            "Formulas with\nthe skeleton of a benchmark formula (Feynman, Strogatz, classic suites) were "
            "left out, so were the held-out\nfunctions below."
        )
    return (
        "The held-out functions below\nwere left out; benchmark formulas were not, where the law draws them."
    )


def write_model_card(folder: Path, settings: Settings, metrics: dict[str, float], parameters: int) -> None:
    """Write ``README.md`` of a folder of weights from the settings and the measures of its run."""
    data, found = settings.data, {k.removeprefix("eval_"): v for k, v in metrics.items()}
    rows = []
    for size in sorted(int(k.rsplit("_", 1)[1]) for k in found if k.startswith("r1_data_")):
        ways = [
            " / ".join(f"{100 * found[f'r{k}_{way}_{size}']:.1f} %" for k in (1, 5, 10))
            for way in ("data", "formula")
        ]
        rows.append(f"| {size:,} | {ways[0]} | {ways[1]} |")
    steps = int(found.get("steps", 0))
    text = _TEXT.format(
        name=settings.name,
        millions=parameters / 1e6,
        max_dim=data.max_dim,
        preset=data.preset,
        n_points=data.n_points,
        seed=data.seed,
        excluded=excluded(data.preset),
        begun=f", begun with the weights `{settings.model['weights']}`"
        if "weights" in settings.model
        else "",
        steps=steps,
        pairs=int(found.get("pairs", 0)),
        hours=found.get("hours", 0.0),
        batch=int(found.get("pairs", 0)) // max(steps, 1),
        held_out=data.held_out,
        rows="\n".join(rows),
        alignment=found["alignment"],
        uniformity_symbolic=found["uniformity_symbolic"],
        uniformity_numeric=found["uniformity_numeric"],
    )
    (folder / "README.md").write_text(text, encoding="utf-8")
