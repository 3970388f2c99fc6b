"""Smallest networks worked out by hand; a policy's odds against the shares it was fitted to; its file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")

import torch

from symnum import Expression, SymbolicRegressor
from symnum.exceptions import InvalidInput
from symnum.search.dysymnet.architecture import Architecture
from symnum.search.dysymnet.backend import DySymNetSearch
from symnum.search.dysymnet.controller import Controller
from symnum.search.dysymnet.policy import fit_policy, load_policy, save_policy, smallest_network
from symnum.search.dysymnet.presets import FAST


def controller(library=FAST.library, depths=FAST.depths, seed=0) -> Controller:
    return Controller(library, depths, FAST.widths, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("2*x0 - x1 + 3", None),
        ("sin(x0)/2 + x1", [["sin"]]),
        ("sin(3*x0**2)*x1", [["square"], ["sin"], ["mul"]]),
        ("sin(x0) + exp(sin(x0))", [["sin"], ["exp", "id"]]),
        ("sin(2*x0) + sin(3*x0)", [["sin", "sin"]]),
        ("exp(x0)/(1 + exp(x0))", [["exp"], ["div"]]),
        ("x0*x1 + sin(cos(x1))", [["cos"], ["mul", "sin"]]),  # the product is made as late as can be
        ("x0**3", [["square"], ["mul"]]),
        ("x0**1.7", [["log"], ["exp"]]),
        ("x0**x1", [["log"], ["mul"], ["exp"]]),
        ("2**x0", [["exp"]]),
        ("1/(x0 + 1)", [["div"]]),
        ("x0/7", None),
        ("tanh(x0)", [["exp"], ["div"]]),
        ("tan(x0)", [["sin", "cos"], ["div"]]),
        ("abs(x0)", [["square"], ["sqrt"]]),
        ("cosh(x0)", [["exp", "exp"]]),
        ("cbrt(x0)", [["log"], ["exp"]]),
        ("atan(x0)", None),
    ],
)
def test_smallest_networks(text, layers):
    expected = None if layers is None else Architecture.of(layers)
    assert smallest_network(Expression.parse(text, ["x0", "x1"])) == expected


def test_odds_become_the_shares():
    shown = [Architecture.of([["sin"]])] * 6 + [Architecture.of([["mul"], ["exp", "exp"]])] * 2
    shown += [Architecture.of([["log"]] * 4)] * 9  # deeper than is ever sampled
    c = controller()
    loss = fit_policy(c, shown, 300, 0)
    with torch.no_grad():
        odds = c(torch.rand(200, c.inputs, generator=torch.Generator().manual_seed(1)))
    depth, width, units = (o.exp().mean(0).numpy() for o in odds)
    np.testing.assert_allclose(depth, [0.75, 0.25, 0], atol=0.05)
    # Up to two units more than the one or two that are needed.
    np.testing.assert_allclose(width, [0.25, 1 / 3, 1 / 3, 1 / 12], atol=0.06)
    at = FAST.library.index
    np.testing.assert_allclose(units[0, [at("sin"), at("mul")]], [0.75, 0.25], atol=0.05)
    assert units[1, at("exp")] > 0.95
    entropies = [
        -(p[p > 0] * np.log(p[p > 0])).sum() for p in (depth, width, units[0, [at("sin"), at("mul")]])
    ]
    assert loss == pytest.approx(sum(entropies), abs=0.1)
    with pytest.raises(InvalidInput, match="no architecture has a depth and width"):
        fit_policy(c, shown[8:], 1, 0)


def test_files_are_read_back_for_fewer_units_too(tmp_path: Path):
    path = tmp_path / "policy.safetensors"
    first = controller(seed=3)
    save_policy(first, path)
    again = controller(seed=4)
    load_policy(again, path)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    few = controller(("sin", "mul"))
    load_policy(few, path)
    rows = [FAST.library.index(n) for n in ("sin", "mul")]
    assert torch.equal(few.unit_head.weight, first.unit_head.weight[rows])


def test_files_that_do_not_fit_are_named(tmp_path: Path):
    path = tmp_path / "policy.safetensors"
    save_policy(controller(), path)
    with pytest.raises(
        InvalidInput, match=r"policy.safetensors holds no policy for units .* depths \[1, 2\]"
    ):
        load_policy(controller(depths=(1, 2)), path)
    with pytest.raises(InvalidInput, match="'tan' is not in list"):
        load_policy(controller(("sin", "tan")), path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InvalidInput, match=r"make one with pretrain/dysymnet_policy\.py"):
        load_policy(controller(), path)
    with pytest.raises(InvalidInput, match=r"missing\.safetensors holds no policy"):
        load_policy(controller(), tmp_path / "missing.safetensors")


def test_the_shipped_policy_begins_a_search():
    X = np.linspace(1, 3, 40)[:, None]
    for operators in (None, ["add", "mul", "sin"]):
        search = DySymNetSearch(operators, preset=replace(FAST, first_batch=8))
        model = SymbolicRegressor(search=search, max_time=None, max_evals=3_000, random_state=0)
        assert model.fit(X, 2 * np.sin(3 * X[:, 0])).score(X, 2 * np.sin(3 * X[:, 0])) > 0.5
