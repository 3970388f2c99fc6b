"""The picture of a network: its links are the network's weights, and grey is what pruning takes away."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from symnum.exceptions import InvalidInput  # noqa: E402
from symnum.expressions import Expression  # noqa: E402
from symnum.network_plots import _alive, network_links, plot_network  # noqa: E402
from symnum.plot_parts import GRID  # noqa: E402
from symnum.search.dysymnet.architecture import Architecture  # noqa: E402
from symnum.search.dysymnet.network import Networks  # noqa: E402
from symnum.search.dysymnet.readout import read_out  # noqa: E402


def networks(*shapes: list, columns: int = 3, skip: bool = True) -> Networks:
    generator = torch.Generator().manual_seed(3)
    made = [Architecture.of(layers) for layers in shapes]
    return Networks.create(made, columns, skip, generator, dtype=torch.float64)


@pytest.mark.parametrize("skip", [True, False])
def test_links_of_a_linear_network_add_up_to_its_slopes(skip: bool):
    some = networks([["id"] * 3, ["id"] * 2], [["id"] * 2], skip=skip)
    x = torch.zeros(3, 1, dtype=torch.float64, requires_grad=True)
    for k in range(2):
        (slopes,) = torch.autograd.grad(some(x)[k, 0], x)
        links = network_links(some, k)
        value = {(0, j): np.eye(3)[j] for j in range(3)}
        for target in sorted({link.target for link in links}):
            value[target] = sum(link.weight * value[link.source] for link in links if link.target == target)
        np.testing.assert_allclose(value[max(value)], slopes[:, 0].numpy(), rtol=1e-9)


def test_a_binary_unit_shows_the_larger_weight_of_its_two_sums():
    some = networks([["mul"]], columns=2, skip=False)
    block = some.layout.blocks[0][0]
    some.weights[0, block] = torch.tensor([0.5, -0.1, -0.7, 0.0], dtype=torch.float64)
    shown = {link.source: link.weight for link in network_links(some, 0) if link.target == (1, 0)}
    assert shown == {(0, 0): -0.7, (0, 1): -0.1}


def test_inputs_that_pruning_takes_away_are_grey():
    some = networks([["sin", "id"]], columns=2, skip=False)
    of_x, of_h = some.layout.blocks[0][0], some.layout.blocks[-1][1]
    some.weights[0, of_x] = torch.tensor([1.0, 0.01, 0.01, 1.0], dtype=torch.float64)  # id(x0), sin(x1)
    some.weights[0, of_h] = torch.tensor([1.0, 0.01], dtype=torch.float64)
    pruned = np.where(abs(some.weights[0].numpy()) < 0.05, 0.0, some.weights[0].numpy())
    inputs = [Expression.variable(j, ("a", "b")) for j in range(2)]
    assert str(read_out(some.architectures[0], some.layout, pruned, inputs)) == "a"
    assert _alive(network_links(some, 0), (2, 0), 0.05) == {(0, 0), (1, 0), (2, 0)}
    axes = plot_network(some, 0, ["a", "b"]).axes[0]
    edges = {t.get_text(): t.get_bbox_patch().get_edgecolor() for t in axes.texts if t.get_text()}
    assert set(edges) == {"a", "b", "id", "sin", "y"}
    from matplotlib.colors import to_rgba

    assert [name for name in ("a", "b", "id", "sin", "y") if edges[name] == to_rgba(GRID)] == ["b", "sin"]


def test_bad_input():
    some = networks([["sin"]])
    with pytest.raises(InvalidInput, match="network 1 is outside the 1"):
        plot_network(some, 1)
    with pytest.raises(InvalidInput, match="3 names expected"):
        plot_network(some, 0, ["a"])
