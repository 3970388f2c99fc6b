"""What a decoder of formulas reaches on functions that no training batch contains."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from symnum.expressions import Expression
from symnum.models.decoder.formulas import expressions_of
from symnum.models.decoder.generation import sample
from symnum.models.decoder.modeling import Encoding, SNIPDecoderModel
from symnum.search.refinement import Data, fitted
from symnum.synthesis import EquationGenerator
from symnum.training.decoder_data import DecoderCollator
from symnum.training.held_out import HeldOut

SAMPLES = (10, 50)
"""Numbers of samples among which the right skeleton is looked for."""
_AT_ONCE = 32


class DecoderHeldOut(HeldOut):
    """Formulas that no training batch contains.

    Parameters
    ----------
    generator : EquationGenerator
        With a seed of its own.
    collator : DecoderCollator
        Without `rows` and `latent_only`, so that everything is used.
    n : int
        Number of problems; all are different functions.
    sampled, refined : int
        Problems on which formulas are drawn, and on which constants are fitted too.
    """

    def __init__(
        self, generator: EquationGenerator, collator: DecoderCollator, n: int, sampled: int, refined: int
    ) -> None:
        super().__init__(generator, collator, n)  # type: ignore[arg-type]
        self.refined = refined
        # Batches hold formulas of similar length: every k-th one is like all.
        count = sum(len(b["labels"]) for b in self.batches)
        wanted = np.linspace(0, count - 1, min(sampled, count)).astype(np.int64)
        self.problems = [self._problem(int(k)) for k in wanted]

    def _problem(self, k: int) -> dict[str, Tensor]:
        for batch in self.batches:
            if k < len(batch["labels"]):
                return {name: value[k : k + 1] for name, value in batch.items()}
            k -= len(batch["labels"])
        raise IndexError(k)

    @torch.no_grad()
    def metrics(self, model: Any, bf16: bool = True) -> dict[str, float]:
        """Losses and shares of right words; shares of problems that samples solve.

        Names that end in ``_latent`` are measured when decoding from the embedding alone. ``in_10`` is the
        share of problems whose skeleton is among 10 samples, word for word; ``r2_99`` and ``r2_999`` are the
        shares with R2 above .99 and .999 for the best of 50 samples with fitted constants, on the rows given.
        """
        training = model.training
        model.eval()
        found = self._given_the_words(model, bf16)
        found |= self._sampled(model)
        model.train(training)
        return found

    def _given_the_words(self, model: SNIPDecoderModel, bf16: bool) -> dict[str, float]:
        sums: dict[str, float] = {}
        count = 0
        pad = model.tokenizer.pad_id
        for batch in self.batches:
            inputs = {k: v.to(model.device) for k, v in batch.items() if k != "hashes"}
            target, n = inputs["labels"][:, 1:], len(inputs["labels"])
            valid = target != pad
            for name, seen in (("", True), ("_latent", False)):
                inputs["seen"] = torch.full((n,), seen, device=model.device)
                with torch.autocast(model.device.type, torch.bfloat16, enabled=bf16):
                    out = model(**inputs)
                right = out.logits.argmax(-1) == target
                parts = {
                    "loss": float(out.loss), "word_loss": float(out.word_loss),
                    "word_accuracy": float((right & valid).sum() / valid.sum()),
                    "skeleton_accuracy": float((right | ~valid).all(1).float().mean()),
                }  # fmt: skip
                if out.value_loss is not None:
                    parts["value_loss"] = float(out.value_loss)
                for key, value in parts.items():
                    sums[key + name] = sums.get(key + name, 0.0) + n * value
            count += n
        return {key: value / count for key, value in sums.items()}

    def _sampled(self, model: SNIPDecoderModel) -> dict[str, float]:
        generator = torch.Generator().manual_seed(0)
        hits = {f"in_{k}{way}": 0 for k in SAMPLES for way in ("", "_latent")}
        r2: dict[str, list[float]] = {"": [], "_latent": []}
        step = max(1, len(self.problems) // self.refined)
        for a in range(0, len(self.problems), _AT_ONCE):
            some = self.problems[a : a + _AT_ONCE]
            given = {
                name: torch.cat([p[name] for p in some]).to(model.device)
                for name in ("points", "point_mask", "used")
            }
            columns = given["used"][:, : model.config.max_dim].sum(1).cpu()
            whole = model.encode(**given)
            for way, encoding in (("", whole), ("_latent", Encoding(whole.latent))):
                drawn = sample(model, encoding, columns, max(SAMPLES), generator)
                for i, p in enumerate(some):
                    label = p["labels"][0][p["labels"][0] != model.tokenizer.pad_id]
                    for k in SAMPLES:
                        hits[f"in_{k}{way}"] += _first_match(drawn.tokens[i], label) < k
                    if (a + i) % step == 0:
                        made = expressions_of(model, drawn.tokens[i], drawn.values[i])
                        r2[way].append(_best_r2(made, *_table(model, p)))
        found = {name: value / len(self.problems) for name, value in hits.items()}
        for way, values in r2.items():
            found |= {f"r2_{d}{way}": float(np.mean(np.array(values) > float(f"0.{d}"))) for d in (99, 999)}
        return found


def _best_r2(formulas: list[Expression], X: NDArray, y: NDArray) -> float:
    """Largest R2 of formulas whose constants are fitted, from the values they have and from ones."""
    forms = [*formulas, *(e.skeleton() for e in formulas)]
    losses = [f.loss for f in fitted(forms, Data(X, y, None, lambda e: 0.0))]
    return 1 - min(losses, default=np.inf) / float(np.var(y))


def _first_match(drawn: Tensor, label: Tensor) -> int:
    """Place of the first row that is the label followed by padding; a large number when there is none."""
    if drawn.shape[1] < len(label):
        return 10**9
    ended = drawn[:, len(label)] != label[-1] if drawn.shape[1] > len(label) else True
    same = (drawn[:, : len(label)] == label).all(1) & ended
    place = same.nonzero()[:, 0]
    return int(place[0]) if len(place) else 10**9


def _table(model: SNIPDecoderModel, problem: dict[str, Tensor]) -> tuple[NDArray, NDArray]:
    """Rows of a problem as float64 arrays."""
    d, mask = model.config.max_dim, problem["point_mask"][0]
    table = problem["points"][0, mask].numpy().astype(np.float64)
    return table[:, : int(problem["used"][0, :d].sum())], table[:, d]
