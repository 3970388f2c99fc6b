"""Training on endless streams with the Trainer of transformers: time limit, exact resuming, own optimiser."""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import (
    PreTrainedModel,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from symnum.exceptions import InvalidInput
from symnum.persistence import replace_text
from symnum.training.optimizer import MuonAdamW, parameter_groups

STREAM_STATE = "stream.json"
Batch = dict[str, Tensor]


class Stream(Protocol):
    """Endless batches, each of them again from its number; a torch IterableDataset."""

    batch_size: int

    def __iter__(self) -> Iterator[Batch]:
        """Batches from the state that was loaded on."""
        ...

    def state_dict(self, batches: int, workers: int = 0) -> Any:
        """State after so many batches from a loader with that many workers."""
        ...

    def load_state_dict(self, state: Any) -> None:
        """Go on where the state was taken."""
        ...


class Measured(Protocol):
    """Held-out samples that a model is measured on."""

    def metrics(self, model: Any, bf16: bool = True) -> dict[str, float]:
        """Measures by name."""
        ...


def last_checkpoint(folder: Path) -> str | None:
    """Newest checkpoint in a folder that was written to its end and is as it was written, if there is one.

    Warns of those that are damaged.
    """
    whole = [p.parent for p in folder.glob(f"checkpoint-*/{STREAM_STATE}")]
    for path in sorted(whole, key=lambda p: int(p.name.removeprefix("checkpoint-")), reverse=True):
        fault = checkpoint_fault(path)
        if fault is None:
            return str(path)
        warnings.warn(f"{path} is passed over: {fault}", RuntimeWarning, stacklevel=2)
    return None


def checkpoint_fault(path: Path) -> str | None:
    """What is wrong with the files of a checkpoint, in words; None when they are as they were written."""
    try:
        saved = json.loads((path / STREAM_STATE).read_text(encoding="utf-8"))
        known = saved.get("files", {})  # checkpoints of earlier versions do not list them
        for name, checksum in known.items():
            if _checksum(path / name) != checksum:
                return f"{name} is damaged, its checksum differs"
    except (OSError, ValueError, AttributeError) as error:
        return f"it cannot be read ({error})"
    return None


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class TimeLimit(TrainerCallback):
    """Ends training after so many seconds, with a checkpoint to go on from.

    Parameters
    ----------
    seconds : float
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self._start = seconds, time.monotonic()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Start the clock."""
        self._start = time.monotonic()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Look at the clock; processes that train together agree by the slowest."""
        late = torch.tensor(float(time.monotonic() - self._start > self.seconds), device=args.device)
        if args.world_size > 1:
            torch.distributed.all_reduce(late, op=torch.distributed.ReduceOp.MAX)
        if late:
            control.should_save = control.should_training_stop = True


class StreamTrainer(Trainer):
    """Trains a model on a stream of batches.

    A checkpoint also holds the place in the stream: `train` with ``resume_from_checkpoint`` goes on with the
    batch that would have come, and gives the same weights as training without a break.

    Parameters
    ----------
    model : PreTrainedModel
    args : TrainingArguments
        ``max_steps`` sets the length; the optimiser is `MuonAdamW`, whatever ``optim`` says;
        ``dataloader_num_workers`` the processes that make batches (0: this
        one). The size of a batch is the stream's.
    stream : Stream
    collator : callable, optional
        From a batch of the stream to inputs of the model.
    held_out : Measured, optional
        Measured every ``eval_steps``.
    max_seconds : float, optional
        Stop after so long, with a checkpoint.
    """

    unit: ClassVar[str] = "samples"
    parts: ClassVar[tuple[str, ...]] = ()
    """Names of the parts of the loss in the model's output, whose means are logged too."""

    def __init__(
        self,
        model: PreTrainedModel,
        args: TrainingArguments,
        stream: Stream,
        collator: Callable[[Batch], Batch] | None = None,
        held_out: Measured | None = None,
        max_seconds: float | None = None,
    ) -> None:
        callbacks = [] if max_seconds is None else [TimeLimit(max_seconds)]
        super().__init__(model, args, train_dataset=stream, eval_dataset=held_out, callbacks=callbacks)  # type: ignore[arg-type]
        self.model_accepts_loss_kwargs = False  # the loss is a mean over the batch
        self.stream, self.collator, self.held_out = stream, collator, held_out
        self._waited, self._since, self._steps = 0.0, time.monotonic(), 0
        self._parts: dict[str, list[Tensor]] = {name: [] for name in self.parts}

    # ---------------------------------------------------------------- data
    def get_train_dataloader(self) -> DataLoader:
        """Loader of the stream's own batches; each process has its part of the stream."""
        workers = self.args.dataloader_num_workers
        several: dict[str, Any] = {"prefetch_factor": 4, "multiprocessing_context": "fork"} if workers else {}
        return DataLoader(
            self.stream,
            batch_size=None,
            num_workers=workers,
            collate_fn=self.collator,
            pin_memory=self.args.device.type == "cuda",
            **several,
        )

    def get_batch_samples(
        self, epoch_iterator: Iterator, num_batches: int, device: torch.device
    ) -> tuple[list, Tensor | int | None]:
        """Next batches; the time until they come is the loader's share of the run."""
        start = time.monotonic()
        found = super().get_batch_samples(epoch_iterator, num_batches, device)
        self._waited += time.monotonic() - start
        self._steps += len(found[0])
        return found

    # ---------------------------------------------------------------- optimisation
    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """`MuonAdamW` with the learning rate, weight decay and betas of the arguments."""
        if self.optimizer is None:
            args = self.args
            self.optimizer = MuonAdamW(
                parameter_groups(self.model if model is None else model),
                lr=args.learning_rate,
                weight_decay=args.weight_decay,
                betas=(args.adam_beta1, args.adam_beta2),
            )
        return self.optimizer

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Measures on the held-out samples."""
        if self.held_out is None:
            return {}
        start = time.monotonic()
        found = self.held_out.metrics(self.accelerator.unwrap_model(self.model), self.args.bf16)
        metrics = {f"{metric_key_prefix}_{name}": round(value, 5) for name, value in found.items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        self._since += time.monotonic() - start  # not training time
        return metrics

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the parts of the loss, samples a second and the share of time spent waiting for data."""
        if "loss" in logs:
            for name, values in self._parts.items():
                if values:
                    logs[name] = round(float(torch.stack(values).double().mean()), 5)
                    values.clear()
            seconds = time.monotonic() - self._since
            samples = self._steps * self.stream.batch_size * self.args.world_size
            logs[f"{self.unit}_per_second"] = round(samples / seconds, 1)
            logs["wait_share"] = round(self._waited / seconds, 4)
            self._waited, self._since, self._steps = 0.0, time.monotonic(), 0
        super().log(logs, start_time)

    def keep_parts(self, out: Any) -> None:
        """Keep the parts of the loss of a batch for the next log."""
        for name, values in self._parts.items():
            if out.get(name) is not None:
                values.append(out[name].detach())

    # ---------------------------------------------------------------- resuming
    def train(self, resume_from_checkpoint: str | bool | None = None, **kwargs: Any) -> Any:
        """Train, or go on from a checkpoint (True: the last one in the output folder, if there is one)."""
        if resume_from_checkpoint is True:
            resume_from_checkpoint = last_checkpoint(Path(str(self.args.output_dir)))
        if resume_from_checkpoint:
            fault = checkpoint_fault(Path(resume_from_checkpoint))
            if fault is not None:
                raise InvalidInput(
                    f"{resume_from_checkpoint}: {fault}; give a checkpoint that training wrote"
                )
            self._load_stream(Path(resume_from_checkpoint) / STREAM_STATE)
        self._since = time.monotonic()
        return super().train(resume_from_checkpoint=resume_from_checkpoint or None, **kwargs)

    def _identity(self) -> dict[str, Any]:
        """What decides which batches come: a run that goes on must have the same."""
        raise NotImplementedError

    def _load_stream(self, path: Path) -> None:
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InvalidInput(
                f"{path} cannot be read ({error}); give a checkpoint that training wrote"
            ) from None
        differing = {k: (saved.get(k), v) for k, v in self._identity().items() if saved.get(k) != v}
        if differing:
            raise InvalidInput(
                f"{path.parent} was trained on other data, (then, now): {differing}; go on with the same "
                "settings, or begin in another folder"
            )
        self.stream.load_state_dict(saved["state"])

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        if self.args.should_save:
            batches = self.state.global_step * self.args.gradient_accumulation_steps
            state = self.stream.state_dict(batches, self.args.dataloader_num_workers)
            folder = Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}"
            # States of random numbers may still be being written by other processes.
            mine = [p for p in sorted(folder.iterdir()) if p.is_file() and not p.name.startswith("rng_")]
            files = {p.name: _checksum(p) for p in mine}
            # Written last and whole: a checkpoint with this file is complete.
            text = json.dumps(self._identity() | {"state": state, "files": files}) + "\n"
            replace_text(folder / STREAM_STATE, text)
