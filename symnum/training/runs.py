"""What every training run has: its arguments, and the files it leaves."""

from __future__ import annotations

import copy
import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments, set_seed

from symnum.exceptions import InvalidInput
from symnum.models.precision import half_is_fast
from symnum.models.pretrained import PretrainedNetwork
from symnum.training.settings import Settings
from symnum.training.streaming import StreamTrainer

Card = Callable[[Path, Any, dict[str, float], int], None]
"""Writes the model card of a folder of weights from settings, measures and the number of parameters."""

DEFAULTS: dict[str, Any] = {
    "max_steps": 1000,
    "learning_rate": 5e-3,
    "lr_scheduler_type": "linear",
    "warmup_steps": 500,
    "weight_decay": 0.01,
    "adam_beta2": 0.98,
    "max_grad_norm": 1.0,
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


def training_arguments(settings: Settings, out: Path) -> TrainingArguments:
    """Arguments of a run whose checkpoints and logs go to `out`; seeds the generators of torch."""
    precision = {"bf16": half_is_fast("cuda" if torch.cuda.is_available() else "cpu")}
    try:
        arguments = TrainingArguments(
            output_dir=str(out), **(precision | DEFAULTS | dict(settings.training) | FIXED)
        )
    except TypeError as error:
        raise InvalidInput(
            f"training: {error}; these are arguments of transformers.TrainingArguments"
        ) from None
    set_seed(arguments.seed)
    return arguments


def run(
    trainer: StreamTrainer, settings: Settings, out: Path, card: Card, resume: bool = True
) -> dict[str, float]:
    """Train, measure on the held-out samples, write weights.

    Parameters
    ----------
    trainer : StreamTrainer
    settings : Settings
    out : Path
        Folder: ``checkpoint-*`` and logs while training; at the end ``weights/`` (float16, with tokenizer and
        model card), ``metrics.json`` and ``curve.csv``.
    card : callable
    resume : bool
        Go on from the last checkpoint in `out`, if there is one.

    Returns
    -------
    dict
        Measures on the held-out samples.
    """
    trainer.train(resume_from_checkpoint=resume)
    metrics = trainer.evaluate()
    if trainer.is_world_process_zero():
        state, arguments = trainer.state, trainer.args
        a_step = settings.data.batch_size * arguments.world_size * arguments.gradient_accumulation_steps
        metrics |= {"steps": state.global_step, "max_steps": state.max_steps}
        metrics[trainer.unit] = state.global_step * a_step
        metrics["hours"] = training_hours(state.log_history, a_step, trainer.unit)
        (out / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
        write_curve(state.log_history, out / "curve.csv")
        export_weights(
            trainer.accelerator.unwrap_model(trainer.model), out / "weights", settings, metrics, card
        )
    return metrics


def training_hours(history: list[dict[str, Any]], samples_a_step: int, unit: str = "pairs") -> float:
    """Hours that the steps took, all sittings together, from the logged samples a second."""
    seconds, before = 0.0, 0
    for entry in history:
        if entry.get(f"{unit}_per_second"):
            seconds += (entry["step"] - before) * samples_a_step / float(entry[f"{unit}_per_second"])
            before = entry["step"]
    return seconds / 3600


def export_weights(
    model: PretrainedNetwork, folder: Path, settings: Settings, metrics: dict[str, float], card: Card
) -> None:
    """Write a model as float16 with tokenizer and model card."""
    copy.deepcopy(model).to(torch.float16).save_pretrained(folder)
    card(folder, settings, metrics, sum(p.numel() for p in model.parameters()))


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
