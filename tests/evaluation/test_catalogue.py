"""The catalogue: right problems, rows that obey their laws, tables found where they lie, clear errors."""

from __future__ import annotations

import csv
import gzip
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from symnum.evaluation import catalogue, tables
from symnum.evaluation.domain import Domain, Rule, draw_outside, draw_real
from symnum.evaluation.hidden import hidden_problem
from symnum.evaluation.systems import trajectories
from symnum.evaluation.tables import DataNotFound, datasets_dir, load_table
from symnum.exceptions import InvalidInput
from symnum.expressions import Expression
from symnum.expressions.units import check_units, parse_units

FACTS = Path(__file__).parents[2] / "datasets"


# -------------------------------------------------------------------------------------------------- problems
@pytest.mark.parametrize(
    ("pattern", "labels", "without", "count"),
    [
        ("feynman/*", (), (), 120),
        ("feynman/*", ("srbench",), (), 116),
        ("feynman/*", ("bonus",), (), 20),
        ("feynman/*", (), ("repeat",), 109),
        ("feynman-srsd/*", (), (), 120),
        ("feynman-srsd/*", ("hard",), (), 50),
        ("strogatz/*", (), (), 14),
        ("blackbox/*", ("2021",), (), 122),
        ("blackbox/*", ("2025",), (), 12),
        ("blackbox/*", ("2021",), ("friedman",), 60),
        ("blackbox/*", ("2021", "at-most-10"), (), 76),
        ("first-principles/*", ("2025",), (), 12),
        ("first-principles/*", (), (), 13),
        ("classic/Nguyen-*", (), (), 13),
        ("classic/*", (), (), 102),
        ("odebench/*", (), (), 23 + 2 * 28 + 3 * 10 + 4 * 2),
        ("hidden/3/*", (), (), 100),
    ],
)
def test_counts_of_the_literature(pattern, labels, without, count):
    found = catalogue.find(pattern, labels=labels, without=without)
    assert len(found) == len(set(found)) == count


def test_patterns_keep_their_order_and_complain():
    assert catalogue.find("feynman/I.6.2", "classic/Koza-1", "feynman/I.6.2") == [
        "feynman/I.6.2",
        "classic/Koza-1",
    ]
    for wrong in ("feinman/*", "feynman/IX.*", "hidden/x/*", ""):
        with pytest.raises(InvalidInput, match="no problem matches"):
            catalogue.find(wrong)
    with pytest.raises(InvalidInput, match=r"near ones: .*feynman/I\.6\.2"):
        catalogue.entry("feynman/I.6.2x")
    for wrong in ("nothing", "hidden/1", "hidden/a/b", "feynman"):
        with pytest.raises(InvalidInput):
            catalogue.entry(wrong)


def test_units_agree_with_the_formulas():
    without = []
    for problem in catalogue.find("feynman/*"):
        e = catalogue.entry(problem)
        if e.units is None:
            without.append(problem)
            continue
        *columns, target = parse_units(list(e.units), [*e.names, e.target])
        assert check_units(e.truth, columns, target), problem
    assert without == ["feynman/I.43.16"]


def test_repeats_are_other_problems_under_other_names():
    rng = np.random.default_rng(0)
    for number, first in catalogue._REPEATS.items():
        a, b = (catalogue.entry(f"feynman/{n}").truth for n in (number, first))
        X = rng.uniform(1.1, 1.9, (20, len(a.names)))
        values = a.evaluate(X)
        same = [
            np.allclose(values, b.evaluate(X[:, order]), rtol=1e-12, equal_nan=True)
            for order in map(list, permutations(range(len(a.names))))
        ]
        assert np.isfinite(values).sum() >= 5
        assert any(same), (number, first)


# -------------------------------------------------------------------------------------------------- domains
def test_grids_against_numpy():
    np.testing.assert_allclose(Rule.parse("step -1 1 0.1").grid, np.arange(-1, 1.05, 0.1), atol=1e-12)
    np.testing.assert_allclose(Rule.parse("step 0.05 10.05 2").grid, [0.05, 2.05, 4.05, 6.05, 8.05, 10.05])
    np.testing.assert_array_equal(Rule.parse("linspace -1 1 20").grid, np.linspace(-1, 1, 20))
    assert Rule.parse("uniform 0 1 20").grid is None
    grid = Domain((Rule.parse("step 0 1 0.5"), Rule.parse("linspace 3 4 2"))).grid()
    assert sorted(map(tuple, grid)) == [(a, b) for a in (0, 0.5, 1) for b in (3, 4)]
    with pytest.raises(InvalidInput, match="no sampling rule"):
        Rule("normal", 0, 1)
    with pytest.raises(InvalidInput, match="no sampling rule"):
        Rule("uniform", 1, 0)


