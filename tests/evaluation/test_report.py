"""Statistics against closed forms and other libraries; the page and its tables against the runs they show."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from symnum.evaluation import aggregate
from symnum.evaluation.aggregate import (
    Group,
    bootstrap,
    groups,
    matrix,
    over_time,
    prepare,
    profile,
    ranks,
    score,
)
from symnum.evaluation.published import default_folder, read_published
from symnum.evaluation.report import write_report
from symnum.evaluation.store import Store, load_runs
from symnum.evaluation.task import Task, empty_row, failure_row
from symnum.exceptions import InvalidInput

NAN = float("nan")


def run(method: str, problem: str, seed: int = 0, **known: object) -> dict:
    of_task = {name: known.pop(name) for name in ("noise", "tracks") if name in known}
    task = Task(method, problem, seed=seed, **of_task)
    truth = None if problem.startswith("blackbox") else "x0*x1"
    found = {
        "status": "ok", "truth": truth, "finished": "2026-01-02T00:00:00+00:00", "fit_seconds": 5.0,
        "fit_cpu_seconds": 9.0, "equation": "x0*x1", "sympy_size": 3, "run_seconds": 6.0,
        "total_seconds": 5.9, "n_ood": 10, "cpu": "processor", "cores": 2, "lanes": 1, "load": 0.1,
        "run_peak_mb": 100.0,
    }  # fmt: skip
    return empty_row(task) | found | known


def failed(method: str, problem: str, seed: int = 0, status: str = "timeout") -> dict:
    return failure_row(Task(method, problem, seed=seed), status, f"<{status}> & more") | {"run_seconds": 70.0}


def solved(yes: bool, **known: object) -> dict:
    r2 = {"r2_test": 1.0, "r2_ood": 1.0} if yes else {"r2_test": 0.6, "r2_ood": -3.0}
    verdicts = {"numeric": "equal" if yes else "different", "form": "equal", "symbolic": "unknown"}
    return {"recovered": yes, "recovered_any": yes, "accuracy_solution": yes, **r2, **verdicts, **known}


def stored(folder: Path, *rows: dict) -> Path:
    store = Store(folder)
    for row in rows:
        store.add(row)
    return folder


def prepared(folder: Path, *rows: dict) -> pd.DataFrame:
    return prepare(load_runs(stored(folder, *rows)))


def only(table: pd.DataFrame) -> Group:
    (group,) = groups(table)
    return group


# ------------------------------------------------------------------------------------------------ bootstrap
def test_interval_of_a_rate_has_the_binomial_width():
    hits = np.repeat([1.0, 0.0], [60, 40])[:, None]
    value, low, high = bootstrap(hits, draws=4000)
    assert value == 0.6
    # the bootstrap of a mean of 0/1 is a binomial distribution
    expected = stats.binom(100, 0.6).ppf([0.025, 0.975]) / 100
    np.testing.assert_allclose([low, high], expected, atol=0.011)


def test_interval_covers_problems_and_seeds():
    """Variance of the two-stage mean: between problems over problems, plus within over problems and seeds."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(40, 1)) + 2 * rng.normal(size=(40, 5))
    value, low, high = bootstrap(values, draws=4000)
    assert value == pytest.approx(values.mean())
    variance = values.mean(axis=1).var() / 40 + values.var(axis=1).mean() / 200
    assert (high - low) / (2 * 1.96) == pytest.approx(np.sqrt(variance), rel=0.07)


def test_interval_of_a_median_is_the_exact_one():
    """The k-th smallest of n values bounds a resampled median with the probability of a binomial tail."""
    n = 601
    values = np.sort(np.random.default_rng(5).exponential(size=n))
    value, low, high = bootstrap(values[:, None], "median", draws=4000)
    at_most = stats.binom.sf((n - 1) / 2, n, np.arange(1, n + 1) / n)
    exact = values[np.searchsorted(at_most, [0.025, 0.975])]
    assert value == np.median(values)
    np.testing.assert_allclose([low, high], exact, rtol=0.02)


