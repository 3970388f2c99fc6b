"""SNIPDecoderModel: from the embedding of data to formulas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel
from transformers.utils import ModelOutput

from symnum.exceptions import InvalidInput
from symnum.expressions.tokenizer import ExpressionTokenizer
from symnum.models.decoder import numbers
from symnum.models.decoder.configuration import SNIPDecoderConfig
from symnum.models.grammar import Grammar
from symnum.models.pretrained import PretrainedNetwork
from symnum.models.prose.parts import SymbolDecoder
from symnum.models.snip.configuration import SNIPConfig
from symnum.models.snip.inputs import InputMaker
from symnum.models.snip.numeric import PER_COLUMN, PER_VALUE, NumericEncoder

IGNORED = -100  # label of places that do not count
VALUE_WEIGHT = 0.2  # of the loss of the constants' values


@dataclass
class SNIPDecoderOutput(ModelOutput):
    """What `SNIPDecoderModel` gives.

    Attributes
    ----------
    loss : scalar, optional
        Cross-entropy of a word, and a part of that of a constant's value.
    word_loss, value_loss : scalars, optional
    logits : tensor, shape (b, t - 1, words), optional
        Scores of the words after ``labels[:, :-1]``.
    """

    loss: Tensor | None = None
    word_loss: Tensor | None = None
    value_loss: Tensor | None = None
    logits: Tensor | None = None


@dataclass
class Encoding:
    """Data as the network has read it.

    Attributes
    ----------
    latent : float32 tensor, shape (b, latent)
        Embedding, of length 1 where the encoder normalises.
    states : tensor, shape (b, s, encoder's width), optional
        What was read before it was pooled into the embedding; None to decode from the embedding alone.
    mask : bool tensor, shape (b, s), optional
        Which states count.
    """

    latent: Tensor
    states: Tensor | None = None
    mask: Tensor | None = None

    def __getitem__(self, rows: Any) -> Encoding:
        """Some of the rows."""
        states = None if self.states is None else self.states[rows]
        return Encoding(self.latent[rows], states, None if self.mask is None else self.mask[rows])


class SNIPDecoderModel(PretrainedNetwork):
    """Encoder of data, mapper of its embedding to a sequence of vectors, and decoder of formulas.

    Meidani et al. 2024 (arXiv:2310.02227), section 4, with changes: the mapper is small (the paper's has 52.8
    million parameters), the decoder may also read what the encoder saw before pooling, half of the samples of
    training do without (so one network serves direct decoding and the search among embeddings), and formulas
    are skeletons with a guess of each constant unless ``config.numbers``.

    Parameters
    ----------
    config : SNIPDecoderConfig
    """

    config: SNIPDecoderConfig
    config_class = SNIPDecoderConfig
    base_model_prefix = "snip_decoder"
    main_input_name = "points"
    default_weights = "snip-decoder-small"
    _supports_sdpa = True

    def __init__(self, config: SNIPDecoderConfig) -> None:
        super().__init__(config)
        c, reading = config, config.points()
        self.inputs = InputMaker(reading)
        self.tokenizer = self.inputs.tokenizer
        self.numeric_encoder = NumericEncoder(reading, self.tokenizer.vocab_size)
        self.widen = nn.Sequential(
            nn.Linear(reading.latent, c.slots * c.slot_rank),
            nn.GELU(),
            nn.Unflatten(-1, (c.slots, c.slot_rank)),
            nn.Linear(c.slot_rank, c.width),
        )
        self.slot = nn.Parameter(torch.empty(c.slots, c.width))
        self.see = nn.Linear(reading.width, c.width)
        self.norm_memory = nn.LayerNorm(c.width, c.norm_eps)
        self.symbol_decoder = SymbolDecoder(c, self.words, self.tokenizer.pad_id)  # type: ignore[arg-type]
        self.value = None if c.numbers else nn.Linear(c.width, numbers.COUNT)
        self.post_init()

    @staticmethod
    def tokenizer_of(config: dict[str, Any]) -> ExpressionTokenizer:
        """Tokenizer that belongs to the content of a ``config.json``."""
        return ExpressionTokenizer.snip(int(config.get("max_dim", 3)))

    @property
    def words(self) -> int:
        """Count of words that formulas are written with; the words of numbers are the last ones."""
        return self.tokenizer.vocab_size if self.config.numbers else self.tokenizer.token_to_id("+")

    @cached_property
    def grammar(self) -> Grammar:
        """Grammar of the words; made when first used, as weights are loaded on a device without memory."""
        return Grammar(self.tokenizer.vocabulary, skeleton=not self.config.numbers)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=module.embedding_dim**-0.5)
            if module.padding_idx is not None:
                module.weight[module.padding_idx].zero_()
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, NumericEncoder) and module.seeds is not None:
            nn.init.normal_(module.seeds, std=1.0)
        elif isinstance(module, SymbolDecoder):
            nn.init.zeros_(module.bias)
        elif isinstance(module, SNIPDecoderModel):
            nn.init.normal_(module.slot, std=1.0)

    # ---------------------------------------------------------------- parts
    def encode(self, points: Tensor, point_mask: Tensor, used: Tensor | None = None) -> Encoding:
        """Embeddings of b data sets and what they were pooled from; see `InputMaker.points`."""
        states, mask = self.numeric_encoder.read(points, point_mask, used)
        vectors = self.numeric_encoder.embed_states(states, mask).float()
        if self.inputs.config.normalize:
            vectors = F.normalize(vectors, dim=-1)
        if mask is None:
            mask = torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
        return Encoding(vectors, states, mask)

    def memory(self, encoding: Encoding) -> tuple[Tensor, Tensor]:
        """What the decoder reads: vectors (b, m, width), and which of them count (b, m)."""
        latent = encoding.latent
        if self.inputs.config.normalize:
            latent = F.normalize(latent, dim=-1)
        made = self.widen(latent * latent.shape[-1] ** 0.5) + self.slot
        mask = torch.ones(made.shape[:2], dtype=torch.bool, device=made.device)
        if encoding.states is not None and encoding.mask is not None:
            made = torch.cat([made, self.see(encoding.states).to(made.dtype)], 1)
            mask = torch.cat([mask, encoding.mask], 1)
        return self.norm_memory(made), mask

    def forward(
        self,
        points: Tensor,
        point_mask: Tensor,
        used: Tensor | None = None,
        labels: Tensor | None = None,
        values: Tensor | None = None,
        seen: Tensor | None = None,
    ) -> SNIPDecoderOutput:
        """Scores of words and losses.

        Parameters
        ----------
        points, point_mask, used : tensors
            See `InputMaker.points`.
        labels : int64 tensor, shape (b, t), optional
            Words of the formulas with begin and end, padded.
        values : int64 tensor, shape (b, t), optional
            Class of each constant's value (see `symnum.models.decoder.numbers`), -100 at other words.
        seen : bool tensor, shape (b,), optional
            Which samples are decoded with the states before pooling; all when left out.
        """
        encoding = self.encode(points, point_mask, used)
        if seen is not None and encoding.mask is not None:
            encoding.mask = encoding.mask & seen[:, None]
        memory, mask = self.memory(encoding)
        out = SNIPDecoderOutput()
        if labels is None:
            return out
        if labels.shape[1] > self.config.max_symbols:
            raise InvalidInput(
                f"{labels.shape[1]} words are more than this model takes ({self.config.max_symbols})"
            )
        kept = self.symbol_decoder.remember(memory)
        vectors, _ = self.symbol_decoder.read(labels[:, :-1], kept, mask)
        out.logits = self.symbol_decoder.score(vectors)
        target = labels[:, 1:].masked_fill(labels[:, 1:] == self.tokenizer.pad_id, IGNORED)
        out.word_loss = F.cross_entropy(
            out.logits.flatten(0, 1).float(), target.flatten(), ignore_index=IGNORED
        )
        out.loss = out.word_loss
        if self.value is not None and values is not None:
            scores = self.value(vectors).flatten(0, 1).float()
            total = F.cross_entropy(scores, values[:, 1:].flatten(), ignore_index=IGNORED, reduction="sum")
            out.value_loss = total / (values != IGNORED).sum().clamp(min=1)
            out.loss = out.loss + VALUE_WEIGHT * out.value_loss
        return out

    # ---------------------------------------------------------------- arrays
    @torch.no_grad()
    def read_tables(self, tables: Sequence[NDArray[np.floating]]) -> Encoding:
        """Encodings of tables (rows, variables + 1), the target last.

        Raises
        ------
        InvalidInput
            When a table has more variables than the model, or a number is not finite.
        """
        most = max((table.shape[1] - 1 for table in tables), default=0)
        if most > self.config.max_dim:
            raise InvalidInput(
                f"{most} variables were given, these weights take up to {self.config.max_dim}; leave some "
                "out, or take weights for more"
            )
        if not all(np.all(np.isfinite(table)) for table in tables):
            raise InvalidInput("tables must hold finite numbers only; leave out rows with nan or infinity")
        arrays = self.inputs.tables(tables)
        return self.encode(**{k: torch.from_numpy(v).to(self.device) for k, v in arrays.items()})

    # ---------------------------------------------------------------- a trained encoder
    @torch.no_grad()
    def take_encoder(self, encoder: NumericEncoder, config: SNIPConfig) -> None:
        """Begin with the weights of a trained encoder of up to as many variables.

        Weights of further variables are copies of those of the known ones; further learned vectors that read
        the points keep their random start.

        Raises
        ------
        InvalidInput
            When the two encoders differ in more than that.
        """
        own, given = self.numeric_encoder.state_dict(), encoder.state_dict()
        mine = self.inputs.config
        plain = not (encoder.tokens or self.numeric_encoder.tokens)
        if config.max_dim > mine.max_dim or not plain or config.residual != mine.residual:
            raise InvalidInput(
                f"an encoder of {config.max_dim} variables (points as {config.point_input}) cannot begin one "
                f"of {mine.max_dim} ({mine.point_input})"
            )
        source = [v % config.max_dim for v in range(mine.max_dim)]
        source += list(range(config.max_dim, config.max_dim + 1 + config.residual))
        for name, value in given.items():
            if name in ("embed.0.weight", "describe.weight"):
                size = PER_VALUE if name.startswith("embed") else PER_COLUMN
                whole = size * (config.max_dim + 1 + config.residual)
                columns = value[:, :whole].unflatten(1, (-1, size))[:, source]
                value = torch.cat([columns.flatten(1), value[:, whole:]], 1)
            elif name == "seeds" and value.shape[1:] == own[name].shape[1:]:
                few = min(len(value), len(own[name]))
                value = torch.cat([value[:few], own[name][few:]])
            if name not in own or own[name].shape != value.shape:
                raise InvalidInput(
                    f"the encoder does not fit: {name} is {tuple(value.shape)}, "
                    f"{tuple(own[name].shape) if name in own else 'nothing'} is expected"
                )
            own[name].copy_(value)


AutoConfig.register(SNIPDecoderConfig.model_type, SNIPDecoderConfig, exist_ok=True)
AutoModel.register(SNIPDecoderConfig, SNIPDecoderModel, exist_ok=True)
