"""SNIPConfig: sizes and variants of a pair of encoders."""

from __future__ import annotations

from typing import Any

from transformers import PretrainedConfig

from symnum.exceptions import InvalidInput
from symnum.models.weights import check_format

FORMAT_VERSION = 1
_CHOICES = {
    "symbol_input": ("values", "tokens"),
    "point_input": ("features", "tokens"),
    "numeric_encoder": ("inducing", "full"),
    "activation": ("gelu", "relu"),
}


class SNIPConfig(PretrainedConfig):
    """Sizes and variants of `SNIPModel`.

    Parameters
    ----------
    max_dim : int
        Largest number of variables.
    width, heads, hidden : int
        Size of the vectors inside, attention heads, inner size of the blocks.
    latent : int
        Size of the embeddings.
    symbolic_layers, numeric_layers : int
        Blocks of the two encoders.
    numeric_encoder : {"inducing", "full"}
        Whether a few learned vectors (`inducing_points` of them) read the points (cost linear in the rows;
        Lee et al. 2019, Set Transformer; Jaegle et al. 2021, Perceiver), or all points attend to all.
    reads : int
        How many of the numeric blocks read the points, every second one from the first; with
        ``"inducing"``.
    symbol_input : {"values", "tokens"}
        Whether a constant is one place with features of its value, or three tokens (SNIP).
    point_input : {"features", "tokens"}
        Whether a number of a point is given raw, standardised and as a rank, or as three tokens (SNIP).
    residual : bool
        Whether what a linear fit leaves of the target is a further column of the points, which shows slight
        curvature; with ``"features"``.
    token_width : int
        Size of a token's vector in points given as tokens (64 in SNIP).
    numeric_positions : bool
        Whether points have learned positions, as in the reference code; the result then depends on their
        order.
    norm_first, masked_pooling, activation, norm_eps
        See `symnum.models.layers`.
    normalize : bool
        Whether embeddings have length 1 and the temperature is learned (CLIP), or dot products are raw.
    tau : float
        Temperature of the similarities; where it starts if learned.
    max_symbols, max_points : int
        Longest sequence of symbols; most rows of data, also the padded length of unmasked pooling.
    format_version : int
        Of the weights.

    Raises
    ------
    InvalidInput
        When a value is unknown or the sizes do not fit together.
    """

    model_type = "symnum-snip"

    def __init__(
        self,
        max_dim: int = 3,
        width: int = 192,
        heads: int = 6,
        hidden: int = 768,
        latent: int = 192,
        symbolic_layers: int = 4,
        numeric_layers: int = 4,
        numeric_encoder: str = "inducing",
        inducing_points: int = 16,
        reads: int = 2,
        symbol_input: str = "values",
        point_input: str = "features",
        residual: bool = False,
        token_width: int = 64,
        numeric_positions: bool = False,
        norm_first: bool = True,
        masked_pooling: bool = True,
        activation: str = "gelu",
        norm_eps: float = 1e-5,
        normalize: bool = True,
        tau: float = 0.07,
        max_symbols: int = 200,
        max_points: int = 1000,
        format_version: int = FORMAT_VERSION,
        **kwargs: Any,
    ) -> None:
        self.max_dim = max_dim
        self.width, self.heads, self.hidden, self.latent = width, heads, hidden, latent
        self.symbolic_layers, self.numeric_layers = symbolic_layers, numeric_layers
        self.numeric_encoder, self.inducing_points, self.reads = numeric_encoder, inducing_points, reads
        self.symbol_input, self.point_input, self.token_width = symbol_input, point_input, token_width
        self.residual, self.numeric_positions = residual, numeric_positions
        self.norm_first, self.masked_pooling = norm_first, masked_pooling
        self.activation, self.norm_eps = activation, norm_eps
        self.normalize, self.tau = normalize, tau
        self.max_symbols, self.max_points = max_symbols, max_points
        self.format_version = format_version
        super().__init__(**kwargs)
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise InvalidInput(f"{name} is one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        if width % heads:
            raise InvalidInput(f"heads must divide width, got {heads} and {width}")
        if numeric_encoder == "inducing" and not 1 <= reads <= (numeric_layers + 1) // 2:
            raise InvalidInput(f"reads must be 1 to half of numeric_layers ({numeric_layers}), got {reads}")
        if not tau > 0:
            raise InvalidInput(f"tau must be above 0, got {tau}")
        check_format(format_version, FORMAT_VERSION)

    @classmethod
    def compat(cls, max_dim: int = 10, **kwargs: Any) -> SNIPConfig:
        """The form of the reference code of SNIP (Meidani et al. 2024): 67 million parameters.

        Tokens for all numbers, learned positions in both encoders, full attention over 200 points,
        normalisation after each part, pooling over padding, raw dot products with temperature 1.
        """
        settings: dict[str, Any] = {
            "max_dim": max_dim,
            "width": 512,
            "heads": 16,
            "hidden": 2048,
            "latent": 512,
            "symbolic_layers": 8,
            "numeric_layers": 8,
            "numeric_encoder": "full",
            "symbol_input": "tokens",
            "point_input": "tokens",
            "numeric_positions": True,
            "norm_first": False,
            "masked_pooling": False,
            "activation": "relu",
            "norm_eps": 1e-12,
            "normalize": False,
            "tau": 1.0,
            "max_symbols": 200,
            "max_points": 200,
        }
        return cls(**(settings | kwargs))
