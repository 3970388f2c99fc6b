"""Model card of the decoder of formulas."""

from __future__ import annotations

from pathlib import Path

from symnum.training.cards import excluded
from symnum.training.settings import Settings

_TEXT = """---
license: mit
library_name: symnum
tags: [symbolic-regression, snip]
---
# {name}

Reads a table and writes formulas for it: the decoder of SNIP (Meidani et al. 2024, arXiv:2310.02227, section
4) in the form described in symnum's `SNIPDecoderConfig`. {millions:.2f} million parameters, float16.

```python
from symnum import SymbolicRegressor

SymbolicRegressor(search="snip", max_time=10).fit(X, y)
```

Formulas come as {form}. Every formula that it writes is complete.

**Made from** synthetic formulas of up to {max_dim} variables (law `{preset}`, {rows} of {n_points} rows a
batch, seed {seed}), {samples:,} samples in {steps:,} steps of {batch}, {hours:.1f} hours, encoder begun with
{encoder}. {excluded}

**Reaches** on held-out functions, all rows given:

| measure | embedding and states | embedding alone |
|---|---|---|
{table}

Word accuracy and loss on {held_out:,} functions, given the words before; samples (temperature 1) on
{sampled}; constants fitted on {refined}.

**Limits.** Knows up to {max_dim} variables and formulas like those of the law, up to {max_symbols} words; of
more columns the ones that matter most have to be chosen first. Constants are guesses and have to be fitted.
"""
_NAMES = {
    "word_loss": "cross-entropy of a word",
    "word_accuracy": "share of words that are right",
    "skeleton_accuracy": "share of formulas with every word right",
    "in_10": "right skeleton among 10 samples, word for word",
    "in_50": "right skeleton among 50 samples, word for word",
    "r2_99": "R2 > 0.99, best of 50 samples",
    "r2_999": "R2 > 0.999, best of 50 samples",
}


def write_decoder_card(folder: Path, settings: Settings, metrics: dict[str, float], parameters: int) -> None:
    """Write ``README.md`` of a folder of weights from the settings and the measures of its run."""
    data, found = settings.data, {k.removeprefix("eval_"): v for k, v in metrics.items()}
    table = [
        f"| {text} | {_shown(name, found[name])} | {_shown(name, found[name + '_latent'])} |"
        for name, text in _NAMES.items()
        if name in found
    ]
    steps, samples = int(found.get("steps", 0)), int(found.get("samples", 0))
    text = _TEXT.format(
        name=settings.name,
        millions=parameters / 1e6,
        form="numbers and all"
        if settings.model.get("numbers")
        else "skeletons with guesses of the constants",
        max_dim=data.max_dim,
        preset=data.preset,
        rows="all" if data.rows is None else f"{data.rows[0]} to {data.rows[1]}",
        n_points=data.n_points,
        seed=data.seed,
        excluded=excluded(data.preset),
        samples=samples,
        steps=steps,
        batch=samples // max(steps, 1),
        hours=found.get("hours", 0.0),
        encoder=settings.model.get("encoder_weights", "random weights"),
        table="\n".join(table),
        held_out=data.held_out,
        sampled=min(data.sampled, data.held_out),
        refined=min(data.refined, data.sampled),
        max_symbols=settings.model.get("max_symbols", 48),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _shown(name: str, value: float) -> str:
    return f"{value:.3f}" if name.endswith("loss") else f"{100 * value:.1f} %"
