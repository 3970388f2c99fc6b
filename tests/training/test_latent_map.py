"""Projection and picture of the latent space."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers")

from symnum.exceptions import InvalidInput
from symnum.training.latent_map import plot_latent_map, project

VECTORS = np.random.default_rng(0).normal(size=(60, 8)) * np.array([9, 4, 1, 1, 1, 1, 1, 1])


def test_principal_components_are_those_of_the_svd():
    centred = VECTORS - VECTORS.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(project(VECTORS)), np.abs(u[:, :2] * s[:2]), rtol=1e-6, atol=1e-9)


def test_neighbours_stay_together_in_tsne():
    groups = np.concatenate([VECTORS[:30], VECTORS[30:] + 100])
    place = project(groups, "tsne")
    centres = place[:30].mean(0), place[30:].mean(0)
    near = [np.linalg.norm(place - c, axis=1) for c in centres]
    assert ((near[0] < near[1]) == (np.arange(60) < 30)).all()


def test_the_picture_shows_every_point(tmp_path: Path):
    kinds = np.arange(60) < 20
    figure = plot_latent_map(project(VECTORS), VECTORS[:, 0], "first", kinds)
    drawn = figure.axes[0].collections
    assert [len(c.get_offsets()) for c in drawn] == [40, 20]
    assert figure.axes[1].get_ylabel() == "first"
    figure.savefig(tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 5000


def test_bad_input_is_named():
    with pytest.raises(InvalidInput, match="three or more"):
        project(VECTORS[:2])
    with pytest.raises(InvalidInput, match="'pca' or 'tsne'"):
        project(VECTORS, "umap")
    with pytest.raises(InvalidInput, match=r"\(60, 8\)"):
        plot_latent_map(VECTORS, VECTORS[:, 0], "a")