def test_uneven_numbers_of_seeds_do_not_weigh_problems():
    values = np.array([[1.0, 1.0, 1.0, 1.0], [0.0, NAN, NAN, NAN]])
    even = np.array([[1.0], [0.0]])
    assert bootstrap(values).value == 0.5
    np.testing.assert_allclose(bootstrap(values, draws=4000)[1:], bootstrap(even, draws=4000)[1:])
    mixed = np.array([[1.0, 0.0, NAN], [0.5, NAN, NAN], [0.2, 0.4, 0.9]])
    assert bootstrap(mixed).value == pytest.approx(np.mean([0.5, 0.5, 0.5]))
    assert bootstrap(mixed, "median").value == pytest.approx(np.median([0.5, 0.5, 0.4]))


def test_intervals_are_repeatable_and_empty_ones_unknown():
    values = np.random.default_rng(0).random((10, 3))
    assert bootstrap(values) == bootstrap(values)
    assert np.isnan(bootstrap(np.empty((0, 0)))).all()


def test_matrix_has_a_row_for_each_problem():
    runs = pd.DataFrame({"problem": list("babca"), "v": [1.0, 2.0, NAN, NAN, 5.0]})
    np.testing.assert_array_equal(matrix(runs, "v"), [[2.0, 5.0], [1.0, NAN]])
    assert matrix(runs.iloc[2:4], "v").shape == (0, 0)


# ------------------------------------------------------------------------------------------------ failures
def test_failures_count_as_failures(tmp_path: Path):
    table = prepared(
        tmp_path,
        run("a", "feynman/x", 0, **solved(True)),
        run("a", "feynman/x", 1, **solved(False)),
        failed("a", "feynman/x", 2),
        failed("a", "feynman/x", 3, "crash"),
        failed("a", "feynman/x", 4, "skipped"),
    )
    scores = score(only(table))["a"]
    assert scores["recovered"].value == 0.25
    assert scores["accuracy_solution"].value == 0.25
    assert scores["right_form"].value == 0.5
    assert scores["r2_zero_test"].value == np.median([1.0, 0.6, 0, 0])
    assert scores["r2_zero_ood"].value == np.median([1.0, 0, 0, 0])
    assert scores["fit_seconds"].value == np.median([5, 5, 70, 70])  # a killed run was not quick
    assert scores["sympy_size"].value == 3


def test_five_of_five_is_no_certainty(tmp_path: Path):
    rows = [run("a", f"feynman/{i}", **solved(True, recovered_any=i < 4)) for i in range(5)]
    scores = score(only(prepared(tmp_path, *rows)))["a"]
    wilson = stats.binomtest(5, 5).proportion_ci(method="wilson")
    np.testing.assert_allclose(scores["recovered"], (1.0, wilson.low, 1.0), rtol=1e-6)
    np.testing.assert_allclose(scores["recovered_front"], (0.0, 0.0, 1 - wilson.low), rtol=1e-6)
    assert scores["recovered_any"].low < 0.8


def test_black_box_has_no_verdicts(tmp_path: Path):
    group = only(
        prepared(tmp_path, run("a", "blackbox/x", r2_test=0.9), run("a", "blackbox/y", r2_test=-4.0))
    )
    assert not group.has_truth
    scores = score(group)["a"]
    assert "recovered" not in scores
    assert scores["r2_zero_test"].value == 0.45
    assert scores["cores_used"].value == 1.8


def test_subsets_leave_out_families_and_repeats(tmp_path: Path):
    table = prepared(
        tmp_path,
        run("a", "blackbox/1", tracks=("real",)),
        run("a", "blackbox/2", tracks=("friedman",)),
        run("a", "blackbox/3", tracks=("real", "repeat")),
    )
    found = {group.subset: set(group.runs["problem"]) for group in groups(table)}
    assert found == {
        "all": {"blackbox/1", "blackbox/2", "blackbox/3"},
        "without Friedman": {"blackbox/1", "blackbox/3"},
        "without repeats": {"blackbox/1", "blackbox/2"},
        "without Friedman and repeats": {"blackbox/1"},
    }


def test_other_budgets_and_noises_are_not_compared(tmp_path: Path):
    rows = [run("a", "feynman/x", noise=noise, **solved(True)) for noise in (0.0, 0.1)]
    slow = Task("a", "feynman/x", max_time=60)
    rows.append(run("a", "feynman/x") | {"max_time": 60.0, "key": slow.key})
    assert len(list(groups(prepared(tmp_path, *rows)))) == 3


