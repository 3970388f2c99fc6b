"""Where the weights of a network lie: a path, ``$SYMNUM_MODELS``, the package, the user's cache, the hub."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from symnum.exceptions import InvalidInput, WeightsNotFound
from symnum.expressions.tokenizer import FILE_NAME as TOKENIZER
from symnum.expressions.tokenizer import ExpressionTokenizer

_ADAPTER = "adapter_config.json"
_WRITTEN = ("use_cache", "torch_dtype")
"""What versions of transformers add to a ``config.json``."""
_LARGEST = 10_000
CONFIG, TENSORS, CARD = "config.json", "model.safetensors", "README.md"
SHIPPED = Path(__file__).with_name("shipped")
_OFFLINE = ("SYMNUM_OFFLINE", "HF_HUB_OFFLINE")


def cache_directory() -> Path:
    """Folder of downloaded or own weights: ``$XDG_CACHE_HOME/symnum/models`` or the like in ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "symnum" / "models"


def find_weights(name: str | Path, hub: bool = False) -> Path:
    """Folder with ``config.json``, ``model.safetensors`` and ``tokenizer.json``.

    Parameters
    ----------
    name : str or Path
        A folder, or the name of weights: looked for as a path, in ``$SYMNUM_MODELS``, in the package and in
        the user's cache.
    hub : bool
        Whether to ask the Hugging Face hub last, for a name "owner/model". Not when ``SYMNUM_OFFLINE`` or
        ``HF_HUB_OFFLINE`` is set.

    Raises
    ------
    WeightsNotFound
        Naming every place looked at.
    """
    tried: list[str] = []
    for place, folder in _places(name):
        if (folder / CONFIG).is_file() and (folder / TENSORS).is_file():
            return folder
        lacks = " (there, but without config.json and model.safetensors)" if folder.is_dir() else ""
        tried.append(f"{place}: {folder}{lacks}")
    if os.environ.get("SYMNUM_MODELS") is None:
        tried.append("$SYMNUM_MODELS: not set")
    offline = next(
        (v for v in _OFFLINE if os.environ.get(v, "").strip().lower() not in ("", "0", "false")), None
    )
    if not hub:
        tried.append("hub: not asked (hub=True asks it)")
    elif offline:
        tried.append(f"hub: not asked, ${offline} is set")
    else:
        try:
            return _download(str(name))
        except Exception as error:  # whatever a network can do
            tried.append(f"hub: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
    raise WeightsNotFound(
        f"no weights {str(name)!r}; looked at\n  " + "\n  ".join(tried) + "\n"
        "Give the folder that save_pretrained wrote, or train some with the scripts in pretrain/."
    )


def _places(name: str | Path) -> Iterator[tuple[str, Path]]:
    yield "path", Path(name).expanduser()
    if Path(name).is_absolute() or ".." in Path(name).parts:
        return
    if root := os.environ.get("SYMNUM_MODELS"):
        yield "$SYMNUM_MODELS", Path(root).expanduser() / name
    yield "package", SHIPPED / name
    yield "user cache", cache_directory() / name


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download

    files = [CONFIG, TENSORS, TOKENIZER, CARD]
    return Path(snapshot_download(name, allow_patterns=files))


def check_format(found: object, known: int) -> None:
    """Raise InvalidInput when weights have another format than the one that is read here."""
    if found != known:
        raise InvalidInput(
            f"weights of format {found!r} are not known here (this is {known}); "
            "install the symnum they were made with, or train them again"
        )


def check_weights(
    folder: Path,
    model_type: str,
    expected: Callable[[Any], ExpressionTokenizer],
    known: Collection[str],
) -> dict[str, tuple[int, ...]]:
    """Raise InvalidInput when the files of a folder are damaged or of another kind or version.

    Nothing is made yet that ``config.json`` could ask too much memory or foreign code for.

    Parameters
    ----------
    folder : Path
    model_type : str
        What ``config.json`` must say.
    expected : callable
        Tokenizer that belongs to a configuration (a dict).
    known : collection of str
        What ``config.json`` may hold; transformers would act on more, such as ``attn_implementation``, which
        can name code on the hub.

    Returns
    -------
    dict
        Shape of every tensor in the file.
    """
    retry = "copy the folder again, or train the weights again"
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        found = config.get("model_type")
    except (ValueError, AttributeError, OSError, RecursionError) as error:
        raise InvalidInput(f"{folder / CONFIG} is damaged ({error}); {retry}") from None
    if found != model_type:
        raise InvalidInput(f"{folder} holds a model of type {found!r}, not {model_type!r}")
    try:
        with safe_open(folder / TENSORS, framework="numpy") as tensors:
            shapes = {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, OverflowError) as error:
        raise InvalidInput(f"{folder / TENSORS} is damaged ({error}); {retry}") from None
    if (folder / _ADAPTER).exists():
        raise InvalidInput(f"{folder} holds {_ADAPTER}, which can name other weights; remove it")
    _check_config(folder / CONFIG, config, known, shapes)
    tokenizer = ExpressionTokenizer.load(folder)
    try:
        own = expected(config)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput(f"{folder / CONFIG} is damaged (max_dim: {error}); {retry}") from None
    if tokenizer != own:
        raise InvalidInput(
            f"{folder / TOKENIZER} does not belong to this model: its words are others than those of "
            f"{own!r}, so tokens would be misread; use the one saved with the model"
        )
    return shapes


def _check_config(
    path: Path, config: dict[str, Any], known: Collection[str], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Refuse unknown settings, and sizes that the tensors in the file do not have."""
    unknown = sorted(k for k in config if k not in known and k not in _WRITTEN)
    if unknown:
        raise InvalidInput(
            f"{path} holds settings that are none of this model: {', '.join(unknown)[:200]}; remove them "
            "if you know what they are for"
        )
    largest = max((n for shape in shapes.values() for n in shape), default=0)
    for name, value in config.items():
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        most = len(shapes) if name.endswith("_layers") else max(largest, _LARGEST)
        if not -most <= value <= most or (
            value < 0 and name.endswith("_layers")
        ):  # the first is false for NaN
            raise InvalidInput(
                f"{path}: {name} is {value}, the tensors in the file allow up to {most}; "
                "use the config.json saved with these weights"
            )
