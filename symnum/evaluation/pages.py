"""Pieces of a report's HTML: cells, tables, problems to open, the page around them; no scripts."""

from __future__ import annotations

import html
import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from symnum.evaluation.aggregate import Interval, Measure
from symnum.evaluation.figures import COLOURS, Look

_WORDS = ("method", "outcome", "formula", "meaning", "reason")  # heads of columns of text
_LONGEST = 240  # characters of a formula in a table


def esc(value: object) -> str:
    """Text made safe for HTML."""
    return html.escape(str(value))


def number(value: float, measure: Measure) -> str:
    """A figure as people read it."""
    if value is None or not math.isfinite(value):
        return "–"
    if measure.unit == "%":
        return f"{100 * value:.1f}"
    if measure.name.startswith("r2"):
        return f"{value:.3f}"
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def interval_cell(interval: Interval, measure: Measure, best: bool = False) -> str:
    """Cell with a figure, its interval below, and a bar where it is a share."""
    shown = number(interval.value, measure)
    if shown == "–":
        return "<td class=n>–</td>"
    bar = f" style='--share:{100 * min(max(interval.value, 0), 1):.1f}%'" if measure.unit == "%" else ""
    kind = "n bar" if bar else "n"
    value = f"<b>{shown}</b>" if best else shown
    spread = f"{number(interval.low, measure)} … {number(interval.high, measure)}"
    return f"<td class='{kind}'{bar}>{value}<small>{spread}</small></td>"


def table(heads: Sequence[str | tuple[str, str]], bodies: Iterable[tuple[str, Iterable[str]]]) -> str:
    """Table from heads (text, or text and explanation) and bodies (class, rows)."""
    cells = []
    for head in heads:
        text, meaning = head if isinstance(head, tuple) else (head, "")
        hint = f" title='{html.escape(meaning, quote=True)}'" if meaning else ""
        side = " class=left" if text in _WORDS else ""
        cells.append(f"<th scope=col{side}{hint}>{esc(text)}</th>")
    parts = "".join(f"<tbody class='{kind}'>{''.join(rows)}</tbody>" for kind, rows in bodies)
    return f"<div class=scroll><table><thead><tr>{''.join(cells)}</tr></thead>{parts}</table></div>"


def figure(svg: str, title: str, caption: str) -> str:
    """Figure with the words that say what it shows, at its own size where the page is wide enough."""
    points = re.search(r'width="([\d.]+)pt"', svg)
    width = f" style='max-width:{float(points[1]) * 1.5:.0f}px'" if points else ""
    label = html.escape(f"{title}: {caption}", quote=True)
    return (
        f"<figure{width}><div role=img aria-label='{label}'>{svg}</div>"
        f"<figcaption><b>{esc(title)}.</b> {esc(caption)}</figcaption></figure>"
    )


def opened(summary: str, content: str, *, is_open: bool = False) -> str:
    """Something to open."""
    return f"<details{' open' if is_open else ''}><summary>{esc(summary)}</summary>{content}</details>"


def method_cell(method: str, look: Look) -> str:
    """First cell of a method's row, with its colour."""
    return f"<th scope=row><i style='background:{_colour(method, look)}'></i>{esc(method)}</th>"


def chip(text: str, method: str, state: str, look: Look) -> str:
    """Pill in a method's colour; state is "all", "some" or "none"."""
    style = f"--c:{_colour(method, look)}"
    return f"<span class='chip {state}' style='{style}' title='{esc(method)}'>{esc(text)}</span>"


def _colour(method: str, look: Look) -> str:
    return f"var(--m{look.methods.index(method) % len(COLOURS)})"


RUN_SHOWN = (
    "method problem noise seed status message truth equation recovered numeric symbolic form r2_test"
    " r2_zero_test r2_ood sympy_size fit_seconds time_to_first"
).split()
"""Columns that `problem_block` needs."""


