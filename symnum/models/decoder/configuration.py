"""SNIPDecoderConfig: sizes and variants of the decoder of formulas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import PretrainedConfig

from symnum.exceptions import InvalidInput
from symnum.models.snip.configuration import SNIPConfig
from symnum.models.weights import check_format

FORMAT_VERSION = 1
_PARTS = ("width", "heads", "hidden", "symbol_decoder_layers", "slots", "slot_rank")
SIZES: dict[str, dict[str, int]] = {
    name: dict(zip(_PARTS, numbers, strict=True))
    for name, numbers in {
        "tiny": (64, 2, 128, 2, 8, 16),
        "small": (192, 6, 768, 4, 16, 32),
        "base": (512, 16, 2048, 12, 64, 64),
    }.items()
}
"""Widths and depths by name; "base" is about the paper's decoder."""


class SNIPDecoderConfig(PretrainedConfig):
    """Sizes and variants of `SNIPDecoderModel`.

    Parameters
    ----------
    max_dim : int
        Largest number of variables.
    encoder : mapping
        Arguments of `SNIPConfig` for the encoder of the points.
    width, heads, hidden, symbol_decoder_layers : int
        Of the blocks that write the formula.
    slots, slot_rank : int
        Vectors that an embedding becomes, and the size of each before it is widened to `width`.
    numbers : bool
        Whether constants are written as three words each (as in the paper). Otherwise formulas are skeletons:
        a constant is one word, and a guess of its value comes beside it.
    max_symbols : int
        Longest formula in words, begin and end included.
    rows : int
        Most rows of the data it was trained on; of larger tables several bags of so many rows are read.
    norm_first, activation, norm_eps
        See `symnum.models.layers`.
    format_version : int
        Of the weights.

    Raises
    ------
    InvalidInput
        When the sizes do not fit together.
    """

    model_type = "symnum-snip-decoder"

    def __init__(
        self,
        max_dim: int = 3,
        encoder: Mapping[str, Any] | None = None,
        width: int = 192,
        heads: int = 6,
        hidden: int = 768,
        symbol_decoder_layers: int = 4,
        slots: int = 16,
        slot_rank: int = 32,
        numbers: bool = False,
        max_symbols: int = 48,
        rows: int = 200,
        norm_first: bool = True,
        activation: str = "gelu",
        norm_eps: float = 1e-5,
        format_version: int = FORMAT_VERSION,
        **kwargs: Any,
    ) -> None:
        self.max_dim, self.encoder = max_dim, dict(encoder or {})
        self.width, self.heads, self.hidden = width, heads, hidden
        self.symbol_decoder_layers = symbol_decoder_layers
        self.slots, self.slot_rank = slots, slot_rank
        self.numbers, self.max_symbols, self.rows = numbers, max_symbols, rows
        self.norm_first, self.activation, self.norm_eps = norm_first, activation, norm_eps
        self.format_version = format_version
        super().__init__(**kwargs)
        if width % heads:
            raise InvalidInput(f"heads must divide width, got {heads} and {width}")
        if slots < 1 or slot_rank < 1 or max_symbols < 3:
            raise InvalidInput(
                f"slots, slot_rank and max_symbols are at least 1, 1 and 3, got {slots}, {slot_rank} and "
                f"{max_symbols}"
            )
        check_format(format_version, FORMAT_VERSION)
        self.points()

    @classmethod
    def of_size(cls, size: str, **kwargs: Any) -> SNIPDecoderConfig:
        """Configuration of a size by name: "tiny", "small" or "base"."""
        if size not in SIZES:
            raise InvalidInput(f"size={size!r} is unknown; use one of {', '.join(SIZES)}")
        settings: dict[str, Any] = SIZES[size] | kwargs
        return cls(**settings)

    def points(self) -> SNIPConfig:
        """Configuration of the encoder of the points."""
        given = {k: v for k, v in self.encoder.items() if k != "max_dim"}
        return SNIPConfig(max_dim=self.max_dim, **given)
