"""PROSEModel: trajectory and guess in, states at query times and equations out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel
from transformers.utils import ModelOutput

from symnum.exceptions import InvalidInput
from symnum.expressions import Expression
from symnum.expressions.tokenizer import ExpressionTokenizer
from symnum.models.grammar import Grammar
from symnum.models.pretrained import PretrainedNetwork
from symnum.models.prose.configuration import PROSEConfig
from symnum.models.prose.parts import (
    DataDecoder,
    DataEncoder,
    Fusion,
    SymbolDecoder,
    SymbolEncoder,
    Units,
    units_of,
)
from symnum.synthesis.families.forms import from_tree, prose_form, to_tree
from symnum.synthesis.families.pde import pde_tokenizer

EPSILON = 1e-5  # of the relative loss
LEAST = 0.1  # of the window's size: states that die out would rule the loss of all others
IGNORED = -100  # label of places that do not count


@dataclass
class PROSEOutput(ModelOutput):
    """What `PROSEModel` gives.

    Attributes
    ----------
    loss : scalar, optional
        Weighted sum of the two losses that could be computed.
    data_loss : scalar, optional
        Mean squared relative L2 error.
    symbol_loss : scalar, optional
        Mean cross-entropy of a word.
    data_pred : tensor, shape (b, q, values), optional
        States at the query times.
    symbol_logits : tensor, shape (b, t, words), optional
        Scores of the words after ``labels[:, :t]``.
    """

    loss: Tensor | None = None
    data_loss: Tensor | None = None
    symbol_loss: Tensor | None = None
    data_pred: Tensor | None = None
    symbol_logits: Tensor | None = None


@dataclass
class Encoded:
    """What the decoders read.

    Attributes
    ----------
    units : Units
    data, data_mask : tensors, shape (b, s, width) and (b, s)
        Memory of the decoder of data.
    symbols, symbol_mask : tensors
        Memory of the decoder of symbols.
    """

    units: Units
    data: Tensor
    data_mask: Tensor
    symbols: Tensor
    symbol_mask: Tensor


class PROSEModel(PretrainedNetwork):
    """Operator and equation transformer.

    Liu, Zhang & Schaeffer 2024 (arXiv:2309.16816), section 3, and for fields Sun et al. 2025
    (arXiv:2404.12355). `PROSEConfig` names the variants; `PROSEForecaster` is the same for arrays and text.

    Parameters
    ----------
    config : PROSEConfig
    """

    config_class = PROSEConfig
    base_model_prefix = "prose"
    main_input_name = "data_values"
    default_weights = "prose-ode-small"
    _supports_sdpa = True

    def __init__(self, config: PROSEConfig) -> None:
        super().__init__(config)
        c = config
        self.tokenizer: ExpressionTokenizer = self.tokenizer_of({"max_dim": c.max_dim, "grid": c.grid})
        words, pad = self.tokenizer.vocab_size, self.tokenizer.pad_id
        self.data_encoder: DataEncoder = DataEncoder(c)
        self.symbol_encoder: SymbolEncoder | None = SymbolEncoder(c, words, pad) if c.symbol_input else None
        self.fusion: Fusion | None = Fusion(c) if c.symbol_input else None
        self.data_decoder: DataDecoder | None = DataDecoder(c) if c.data_output else None
        self.symbol_decoder: SymbolDecoder | None = SymbolDecoder(c, words, pad) if c.symbol_output else None
        self.post_init()

    @staticmethod
    def tokenizer_of(config: dict[str, Any]) -> ExpressionTokenizer:
        """Tokenizer that belongs to the content of a ``config.json``."""
        if config.get("grid"):
            return pde_tokenizer()
        return ExpressionTokenizer.prose(int(config.get("max_dim", 3)))

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=module.embedding_dim**-0.5)
            if module.padding_idx is not None:
                module.weight[module.padding_idx].zero_()
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, SymbolDecoder):
            nn.init.zeros_(module.bias)

    @cached_property
    def grammar(self) -> Grammar:
        """Grammar of the words; made when first used, as weights are loaded on a device without memory."""
        return Grammar(self.tokenizer.vocabulary)

    # ---------------------------------------------------------------- parts
    def encode(
        self,
        data_times: Tensor,
        data_values: Tensor,
        data_mask: Tensor | None = None,
        dim_mask: Tensor | None = None,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Encoded:
        """What the decoders read; see `forward` for the arguments."""
        c = self.config
        if data_mask is None:
            data_mask = torch.ones_like(data_times, dtype=torch.bool)
        if dim_mask is None:
            dim_mask = torch.ones_like(data_values[:, 0], dtype=torch.bool)
        if data_values.shape[-1] != c.values:
            raise InvalidInput(f"values have {data_values.shape[-1]} columns, this model takes {c.values}")
        if data_values.shape[1] > c.max_steps:
            raise InvalidInput(
                f"windows have {data_values.shape[1]} steps, this model takes up to {c.max_steps}; "
                "leave some out"
            )
        data_values = torch.where(data_mask[..., None] & dim_mask[:, None], data_values, 0.0)
        units = units_of(data_times, data_values, data_mask, bool(c.grid))
        if c.scaled:
            times = torch.where(data_mask, (data_times - units.begin[:, None]) / units.span[:, None], 0.0)
            values = data_values / units.size
        else:
            times, values = data_times, data_values
        data, data_mask = self.data_encoder(times, values, data_mask, dim_mask, units)
        if self.symbol_encoder is None or self.fusion is None:
            return Encoded(units, data, data_mask, data, data_mask)
        if input_ids is None:  # nothing is known: one placeholder
            input_ids = torch.full_like(data_mask[:, :1], self.tokenizer.placeholder_id, dtype=torch.long)
        if attention_mask is None:
            attention_mask = input_ids != self.tokenizer.pad_id
        attention_mask = attention_mask.bool()
        self._check_length(input_ids.shape[1])
        symbols = self.symbol_encoder(input_ids, attention_mask)
        mask = torch.cat([data_mask, attention_mask], 1)
        fused, m = self.fusion(data, symbols, mask), data.shape[1]
        first = (fused[:, :m], data_mask) if c.split_data else (fused, mask)
        second = (fused[:, m:], attention_mask) if c.split_symbols else (fused, mask)
        return Encoded(units, *first, *second)

    def forecast(self, encoded: Encoded, query_times: Tensor) -> Tensor:
        """Values (b, q, values) at times (b, q)."""
        if self.data_decoder is None:
            raise InvalidInput("this model gives no data (data_output is False)")
        times = query_times
        if self.config.scaled:
            times = (query_times - encoded.units.begin[:, None]) / encoded.units.span[:, None]
        made = self.data_decoder(times, encoded.data, encoded.data_mask)
        return made * encoded.units.size if self.config.scaled else made

    def forward(
        self,
        data_times: Tensor,
        data_values: Tensor,
        data_mask: Tensor | None = None,
        dim_mask: Tensor | None = None,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        query_times: Tensor | None = None,
        data_labels: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> PROSEOutput:
        """States at query times, scores of words, losses.

        Parameters
        ----------
        data_times : tensor, shape (b, m)
        data_values : tensor, shape (b, m, values)
        data_mask : bool tensor, shape (b, m), optional
            Steps that there are.
        dim_mask : bool tensor, shape (b, values), optional
            States that there are.
        input_ids, attention_mask : tensors, shape (b, n), optional
            Words of the guess, without frame.
        query_times : tensor, shape (b, q), optional
        data_labels : tensor, shape (b, q, values), optional
        labels : int64 tensor, shape (b, t), optional
            Words of the equations with begin and end, padded.
        """
        encoded = self.encode(data_times, data_values, data_mask, dim_mask, input_ids, attention_mask)
        out = PROSEOutput()
        if self.data_decoder is not None and query_times is not None:
            out.data_pred = self.forecast(encoded, query_times)
            if data_labels is not None:
                least = LEAST * encoded.units.size if self.config.scaled else None
                out.data_loss = relative_loss(out.data_pred, data_labels, dim_mask, least)
        if self.symbol_decoder is not None and labels is not None:
            self._check_length(labels.shape[1])
            memory = self.symbol_decoder.remember(encoded.symbols)
            out.symbol_logits, _ = self.symbol_decoder(labels[:, :-1], memory, encoded.symbol_mask)
            target = labels[:, 1:].masked_fill(labels[:, 1:] == self.tokenizer.pad_id, IGNORED)
            out.symbol_loss = F.cross_entropy(
                out.symbol_logits.flatten(0, 1).float(), target.flatten(), ignore_index=IGNORED
            )
        if out.data_loss is not None:
            out.loss = self.config.data_weight * out.data_loss
        if out.symbol_loss is not None:
            out.loss = out.symbol_loss if out.loss is None else out.loss + out.symbol_loss
        return out

    def _check_length(self, length: int) -> None:
        if length > self.config.max_symbols:
            raise InvalidInput(
                f"{length} words are more than this model takes ({self.config.max_symbols}); simplify the "
                "equations"
            )

    def guess_words(self, equations: Sequence[Expression]) -> list[int]:
        """Words of a guess over the states, nested as the network has learned them.

        Raises
        ------
        InvalidInput
            When an operator has no word in the vocabulary, or the guess is too long.
        """
        nested = [from_tree(prose_form(to_tree(e)), e.names) for e in equations]
        words = self.tokenizer.encode(nested, skeleton=not self.config.numbers_in_guess, frame=False)
        self._check_length(len(words))
        return words

    def generate_symbols(self, encoded: Encoded, expressions: Tensor, **settings: Any) -> Any:
        """Equations by sampling or greedily; see `symnum.models.prose.generation.generate_symbols`."""
        from symnum.models.prose.generation import generate_symbols

        return generate_symbols(self, encoded, expressions, **settings)


def relative_loss(
    made: Tensor, labels: Tensor, dim_mask: Tensor | None = None, least: Tensor | None = None
) -> Tensor:
    """Mean over trajectories (b, q, v) of the squared relative L2 error, of states that there are.

    Where the labels are smaller than `least` (b, 1, v), the error is relative to that.
    """
    made, labels = made.float(), labels.float()
    if dim_mask is not None:
        made, labels = made * dim_mask[:, None], labels * dim_mask[:, None]
    size = labels.square().sum((1, 2))
    if least is not None:
        there = 1.0 if dim_mask is None else dim_mask[:, None]
        size = torch.maximum(size, labels.shape[1] * (least * there).square().sum((1, 2)))
    return ((made - labels).square().sum((1, 2)) / (size + EPSILON)).mean()


AutoConfig.register(PROSEConfig.model_type, PROSEConfig, exist_ok=True)
AutoModel.register(PROSEConfig, PROSEModel, exist_ok=True)
