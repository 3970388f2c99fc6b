"""A whole training run of the decoder of formulas, from settings to weights with their model card."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from symnum.models.decoder.configuration import SNIPDecoderConfig
from symnum.models.decoder.modeling import SNIPDecoderModel, SNIPDecoderOutput
from symnum.models.snip.modeling import SNIPModel
from symnum.synthesis import EquationStream
from symnum.training.decoder_card import write_decoder_card
from symnum.training.decoder_data import DecoderCollator, DecoderData
from symnum.training.decoder_held_out import DecoderHeldOut
from symnum.training.runs import run, training_arguments
from symnum.training.settings import Settings
from symnum.training.streaming import StreamTrainer
from symnum.training.trainer import formula_stream, stream_identity

_TAKEN = ("width", "heads", "hidden", "latent", "numeric_layers", "numeric_encoder", "reads", "point_input",
          "residual", "norm_first", "masked_pooling", "activation", "norm_eps", "normalize")  # fmt: skip


@dataclass(frozen=True)
class DecoderSettings(Settings):
    """One run.

    ``model`` holds arguments of `SNIPDecoderConfig`, or a ``size`` and further ones; ``encoder_weights``
    names the weights of a `SNIPModel` whose encoder of data the training begins with.
    """

    data_class: ClassVar[type] = DecoderData
    data: Any = field(default_factory=DecoderData)

    def build(self) -> SNIPDecoderModel:
        """The model before training."""
        rows = self.data.n_points if self.data.rows is None else self.data.rows[1]
        given = {"max_dim": self.data.max_dim, "rows": min(rows, self.data.n_points)} | dict(self.model)
        weights = given.pop("encoder_weights", None)
        source = None if weights is None else SNIPModel.from_pretrained(weights)
        if source is not None:
            same = {name: getattr(source.config, name) for name in _TAKEN}
            given["encoder"] = same | dict(given.get("encoder") or {})
        size = given.pop("size", None)
        config = SNIPDecoderConfig(**given) if size is None else SNIPDecoderConfig.of_size(size, **given)
        model = SNIPDecoderModel(config)
        if source is not None:
            model.take_encoder(source.numeric_encoder, source.inputs.config)
        return model


class DecoderTrainer(StreamTrainer):
    """Trains a `SNIPDecoderModel` on a stream of formulas; see `StreamTrainer`."""

    stream: EquationStream
    parts = ("word_loss", "value_loss")

    def _identity(self) -> dict[str, Any]:
        return stream_identity(self.stream)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor | tuple[Tensor, SNIPDecoderOutput]:
        """Cross-entropy of words and, for skeletons, of classes of values."""
        out = model(**{name: value for name, value in inputs.items() if name != "hashes"})
        self.keep_parts(out)
        return (out.loss, out) if return_outputs else out.loss


def build_trainer(settings: DecoderSettings, out: Path, max_seconds: float | None = None) -> DecoderTrainer:
    """Trainer of a run; its checkpoints and logs go to `out`."""
    data = settings.data
    arguments = training_arguments(settings, out)
    model = settings.build()
    plain = DecoderCollator(model.config)
    held_out = DecoderHeldOut(data.generator(held_out=True), plain, data.held_out, data.sampled, data.refined)
    stream = formula_stream(data, arguments)
    collator = DecoderCollator(model.config, data.rows, data.latent_only, data.seed, held_out.hashes)
    return DecoderTrainer(model, arguments, stream, collator, held_out, max_seconds)


def pretrain(
    settings: DecoderSettings, out: Path, max_seconds: float | None = None, resume: bool = True
) -> dict[str, float]:
    """Train, measure on the held-out problems, write weights; see `symnum.training.runs.run`.

    Parameters
    ----------
    settings : DecoderSettings
    out : Path
        Folder of the run.
    max_seconds : float, optional
        Stop after so long. Calling again goes on.
    resume : bool
        Go on from the last checkpoint in `out`, if there is one.
    """
    return run(build_trainer(settings, out, max_seconds), settings, out, write_decoder_card, resume)