# ------------------------------------------------------------------------------------------------ curves
def test_profile_and_its_area(tmp_path: Path):
    rows = [run("a", f"blackbox/{i}", r2_test=r2) for i, r2 in enumerate([1.0, 0.5, -2.0, 0.25])]
    table = prepared(tmp_path, *rows)
    share = profile(table)
    grid = aggregate.PROFILE_GRID
    np.testing.assert_allclose(share, [np.mean([r2 >= t for r2 in (1.0, 0.5, 0.0, 0.25)]) for t in grid])
    # the area under one run's step is its R2, up to the grid
    np.testing.assert_allclose(table.sort_values("problem")["r2_auc"], [1.0, 0.5, 0.0, 0.25], atol=0.011)
    assert score(only(table))["a"]["r2_auc"].value == pytest.approx(np.trapezoid(share, grid))


def test_recovery_over_time(tmp_path: Path):
    table = prepared(
        tmp_path,
        run("a", "feynman/x", 0, **solved(True, time_to_first=2.0)),
        run("a", "feynman/x", 1, **solved(True)),  # does not say when: counts at the end of its fit
        run("a", "feynman/y", 0, **solved(False, time_to_first=0.5)),  # was on the front, was not chosen
        run("a", "feynman/z", 0, **solved(True, time_to_first=1.0)),
        failed("a", "feynman/z", 1),
    )
    seconds, share = over_time(table)
    np.testing.assert_allclose(seconds, [1.0, 2.0, 5.0])
    np.testing.assert_allclose(share, [1 / 6, 2 / 6, 3 / 6])
    assert score(only(table))["a"]["recovered"].value == pytest.approx(share[-1])


# ------------------------------------------------------------------------------------------------ ranks
def ranked(folder: Path, values: np.ndarray) -> aggregate.Ranks | None:
    rows = [
        run(f"m{j}", f"blackbox/{i}", r2_test=v) for i, line in enumerate(values) for j, v in enumerate(line)
    ]
    return ranks(only(prepared(folder, *rows)))


def test_ranks_and_tests_agree_with_scipy(tmp_path: Path):
    rng = np.random.default_rng(11)
    values = np.round(np.clip(rng.random((20, 4)) * 0.3 + [0.6, 0.45, 0.4, 0.1], 0, 1), 3)
    found = ranked(tmp_path, values)
    assert found is not None
    mean = stats.rankdata(-values, axis=1).mean(axis=0)
    assert found.methods == [f"m{i}" for i in np.argsort(mean)]
    np.testing.assert_allclose(found.mean_ranks, np.sort(mean))
    assert found.friedman_p == pytest.approx(stats.friedmanchisquare(*values.T).pvalue)
    raw = {}
    for a in range(4):
        for b in range(a):
            raw[frozenset((f"m{a}", f"m{b}"))] = stats.wilcoxon(values[:, a], values[:, b]).pvalue
    # Holm: the smallest p times 6, the next times 5 ..., never falling
    for place, pair in enumerate(sorted(raw, key=lambda pair: raw[pair])):
        p = next(v for k, v in found.pairs.items() if frozenset(k) == pair)
        floor = (6 - place) * raw[pair]
        assert p >= min(1.0, floor) - 1e-12
        if place == 0:
            assert p == pytest.approx(floor)


def test_nemenyi_critical_difference_is_demsars(tmp_path: Path):
    """Demsar 2006, table 5: q(0.05) = 2.569 for 4 and 2.343 for 3 classifiers."""
    values = np.random.default_rng(2).random((14, 4))
    found = ranked(tmp_path, values)
    assert found.critical_difference == pytest.approx(2.569 * np.sqrt(4 * 5 / (6 * 14)), abs=1e-3)
    assert aggregate._studentized_range(3) == pytest.approx(2.343, abs=1e-3)


def test_holm_is_the_textbook_example():
    """Holm 1979's procedure on p = 0.01, 0.04, 0.03, 0.005."""
    raw = dict(zip([("a", "b"), ("a", "c"), ("a", "d"), ("b", "c")], [0.01, 0.04, 0.03, 0.005], strict=True))
    adjusted = aggregate._holm(raw)
    np.testing.assert_allclose([adjusted[pair] for pair in raw], [0.03, 0.06, 0.06, 0.02])


