"""PROSE on arrays: windows in, states and systems of equations out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from symnum.exceptions import InvalidInput
from symnum.expressions import Expression
from symnum.models.prose.modeling import PROSEModel
from symnum.synthesis.families.residual import LEAVES

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Window:
    """One trajectory as the network reads it.

    Attributes
    ----------
    times : float64 array, shape (m,)
    states : float64 array, shape (m, d)
        NaN where one is missing; such steps are left out.
    guess : list of int, optional
        Words of the guess, without frame.
    """

    times: Float
    states: Float
    guess: Sequence[int] | None = None


class Decoded(NamedTuple):
    """A system that the network wrote, and the logarithm of its probability."""

    equations: tuple[Expression, ...]
    score: float


class Reading:
    """Windows as a network has read them.

    Parameters
    ----------
    model : PROSEModel
    windows : sequence of Window
        Any numbers of times and states up to the model's.

    Raises
    ------
    InvalidInput
        When there are more states than the model takes, or no complete step.
    """

    def __init__(self, model: PROSEModel, windows: Sequence[Window]) -> None:
        self.model = model
        self.dims = np.array([w.states.shape[1] for w in windows])
        values, n = model.config.values, len(windows)
        if self.dims.max() > values:
            raise InvalidInput(
                f"{self.dims.max()} states were given, these weights take up to {values}; leave states out, "
                "or take weights for more"
            )
        m = max(len(w.times) for w in windows)
        times, states = np.zeros((n, m), np.float32), np.zeros((n, m, values), np.float32)
        mask, there = np.zeros((n, m), bool), np.zeros((n, values), bool)
        self._begin = np.array([w.times[0] for w in windows])
        for i, w in enumerate(windows):
            whole = np.isfinite(w.states).all(axis=1)
            if not whole.any():
                raise InvalidInput("no step has all its states; leave out the states that are missing")
            length = len(w.times)
            times[i, :length] = w.times - self._begin[i]
            states[i, :length, : self.dims[i]] = np.where(whole[:, None], w.states, 0.0)
            mask[i, :length], there[i, : self.dims[i]] = whole, True
        arrays = {"data_times": times, "data_values": states, "data_mask": mask, "dim_mask": there}
        tensors = {k: torch.from_numpy(v).to(model.device) for k, v in arrays.items()}
        ids = self._guesses([w.guess for w in windows])
        with torch.inference_mode():
            self.encoded = model.encode(**tensors, input_ids=ids)

    def _guesses(self, guesses: Sequence[Sequence[int] | None]) -> torch.Tensor | None:
        if not self.model.config.symbol_input:
            return None
        tokenizer = self.model.tokenizer
        rows = [[tokenizer.placeholder_id] if g is None else list(g) for g in guesses]
        ids = torch.full((len(rows), max(len(r) for r in rows)), tokenizer.pad_id)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
        return ids.to(self.model.device)

    def states(self, times: Float) -> Float:
        """States (n, q, values) at times (n, q), by the decoder of the data."""
        queries = torch.from_numpy((times - self._begin[:, None]).astype(np.float32))
        with torch.inference_mode():
            made = self.model.forecast(self.encoded, queries.to(self.model.device))
        return made.cpu().numpy().astype(np.float64)

    def systems(
        self, samples: int = 0, temperature: float = 1.0, seed: int = 0, expressions: int | None = None
    ) -> list[list[Decoded]]:
        """For each window the most likely system word by word, then `samples` drawn ones.

        `expressions` is the number of equations where it is not that of the states (fields have one).
        """
        tokenizer = self.model.tokenizer
        count = torch.from_numpy(self.dims if expressions is None else np.full_like(self.dims, expressions))
        rows: list[list[Decoded]] = [[] for _ in self.dims]
        generator = torch.Generator().manual_seed(seed)
        with torch.inference_mode():
            parts = [self.model.generate_symbols(self.encoded, count)]
            if samples:
                parts.append(
                    self.model.generate_symbols(
                        self.encoded, count, count=samples, temperature=temperature, generator=generator
                    )
                )
        for part in parts:
            for i, (words, scores) in enumerate(zip(part.tokens.numpy(), part.scores.tolist(), strict=True)):
                names = LEAVES if self.model.config.grid else tuple(f"u_{j}" for j in range(self.dims[i]))
                for row, score in zip(words, scores, strict=True):
                    rows[i].append(Decoded(tuple(tokenizer.decode_system(row, names)), score))
        return rows
