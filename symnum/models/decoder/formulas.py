"""From decoded words to expressions with fitted constants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from symnum.exceptions import InvalidInput
from symnum.expressions import Expression
from symnum.expressions.compiled import fit_constants, pack
from symnum.models.decoder import numbers
from symnum.models.decoder.modeling import SNIPDecoderModel

MOST_CONSTANTS = 12
_STEPS = 30


def expressions_of(
    model: SNIPDecoderModel, tokens: Tensor, values: Tensor, names: Sequence[str] | None = None
) -> list[Expression]:
    """Distinct formulas of rows of words, with the values that the network guesses for their constants.

    Parameters
    ----------
    model : SNIPDecoderModel
    tokens, values : int64 tensors, shape (n, t)
        Of `symnum.models.decoder.generation.Formulas`.
    names : sequence of str, optional
        Of the columns; x0, x1, ... when left out.
    """
    rows, tokenizer = tokens.numpy(), model.tokenizer
    marks, centres = values.numpy(), numbers.centres()
    if names is None:
        names = tuple(f"x{i}" for i in range(model.config.max_dim))
    made: dict[bytes, Expression] = {}
    for row, mark in zip(rows, marks, strict=True):
        if (key := row.tobytes()) in made:
            continue
        e = tokenizer.decode_system(row, names)[0]
        place = row == tokenizer.placeholder_id
        if place.any():
            # Prefix and postfix order put the constants in the same order.
            e = e.with_constants(centres[mark[place]])
        made[key] = e
    return list(made.values())


def fitted(
    formulas: Sequence[Expression], X: NDArray[np.float64], y: NDArray[np.float64]
) -> list[tuple[Expression, float]]:
    """Formulas with least-squares constants begun at the values they have, and their R2 on these rows."""
    if not np.all(np.isfinite(y)):
        raise InvalidInput("the target must be finite")
    some = [e for e in formulas if len(e.constants) <= MOST_CONSTANTS]
    if not some:
        return []
    packed = pack(some)
    starts = np.stack([packed.constants, np.ones_like(packed.constants)])
    fit = fit_constants(packed, np.ascontiguousarray(X.T), y, starts, _STEPS)
    spread = float(np.var(y)) or 1.0
    made = []
    for k, e in enumerate(some):
        values = fit.constants[packed.const_offsets[k] : packed.const_offsets[k + 1]]
        if np.isfinite(fit.loss[k]) and np.all(np.isfinite(values)):
            made.append((e.with_constants(values), 1 - float(fit.loss[k]) / spread))
    return made
