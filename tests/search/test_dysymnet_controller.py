"""The controller of architectures against torch's distributions."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch.distributions import Categorical

from symnum.search.dysymnet.controller import Controller, PolicyGradient

LIBRARY, DEPTHS, WIDTHS = ("id", "sin", "mul"), (1, 2, 3), (2, 4)


def controller(seed=0):
    return Controller(LIBRARY, DEPTHS, WIDTHS, torch.Generator().manual_seed(seed))


def test_log_probabilities_and_entropies_against_distributions():
    c = controller()
    with torch.no_grad():  # odds that differ
        for p in c.parameters():
            p.mul_(8)
    draws = c.sample(20)
    with torch.no_grad():
        log_prob, entropy = c.score(draws)
        odds = c(draws.start)
    for i, a in enumerate(draws.architectures):
        depth, width = (Categorical(logits=o[i]) for o in (odds.depth, odds.width))
        d, w = draws.depth[i], draws.width[i]
        assert a.depth == DEPTHS[d]
        assert {len(layer) for layer in a.layers} == {WIDTHS[w]}
        wanted, chaos = depth.log_prob(d) + width.log_prob(w), depth.entropy() + width.entropy()
        for t in range(a.depth):
            units = Categorical(logits=odds.units[i, t])
            some = draws.units[i, t, : WIDTHS[w]]
            assert sorted(LIBRARY[u] for u in some) == sorted(a.layers[t])
            wanted, chaos = wanted + units.log_prob(some).sum(), chaos + units.entropy()
        assert float(log_prob[i]) == pytest.approx(float(wanted), rel=1e-5)
        assert float(entropy[i]) == pytest.approx(float(chaos), rel=1e-5)


def test_samples_follow_the_odds():
    c = controller(1)
    draws = c.sample(4_000)
    odds = c(draws.start)
    for index, logs in ((draws.depth, odds.depth), (draws.width, odds.width)):
        counts = np.bincount(index.numpy(), minlength=logs.shape[1]) / 4_000
        np.testing.assert_allclose(counts, logs.exp().mean(0).detach().numpy(), atol=0.04)


def test_a_seed_gives_the_same_draws_and_no_global_state():
    before = torch.get_rng_state()
    first, second = controller(4).sample(10).architectures, controller(4).sample(10).architectures
    assert first == second
    assert first != controller(5).sample(10).architectures
    assert torch.equal(before, torch.get_rng_state())


def test_policy_gradient_is_that_of_the_best():
    c = controller(2)
    draws = c.sample(8)
    rewards = torch.arange(8) / 8
    policy = PolicyGradient(c, rate=1e-3, risk=0.25, entropy=0.1)
    threshold = np.quantile(rewards.numpy(), 0.75)
    log_prob, entropy = c.score(draws)
    best = rewards > threshold
    gain = ((rewards - threshold) * log_prob)[best].sum() + 0.1 * entropy[best].sum()
    wanted = torch.autograd.grad(-gain / 2, list(c.parameters()))  # 2 of 8 are expected above the quantile
    loss = policy.update(draws, rewards)
    assert loss == pytest.approx(float(-gain.detach() / 2), rel=1e-5)
    for p, g in zip(c.parameters(), wanted, strict=True):
        torch.testing.assert_close(p.grad, g)


def test_the_policy_learns_what_is_rewarded():
    c = controller(3)
    policy = PolicyGradient(c, rate=4e-2, risk=0.3, entropy=0.0)

    def share(draws):
        return torch.tensor(
            [np.mean([n == "mul" for layer in a.layers for n in layer]) for a in draws.architectures]
        )

    before = float(share(c.sample(300)).mean())
    for _ in range(20):
        draws = c.sample(40)
        policy.update(draws, share(draws).float())
    assert float(share(c.sample(300)).mean()) > before + 0.3


def test_equal_rewards_teach_nothing():
    c = controller()
    policy = PolicyGradient(c, 1e-2, 0.5, 0.1)
    before = [p.clone() for p in c.parameters()]
    assert np.isnan(policy.update(c.sample(6), torch.ones(6)))
    assert all(torch.equal(a, b) for a, b in zip(before, c.parameters(), strict=True))