def problem_block(problem: str, runs: Sequence[Mapping[str, Any]], look: Look, known: bool) -> str:
    """Everything that was run on one problem, closed until one opens it."""
    truth = next((r["truth"] for r in runs if isinstance(r["truth"], str)), "")
    chips = []
    for method in look.methods:
        own = [r for r in runs if r["method"] == method]
        if own and known:
            solved = sum(r["recovered"] == 1 for r in own)
            state = "all" if solved == len(own) else "some" if solved else "none"
            chips.append(chip(f"{solved}/{len(own)}", method, state, look))
        elif own:
            median = statistics.median(r["r2_zero_test"] for r in own)
            chips.append(chip(f"{median:.2f}", method, "some", look))
    heads = [
        "method",
        "noise",
        "seed",
        "outcome",
        "R²",
        "R² outside",
        "size",
        "seconds",
        "found after",
        "formula",
    ]
    if not known:
        heads = [head for head in heads if head not in ("noise", "R² outside", "found after")]
    rows = (_run_row(r, known) for r in runs)
    shown = f" <code>{_formula(truth)}</code>" if truth else ""
    summary = f"<span class=id>{esc(problem)}</span>{''.join(chips)}{shown}"
    return f"<details class=problem><summary>{summary}</summary>{table(heads, [('', rows)])}</details>"


def _run_row(run: Mapping[str, Any], known: bool) -> str:
    outcome = esc(run["status"])
    if run["status"] == "ok" and known:
        words = {"numeric": "numeric", "symbolic": "exact", "form": "form"}
        given = {words[v]: run[v] for v in words if isinstance(run[v], str)}
        one = next(iter(given.values()), "no formula") if len(set(given.values())) <= 1 else ""
        verdicts = esc(one or ", ".join(f"{name} {verdict}" for name, verdict in given.items()))
        outcome = f"<b>recovered</b> ({verdicts})" if run["recovered"] == 1 else verdicts
    elif run["status"] != "ok":
        outcome = f"<b>{outcome}</b> {esc(_short(run['message']))}"
    cells = [f"<td>{esc(run['method'])}</td>"]
    if known:
        cells.append(f"<td class=n>{run['noise']:g}</td>")
    cells += [f"<td class=n>{run['seed']}</td>", f"<td>{outcome}</td>", _plain(run["r2_test"], "{:.4f}")]
    if known:
        cells.append(_plain(run["r2_ood"], "{:.4f}"))
    cells += [_plain(run["sympy_size"], "{:.0f}"), _plain(run["fit_seconds"], "{:.2f}")]
    if known:
        cells.append(_plain(run["time_to_first"], "{:.2f}"))
    formula = run["equation"] if isinstance(run["equation"], str) else ""
    return f"<tr>{''.join(cells)}<td><code>{_formula(formula)}</code></td></tr>"


def _plain(value: Any, form: str) -> str:
    known = isinstance(value, int | float) and math.isfinite(value)
    form = form if known and abs(value) < 10_000 else "{:.1e}"
    return f"<td class=n>{form.format(value) if known else '–'}</td>"


def _formula(text: str) -> str:
    return esc(text if len(text) <= _LONGEST else text[:_LONGEST] + " …")


def _short(message: Any) -> str:
    text = message if isinstance(message, str) else ""
    first = text.strip().partition("\n")[0]
    return first if len(first) <= 160 else first[:160] + " …"


# ---------------------------------------------------------------------------------------------- page
def page(title: str, body: str, contents: Sequence[tuple[str, str]]) -> str:
    """HTML document around the sections; `contents` are (id, title) of those to jump to."""
    from symnum import __version__

    links = "".join(f"<a href='#{esc(name)}'>{esc(text)}</a>" for name, text in contents)
    light = "".join(f" --m{i}: {colours[0]};" for i, colours in enumerate(COLOURS))
    dark = "".join(f" --m{i}: {colours[1]};" for i, colours in enumerate(COLOURS))
    css = _CSS.replace("/*light*/", light).replace("/*dark*/", dark)
    return (
        f"<!doctype html>\n<html lang=en><head><meta charset=utf-8><title>{esc(title)}</title>\n"
        f"<meta name=viewport content='width=device-width, initial-scale=1'>\n<style>{css}</style></head>\n"
        f"<body>\n<nav>{links}</nav>\n<main>\n{body}\n</main>\n"
        f"<footer>Written by symnum {__version__}.</footer>\n</body></html>\n"
    )


