"""Batches for the decoder of formulas: points, words of skeletons, classes of the constants' values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from symnum.models.decoder import numbers
from symnum.models.decoder.configuration import SNIPDecoderConfig
from symnum.models.decoder.modeling import IGNORED
from symnum.models.snip.inputs import InputMaker
from symnum.training.collator import replace_functions
from symnum.training.settings import DataSettings


@dataclass(frozen=True)
class DecoderData(DataSettings):
    """Which samples, and how they are shown.

    Parameters
    ----------
    latent_only : float
        Share of the samples that are decoded from the embedding alone.
    sampled, refined : int
        Held-out problems on which formulas are drawn, and on which constants are fitted too.
    """

    rows: tuple[int, int] | None = (48, 128)
    latent_only: float = 0.5
    held_out: int = 2048
    sampled: int = 256
    refined: int = 64


class DecoderCollator:
    """Turns a batch of `EquationStream` (with ``numbers=True``) into inputs of `SNIPDecoderModel`.

    Parameters
    ----------
    config : SNIPDecoderConfig
    rows : tuple of (int, int), optional
        Each batch uses a number of rows drawn from this range; all rows when left out.
    latent_only : float
        Share of the samples that are decoded from the embedding alone.
    seed : int
        Of the draws; they also depend on the samples, so a batch is the same whenever it is made.
    held_out : int64 array, optional
        Hashes of functions that must not occur. They give way to copies of another row, as do formulas
        longer than the model's.
    """

    def __init__(
        self,
        config: SNIPDecoderConfig,
        rows: tuple[int, int] | None = None,
        latent_only: float = 0.0,
        seed: int = 0,
        held_out: NDArray[np.int64] | None = None,
    ) -> None:
        self.config, self.rows, self.latent_only, self.seed = config, rows, latent_only, seed
        self.held_out = np.empty(0, np.int64) if held_out is None else held_out
        self.make = InputMaker(config.points())

    def __call__(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Inputs of the model, with ``hashes`` that are equal where formulas are."""
        batch = replace_functions(batch, self.held_out)
        given = {name: value.numpy() for name, value in batch.items()}
        rng = np.random.default_rng([self.seed, int(given["indices"][0])])
        most = int(given["rows"].max())
        if self.rows is not None:
            most = min(most, int(rng.integers(self.rows[0], self.rows[1] + 1)))
        mask = np.arange(most) < given["rows"][:, None]
        arrays: dict[str, NDArray[Any]] = self.make.points(
            given["X"][:, :most], given["y"][:, :most], given["dims"], mask
        )
        labels, values, lengths = self._formulas(given["tokens"], given["token_lengths"])
        short = np.flatnonzero(lengths <= self.config.max_symbols)
        if short.size < lengths.size and short.size:
            chosen = np.where(lengths <= self.config.max_symbols, np.arange(lengths.size), short[0])
            arrays = {name: array[chosen] for name, array in arrays.items()}
            labels, values, given["hashes"] = labels[chosen], values[chosen], given["hashes"][chosen]
            lengths = lengths[chosen]
        longest = int(min(lengths.max(), self.config.max_symbols))
        arrays |= {"labels": labels[:, :longest], "hashes": given["hashes"]}
        if not self.config.numbers:
            arrays["values"] = values[:, :longest]
        arrays["seen"] = rng.random(lengths.size) >= self.latent_only
        return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}

    def _formulas(self, tokens: NDArray, lengths: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        """Words, classes of values and numbers of words."""
        if self.config.numbers:
            valid = np.arange(tokens.shape[1]) < lengths[:, None]
            ids = np.where(valid, tokens.astype(np.int64), self.make.tokenizer.pad_id)
            return ids, np.full_like(ids, IGNORED), lengths
        alphabet = self.make.alphabet
        made = alphabet.symbols(tokens, lengths)
        number = made.ids == alphabet.number
        ids = np.where(number, self.make.tokenizer.placeholder_id, made.ids)
        return ids, np.where(number, numbers.classes(made.values), IGNORED), made.mask.sum(1)
