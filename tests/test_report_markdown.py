"""The Markdown report, read by another parser: tables, code and formulas are what they should be."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt

from symnum import SymbolicRegressor
from symnum.report_markdown import markdown, write_markdown
from symnum.uncertainty import with_deviation

READ = MarkdownIt("commonmark").enable("table")


@pytest.fixture(scope="module")
def model(given_search):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.uniform(1, 5, size=(40, 2)), columns=["a|`b", "speed"])
    y = 3.1415 * X["a|`b"] * X["speed"] + rng.normal(scale=0.1, size=40)
    search = given_search("21.1", "`a|``b`*speed", "3.1412*`a|``b`*speed")
    return SymbolicRegressor(search=search).fit(X, y)


def tables(tokens) -> list[list[list[str]]]:
    """Cells of all tables, as the text of each."""
    found: list[list[list[str]]] = []
    for before, token in itertools.pairwise(tokens):
        if token.type == "inline" and before.type in ("th_open", "td_open"):
            found[-1][-1].append("".join(c.content for c in token.children))
        elif token.type == "tr_open":
            found[-1].append([])
        elif before.type == "table_open" or token.type == "table_open":
            found.append([]) if token.type == "table_open" else None
    return found


def test_report_holds_front_constants_and_ledger(model, tmp_path):
    path = write_markdown(
        tmp_path / "report.md", model, target="E_kin", source="my|table.csv", notes=["a *note*\nof two"]
    )
    text = path.read_text(encoding="utf-8")
    tokens = READ.parse(text)
    front, constants, *ledger = tables(tokens)
    assert [row[1] for row in front[1:]] == [e.text(6) for e in model.expressions_]
    assert [row[0].endswith(" selected") for row in front[1:]] == model.equations_["selected"].tolist()
    table = model.constants()
    assert constants[1:] == [
        [r["name"], with_deviation(r["value"], r["deviation"])] for _, r in table.iterrows()
    ]
    assert [len(t) - 1 for t in ledger] == ([len(model.ledger_)] if len(model.ledger_) else [])
    code = [t.content.rstrip("\n") for t in tokens if t.type == "fence"]
    assert code == [str(model.expression_), model.latex(digits=6), model.source("python").rstrip()]
    words = [t.content for t in tokens if t.type == "inline"]
    assert any("my|table.csv" in "".join(c.content for c in t.children) for t in tokens if t.children)
    assert f"$$ {model.latex(digits=6)} $$" in words


def test_report_is_the_same_text_again(model):
    assert markdown(model) == markdown(model)


@pytest.mark.parametrize(
    ("value", "deviation", "text"),
    [
        (4.71234, 0.0312, "4.712 ± 0.031"),
        (365.256, 12.3, "365 ± 12"),
        (0.5, np.nan, "0.5 (exact)"),
        (2.0, np.inf, "2 (not determined by these data)"),
        (6.67430e-11, 1.5e-15, "(6.67430 ± 0.00015)e-11"),
        (123456.0, 4321.0, "(1.235 ± 0.043)e+05"),
        (-2.5, 0.25, "-2.50 ± 0.25"),
        (3.0, 0.0, "3 ± 0"),
        (0.001, 5.0, "0.0 ± 5.0"),
    ],
)
def test_numbers_with_deviations(value, deviation, text):
    assert with_deviation(value, deviation) == text
