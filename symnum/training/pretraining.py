"""A whole pre-training run of SNIP, from settings to weights with their model card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from symnum.exceptions import InvalidInput
from symnum.models.snip.configuration import SNIPConfig
from symnum.models.snip.modeling import SNIPModel
from symnum.training.cards import write_model_card
from symnum.training.collator import SNIPCollator
from symnum.training.held_out import HeldOut
from symnum.training.runs import run, training_arguments
from symnum.training.settings import Settings
from symnum.training.trainer import SNIPTrainer, formula_stream

ENCODERS = "symbolic_encoder", "numeric_encoder"


def build_model(settings: Settings) -> SNIPModel:
    """The model before training: new weights, or those that ``model.weights`` names.

    Raises
    ------
    InvalidInput
        When a locked part is unknown, the model takes fewer variables than the data has, or weights are given
        beside other settings.
    """
    given: dict[str, Any] = {"max_dim": settings.data.max_dim} | dict(settings.model)
    weights, locked = given.pop("weights", None), given.pop("locked", ())
    if weights is not None:
        others = sorted(set(given) - {"max_dim"})
        if others:
            raise InvalidInput(
                f"model: weights {str(weights)!r} have a form already; leave out {', '.join(others)}"
            )
        model = SNIPModel.from_pretrained(weights)
    else:
        make = SNIPConfig.compat if given.pop("compat", False) else SNIPConfig
        model = SNIPModel(make(**given))
    for name in locked:
        if name not in ENCODERS:
            raise InvalidInput(f"model: locked holds some of {', '.join(ENCODERS)}, got {name!r:.100}")
        model.get_submodule(name).requires_grad_(False)
    if model.config.max_dim < settings.data.max_dim:
        raise InvalidInput(
            f"the model takes up to {model.config.max_dim} variables, the data has {settings.data.max_dim}"
        )
    return model


def build_trainer(settings: Settings, out: Path, max_seconds: float | None = None) -> SNIPTrainer:
    """Trainer of a run; its checkpoints and logs go to `out`."""
    data = settings.data
    arguments = training_arguments(settings, out)
    model = build_model(settings)
    config = model.config
    plain = SNIPCollator(config)
    held_out = HeldOut(data.generator(held_out=True), plain, data.held_out)
    stream = formula_stream(data, arguments)
    collator = SNIPCollator(config, data.rows, data.seed, held_out.hashes)
    return SNIPTrainer(model, arguments, stream, collator, held_out, max_seconds)


def pretrain(
    settings: Settings, out: Path, max_seconds: float | None = None, resume: bool = True
) -> dict[str, float]:
    """Train, measure on the held-out pairs, write weights; see `symnum.training.runs.run`.

    Parameters
    ----------
    settings : Settings
    out : Path
        Folder of the run.
    max_seconds : float, optional
        Stop after so long. Calling again goes on.
    resume : bool
        Go on from the last checkpoint in `out`, if there is one.
    """
    return run(build_trainer(settings, out, max_seconds), settings, out, write_model_card, resume)
