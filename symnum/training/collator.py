"""From batches of a stream to what `SNIPModel` reads."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from symnum.exceptions import InvalidInput
from symnum.models.snip.configuration import SNIPConfig
from symnum.models.snip.inputs import InputMaker


class SNIPCollator:
    """Turns a batch of `EquationStream` (with ``numbers=True``) into inputs of `SNIPModel`.

    Parameters
    ----------
    config : SNIPConfig
    rows : tuple of (int, int), optional
        Each batch uses a number of rows drawn from this range; all rows when left out. Rows beyond come last
        in the samples, so data in random order is needed.
    seed : int
        Of that draw; it also depends on the samples, so a batch is the same whenever it is made.
    held_out : int64 array, optional
        Hashes of functions that must not occur. They give way to copies of another row: copies are no
        negatives of each other, and the batch keeps its size, which gathering across processes needs.
    """

    def __init__(
        self,
        config: SNIPConfig,
        rows: tuple[int, int] | None = None,
        seed: int = 0,
        held_out: NDArray[np.int64] | None = None,
    ) -> None:
        if rows is not None and not 1 <= rows[0] <= rows[1]:
            raise InvalidInput(f"rows is a range of 1 or more, got {rows}")
        self.config, self.rows, self.seed, self.held_out = config, rows, seed, held_out
        self.make = InputMaker(config)

    def __call__(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Inputs of the model, with ``hashes`` that are equal where formulas are."""
        if self.held_out is not None:
            batch = replace_functions(batch, self.held_out)
        given = {name: value.numpy() for name, value in batch.items()}
        most = int(given["rows"].max())
        if self.rows is not None:
            rng = np.random.default_rng([self.seed, int(given["indices"][0])])
            most = min(most, int(rng.integers(self.rows[0], self.rows[1] + 1)))
        mask = np.arange(most) < given["rows"][:, None]
        arrays = self.make.symbols(given["tokens"], given["token_lengths"])
        if self.config.point_input == "tokens":  # the stream has them already
            arrays |= {"points": given["points"][:, :most], "point_mask": mask}
        else:
            arrays |= self.make.points(given["X"][:, :most], given["y"][:, :most], given["dims"], mask)
        arrays["hashes"] = given["hashes"]
        return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}


def replace_functions(batch: dict[str, Tensor], forbidden_hashes: NDArray[np.int64]) -> dict[str, Tensor]:
    """Batch in which the functions of these hashes have given way to copies of another row."""
    forbidden = np.isin(batch["hashes"].numpy(), forbidden_hashes)
    if not forbidden.any():
        return batch
    allowed = np.flatnonzero(~forbidden)
    if not allowed.size:
        raise InvalidInput(
            "a whole batch is held out: give the held-out pairs a seed other than that of the training data"
        )
    rows = np.where(forbidden, allowed[0], np.arange(forbidden.size))
    return {name: value[torch.from_numpy(rows)] for name, value in batch.items()}
