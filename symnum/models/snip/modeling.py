"""SNIPModel: the pair of encoders."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel
from transformers.utils import ModelOutput

from symnum.expressions.tokenizer import ExpressionTokenizer
from symnum.models.pretrained import PretrainedNetwork
from symnum.models.snip.configuration import SNIPConfig
from symnum.models.snip.inputs import Arrays, InputMaker
from symnum.models.snip.numeric import NumericEncoder
from symnum.models.snip.symbolic import SymbolicEncoder

MAX_SCALE = 100.0  # largest factor of similarities, as in CLIP


@dataclass
class SNIPOutput(ModelOutput):
    """Embeddings of formulas and of data, (b, latent) each, and the factor of their similarities."""

    symbolic: Tensor | None = None
    numeric: Tensor | None = None
    scale: Tensor | None = None


class SNIPModel(PretrainedNetwork):
    """Two encoders that put a formula and its data at the same place.

    Meidani et al. 2024 (arXiv:2310.02227), section 3. `SNIPConfig` names the variants; `SNIPEmbedder` is the
    same for arrays and text.

    Parameters
    ----------
    config : SNIPConfig
    """

    config_class = SNIPConfig
    base_model_prefix = "snip"
    main_input_name = "symbols"
    default_weights = "snip-small"
    _supports_sdpa = True

    def __init__(self, config: SNIPConfig) -> None:
        super().__init__(config)
        self.inputs: InputMaker = InputMaker(config)
        self.tokenizer: ExpressionTokenizer = self.inputs.tokenizer
        words = self.tokenizer.vocab_size
        values = config.symbol_input == "values"
        self.symbolic_encoder: SymbolicEncoder = SymbolicEncoder(
            config, self.inputs.alphabet.size if values else words
        )
        self.numeric_encoder: NumericEncoder = NumericEncoder(config, words)
        self.log_scale: nn.Parameter = nn.Parameter(torch.empty(()), requires_grad=config.normalize)
        self.post_init()

    @staticmethod
    def tokenizer_of(config: dict[str, Any]) -> ExpressionTokenizer:
        """Tokenizer that belongs to the content of a ``config.json``."""
        return ExpressionTokenizer.snip(int(config.get("max_dim", 3)))

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.5 * module.embedding_dim**-0.5)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, NumericEncoder) and module.seeds is not None:
            nn.init.normal_(module.seeds, std=1.0)
        elif isinstance(module, SNIPModel):
            nn.init.constant_(module.log_scale, -math.log(self.config.tau))

    @property
    def scale(self) -> Tensor:
        """Factor of similarities, one over the temperature."""
        return self.log_scale.float().exp().clamp(max=max(MAX_SCALE, 1 / self.config.tau))

    def encode_symbols(self, symbols: Tensor, symbol_mask: Tensor, **places: Tensor) -> Tensor:
        """Embeddings (b, latent), float32, of formulas; see `SymbolicEncoder`."""
        return self._finish(self.symbolic_encoder(symbols, symbol_mask, **places))

    def encode_points(self, points: Tensor, point_mask: Tensor, used: Tensor | None = None) -> Tensor:
        """Embeddings (b, latent), float32, of data; see `NumericEncoder`."""
        return self._finish(self.numeric_encoder(points, point_mask, used))

    def _finish(self, vectors: Tensor) -> Tensor:
        vectors = vectors.float()
        return F.normalize(vectors, dim=-1) if self.config.normalize else vectors

    def forward(
        self,
        symbols: Tensor,
        symbol_mask: Tensor,
        points: Tensor,
        point_mask: Tensor,
        used: Tensor | None = None,
        values: Tensor | None = None,
        parents: Tensor | None = None,
        slots: Tensor | None = None,
        depths: Tensor | None = None,
    ) -> SNIPOutput:
        """Embeddings of b formulas and of b data sets, and the factor of their similarities."""
        places = {"values": values, "parents": parents, "slots": slots, "depths": depths}
        return SNIPOutput(
            symbolic=self.encode_symbols(symbols, symbol_mask, **places),
            numeric=self.encode_points(points, point_mask, used),
            scale=self.scale,
        )

    # ---------------------------------------------------------------- arrays
    def embed_tokens(self, tokens: NDArray[np.integer], lengths: NDArray[np.integer]) -> NDArray[np.float32]:
        """Embeddings (n, latent) of formulas as padded token ids (n, longest) and their numbers (n,)."""
        return self._embed(self.encode_symbols, self.inputs.symbols(tokens, lengths))

    def embed_tables(self, tables: Sequence[NDArray[np.floating]]) -> NDArray[np.float32]:
        """Embeddings (n, latent) of tables (rows, variables + 1), the target last."""
        return self._embed(self.encode_points, self.inputs.tables(tables))

    @torch.inference_mode()
    def _embed(self, encode: Callable[..., Tensor], arrays: Arrays) -> NDArray[np.float32]:
        tensors = {name: torch.from_numpy(array).to(self.device) for name, array in arrays.items()}
        return encode(**tensors).cpu().numpy()


AutoConfig.register(SNIPConfig.model_type, SNIPConfig, exist_ok=True)
AutoModel.register(SNIPConfig, SNIPModel, exist_ok=True)