def test_ranks_need_enough_problems_and_use_those_all_ran(tmp_path: Path):
    assert ranked(tmp_path / "few", np.random.default_rng(0).random((4, 3))) is None
    assert ranked(tmp_path / "one", np.random.default_rng(0).random((9, 1))) is None
    rows = [run(m, f"blackbox/{i}", r2_test=i / 10) for i in range(8) for m in "ab" if (i, m) != (0, "a")]
    found = ranks(only(prepared(tmp_path / "gap", *rows)))
    assert found.problems == 7
    assert found.pairs["a", "b"] == 1.0
    assert not found.differ("b", "a")
    np.testing.assert_allclose(found.mean_ranks, [1.5, 1.5])


# ------------------------------------------------------------------------------------------------ published
def test_published_results_are_the_known_ones():
    """Figures of SRBench's final tables (v2.0, noise 0) and of its 2025 heat map."""
    found = {(e.source, e.method, e.suite, e.noise): e.values for e in read_published(default_folder())}
    assert found["SRBench 2021", "AIFeynman", "feynman", 0.0]["srbench_solved"] == pytest.approx(0.558)
    assert found["SRBench 2021", "MRGP", "feynman", 0.0]["accuracy_solution"] == pytest.approx(0.931)
    assert found["SRBench 2021", "Operon", "strogatz", 0.0]["accuracy_solution"] == pytest.approx(0.929)
    assert found["SRBench 2021", "Operon", "blackbox", 0.0]["reported_size"] == 50
    assert found["SRBench 2025", "Brush", "blackbox", 0.0]["r2_auc"] == pytest.approx(0.622, abs=1e-3)
    known = {m.name for m in aggregate.MEASURES} | {"reported_size"}
    assert all(set(values) <= known for values in found.values())
    rates = {m.name for m in aggregate.MEASURES if m.unit == "%"}
    assert all(0 <= v <= 1 for values in found.values() for name, v in values.items() if name in rates)


def test_bad_published_files_are_named(tmp_path: Path):
    (tmp_path / "x.csv").write_text("source,method\na,b\n")
    with pytest.raises(InvalidInput, match=r"x.csv lacks the columns \['suite'"):
        read_published(tmp_path)
    (tmp_path / "x.csv").write_text(
        "source,method,suite,noise,measure,value,problems,budget,note\na,b,c,none,m,1,2,,\n"
    )
    with pytest.raises(InvalidInput, match="must be numbers"):
        read_published(tmp_path)
    assert read_published(None) == []


# ------------------------------------------------------------------------------------------------ page
VOID = {"meta", "br", "col", "hr", "use", "path", "img"}