_CSS = """
:root { color-scheme: light dark; --paper: #fff; --card: #f6f7f9; --ink: #20242a; --muted: #5f6773;
  --grid: #d5d9e0; --fill: #0072b21f;/*light*/ }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --card: #1d2127; --ink: #e6e8eb;
  --muted: #a2aab5; --grid: #3a414b; --fill: #56b4e933;/*dark*/ } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 0 1rem 3rem; max-width: 84rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
nav { position: sticky; top: 0; z-index: 1; display: flex; gap: .3rem 1.1rem; padding: .6rem 0;
  overflow-x: auto; white-space: nowrap; background: var(--paper); border-bottom: 1px solid var(--grid); }
a { color: inherit; text-underline-offset: .2em; text-decoration-color: var(--muted); }
h1 { margin: 1.2rem 0 .3rem; font-size: 1.7rem; font-weight: 600; }
h2 { margin: 2.4rem 0 .6rem; padding-bottom: .2rem; font-size: 1.3rem; border-bottom: 1px solid var(--grid);
  scroll-margin-top: 3rem; }
h3 { margin: 1.5rem 0 .4rem; font-size: 1.05rem; }
p { max-width: 62rem; margin: .5rem 0; }
.facts { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin: .8rem 0; }
.facts dt, figcaption, footer, .quiet { color: var(--muted); font-size: .85rem; }
.facts dd { margin: 0; font-variant-numeric: tabular-nums; }
.warning { padding: .5rem .8rem; border-left: 3px solid var(--m1); background: var(--card); }
figure { margin: 1rem 0; }
figure svg { display: block; width: 100%; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .4rem 0; }
th, td { padding: .3rem .5rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--grid); }
thead th:not(:first-child) { text-align: right; }
thead th.left { text-align: left; }
thead th { font-size: .8rem; color: var(--muted); font-weight: 600; vertical-align: bottom; }
thead th[title] { text-decoration: underline dotted; text-underline-offset: .2em; cursor: help; }
tbody th { font-weight: 500; white-space: nowrap; }
tbody th i { display: inline-block; width: .7em; height: .7em; margin-right: .5em; border-radius: 50%; }
td.n { text-align: right; white-space: nowrap; }
td small { display: block; color: var(--muted); font-size: .7rem; }
td.bar { background: linear-gradient(to right, var(--fill) var(--share), transparent var(--share)); }
tbody.grouped td[colspan] { padding-top: .8rem; color: var(--muted); font-size: .85rem; }
tbody.published td:first-child:not([colspan]) { white-space: nowrap; }
tbody.published { color: var(--muted); font-style: italic; }
tbody.published td[colspan] { padding-top: .9rem; font-style: normal; font-size: .8rem; }
.tag { color: var(--muted); font-size: .75rem; font-weight: 400; }
details { margin: .3rem 0; }
details > summary { cursor: pointer; }
.problem { border-bottom: 1px solid var(--grid); margin: 0; padding: .15rem 0; }
.problem summary { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.problem .id { display: inline-block; min-width: 15rem; }
.problem td { font-size: .85rem; }
.chip { display: inline-block; min-width: 3.1em; margin-right: .3rem; padding: 0 .4em; text-align: center;
  font-size: .78rem; border: 1px solid var(--c); border-radius: 1em; font-variant-numeric: tabular-nums; }
.chip.all { background: var(--c); color: var(--paper); }
.chip.none { border-style: dotted; color: var(--muted); }
code { font-size: .82rem; }
td code { color: var(--muted); overflow-wrap: anywhere; display: inline-block; min-width: 16rem;
  max-width: 34rem; }
footer { margin-top: 3rem; }
"""
