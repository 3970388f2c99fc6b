"""The latent space as a picture: embeddings in two dimensions, coloured by a property."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from symnum.exceptions import InvalidInput

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def project(vectors: ArrayLike, method: str = "pca", seed: int = 0) -> NDArray[np.float64]:
    """Vectors (n, d) in two dimensions, (n, 2).

    Parameters
    ----------
    vectors : array_like, shape (n, d)
    method : {"pca", "tsne"}
        Principal components (linear, quick), or t-SNE (neighbours stay together; slow beyond some thousands).
    seed : int

    Raises
    ------
    InvalidInput
        When there are fewer than three vectors, they are not finite, or the method is unknown.
    """
    from sklearn.decomposition import PCA

    points = np.asarray(vectors, np.float64)
    if points.ndim != 2 or len(points) < 3 or not np.isfinite(points).all():
        raise InvalidInput(f"a map needs three or more finite vectors (n, d), got shape {points.shape}")
    if method == "pca":
        return PCA(2, random_state=seed).fit_transform(points)
    if method == "tsne":
        from sklearn.manifold import TSNE

        few = PCA(min(50, *points.shape), random_state=seed).fit_transform(points)
        return TSNE(2, perplexity=min(30.0, (len(points) - 1) / 3), random_state=seed).fit_transform(few)
    raise InvalidInput(f"method is 'pca' or 'tsne', got {method!r}")


def plot_latent_map(
    points: ArrayLike, values: ArrayLike, label: str, kinds: ArrayLike | None = None
) -> Figure:
    """Embeddings in two dimensions, coloured by a property.

    Parameters
    ----------
    points : array_like, shape (n, 2)
        Of `project`.
    values : array_like, shape (n,)
        Property of each point.
    label : str
        Name of the property.
    kinds : array_like of bool, shape (n,), optional
        True where a point is data, drawn as a cross; the others are formulas, drawn as dots.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with ``figure.savefig(path)``.
    """
    from matplotlib.figure import Figure

    place, value = np.asarray(points, np.float64), np.asarray(values, np.float64)
    if place.ndim != 2 or place.shape[1] != 2 or value.shape != place.shape[:1]:
        raise InvalidInput(f"expected points (n, 2) and values (n,), got {place.shape} and {value.shape}")
    data = np.zeros(len(place), bool) if kinds is None else np.asarray(kinds, bool)
    figure = Figure(figsize=(6.2, 5.0), layout="constrained")
    axes = figure.add_subplot()
    scale = {"cmap": "viridis", "vmin": float(np.min(value)), "vmax": float(np.max(value))}
    shown = None
    for marker, name, rows in (("o", "formula", ~data), ("x", "data", data)):
        if rows.any():
            shown = axes.scatter(
                *place[rows].T, c=value[rows], s=14, marker=marker, label=name, linewidths=0.8, **scale
            )
    if shown is not None:
        figure.colorbar(shown, ax=axes, label=label)
    if kinds is not None:
        axes.legend(frameon=False)
    axes.set_xlabel("first direction")
    axes.set_ylabel("second direction")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
