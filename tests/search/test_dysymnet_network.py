"""Batches of symbolic networks against one network at a time, numpy, sympy and torch's own parts."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import sympy

pytest.importorskip("torch")

import torch

from symnum import Expression
from symnum.exceptions import InvalidInput
from symnum.search.dysymnet.architecture import Architecture
from symnum.search.dysymnet.functions import FUNCTIONS, library
from symnum.search.dysymnet.network import Networks
from symnum.search.dysymnet.readout import read_out
from symnum.search.dysymnet.training import Clipping, Phase, smoothed_l05, train

NAMES = ("x0", "x1")
ARCHITECTURES = [
    Architecture.of([["sin", "product", "id"], ["div", "cos"], ["square", "add"]]),
    Architecture.of([["log", "mul"], ["exp", "sub", "sqrt", "tanh"]]),
    Architecture.of([["cube", "sin"]]),
    Architecture.of([["pow4", "id"], ["mul"]]),
    Architecture.of([["pow5", "pow6", "tan"]]),
]


@pytest.fixture(scope="module")
def reference():
    path = Path(__file__).with_name("dysymnet_reference.py")
    spec = importlib.util.spec_from_file_location("dysymnet_reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


CALM = [
    Architecture.of([["sin", "mul", "id"], ["mul", "cos"]]),
    Architecture.of([["tanh", "product"], ["sub", "sin"]]),
    Architecture.of([["square", "sin"]]),
]
"""Without poles and steep slopes, beside which rounding grows a million times in 30 steps."""


def batch(skip=False, columns=2, seed=0, chosen=ARCHITECTURES, **more):
    return Networks.create(chosen, columns, skip, generator(seed), torch.float64, spread=(0.7,) * 3, **more)


def inputs(columns=2, n=30, seed=1):
    return torch.rand(columns, n, generator=generator(seed), dtype=torch.float64) + 0.5


def test_forward_is_the_formula_written_by_hand():
    a = Architecture.of([["sin", "product"], ["div"]])
    networks = Networks.create([a], 2, False, generator(), torch.float64)
    layout, w = networks.layout, np.zeros(networks.layout.size)
    w[layout.blocks[0][0]] = [1.5, -0.5, 0.3, 0.2, -0.7, 0.1]  # sin's sum, then the two of the product
    w[layout.blocks[1][1]] = [2.0, 0.4, -0.6, 0.9]
    w[layout.blocks[2][1]] = [3.0, 0.0]
    networks.weights = torch.tensor(w[None])
    x = inputs()
    u, v = x.numpy()
    s, p = np.sin(1.5 * u - 0.5 * v), 10 * (0.3 * u + 0.2 * v) * (-0.7 * u + 0.1 * v)
    wanted = 3 * (2 * s + 0.4 * p) / (-0.6 * s + 0.9 * p + 1e-6)
    np.testing.assert_allclose(networks(x)[0].numpy(), wanted, rtol=1e-12)


@pytest.mark.parametrize("skip", [False, True])
def test_a_batch_is_its_networks_one_at_a_time(skip, reference):
    networks, x = batch(skip), inputs()
    together = networks(x)
    for k in range(len(networks)):
        alone = reference.unpacked(networks, k)(x.T)
        np.testing.assert_allclose(together[k].numpy(), alone.detach().numpy(), rtol=1e-11)


def test_slopes_of_all_units_against_finite_differences():
    layers = [list(FUNCTIONS)]
    networks = Networks.create(
        [Architecture.of(layers)], 2, False, generator(3), torch.float64, spread=(0.4,) * 3
    )
    networks.weights.abs_()  # away from the corners of logarithms and roots
    x = inputs(n=4)
    assert torch.autograd.gradcheck(lambda w: networks(x, w), networks.weights.clone().requires_grad_(True))


@pytest.mark.parametrize("skip", [False, True])
def test_training_a_batch_is_training_one_at_a_time(skip, reference):
    phases = [Phase(53, 2e-3, 5e-3), Phase(4, 1e-3, 1e-2, final=0.1)]  # the history of norms fills after 50
    networks, x = batch(skip, seed=5, chosen=CALM), inputs()
    y = x[0] * torch.sin(x[1])
    models = [reference.unpacked(networks, k) for k in range(len(networks))]
    made = train(networks, x, y, torch.full((30,), 1 / 30, dtype=torch.float64), phases, limit=np.inf)
    assert made.rows == list(range(len(CALM)))
    assert made.steps == len(CALM) * 57
    for k, model in enumerate(models):
        loss = reference.train_one(model, x.T, y, phases)
        np.testing.assert_allclose(float(made.loss[k]), loss, rtol=1e-5)
        trained = reference.unpacked(made.networks, k)
        for ours, theirs in zip(trained.parameters(), model.parameters(), strict=True):
            np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-4, atol=1e-6)


def test_penalty_is_the_published_formula_and_smooth():
    w, a = sympy.symbols("w a", positive=True)
    inner = -(w**4) / (8 * a**3) + 3 * w**2 / (4 * a) + 3 * a / 8
    assert sympy.simplify(inner.subs(w, a) - a) == 0
    assert sympy.simplify(sympy.diff(inner, w).subs(w, a) - 1) == 0
    for value in (0.0, 0.004, 0.03, 0.049, 0.051, 1.7):
        form = inner if value < 0.05 else w
        wanted = float(sympy.sqrt(form).subs({w: value, a: sympy.Rational(1, 20)}))
        for sign in (1, -1):
            t = torch.tensor(sign * value, dtype=torch.float64)
            assert float(smoothed_l05(t)) == pytest.approx(wanted, rel=1e-12)
    points = torch.tensor([-0.3, -0.04, 0.0, 0.02, 0.6], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(smoothed_l05, points)


def test_clipping_against_torch():
    clipping, rng, norms = Clipping(2, torch.zeros(1, dtype=torch.float64)), generator(), []
    for step in range(70):
        grad = torch.randn(2, 7, generator=rng, dtype=torch.float64) * (3 if step % 3 else 0.01)
        p = torch.nn.Parameter(torch.zeros(7, dtype=torch.float64))
        p.grad = grad[0].clone()
        limit = 0.1 * float(np.mean(norms[-50:])) if step >= 50 else 1.0
        norms.append(float(torch.nn.utils.clip_grad_norm_([p], limit)))
        np.testing.assert_allclose(clipping(grad)[0].numpy(), p.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("skip", [False, True])
def test_read_out_is_the_network(skip):
    networks, x = batch(skip, columns=3, seed=7), inputs()
    x = torch.cat([x, torch.ones(1, 30, dtype=torch.float64)])
    columns = [*(Expression.variable(i, NAMES) for i in range(2)), 1.0]
    networks.weights *= networks.weights.abs() > 0.3  # pruned
    values = networks(x).numpy()
    for k, a in enumerate(networks.architectures):
        e = read_out(a, networks.layout, networks.weights[k].numpy(), columns)
        assert e is not None
        np.testing.assert_allclose(e.evaluate(x[:2].T.numpy()), values[k], rtol=1e-6)


def test_read_out_without_guards_and_of_nothing():
    a = Architecture.of([["log", "div"]])
    networks = Networks.create([a], 2, False, generator(), torch.float64)
    columns = [Expression.variable(i, NAMES) for i in range(2)]
    layout = networks.layout
    w = np.zeros(layout.size)
    w[layout.blocks[0][0]] = [1, 0, 0, 1, 1, 0]
    w[layout.blocks[1][1]] = [1, 1]
    assert str(read_out(a, layout, w, columns, plain=True)) == "log(abs(x0)) + x1/x0"
    assert "1e-06" in str(read_out(a, layout, w, columns))
    assert read_out(a, layout, w, columns, most=5) is None
    assert read_out(a, layout, np.zeros_like(w), columns) is None
    for lost in (np.nan, np.inf):  # training went astray
        assert read_out(a, layout, np.where(np.arange(len(w)) == 0, lost, w), columns) is None


def test_hopeless_networks_are_given_up_in_classes_of_size():
    many = [Architecture.of([["id"]])] * 8 + [Architecture.of([["id"] * 6])] * 8
    networks = Networks.create(many, 1, False, generator(), torch.float64)
    x = inputs(1)
    weights = torch.full((30,), 1 / 30, dtype=torch.float64)
    made = train(networks, x, 3 * x[0], weights, [Phase(5, 1e-2, 0.0, keep=0.5), Phase(5, 1e-2, 0.0)])
    assert sum(r < 8 for r in made.rows) == sum(r >= 8 for r in made.rows) == 4
    assert made.steps == 16 * 5 + 8 * 5
    assert bool(torch.isfinite(made.loss).all())
    lost = train(batch(), inputs(), inputs()[0] * 1e6, weights, [Phase(60, 1e-2, 0.0)], limit=1e3, check=10)
    assert lost.rows == []


def test_few_links():
    wide = [Architecture.of([["id"] * 3, ["sin"] * 2])] * 40
    networks = batch(skip=True, columns=4, chosen=wide, links=2)
    first, second = (
        torch.cat([networks.mask[:, b].view(40, slots, -1) for b in networks.layout.blocks[layer]], 2).sum(2)
        for layer, slots in enumerate(networks.layout.slots)
    )
    sparse = (first <= 2).all(1)
    assert 8 < int(sparse.sum()) < 32
    assert bool((first[:, :3] >= 1).all())
    assert bool((second[sparse][:, :2] <= 2).all())
    assert bool((first[~sparse][:, :3] == 4).all())
    assert bool((second[~sparse][:, :2] == 7).all())


def test_architectures_and_libraries_are_checked():
    assert Architecture.of([["mul", "sin", "id"]]) == Architecture.of([["id", "mul", "sin"]])
    for wrong in ([], [[]], [["sin"], []], [["sine"]]):
        with pytest.raises(InvalidInput):
            Architecture.of(wrong)
    assert library(("id", "sin", "mul"), {"mul", "add"}) == ("id", "mul")
    with pytest.raises(InvalidInput, match="allow one of"):
        library(("id", "sin"), {"exp"})


@pytest.mark.gpu
def test_a_gpu_trains_the_same_networks():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    phases, losses = [Phase(40, 1e-2, 5e-3, keep=0.5), Phase(20, 1e-3, 5e-3)], []
    for device in ("cpu", "cuda"):
        networks = Networks.create(CALM, 2, True, generator(5), torch.float64, device)
        x = inputs().to(device)
        weights = torch.full((30,), 1 / 30, dtype=torch.float64, device=device)
        made = train(networks, x, x[0] * torch.sin(x[1]), weights, phases)
        losses.append((made.rows, made.loss.cpu().numpy()))
    assert losses[0][0] == losses[1][0]
    np.testing.assert_allclose(losses[0][1], losses[1][1], rtol=1e-6)
