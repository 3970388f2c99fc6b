"""A whole pre-training run, from settings to weights with their model card."""

from __future__ import annotations

import copy
import csv
import json
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments, set_seed

from symnum.exceptions import InvalidInput
from symnum.models.snip.configuration import SNIPConfig
from symnum.models.snip.modeling import SNIPModel
from symnum.synthesis import EquationStream
from symnum.training.cards import write_model_card
from symnum.training.collator import SNIPCollator
from symnum.training.held_out import HeldOut
from symnum.training.settings import Settings
from symnum.training.trainer import SNIPTrainer

DEFAULTS: dict[str, Any] = {
    "max_steps": 1000,
    "learning_rate": 5e-3,
    "lr_scheduler_type": "linear",
    "warmup_steps": 500,
    "weight_decay": 0.01,
    "adam_beta2": 0.98,
    "max_grad_norm": 1.0,
    "bf16": True,
    "use_cpu": not torch.cuda.is_available(),
    "logging_steps": 50,
    "eval_strategy": "steps",
    "eval_steps": 2000,
    "save_steps": 2000,
    "save_total_limit": 2,
    "report_to": ["tensorboard"],
    "dataloader_num_workers": 1,
}
FIXED: dict[str, Any] = {
    "remove_unused_columns": False,
    "ignore_data_skip": True,  # the stream itself goes on where it was
    "disable_tqdm": not sys.stderr.isatty(),  # a bar in a terminal, lines in a log
}


def build_trainer(settings: Settings, out: Path, max_seconds: float | None = None) -> SNIPTrainer:
    """Trainer of a run; its checkpoints and logs go to `out`."""
    data = settings.data
    try:
        arguments = TrainingArguments(output_dir=str(out), **(DEFAULTS | dict(settings.training) | FIXED))
    except TypeError as error:
        raise InvalidInput(
            f"training: {error}; these are arguments of transformers.TrainingArguments"
        ) from None
    set_seed(arguments.seed)
    model_settings: dict[str, Any] = {"max_dim": data.max_dim} | dict(settings.model)
    make = SNIPConfig.compat if model_settings.pop("compat", False) else SNIPConfig
    config = make(**model_settings)
    if config.max_dim < data.max_dim:
        raise InvalidInput(f"the model takes up to {config.max_dim} variables, the data has {data.max_dim}")
    plain = SNIPCollator(config)
    held_out = HeldOut(data.generator(held_out=True), plain, data.held_out)
    stream = EquationStream(
        data.generator(),
        data.batch_size,
        data.pool,
        numbers=True,
        rank=arguments.process_index,
        world_size=arguments.world_size,
    )
    collator = SNIPCollator(config, data.rows, data.seed, held_out.hashes)
    return SNIPTrainer(SNIPModel(config), arguments, stream, collator, held_out, max_seconds)


def pretrain(
    settings: Settings, out: Path, max_seconds: float | None = None, resume: bool = True
) -> dict[str, float]:
    """Train, measure on the held-out pairs, write weights.

    Parameters
    ----------
    settings : Settings
    out : Path
        Folder: ``checkpoint-*`` and logs while training; at the end ``weights/`` (float16, with tokenizer and
        model card), ``metrics.json`` and ``curve.csv``.
    max_seconds : float, optional
        Stop after so long. Calling again goes on.
    resume : bool
        Go on from the last checkpoint in `out`, if there is one.

    Returns
    -------
    dict
        Measures on the held-out pairs.
    """
    trainer = build_trainer(settings, out, max_seconds)
    trainer.train(resume_from_checkpoint=resume)
    metrics = trainer.evaluate()
    if trainer.is_world_process_zero():
        state = trainer.state
        arguments = trainer.args
        a_step = settings.data.batch_size * arguments.world_size * arguments.gradient_accumulation_steps
        metrics |= {"steps": state.global_step, "max_steps": state.max_steps}
        metrics["pairs"] = state.global_step * a_step
        metrics["hours"] = training_hours(state.log_history, a_step)
        (out / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
        write_curve(state.log_history, out / "curve.csv")
        model = trainer.accelerator.unwrap_model(trainer.model)
        export_weights(model, out / "weights", settings, metrics)
    return metrics


def training_hours(history: list[dict[str, Any]], pairs_a_step: int) -> float:
    """Hours that the steps took, all sittings together, from the logged pairs a second."""
    seconds, before = 0.0, 0
    for entry in history:
        if entry.get("pairs_per_second"):
            seconds += (entry["step"] - before) * pairs_a_step / float(entry["pairs_per_second"])
            before = entry["step"]
    return seconds / 3600


def export_weights(model: SNIPModel, folder: Path, settings: Settings, metrics: dict[str, float]) -> None:
    """Write a model as float16 with tokenizer and model card."""
    copy.deepcopy(model).to(torch.float16).save_pretrained(folder)
    write_model_card(folder, settings, metrics, sum(p.numel() for p in model.parameters()))


def write_curve(history: list[dict[str, Any]], path: Path) -> None:
    """Write measures over steps as CSV, one row a measurement."""
    rows: dict[int, dict[str, Any]] = {}
    for entry in history:
        rows.setdefault(int(entry["step"]), {}).update(entry)
    names = sorted({name for row in rows.values() for name in row} - {"step", "epoch"})
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["step", *names], extrasaction="ignore", restval="")
        writer.writeheader()
        writer.writerows({"step": step, **rows[step]} for step in sorted(rows))
