"""Separability against formulas whose interactions are known, and parts put together again."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lombscargle

from symnum.expressions.expression import Expression
from symnum.search.bank import Bank
from symnum.search.exact import bank_rows
from symnum.search.oscillation import oscillations
from symnum.search.parts import assemble, components, part_views, peel
from symnum.search.separation import multiplied, structures
from symnum.search.view import View, original

NAMES = ("a", "b", "c", "d")


def view_of(text: str, noise: float = 0.0, names: tuple[str, ...] = NAMES) -> View:
    rng = np.random.default_rng(5)
    X = rng.uniform(1, 3, (800, len(names)))
    y = Expression.parse(text, names).evaluate(X)
    return original(X, y + noise * y.std() * rng.normal(size=len(y)), names)


def groups_of(view: View, log: bool) -> set[str]:
    found = [s for s in structures(view) if s.log == log]
    return {"".join(view.names[j] for j in g) for g in found[0].groups} if found else set()


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize(
    ("text", "log", "groups"),
    [
        ("sin(a*b) + c**2*d", False, {"ab", "cd"}),
        ("a*b + b*c + sqrt(d)", False, {"ab", "bc", "d"}),
        ("(a + b)*exp(-c)*(1 + d)", True, {"ab", "c", "d"}),
        ("sqrt(a**2 + b)/(c + d)", True, {"ab", "cd"}),
    ],
)
def test_groups_are_those_of_the_formula(text: str, log: bool, groups: set[str], noise: float) -> None:
    assert groups_of(view_of(text, noise), log) == groups


def test_a_function_of_everything_is_not_taken_apart() -> None:
    assert structures(view_of("1/(a*b + c*d)")) == []


def test_interactions_are_where_mixed_derivatives_are() -> None:
    import sympy

    text = "a*log(b) + b*c + c*d**2"
    e = Expression.parse(text, NAMES).sympy()
    by_name = {str(s): s for s in e.free_symbols}
    pairs = {
        p + q
        for i, p in enumerate(NAMES)
        for q in NAMES[i + 1 :]
        if sympy.diff(e, by_name[p], by_name[q]) != 0
    }
    assert groups_of(view_of(text), False) == pairs


def test_too_few_rows_or_columns_give_nothing() -> None:
    view = view_of("a + b*c")
    assert structures(View(view.X[:50], view.y[:50], view.names, view.restore)) == []
    assert structures(View(view.X[:, :1], view.y, ("a",), view.restore)) == []


def test_a_factor_that_hides_a_sum_is_found() -> None:
    view = view_of("(sin(b*c) + d)/a")
    views = multiplied(view)
    assert views
    best = next(v for v in views if v.path[-1] == "times a^1")
    truth = Expression.parse("sin(b*c) + d", NAMES)
    np.testing.assert_allclose(best.y, truth.evaluate(view.X), rtol=1e-12)
    np.testing.assert_allclose(best.restore(truth).evaluate(view.X), view.y, rtol=1e-12)
    # An error of y*a counts 1/a times in y.
    np.testing.assert_allclose(best.scale, 1 / view.X[:, 0])


def test_parts_are_the_terms_without_their_means() -> None:
    view = view_of("sin(a*b) + c**2 + exp(-d)")
    structure = next(s for s in structures(view) if not s.log)
    parts = part_views(view, structure)
    for part, text in zip(parts, ["sin(a*b)", "c**2", "exp(-d)"], strict=True):
        true = Expression.parse(text, part.names).evaluate(part.X)
        assert np.corrcoef(part.y, true)[0, 1] > 0.999, text


def test_parts_are_assembled_to_the_exact_formula() -> None:
    view = view_of("3*(a + b)*exp(-c)*(2 + d)")
    structure = next(s for s in structures(view) if s.log)
    assert [tuple(NAMES[j] for j in structure.groups[k[0]]) for k in components(structure.groups)] == [
        ("a", "b"), ("c",), ("d",),
    ]  # fmt: skip
    texts = (["1.1*a*b", "0.4*(a + 1.02*b)"], ["exp(-0.97*c)"], ["d + 2.1"])
    parts = part_views(view, structure)
    forms = [[Expression.parse(t, v.names) for t in some] for v, some in zip(parts, texts, strict=True)]
    made = list(assemble(view, structure, forms, 1))
    errors = [np.max(np.abs(e.evaluate(view.X) / view.y - 1)) for e in made]
    assert min(errors) < 1e-6


def test_peeling_a_known_factor_leaves_the_rest() -> None:
    view = view_of("(a + b)*exp(-c)*(2 + d)")
    structure = next(s for s in structures(view) if s.log)
    rest = peel(
        view, structure, [1, 2], [Expression.parse("exp(-c)", ("c",)), Expression.parse("d + 2", ("d",))]
    )
    assert rest is not None
    assert rest.names == ("a", "b")
    np.testing.assert_allclose(rest.y, rest.X.sum(axis=1), rtol=1e-12)
    back = rest.restore(Expression.parse("a + b", rest.names))
    np.testing.assert_allclose(back.evaluate(view.X), view.y, rtol=1e-12)


def test_components_join_groups_that_share_variables() -> None:
    assert components([(0, 1), (2,), (1, 3)]) == [[1], [0, 2]] or components([(0, 1), (2,), (1, 3)]) == [
        [0, 2],
        [1],
    ]


def test_a_bank_of_groups_holds_no_function_across_them() -> None:
    X = np.random.default_rng(0).uniform(1, 3, (30, 3))
    bank = Bank.start(X, ("a", "b", "c"), ("sqrt",), ("add", "mul"), 3_000, groups=[(0, 1), (2,)])
    bank.grow(3_000, lambda: False)
    for k in range(bank.size):
        used = set(bank.expression(k).variables)
        assert used <= {0, 1} or used <= {2}
        assert sum(1 << j for j in used) == bank.members[k]
    assert any(set(bank.expression(k).variables) == {0, 1} for k in range(bank.size))


def _scan(view: View) -> list[Expression]:
    bank = Bank.start(view.X[bank_rows(view)], view.names, ("square", "inv"), ("add", "mul", "div"), 300)
    bank.grow(300, lambda: False)
    with np.errstate(all="ignore"):
        return list(oscillations(view, bank, lambda: False, 1))


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_a_high_frequency_is_found(noise: float) -> None:
    view = view_of("a*cos(7.3*a*b + 0.4)", noise, ("a", "b"))
    truth = Expression.parse("a*cos(7.3*a*b + 0.4)", ("a", "b")).evaluate(view.X)
    best = min(np.mean((e.evaluate(view.X) - truth) ** 2) for e in _scan(view))
    assert best < (1e-10 if noise == 0 else 1e-3) * truth.var()


def test_the_frequency_is_the_peak_of_a_lomb_scargle_periodogram() -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 6, 500)
    y = np.sin(11.7 * x) + 0.3 * rng.normal(size=500)
    grid = np.linspace(2, 20, 4_000)
    peak = grid[np.argmax(lombscargle(x, y - y.mean(), grid))]
    best = min(
        _scan(original(x[:, None], y, ("x",))), key=lambda e: np.mean((e.evaluate(x[:, None]) - y) ** 2)
    )
    dense = np.linspace(0, 6, 2_000)
    wave = best.evaluate(dense[:, None])
    found = grid[np.argmax(lombscargle(dense, wave - wave.mean(), grid))]
    assert abs(found - peak) < 0.05


def test_nothing_more_is_tested_after_the_end():
    """A search for factors of 100,000 rows went on for two seconds after the limit."""
    assert structures(view_of("sin(a*b) + c**2 + exp(-d)"), stop=lambda: True) == []
    asked = []
    assert multiplied(view_of("(sin(b*c) + d)/a"), stop=lambda: asked.append(1) or len(asked) > 1) == []
    assert len(asked) <= 2 + len(NAMES)
