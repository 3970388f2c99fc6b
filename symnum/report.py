"""The page of a fit: one HTML file that needs nothing beside it, neither scripts nor the network."""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from symnum import fit_plots, plot_parts, plotting
from symnum.uncertainty import with_deviation

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from symnum.expressions import Expression
    from symnum.regressor import SymbolicRegressor

_FORMULA_SIZE = 12.0  # points; the page scales formulas to its own letters
_WIDE = 7.0  # inches; wider figures get a row of their own
_MOST_SLICES = 9
_LONGEST_FORMULA = 400  # characters of LaTeX; a longer one is shown as text


class Picture(NamedTuple):
    """A figure with its heading and the words for those who cannot see it."""

    title: str
    alt: str
    figure: Figure


def write_report(
    path: str | Path,
    model: SymbolicRegressor,
    X: pd.DataFrame,
    y: NDArray[np.float64],
    *,
    target: str = "y",
    source: str = "",
    notes: Sequence[str] = (),
    pictures: Sequence[Picture] = (),
) -> Path:
    """Write the HTML page of a fitted model.

    Parameters
    ----------
    path : str or Path
        File to write.
    model : SymbolicRegressor
        Fitted on X and y.
    X : DataFrame, shape (n, d)
        The data, for predictions and pictures.
    y : ndarray of float64, shape (n,)
        Measured values.
    target : str
        Name of what was measured.
    source : str
        Where the data are from, for the heading.
    notes : sequence of str
        Sentences to show under the heading.
    pictures : sequence of Picture
        Shown after those made here.

    Returns
    -------
    Path
        The file written.
    """
    chosen = model.expressions_[model.best_index_]
    body = [
        _heading(model, chosen, target, source, len(y), notes),
        _front(model),
        _section("Fit", _pictures([*fit_pictures(model, X, y, target), *pictures])),
        *_constants(model),
        _section("To copy", _copies(chosen, target)),
        _section("How it was found", _search(model)),
    ]
    path = Path(path)
    path.write_text(_page(f"{target} = {chosen.text(6)}", "\n".join(body)), encoding="utf-8")
    return path


def fit_pictures(
    model: SymbolicRegressor, X: pd.DataFrame, y: NDArray[np.float64], target: str = "y"
) -> list[Picture]:
    """Parity, residuals, and the formula over its variable or over one variable at a time."""
    chosen = model.expressions_[model.best_index_]
    predicted = model.predict(X)
    pictures = [
        Picture(
            "Predicted against measured",
            f"{len(y):,} rows; on the dashed line both are equal",
            plotting.plot_parity(y, predicted, target),
        ),
        Picture(
            "Residuals",
            "measured minus predicted values; a pattern here is something the formula misses",
            plotting.plot_residuals(y, predicted, target),
        ),
    ]
    if len(chosen.variables) == 1:
        name = chosen.names[chosen.variables[0]]

        def curve(x: NDArray[np.float64]) -> NDArray[np.float64]:
            return chosen.evaluate({name: x})

        figure = plotting.plot_fit_1d(X[name].to_numpy(), y, curve, name, target)
        pictures.append(Picture(f"{target} over {name}", "data as points, the formula as a line", figure))
    elif 1 < len(chosen.variables) <= _MOST_SLICES:
        alt = "the formula over each variable, the others at their medians; rows moved along the formula"
        figure = fit_plots.plot_slices(model, X, y, target=target)
        pictures.append(Picture("One variable at a time", alt, figure))
    return pictures


def figure_svg(figure: Figure, prefix: str = "") -> str:
    """Figure as an SVG element for HTML; its colours follow the page, its ids start with `prefix`."""
    import matplotlib as mpl

    buffer = io.StringIO()
    none = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "symnum"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure.savefig(
            buffer, format="svg", transparent=True, bbox_inches="tight", pad_inches=0.05, metadata=none
        )
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Inside HTML the namespaces are known, and no address shall stand on the page.
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'(\sid="|url\(#|href="#)', rf"\1{prefix}", svg)
    for colour, name in _COLOUR_NAMES.items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg.strip()


