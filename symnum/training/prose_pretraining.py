"""A whole pre-training run of PROSE, from settings to weights with their model card."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch

from symnum.exceptions import InvalidInput
from symnum.models.prose.configuration import PROSEConfig
from symnum.models.prose.deeponet import DeepONetModel
from symnum.models.prose.gru import GRUModel
from symnum.models.prose.modeling import PROSEModel
from symnum.training.prose_card import write_prose_card
from symnum.training.prose_data import ProseData, ProseStream, SampleMaker, show
from symnum.training.prose_trainer import ProseHeldOut, ProseTrainer
from symnum.training.runs import run, training_arguments
from symnum.training.settings import Settings

_REFERENCES: dict[str, type[PROSEModel]] = {"deeponet": DeepONetModel, "gru": GRUModel}
BEST: dict[str, Any] = {
    "load_best_model_at_end": True, "greater_is_better": False, "dataloader_num_workers": 0,
}  # fmt: skip


def reference_class(kind: str) -> type[PROSEModel]:
    """Network that PROSE is compared with, "deeponet" or "gru"."""
    if kind not in _REFERENCES:
        raise InvalidInput(f"a reference is one of {', '.join(_REFERENCES)}, got {kind!r}")
    return _REFERENCES[kind]


@dataclass(frozen=True)
class ProseSettings(Settings):
    """One run of PROSE, or with ``reference: deeponet`` (``gru``) of a reference on the same batches.

    ``model`` holds arguments of `PROSEConfig` (of the reference), or a ``size`` and further ones.
    """

    data_class: ClassVar[type] = ProseData
    data: Any = field(default_factory=ProseData)

    def config(self) -> PROSEConfig:
        """Configuration of the model.

        Raises
        ------
        InvalidInput
            When the data does not fit the model.
        """
        given = dict(self.model)
        if self.data.is_pde:
            given = {"max_dim": 1, "grid": self.data.cells} | given
        size, compat = given.pop("size", None), given.pop("compat", False)
        reference = given.pop("reference", None)
        if reference is not None:
            return reference_class(reference).config_class(**given)
        if compat:
            return PROSEConfig.compat(**given)
        return PROSEConfig(**given) if size is None else PROSEConfig.of_size(size, **given)


def build_trainer(
    settings: ProseSettings, out: Path, max_seconds: float | None = None, cache: Path | None = None
) -> ProseTrainer:
    """Trainer of a run; its checkpoints and logs go to `out`, trajectories to `cache` (``out/cache``)."""
    data = settings.data
    config = settings.config()
    # By the states where there are any: the likelihood of digits falls long before fewer of them are right.
    best = BEST | {"metric_for_best_model": f"eval_{'data' if config.data_output else 'symbol'}_loss"}
    settings_with_best = ProseSettings(settings.name, settings.model, data, best | dict(settings.training))
    arguments = training_arguments(settings_with_best, out)
    kind = settings.model.get("reference")
    model = (PROSEModel if kind is None else reference_class(kind))(config)
    maker = SampleMaker(data, model.tokenizer, config.values)
    folder = out / "cache" if cache is None else cache
    tell = show if arguments.process_index == 0 else None
    with arguments.main_process_first(desc="trajectories"):
        training, held_out = (data.cache(folder, h, tell=tell) for h in (False, True))
    most = max(training[f, 0].values.shape[2] for f in data.names)
    if most > config.values:
        raise InvalidInput(f"the model takes up to {config.values} states, the data has {most}")
    stream = ProseStream(maker, training, arguments.process_index, arguments.world_size)
    config.numbers_in_guess = data.setting == "known"
    config.spans, config.sizes = known_units(ProseStream(maker, training), config)
    return ProseTrainer(
        model, arguments, stream, held_out=ProseHeldOut(maker, held_out), max_seconds=max_seconds
    )


def pretrain(
    settings: ProseSettings,
    out: Path,
    max_seconds: float | None = None,
    resume: bool = True,
    cache: Path | None = None,
) -> dict[str, float]:
    """Train, measure on held-out equations, write weights; see `symnum.training.runs.run`.

    Parameters
    ----------
    settings : ProseSettings
    out : Path
        Folder of the run.
    max_seconds : float, optional
        Stop after so long. Calling again goes on.
    resume : bool
        Go on from the last checkpoint in `out`, if there is one.
    cache : Path, optional
        Folder of the trajectories, ``out/cache`` when left out; made where they are missing.
    """
    trainer = build_trainer(settings, out, max_seconds, cache)
    return run(trainer, settings, out, write_prose_card, resume)


def known_units(
    stream: ProseStream, config: PROSEConfig, batches: int = 16
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ranges of the lengths of windows and of the root mean squares of their states, in the first batches."""
    spans, sizes = [], []
    for number in range(batches):
        batch = stream.batch(number)
        times, values, mask = (batch[k] for k in ("data_times", "data_values", "data_mask"))
        spans.append((times * mask).amax(1))
        there = (mask[..., None] & batch["dim_mask"][:, None]).float()
        sizes.append(((values * there).square().sum((1, 2)) / there.sum((1, 2))).sqrt())
    low, high = torch.tensor([0.01, 0.99], dtype=torch.float32)
    found = [torch.cat(part).quantile(torch.stack([low, high])).tolist() for part in (spans, sizes)]
    return (found[0][0], found[0][1]), (found[1][0], found[1][1])
