"""Fitted models as JSON: plain data out, checked data in."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from symnum.exceptions import InvalidInput
from symnum.expressions.expression import Expression

if TYPE_CHECKING:
    import pandas as pd

FORMAT, VERSION = "symnum-model", 1
_TABLES: dict[str, dict[str, type]] = {
    "equations": {"complexity": int, "loss": float, "score": float, "r2": float},
    "ledger": {"stage": str, "seconds": float, "evaluations": int, "found": int, "best_loss": float},
    "history": {"seconds": float, "evaluations": int, "stage": str, "complexity": int, "loss": float,
                "r2": float, "bits": float, "equation": str},
}  # fmt: skip
"""Columns that are read of a model's tables."""


def writable_folder(path: Path, called: str, instead: str) -> Path:
    """Folder that exists and takes files, made when missing.

    Parameters
    ----------
    path : Path
    called, instead : str
        How the user knows it, and what to do when it takes no files; for the message.

    Raises
    ------
    InvalidInput
        When it cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        reason = "there is a file of that name" if isinstance(error, FileExistsError) else error.strerror
        raise InvalidInput(f"cannot write to {called}{str(path)!r}: {reason}; {instead}") from None
    return path


def replace_text(path: Path, text: str) -> None:
    """Write a file whole: whatever happens on the way (a kill, a full disk), what was there before stays.

    Raises
    ------
    OSError
        When it cannot be written; the file is then as it was.
    """
    if path.exists() and not path.is_file():  # a device or a pipe
        path.write_text(text, encoding="utf-8")
        return
    path = path.resolve()
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def write(model: Any, path: Path) -> None:
    """Write a fitted model; parameters that JSON cannot hold (callbacks, search objects) are left out."""
    data = {"format": FORMAT, "version": VERSION, **_data(model)}
    replace_text(path, json.dumps(data, indent=1, default=_to_plain))


def _data(model: Any) -> dict[str, Any]:
    import pandas as pd

    data = {
        "params": {k: _spelled(v) for k, v in model.get_params(deep=False).items() if _plain(_spelled(v))},
        "n_features_in": int(model.n_features_in_),
        "feature_names_in": list(getattr(model, "feature_names_in_", [])) or None,
    }
    if hasattr(model, "outputs_"):
        return {**data, "outputs": [_data(part) for part in model.outputs_]}
    return {
        **data,
        "expressions": [e.to_dict() for e in model.expressions_],
        "equations": model.equations_.to_dict(orient="list"),
        "ledger": model.ledger_.to_dict(orient="list"),
        "history": getattr(model, "history_", pd.DataFrame()).to_dict(orient="list"),
        "seconds": getattr(model, "seconds_", None),
        "best_index": int(model.best_index_),
        "stop_reason": model.stop_reason_,
        "units": model.units_,
        "uncertainties": [None if u is None else u.to_dict() for u in getattr(model, "uncertainties_", [])],
        "n_rows": model.n_rows_,
        "next_seed": vars(model).get("_next_seed"),
    }


def read(cls: type, path: Path) -> Any:
    """Model from a file; see `SymbolicRegressor.load`."""
    return read_model(path, FORMAT, VERSION, lambda data: _build(cls, data), "SymbolicRegressor", "fit")


def read_model(
    path: Path, form: str, version: int, build: Callable[[dict[str, Any]], Any], writer: str, command: str
) -> Any:
    """What `build` makes of a model file.

    Parameters
    ----------
    path : Path
    form, version : str and int
        Entries "format" and "version" that the file must have.
    build : callable
        Whatever it raises is told as damage of the file.
    writer, command : str
        Class and subcommand that write such files, for the messages.

    Raises
    ------
    InvalidInput
        When the file is missing, no JSON, of another kind or version, or damaged.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidInput(f"no file {str(path)!r}; {writer}.save and `symnum {command}` write one") from None
    except IsADirectoryError:
        raise InvalidInput(f"{str(path)!r} is a folder; name the model file in it") from None
    except OSError as error:
        raise InvalidInput(f"cannot read {str(path)!r}: {error.strerror or error}") from None
    except (ValueError, RecursionError):  # not UTF-8, not JSON
        raise InvalidInput(f"{path.name} is no model: expected the JSON that {writer}.save writes") from None
    if not isinstance(data, dict) or data.get("format") != form:
        raise InvalidInput(f"{path.name} is no symnum model; expected a file written by {writer}.save")
    if data.get("version") != version:
        raise InvalidInput(
            f"{path.name} has model version {data.get('version')}, this symnum reads {version}"
        )
    try:
        return build(data)
    except Exception as error:  # whatever a damaged file can do to those who read it
        detail = f"{type(error).__name__}: {error}"
        raise InvalidInput(
            f"{path.name} is a damaged model ({detail}); fit again to get a new one"
        ) from error