class Page(HTMLParser):
    """Checks that tags are balanced; collects text, ids, references and addresses."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.ids, self.links, self.words, self.tags = [], [], [], [], set()
        self.feed(text)
        self.close()
        assert self.open == []
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        self._attributes(attrs)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.tags.add(tag)
        self._attributes(attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    def _attributes(self, attrs: list) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("href", "src", "xlink:href"):
                self.links.append(value)
            for reference in re.findall(r"url\(([^)]*)\)", value or ""):
                self.links.append(reference)


def campaign(folder: Path) -> Path:
    rng = np.random.default_rng(4)
    rows = []
    for method, skill in (("symnum", 0.8), ("operon", 0.5), ("gplearn", 0.2)):
        for noise in (0.0, 0.01):
            for problem in range(8):
                for seed in range(2):
                    yes = solved(bool(rng.random() < skill), time_to_first=float(rng.uniform(0.1, 5)))
                    rows.append(run(method, f"feynman/I.{problem}", seed, noise=noise, **yes))
        for problem in range(9):
            labels = ("friedman",) if problem < 4 else ("real",)
            r2 = float(rng.random() * skill)
            rows.append(run(method, f"blackbox/{problem}_t", tracks=labels, r2_test=r2, truth=None))
    rows += [failed("gplearn", "feynman/I.99", 0, "memory"), failed("pysr", "feynman/I.0", 0, "skipped")]
    rows[0] |= {"equation": "x0 < \"1\" & <b>'bold'</b>"}
    return stored(folder, *rows)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Page]:
    folder = tmp_path_factory.mktemp("campaign")
    campaign(folder / "store")
    path = write_report(
        folder / "store", folder / "out", published=default_folder(), title="A & B", draws=200
    )
    return path, Page(path.read_text(encoding="utf-8"))


def test_page_needs_nothing_beside_it(report: tuple[Path, Page]):
    path, page = report
    text = path.read_text(encoding="utf-8")
    assert "http" not in text
    assert not page.tags & {"script", "link", "iframe", "img", "object"}
    assert all(link.startswith("#") for link in page.links)
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    assert "@media (prefers-color-scheme: dark)" in text
    assert not re.search(r"#[0-9a-f]{6}", text.partition("</style>")[2])  # all colours follow the page


def test_page_shows_what_was_run(report: tuple[Path, Page]):
    _, page = report
    shown = "A & B|feynman|blackbox|symnum|operon|gplearn|noise 0.01|without Friedman|Published, SRBench 2021"
    for words in [*shown.split("|"), "AIFeynman", "Problem by problem", "memory", "Friedman's test"]:
        assert words in page.text
    assert "x0 < \"1\" & <b>'bold'</b>" in page.text  # shown, not obeyed
    assert "<memory> & more" in page.text


def test_tables_hold_the_same_numbers(report: tuple[Path, Page]):
    path, page = report
    tables = {p.stem: pd.read_csv(p) for p in (path.parent / "tables").glob("*.csv")}
    assert set(tables) == {"summary", "ranks", "pairs", "problems", "failures"}
    summary = tables["summary"].set_index(["suite", "noise", "subset", "method", "measure"])["value"]
    runs = load_runs(path.parent.parent / "store")
    ours = runs[(runs["suite"] == "feynman") & (runs["noise"] == 0) & (runs["method"] == "symnum")]
    expected = ours.groupby("problem")["recovered"].apply(lambda v: v.astype(float).mean()).mean()
    assert summary["feynman", 0.0, "all", "symnum", "recovered"] == pytest.approx(expected)
    assert f"{100 * expected:.1f}" in page.text
    assert list(tables["failures"]["status"]) == ["memory"]
    assert tables["problems"]["runs"].sum() == (runs["status"] != "skipped").sum()
    assert set(tables["ranks"]["method"]) == {"symnum", "operon", "gplearn"}


def test_a_mirror_gives_the_same_summary(report: tuple[Path, Page], tmp_path: Path):
    from symnum.evaluation.store import write_mirror

    path, _ = report
    mirror = write_mirror(path.parent.parent / "store", tmp_path / "m.csv")
    write_report(mirror, tmp_path / "out", draws=200)
    ours = pd.read_csv(path.parent / "tables" / "summary.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "out" / "tables" / "summary.csv"), ours, rtol=1e-4)


def test_smallest_campaign_and_none(tmp_path: Path):
    page = Page(
        write_report(
            stored(tmp_path / "a", run("a", "feynman/x", **solved(True))), tmp_path / "o"
        ).read_text()
    )
    assert "100.0" in page.text
    Page(write_report(stored(tmp_path / "b", failed("a", "feynman/x")), tmp_path / "o").read_text())
    with pytest.raises(InvalidInput, match="were skipped"):
        write_report(stored(tmp_path / "c", failed("a", "feynman/x", 0, "skipped")), tmp_path / "o")


def test_warnings_about_how_it_was_run(tmp_path: Path):
    rows = [run("a", f"feynman/{i}", **solved(True), load=3.0, lanes=2, n_jobs=2) for i in range(3)]
    text = Page(write_report(stored(tmp_path / "s", *rows), tmp_path / "o").read_text()).text
    assert "100 % of the runs began while more than 1.5 processes" in text
    assert "3 runs shared their cores" in text
    rows.append(run("b", "feynman/1", cpu="another"))
    text = Page(write_report(stored(tmp_path / "s", *rows), tmp_path / "o").read_text()).text
    assert "2 kinds of processors" in text
    assert "do not have the same number of runs" in text
