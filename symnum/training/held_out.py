"""Held-out pairs: what retrieval is measured on, and how training keeps away from them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from symnum.models.snip.modeling import SNIPModel
from symnum.synthesis import EquationGenerator, EquationStream
from symnum.training.collator import SNIPCollator
from symnum.training.contrastive import alignment, retrieval, uniformity

_BATCH = 256


class HeldOut:
    """Pairs that no training batch contains.

    Parameters
    ----------
    generator : EquationGenerator
        With a seed of its own.
    collator : SNIPCollator
        Without `rows`, so that every row is used.
    n : int
        Number of pairs; all are different functions.
    sizes : tuple of int
        Retrieval is measured among the first so many pairs, for each size up to `n`.
    """

    def __init__(
        self,
        generator: EquationGenerator,
        collator: SNIPCollator,
        n: int = 10_000,
        sizes: tuple[int, ...] = (1024, 10_000),
    ) -> None:
        self.sizes = tuple(s for s in sizes if s <= n) or (n,)
        stream = EquationStream(generator, batch_size=_BATCH, pool=8, numbers=True)
        self.batches: list[dict[str, Tensor]] = []
        seen = np.empty(0, np.int64)
        for batch in stream:
            hashes = batch["hashes"].numpy()
            new = ~np.isin(hashes, seen)
            new &= np.isin(np.arange(hashes.size), np.unique(hashes, return_index=True)[1])
            rows = torch.from_numpy(np.flatnonzero(new)[: n - seen.size])
            if rows.numel():
                self.batches.append(collator({name: value[rows] for name, value in batch.items()}))
                seen = np.concatenate([seen, hashes[rows.numpy()]])
            if seen.size == n:
                break
        self.hashes: NDArray[np.int64] = np.sort(seen)

    @torch.no_grad()
    def embed(self, model: SNIPModel, bf16: bool = True) -> tuple[Tensor, Tensor]:
        """Embeddings of all formulas and of all data, float32 on the CPU, in a fixed random order."""
        training, device = model.training, model.device
        model.eval()
        pairs = []
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            for batch in self.batches:
                inputs = {k: v.to(device) for k, v in batch.items() if k != "hashes"}
                out = model(**inputs)
                pairs.append((out.symbolic.float().cpu(), out.numeric.float().cpu()))
        model.train(training)
        # Batches hold formulas of similar length: mixed, the first pairs are like all pairs.
        order = np.random.default_rng(0).permutation(self.hashes.size)
        symbolic, numeric = (torch.cat(part)[order] for part in zip(*pairs, strict=True))
        return symbolic, numeric

    def metrics(self, model: SNIPModel, bf16: bool = True) -> dict[str, float]:
        """Retrieval at each size (``r1_data_1024`` ...), alignment, and uniformity of both kinds."""
        symbolic, numeric = self.embed(model, bf16)
        found: dict[str, float] = {}
        for size in self.sizes:
            part = retrieval(symbolic[:size], numeric[:size])
            found |= {f"{name}_{size}": value for name, value in part.items()}
        found["alignment"] = alignment(symbolic, numeric)
        found["uniformity_symbolic"] = uniformity(symbolic)
        found["uniformity_numeric"] = uniformity(numeric)
        return found
