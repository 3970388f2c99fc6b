"""What a fit leaves on disk: the table of formulas, and the model with the name of what it predicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from symnum.exceptions import InvalidInput

if TYPE_CHECKING:
    from symnum.regressor import SymbolicRegressor


def write_equations(path: str | Path, model: SymbolicRegressor) -> Path:
    """Write ``model.equations_`` and the LaTeX of every formula as CSV."""
    path = Path(path)
    latex = [e.latex(6) for e in model.expressions_]
    model.equations_.assign(latex=latex).to_csv(path, index_label="row")
    return path


def write_model(path: str | Path, model: SymbolicRegressor, target: str) -> Path:
    """Write the model as JSON like ``model.save``, with the name of its target beside.

    ``SymbolicRegressor.load`` reads the file as well; it has no use for the name.
    """
    path = Path(path)
    model.save(path)
    stored = json.loads(path.read_text(encoding="utf-8"))
    stored["target"] = target
    path.write_text(json.dumps(stored, indent=1), encoding="utf-8")
    return path


def read_model(path: str | Path) -> tuple[SymbolicRegressor, str]:
    """Model and name of its target ("y" when it was saved without one).

    Raises
    ------
    InvalidInput
        When the file is missing or is no model that symnum wrote.
    """
    path = Path(path)
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidInput(
            f"no file {str(path)!r}; `symnum fit` writes model.json into its --out folder"
        ) from None
    except IsADirectoryError:
        raise InvalidInput(f"{str(path)!r} is a folder; name the model.json in it") from None
    except OSError as error:
        raise InvalidInput(f"cannot read {str(path)!r}: {error.strerror or error}") from None
    except (ValueError, RecursionError):  # not UTF-8, not JSON
        raise InvalidInput(f"{path.name} is no model: expected the JSON that `symnum fit` writes") from None
    from symnum.regressor import SymbolicRegressor

    try:
        model = SymbolicRegressor.load(path)
        _check(model)
    except InvalidInput:
        raise
    except Exception as error:  # whatever a damaged file can do to those who read it
        detail = f"{type(error).__name__}: {error}"
        raise InvalidInput(
            f"{path.name} is a damaged model ({detail}); fit again to get a new one"
        ) from error
    return model, str(stored.get("target", "y"))


def _check(model: SymbolicRegressor) -> None:
    """Raise when the parts of a stored model do not belong together."""
    count = len(model.expressions_)
    if not 0 <= model.best_index_ < count or len(model.equations_) != count:
        raise ValueError(
            f"{count} formulas, {len(model.equations_)} rows in the table, row {model.best_index_} selected"
        )
    if model.units_ is not None and len(model.units_) != model.n_features_in_ + 1:  # type: ignore[attr-defined]
        raise ValueError(f"{len(model.units_)} units for columns and target")
    if not isinstance(model.n_rows_, int) or not isinstance(model.stop_reason_, str):
        raise TypeError("n_rows or stop_reason is of another kind")
    for name in ("complexity", "loss", "score", "r2"):
        model.equations_[name].to_numpy(dtype=float)
    if any(
        len(e.names) != model.n_features_in_  # type: ignore[attr-defined]
        for e in model.expressions_
    ):
        raise ValueError("formulas and columns differ")