@pytest.mark.parametrize("kind", ["uniform", "log", "log_signed", "integer"])
def test_draws_follow_their_rule(kind):
    rule = Rule(kind, 1.0, 100.0)
    values = rule.draw(20_000, np.random.default_rng(0))
    assert rule.inside(values).all()
    assert values.min() < (2 if kind != "log_signed" else -95)
    assert values.max() > 95
    if kind.startswith("log"):
        assert np.mean(np.abs(values) < 10) == pytest.approx(0.5, abs=0.02)  # half of the decades
        assert np.mean(values < 0) == pytest.approx(0.5 if kind == "log_signed" else 0, abs=0.02)
    else:
        assert np.mean(values) == pytest.approx(50.5, abs=1)
    assert (kind == "integer") == bool(np.all(values == np.round(values)))


def test_widening_is_half_a_width_on_both_sides():
    wide = Domain((Rule("uniform", 1, 3), Rule("log", 1, 100), Rule("step", -2, 2, 0.1))).widened()
    low, high = wide.bounds()
    np.testing.assert_allclose(low, [0, 0.1, -4])
    np.testing.assert_allclose(high, [4, 1000, 4])


def test_outside_rows_are_outside_near_and_real():
    truth = Expression.parse("sqrt(1 - v**2)/v", ("v",))
    domain = Domain.box([0.1], [0.9])
    X, y = draw_outside(truth, domain, 500, np.random.default_rng(0), largest=10.0)
    assert len(X) == 500
    assert not ((X >= 0.1) & (X <= 0.9)).any()
    assert ((X >= -0.3) & (X <= 1.0)).all()  # beyond 1 the root is not real
    np.testing.assert_allclose(y, np.sqrt(1 - X[:, 0] ** 2) / X[:, 0])
    assert (np.abs(y) <= 1000).all()  # not next to the pole at 0


def test_a_truth_that_is_never_real_is_refused():
    with pytest.raises(InvalidInput, match="draws give a finite"):
        draw_real(Expression.parse("log(x)", ("x",)), Domain.box([-2], [-1]), 10, np.random.default_rng(0))


# -------------------------------------------------------------------------------------------------- systems
def test_strogatz_truth_reproduces_the_committed_derivatives():
    for problem in catalogue.find("strogatz/*"):
        e = catalogue.entry(problem)
        _, name, component = e.system
        with (FACTS / "strogatz" / f"{name}.csv").open(newline="") as handle:
            rows = list(csv.DictReader(handle))
        wanted = np.array([float(r[("dx_dt", "dy_dt")[component]]) for r in rows])
        runs = trajectories("strogatz", name)
        assert [len(t) for t, _ in runs] == [100] * 4
        found = e.truth.evaluate(np.concatenate([u for _, u in runs]))
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("system", ["1", "24", "52"])
def test_odebench_truth_is_the_slope_of_its_trajectories(system):
    components = [p for p in catalogue.find("odebench/*") if p.startswith(f"odebench/{system}.")]
    for problem in components:
        e = catalogue.entry(problem)
        for t, U in trajectories("odebench", system):
            slope = np.gradient(U[:, e.system[2]], t, edge_order=2)
            found = e.truth.evaluate(U)
            assert np.max(np.abs(slope - found)[2:-2]) < 0.02 * (np.max(np.abs(found)) + 1e-6), problem


# -------------------------------------------------------------------------------------------------- hidden
def test_hidden_problems_are_decided_by_seed_and_index():
    seen = {}
    for index in range(30):
        truth, domain = hidden_problem(5, index)
        again, _ = hidden_problem(5, index)
        assert truth == again
        assert hidden_problem(6, index)[0] != truth
        X, y = draw_real(truth, domain, 300, np.random.default_rng(index))
        assert np.isfinite(truth.evaluate(X)).all()
        assert np.std(y) > 0.04 * np.mean(np.abs(y))
        assert set(truth.variables) == set(range(len(truth.names)))
        seen[str(truth)] = index
    assert len(seen) == 30