def _build(cls: type, data: dict[str, Any]) -> Any:
    model = cls(**data["params"])
    model.n_features_in_ = data["n_features_in"]
    if data["feature_names_in"]:
        model.feature_names_in_ = np.array(data["feature_names_in"], dtype=object)
    if "outputs" in data:
        model.outputs_ = [_build(cls, part) for part in data["outputs"]]
        model._collect()
        return model
    model.expressions_ = [Expression.from_dict(e) for e in data["expressions"]]
    # Models of earlier versions have no history, and their ledger may be empty.
    made = {name: _table(data.get(name, {}), kinds) for name, kinds in _TABLES.items()}
    model.equations_, model.ledger_, model.history_ = made["equations"], made["ledger"], made["history"]
    model.seconds_ = None if data.get("seconds") is None else float(data["seconds"])
    model.best_index_, model.stop_reason_ = data["best_index"], data["stop_reason"]
    model.units_ = tuple(data["units"]) if data["units"] else None
    model.n_rows_ = data["n_rows"]
    model._next_seed = data.get("next_seed")
    model._read_uncertainties(data.get("uncertainties"))
    count = len(model.expressions_)
    if type(model.best_index_) is not int or type(model.n_features_in_) is not int:
        raise TypeError("best_index or n_features_in is no whole number")
    if not 0 <= model.best_index_ < count or len(model.equations_) != count:
        raise ValueError(f"{count} formulas, {len(model.equations_)} rows, row {model.best_index_} selected")
    if model.units_ is not None and len(model.units_) != model.n_features_in_ + 1:
        raise ValueError(f"{len(model.units_)} units for {model.n_features_in_} columns and the target")
    if not isinstance(model._next_seed, int | None):
        raise TypeError("next_seed is no whole number")
    if not isinstance(model.n_rows_, int) or not isinstance(model.stop_reason_, str):
        raise TypeError("n_rows or stop_reason is of another kind")
    if any(len(e.names) != model.n_features_in_ for e in model.expressions_):
        raise ValueError("formulas and columns differ")
    # What is shown is what is computed, whatever the file calls it.
    model.equations_["equation"] = [str(e) for e in model.expressions_]
    model.equations_["selected"] = [i == model.best_index_ for i in range(count)]
    return model


def _table(stored: Any, kinds: dict[str, type]) -> pd.DataFrame:
    """Table of a file with its columns brought to their kinds; whatever that raises is damage."""
    import pandas as pd

    table = pd.DataFrame(stored)
    for name, kind in kinds.items() if len(table.columns) else ():
        if kind is not str:
            table[name] = table[name].to_numpy(dtype=kind)
        elif not all(isinstance(v, str) for v in table[name]):
            raise TypeError(f"{name!r} holds something else than text")
    return table


def _spelled(value: Any) -> Any:
    """Parameter with expressions as text, which `guesses` reads back."""
    if isinstance(value, Expression):
        return str(value)
    return [_spelled(v) for v in value] if isinstance(value, list | tuple) else value


def _plain(value: Any) -> bool:
    try:
        json.dumps(value, default=_to_plain)
    except TypeError:
        return False
    return True


def _to_plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no plain form")
