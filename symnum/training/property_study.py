"""The property study: heads on the symbolic encoder at several sizes, probes on embeddings of data."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symnum.models.snip.modeling import SNIPModel
from symnum.synthesis import EquationGenerator
from symnum.training.heads import MODES, Mode, fit_property, predict_property, probe_scores, regression_scores
from symnum.training.latent_map import plot_latent_map, project
from symnum.training.properties import PROPERTIES, formula_properties, property_samples

TEST = 1000


def study_properties(
    model: SNIPModel,
    names: Sequence[str] = tuple(PROPERTIES),
    sizes: Sequence[int] = (100, 1000, 10_000),
    modes: Sequence[Mode] = MODES,
    seed: int = 0,
) -> Iterator[dict[str, Any]]:
    """Scores of each property, size and mode on 1,000 test formulas, one after the other.

    Formulas of preset ``snip-1d``; those of training and test come from seeds that pre-training does not use.
    """
    test = property_samples(EquationGenerator("snip-1d", seed=2_000_003), TEST, names)
    train = property_samples(EquationGenerator("snip-1d", seed=2_000_029 + seed), max(sizes), names)
    for name in names:
        for n in sizes:
            for mode in modes:
                trained = fit_property(model, train.take(slice(n)), name, mode, seed)
                scores = regression_scores(test.targets[name], predict_property(*trained, test))
                yield {"property": name, "mode": mode, "n": n, "seed": seed} | scores


def study_formulas(
    model: SNIPModel, preset: str = "improved", train: int = 4000, test: int = 2000
) -> Iterator[dict[str, Any]]:
    """Scores of linear probes from embeddings of data to properties of the formula."""
    generator = EquationGenerator(preset, max_dim=model.config.max_dim, seed=2_000_081)
    batch = generator.batch(0, train + test)
    tables = [
        np.column_stack([batch.X[i, :d, :n].T, batch.y[i, :n]])
        for i, (d, n) in enumerate(zip(batch.dims, batch.rows, strict=True))
    ]
    vectors = np.concatenate([model.embed_tables(tables[k : k + 256]) for k in range(0, len(tables), 256)])
    for name, target in formula_properties(batch).items():
        yield {"property": name} | probe_scores(vectors, target, train)


def draw_map(model: SNIPModel, path: Path, name: str = "upwardness", n: int = 1000) -> None:
    """Save a picture of embeddings of formulas and of their data, coloured by a property.

    Formulas of one variable, preset ``snip-1d``; the format is the path's ending.
    """
    generator = EquationGenerator("snip-1d", seed=2_000_003)
    batch = generator.batch(0, n)
    value = property_samples(generator, n, [name]).targets[name]
    symbolic = model.embed_tokens(batch.tokens, batch.token_lengths)
    numeric = model.embed_tables(list(np.stack([batch.X[:, 0], batch.y], -1)))
    kinds = np.repeat([False, True], n)
    place = project(np.concatenate([symbolic, numeric]), "tsne")
    plot_latent_map(place, np.tile(value, 2), name, kinds).savefig(path, dpi=150)


def write_rows(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Rows of scores as CSV."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows(
            {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()} for row in rows
        )
