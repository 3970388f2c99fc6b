"""From decoded words to expressions."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from symnum.expressions import Expression
from symnum.models.decoder import numbers
from symnum.models.decoder.modeling import SNIPDecoderModel


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
