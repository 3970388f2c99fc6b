"""The report of a fit as Markdown: for a repository, an issue, a laboratory notebook."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symnum.report import CONSTANTS_HINT, constant_rows

if TYPE_CHECKING:
    from symnum.regressor import SymbolicRegressor


def write_markdown(
    path: str | Path,
    model: SymbolicRegressor,
    *,
    target: str = "y",
    source: str = "",
    notes: Sequence[str] = (),
) -> Path:
    """Write the report of a fitted model as Markdown; formulas are LaTeX, no pictures.

    Parameters
    ----------
    path : str or Path
        File to write.
    model : SymbolicRegressor
        Fitted, with one output.
    target : str
        Name of what was measured.
    source : str
        Where the data are from.
    notes : sequence of str
        Sentences to show under the heading.

    Returns
    -------
    Path
        The file written.
    """
    path = Path(path)
    path.write_text(markdown(model, target=target, source=source, notes=notes), encoding="utf-8")
    return path


def markdown(
    model: SymbolicRegressor, *, target: str = "y", source: str = "", notes: Sequence[str] = ()
) -> str:
    """Text of the report; see `write_markdown`."""
    from symnum import __version__

    chosen, row = model.expression_, model.equations_.iloc[model.best_index_]
    facts = (
        f"R² {row['r2']:.6f}, loss {row['loss']:.4g}, complexity {row['complexity']}, {model.n_rows_:,} rows"
    )
    lines = [f"# {_plain(target)}", "", f"$$ {chosen.latex(6)} $$", "", f"{facts}{_of(source)}.", ""]
    lines += [f"- {_plain(n)}" for n in notes] + ([""] if notes else [])
    lines += ["## Pareto front", "", "| row | formula | complexity | loss | R² |", "|--:|:--|--:|--:|--:|"]
    rows: Iterable[Any] = model.equations_.itertuples()
    for place, (e, r) in enumerate(zip(model.expressions_, rows, strict=True)):
        mark = " **selected**" if place == model.best_index_ else ""
        lines.append(
            f"| {place}{mark} | {_code(e.text(6), cell=True)} | {r.complexity} | {r.loss:.4g} | {r.r2:.6f} |"
        )
    formula, constants = constant_rows(model)
    if constants:
        lines += ["", "## Constants", "", _code(formula), "", "| name | value |", "|:--|:--|"]
        lines += [f"| {name} | {text} |" for name, text in constants]
        lines += ["", CONSTANTS_HINT]
    lines += ["", "## To copy", "", *_block("", str(chosen)), "", *_block("latex", chosen.latex(6)), ""]
    lines += [*_block("python", chosen.source("python").rstrip()), "", "## How it was found", ""]
    lines += [f"Ended by: {_plain(model.stop_reason_)}.", ""]
    if len(model.ledger_):
        heads = [str(c) for c in model.ledger_.columns]
        lines += [f"| {' | '.join(heads)} |", "|:--" * len(heads) + "|"]
        lines += [f"| {' | '.join(map(_cell, r))} |" for r in model.ledger_.itertuples(index=False)]
    return "\n".join([*lines, "", f"Made by symnum {__version__}.", ""])


def _of(source: str) -> str:
    return f" of {_plain(source)}" if source else ""


def _plain(text: str) -> str:
    """Text whose characters mean nothing in Markdown."""
    special = "\\`*_{}[]<>#|$~"
    return "".join(f"\\{c}" if c in special else " " if c in "\r\n" else c for c in text)


def _code(text: str, cell: bool = False) -> str:
    """Text as code, between more backticks than it holds in a row."""
    fence = "`" * (1 + max((len(run) for run in _runs(text)), default=0))
    text = " ".join(text.split("\n"))
    text = text.replace("|", r"\|") if cell else text
    padding = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def _runs(text: str) -> list[str]:
    return re.findall("`+", text)


def _block(language: str, text: str) -> list[str]:
    fence = "`" * max(3, 1 + max((len(run) for run in _runs(text)), default=0))
    return [f"{fence}{language}", text, fence]


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else _plain(str(value))
