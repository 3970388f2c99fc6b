"""Contrastive pre-training of SNIP."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers import TrainingArguments

from symnum.models.snip.modeling import SNIPOutput
from symnum.synthesis import EquationStream
from symnum.training.contrastive import contrastive_loss
from symnum.training.settings import DataSettings
from symnum.training.streaming import StreamTrainer


class SNIPTrainer(StreamTrainer):
    """Trains a `SNIPModel` on a stream of pairs; see `StreamTrainer`."""

    unit = "pairs"
    stream: EquationStream

    def _identity(self) -> dict[str, Any]:
        return stream_identity(self.stream)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor | tuple[Tensor, SNIPOutput]:
        """Symmetric InfoNCE over the batches of all processes."""
        inputs = dict(inputs)
        hashes = inputs.pop("hashes")
        out = model(**inputs)
        loss = contrastive_loss(out.symbolic, out.numeric, out.scale, hashes)
        return (loss, out) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the factor of similarities."""
        if "loss" in logs:
            logs["scale"] = round(float(self.accelerator.unwrap_model(self.model).scale.detach()), 3)
        super().log(logs, start_time)


def formula_stream(data: DataSettings, arguments: TrainingArguments) -> EquationStream:
    """Formulas to train on, the part of one process."""
    return EquationStream(
        data.generator(),
        data.batch_size,
        data.pool,
        numbers=True,
        rank=arguments.process_index,
        world_size=arguments.world_size,
    )


def stream_identity(stream: EquationStream) -> dict[str, Any]:
    """What decides which batches of formulas come."""
    return {
        "generator": stream.generator.config_hash,
        "batch_size": stream.batch_size,
        "pool": stream.pool,
        "world_size": stream.world_size,
    }