def test_hidden_set_is_the_one_of_the_first_release():
    """A change of canonical forms or of the generator must not silently change published sets."""
    values = []
    for index in range(8):
        truth, domain = hidden_problem(1, index)
        low, high = domain.bounds()
        values.append(float(truth.evaluate((low + 0.37 * (high - low))[None])[0]))
    known = [
        -3.55352327763,
        0.0352434268708,
        0,
        -0.167646399924,
        -0.0161598539204,
        14.4678393101,
        28.1489129014,
        -42.2275183615,
    ]
    np.testing.assert_allclose(values, known, rtol=1e-10)


def test_feynman_formulas_are_not_hidden_ones():
    from symnum.evaluation.hidden import _known

    rng = np.random.default_rng(0)
    assert _known(Expression.parse("3*b*a**2", ("a", "b")), rng)  # I.14.4 up to names and a factor
    assert not _known(Expression.parse("b*a**2 + sin(a)", ("a", "b")), rng)


# -------------------------------------------------------------------------------------------------- tables
@pytest.fixture
def no_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SYMNUM_DATA", raising=False)
    monkeypatch.delenv("SYMNUM_ALLOW_DOWNLOAD", raising=False)
    return tmp_path


def write_table(root: Path, name: str, text: str) -> None:
    (root / name).mkdir(parents=True)
    with gzip.open(root / name / f"{name}.tsv.gz", "wt") as handle:
        handle.write(text)


def test_tables_are_found_in_pmlb_layout_and_read_exactly(no_cache, monkeypatch):
    digits = "0.1000000000000000055511151231257827"
    write_table(no_cache / "a", "192_vineyard", f"lugs.1989\t x \ttarget\n1\t{digits}\t3\n2\t1e-3\t5\n")
    monkeypatch.setenv("SYMNUM_DATA", f"{no_cache / 'none'}:{no_cache / 'a'}")
    table = load_table("192_vineyard")
    assert list(table.features.columns) == ["lugs_1989", "x"]  # SRBench's renaming
    assert table.features["x"].tolist() == [float(digits), 1e-3]
    assert table.target.tolist() == [3, 5]
    assert table.source == "$SYMNUM_DATA"


def test_first_principles_may_lie_in_a_folder_of_their_own(no_cache, monkeypatch):
    folder = no_cache / "first_principles"
    folder.mkdir()
    (folder / "bode.csv").write_text("n,target\n1,0.7\n")
    monkeypatch.setenv("SYMNUM_DATA", str(no_cache))
    assert load_table("first_principles_bode").target.tolist() == [0.7]


def test_the_users_cache_is_second(no_cache, monkeypatch):
    write_table(no_cache / "cache" / "symnum" / "pmlb", "t", "a\ttarget\n1\t2\n")
    assert load_table("t").source == "user cache"


def test_an_absent_table_is_a_clear_error_and_no_download(no_cache, monkeypatch):
    monkeypatch.setenv("SYMNUM_DATA", str(no_cache / "here"))
    monkeypatch.setattr(tables, "_download", lambda name: pytest.fail("went to the network"))
    with pytest.raises(DataNotFound) as caught:
        load_table("1027_ESL")
    for part in ("1027_ESL", str(no_cache / "here"), "user cache", "SYMNUM_ALLOW_DOWNLOAD=1"):
        assert part in str(caught.value)
    with pytest.raises(InvalidInput):
        load_table("../secret")


def test_a_download_must_be_allowed(no_cache, monkeypatch):
    def fetch(name):
        write_table(no_cache / "cache" / "symnum" / "pmlb", name, "a\ttarget\n1\t2\n")

    monkeypatch.setattr(tables, "_download", fetch)
    monkeypatch.setenv("SYMNUM_ALLOW_DOWNLOAD", "1")
    assert load_table("thing").target.tolist() == [2]


def test_no_target_column(no_cache, monkeypatch):
    write_table(no_cache, "t", "a\tb\n1\t2\n")
    monkeypatch.setenv("SYMNUM_DATA", str(no_cache))
    with pytest.raises(InvalidInput, match="no column 'target'"):
        load_table("t")


def test_facts_elsewhere(monkeypatch, tmp_path):
    assert datasets_dir() == FACTS
    monkeypatch.setenv("SYMNUM_DATASETS", str(tmp_path))
    with pytest.raises(DataNotFound, match="SYMNUM_DATASETS"):
        datasets_dir()
