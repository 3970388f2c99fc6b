"""How fast a pair of encoders trains: this project's way against the reference's, same width and depth.

Run it alone on the machine: ``python benchmarks/snip_training.py`` (about three minutes). The reference way:
formulas padded to 200 places, 200 points, float32, every number three tokens, points attend to all points,
tokens written in the main process (by this project's tokenizer; that of the reference takes 5.7 ms a sample).
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from symnum.models import SNIPConfig, SNIPModel
from symnum.models.snip.inputs import InputMaker
from symnum.synthesis import EquationStream
from symnum.training.collator import SNIPCollator
from symnum.training.contrastive import contrastive_loss
from symnum.training.settings import DataSettings

GOAL = 4.0
SIZES = {
    "max_dim": 3,
    "width": 128,
    "heads": 4,
    "hidden": 512,
    "latent": 128,
    "symbolic_layers": 4,
    "numeric_layers": 4,
}


def our_batches(config: SNIPConfig, batch: int) -> Iterator[dict[str, Tensor]]:
    data = DataSettings(max_dim=3, n_points=128, rows=(32, 64), batch_size=batch)
    collator = SNIPCollator(config, data.rows)
    return (collator(b) for b in EquationStream(data.generator(), batch, data.pool, numbers=True))


def reference_batches(config: SNIPConfig, batch: int) -> Iterator[dict[str, Tensor]]:
    generator = DataSettings(max_dim=3, n_points=200, rows=None).generator()
    make = InputMaker(config)
    samples = iter(generator)
    while True:
        chosen = [next(samples) for _ in range(batch)]
        tokens, lengths = generator.tokenizer.encode_batch([s.expression for s in chosen])
        X = np.zeros((batch, 200, 3))
        for i, s in enumerate(chosen):
            X[i, :, : s.X.shape[1]] = s.X
        y, dims = np.stack([s.y for s in chosen]), np.array([s.X.shape[1] for s in chosen])
        arrays = make.symbols(tokens, lengths)
        arrays |= make.points(X, y, dims, np.ones((batch, 200), bool))
        arrays["hashes"] = np.array([s.value_hash for s in chosen], np.uint64).view(np.int64)
        yield {name: torch.from_numpy(array) for name, array in arrays.items()}


def rate(config: SNIPConfig, make: Callable, batch: int, bf16: bool, seconds: float) -> tuple[float, float]:
    """Pairs a second and the share of time spent making batches."""
    torch.manual_seed(0)
    model = SNIPModel(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    batches = make(config, batch)
    waited, done, start = 0.0, -1, time.perf_counter()
    while done < 1 or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        inputs = next(batches)
        waited += time.perf_counter() - before
        hashes = inputs.pop("hashes")
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            out = model(**inputs)
        contrastive_loss(out.symbolic, out.numeric, out.scale, hashes).backward()
        optimizer.step()
        optimizer.zero_grad()
        done += 1
        if done == 0:  # the first step compiles and allocates
            waited, start = 0.0, time.perf_counter()
    total = time.perf_counter() - start
    return done * batch / total, waited / total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(f"{platform.processor() or platform.machine()}, {given.threads} threads, torch {torch.__version__}")
    ours, wait = rate(SNIPConfig(**SIZES), our_batches, 512, True, given.seconds)
    print(f"this project: {ours:8.1f} pairs/s, {100 * wait:.1f} % of the time for batches")
    reference = SNIPConfig.compat(**SIZES)
    theirs, wait = rate(reference, reference_batches, 64, False, given.seconds)
    print(f"reference:    {theirs:8.1f} pairs/s, {100 * wait:.1f} % of the time for batches")
    print(f"ratio {ours / theirs:.1f}, asked {GOAL}")


if __name__ == "__main__":
    main()
