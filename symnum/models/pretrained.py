"""What networks here share: files that are checked when read, quiet and never unpickled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from transformers import PreTrainedModel
from transformers.utils import logging

from symnum.exceptions import InvalidInput
from symnum.expressions.tokenizer import ExpressionTokenizer
from symnum.models.weights import CONFIG, check_weights, find_weights


class PretrainedNetwork(PreTrainedModel):
    """Model with a tokenizer of its own, kept beside its weights.

    Attributes
    ----------
    default_weights : str
        Name that `from_pretrained` takes when none is given.
    tokenizer : ExpressionTokenizer
    """

    default_weights: ClassVar[str]
    tokenizer: ExpressionTokenizer

    @staticmethod
    def tokenizer_of(config: dict[str, Any]) -> ExpressionTokenizer:
        """Tokenizer that belongs to the content of a ``config.json``."""
        raise NotImplementedError

    def save_pretrained(self, save_directory: str | Path, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Write ``config.json``, ``model.safetensors`` and ``tokenizer.json`` into a folder."""
        with _without_bars():
            super().save_pretrained(save_directory, *args, **kwargs)
        self.tokenizer.save(save_directory)

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls, name: str | Path | None = None, *args: Any, hub: bool = False, **kwargs: Any
    ) -> Self:
        """Model from a folder or by name; see `symnum.models.find_weights` for the places looked at.

        Weights are read from safetensors alone, never unpickled, and are float32 unless `dtype` says
        otherwise.

        Raises
        ------
        WeightsNotFound
            When there are none of that name.
        InvalidInput
            When files are damaged, of another version, or belong to another tokenizer.
        """
        folder = find_weights(cls.default_weights if name is None else name, hub)
        kind: Any = cls.config_class
        shapes = check_weights(folder, kind.model_type, cls.tokenizer_of, kind().to_dict())
        cls._check_shapes(folder, shapes)
        fixed = {"use_safetensors": True, "local_files_only": True, "output_loading_info": True}
        settings = {"dtype": torch.float32} | kwargs | fixed
        with _without_bars():
            model, info = super().from_pretrained(str(folder), *args, **settings)
        wrong = sorted(info["missing_keys"]) + [str(k) for k in info["mismatched_keys"]]
        if wrong:
            raise InvalidInput(
                f"{folder} lacks {len(wrong)} tensors of the model its config.json describes, among them "
                f"{wrong[0]}; use the config.json saved with these weights"
            )
        return model

    @classmethod
    def _check_shapes(cls, folder: Path, shapes: dict[str, tuple[int, ...]]) -> None:
        """Raise InvalidInput unless the tensors are those of the configuration; none is made for it."""
        try:
            with torch.device("meta"):
                model = cls(cls.config_class.from_pretrained(folder, local_files_only=True))  # type: ignore
        except InvalidInput:
            raise
        except Exception as error:  # whatever odd values can do to those who compute with them
            raise InvalidInput(
                f"{folder / CONFIG} describes no model ({type(error).__name__}: {str(error)[:200]}); "
                "use the config.json saved with these weights"
            ) from None
        for name, tensor in model.state_dict().items():
            if name in shapes and shapes[name] != tuple(tensor.shape):
                raise InvalidInput(
                    f"{folder}: {name} has shape {shapes[name]}, its config.json describes "
                    f"{tuple(tensor.shape)}; use the config.json saved with these weights"
                )


@contextmanager
def _without_bars() -> Iterator[None]:
    """Silence the progress bars of transformers: a file of a few megabytes needs none."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
