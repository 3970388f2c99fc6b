"""Training of PROSE and what is measured on the way."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from symnum.models.prose.modeling import PROSEModel, PROSEOutput
from symnum.training.prose_cache import TrajectoryCache
from symnum.training.prose_data import ProseStream, SampleMaker
from symnum.training.streaming import StreamTrainer

_BATCH = 64


class ProseHeldOut:
    """Equations that no training batch contains: the first window given, all later times asked for.

    Parameters
    ----------
    maker : SampleMaker
    cache : TrajectoryCache
        Made with another seed than that of training.
    """

    def __init__(self, maker: SampleMaker, cache: TrajectoryCache) -> None:
        rng = np.random.default_rng(maker.data.held_out_seed)
        places = [
            ((family, number), k)
            for number in range(maker.data.held_out)
            for family in maker.data.names
            for k in range(len(cache[family, number].values))
        ]
        self.batches = [
            maker.batch([(cache[p], k) for p, k in places[i : i + _BATCH]], rng, plain=True)
            for i in range(0, len(places), _BATCH)
        ]
        self._pad = maker.tokenizer.pad_id
        vocabulary = maker.tokenizer.vocabulary
        first = vocabulary.index["+"]
        # Words of numbers: a skeleton is right when all others are.
        self._numbers = slice(first, first + 2 + vocabulary.floats.mantissas + vocabulary.floats.exponents)

    @torch.no_grad()
    def metrics(self, model: PROSEModel, bf16: bool = True) -> dict[str, float]:
        """Losses, relative L2 errors, and shares of words and skeletons that are right given those before.

        ``data_error`` is the mean over trajectories of the relative L2 error over all times asked for,
        ``data_error_near`` over their first half.
        """
        training, device = model.training, model.device
        model.eval()
        rows: list[dict[str, Tensor]] = []
        for batch in self.batches:
            batch = {name: value.to(device) for name, value in batch.items()}
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                out = model(**batch)
            rows.append(self._measure(out, batch, len(batch["labels"])))
        model.train(training)
        found = {name: torch.cat([r[name] for r in rows if name in r]) for name in rows[0]}
        means = {name: float(value.double().mean()) for name, value in found.items()}
        weight = model.config.data_weight
        means["loss"] = weight * means.get("data_loss", 0.0) + means.get("symbol_loss", 0.0)
        return means

    def _measure(self, out: PROSEOutput, batch: dict[str, Tensor], n: int) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        if out.data_pred is not None:
            labels, there = batch["data_labels"].float(), batch["dim_mask"][:, None]
            half = labels.shape[1] // 2
            error = ((out.data_pred.float() - labels) * there).square()
            found["data_error"] = _relative(error, labels)
            found["data_error_near"] = _relative(error[:, :half], labels[:, :half])
            found["data_loss"] = out.data_loss.float().expand(n)  # type: ignore[union-attr]
        if out.symbol_logits is not None:
            target = batch["labels"][:, 1:]
            valid = target != self._pad
            right = out.symbol_logits.argmax(-1) == target
            number = (target >= self._numbers.start) & (target < self._numbers.stop)
            found["word_accuracy"] = (right & valid).sum(1) / valid.sum(1)
            found["skeleton_accuracy"] = (right | ~valid | number).all(1).float()
            found["symbol_loss"] = out.symbol_loss.float().expand(n)  # type: ignore[union-attr]
        return {name: value.cpu() for name, value in found.items()}


def _relative(error: Tensor, labels: Tensor) -> Tensor:
    return (error.sum((1, 2)) / (labels.square().sum((1, 2)) + 1e-6)).sqrt()


class ProseTrainer(StreamTrainer):
    """Trains a `PROSEModel` on a `ProseStream`; see `StreamTrainer`."""

    stream: ProseStream
    parts = ("data_loss", "symbol_loss")

    def _identity(self) -> dict[str, Any]:
        stream = self.stream
        data = asdict(stream.maker.data)
        keys = (
            "weights",
            "setting",
            "unguessed",
            "window",
            "varied",
            "noise",
            "noisy_targets",
            "queries",
            "seed",
        )
        chosen = {k: list(v) if isinstance(v, tuple) else v for k, v in data.items() if k in keys}
        return stream.cache.identity | chosen | {
            "batch_size": stream.batch_size, "world_size": stream.world_size,
        }  # fmt: skip

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Tensor], return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor | tuple[Tensor, PROSEOutput]:  # fmt: skip
        """Weighted sum of the losses of data and symbols."""
        out = model(**inputs)
        self.keep_parts(out)
        return (out.loss, out) if return_outputs else out.loss
