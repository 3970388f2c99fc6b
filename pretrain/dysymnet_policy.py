"""Odds that DySymNet's controller begins with: `python pretrain/dysymnet_policy.py --out policy.safetensors`.

Takes a minute. The shipped file was made with the defaults.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from rich.progress import track

from symnum.search.dysymnet.controller import Controller
from symnum.search.dysymnet.policy import fit_policy, save_policy, smallest_network
from symnum.search.dysymnet.presets import FAST
from symnum.synthesis import EquationGenerator


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="file of the weights")
    parser.add_argument("--preset", default="improved", help="law of the formulas")
    parser.add_argument("--max-dim", type=int, default=3)
    parser.add_argument("--formulas", type=int, default=20_000)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    generator = EquationGenerator(given.preset, max_dim=given.max_dim, n_points=16, seed=given.seed)
    batches = (generator.batch(k, 1000) for k in range(0, given.formulas, 1000))
    made = [
        smallest_network(batch.expression(i))
        for batch in track(batches, "formulas", total=given.formulas // 1000)
        for i in range(len(batch))
    ]
    found = [a for a in made if a is not None]
    controller = Controller(FAST.library, FAST.depths, FAST.widths, torch.Generator().manual_seed(given.seed))
    fits = sum(a.depth in FAST.depths and a.width <= max(FAST.widths) for a in found)
    print(f"{len(found)} of {len(made)} formulas have a network, {fits} one of the sizes that are sampled")
    loss = fit_policy(controller, found, given.steps, given.seed)
    save_policy(controller, given.out)
    print(f"negative log-likelihood {loss:.3f}; wrote {given.out}")
    with torch.no_grad():
        odds = controller(torch.full((1, controller.inputs), 0.5))
    for name, values in (("depths", odds.depth), ("widths", odds.width)):
        print(name, dict(zip(getattr(controller, name), values[0].exp().numpy().round(3), strict=True)))
    for k, layer in enumerate(odds.units[0]):
        print(f"layer {k + 1}", dict(zip(controller.library, layer.exp().numpy().round(3), strict=True)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
