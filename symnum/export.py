"""What a fit leaves on disk: the table of formulas, and the model with the name of what it predicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from symnum.persistence import replace_text

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
    replace_text(path, json.dumps(stored, indent=1))
    return path


def read_model(path: str | Path) -> tuple[SymbolicRegressor, str]:
    """Model and name of its target ("y" when it was saved without one).

    Raises
    ------
    InvalidInput
        When the file is missing or is no model that symnum wrote.
    """
    from symnum.regressor import SymbolicRegressor

    model = SymbolicRegressor.load(path)
    stored = json.loads(Path(path).read_text(encoding="utf-8"))
    return model, str(stored.get("target", "y"))
