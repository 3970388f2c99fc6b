"""Where searches with networks compute: the device, and how many threads of torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from symnum.exceptions import InvalidInput


def device_of(name: str | None) -> torch.device:
    """Device of torch.

    Raises
    ------
    InvalidInput
        When there is no such device here.
    """
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InvalidInput(f"device={name!r} cannot be used here: {error}") from None
    return device


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