def formula_html(expression: Expression, prefix: str, digits: int = 6) -> str:
    """Formula set like in print; as text where that is not possible."""
    from matplotlib.figure import Figure

    text = html.escape(expression.text(digits))
    latex = expression.latex(digits)
    if len(latex) > _LONGEST_FORMULA:
        return f"<code>{text}</code>"
    figure = Figure(figsize=(0.1, 0.1))
    figure.text(0, 0, f"${latex}$", fontsize=_FORMULA_SIZE, color=plot_parts.INK, math_fontfamily="stix")
    try:
        svg = figure_svg(figure, prefix)
    except ValueError:  # mathtext knows a part of LaTeX only
        return f"<code>{text}</code>"

    def in_letters(match: re.Match[str]) -> str:
        return f'{match[1]}="{float(match[2]) / _FORMULA_SIZE:.3f}em"'

    svg = re.sub(r'\b(width|height)="([\d.]+)pt"', in_letters, svg, count=2)
    return f'<span class="formula" role="img" aria-label="{text}">{svg}</span>'


# -------------------------------------------------------------------------------------------- sections
def _heading(
    model: SymbolicRegressor, chosen: Expression, target: str, source: str, rows: int, notes: Sequence[str]
) -> str:
    row = model.equations_.iloc[model.best_index_]
    facts = [
        ("R²", f"{row['r2']:.6f}"),
        (_loss_name(model), f"{row['loss']:.4g}"),
        ("complexity", f"{row['complexity']} nodes"),
        ("rows", f"{rows:,}"),
        ("data", source),
    ]
    listed = "".join(f"<div><dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd></div>" for k, v in facts if v)
    said = "".join(f"<p class='note'>{html.escape(n)}</p>" for n in notes)
    name = html.escape(target)
    formula = formula_html(chosen, "h-")
    return f"<header><h1><span>{name} =</span> {formula}</h1><dl class='facts'>{listed}</dl>{said}</header>"


def _loss_name(model: SymbolicRegressor) -> str:
    """What the column `loss` of the table holds, in words."""
    if model.loss == "squared":
        return "mean squared error"
    return f"mean {model.loss} loss" if isinstance(model.loss, str) else "mean loss"


def _front(model: SymbolicRegressor) -> str:
    points = plotting.front_points(model)
    picture = Picture(
        "Error against complexity",
        f"Pareto front of {len(points)} formulas; the table below holds the same numbers",
        plotting.plot_pareto(points, model.best_index_, _loss_name(model)),
    )
    rows = []
    for place, (point, score) in enumerate(zip(points, model.equations_["score"], strict=True)):
        chosen = place == model.best_index_
        rows.append(
            f"<tr{' class=selected' if chosen else ''}><td>{place}</td>"
            f"<td>{formula_html(point.expression, f'e{place}-')}"
            f"{' <span class=tag>selected</span>' if chosen else ''}"
            f"<br><code>{html.escape(point.expression.text(6))}</code></td><td>{point.complexity}</td>"
            f"<td>{point.loss:.4g}</td><td>{point.r2:.6f}</td><td>{score:.3g}</td></tr>"
        )
    heads = ("row", "formula", "complexity", _loss_name(model), "R²", "score")
    table = _table(heads, rows)
    hint = (
        "<p>From the simplest formula to the most exact. A jump in the score marks a formula that gains much"
        " for little; those below it may describe the noise.</p>"
    )
    return _section("Pareto front", _pictures([picture], "p") + hint + table)


def constant_rows(model: SymbolicRegressor) -> tuple[str, list[tuple[str, str]]]:
    """The selected formula with names for its constants, and those with deviations; empty if unknown."""
    if not len(model.expression_.constants) or model._known_uncertainty() is None:
        return "", []
    table = model.constants()
    rows = [(row.name, with_deviation(row.value, row.deviation)) for row in table.itertuples(index=False)]
    return str(table.attrs["formula"]), rows


CONSTANTS_HINT = (
    "Standard deviations of a least-squares fit of this form; that the form was chosen by the same data is"
    " not in them. Simple numbers count as exact."
)


def _constants(model: SymbolicRegressor) -> list[str]:
    formula, found = constant_rows(model)
    if not found:
        return []
    rows = [f"<tr><td>{html.escape(name)}</td><td>{html.escape(text)}</td></tr>" for name, text in found]
    noise = model._uncertainty(None).noise
    said = (
        f"<p><code>{html.escape(formula)}</code></p>"
        f"<p class='note'>{CONSTANTS_HINT} A measurement scatters by {noise:.4g} about the formula.</p>"
    )
    return [_section("Constants", said + _table(("name", "value"), rows))]


def _copies(chosen: Expression, target: str) -> str:
    blocks = [
        ("Formula", str(chosen)),
        ("LaTeX", chosen.latex(6)),
        ("Python", chosen.numpy_source(_identifier(target))),
    ]
    return "".join(f"<h3>{name}</h3><pre><code>{html.escape(text)}</code></pre>" for name, text in blocks)


