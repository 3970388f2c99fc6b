"""What the networks of search="dysymnet" cost, and what each of its parts is worth.

Run it alone on the machine: ``python benchmarks/dysymnet.py`` prints networks trained per second as one batch
and one at a time, the same steps with the same weights; ``--ablation`` fits a few classic problems with one
part off at a time.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from symnum import SymbolicRegressor
from symnum.evaluation.catalogue import entry
from symnum.expressions.equivalence import is_recovery
from symnum.search import refinement
from symnum.search.dysymnet import epochs
from symnum.search.dysymnet.backend import DySymNetSearch
from symnum.search.dysymnet.controller import Controller, PolicyGradient
from symnum.search.dysymnet.network import Networks
from symnum.search.dysymnet.presets import FAST, PAPER, Preset
from symnum.search.dysymnet.training import Phase, train

PROBLEMS = ("Nguyen-2", "Nguyen-6", "Nguyen-10", "Constant-5", "Keijzer-6", "R1", "Livermore-4", "Jin-1")
"""Classic problems of the ablation."""


def _reference() -> Any:
    """The one-at-a-time form that the tests compare the batch with."""
    path = Path(__file__).parents[1] / "tests" / "search" / "dysymnet_reference.py"
    spec = importlib.util.spec_from_file_location("dysymnet_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _batch(preset: Preset, count: int, seed: int = 0) -> tuple[Networks, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    controller = Controller(preset.library, preset.depths, preset.widths, generator)
    chosen = controller.sample(count).architectures
    x = torch.rand(1, 100, generator=generator) * 2 - 1
    y = x[0] ** 4 + x[0] ** 3 + x[0] ** 2 + x[0]  # Nguyen-2
    x = torch.cat([x, torch.ones(1, 100)]) if preset.bias else x
    more = {"spread": preset.spread, "links": preset.links}
    return Networks.create(chosen, len(x), preset.skip, generator, **more), x, y


def measure_speed(preset: Preset, count: int, alone: int, steps: int) -> dict[str, float]:
    """Milliseconds of wall clock and processor that one step of one network costs, batched and alone."""
    phases, reference = [Phase(steps, 1e-3, 5e-3)], _reference()
    networks, x, y = _batch(preset, count)
    some = [reference.unpacked(networks, k) for k in range(0, count, max(1, count // alone))][:alone]
    weights = torch.full((100,), 0.01)
    train(_batch(preset, count)[0], x, y, weights, [Phase(3, 1e-3, 5e-3)])  # first calls allocate
    made = {}
    began = time.perf_counter(), time.process_time()
    done = train(networks, x, y, weights, phases, limit=float("inf")).steps
    made["batched"] = 1e3 * (time.perf_counter() - began[0]) / done
    made["batched, processor"] = 1e3 * (time.process_time() - began[1]) / done
    began = time.perf_counter(), time.process_time()
    for model in some:
        reference.train_one(model, x.T, y, phases)
    made["alone"] = 1e3 * (time.perf_counter() - began[0]) / (len(some) * steps)
    made["alone, processor"] = 1e3 * (time.process_time() - began[1]) / (len(some) * steps)
    return made


def show_speed(counts: list[int], alone: int, steps: int, threads: int) -> None:
    """Print the table of speeds; a network of the published preset has 22,002 steps."""
    torch.set_num_threads(threads)
    table = Table(
        "preset",
        "networks",
        "ms a step alone",
        "ms a step batched",
        "times",
        "times, processor",
        "networks/s",
    )
    for name, preset in (("paper", PAPER), ("fast", FAST)):
        steps_of_one = sum(phase.steps for phase in preset.phases)
        for count in counts:
            made = measure_speed(preset, count, alone, steps)
            table.add_row(
                name, str(count), f"{made['alone']:.3f}", f"{made['batched']:.4f}",
                f"{made['alone'] / made['batched']:.0f}",
                f"{made['alone, processor'] / made['batched, processor']:.0f}",
                f"{1e3 / made['batched'] / steps_of_one:.2f}",
            )  # fmt: skip
    Console().print(table)


def _nothing_learned(self: PolicyGradient, *args: Any) -> float:
    return float("nan")


def _as_read(formulas: Any, data: Any, *args: Any) -> Any:
    """Formulas with the weights of the networks."""
    for place, e in enumerate(formulas):
        if len(e.constants) <= refinement.MOST_CONSTANTS:
            yield place, e, data.bits(e)


def _only_fitted(formulas: Any, data: Any, shorten: int, best: Any) -> Any:
    """Formulas with fitted constants, not shortened."""
    return refinement.refined(formulas, data, 0, best)


PARTS: dict[str, tuple[Preset, Callable[[], list[tuple[Any, str, Any]]]]] = {
    "nothing": (FAST, lambda: []),
    "refinement of constants": (FAST, lambda: [(epochs, "refined", _as_read)]),
    "shortening and simple numbers": (FAST, lambda: [(epochs, "refined", _only_fitted)]),
    "policy gradient": (FAST, lambda: [(PolicyGradient, "update", _nothing_learned)]),
    "clipping": (replace(FAST, clip=False), lambda: []),
    "few links": (replace(FAST, links=None), lambda: []),
    "giving up early": (replace(FAST, phases=tuple(replace(p, keep=1.0) for p in FAST.phases)), lambda: []),
    "batches (eight networks)": (replace(FAST, batch=8, first_batch=8), lambda: []),
}
"""What is off: the preset, and attributes that are replaced."""


def show_ablation(seconds: float, seeds: int, only: list[str] | None) -> None:
    """Print recovered problems, exact fits and mean R2 with one part off at a time."""
    table = Table("off", "recovered", "R2 > 0.999", "mean R2", "mean seconds")
    for name, (preset, replaced) in PARTS.items():
        if only and name not in only:
            continue
        changes = [(owner, attribute, getattr(owner, attribute), new) for owner, attribute, new in replaced()]
        for owner, attribute, _, new in changes:
            setattr(owner, attribute, new)
        rows = [_fit(problem, preset, seconds, seed) for problem in PROBLEMS for seed in range(seeds)]
        for owner, attribute, old, _ in changes:
            setattr(owner, attribute, old)
        r2 = np.array([row[1] for row in rows])
        table.add_row(
            name, f"{sum(row[0] for row in rows)}/{len(rows)}", f"{np.sum(r2 > 0.999)}/{len(rows)}",
            f"{r2.mean():.4f}", f"{np.mean([row[2] for row in rows]):.1f}",
        )  # fmt: skip
    Console().print(table)


def _fit(problem: str, preset: Preset, seconds: float, seed: int) -> tuple[bool, float, float]:
    e = entry(f"classic/{problem}")
    rng = np.random.default_rng(seed)
    grid = e.domain.grid()
    X = e.domain.draw(60, rng) if grid is None else grid
    fresh = e.domain.draw(500, rng)
    began = time.perf_counter()
    model = SymbolicRegressor(search=DySymNetSearch(preset=preset), max_time=seconds, random_state=seed)
    model.fit(X, e.truth.evaluate(X), variable_names=e.names)
    took = time.perf_counter() - began
    y = e.truth.evaluate(fresh)
    r2 = 1 - np.sum((model.predict(fresh) - y) ** 2) / np.sum((y - y.mean()) ** 2)
    low, high = X.min(axis=0), X.max(axis=0)
    verdict = is_recovery(model.expression_, e.truth, (low, high))
    return verdict["recovered"], max(0.0, float(r2)), took


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=int, nargs="+", default=[64, 256, 512], help="networks of a batch")
    parser.add_argument("--alone", type=int, default=4, help="networks trained one at a time")
    parser.add_argument("--steps", type=int, default=200, help="steps of each network")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--ablation", action="store_true", help="fit classic problems with one part off")
    parser.add_argument("--seconds", type=float, default=10, help="of each fit of the ablation")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), help="parts of the ablation")
    options = parser.parse_args()
    if options.ablation:
        show_ablation(options.seconds, options.seeds, options.only)
    else:
        show_speed(options.counts, options.alone, options.steps, options.threads)
