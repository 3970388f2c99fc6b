"""The page of a fit: complete, well formed, readable by all, and alone."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from symnum import Expression, SymbolicRegressor
from symnum.report import Picture, figure_svg, fit_pictures, formula_html, write_report
from symnum.uncertainty import with_deviation

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Checks that elements nest, and collects what the tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.images: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        found = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if found.get("role") == "img":
            self.images.append(found.get("aria-label") or "")
        self.ids += [found["id"]] if "id" in found else []
        self.links += [
            value or "" for name, value in attrs if name in ("href", "src", "xlink:href", "action")
        ]
        self.links += re.findall(r"url\(([^)]*)\)", " ".join(value or "" for _, value in attrs))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.uniform(1, 5, size=(40, 2)), columns=["m & <b>", "speed"])
    return X, (X["speed"] ** 2 * 3 + rng.normal(scale=0.01, size=40)).to_numpy()


@pytest.fixture(scope="module")
def model(data, given_search):
    search = given_search("30.1", "3.1*speed", "`m & <b>`*speed", "3.00012*speed**2", "3*speed**2 + 0.0001")
    return SymbolicRegressor(search=search, random_state=0).fit(*data)


@pytest.fixture(scope="module")
def text(model, data, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    notes = ["left out: 'a < b'"]
    pictures = [Picture("Extra", "a picture made elsewhere", Figure(figsize=(8, 3)))]
    done = write_report(
        path, model, *data, target="E<kin>", source="tab&le.csv", notes=notes, pictures=pictures
    )
    assert done == path
    return path.read_text(encoding="utf-8")


def test_page_is_well_formed_and_needs_nothing_else(text):
    page = Page(text)
    assert "http" not in text
    assert "://" not in text
    assert not {"script", "link", "iframe", "object", "img"} & set(page.tags)
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in page.links)
    assert "@import" not in text


def test_ids_are_unique_and_references_lead_somewhere(text):
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_page_holds_formula_numbers_and_words(text, model, data):
    page = Page(text)
    words = " ".join(page.words)
    chosen = model.expression_
    assert str(chosen) in words
    assert chosen.latex(6) in words
    assert chosen.numpy_source("E_kin_") in words
    for expression, row in zip(model.expressions_, model.equations_.itertuples(), strict=True):
        assert expression.text(6) in words
        assert f"{row.loss:.4g}" in words
    assert page.words.count("selected") == 1
    assert "tab&le.csv" in words
    assert "left out: 'a < b'" in words
    assert model.stop_reason_ in words
    assert f"E<kin> = {chosen.text(6)}" in words  # the title


def test_every_picture_has_words(text, model):
    images = Page(text).images
    pictures = [label for label in images if ": " in label]
    assert [label.split(":")[0] for label in pictures] == [
        "Error against complexity",
        "Predicted against measured",
        "Residuals",
        "E<kin> over speed",
        "Extra",
        "Progress",
    ]
    formulas = [label for label in images if ": " not in label]
    assert formulas == [model.expression_.text(6), *(e.text(6) for e in model.expressions_)]
    assert text.count("<svg") == len(images)


def test_constants_have_deviations(text, model):
    words = " ".join(Page(text).words)
    table = model.constants()
    assert table.attrs["formula"] in words
    for row in table.itertuples():
        assert with_deviation(row.value, row.deviation) in words


def test_colours_follow_the_page(text):
    for figures in re.findall(r"<figure.*?</figure>", text, flags=re.DOTALL):
        assert "var(--ink)" in figures or "Extra" in figures
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text


def luminance(colour: str) -> float:
    """Relative luminance as in WCAG 2.1."""
    if len(colour) == 4:
        colour = "#" + "".join(2 * c for c in colour[1:])
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_contrast_in_light_and_dark(text):
    """WCAG 2.1, criterion 1.4.3 (AA): at least 4.5 to 1."""
    palettes = re.findall(r":root \{([^}]*)\}", text)
    assert len(palettes) == 2
    for palette in palettes:
        colours = dict(re.findall(r"--(\w+): (#\w+)", palette))
        for letters in ("ink", "muted", "orange"):
            for ground in ("paper", "card"):
                dark, light = sorted(luminance(colours[name]) for name in (letters, ground))
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (letters, ground)


def test_curve_or_slices_by_the_number_of_variables(data, model, given_search):
    X, y = data
    assert [p.title for p in fit_pictures(model, X, y, "E")][2:] == ["E over speed"]
    two = SymbolicRegressor(search=given_search("speed*`m & <b>`")).fit(X, X["speed"] * X["m & <b>"])
    assert [p.title for p in fit_pictures(two, X, y)][2:] == ["One variable at a time"]


@pytest.mark.parametrize(
    "formula",
    [
        "x0**2 + sqrt(x1)/3",
        "min(x0, abs(x1)) - cbrt(x0)",
        "exp(-x0**2/2)*sign(x1)",
        "`x 1` + `50%`*lambda/N",
        "asin(x0) + sinh(x1)**3",
        "1e-30*x0 - 2.5e10",
        "größe/T_max",
    ],
)
def test_formulas_are_set_like_in_print(formula):
    expression = Expression.parse(formula)
    html = formula_html(expression, "a-")
    Page(html)
    assert html.startswith('<span class="formula" role="img" aria-label="')
    assert re.search(r'<svg[^>]* height="[\d.]+em"', html)
    assert "<path" in html


@pytest.mark.parametrize("formula", ["`a#b{` + 1", " + ".join(["sin(x0)"] * 60)])
def test_formulas_that_cannot_be_set_are_text(formula):
    assert (
        formula_html(Expression.parse(formula), "a-") == f"<code>{Expression.parse(formula).text(6)}</code>"
    )


def test_missing_glyphs_are_no_warning():
    figure = Figure()
    figure.text(0.5, 0.5, "速度")
    assert "<svg" in figure_svg(figure)


def test_same_figure_same_svg():
    first, second = (figure_svg(Figure(figsize=(2, 2)), "a-") for _ in range(2))
    assert first == second


def test_pages_of_many_rows_stay_small(tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.uniform(1, 5, size=100_000)})
    y = X["x"].to_numpy() * 2 + 1
    model = SymbolicRegressor(max_time=None, max_evals=20_000, random_state=0).fit(X, y)
    path = write_report(tmp_path / "report.html", model, X, y)
    assert path.stat().st_size < 1_500_000
