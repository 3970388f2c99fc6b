"""Model card of PROSE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from symnum.training.settings import Settings

_TEXT = """---
license: mit
library_name: symnum
tags: [dynamical-systems, forecasting, symbolic-regression, prose]
---
# {name}

{purpose}

**Made from** {families} families of differential equations ({names}), coefficients within {spread:.0f} % of
their central values, {equations:,} equations of each with {trajectories} trajectories, seed {seed};
{samples:,} samples in {steps:,} steps of {batch}, {hours:.1f} hours. Noise of {noise} % of the norm of a
trajectory on the given states{targets}; guess: {setting}.

**Reaches** on {held_out} held-out equations of each family ({window} of {points} times given, the noise
above, states asked for without noise):

| measure | |
|---|---|
{rows}

{limits}
"""
_PROSE = """
Reads a noisy trajectory and, where there is one, a guess of its equations; gives states at later times and
the equations with numbers: PROSE (Liu, Zhang & Schaeffer 2024, arXiv:2309.16816) in the form described in
symnum's `PROSEConfig`. {millions:.2f} million parameters, float16.

```python
from symnum import PROSEForecaster

model = PROSEForecaster("{name}").fit(t, U)
model.forecast(later)
model.equations()
```
"""
_LIMITS = """
**Limits.** Knows systems like those of its families, up to {max_dim} states. The states it forecasts itself
lose chaotic trajectories soon; equations whose constants are fitted to the window again (`PROSEForecaster`
does that) go much further. A forecast by a wrong system looks as smooth as one by the right one.
"""
_REFERENCE = """
{kind} as a reference for PROSE: forecasts of states from a noisy window, trained on the same batches.
{millions:.2f} million parameters, float16.
"""
_KINDS = {
    "deeponet": "A DeepONet (Lu et al. 2021)",
    "gru": "A recurrent network of gated units (Cho et al. 2014)",
}
_NAMES = {
    "data_error": "mean relative L2 error of the states, all later times",
    "data_error_near": "the same, first half of them",
    "skeleton_accuracy": "share of skeletons with every word right, given the words before",
    "word_accuracy": "share of words that are right, given those before",
}


def write_prose_card(folder: Path, settings: Settings, metrics: dict[str, float], parameters: int) -> None:
    """Write ``README.md`` of a folder of weights from the settings and the measures of its run."""
    data: Any = settings.data
    found = {k.removeprefix("eval_"): v for k, v in metrics.items()}
    rows = [f"| {text} | {100 * found[name]:.2f} % |" for name, text in _NAMES.items() if name in found]
    low, high = (100 * v for v in data.noise)
    steps, samples = int(found.get("steps", 0)), int(found.get("samples", 0))
    kind = _KINDS.get(dict(settings.model).get("reference", ""))
    names = {"name": settings.name, "millions": parameters / 1e6, "kind": kind}
    known = dict(settings.model).get("max_dim", 3)
    text = _TEXT.format(
        name=settings.name,
        purpose=(_REFERENCE if kind else _PROSE).format(**names).strip(),
        limits="A reference, not a tool." if kind else _LIMITS.format(max_dim=known).strip(),
        families=len(data.names),
        names=", ".join(data.names),
        spread=100 * data.spread,
        equations=data.equations,
        trajectories=data.trajectories,
        seed=data.seed,
        samples=samples,
        steps=steps,
        batch=samples // max(steps, 1),
        hours=found.get("hours", 0.0),
        noise=f"{low:g}" if low == high else f"{low:g} to {high:g}",
        targets=" and on those asked for" if data.noisy_targets else "",
        setting=data.setting,
        held_out=data.held_out,
        window=data.window,
        points=data.steps,
        rows="\n".join(rows),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")
