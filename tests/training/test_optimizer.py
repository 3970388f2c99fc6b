"""The optimiser against torch's AdamW and the singular value decomposition."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from torch import nn  # noqa: E402

from symnum.models import SNIPConfig, SNIPModel  # noqa: E402
from symnum.training.optimizer import MuonAdamW, orthogonal, parameter_groups  # noqa: E402


def descend(optimizer: torch.optim.Optimizer, model: nn.Module, steps: int = 5) -> None:
    g = torch.Generator().manual_seed(3)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(7, 4, generator=g)).square().mean().backward()
        optimizer.step()


def two_groups(model: nn.Sequential) -> list[dict]:
    rest = [model[0].bias, *model[2].parameters()]
    return [{"params": [model[0].weight], "muon": True}, {"params": rest}]


def test_without_matrices_it_is_adamw():
    torch.manual_seed(0)
    first = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))
    second = copy.deepcopy(first)
    settings = {"lr": 0.01, "weight_decay": 0.1, "betas": (0.9, 0.98)}
    descend(MuonAdamW([{"params": list(first.parameters())}], **settings), first)
    descend(torch.optim.AdamW(second.parameters(), **settings), second)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", [(6, 6), (4, 20), (20, 4)])
def test_orthogonal_keeps_directions_and_evens_sizes(shape: tuple[int, int]):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    found = orthogonal(matrix)
    sizes = torch.linalg.svdvals(found)
    assert found.shape == shape
    assert 0.5 < float(sizes.min()) <= float(sizes.max()) < 1.4
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    # In the basis of the matrix the result is diagonal, up to bfloat16.
    inside = u.T @ found @ v.T
    assert float((inside - inside.diagonal().diag()).abs().max()) < 0.1


def test_matrices_of_blocks_go_to_muon_and_everything_learns():
    model = SNIPModel(
        SNIPConfig(width=16, heads=2, hidden=32, latent=8, symbolic_layers=1, numeric_layers=1, reads=1)
    )
    matrices, tables, vectors = parameter_groups(model)
    names = {id(p): k for k, p in model.named_parameters()}
    assert all(".blocks." in names[id(p)] for p in matrices["params"])
    assert len(matrices["params"]) == 2 * 5
    assert any("position" in names[id(p)] for p in tables["params"])
    assert all(p.ndim < 2 for p in vectors["params"])
    assert sum(len(g["params"]) for g in (matrices, tables, vectors)) == len(names)


def test_a_saved_state_goes_on_the_same_way():
    torch.manual_seed(0)
    first = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))
    one = MuonAdamW(two_groups(first), lr=0.01)
    descend(one, first)
    second = copy.deepcopy(first)
    two = MuonAdamW(two_groups(second), lr=0.5)
    two.load_state_dict(copy.deepcopy(one.state_dict()))
    descend(one, first)
    descend(two, second)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
