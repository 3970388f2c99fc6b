"""PROSEConfig: sizes and variants of the operator and equation transformer."""

from __future__ import annotations

from typing import Any

from transformers import PretrainedConfig

from symnum.exceptions import InvalidInput
from symnum.models.weights import check_format

FORMAT_VERSION = 1
_LARGEST_GRID = 100_000
_PARTS = ("width", "heads", "hidden", "data_layers", "symbol_layers", "fusion_layers", "data_decoder_layers",
          "symbol_decoder_layers")  # fmt: skip
SIZES: dict[str, dict[str, int]] = {
    name: dict(zip(_PARTS, numbers, strict=True))
    for name, numbers in {
        "tiny": (64, 2, 128, 1, 1, 1, 1, 1),
        "small": (160, 5, 640, 2, 1, 3, 3, 2),
        "base": (512, 8, 2048, 2, 4, 8, 8, 8),
    }.items()
}
"""Widths and depths by name; "base" are the paper's."""


class PROSEConfig(PretrainedConfig):
    """Sizes and variants of `PROSEModel`.

    Parameters
    ----------
    max_dim : int
        Largest number of states.
    grid : int
        0 for ordinary differential equations; for partial ones the number of cells of the field, which takes
        the place of the states (`max_dim` is 1 then).
    width, heads, hidden : int
        Size of the vectors inside, attention heads, inner size of the blocks.
    data_layers, symbol_layers, fusion_layers, data_decoder_layers, symbol_decoder_layers : int
        Blocks of the five parts.
    symbol_input : bool
        Whether a guess of the equations is read; without it there is no fusion.
    data_output, symbol_output : bool
        Whether states at query times, and equations, are given.
    split_data, split_symbols : bool
        Whether the decoder of the data (of the equations) reads only the fused places of its own kind, as in
        the reference code, or all of them.
    scaled : bool
        Whether times and states are put in units of the window (its length, and the root mean square of each
        state), with the logarithms of these units as further inputs, so that any magnitude fits.
    patch : int
        Consecutive time steps that share one place; 1 in the papers.
    frequencies : int
        Octaves of sines and cosines of a time that are given beside the time itself.
    head_hidden : int
        Size of a linear layer before the output of fields, with no activation between; 0 for none.
    norm_first, activation, norm_eps
        See `symnum.models.layers`.
    max_symbols, max_steps : int
        Longest sequence of symbols; most time steps of a window.
    numbers_in_guess : bool
        Whether guesses have their numbers; else they are skeletons.
    spans, sizes : (float, float), optional
        Ranges of the lengths of windows and of the root mean squares of their states in training; other
        windows are scaled into them.
    data_weight : float
        Weight of the loss of the data beside that of the symbols.
    format_version : int
        Of the weights.

    Raises
    ------
    InvalidInput
        When the sizes do not fit together.

    Notes
    -----
    The modes of the papers: 2-to-2 with everything, 2-to-1 with ``symbol_output=False`` (data) or
    ``data_output=False`` (symbols), 1-to-1 with ``symbol_input=False, symbol_output=False``.
    """

    model_type = "symnum-prose"

    def __init__(
        self,
        max_dim: int = 3,
        grid: int = 0,
        width: int = 160,
        heads: int = 5,
        hidden: int = 640,
        data_layers: int = 2,
        symbol_layers: int = 1,
        fusion_layers: int = 3,
        data_decoder_layers: int = 3,
        symbol_decoder_layers: int = 2,
        symbol_input: bool = True,
        data_output: bool = True,
        symbol_output: bool = True,
        split_data: bool = False,
        split_symbols: bool = False,
        scaled: bool = True,
        patch: int = 4,
        frequencies: int = 8,
        head_hidden: int = 0,
        norm_first: bool = True,
        activation: str = "gelu",
        norm_eps: float = 1e-5,
        max_symbols: int = 200,
        max_steps: int = 128,
        numbers_in_guess: bool = False,
        spans: tuple[float, float] | None = None,
        sizes: tuple[float, float] | None = None,
        data_weight: float = 6.0,
        format_version: int = FORMAT_VERSION,
        **kwargs: Any,
    ) -> None:
        self.max_dim, self.grid = max_dim, grid
        self.width, self.heads, self.hidden = width, heads, hidden
        self.data_layers, self.symbol_layers, self.fusion_layers = data_layers, symbol_layers, fusion_layers
        self.data_decoder_layers, self.symbol_decoder_layers = data_decoder_layers, symbol_decoder_layers
        self.symbol_input, self.data_output, self.symbol_output = symbol_input, data_output, symbol_output
        self.split_data, self.split_symbols = split_data, split_symbols
        self.scaled, self.patch = scaled, patch
        self.frequencies, self.head_hidden = frequencies, head_hidden
        self.norm_first, self.activation, self.norm_eps = norm_first, activation, norm_eps
        self.max_symbols, self.max_steps, self.data_weight = max_symbols, max_steps, data_weight
        self.numbers_in_guess, self.spans, self.sizes = numbers_in_guess, spans, sizes
        self.format_version = format_version
        super().__init__(**kwargs)
        if activation not in ("gelu", "relu"):
            raise InvalidInput(f"activation is 'gelu' or 'relu', got {activation!r}")
        if width % heads or width % 2:
            raise InvalidInput(f"width must be even and a multiple of heads, got {width} and {heads}")
        if patch < 1:
            raise InvalidInput(f"patch is a number of time steps, at least 1, got {patch}")
        if not (data_output or symbol_output):
            raise InvalidInput("a model gives data, symbols or both: set data_output or symbol_output")
        if not 0 <= grid <= _LARGEST_GRID or (grid and max_dim != 1):
            raise InvalidInput(
                f"grid is a number of cells, 0 for states; with it max_dim is 1; got {grid} and {max_dim}"
            )
        check_format(format_version, FORMAT_VERSION)

    @property
    def values(self) -> int:
        """Numbers of one time step: states, or cells of the field."""
        return self.grid or self.max_dim

    @classmethod
    def compat(cls, max_dim: int = 3, grid: int = 0, **kwargs: Any) -> PROSEConfig:
        """The form of the reference code: 104.4 million parameters for systems of three equations.

        Times and states as they are, normalisation after each part, each decoder reads the fused places of
        its own kind (for fields that of the data reads all).
        """
        settings: dict[str, Any] = dict(SIZES["base"]) | {
            "max_dim": max_dim,
            "grid": grid,
            "split_data": not grid,
            "split_symbols": True,
            "scaled": False,
            "patch": 1,
            "frequencies": 0,
            "head_hidden": 2048 if grid else 0,
            "norm_first": False,
            "norm_eps": 1e-12,
            "max_symbols": 512,
            "max_steps": 512,
        }
        return cls(**(settings | kwargs))

    @classmethod
    def of_size(cls, size: str, **kwargs: Any) -> PROSEConfig:
        """Configuration of a size in `SIZES`, other settings as given."""
        if size not in SIZES:
            raise InvalidInput(f"sizes are {', '.join(SIZES)}, got {size!r}")
        return cls(**(SIZES[size] | kwargs))
