"""Figure of a network of operators, as search "dysymnet" trains them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.plot_parts import BLUE, GRID, INK, MUTED, ORANGE, figure_and_axes, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from symnum.search.dysymnet.network import Networks

_SIGNS = {"add": "+", "sub": "-", "mul": "×", "product": "×", "div": "/", "id": "id", "square": "( )²"}
Place = tuple[int, int]


class Link(NamedTuple):
    """Weighted link between two places (layer, row): inputs are layer 0, the output is the last layer."""

    source: Place
    target: Place
    weight: float


@styled
def plot_network(
    networks: Networks,
    k: int = 0,
    names: Sequence[str] | None = None,
    threshold: float = 0.05,
    *,
    ax: Axes | None = None,
) -> Figure:
    """One network of a batch: inputs on the left, a column of units a layer, the output on the right.

    Parameters
    ----------
    networks : Networks
        Batch of `symnum.search.dysymnet.network`.
    k : int
        Which network.
    names : sequence of str, optional
        Names of the inputs; x0, x1, ... when left out.
    threshold : float
        Links whose weights are below it are drawn thin and grey, with the units that only they reach: what
        pruning takes away.
    ax : matplotlib Axes, optional
        Axes to draw into.

    Raises
    ------
    InvalidInput
        When there is no such network, or the names are not one for each input.
    """
    if not 0 <= k < len(networks):
        raise InvalidInput(f"network {k} is outside the {len(networks)} of this batch")
    inputs = networks.layout.columns
    labels = [f"x{j}" for j in range(inputs)] if names is None else list(names)
    if len(labels) != inputs:
        raise InvalidInput(f"{inputs} names expected, one for each input, got {len(labels)}")
    layers = networks.architectures[k].layers
    columns = [labels, *([_SIGNS.get(n, n) for n in layer] for layer in layers), ["y"]]
    links = network_links(networks, k)
    alive = _alive(links, (len(columns) - 1, 0), threshold)
    figure, axes = figure_and_axes(2.0 * len(columns), 0.9 + 0.8 * max(map(len, columns)), ax)
    most = max((abs(link.weight) for link in links), default=1.0) or 1.0
    for link in links:
        _draw_link(axes, link, columns, most, abs(link.weight) >= threshold and link.target in alive)
    for layer, column in enumerate(columns):
        for row, label in enumerate(column):
            edge = layer in (0, len(columns) - 1)
            colour = GRID if (layer, row) not in alive else MUTED if edge else BLUE
            axes.text(
                layer, _height(row, column), label, ha="center", va="center", fontsize=10, zorder=3,
                color=INK if (layer, row) in alive else MUTED, parse_math=False,
                bbox={"boxstyle": "circle,pad=0.45" if len(label) < 6 else "round,pad=0.45",
                      "facecolor": "white", "edgecolor": colour, "linewidth": 1.6},
            )  # fmt: skip
    axes.set_xlim(-0.4, len(columns) - 0.6)
    tallest = max(map(len, columns))
    axes.set_ylim(-tallest / 2 - 0.1, tallest / 2 + 0.1)
    axes.set_axis_off()
    return figure


def network_links(networks: Networks, k: int) -> list[Link]:
    """Links of a network; of the two sums of a binary unit each input gives the larger weight.

    Parameters
    ----------
    networks : Networks
    k : int
    """
    a, layout = networks.architectures[k], networks.layout
    weights = networks.weights[k].detach().cpu().numpy().astype(np.float64)
    found: list[Link] = []
    for depth in range(a.depth + 1):
        last = depth == a.depth
        of_x, of_h = layout.blocks[-1 if last else depth]
        slots = 1 if last else a.slots(depth)
        for block, width, layer in ((of_x, layout.columns, 0), (of_h, layout.width, depth)):
            if block.stop == block.start:
                continue
            table = weights[block].reshape(-1, width)[:slots]
            count = width if layer == 0 else len(a.layers[depth - 1])
            for row, rows in enumerate(_slots(networks, k, depth)):
                sizes = table[rows, :count]
                best = sizes[np.abs(sizes).argmax(axis=0), np.arange(count)]
                found += [Link((layer, j), (depth + 1, row), float(w)) for j, w in enumerate(best) if w != 0]
    return found


def _slots(networks: Networks, k: int, depth: int) -> list[NDArray[np.int64]]:
    """Sums that each unit of a layer reads; the output reads one."""
    from symnum.search.dysymnet.functions import FUNCTIONS

    a = networks.architectures[k]
    if depth == a.depth:
        return [np.array([0])]
    ends = np.cumsum([FUNCTIONS[n].arity for n in a.layers[depth]])
    return np.split(np.arange(ends[-1]), ends[:-1])


def _alive(links: Sequence[Link], output: Place, threshold: float) -> set[Place]:
    """Places from which links of some weight lead to the output."""
    alive = {output}
    for link in sorted(links, key=lambda link: -link.target[0]):
        if link.target in alive and abs(link.weight) >= threshold:
            alive.add(link.source)
    return alive


def _height(row: int, column: Sequence[str]) -> float:
    return (len(column) - 1) / 2 - row


def _draw_link(axes: Axes, link: Link, columns: Sequence[Sequence[str]], most: float, kept: bool) -> None:
    (a, i), (b, j) = link.source, link.target
    strength = abs(link.weight) / most
    axes.annotate(
        "", (b, _height(j, columns[b])), (a, _height(i, columns[a])), zorder=2 if kept else 1,
        arrowprops={
            "arrowstyle": "-", "color": ORANGE if kept else GRID, "shrinkA": 12, "shrinkB": 12,
            "linewidth": 0.8 + 3.2 * strength if kept else 0.8,
            "connectionstyle": f"arc3,rad={0.0 if b - a == 1 else -0.18}",
        },
    )  # fmt: skip