def _search(model: SymbolicRegressor) -> str:
    ledger = model.ledger_
    rows = [
        "<tr>" + "".join(f"<td>{html.escape(_cell(v))}</td>" for v in row) + "</tr>"
        for row in ledger.itertuples(index=False)
    ]
    said = f"<p>Ended by: {html.escape(str(model.stop_reason_))}.</p>"
    drawn = ""
    if len(getattr(model, "history_", ())):
        alt = "error of the most exact formula and length of the shortest description over the seconds"
        drawn = _pictures([Picture("Progress", alt, fit_plots.plot_progress(model))], "s")
    return said + drawn + _table(list(ledger.columns), rows)


def _pictures(pictures: Sequence[Picture], kind: str = "f") -> str:
    figures = []
    for number, picture in enumerate(pictures):
        title, alt = html.escape(picture.title), html.escape(picture.alt)
        wide = " class='wide'" if picture.figure.get_figwidth() > _WIDE else ""
        figures.append(
            f"<figure{wide}><div role='img' aria-label=\"{title}: {alt}\">"
            f"{figure_svg(picture.figure, f'{kind}{number}-')}</div>"
            f"<figcaption><b>{title}</b>: {alt}</figcaption></figure>"
        )
    return f"<div class='figures'>{''.join(figures)}</div>"


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>"


def _table(heads: Sequence[str], rows: Iterable[str]) -> str:
    head = "".join(f"<th scope='col'>{html.escape(str(h))}</th>" for h in heads)
    body = "".join(rows)
    return f"<div class='scroll'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _identifier(name: str) -> str:
    import keyword

    clean = re.sub(r"\W", "_", name, flags=re.ASCII)
    return clean if clean.isidentifier() and not keyword.iskeyword(clean) else f"formula_{clean}"


# -------------------------------------------------------------------------------------------- page
_COLOUR_NAMES = {
    plot_parts.INK: "ink",
    plot_parts.MUTED: "muted",
    plot_parts.GRID: "grid",
    plot_parts.BLUE: "blue",
    plot_parts.ORANGE: "orange",
}

_CSS = """
:root { color-scheme: light dark; --paper: #fff; --card: #f6f7f9; --ink: #20242a; --muted: #5f6773;
  --grid: #d5d9e0; --blue: #0072b2; --orange: #b84f00; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --card: #1d2127; --ink: #e6e8eb;
  --muted: #a2aab5; --grid: #3a414b; --blue: #56b4e9; --orange: #f0883e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 70rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { display: flex; flex-wrap: wrap; align-items: center; gap: .2em .4em; margin: .3em 0; font-weight: 500;
  font-size: clamp(1.2rem, 4vw, 1.8rem); overflow-x: auto; overflow-wrap: anywhere; }
h2 { margin: 2rem 0 .6rem; font-size: 1.25rem; border-bottom: 1px solid var(--grid); }
h3 { margin: 1rem 0 .3rem; font-size: 1rem; }
.facts { display: flex; flex-wrap: wrap; gap: .6rem 2rem; margin: .8rem 0; }
.facts dt, figcaption, .note, footer { color: var(--muted); font-size: .875rem; }
.facts dd { margin: 0; font-variant-numeric: tabular-nums; }
.figures { display: grid; gap: 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); }
figure { margin: 0; }
figure svg { display: block; width: 100%; height: auto; max-height: 34rem; }
.wide { grid-column: 1 / -1; overflow-x: auto; }
.wide svg { min-width: 40rem; }
.scroll, pre { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .7rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--grid); }
th { font-size: .875rem; color: var(--muted); font-weight: 600; }
td code { color: var(--muted); font-size: .8rem; }
tr.selected { background: var(--card); box-shadow: inset 3px 0 var(--orange); }
.tag { color: var(--orange); font-size: .8rem; font-weight: 600; }
td .formula { display: inline-block; max-width: 36rem; overflow: auto hidden; }
.formula svg { vertical-align: middle; overflow: visible; }
pre { background: var(--card); padding: .7rem 1rem; border-radius: 6px; font-size: .875rem; }
footer { margin-top: 2.5rem; }
"""


def _page(title: str, body: str) -> str:
    from datetime import datetime

    from symnum import __version__

    made = f"symnum {__version__}, {datetime.now().astimezone():%Y-%m-%d %H:%M %Z}"
    return (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_CSS}</style></head>\n<body>\n{body}\n"
        f"<footer>A formula that fits is not yet a law: try it on rows it has not seen. {made}</footer>\n"
        "</body></html>\n"
    )
